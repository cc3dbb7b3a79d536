# SPDX-License-Identifier: Apache-2.0
"""What the engine must not do, each of which no outcome of a single attempt would show."""

from dataclasses import replace

import pytest

from livefw.activation.engine import OnFailure, Point
from livefw.activation.outcome import Outcome
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest

from ..activation.conftest import Bench, Make, make

__all__ = ["make"]
RMM, SCP = "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "65922703-2f74-e644-8dff-579ac1ff0610"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def asked(bench: Bench, before: int) -> set[str]:
    """Calls since then that can activate something."""
    return {call.name for call in bench.machine.trace.since(before)} & {"LFA_PRIME", "LFA_ACTIVATE"}


@pytest.mark.parametrize("on_failure", OnFailure)
def test_after_an_unknown_outcome_nothing_more_is_tried(make: Make, on_failure: OnFailure) -> None:
    bench = make("vera", faults=[FaultRequest(name="slow", component=RMM, ms=5000.0)])
    bench.machine.stage(SCP)
    bench.watch.patience = 1.0
    attempts = bench.run(RMM, SCP, on_failure=on_failure)
    assert [(each.result.before.id, each.result.outcome) for each in attempts] == [(RMM, Outcome.UNKNOWN)]


def test_what_is_not_pending_any_more_after_the_checks_is_not_asked_for(make: Make) -> None:
    bench = make("vera")

    def withdraw(point: Point) -> None:
        if point is Point.CHECKED:
            bench.machine.platform.withdraw(bench.machine.find(RMM))

    bench.changes = {"at": withdraw}
    before = bench.machine.trace.next_sequence
    attempt = bench.one(RMM)
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "not-pending")
    assert asked(bench, before) == set()


class Death(BaseException):
    """The engine dies."""


def left_behind(make: Make, driver: str = "v3") -> Bench:
    """A machine on which an engine died after its activation had succeeded, and before it was written down."""
    bench: Bench = make(replace(load("vera"), driver=driver))

    def die(point: Point) -> None:
        if point is Point.JUDGED:
            raise Death

    bench.changes = {"at": die}
    with pytest.raises(Death):
        bench.run(RMM)
    bench.changes = {}
    return bench


def settled(bench: Bench) -> list[tuple[Outcome | None, str]]:
    with bench.engine().open() as run:
        return [(each.outcome, each.why.code) for each in run.settled]


def test_what_was_left_in_this_boot_is_judged(make: Make) -> None:
    assert settled(left_behind(make)) == [(Outcome.ACTIVATED, "version-arrived")]


def test_what_was_left_in_another_boot_is_not_judged(make: Make) -> None:
    """The restart loads a staged image too: that the version arrived says nothing of the attempt."""
    bench = left_behind(make)
    set_boot_id(bench, "11111111-2222-4333-8444-555555555555\n")
    assert settled(bench) == [(Outcome.UNKNOWN, "restarted")]


@pytest.mark.parametrize("text", ["", None])
def test_without_a_boot_id_nothing_that_was_left_is_judged(make: Make, text: str | None) -> None:
    bench = left_behind(make)
    set_boot_id(bench, text)
    assert settled(bench) == [(Outcome.UNKNOWN, "boot-not-reported")]


def set_boot_id(bench: Bench, text: str | None) -> None:
    """What the machine says of its boot; None where the file is not there."""
    directory, _, name = BOOT_ID.rpartition("/")
    bench.machine.tree.lookup(directory).remove(name)  # type: ignore[union-attr]  # it is a directory
    if text is not None:
        bench.machine._add_text(BOOT_ID, text)
