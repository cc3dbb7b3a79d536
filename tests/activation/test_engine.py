# SPDX-License-Identifier: Apache-2.0
"""The engine on modelled machines in virtual time: what it plans, refuses, runs, verifies and writes down."""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.checks.facts import Facts
from livefw.activation.engine import ActivationRequest, OnFailure, Point
from livefw.activation.events import Control, WaitingForLock, drain
from livefw.activation.history import chain
from livefw.activation.history.archive import Cut
from livefw.activation.history.journal import Head, HistoryRow, JournalUnavailable, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.lock.machine_lock import Busy, Lock
from livefw.activation.measure.meter import NoMeter
from livefw.activation.outcome import Outcome
from livefw.errors import Interrupted, NoSuchComponent, NothingHere, TransportError, UsageError
from livefw.firmware.spec import ComponentKind as Kind_
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import Grid, MachineConfig
from livefw.machine.faults import FaultRequest

Bench = Any
"""What the fixture `make` makes; see conftest.py."""
Make = Any

RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"


def grid(count: int = 4, **fields: Any) -> MachineConfig:
    """Components that leave nothing behind in the agent when they have been activated, as TF-A's RMM does."""
    components = Grid(count=count, pending_every=1, kind=Kind_.RMM)
    return MachineConfig(name="grid", agent="bet1", driver="v3", grid=components, **fields)


def kinds(bench: Bench) -> list[RowKind]:
    return [entry.kind for entry in bench.journal.rows()]


def test_an_activation_is_planned_run_verified_and_written_down(make: Make) -> None:
    bench = make("vera")
    plan = bench.engine().plan(ActivationRequest())
    assert [(step.component.key, step.stopped, step.usual) for step in plan.steps] == [(RMM, False, None)]
    attempt = bench.one("tf-rmm", reason="CVE-2026-0001")
    assert attempt.result.outcome is Outcome.ACTIVATED
    assert attempt.measurement
    assert attempt.measurement.longest_ns == 60_000_000
    intent, outcome = bench.journal.rows()
    assert intent.body["reason"] == "CVE-2026-0001"
    assert intent.body["actor"] == {"user": "root", "login": "alice", "face": "test"}
    assert (intent.body["current_version"], intent.body["pending_version"]) == ("1.0", "1.1")
    assert (outcome.body["outcome"], outcome.body["current_version"]) == ("activated", "1.1")
    assert outcome.body["log"] == ["Arm LFA: TF-RMM: successfully activated"]
    assert outcome.body["cost"]["source"] == "model"
    assert not verify_chain(bench.journal, heads=[attempt.row.head]).flaws
    assert [each.outcome for each in bench.announced] == [Outcome.ACTIVATED]
    assert bench.announced[0].row == attempt.row


def test_what_it_took_before_is_in_the_next_plan_and_can_be_too_long(make: Make) -> None:
    bench = make("vera")
    bench.one("tf-rmm")
    bench.machine.stage("rmm")
    step = bench.engine().plan(ActivationRequest()).steps[0]
    assert step.usual
    assert (step.usual.times, step.usual.worst_s) == (1, pytest.approx(0.8325))
    bench.settings = "[limits]\nseconds = 0.5"
    refused = bench.one("tf-rmm")
    assert (refused.result.outcome, refused.result.why.code) == (Outcome.REFUSED, "time")
    assert bench.one("tf-rmm", ignore=("time",)).result.outcome is Outcome.ACTIVATED
    assert kinds(bench) == [RowKind.INTENT, RowKind.OUTCOME, RowKind.REFUSAL, RowKind.INTENT, RowKind.OUTCOME]
    assert [each["check"] for each in list(bench.journal.rows())[3].body["ignored"]] == ["time"]


