# SPDX-License-Identifier: Apache-2.0
"""Whatever fails once a mechanism was asked, what became of it is told.

Every call that an engine makes from then on, of its mechanism, its meter, its clock, its journal, the database below
that, the files and the system journal, fails in its turn, and so does whoever follows it, at each event. Which calls
those are is found by counting them in a run in which none fails: a new one is covered without being named here.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from livefw.activation.engine import ActivationRequest, Attempt, Engine, OnFailure, Point
from livefw.activation.events import Control
from livefw.activation.history import damaged, journal, opening
from livefw.activation.history.journal import Journal, JournalUnavailable
from livefw.activation.history.verify import verify_chain
from livefw.activation.history.writer import Announcement
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory import old_versions
from livefw.activation.outcome import Outcome
from livefw.errors import ExitCode, Interrupted, TransportError, UsageError
from livefw.machine.faults import FaultRequest
from livefw.providers.base import (
    ImagePackage,
    Provider,
)
from livefw.providers.registry import providers
from livefw.reading import Untrusted
from livefw.render import attempt as rendered
from livefw.render import result
from livefw.render.request import RequestResult

from .conftest import Bench, Make, Quiet
from .stager import Stager

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
SCP = "65922703-2f74-e644-8dff-579ac1ff0610"
BOOM = "all of a sudden"

SAID = (BOOM, "interrupted", os.strerror(errno.EIO), os.strerror(errno.EPIPE), os.strerror(errno.EPERM))
SHIFTS = 2
"""Kinds of errors that each call meets; the next call meets the next ones."""
Errors = dict[str, Callable[[], BaseException]]

ANY: Errors = {
    "OSError": lambda: OSError(errno.EIO, BOOM),
    "BrokenPipeError": lambda: BrokenPipeError(errno.EPIPE, BOOM),
    "Untrusted": lambda: Untrusted("/var/lib/livefw", BOOM, "chown"),
    "TransportError": lambda: TransportError(BOOM),
    "UsageError": lambda: UsageError(BOOM),
    "JournalUnavailable": lambda: JournalUnavailable(BOOM),
    "Interrupted": lambda: Interrupted(BOOM),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(BOOM),
    "sqlite3.Error": lambda: sqlite3.OperationalError(BOOM),
    "MemoryError": lambda: MemoryError(BOOM),
    "RuntimeError": lambda: RuntimeError(BOOM),
}
"""What a call of anything can raise."""
OF_FILES: Errors = {
    errno.errorcode[code]: partial(OSError, code, BOOM) for code in (errno.EIO, errno.ENOTCONN, errno.EACCES)
}
"""What a system call can: `Files` says that it is an OSError."""
OF_DISKS: Errors = {
    errno.errorcode[code]: partial(OSError, code, BOOM) for code in (errno.EIO, errno.EROFS, errno.ENOSPC)
} | {"sqlite3.Error": ANY["sqlite3.Error"]}


class Line:
    """Calls in their order, from the end of the one that is named ``after`` on; one of them raises.

    ``for_ever``: so do all further calls of the same name. What is made by a call is watched like what made it.
    """

    def __init__(self, after: str, fails: int | None = None, error: Any = None, *, for_ever: bool = False) -> None:
        self.names: list[str] = []
        self.broken = ""
        self.stager: Any = None
        self._after = after
        self._fails = fails
        self._error = error
        self._for_ever = for_ever
        self._on = False

    def tap(self, target: Any, name: str) -> Any:
        """The same object, watched."""
        return _Tap(self, target, name)

    def call(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, watched."""

        def called(*values: Any, **named: Any) -> Any:
            if self._on:
                self.names.append(name)
                if len(self.names) - 1 == self._fails or (self._for_ever and name == self.broken):
                    self.broken = name
                    raise self._error()
            made = function(*values, **named)
            if name == self._after:
                self._on = True
            return made

        return called

    def off(self) -> None:
        self._on, self._after = False, ""


class _Tap:
    def __init__(self, line: Line, target: Any, name: str) -> None:
        self._line, self._target, self._name = line, target, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found) or isinstance(found, type):
            return found
        called = self._line.call(f"{self._name}.{name}", found)
        if name not in ("activate", "cancel", "stage"):
            return called
        return lambda *values: self._line.tap(called(*values), "running")


class Told(NamedTuple):
    """What came of a scenario: an outcome, None where it stays open, whether it is on record, and all that is said."""

    outcome: Outcome | None
    recorded: bool
    text: str
    exit_code: int


def _told(attempt: Attempt) -> Told:
    text = "\n".join([result.text(attempt.result), *rendered.lines(attempt)])
    shown = str(rendered.fields(attempt))
    assert [each.text for each in attempt.mishaps if each.text not in text or each.code not in shown] == []
    receipt = attempt.row
    return Told(attempt.result.outcome, receipt.head is not None, text, result.exit_code(attempt.result))


Play = Callable[[Engine, Quiet], Told]


