# SPDX-License-Identifier: Apache-2.0
"""What an activation costs: which CPUs it stops, and how long it took before."""

from collections.abc import Mapping
from typing import Any

from livefw.activation.measure.meter import Measurement
from livefw.activation.plan import PastAttempts
from livefw.render.component import cost_of

Document = Mapping[str, Any]


def past_fields(past: PastAttempts | None) -> dict[str, Any]:
    """Earlier attempts in JSON; every field is null if the history cannot be read."""
    if past is None:
        return dict.fromkeys(("usual", "tried", "succeeded", "unknown"))
    usual = past.usual._asdict() if past.usual else None
    return {"usual": usual, "tried": past.tried, "succeeded": past.succeeded, "unknown": past.unknown}


def measured_fields(measured: Measurement, *, rows: bool) -> dict[str, Any]:
    """A measurement in JSON. Its rows, one or more for each CPU, are there where they are asked for."""
    whole = measured.document()
    figures = {"cpus": measured.cpus, "longest_ns": measured.longest_ns, "baseline_ns": measured.baseline_ns}
    return {name: value for name, value in whole.items() if rows or name != "rows"} | figures


def recorded_fields(cost: Any, *, rows: bool) -> Any:
    """As `measured_fields`, from a row of the history; as it was written if it is no measurement."""
    try:
        return measured_fields(Measurement.from_document(cost), rows=rows)
    except (ValueError, LookupError, TypeError):
        return cost


def forecast(component: Document, past: Document) -> str:
    """What an activation of a component costs, and what became of it before, in a sentence."""
    return f"{cost_of(component['cost'])}; {_before(past)}"


def _before(past: Document) -> str:
    """What became of it here before."""
    if past["tried"] is None:
        return "the history of it cannot be read"
    if usual := past["usual"]:
        took = f"took {usual['median_s']:.1f} s here before"
        return f"{took} ({_times(usual['times'])}, at worst {usual['worst_s']:.1f} s)"
    if past["succeeded"]:
        return f"done {_times(past['succeeded'])} here before, and nobody saw how long it took"
    if past["tried"]:
        return f"tried {_times(past['tried'])} here, never with {'certain ' if past['unknown'] else ''}success"
    return "never done here before"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