def test_a_plan_changes_nothing(make: Make) -> None:
    bench = make("vera")
    before = bench.machine.trace.next_sequence
    bench.engine().plan(ActivationRequest(("tf-rmm",)))
    assert not Path(bench.paths.state).exists()
    assert not Path(bench.paths.lock).exists()
    assert {call.name for call in bench.machine.trace.since(before)} == {"LFA_GET_INVENTORY"}


def test_everything_in_the_order_of_the_policy_and_once(make: Make) -> None:
    bench = make(grid(4))
    keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]
    bench.settings = f"[[order]]\nfirst='{keys[3]}'\nthen='{keys[0]}'\n[[order]]\nfirst='{keys[0]}'\nthen='{keys[1]}'"
    wanted = [keys[2], keys[3], keys[0], keys[1]]
    assert [step.component.key for step in bench.engine().plan(ActivationRequest()).steps] == wanted
    attempts = bench.run()
    assert [each.result.before.key for each in attempts] == wanted
    assert {each.result.outcome for each in attempts} == {Outcome.ACTIVATED}
    assert bench.run() == []


def test_after_a_failure_it_stops_or_goes_on_with_what_need_not_wait(make: Make) -> None:
    for on_failure, expected in (
        (OnFailure.STOP, {"failed": 1}),
        (OnFailure.CONTINUE, {"failed": 1, "refused": 1, "activated": 2}),
    ):
        bench = make(grid(4))
        keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]
        bench.machine.inject(FaultRequest(name="auth-error", component=keys[0].removeprefix("lfa:")))
        bench.settings = f"[[order]]\nfirst='{keys[0]}'\nthen='{keys[1]}'"
        attempts = bench.run(on_failure=on_failure)
        counted: dict[str, int] = {}
        for attempt in attempts:
            counted[attempt.result.outcome] = counted.get(attempt.result.outcome, 0) + 1
        assert counted == expected
        if on_failure is OnFailure.CONTINUE:
            refused = next(each for each in attempts if each.result.outcome is Outcome.REFUSED)
            assert (refused.result.before.key, refused.result.why.code) == (keys[1], "order")


def test_an_agent_that_holds_on_to_what_it_activated_takes_the_next_one(make: Make) -> None:
    """TF-A keeps a component current after its activation unless it is the RMM; only CANCEL makes room."""
    components = Grid(count=3, pending_every=1)
    bench = make(MachineConfig(name="grid", agent="bet1", driver="v3", grid=components))
    bench.settings = "[component.'*']\nsettings = {force_cpu_rendezvous = false}"
    assert [each.result.outcome for each in bench.run()] == [Outcome.ACTIVATED] * 3


def test_an_order_that_goes_in_a_circle_is_an_error_of_the_settings(make: Make) -> None:
    bench = make(grid(2))
    keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]
    bench.settings = f"[[order]]\nfirst='{keys[0]}'\nthen='{keys[1]}'\n[[order]]\nfirst='{keys[1]}'\nthen='{keys[0]}'"
    with pytest.raises(UsageError, match="circle"):
        bench.engine().plan(ActivationRequest())


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("deny = ['tf-rmm']", "policy"),
        ("[component.tf-rmm]\npin = '1.7'", "pinned"),
        ("[[window]]\nfrom='01:00'\nto='02:00'\nzone='UTC'", "window"),
    ],
)
def test_a_refusal_is_written_down_and_touches_nothing(make: Make, settings: str, code: str) -> None:
    bench = make("vera")
    bench.settings = settings
    bench.changes = {"now": lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)}
    before = bench.machine.trace.next_sequence
    attempt = bench.one("tf-rmm")
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, code)
    assert {call.name for call in bench.machine.trace.since(before)} == {"LFA_GET_INVENTORY"}
    assert [entry.body["code"] for entry in bench.journal.rows()] == [code]
    assert [each.outcome for each in bench.announced] == [Outcome.REFUSED]