def _activates(engine: Engine, watch: Quiet) -> Told:
    control = Control()
    (attempt,) = watch.follow(engine.activate(ActivationRequest((f"lfa:{RMM}",)), control=control), control).attempts
    return _told(attempt)


def _fails(engine: Engine, watch: Quiet) -> Told:
    """Two of them, of which the first fails: the mechanism is made to let go of it before the second."""
    order = ActivationRequest((f"lfa:{RMM}", f"lfa:{SCP}"), on_failure=OnFailure.CONTINUE)
    _, attempts, error, *_ = RequestResult.of(watch.hear(engine.activate(order), Control()), phase="activate")
    first, *more = [_told(each) for each in attempts]
    return first._replace(text="\n".join([first.text, *(each.text for each in more), error.message if error else ""]))


def _cancels(engine: Engine, watch: Quiet) -> Told:
    control = Control()
    (attempt,) = watch.follow(engine.cancel(f"lfa:{RMM}", reason="", control=control), control).attempts
    return _told(attempt)


def _stages(engine: Engine, watch: Quiet) -> Told:
    control = Control()
    steps = engine.stage(StagingRequest(ImagePackage("image", b"x"), "stager:one"), control=control)
    (attempt,) = watch.follow(steps, control).attempts
    return _told(attempt)


def _settles(engine: Engine, watch: Quiet) -> Told:
    with engine.open() as run:
        (found,) = run.settled
    text = rendered.settled_text(found)
    assert [each for each in found.mishaps if each.text not in text] == []
    return Told(found.outcome, found.outcome is not None and not found.error, text, 0)


class Scenario(NamedTuple):
    """What is done, from which call on calls fail, what it comes to, and what nobody can know if it is not seen."""

    play: Play
    after: str
    outcome: Outcome
    instead: tuple[Outcome | None, ...] = (Outcome.UNKNOWN,)
    fault: str = ""


SCENARIOS = {
    "activation": Scenario(_activates, "provider.activate", Outcome.ACTIVATED),
    "failure": Scenario(_fails, "provider.activate", Outcome.FAILED, fault="auth-error"),
    "cancellation": Scenario(_cancels, "provider.cancel", Outcome.REFUSED),
    "staging": Scenario(_stages, "provider.stage", Outcome.STAGED),
    "settling": Scenario(_settles, "journal.unfinished", Outcome.ACTIVATED, (None, Outcome.UNKNOWN)),
}
BLINDING = ("running.", "provider.", "files.", "clock.")
"""Calls by which the outcome is seen: where one of them fails, it may be that nobody knows."""
UNTOLD = ("clock.now", "journal.close", "files.", "os.", "database.", "running.touched")
"""Calls whose failure need not be told by itself: below them stands somebody who makes do, or tells what follows."""


class Died(BaseException):
    """The engine dies."""


def _world(make: Make, scenario: Scenario) -> Bench:
    bench = make("vera", cpus=2)
    bench.machine.stage(SCP, "7.7")
    if scenario.fault:
        bench.machine.inject(FaultRequest(name=scenario.fault, component=RMM))
    if scenario.play is _settles:

        def die(point: Point) -> None:
            if point is Point.JUDGED:
                raise Died

        bench.changes = {"at": die}
        with pytest.raises(Died):
            bench.run(f"lfa:{RMM}")
        bench.changes = {}
    return bench


def _play(bench: Bench, scenario: Scenario, line: Line, patch: pytest.MonkeyPatch, level: str) -> Told:
    """The scenario, with the objects of this level watched."""
    host = bench.host()
    files, clock, watch = host.files, host.clock, bench.watch
    tapped = level == "objects"
    if level == "files":
        files = line.tap(files, "files")
    if level == "disks":
        for module in (journal, opening, damaged, old_versions):
            patch.setattr(module, "os", line.tap(os, "os"))
        connected = opening.connected
        patch.setattr(opening, "connected", lambda *values: line.tap(connected(*values), "database"))
        patch.setattr(opening, "closing", lambda each: each._target if isinstance(each, _Tap) else each)
    if tapped:
        clock = line.tap(clock, "clock")
        for name in ("begins", "progress", "tick", "ended"):
            setattr(watch, name, line.call(f"watch.{name}", getattr(watch, name)))
        opened = Journal.open
        patch.setattr(Journal, "open", lambda *values, **named: line.tap(opened(*values, **named), "journal"))
    else:
        patch.setattr(Journal, "unfinished", line.call("journal.unfinished", Journal.unfinished))
    line.stager = Stager(files, clock)
    found: list[Provider] = [*providers(files, clock), line.stager]
    if level != "files":  # what is asked of them is what counts from; their own calls are the level below
        found = [line.tap(each, "provider") for each in found] if tapped else found
    for provider in found if not tapped else ():
        for name in ("activate", "cancel", "stage"):
            if hasattr(provider, name):
                patch.setattr(provider, name, line.call(f"provider.{name}", getattr(provider, name)))
    meter = host.meter
    made = host._replace(
        files=files,
        clock=clock,
        providers=found,
        meter=(lambda: line.tap(meter(), "meter")) if tapped else meter,
        announce=line.call("announce", bench.announced.append) if tapped else bench.announced.append,
    )
    return scenario.play(Engine(made), watch)


