# SPDX-License-Identifier: Apache-2.0
"""The metrics: one table of families, and how each follows from what was collected."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from livefw.activation.figures import Figures, HistoryFigures
from livefw.activation.history.tally import BUCKETS_S, UNCONFIRMED, Stalls
from livefw.activation.outcome import Outcome
from livefw.errors import ExitCode, kind_of
from livefw.providers.base import Component
from livefw.render import exposition
from livefw.render.answer import Answer
from livefw.render.exposition import MetricFamily, MetricType, Sample, label_value

OUTCOMES = (*(each for each in Outcome if each is not Outcome.STAGED), UNCONFIRMED)
"""Values of the label ``outcome``: each component has all of them, so that its first failure is an increase."""


class Metric(NamedTuple):
    """A family, and its samples from what was collected."""

    family: MetricFamily
    samples: Callable[[Figures], Iterable[Sample]]


def answer(figures: Figures) -> Answer:
    """What `livefw metrics` answers. The exit code is that of the error where the machine cannot be read."""
    code = kind_of(figures.error).exit_code if figures.error else ExitCode.DONE
    return Answer(lambda: text(figures).rstrip("\n"), lambda: {"metrics": _documents(figures)}, code)


def text(figures: Figures) -> str:
    """All metrics, as Prometheus reads them."""
    return exposition.text((each.family, each.samples(figures)) for each in METRICS)


def _documents(figures: Figures) -> list[dict[str, Any]]:
    return [
        {
            "name": metric.family.name,
            "type": metric.family.type,
            "help": metric.family.help,
            "samples": [
                {
                    "name": metric.family.name + sample.suffix,
                    "labels": {name: label_value(value) for name, value in sample.labels.items()},
                    "value": float(sample.value),
                }
                for sample in metric.samples(figures)
            ],
        }
        for metric in METRICS
    ]


def _component_info(figures: Figures) -> Iterator[Sample]:
    for item in figures.components or ():
        labels = {
            "component": item.key,
            "provider": item.provider,
            "host": item.host,
            "name": item.name,
            "current_version": _version(item, pending=False),
            "pending_version": _version(item, pending=True),
        }
        yield Sample(1, labels)


def _version(item: Component, *, pending: bool) -> str:
    version = item.pending_version if pending else item.current_version
    if version is None or (pending and not item.pending):
        return ""
    return version.text + ("" if version.reliable else "?")


def _pending(figures: Figures) -> Iterator[Sample]:
    known = (item for item in figures.components or () if item.pending is not None)
    return (Sample(bool(item.pending), {"component": item.key}) for item in known)


def _pending_since(figures: Figures) -> Iterator[Sample]:
    for item in figures.components or ():
        if item.pending_since_ns is not None:
            yield Sample(item.pending_since_ns / 1e9, {"component": item.key})


def _status(figures: Figures) -> Iterator[Sample]:
    return (Sample(1, {"component": key, "status": status}) for key, status in figures.statuses.items())


def _activations(figures: Figures) -> Iterator[Sample]:
    if figures.history is None:
        return
    counted = dict.fromkeys((each.key, outcome) for each in figures.components or () for outcome in OUTCOMES)
    for key, outcome in sorted({**counted, **dict.fromkeys(figures.history.outcomes)}):
        yield Sample(figures.history.outcomes.get((key, outcome), 0), {"component": key, "outcome": outcome})


def _last_outcome(figures: Figures) -> Iterator[Sample]:
    for key, last in _of_history(figures).last.items():
        labels = {"component": key, "outcome": last.label, "code": last.code, "firmware_code": last.firmware_code}
        yield Sample(1, labels)


def _stalls(figures: Figures) -> Iterator[Sample]:
    for provider, stalls in sorted(_of_history(figures).stalls.items()):
        yield from _histogram(provider, stalls)


def _histogram(provider: str, stalls: Stalls) -> Iterator[Sample]:
    labels = {"provider": provider}
    for bound, count in zip((*map(_bound, BUCKETS_S), "+Inf"), accumulate(stalls.counts), strict=True):
        yield Sample(count, {**labels, "le": bound}, "_bucket")
    yield Sample(stalls.sum_s, labels, "_sum")
    yield Sample(sum(stalls.counts), labels, "_count")


def _bound(seconds: float) -> str:
    return f"{seconds:g}"


def _unfinished(figures: Figures) -> Iterator[Sample]:
    if figures.history is not None:
        yield Sample(len(figures.history.unfinished))


def _window_open(figures: Figures) -> Iterator[Sample]:
    if figures.window:
        yield Sample(figures.window.is_open)


def _next_opening(figures: Figures) -> Iterator[Sample]:
    if figures.window and figures.window.next_opening_s is not None:
        yield Sample(figures.window.next_opening_s)


def _history_rows(figures: Figures) -> Iterator[Sample]:
    if figures.history is not None:
        yield Sample(figures.history.rows)


def _consistent(figures: Figures) -> Iterator[Sample]:
    if figures.consistent is not None:
        yield Sample(figures.consistent)


def _of_history(figures: Figures) -> HistoryFigures:
    return figures.history or HistoryFigures()


_COMPONENT = ("component",)

METRICS: tuple[Metric, ...] = (
    Metric(
        MetricFamily(
            "livefw_build_info",
            MetricType.GAUGE,
            "Version of livefw that collected the metrics.",
            ("version",),
            "livefw",
        ),
        lambda figures: (Sample(1, {"version": figures.version}),),
    ),
    Metric(
        MetricFamily(
            "livefw_last_collection_timestamp_seconds",
            MetricType.GAUGE,
            "When the metrics were collected; older ones are stale.",
            source="the clock",
        ),
        lambda figures: (Sample(figures.time_s),),
    ),
    Metric(
        MetricFamily(
            "livefw_machine_readable",
            MetricType.GAUGE,
            "1 if the components of the machine could be read, 0 if not.",
            source="the mechanisms",
        ),
        lambda figures: (Sample(figures.components is not None),),
    ),
    Metric(
        MetricFamily(
            "livefw_settings_valid",
            MetricType.GAUGE,
            "1 if livefw.toml is valid or does not exist, 0 if it is not used because of a mistake.",
            source="livefw.toml",
        ),
        lambda figures: (Sample(figures.settings_valid),),
    ),
    Metric(
        MetricFamily(
            "livefw_component_info",
            MetricType.GAUGE,
            "A component: mechanism, management controller, name, running version, pending version.",
            ("component", "provider", "host", "name", "current_version", "pending_version"),
            "the mechanism",
        ),
        _component_info,
    ),
    Metric(
        MetricFamily(
            "livefw_components_omitted",
            MetricType.GAUGE,
            "Components beyond the first 500, of which there are no metrics.",
            source="the mechanisms",
        ),
        lambda figures: (Sample(figures.omitted),),
    ),
    Metric(
        MetricFamily(
            "livefw_component_pending",
            MetricType.GAUGE,
            "1 if an image is pending, 0 if none is.",
            _COMPONENT,
            "the mechanism",
        ),
        _pending,
    ),
    Metric(
        MetricFamily(
            "livefw_pending_since_timestamp_seconds",
            MetricType.GAUGE,
            "When livefw first saw the pending image.",
            _COMPONENT,
            "the history",
        ),
        _pending_since,
    ),
    Metric(
        MetricFamily(
            "livefw_component_status_info",
            MetricType.GAUGE,
            "What can be done with the component now, as in the column STATE of livefw list.",
            ("component", "status"),
            "the checks of a plan",
        ),
        _status,
    ),
    Metric(
        MetricFamily(
            "livefw_activations_total",
            MetricType.COUNTER,
            "Activations in the history and its archives by outcome; a refusal is one that a check stopped.",
            ("component", "outcome"),
            "the history",
        ),
        _activations,
    ),
    Metric(
        MetricFamily(
            "livefw_last_outcome_info",
            MetricType.GAUGE,
            "How the last activation ended: outcome, code of livefw explain, code of the firmware.",
            ("component", "outcome", "code", "firmware_code"),
            "the history",
        ),
        _last_outcome,
    ),
    Metric(
        MetricFamily(
            "livefw_last_outcome_timestamp_seconds",
            MetricType.GAUGE,
            "When the last activation ended.",
            _COMPONENT,
            "the history",
        ),
        lambda figures: (
            Sample(last.time_ns / 1e9, {"component": key}) for key, last in _of_history(figures).last.items()
        ),
    ),
    Metric(
        MetricFamily(
            "livefw_last_success_timestamp_seconds",
            MetricType.GAUGE,
            "When the component was last activated with success.",
            _COMPONENT,
            "the history",
        ),
        lambda figures: (
            Sample(time_ns / 1e9, {"component": key}) for key, time_ns in _of_history(figures).last_success_ns.items()
        ),
    ),
    Metric(
        MetricFamily(
            "livefw_last_stall_seconds",
            MetricType.GAUGE,
            "Longest stop of a CPU in the last activation that was measured.",
            _COMPONENT,
            "the history",
        ),
        lambda figures: (
            Sample(seconds, {"component": key}) for key, seconds in _of_history(figures).last_stall_s.items()
        ),
    ),
    Metric(
        MetricFamily(
            "livefw_stall_seconds",
            MetricType.HISTOGRAM,
            "Longest stops of a CPU in all activations that were measured.",
            ("provider", "le"),
            "the history",
        ),
        _stalls,
    ),
    Metric(
        MetricFamily(
            "livefw_unfinished_activations",
            MetricType.GAUGE,
            "Activations and stagings that have no outcome yet: running, or left by a program that ended.",
            source="the history",
        ),
        _unfinished,
    ),
    Metric(
        MetricFamily(
            "livefw_window_open",
            MetricType.GAUGE,
            "1 if a maintenance window is open, 0 if not; absent if none is configured.",
            source="livefw.toml",
        ),
        _window_open,
    ),
    Metric(
        MetricFamily(
            "livefw_window_next_opening_timestamp_seconds",
            MetricType.GAUGE,
            "When a maintenance window opens next; absent if none ever does.",
            source="livefw.toml",
        ),
        _next_opening,
    ),
    Metric(
        MetricFamily(
            "livefw_bmc_up",
            MetricType.GAUGE,
            "1 if the management controller answered, 0 if it is silent.",
            ("bmc",),
            "the management controllers of livefw.toml",
        ),
        lambda figures: (Sample(up, {"bmc": name}) for name, up in sorted(figures.bmcs.items())),
    ),
    Metric(
        MetricFamily(
            "livefw_history_readable",
            MetricType.GAUGE,
            "1 if the history could be read or does not exist, 0 if not.",
            source="the history",
        ),
        lambda figures: (Sample(figures.history is not None),),
    ),
    Metric(
        MetricFamily(
            "livefw_history_rows", MetricType.GAUGE, "Rows of the history that are not archived.", source="the history"
        ),
        _history_rows,
    ),
    Metric(
        MetricFamily(
            "livefw_history_consistent",
            MetricType.GAUGE,
            "1 if every row of the history is what was written, 0 if not; livefw history --verify shows more.",
            source="the history",
        ),
        _consistent,
    ),
)
"""Every family that there is, in the order of the export."""