def test_a_cpu_that_is_off_stops_a_rendezvous_unless_ignored(make: Make) -> None:
    bench = make("vera")
    bench.machine.cpu_off(5)
    assert bench.one("tf-rmm").result.why.code == "cpus-offline"
    assert bench.one("tf-rmm", ignore=("cpus-offline",)).result.outcome is Outcome.ACTIVATED
    assert bench.one("tf-rmm", ignore=("cpus-offline",)).result.why.code == "not-pending"


def test_an_administrators_check_says_no(make: Make) -> None:
    bench = make("vera")
    directory = Path(bench.paths.settings) / "checks.d"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    (directory / "backup").write_text("#!/bin/sh\necho backup is running; exit 1\n")
    (directory / "backup").chmod(0o755)
    attempt = bench.one("tf-rmm")
    assert (attempt.result.why.code, attempt.result.why.text) == ("hook:backup", "backup is running")
    assert bench.one("tf-rmm", ignore=("hook:backup",)).result.outcome is Outcome.ACTIVATED


def test_settings_are_what_the_policy_wants_again_after_they_were_lost(make: Make) -> None:
    config = grid(1, components=())
    bench = make(config)
    bench.settings = "[component.'*']\nsettings = {auto_activate = true, no_such = false}"
    guid = next(iter(bench.machine.platform.components())).guid
    path = f"/sys/firmware/lfa/{guid}/auto_activate"
    files = bench.host().files
    assert [(w.setting, w.possible) for w in bench.engine().plan(ActivationRequest()).changes] == [
        ("auto_activate", True),
        ("no_such", False),
    ]
    bench.run()
    assert files.read(path) == b"1\n"
    bench.machine.unload_driver().wait()
    bench.machine.boot()
    assert files.read(path) == b"0\n"
    bench.run()
    assert files.read(path) == b"1\n"
    assert kinds(bench) == [RowKind.SETTING, RowKind.INTENT, RowKind.OUTCOME, RowKind.SETTING]


@pytest.mark.parametrize("driver", VERSIONS)
def test_fvp_whose_pending_flag_never_clears_is_not_looped_on(make: Make, driver: str) -> None:
    bench = make("fvp", driver=driver)
    attempts = bench.run()
    assert [(each.result.before.name, each.result.outcome) for each in attempts] == [("TF-RMM", Outcome.UNKNOWN)]
    assert attempts[0].result.why.code == ("unproved-success" if driver == "v1" else "unconfirmed")
    assert "confirmed" not in last(bench).body


@pytest.mark.parametrize("pattern", ["tf-rmm", "lfa:A662076C-F212-564B-92CB-BA8F633606D9"])
@pytest.mark.parametrize("driver", ["v2", "v3", "nv3"])
def test_a_success_without_a_witness_is_believed_where_the_settings_say_so(
    make: Make, driver: str, pattern: str
) -> None:
    """TF-A on FVP: no version is reported and the flag never clears. The plan says so before, the history after."""
    bench = make("fvp", driver=driver)
    bench.settings = f'accept-unconfirmed = ["{pattern}"]'
    (step,) = bench.engine().plan(ActivationRequest(("tf-rmm",))).steps
    told = {problem.check: problem.text for problem in step.problems}
    assert "the firmware reports no version" in told["unconfirmed"]
    assert "the settings accept" in told["unconfirmed"]
    (attempt,) = bench.run()
    assert (attempt.result.outcome, attempt.result.confirmed) == (Outcome.ACTIVATED, False)
    assert attempt.result.why.code == "accepted-unconfirmed"
    assert last(bench).body["confirmed"] is False