def _sweep(
    make: Make, name: str, level: str, errors: Errors, shift: int = 0, *, for_ever: bool = False
) -> Iterator[str]:
    """One run for each call, in which it fails; what is wrong with any. Errors take turns, ``shift`` is the first."""
    scenario, kinds = SCENARIOS[name], list(errors.values())
    whole = Line(scenario.after)
    with pytest.MonkeyPatch.context() as patch:
        told = _play(_world(make, scenario), scenario, whole, patch, level)
    assert told.outcome is scenario.outcome
    assert whole.names
    for index, call in enumerate(whole.names):
        error = kinds[(index + shift) % len(kinds)]
        line, bench = Line(scenario.after, index, error, for_ever=for_ever), _world(make, scenario)
        before = len(bench.announced)
        where = f"{index} {call}"
        with pytest.MonkeyPatch.context() as patch:
            try:
                told = _play(bench, scenario, line, patch, level)
            except (Exception, KeyboardInterrupt) as raised:
                if call.startswith("watch."):  # it is told to nobody, and written down all the same
                    yield from (f"{where}: {each}" for each in _left(bench, scenario, bench.announced[before:]))
                elif not _may_raise(scenario, raised, line):
                    yield f"{where}: raises {raised!r}"
                continue
        assert line.broken == call
        blind = call.startswith(BLINDING)
        if told.outcome is not scenario.outcome and not (blind and told.outcome in scenario.instead):
            yield f"{where}: {told.outcome}"
        if scenario.play is not _settles and told.exit_code != _CODES.get(told.outcome, ExitCode.DONE):
            yield f"{where}: exit code {told.exit_code}"
        if not call.startswith(UNTOLD) and not {BOOM, "interrupted"} & {
            w for w in (BOOM, "interrupted") if w in told.text
        }:
            yield f"{where}: not told: {told.text!r}"
        if scenario.play is not _settles and not bench.watch.ends:
            yield f"{where}: whoever follows it was not told"
        if told.outcome is not None and call != "announce" and len(bench.announced) == before:
            yield f"{where}: not announced"
        yield from (f"{where}: {each}" for each in _afterwards(bench, scenario, told))


def _left(bench: Bench, scenario: Scenario, announced: list[Announcement]) -> Iterator[str]:
    """Who followed it has failed, and is gone."""
    outcomes = [each for each in announced if each.component in (f"lfa:{RMM}", "stager:one")]
    if len(outcomes) != 1:
        yield f"it is announced {len(outcomes)} times"
    for each in outcomes:
        if each.outcome not in (scenario.outcome, Outcome.UNKNOWN):
            yield f"{each.outcome}"
        yield from _afterwards(bench, scenario, Told(each.outcome, each.row.head is not None, "", 0))


def _may_raise(scenario: Scenario, raised: BaseException, line: Line) -> bool:
    """Where nothing was asked after all, or where somebody stops what only looks."""
    if scenario.play is _settles:
        return isinstance(raised, KeyboardInterrupt)
    return scenario.play is _stages and not line.stager.kept


_CODES: dict[Outcome | None, ExitCode] = {
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.UNKNOWN: ExitCode.UNKNOWN,
    Outcome.REFUSED: ExitCode.NOTHING_TO_DO,  # the one refusal here is that there is nothing to cancel
}


def _afterwards(bench: Bench, scenario: Scenario, told: Told) -> Iterator[str]:
    """What was not written down stays open, and the next engine finds it out."""
    bench.machine.runner.settle()  # type: ignore[attr-defined]  # in virtual time; the kernel goes on, whoever watches
    with bench.engine().open() as run:
        settled = [each.outcome for each in run.settled if each.intent.component == f"lfa:{RMM}"]
    if told.recorded and settled:
        yield f"is on record, and was open: {settled}"
    if not told.recorded and scenario.play in (_activates, _settles) and settled != [Outcome.ACTIVATED]:
        yield f"is not on record, and the next engine finds {settled}"
    if verify_chain(bench.journal).flaws:
        yield "the history does not fit together"


@pytest.mark.parametrize("shift", range(SHIFTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_fails_the_outcome_is_told(make: Make, name: str, shift: int) -> None:
    wrong = [*_sweep(make, name, "objects", ANY, shift)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["activation", "failure", "cancellation", "settling"])
def test_whatever_file_cannot_be_read_the_outcome_is_told(make: Make, name: str) -> None:
    wrong = [*_sweep(make, name, "files", OF_FILES)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_the_disk_does_the_outcome_is_told(make: Make, name: str, for_ever: bool) -> None:
    wrong = [*_sweep(make, name, "disks", OF_DISKS, for_ever=for_ever)]
    assert not wrong, "\n".join(wrong)
