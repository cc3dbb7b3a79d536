# SPDX-License-Identifier: Apache-2.0
"""Attempts and what an earlier engine left unfinished, in text and in JSON."""

from collections.abc import Iterator
from typing import Any

from livefw.activation.checks.table import Weight
from livefw.activation.engine import Attempt, SettledIntent
from livefw.activation.history.rows import RowKind, short_id
from livefw.activation.measure.meter import OF_DEVICE, Measurement
from livefw.activation.measure.plot import device_text, duration
from livefw.activation.outcome import Outcome
from livefw.render import document
from livefw.render.component import cpu_stop, label_of_row
from livefw.render.cost import measured_fields
from livefw.render.plan import problem_text
from livefw.text import printable

_BESIDE = frozenset({"problems", "mishaps", "record"})


def settled_text(settled: SettledIntent) -> str:
    """What became of an activation that an earlier engine did not see to its end."""
    name = label_of_row(settled.intent.component, settled.intent.body)
    code = f" ({printable(settled.firmware_code)})" if settled.firmware_code else ""
    act = "staging, " if settled.intent.kind is RowKind.STAGING else ""
    outcome = settled.outcome or "still unfinished"
    ident = f"id {short_id(settled.intent.activation)}"
    beside = [f"not in the history: {settled.error}"] if settled.error else []
    text = "; ".join([settled.why.text, *beside, *(each.text for each in settled.mishaps), ident])
    return f"found unfinished: {name}: {act}{outcome}{code}; {printable(text)}"


def lines(attempt: Attempt) -> Iterator[str]:
    """What an attempt adds to its result, which tells the first problem itself."""
    stopping = [problem for problem in attempt.problems if problem.stops]
    for problem in stopping[1:]:
        yield f"  also blocked by: {problem_text(problem)}"
    if stopping and all(problem.weight is Weight.ERROR for problem in stopping):
        options = " ".join(dict.fromkeys(f"--ignore {problem.check}" for problem in stopping))
        yield f"  to override: {options}"
    for problem in attempt.problems:
        if problem.ignored:
            yield f"  ignored: {problem_text(problem)}"
    if attempt.row.activation:
        yield f"  id: {short_id(attempt.row.activation)}"
    if attempt.measurement:
        yield f"  cost: {cpu_stop(attempt.result.before).text}; {cost_text(attempt.measurement)}"
    for other in attempt.others:
        yield f"  also changed: {printable(other.text)}"
    for mishap in attempt.mishaps:
        yield f"  besides: {printable(mishap.text)}"
    if attempt.row.open:
        yield "  unfinished in the history: the next run finds out what became of it"
    if attempt.row.set_aside:
        yield f"  {printable(attempt.row.set_aside)}"
    if attempt.row.error:
        yield f"  not in the history: {printable(attempt.row.error)}"


def cost_text(measured: Measurement) -> str:
    """What it cost the CPUs, and the device itself, in a line."""
    if measured.device:
        about = device_text(measured.device)
        return about if measured.source == OF_DEVICE else f"{cost_text(measured._replace(device=None))}; {about}"
    if not measured.rows:
        return "no CPU was away"
    worst = max(measured.rows, key=lambda row: row.longest_ns)
    every = max(measured.rows, key=lambda row: row.cpu_count)
    stops = [f"{duration(worst.longest_ns)} (CPU {worst.cpus})"]
    if measured.source == "model" and not every.cpus.isdecimal():
        together = f"{duration(every.longest_ns)} on CPUs {every.cpus} together"
        stops = [together] if every is worst else [*stops, together]
    text = f"longest stop {', '.join(stops)}"
    if measured.baseline_ns is not None:
        text += f", {duration(measured.baseline_ns)} just before"
    by = "by the model's own clock" if measured.source == "model" else f"measured on {measured.cpus} CPUs"
    by += "" if measured.source in ("model", "sampled") else f" by the kernel's {measured.source} tracer"
    return f"{text}; {by}" + (f"; {measured.note}" if measured.note else "")


def fields(attempt: Attempt, *, rows: bool = False) -> dict[str, Any]:
    """What an attempt adds to its result, in JSON; with the rows of its measurement where they are asked for."""
    return {
        "problems": [problem._asdict() for problem in attempt.problems],
        "measurement": measured_fields(attempt.measurement, rows=rows) if attempt.measurement else None,
        "others": [document.reason(each) for each in attempt.others],
        "mishaps": [document.reason(each) for each in attempt.mishaps],
        "record": {
            "activation": attempt.row.activation or None,
            "head": str(attempt.row.head) if attempt.row.head else None,
            "trouble": attempt.row.error or None,
            "open": attempt.row.open,
            "set_aside": attempt.row.set_aside or None,
        },
    }


def settled_fields(settled: SettledIntent) -> dict[str, Any]:
    """See `settled_text`, in JSON."""
    return {
        "component": settled.intent.component,
        "activation": settled.intent.activation,
        "outcome": settled.outcome,
        "firmware_code": settled.firmware_code,
        **document.reason(settled.why),
        "trouble": settled.error or None,
        "mishaps": [document.reason(each) for each in settled.mishaps],
    }


def staging_fields(attempt: Attempt) -> dict[str, Any]:
    """How it ended, in JSON."""
    ended = attempt.result
    return {
        "component": ended.before.key,
        "outcome": ended.outcome,
        "reason": None if ended.outcome is Outcome.STAGED else document.reason(ended.why),
        "firmware_code": ended.claim.firmware_code if ended.claim else None,
        "log": list(ended.claim.log) if ended.claim else [],
        **({"by": ended.before.linked.key} if ended.before.linked else {}),
    } | {key: value for key, value in fields(attempt).items() if key in _BESIDE}