def test_after_a_failed_rmm_no_second_attempt_is_made_on_the_same_boot(make: Make) -> None:
    """TF-A, rmmd_main.c: rmm_boot_failed is never cleared, and a retry answers success and changes nothing."""
    bench = make("vera", faults=[FaultRequest(name="activation-failed", component=RMM.removeprefix("lfa:"), times=1)])
    (step,) = bench.engine().plan(ActivationRequest(("tf-rmm",))).steps
    assert "all Realms" in next(problem.text for problem in step.problems if problem.check == "stake")
    first = bench.one("tf-rmm").result
    assert first.outcome is Outcome.FAILED
    assert first.claim
    assert first.claim.lasting
    assert "cold boot" in first.claim.lasting.text
    assert last(bench).body["lasting"]["code"] == "rmm-dead"
    again = bench.one("tf-rmm").result
    assert (again.outcome, again.why.code) == (Outcome.REFUSED, "failed-this-boot")
    insisted = bench.one("tf-rmm", ignore=("failed-this-boot",)).result
    assert insisted.outcome is Outcome.UNKNOWN  # it answers success, and nothing has changed
    bench.restart()
    bench.machine.stage(RMM.removeprefix("lfa:"), "1.1")
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED


@pytest.mark.parametrize("driver", ["v2", "v3", "nv3"])
@pytest.mark.parametrize("agent", ["tfa-2.14", "tfa-2.15", "tfa-2026"])
def test_an_rmm_that_could_not_be_set_up_is_told_dead_whatever_the_agent_calls_it(
    make: Make, driver: str, agent: str
) -> None:
    """TF-A v2.14 rmmd_rmm_lfa.c answers BUSY; a driver that asks again hears that nothing is primed any more."""
    rmm = RMM.removeprefix("lfa:")
    bench = make("vera", driver=driver, agent=agent, faults=[FaultRequest(name="activation-failed", component=rmm)])
    result = bench.one("tf-rmm").result
    assert bench.machine.rmm
    assert bench.machine.rmm.dead
    assert result.outcome is not Outcome.ACTIVATED
    assert result.claim
    assert result.claim.lasting
    assert result.claim.lasting.code == "rmm-dead"


def test_a_version_that_may_be_old_is_marked_until_the_driver_has_looked_anew(make: Make) -> None:
    """One CPU's ACTIVATE fails and the others' succeed: the driver goes on showing the version of before."""
    scp = "65922703-2f74-e644-8dff-579ac1ff0610"
    bench = make("vera", driver="nv3", agent="bet1", cpus=4)
    bench.machine.stage(scp, "7.7")
    bench.machine.inject(FaultRequest(name="notify-refused", component=scp, times=1))
    result = bench.one(f"lfa:{scp}").result
    assert (result.outcome, result.copy) == (Outcome.UNKNOWN, True)
    assert last(bench).body["copy"] is True
    boot_id = Facts(bench.host().files).boot_id()
    assert old_versions.read(old_versions.beside(bench.paths.lock), boot_id) == {f"lfa:{scp}": "2.7"}
    found = old_versions.mark(discovery.take_inventory(bench.host().providers), {f"lfa:{scp}": "2.7"})
    shown = found.find(f"lfa:{scp}")
    assert shown
    assert shown.current_version
    assert not shown.current_version.reliable
    assert [note.code for note in shown.notes] == ["version-may-be-old"]
    assert old_versions.read(old_versions.beside(bench.paths.lock), "another boot") == {}
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED  # after which the driver has scanned
    assert old_versions.read(old_versions.beside(bench.paths.lock), boot_id) == {}


@pytest.mark.parametrize("driver", ["v2", "v3", "nv3"])
def test_another_component_is_not_activated_in_place_of_one(make: Make, driver: str) -> None:
    """A GUID that firmware reports twice in a rescan leaves another component's id behind its name."""
    first, second = "0509b633-5734-422f-a681-6096e932d93a", "3ab71f81-32b9-496d-841b-e3d0e9fd1a48"
    bench = make("vera", driver=driver, agent="bet1")
    bench.machine.stage(first, "27.0")
    bench.machine.inject(FaultRequest(name="duplicate-guid", component=second))
    attempt = bench.one(f"lfa:{first}")
    assert "other-vanished" in [each.code for each in attempt.others]
    bench.machine.injector.rules.clear()
    bench.machine.stage(second, "28.0")
    refused = bench.one(f"lfa:{second}").result
    assert (refused.outcome, refused.why.code) == (Outcome.REFUSED, "list-in-doubt")
    assert "modprobe" in refused.why.hint
    insisted = bench.one(f"lfa:{second}", ignore=("list-in-doubt",))
    assert insisted.result.outcome is Outcome.UNKNOWN
    # That activation, of the wrong one, has had the driver scan anew: what is listed can be relied on.
    assert "other-appeared" in [each.code for each in insisted.others]


