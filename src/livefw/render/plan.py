# SPDX-License-Identifier: Apache-2.0
"""Plans, in text and in JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from livefw.activation.checks.table import Problem, Weight
from livefw.activation.engine import Plan
from livefw.activation.history.journal import RowKind
from livefw.activation.inventory import discovery
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.plan import PastAttempts, PlanStep
from livefw.activation.setting_changes import UnmetSetting
from livefw.activation.status import ComponentStatus
from livefw.errors import ExitCode, LivefwError, NothingToDo
from livefw.providers.base import Component
from livefw.render import document
from livefw.render.age import pending_span
from livefw.render.answer import Answer
from livefw.render.check import EFFECTS
from livefw.render.component import cost, label, label_of_row, version
from livefw.text import printable


def answer(plan: Plan) -> Answer:
    """What `livefw plan` answers. An error of `nothing` for a plan without steps."""
    if not plan.steps:
        raise nothing(plan)
    code = ExitCode.REFUSED if any(step.stopped for step in plan.steps) else ExitCode.DONE
    return Answer(lambda: text(plan), lambda: fields(plan), code)


def nothing(plan: Plan) -> LivefwError:
    """The error for a plan without steps: `NothingToDo`, or why no mechanism is here."""
    if plan.absent:
        return discovery.nothing_found(plan.absent)
    if holder := plan.running:
        what = f"the {holder.act.noun} of {holder.component or 'an unknown component'} {holder.who}"
        return NothingToDo(f"nothing else is pending; in progress: {printable(what)}", hint=holder.advice)
    return NothingToDo("nothing is pending", hint="livefw list shows what is available")


def text(plan: Plan) -> str:
    """A plan for a person: what, what it costs, and what is in the way."""
    lines: list[str] = []
    for number, step in enumerate(plan.steps, 1):
        lines += _step_lines(number, step, plan.statuses.get(step.component.key))
    for change in plan.changes:
        name, value = label(change.component), str(change.wanted).lower()
        be = "will be set to" if change.possible else "is wanted by the policy, and does not exist; wanted:"
        before = f" (the last time in vain: {printable(change.last_error)})" if change.last_error else ""
        lines.append(f"setting {change.setting} of {name} {be} {value}{before}")
    for entry in plan.unfinished:
        name = label_of_row(entry.component, entry.body)
        act = "staging" if entry.kind is RowKind.STAGING else "activation"
        lines.append(f"{name}: an earlier {act} has no outcome yet; the next run finds out what became of it")
    lines += unmatched_lines(plan.unmatched)
    return "\n".join(lines)


def unmatched_lines(unmatched: Iterable[UnmatchedPattern]) -> list[str]:
    """Patterns of the settings that match nothing here."""
    return [f"settings: {printable(str(each))}" for each in unmatched]


def left_out_lines(left_out: Iterable[Component]) -> list[str]:
    """Components that a request for everything leaves out."""
    return [f"settings: {label(each)} ({each.key}) is left out: the policy does not allow it" for each in left_out]


def unmet_lines(unmet: Iterable[UnmetSetting]) -> list[str]:
    """Settings that the policy wants, and that are not so."""
    return [f"settings: {printable(each.text)}" for each in unmet]


def unmet_fields(unmet: Iterable[UnmetSetting]) -> list[dict[str, Any]]:
    """The same in JSON."""
    return [
        {
            "component": each.component.key,
            "setting": each.setting,
            "value": each.wanted,
            "against": each.against,
            **document.reason(each.why),
        }
        for each in unmet
    ]


def _step_lines(number: int, step: PlanStep, status: ComponentStatus | None) -> Iterator[str]:
    item = step.component
    name = label(item)
    verdict = "cannot be activated" if step.stopped else "ready"
    if status and status.running:
        verdict = printable(status.text)
    yield f"{number}. {name}  {version(item.current_version)} -> {version(item.pending_version)}  {verdict}"
    yield f"   component  {item.key}"
    if span := pending_span(item):
        yield f"   pending    {span}"
    yield f"   cost       {_cost(step)}"
    for problem in step.problems:
        yield f"   {'ignored' if problem.ignored else EFFECTS[problem.weight].verb:9}  {problem_text(problem)}"
        if problem.hint and problem.stops:
            yield f"              {printable(problem.hint)}"
        if problem.stops and problem.weight is Weight.ERROR:
            yield f"              to override: --ignore {problem.check}"


def _cost(step: PlanStep) -> str:
    return f"{cost(step.component)}; {_before(step.past)}"


def _before(past: PastAttempts | None) -> str:
    """What became of it here before."""
    if past is None:
        return "the history of it cannot be read"
    if usual := past.usual:
        return f"took {usual.median_s:.1f} s here before ({_times(usual.times)}, at worst {usual.worst_s:.1f} s)"
    if past.succeeded:
        return f"done {_times(past.succeeded)} here before, and nobody saw how long it took"
    if past.tried:
        return f"tried {_times(past.tried)} here, never with {'certain ' if past.unknown else ''}success"
    return "never done here before"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def problem_text(problem: Problem) -> str:
    """A problem in a line."""
    return f"{problem.check}: {printable(problem.text)}"


def fields(plan: Plan) -> dict[str, Any]:
    """A plan in JSON."""
    return {
        "steps": [
            {
                "component": document.component(step.component, plan.statuses.get(step.component.key)),
                "stopped": step.stopped,
                "usual": step.usual._asdict() if step.usual else None,
                "tried": step.past.tried if step.past else None,
                "succeeded": step.past.succeeded if step.past else None,
                "problems": [problem._asdict() for problem in step.problems],
            }
            for step in plan.steps
        ],
        "settings": [
            {
                "component": change.component.key,
                "setting": change.setting,
                "value": change.wanted,
                "possible": change.possible,
                "trouble": change.last_error or None,
            }
            for change in plan.changes
        ],
        "unfinished": [{"component": e.component, "activation": e.activation} for e in plan.unfinished],
        "unmatched": [each._asdict() for each in plan.unmatched],
        "running": document.running(plan.running) if plan.running else None,
    }
