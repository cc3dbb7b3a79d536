# SPDX-License-Identifier: Apache-2.0
"""Plans, in text and in JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from livefw.activation.checks.table import Problem, Weight
from livefw.activation.engine import Plan
from livefw.activation.history.rows import RowKind, short_id
from livefw.activation.inventory import discovery
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.setting_changes import UnmetSetting
from livefw.activation.status import first_of
from livefw.errors import ExitCode, LivefwError, NothingToDo
from livefw.providers.base import Component
from livefw.providers.component import RestartScope
from livefw.render import attestation, columns, document
from livefw.render.answer import Answer
from livefw.render.check import EFFECTS
from livefw.render.component import cpu_stop_of, label, raw_label_of_row
from livefw.render.cost import forecast, past_fields
from livefw.render.layout import Column
from livefw.render.listing import Listing
from livefw.text import printable

Item = Mapping[str, Any]


def answer(plan: Plan) -> Answer:
    """What `livefw plan` answers. An error of `nothing` for a plan without steps."""
    if not plan.steps:
        raise nothing(plan)
    return Answer.of(LISTING, lambda: fields(plan), _exit_code(plan))


def _exit_code(plan: Plan) -> ExitCode:
    """That of the activation: 3 if there is nothing to do for any step, 4 if something else blocks one."""
    if any(step.stopped and not step.idle for step in plan.steps):
        return ExitCode.REFUSED
    return ExitCode.NOTHING_TO_DO if all(step.idle for step in plan.steps) else ExitCode.DONE


def nothing(plan: Plan) -> LivefwError:
    """The error for a plan without steps: `NothingToDo`, or why no mechanism is here."""
    if plan.absent:
        return discovery.nothing_found(plan.absent)
    if holder := plan.running:
        what = f"the {holder.act.noun} of {holder.component or 'an unknown component'} {holder.who}"
        return NothingToDo(f"nothing else is pending; in progress: {printable(what)}", hint=holder.advice)
    unseen = [printable(each.trouble.text) for each in plan.incomplete if each.trouble]
    return NothingToDo("; ".join(["nothing is pending", *unseen]), hint="livefw list shows what is available")


def _notes(document: dict[str, Any]) -> Iterator[str]:
    """What an activation of all of it costs, and what else there is to know."""
    yield f"cost: {_total(document['steps'])}"
    for change in document["settings"]:
        name, value = printable(change["name"]), str(change["value"]).lower()
        be = "will be set to" if change["possible"] else "is wanted by the policy, and does not exist; wanted:"
        before = f" (the last time in vain: {printable(change['trouble'])})" if change["trouble"] else ""
        yield f"setting {change['setting']} of {name} {be} {value}{before}"
    for entry in document["unfinished"]:
        act = "staging" if entry["kind"] == RowKind.STAGING else "activation"
        name, ident = printable(entry["name"]), printable(short_id(entry["activation"]))
        yield f"{name}: an earlier {act} has no outcome yet; the next run finds out what became of it ({ident})"
    yield from unmatched_lines(UnmatchedPattern(**each) for each in document["unmatched"])
    yield from (f"note: {printable(each['text'])}" for each in document["notes"])
    yield from columns.legend(step["component"] for step in document["steps"])


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


def _below(step: Item) -> Iterator[str]:
    """What blocks a step or warns of it, and what its cost is if it differs from that of others."""
    if _is_special(step):
        yield f"  cost     {forecast(step['component'], step)}"
    if there := step["component"].get("linked"):
        yield f"  way      staged by {printable(there['key'])}, activated in band"
    yield from (f"  {name:7}  {text}" for name, text in attestation.lines(step["component"]))
    for problem in step["problems"]:
        effect = "ignored" if problem["ignored"] else EFFECTS[problem["weight"]].verb
        yield f"  {effect:7}  {problem['check']}: {printable(problem['text'])}"
        stops = not problem["ignored"] and problem["weight"] != Weight.WARNING
        if problem["hint"] and stops:
            yield f"           {printable(problem['hint'])}"
        if stops and problem["weight"] == Weight.ERROR:
            yield f"           to override: --ignore {problem['check']}"


def _is_special(step: Item) -> bool:
    return (
        step["tried"] is None
        or bool(step["component"]["cost"]["resets_cpu"])
        or step["component"]["cost"].get("restart") in _SPECIAL
        or bool(step["tried"] and not step["usual"])
    )


_SPECIAL = frozenset({RestartScope.BMC, RestartScope.DEVICE})
"""What restarts, where a person would not expect it of an activation."""


def _total(steps: Sequence[Item]) -> str:
    """The cost of all steps together, those that are blocked now too."""
    if len(steps) == 1:
        return forecast(steps[0]["component"], steps[0])
    stops = Counter(cpu_stop_of(step["component"]["cost"]).text for step in steps)
    parts = [", ".join(f"{text} ({_share(count, len(steps))})" for text, count in stops.items())]
    timed = [step["usual"]["median_s"] for step in steps if step["usual"]]
    if timed:
        parts.append(f"{len(timed)} of {len(steps)} took {sum(timed):.1f} s together here before")
    if never := sum(step["tried"] == 0 for step in steps):
        parts.append("none was done here before" if never == len(steps) else f"{never} of {len(steps)} never done here")
    return "; ".join(parts)


def _share(count: int, of: int) -> str:
    return f"each of {of}" if count == of else f"{count} of {of}"


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
                **past_fields(step.past),
                "problems": [problem._asdict() for problem in step.problems],
            }
            for step in plan.steps
        ],
        "settings": [
            {
                "component": change.component.key,
                "name": change.component.label,
                "setting": change.setting,
                "value": change.wanted,
                "possible": change.possible,
                "trouble": change.last_error or None,
            }
            for change in plan.changes
        ],
        "unfinished": [
            {
                "component": row.component,
                "name": raw_label_of_row(row.component, row.body),
                "kind": row.kind,
                "activation": row.activation,
            }
            for row in plan.unfinished
        ],
        "unmatched": [each._asdict() for each in plan.unmatched],
        "notes": [document.reason(each.trouble) for each in plan.incomplete if each.trouble],
        "running": document.running(plan.running) if plan.running else None,
    }


def _state(step: Item) -> str:
    """Its state; what blocks it, where only this plan knows that, as of an executable in checks.d."""
    state = step["component"].get("state")
    if state and state["code"] != "ready":
        return printable(state["text"])
    blocking = [p["check"] for p in step["problems"] if not p["ignored"] and p["weight"] != Weight.WARNING]
    return f"held: {first_of(blocking)}" if blocking else "ready"


def _took(step: Item) -> str:
    return (
        f"{step['usual']['median_s']:.1f} s"
        if step["usual"]
        else "?"
        if step["tried"] or step["tried"] is None
        else "never"
    )


LISTING = Listing(
    field="steps",
    item="step",
    columns=(
        *(
            columns.inside("component", each)
            for each in (columns.NAME, columns.CURRENT, columns.PENDING, columns.STOPS_CPUS)
        ),
        Column("TOOK BEFORE", _took, rank=6),
        columns.inside("component", columns.AGE),
        Column("STATE", _state, least=28, style=lambda step: "bad" if step["stopped"] else "good"),
        *(
            columns.inside("component", each)
            for each in (columns.ID, columns.HOST, columns.PROVIDER, columns.COMPONENT)
        ),
    ),
    name=lambda step: columns.key_of(step["component"]),
    below=_below,
    notes=_notes,
)