def test_a_driver_that_was_loaded_anew_is_not_doubted(make: Make) -> None:
    first, second = "0509b633-5734-422f-a681-6096e932d93a", "3ab71f81-32b9-496d-841b-e3d0e9fd1a48"
    bench = make("vera", driver="nv3", agent="bet1")
    bench.machine.stage(first, "27.0")
    bench.machine.inject(FaultRequest(name="duplicate-guid", component=second))
    bench.run(f"lfa:{first}")
    bench.machine.injector.rules.clear()
    bench.machine.reload()
    bench.machine.stage(second, "28.0")
    assert bench.one(f"lfa:{second}").result.outcome is Outcome.ACTIVATED


def last(bench: Bench) -> HistoryRow:
    *_, entry = bench.journal.rows()
    found: HistoryRow = entry
    return found


def test_others_that_changed_are_told(make: Make) -> None:
    bench = make(grid(3))
    keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]
    guids = [key.removeprefix("lfa:") for key in keys]
    bench.machine.inject(FaultRequest(name="vanish-after", component=guids[0]))
    attempt = bench.one(keys[0])
    assert (attempt.result.outcome, attempt.result.after) == (Outcome.UNKNOWN, None)
    assert [each.code for each in attempt.others] == []
    bench.machine.platform._change_inventory(_without(guids[1]))
    found = bench.one(keys[2], ignore=("list-in-doubt",))
    assert found.result.outcome is Outcome.ACTIVATED
    assert [each.code for each in found.others] == ["other-vanished"]
    assert list(bench.journal.rows())[-1].body["others"][0]["code"] == "other-vanished"


def _without(guid: str) -> Any:
    from livefw.firmware.spec import AfterActivation

    return AfterActivation(vanishes=(guid,))


def test_a_component_that_vanishes_between_plan_and_write(make: Make) -> None:
    bench = make(grid(3))
    keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]

    def remove(_: Any) -> None:
        directory = bench.machine.tree.lookup("/sys/firmware/lfa")
        name = keys[1].removeprefix("lfa:")
        if name in directory.names:
            directory.remove(name)

    bench.watch.on_ended = remove
    attempts = bench.run(*keys[:2])
    assert [each.result.outcome for each in attempts] == [Outcome.ACTIVATED, Outcome.REFUSED]
    assert attempts[1].result.why.code == "vanished"
    with pytest.raises(NoSuchComponent):
        bench.run(keys[1])


def test_a_chosen_component_that_has_vanished_when_its_turn_comes(make: Make) -> None:
    bench = make(grid(3))
    keys = [step.component.key for step in bench.engine().plan(ActivationRequest()).steps]

    def remove(point: Point) -> None:
        directory, name = bench.machine.tree.lookup("/sys/firmware/lfa"), keys[1].removeprefix("lfa:")
        if point is Point.ANSWERED and name in directory.names:
            directory.remove(name)

    bench.changes = {"at": remove}
    attempts = bench.run(*keys[:2])
    assert [(each.result.outcome, each.result.why.code) for each in attempts] == [
        (Outcome.ACTIVATED, "version-arrived"),
        (Outcome.REFUSED, "vanished"),
    ]
    assert [each.code for each in attempts[0].others] == ["other-vanished"]


