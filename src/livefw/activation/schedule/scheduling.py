# SPDX-License-Identifier: Apache-2.0
"""Schedules the activation of what is pending now, and records who wanted it."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import NamedTuple

from livefw.activation.checks.table import Problem, Weight
from livefw.activation.expected_version import pending_now
from livefw.activation.history import seal
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.history.seal import UNSEALED
from livefw.activation.host import Host
from livefw.activation.plan import PlanStep
from livefw.activation.policy import window
from livefw.activation.schedule import timers
from livefw.errors import LivefwError, PermissionDenied, Refused
from livefw.providers.base import Component


class ScheduledActivation(NamedTuple):
    """What was scheduled: when, the unit of the timer, and the components with what is pending for each."""

    at: datetime
    unit: str
    components: tuple[Component, ...]


def require_possible(
    host: Host,
    steps: Sequence[PlanStep],
    at: datetime,
    options: Sequence[str],
    *,
    ignore: Sequence[str],
) -> None:
    """Find out what keeps `schedule` from it, before anybody confirms it. Arguments and errors are those of it."""
    versions = _checked(host, steps, at, ignore)
    with _otherwise(options, [step.component for step in steps], versions):
        timers.require()


def schedule(
    host: Host,
    steps: Sequence[PlanStep],
    at: datetime,
    options: Sequence[str],
    later: Sequence[str],
    *,
    reason: str,
    ignore: Sequence[str],
) -> ScheduledActivation:
    """Start a timer for these steps of a plan, and write a row for each.

    ``options`` are those of the command that it runs, and ``later`` those of its verb. It activates only the versions
    that are pending now; see `ActivationRequest.expected`.

    Raises:
        PermissionDenied: not root.
        Refused: no maintenance window is open at that time, or something blocks a step at any time;
            `JournalUnavailable` if the rows cannot be written.
        NotInstalled, TransportError: systemd does not start it.
    """
    versions = _checked(host, steps, at, ignore)
    components = [step.component for step in steps]
    name = os.urandom(4).hex()
    when = f"{host.now().astimezone(at.tzinfo):%Y-%m-%d %H:%M}"
    told = f"scheduled by {host.actor} on {when}{f': {reason}' if reason else ''}"
    command = [sys.executable, "-P", "-m", "livefw", *options, "activate", "--yes", *later, f"--reason={told}"]
    command += [f"--ignore={each}" for each in ignore]
    command += [f"--to={version}" for version in versions]
    command += ["--", *(component.key for component in components)]
    sealed = seal.load(host.policy.seal) if host.paths.root == "/" else UNSEALED
    machine = host.origin()
    with closing(Journal.open(host.paths.state, wall_ns=host.wall_ns, seal=sealed, machine=machine)) as journal:
        path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
        with _otherwise(options, components, versions):
            unit = timers.start(name, _text(components), at, command, environment=path)
        try:
            for component in components:
                journal.note(RowKind.SCHEDULED, component.key, _row(host, component, at, unit, reason))
        except LivefwError:
            timers.stop(unit)
            raise
    return ScheduledActivation(at, unit, tuple(components))


def _checked(host: Host, steps: Sequence[PlanStep], at: datetime, ignore: Sequence[str]) -> list[str]:
    """The versions that are pending, if this may be scheduled. Errors as of `schedule`."""
    if not host.privileged or os.geteuid():
        raise PermissionDenied("only root can schedule an activation", hint="run it with sudo", phase="schedule")
    if "window" not in (*ignore, *host.policy.ignore) and not window.is_open(host.policy.window, at):
        opening = window.next_opening(host.policy.window, at)
        after = f"; one opens {opening:%a %d %b %H:%M %Z}" if opening else ""
        named = shlex.join(step.component.word for step in steps) or "--all"
        raise Refused(
            f"no maintenance window is open at {at:%a %d %b %H:%M %Z}{after}",
            hint=f"livefw activate {named} --at window",
            phase="schedule",
        )
    for step in steps:
        if why := next((each for each in step.problems if each.stops and _lasts(each)), None):
            raise Refused(f"{step.component.label}: {why.text}", hint=why.hint, phase="schedule")
    return [pending_now(step.component) for step in steps]


@contextmanager
def _otherwise(options: Sequence[str], components: Sequence[Component], versions: Sequence[str]) -> Iterator[None]:
    """Say with an error of systemd how else it is done then."""
    try:
        yield
    except LivefwError as error:
        error.hint = f"have another scheduler run it then: {_plainly(options, components, versions)}"
        raise


def _lasts(problem: Problem) -> bool:
    """Whether a problem that blocks now blocks later too: it cannot be overridden, and does not pass by itself."""
    return problem.weight is Weight.FATAL and problem.check != "busy"


def _text(components: Sequence[Component]) -> str:
    changes = (
        f"{each.label} {each.current_version.text if each.current_version else '?'} -> {pending_now(each) or '?'}"
        for each in components
    )
    return f"livefw activate {', '.join(changes)}"


def _plainly(options: Sequence[str], components: Sequence[Component], versions: Sequence[str]) -> str:
    """The command, as a person would write it."""
    words = [*(each.key for each in components), *(f"--to={version}" for version in versions)]
    return shlex.join(["livefw", *options, "activate", *words, "--yes"])


def _row(host: Host, component: Component, at: datetime, unit: str, reason: str) -> dict[str, object]:
    return {
        "actor": host.actor._asdict(),
        "reason": reason,
        "name": component.name,
        **({"host": component.host} if component.host else {}),
        "current_version": component.current_version.text if component.current_version else None,
        "pending_version": pending_now(component) or None,
        "at": at.isoformat(timespec="seconds"),
        "unit": unit,
    }
