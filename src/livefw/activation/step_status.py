# SPDX-License-Identifier: Apache-2.0
"""The state of a component from what a plan, the lock and the history say of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from livefw.activation.checks.table import Problem
from livefw.activation.history.rows import HistoryRow, RowKind, short_id
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.plan import PlanStep
from livefw.activation.policy import window
from livefw.activation.policy.document import Policy
from livefw.activation.status import ComponentStatus, first_of, of_component
from livefw.activation.status_code import StatusCode
from livefw.providers.base import Component, Reason

_SOON = timedelta(days=6)
"""Within this time a day of the week is unambiguous."""
_THIS_YEAR = timedelta(days=300)


def of(
    component: Component,
    row: HistoryRow | None,
    step: PlanStep | None,
    holder: LockHolder | None,
    *,
    policy: Policy,
    now: datetime,
) -> ComponentStatus:
    """The state of a component: ``row`` is its open row in the history, ``step`` what a plan says of it, ``holder`` who
    holds the lock."""
    activation = row.activation if row else ""
    if holder and holder.component == component.key:
        text = f"{holder.act} for {holder.seconds} s by {holder.user}"
        sentence = f"{holder.act.noun} in progress {holder.who}"
        return ComponentStatus(StatusCode(holder.act), text, sentence, running=holder, activation=activation)
    reported = reported_by_mechanism(component)
    if row:
        text, hint = _NO_OUTCOME.text.format(act=_ACTS[row.kind]), f"{_NO_OUTCOME.hint} {short_id(activation)}"
        why = Reason(_NO_OUTCOME.code, text, hint)
        return reported._replace(
            code=StatusCode.UNFINISHED,
            text="unfinished",
            sentence=why.text,
            reasons=(why, *reported.reasons),
            activation=activation,
        )
    stopping = [problem for problem in step.problems if problem.stops] if step else []
    if component.reasons or not stopping:
        return reported
    return _held(stopping, component, policy, now)


def reported_by_mechanism(component: Component) -> ComponentStatus:
    """The state as `livefw.activation.status.of_component` has it, with a member of the enumeration."""
    found = of_component(component)
    return found._replace(code=StatusCode(found.code))


_ACTS = {RowKind.INTENT: "activation", RowKind.STAGING: "staging"}
_NO_OUTCOME = Reason(
    "no-outcome", "an earlier {act} has no outcome yet; the next run finds out what became of it", "livefw history"
)


def _held(stopping: Iterable[Problem], component: Component, policy: Policy, now: datetime) -> ComponentStatus:
    # Another activation ends soon, and everything else stays.
    problems = sorted(stopping, key=lambda problem: problem.check == "busy")
    reasons = tuple(Reason(problem.check, problem.text, problem.hint) for problem in problems)
    sentence = "; ".join(problem.text for problem in problems)
    names = [problem.check for problem in problems]
    if "failed-this-boot" in names:
        return ComponentStatus(StatusCode.NEEDS_RESET, "needs reset", sentence, reasons)
    until = window.next_opening(policy.window, now) if "window" in names else None
    shown = [_label(name, component, policy, until, now) for name in names]
    return ComponentStatus(StatusCode.HELD, f"held: {first_of(shown)}", sentence, reasons, until)


def _label(check: str, component: Component, policy: Policy, until: datetime | None, now: datetime) -> str:
    """A check in a column: what in the settings holds the component, where it is one key."""
    match check:
        case "policy":
            return "deny" if policy.denies(component) else "allow"
        case "pinned":
            return "pin"
        case "window":
            return f"window until {short_time(until, now)}" if until else "window never opens"
        case _:
            return check


def short_time(when: datetime, now: datetime) -> str:
    """A time to come by the clock of this machine, as short as it is unambiguous."""
    local, ahead = when.astimezone(window.own_zone()), when - now
    if ahead < _SOON:
        return f"{local:%a %H:%M}"
    return f"{local:%d %b %H:%M}" if ahead < _THIS_YEAR else f"{local:%d %b %Y}"