@pytest.mark.parametrize("point", [Point.LOCKED, Point.SETTLED])
def test_whoever_interrupts_the_settling_leaves_no_lock_behind(make: Make, point: Point) -> None:
    bench = make("vera")

    def interrupt(at: Point) -> None:
        if at is point:
            raise KeyboardInterrupt

    bench.changes = {"at": interrupt}
    with pytest.raises(KeyboardInterrupt):
        bench.engine().open()
    Lock.acquire(bench.paths.lock).release()


def test_without_a_history_there_is_nothing_to_archive(make: Make) -> None:
    bench = make("vera")
    bench.changes = {"without_journal": True}
    with bench.engine().open() as run, pytest.raises(UsageError, match="nothing to archive"):
        run.archive(Cut(keep=1))


def test_a_component_that_vanishes_in_the_last_moment(make: Make) -> None:
    bench = make("vera")

    def remove(point: Point) -> None:
        if point is Point.INTENDED:
            bench.machine.tree.lookup("/sys/firmware/lfa").remove(RMM.removeprefix("lfa:"))

    bench.changes = {"at": remove}
    attempt = bench.one("tf-rmm")
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "vanished")
    assert not bench.journal.unfinished()


def test_two_engines_race_and_one_is_told(make: Make) -> None:
    bench = make("vera")
    with bench.engine().open(), pytest.raises(Busy, match="root"):
        bench.engine().open()
    with Lock.acquire(bench.paths.lock):
        plan = bench.engine().plan(ActivationRequest())
        assert [problem.check for problem in plan.steps[0].problems if problem.stops] == ["busy"]
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED


def test_another_engine_is_waited_for_and_what_it_did_is_seen(make: Make) -> None:
    bench = make("vera")
    steps = bench.engine().activate(ActivationRequest(("tf-rmm",), wait_busy_s=60.0))
    other = bench.engine().open()
    heard = [next(steps) for _ in range(3)]
    assert {type(event) for event in heard} == {WaitingForLock}
    assert all(event.holder and "alice" in event.holder.user for event in heard if isinstance(event, WaitingForLock))
    with other:
        assert drain(other.activate(ActivationRequest(("tf-rmm",)))).attempts[0].result.outcome is Outcome.ACTIVATED
    (attempt,) = drain(steps).attempts
    assert attempt.result.why.code == "not-pending"
    assert [row.intent is not None for row in bench.journal.activations()] == [True]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 5.0])
def test_another_engine_is_not_waited_for_longer_than_that(make: Make, seconds: float) -> None:
    bench = make("vera")
    clock = bench.host().clock
    start = clock.now()
    with bench.engine().open(), pytest.raises(Busy):
        drain(bench.engine().activate(ActivationRequest(wait_busy_s=seconds)))
    assert seconds <= clock.now() - start <= seconds + 0.5
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED


def test_waiting_for_another_engine_can_be_stopped(make: Make) -> None:
    bench = make("vera")
    control = Control()
    with bench.engine().open():
        steps = bench.engine().activate(ActivationRequest(wait_busy_s=60.0), control=control)
        next(steps)
        control.stop()
        with pytest.raises(Interrupted):
            next(steps)


def test_without_a_journal_nothing_is_begun_unless_told(make: Make) -> None:
    bench = make("vera")
    Path(bench.paths.state).parent.mkdir(parents=True)
    Path(bench.paths.state).write_text("in the way")
    before = bench.machine.trace.next_sequence
    with pytest.raises(JournalUnavailable):
        bench.run("tf-rmm")
    assert bench.machine.trace.next_sequence == before
    bench.changes = {"without_journal": True}
    attempt = bench.one("tf-rmm")
    assert attempt.result.outcome is Outcome.ACTIVATED
    assert (attempt.row.head, attempt.row.error) == (None, "not recorded, as was asked")
    assert [each.outcome for each in bench.announced] == [Outcome.ACTIVATED]


