# SPDX-License-Identifier: Apache-2.0
"""Cancelling: possible while another engine waits for the firmware, kept apart from everything else, written down."""

from pathlib import Path
from typing import Any

import pytest

from livefw.activation.engine import Attempt, Point
from livefw.activation.history.journal import JournalUnavailable, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.activation.lock.machine_lock import Busy, Lock, holder
from livefw.activation.outcome import Outcome
from livefw.errors import UsageError

Make = Any
RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
OTHER = "lfa:0509b633-5734-422f-a681-6096e932d93a"


def cancellations(bench: Any) -> list[tuple[str, str, str, str]]:
    rows = (each for each in bench.journal.rows() if each.kind is RowKind.CANCELLATION)
    return [(row.component, row.body["outcome"], row.body["reason"], row.body["actor"]["login"]) for row in rows]


def test_with_nothing_to_cancel_that_is_what_is_written_down(make: Make) -> None:
    bench = make("vera")
    attempt = bench.cancel("tf-rmm", reason="to be sure")
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "nothing-to-cancel")
    assert "cannot un-stage" in attempt.result.why.hint
    assert attempt.row.head == bench.journal.head()
    assert cancellations(bench) == [(RMM, "refused", "to be sure", "alice")]
    assert [(each.component, each.outcome) for each in bench.announced] == [(RMM, Outcome.REFUSED)]
    assert holder(bench.paths.lock) is None
    assert not verify_chain(bench.journal).flaws


@pytest.mark.parametrize(
    ("driver", "ends"),
    [
        ("v1", Outcome.FAILED),
        # A later driver that is told to call PRIME again does so after the cancellation too, which begins it anew.
        ("v2", Outcome.ACTIVATED),
        ("v3", Outcome.ACTIVATED),
        ("nv3", Outcome.ACTIVATED),
    ],
)
def test_what_another_engine_waits_for_is_cancelled_beside_it(make: Make, driver: str, ends: Outcome) -> None:
    bench = make("vera", driver=driver)
    attempts: list[Attempt] = []

    def interfere(point: Point) -> None:
        if point is Point.ASKED:
            bench.changes = {}
            while not attempts or attempts[-1].result.outcome is Outcome.REFUSED:  # inside a step the agent is busy
                bench.host().clock.sleep(0.007)
                attempts.append(bench.cancel("tf-rmm", reason="wrong image"))

    bench.changes = {"at": interfere}
    activation = bench.one("tf-rmm")
    assert attempts[-1].result.outcome is Outcome.CANCELLED
    assert activation.result.outcome is ends
    assert cancellations(bench)[-1] == (RMM, "cancelled", "wrong image", "alice")
    kinds = [each.kind for each in bench.journal.rows()]
    assert kinds == [RowKind.INTENT, *[RowKind.CANCELLATION] * len(attempts), RowKind.OUTCOME]
    assert bench.journal.unfinished() == []


def test_beside_work_on_another_component_it_keeps_out(make: Make) -> None:
    bench = make("vera")
    with Lock.acquire(bench.paths.lock) as held:
        held.describe(component=OTHER, user="root")
        with pytest.raises(Busy, match="0509b633"):
            bench.cancel("tf-rmm")
    assert bench.watch.ends == []


def test_a_holder_that_could_leave_no_note_keeps_nobody_from_cancelling(make: Make) -> None:
    bench = make("vera")
    with Lock.acquire(bench.paths.lock):
        bench.cancel("tf-rmm")
    assert len(cancellations(bench)) == 1


def test_what_an_engine_left_open_is_settled_first(make: Make) -> None:
    class Died(BaseException):
        pass

    def die(point: Point) -> None:
        if point is Point.JUDGED:
            raise Died

    bench = make("vera")
    bench.changes = {"at": die}
    with pytest.raises(Died):
        bench.run("tf-rmm")
    bench.changes = {}
    bench.cancel("tf-rmm")
    assert [each.kind for each in bench.journal.rows()] == [RowKind.INTENT, RowKind.OUTCOME, RowKind.CANCELLATION]


def test_without_a_history_it_has_to_be_said(make: Make) -> None:
    bench = make("vera")
    Path(bench.paths.state).parent.mkdir(parents=True)
    Path(bench.paths.state).write_text("in the way")
    with pytest.raises(JournalUnavailable):
        bench.cancel("tf-rmm")
    assert bench.watch.begun == []
    bench.changes = {"without_journal": True}
    attempt = bench.cancel("tf-rmm")
    assert attempt.row.error == "not recorded, as was asked"


def test_nobody_of_that_name(make: Make) -> None:
    bench = make("vera")
    with pytest.raises(UsageError):
        bench.cancel("nobody")
    assert holder(bench.paths.lock) is None
