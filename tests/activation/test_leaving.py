# SPDX-License-Identifier: Apache-2.0
"""How somebody follows a request, and leaves or stops it: nothing is lost, and nothing is asked that nobody wants."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from livefw.activation.engine import ActivationRequest, OnFailure, Point
from livefw.activation.events import (
    Attempt,
    Begun,
    Chosen,
    Control,
    Finished,
    Progressed,
    Reached,
    SettingsApplied,
    StillRunning,
    drain,
)
from livefw.activation.history.journal import RowKind
from livefw.activation.lock.machine_lock import Lock
from livefw.activation.outcome import Outcome
from livefw.errors import Interrupted, TransportError
from livefw.machine.faults import FaultRequest
from livefw.providers.base import Phase

Bench = Any
"""What the fixture `make` makes; see conftest.py."""
Make = Any

RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"


BEFORE_ASKING = (Point.LOCKED, Point.SETTLED, Point.CHECKED, Point.INTENDED)
NOT_ASKED_ANY_MORE = [KeyboardInterrupt, Interrupted, TransportError, RuntimeError]


@pytest.mark.parametrize("error", NOT_ASKED_ANY_MORE)
def test_who_leaves_before_anything_was_asked_withdraws_it(make: Make, error: type[BaseException]) -> None:
    bench = make("vera")

    def leave(_: Begun) -> None:
        raise error("now")

    bench.watch.on_begun = leave
    before = bench.machine.trace.next_sequence
    with pytest.raises(error, match="now"):
        bench.run("tf-rmm")
    _withdrawn(bench, before, Outcome.CANCELLED)


@pytest.mark.parametrize("error", NOT_ASKED_ANY_MORE)
def test_what_is_thrown_in_before_anything_was_asked_comes_back(make: Make, error: type[BaseException]) -> None:
    bench = make("vera")
    before = bench.machine.trace.next_sequence
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)))
    next(event for event in steps if isinstance(event, Begun))
    with pytest.raises(error, match="now"):
        steps.throw(error("now"))
    _withdrawn(bench, before, Outcome.CANCELLED)


@pytest.mark.parametrize("point", [Point.LOCKED, Point.SETTLED, Point.CHECKED])
def test_who_stops_or_leaves_before_the_intent_leaves_nothing_behind(make: Make, point: Point) -> None:
    for leaves in (False, True):
        bench, control = make("vera"), Control()
        steps = bench.engine().activate(ActivationRequest(("tf-rmm",)), control=control)
        next(event for event in steps if isinstance(event, Reached) and event.point is point)
        if leaves:
            steps.close()
        else:
            control.stop()
            with suppress(Interrupted):
                assert drain(steps).attempts == ()
        assert list(bench.journal.rows() if point is not Point.LOCKED else ()) == []
        Lock.acquire(bench.paths.lock).release()


@pytest.mark.parametrize("stop", [Control.stop, Control.detach])
def test_who_stops_before_anything_was_asked_is_told(make: Make, stop: Callable[[Control], None]) -> None:
    bench, control = make("vera"), Control()
    before = bench.machine.trace.next_sequence
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)), control=control)
    next(event for event in steps if isinstance(event, Begun))
    stop(control)
    with pytest.raises(Interrupted, match="nothing more was started"):
        drain(steps)
    _withdrawn(bench, before, Outcome.CANCELLED)


@pytest.mark.parametrize(("error", "outcome"), [(Interrupted, Outcome.CANCELLED), (TransportError, Outcome.REFUSED)])
def test_what_a_mechanism_raises_before_it_was_asked_is_written_down(
    make: Make, error: type[Exception], outcome: Outcome
) -> None:
    bench = make("vera")
    host = bench.host()

    def activate(*_: Any) -> Any:
        raise error("now")

    host.providers[0].activate = activate
    bench.changes = {"providers": host.providers}
    before = bench.machine.trace.next_sequence
    with pytest.raises(error):
        bench.run("tf-rmm")
    _withdrawn(bench, before, outcome)


def _withdrawn(bench: Bench, before: int, outcome: Outcome) -> None:
    assert {call.name for call in bench.machine.trace.since(before)} == {"LFA_GET_INVENTORY"}
    assert [entry.kind for entry in bench.journal.rows()] == [RowKind.INTENT, RowKind.OUTCOME]
    assert list(bench.journal.rows())[1].body["outcome"] == outcome
    assert [each.outcome for each in bench.announced] == [outcome]
    Lock.acquire(bench.paths.lock).release()


@pytest.mark.parametrize("kind", [Reached, StillRunning, Attempt])
def test_who_leaves_after_it_was_asked_loses_no_outcome(make: Make, kind: type) -> None:
    """The write goes on in the kernel, and its end is written down by this engine, or found out by the next one."""
    bench = make("vera")
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)))
    next(event for event in steps if isinstance(event, Begun))
    event = next(event for event in steps if isinstance(event, kind))
    steps.close()
    ended = isinstance(event, Attempt)
    assert [entry.kind for entry in bench.journal.rows()] == [RowKind.INTENT, *[RowKind.OUTCOME] * ended]
    assert [each.outcome for each in bench.announced] == [Outcome.ACTIVATED if ended else Outcome.UNKNOWN]
    bench.machine.runner.settle()
    with bench.engine().open() as run:
        assert [each.outcome for each in run.settled] == [Outcome.ACTIVATED] * (not ended)
    assert [str(commit.version) for commit in bench.machine.platform.commits()] == ["1.1"]


@pytest.mark.parametrize("point", [point for point in Point if point not in BEFORE_ASKING])
def test_a_step_that_nobody_follows_any_more_is_taken_all_the_same(make: Make, point: Point) -> None:
    bench = make("vera")
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)))
    next(event for event in steps if isinstance(event, Reached) and event.point is point)
    steps.close()
    ended = point is not Point.ASKED
    assert [each.outcome for each in bench.announced] == [Outcome.ACTIVATED if ended else Outcome.UNKNOWN]
    bench.machine.runner.settle()
    with bench.engine().open() as run:
        assert [each.outcome for each in run.settled] == [Outcome.ACTIVATED] * (not ended)


def test_an_activation_is_told_step_by_step(make: Make) -> None:
    bench = make("vera")
    events = list(bench.engine().activate(ActivationRequest(("tf-rmm",))))
    assert [event.point for event in events if isinstance(event, Reached)] == list(Point)
    assert [type(event) for event in events if not isinstance(event, Reached | StillRunning)] == [
        Chosen,
        SettingsApplied,
        Begun,
        Progressed,
        Progressed,
        Attempt,
        SettingsApplied,
        Finished,
    ]
    (begun,) = [event for event in events if isinstance(event, Begun)]
    (attempt,) = [event for event in events if isinstance(event, Attempt)]
    assert begun.step
    assert begun.component == attempt.result.before
    assert begun.step.component.key == begun.component.key
    assert events[-1] == Finished((attempt,), ())
    assert [(each.phase, each.component.key) for each in events if isinstance(each, Progressed)] == [
        (Phase.RUNNING, RMM),
        (Phase.SETTLING, RMM),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
def test_what_is_raised_as_the_mechanism_is_asked_leaves_it_open(make: Make, error: type[BaseException]) -> None:
    """A Ctrl-C between the start of the write and the moment at which it can be watched: it goes on, unseen."""
    bench = make("vera")
    host = bench.host()
    activate = host.providers[0].activate

    def interrupted(*values: Any) -> Any:
        activate(*values)
        raise error("now")

    host.providers[0].activate = interrupted
    bench.changes = {"providers": host.providers}
    attempt = bench.one("tf-rmm")
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.UNKNOWN, "out-of-sight")
    assert attempt.row.open
    assert [each.code for each in attempt.mishaps] == ["request-failed"]
    assert [each.outcome for each in bench.announced] == [Outcome.UNKNOWN]
    bench.changes = {}
    bench.machine.runner.settle()
    with bench.engine().open() as run:
        assert [each.outcome for each in run.settled] == [Outcome.ACTIVATED]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted, OSError])
def test_who_leaves_as_one_ends_has_no_further_one_begun(make: Make, error: type[BaseException]) -> None:
    bench = make("vera")
    bench.machine.stage("65922703-2f74-e644-8dff-579ac1ff0610", "7.7")

    def leave(_: Any) -> None:
        raise error("now")

    bench.watch.on_ended = leave
    with pytest.raises(error, match="now"):
        bench.run(RMM, "lfa:65922703-2f74-e644-8dff-579ac1ff0610", on_failure=OnFailure.CONTINUE)
    assert [each.kind for each in bench.journal.rows()] == [RowKind.INTENT, RowKind.OUTCOME]
    assert [each.outcome for each in bench.announced] == [Outcome.ACTIVATED]


def test_who_stops_as_one_ends_is_told_what_was_not_started(make: Make) -> None:
    scp = "lfa:65922703-2f74-e644-8dff-579ac1ff0610"
    bench, control = make("vera"), Control()
    bench.machine.stage(scp.removeprefix("lfa:"), "7.7")
    bench.watch.on_ended = lambda _: control.stop()
    finished = bench.watch.follow(bench.engine().activate(ActivationRequest((RMM, scp)), control=control), control)
    assert [each.result.outcome for each in finished.attempts] == [Outcome.ACTIVATED]
    assert finished.not_started == (scp,)


def test_who_stops_while_the_firmware_works_sees_the_end(make: Make) -> None:
    bench, control = make("vera", faults=[FaultRequest(name="slow", component=RMM.removeprefix("lfa:"))]), Control()
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)), control=control)
    next(event for event in steps if isinstance(event, StillRunning))
    control.stop()
    (attempt,) = drain(steps).attempts
    assert attempt.result.outcome is Outcome.ACTIVATED


def test_who_stops_while_the_driver_is_busy_has_it_asked_no_more(make: Make) -> None:
    bench, control = make("vera"), Control()
    lfa = bench.host().files
    other = lfa.start_write(f"/sys/firmware/lfa/{RMM.removeprefix('lfa:')}/activate", b"1")
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",)), control=control)
    next(event for event in steps if isinstance(event, Progressed) and event.phase is Phase.WAITING)
    control.stop()
    (attempt,) = drain(steps).attempts
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "busy")
    assert other.wait(None)


def test_nobody_watches_to_the_end(make: Make) -> None:
    bench = make("vera", faults=[FaultRequest(name="hang", component=RMM.removeprefix("lfa:"))])
    bench.watch.patience = 5.0
    attempt = bench.one("tf-rmm")
    assert attempt.result.outcome is Outcome.UNKNOWN
    assert attempt.row.open
    assert [entry.kind for entry in bench.journal.rows()] == [RowKind.INTENT]
    assert [entry.activation for entry in bench.journal.unfinished()] == [attempt.row.activation]


def test_watching_can_stop_while_the_firmware_works_and_goes_on(make: Make) -> None:
    bench = make("vera", faults=[FaultRequest(name="slow", component=RMM.removeprefix("lfa:"))])
    bench.watch.patience = 0.5
    result = bench.one("tf-rmm").result
    assert (result.outcome, result.why.code) == (Outcome.UNKNOWN, "not-watched")
    assert bench.machine.platform.commits() == ()
    bench.machine.runner.settle()
    assert [str(commit.version) for commit in bench.machine.platform.commits()] == ["1.1"]