def test_a_plan_tells_that_the_last_attempt_failed(make: Make) -> None:
    bench = make("vera", faults=[FaultRequest(name="auth-error", component="rmm", times=1)])
    bench.changes = {"wall_ns": lambda: 1_800_000_000_000_000_000}
    assert bench.one("tf-rmm").result.outcome is Outcome.FAILED
    (step,) = bench.engine().plan(ActivationRequest()).steps
    assert not step.stopped
    (told,) = [problem for problem in step.problems if problem.check == "last-attempt"]
    assert told.text.startswith("the last attempt here failed (AUTH_ERROR), 2027-01-1")
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    bench.machine.stage("rmm")
    assert "last-attempt" not in {
        problem.check for problem in bench.engine().plan(ActivationRequest()).steps[0].problems
    }


@pytest.mark.parametrize(("driver", "known"), [("v1", True), ("v2", False)])
def test_a_failure_by_the_known_fault_of_a_driver_says_so(make: Make, driver: str, known: bool) -> None:
    """The RMM takes two PRIME calls; firmware may also refuse for itself, and then only v1 is suspected."""
    faults = [] if known else [FaultRequest(name="agent-gone")]
    bench = make("vera", driver=driver)
    for each in faults:
        bench.machine.inject(each)
    result = bench.one("tf-rmm").result
    assert result.outcome is Outcome.FAILED
    assert result.claim is not None
    assert (result.claim.firmware_code, result.claim.reason is not None) == ("NOT_SUPPORTED", True)
    assert (result.claim.reason and result.claim.reason.code == "second-call-invalid") is known
    if known:
        assert "v2 or newer" in result.why.hint
    (step,) = bench.engine().plan(ActivationRequest()).steps
    (told,) = [problem for problem in step.problems if problem.check == "last-attempt"]
    assert ("trying again does not help" in told.text) is known


def test_an_outcome_that_cannot_be_written_is_told_and_settled_later(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make("vera")

    def full(*_: object) -> Head:
        raise sqlite3.OperationalError("database or disk is full")

    def fill_the_disk(point: Point) -> None:
        if point is Point.JUDGED:
            monkeypatch.setattr(chain, "append", full)

    bench.changes = {"at": fill_the_disk}
    attempt = bench.one("tf-rmm")
    assert attempt.result.outcome is Outcome.ACTIVATED
    assert attempt.row.head is None
    assert "disk is full" in attempt.row.error
    monkeypatch.undo()
    bench.changes = {}
    with bench.engine().open() as run:
        assert [(each.outcome, each.why.code) for each in run.settled] == [(Outcome.ACTIVATED, "version-arrived")]
    assert not verify_chain(bench.journal).flaws


def test_a_misspelt_check_is_refused_before_the_lock(make: Make) -> None:
    bench = make("vera")
    with pytest.raises(UsageError, match="no check"):
        bench.engine().plan(ActivationRequest(ignore=("windows",)))
    with pytest.raises(UsageError, match="no check"):
        bench.run("tf-rmm", ignore=("windows",))
    bench.settings = "ignore = ['windows']"
    with pytest.raises(UsageError, match="no check"):
        bench.engine().plan(ActivationRequest())


def test_a_machine_without_any_component(make: Make) -> None:
    bench = make(MachineConfig(name="empty"))
    with pytest.raises(NothingHere, match="there is no /sys/firmware/lfa"):
        bench.run()
    assert bench.engine().plan(ActivationRequest()).absent


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up its rights")
def test_anybody_may_ask_what_would_be_done(make: Make) -> None:
    bench = make("vera")
    bench.one("tf-rmm")
    bench.machine.stage("rmm")
    Path(bench.paths.state).chmod(0o700)
    bench.changes = {"privileged": False}
    os.seteuid(65534)
    try:
        (step,) = bench.engine().plan(ActivationRequest()).steps
    finally:
        os.seteuid(0)
    assert step.usual is None
    assert "permission" in {problem.check for problem in step.problems}


def test_an_interruption_while_the_baseline_is_taken_starts_nothing(make: Make) -> None:
    bench = make("vera")
    ended: list[str] = []

    class Slow(NoMeter):
        def start(self) -> None:
            raise KeyboardInterrupt

        def close(self) -> None:
            ended.append("closed")

    bench.changes = {"meter": Slow}
    with pytest.raises(KeyboardInterrupt):
        bench.run("tf-rmm")
    assert ended == ["closed"]
    assert list(bench.journal.rows()) == []
    Lock.acquire(bench.paths.lock).release()


def test_a_mechanism_that_does_not_let_go_is_told_and_keeps_nobody_waiting(make: Make) -> None:
    """TF-A refuses every other component after a failed PRIME until it is told to let go of that one."""
    bench = make("vera", faults=[FaultRequest(name="auth-error", component="rmm", times=1)])
    bench.machine.stage("65922703-2f74-e644-8dff-579ac1ff0610", "7.7")
    host = bench.host()
    lfa = host.providers[0]
    given_up: list[float] = []

    class Endless:
        touched = True

        def wait(self, seconds: float) -> bool:
            host.clock.sleep(seconds)
            return False

        def abandon(self) -> None:
            given_up.append(host.clock.now())

    lfa.cancel = lambda *_: Endless()
    bench.changes = {"providers": host.providers}
    start = host.clock.now()
    attempts = bench.run(RMM, "lfa:65922703-2f74-e644-8dff-579ac1ff0610", on_failure=OnFailure.CONTINUE)
    assert [each.result.outcome for each in attempts] == [Outcome.FAILED] * 2  # the second because of the first
    assert [[mishap.code for mishap in each.mishaps] for each in attempts] == [["not-let-go"]] * 2
    assert [10 <= moment - start - 10 * count < 15 for count, moment in enumerate(given_up)] == [True] * 2


def test_an_intent_of_a_mechanism_that_is_unknown_here_stays_for_another_livefw(make: Make) -> None:
    bench = make("vera")
    with bench.engine().open() as run:
        run._history.begin(RowKind.INTENT, "other:one", {"name": "One"})
    assert [entry.component for entry in bench.engine().plan(ActivationRequest()).unfinished] == ["other:one"]
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    assert [entry.component for entry in bench.journal.unfinished()] == ["other:one"]


def test_what_cannot_be_found_out_now_stays_open_and_keeps_nobody_from_the_others(make: Make) -> None:
    scp = "lfa:65922703-2f74-e644-8dff-579ac1ff0610"
    bench = make("vera")
    bench.machine.stage(scp.removeprefix("lfa:"), "7.7")
    bench.watch.patience = 0.0
    assert bench.one(RMM).row.open
    bench.watch.patience = float("inf")
    bench.machine.runner.settle()
    host = bench.host()
    lfa = host.providers[0]
    recall = lfa.recall

    def fails(ident: str, mark: str) -> Any:
        if ident == RMM.removeprefix("lfa:"):
            raise TransportError("the log is away")
        return recall(ident, mark)

    lfa.recall = fails
    bench.changes = {"providers": host.providers}
    with bench.engine().open() as run:
        (found,) = run.settled
        assert (found.outcome, found.why.code) == (None, "not-settled")
        assert "the log is away" in found.why.text
        order = ActivationRequest((RMM, scp), on_failure=OnFailure.CONTINUE)
        refused, other = drain(run.activate(order)).attempts
    assert (refused.result.outcome, refused.result.why.code) == (Outcome.REFUSED, "not-settled")
    assert other.result.outcome is Outcome.ACTIVATED
    lfa.recall = recall
    with bench.engine().open() as run:
        assert [each.outcome for each in run.settled] == [Outcome.ACTIVATED]
