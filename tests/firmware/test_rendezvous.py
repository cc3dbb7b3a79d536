# SPDX-License-Identifier: Apache-2.0
"""CPUs that meet in an activation: the holding pen, rounds, the lock, and what is left behind afterwards."""

from collections.abc import Callable

import pytest

from livefw.abi import guid
from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    InventoryRequest,
    LfaStatus,
    PrimeRequest,
    status,
)
from livefw.abi.smccc import CpuRelease, Exit, Held, Registers, Restart
from livefw.abi.version import ComponentVersion
from livefw.firmware.component import Faults, FfaError
from livefw.testing.agent import ModelAgent

MakeAgent = Callable[..., ModelAgent]

BL31, BL33, RMM, SP1, SP2, SCP = range(6)
SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
RESET = ActivateRequest(BL31, entry_point=0x8800_0000)
CURRENT = pytest.mark.parametrize("name", ["tfa-2026", "bet1"])
RELEASED = pytest.mark.parametrize("name", ["tfa-2.14", "tfa-2.15"])
WAITING = Held()


def codes(outcomes: list[Exit | Held]) -> list[object]:
    return [status(outcome) if isinstance(outcome, Registers) else outcome for outcome in outcomes]


def test_the_last_cpu_leads_and_all_get_its_result(fvp: MakeAgent, profile: str) -> None:
    """TF-A lfa_holding_pen.c."""
    bench = fvp(profile)
    bench.prime(RMM)
    outcomes = [bench.send(cpu, ActivateRequest(RMM)) for cpu in (2, 0, 3, 1)]
    assert outcomes == [WAITING, WAITING, WAITING, Held(2_000_000)]
    assert bench.complete(1) == ActivateRequest(RMM).encode().returning(0, 0)
    assert codes([bench.last[cpu] for cpu in range(4)]) == [0, 0, 0, 0]
    assert bench.platform.version(guid.RMM.guid) == (2, 1)
    assert bench.agent.state.held == ()


@CURRENT
def test_variables_of_a_round(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: users, in_progress, cancel_locked; the lock is dropped around the component's work."""
    bench = fvp(name)
    bench.prime(RMM)
    seen = []
    for cpu in range(4):
        bench.send(cpu, ActivateRequest(RMM))
        now = bench.agent.state
        seen.append((now.in_progress, now.users, now.cancel_locked, now.lock_holder))
    assert seen == [(True, 1, False, None), (True, 2, False, None), (True, 3, False, None), (True, 4, True, None)]
    bench.finish()
    now = bench.agent.state
    assert (now.in_progress, now.users, now.cancel_locked, now.skip, now.failed) == (False, 0, False, False, False)


@CURRENT
def test_a_skip_type_activation_keeps_the_lock(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: hence BUSY for everybody else, and others wait who do not skip."""
    bench = fvp(name)
    bench.prime(SP1)
    assert bench.send(1, ActivateRequest(SP1, SKIP)) == Held(5_000_000)
    assert bench.agent.state.lock_holder == 1
    assert bench.agent.state.skip
    assert bench.send(0, ActivateRequest(SP1)) == WAITING
    assert bench.complete(1) == ActivateRequest(SP1, SKIP).encode().returning(0, 0)
    assert codes([bench.last[0]]) == [LfaStatus.COMPONENT_WRONG_STATE]


@CURRENT
def test_the_lock_is_handed_on_in_the_order_of_asking(fvp: MakeAgent, name: str) -> None:
    bench = fvp(name)
    bench.prime(SP1)
    bench.send(3, PrimeRequest(SP1))
    for cpu in (2, 0, 1):
        assert bench.send(cpu, ActivateRequest(SP1)) == WAITING
    bench.complete(3)
    # The first has the partition; the SPMC turns the others away, and their x1 is written.
    denied = ActivateRequest(SP1).encode().returning(LfaStatus.COMPONENT_WRONG_STATE.word, 0)
    assert (bench.last[2], bench.last[0], bench.last[1]) == (Held(5_000_000), denied, denied)


@CURRENT
def test_a_waiting_cpu_that_gets_to_work_is_reported(fvp: MakeAgent, name: str) -> None:
    bench = fvp(name, cpus=2)
    agent = bench.enumerate().agent
    bench.run(0, PrimeRequest(SCP))
    bench.run(0, PrimeRequest(SCP))
    agent.call(0, PrimeRequest(SCP).encode())
    assert agent.call(1, ActivateRequest(SCP).encode()) == WAITING
    assert agent.released() == []
    assert agent.complete(0) == PrimeRequest(SCP).encode().returning(0, 0)
    assert agent.released() == [CpuRelease(1, Held(20_000_000))]
    assert agent.released() == []
    assert agent.complete(1) == ActivateRequest(SCP).encode().returning(0, 1)


@CURRENT
def test_a_cpu_turned_on_moves_the_target(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_holding_pen.c: the number of CPUs is read again at every arrival."""
    bench = fvp(name)
    bench.agent.cpu_off(3)
    bench.prime(RMM)
    bench.send(0, ActivateRequest(RMM))
    bench.agent.cpu_on(3)
    assert bench.send(1, ActivateRequest(RMM)) == WAITING
    assert bench.send(2, ActivateRequest(RMM)) == WAITING
    assert not bench.agent.state.cancel_locked
    assert bench.send(3, ActivateRequest(RMM)) == Held(2_000_000)


def test_a_cpu_turned_on_while_the_leader_works_is_a_second_leader(fvp: MakeAgent, profile: str) -> None:
    """TF-A lfa_holding_pen.c: the count stands until the pen opens, and with this CPU it is full again."""
    bench = fvp(profile)
    rmm = bench.platform.components()[RMM]
    bench.agent.cpu_off(3)
    bench.prime(RMM)
    for cpu in range(3):
        bench.send(cpu, ActivateRequest(RMM))
    bench.agent.cpu_on(3)
    assert bench.send(3, ActivateRequest(RMM)) == Held(2_000_000)
    bench.complete(2)
    assert codes([bench.last[cpu] for cpu in range(3)]) == [0, 0, 0]
    assert bench.complete(3) == ActivateRequest(RMM).encode().returning(0, 0)
    assert rmm.realms  # type: ignore[attr-defined]


def test_a_cpu_turned_off_lets_the_others_go_on(fvp: MakeAgent, profile: str) -> None:
    """Our reading, because TF-A's CPUs would wait for ever: the pen is counted again."""
    bench = fvp(profile)
    bench.prime(RMM)
    for cpu in (0, 1, 2):
        bench.send(cpu, ActivateRequest(RMM))
    bench.agent.cpu_off(3)
    assert bench.agent.released() == [CpuRelease(2, Held(2_000_000))]
    bench.complete(2)
    assert codes([bench.last[cpu] for cpu in range(3)]) == [0, 0, 0]
    assert bench.agent.state.held == ()


@CURRENT
def test_late_cancel_of_bl31_frees_the_waiting_cpus(fvp: MakeAgent, name: str) -> None:
    """tf-a-tests, BL31 late cancel: 0 for the canceller, exactly ACTIVATION_FAILED for each waiting CPU."""
    bench = fvp(name)
    bench.prime(BL31)
    for cpu in (1, 2, 3):
        assert bench.send(cpu, RESET) == WAITING
    assert bench.code(0, CancelRequest(BL31)) == LfaStatus.SUCCESS
    assert [bench.last[cpu] for cpu in (1, 2, 3)] == [RESET.encode().returning(LfaStatus.ACTIVATION_FAILED.word, 0)] * 3
    now = bench.agent.state
    assert (now.component, now.prime, now.users, now.in_progress, now.held) == (None, "none", 0, False, ())
    assert bench.prime(SP1) == LfaStatus.SUCCESS


def test_cancel_leaves_the_cpus_of_rmm_in_the_pen_until_the_next_rendezvous(fvp: MakeAgent, profile: str) -> None:
    """TF-A: RMM has no cancel hook. They leave with the CPUs of the next rendezvous."""
    bench = fvp(profile)
    bench.prime(RMM)
    bench.send(1, ActivateRequest(RMM))
    bench.send(2, ActivateRequest(RMM))
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.SUCCESS
    assert [cpu for cpu, _ in bench.agent.state.held] == [1, 2]
    assert bench.agent.state.users == 0
    bench.prime(RMM)
    assert bench.send(0, ActivateRequest(RMM)) == WAITING
    assert bench.send(3, ActivateRequest(RMM)) == Held(2_000_000)
    bench.finish()
    assert codes([bench.last[cpu] for cpu in range(4)]) == [0, 0, 0, 0]
    assert bench.agent.state.users == 0
    assert bench.platform.version(guid.RMM.guid) == (2, 1)


@CURRENT
def test_cpus_left_behind_do_not_count_as_inside_for_a_late_cancel(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: CANCEL sets the number of users to 0."""
    bench = fvp(name)
    bench.prime(RMM)
    bench.send(1, ActivateRequest(RMM))
    bench.run(0, CancelRequest(RMM))
    bench.prime(RMM)
    for cpu in (0, 2, 3):
        bench.send(cpu, ActivateRequest(RMM))
    assert (bench.agent.state.users, bench.agent.state.cancel_locked) == (3, False)


@CURRENT
def test_cpus_of_rmm_left_behind_leave_with_the_word_of_another_leader(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_holding_pen.c: one pen and one status for all components."""
    bench = fvp(name)
    bench.prime(RMM)
    bench.send(1, ActivateRequest(RMM))
    bench.run(0, CancelRequest(RMM))
    bench.prime(BL31)
    for cpu in (0, 2, 3):
        bench.send(cpu, RESET)
    bench.finish()
    assert codes([bench.last[1]]) == [LfaStatus.SUCCESS]
    assert [bench.last[cpu] for cpu in (0, 2, 3)] == [Restart(0x8800_0000, 0)] * 3


def test_cpus_left_behind_leave_when_all_others_have_gone_off(fvp: MakeAgent, profile: str) -> None:
    """Our reading: nobody is left who could start another rendezvous."""
    bench = fvp(profile, cpus=3)
    bench.prime(RMM)
    bench.send(1, ActivateRequest(RMM))
    bench.run(0, CancelRequest(RMM))
    bench.prime(RMM)
    bench.agent.cpu_off(0)
    assert bench.agent.released() == []
    bench.agent.cpu_off(2)
    [release] = bench.agent.released()
    assert release == CpuRelease(1, ActivateRequest(RMM).encode().returning(LfaStatus.ACTIVATION_FAILED.word, 0))
    assert bench.agent.state.held == ()
    assert bench.platform.version(guid.RMM.guid) == (2, 0)


@CURRENT
def test_prime_of_another_while_one_is_complete_selects_nothing(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: PRIME(B) is 0, ACTIVATE(B) is -8, ACTIVATE(A) works; CANCEL(A) frees."""
    bench = fvp(name)
    bench.prime(SP1)
    assert bench.prime(SP2) == LfaStatus.SUCCESS
    assert bench.code(0, ActivateRequest(SP2, SKIP)) == LfaStatus.INVALID_PARAMETERS
    assert bench.code(0, ActivateRequest(SP1, SKIP)) == LfaStatus.SUCCESS
    assert bench.code(0, CancelRequest(SP1)) == LfaStatus.SUCCESS
    assert bench.prime(SP2) == LfaStatus.SUCCESS
    assert bench.code(0, ActivateRequest(SP2, SKIP)) == LfaStatus.SUCCESS


@CURRENT
def test_after_a_partition_it_stays_primed(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: still current and COMPLETE; -9 until GET_INVENTORY; others need CANCEL first."""
    bench = fvp(name)
    bench.prime(SP1)
    bench.run(0, ActivateRequest(SP1, SKIP))
    assert bench.agent.state.component == guid.FVP_SP1.guid
    assert bench.agent.state.prime == "complete"
    assert bench.code(0, ActivateRequest(SP1, SKIP)) == LfaStatus.COMPONENT_WRONG_STATE
    assert bench.code(0, ActivateRequest(SP2, SKIP)) == LfaStatus.INVALID_PARAMETERS
    assert bench.code(0, CancelRequest(SP1)) == LfaStatus.SUCCESS


@CURRENT
@pytest.mark.parametrize(("fw_seq_id", "request_"), [(SP1, ActivateRequest(SP1)), (BL31, RESET)])
def test_after_a_failure_activate_and_cancel_are_both_open(
    fvp: MakeAgent, name: str, fw_seq_id: int, request_: ActivateRequest
) -> None:
    """TF-A lfa_main.c: pending and COMPLETE are kept."""
    for then in (request_, CancelRequest(fw_seq_id)):
        bench = fvp(name, cpus=1)
        bench.fault(fw_seq_id, Faults(activate_code=LfaStatus.ACTIVATION_FAILED)).prime(fw_seq_id)
        assert bench.code(0, request_) < 0
        assert bench.agent.state.prime == "complete"
        assert bench.agent.state.pending
        bench.fault(fw_seq_id, Faults())
        outcome = bench.run(0, then)
        assert isinstance(outcome, Restart) or status(outcome) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [False, True])
def test_after_rmm_nothing_is_selected(fvp: MakeAgent, fails: bool) -> None:
    """TF-A rmmd_rmm_lfa.c: the leader resets everything; pending is kept on failure."""
    bench = fvp()
    bench.fault(RMM, Faults(activate_code=-6 if fails else 0)).prime(RMM)
    outcomes = bench.rendezvous(range(4), ActivateRequest(RMM))
    assert codes(outcomes) == [LfaStatus.ACTIVATION_FAILED if fails else 0] * 4
    now = bench.agent.state
    assert (now.component, now.prime, now.in_progress, now.users) == (None, "none", False, 0)
    assert (guid.RMM.guid in now.pending) == fails
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.INVALID_PARAMETERS
    assert bench.code(0, ActivateRequest(RMM)) == LfaStatus.INVALID_PARAMETERS
    bench.fault(RMM, Faults())
    assert bench.code(0, PrimeRequest(RMM)) == (0 if fails else LfaStatus.WRONG_STATE)


@CURRENT
def test_after_bl31_the_round_is_never_undone(fvp: MakeAgent, name: str) -> None:
    """TF-A: no CPU comes back to count itself out; CANCEL is BUSY, another PRIME is accepted but not selected."""
    bench = fvp(name)
    bench.prime(BL31)
    assert bench.rendezvous(range(4), RESET) == [Restart(0x8800_0000, 0)] * 4
    now = bench.agent.state
    assert (now.component, now.in_progress, now.users, now.cancel_locked) == (guid.BL31.guid, True, 4, True)
    assert bench.code(0, CancelRequest(BL31)) == LfaStatus.BUSY
    assert bench.prime(SP1) == LfaStatus.SUCCESS
    assert bench.code(0, ActivateRequest(SP1)) == LfaStatus.INVALID_PARAMETERS
    bench.platform.stage(guid.BL31.guid, ComponentVersion(1, 2))
    bench.prime(BL31)
    assert bench.rendezvous(range(4), RESET) == [Restart(0x8800_0000, 0)] * 4
    assert bench.platform.version(guid.BL31.guid) == (1, 2)


@CURRENT
@pytest.mark.parametrize("bad", range(4))
def test_bl31_judges_each_cpus_entry_point_after_the_pen(fvp: MakeAgent, name: str, bad: int) -> None:
    """TF-A bl31_lfa.c: that CPU gets its error at the end, the others restart, and no CPU patches if it leads."""
    bench = fvp(name)
    bench.prime(BL31)
    for cpu in range(4):
        bench.send(cpu, ActivateRequest(BL31) if cpu == bad else RESET)
    assert [cpu for cpu, held in bench.agent.state.held if held == WAITING] == [0, 1, 2]
    bench.finish()
    assert bench.last == {
        cpu: ActivateRequest(BL31).encode().returning(LfaStatus.CRITICAL_ERROR.word, 0)
        if cpu == bad
        else Restart(0x8800_0000, 0)
        for cpu in range(4)
    }
    assert bench.platform.version(guid.BL31.guid) == ((1, 0) if bad == 3 else (1, 1))
    now = bench.agent.state
    assert (now.in_progress, now.users, now.cancel_locked, now.failed) == (True, 3, True, True)


@CURRENT
def test_bl31_that_cannot_be_patched_restarts_all_cpus_but_the_leader(fvp: MakeAgent, name: str) -> None:
    """TF-A bl31_lfa.c: the pen has opened before the patch."""
    bench = fvp(name)
    bench.fault(BL31, Faults(activate_code=-6)).prime(BL31)
    outcomes = bench.rendezvous(range(4), RESET)
    assert outcomes[:3] == [Restart(0x8800_0000, 0)] * 3
    assert codes(outcomes[3:]) == [LfaStatus.CRITICAL_ERROR]
    assert bench.platform.commits() == ()


@CURRENT
def test_bl31_without_an_image_lets_all_cpus_out_with_an_error(fvp: MakeAgent, name: str) -> None:
    """TF-A bl31_lfa.c: the image is asked for before the pen opens."""
    bench = fvp(name)
    bench.prime(BL31)
    for cpu in (0, 1, 2):
        bench.send(cpu, RESET)
    bench.platform.cancel(bench.platform.find(guid.BL31.guid))
    bench.send(3, RESET)
    assert codes([bench.last[cpu] for cpu in range(4)]) == [LfaStatus.CRITICAL_ERROR] * 4
    assert bench.agent.state.users == 0


@CURRENT
def test_the_second_prime_decides_whether_the_first_component_resets(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c LFA_PRIME: one reset flag, written by every PRIME that came to its end."""
    bench = fvp(name)
    seen = []
    for fw_seq_id in (BL31, SP1):
        assert bench.prime(fw_seq_id) == LfaStatus.SUCCESS
        seen.append(bench.agent.state.reset)
    assert seen == [True, False]
    assert bench.rendezvous(range(4), ActivateRequest(BL31)) == [ActivateRequest(BL31).encode().returning(0, 0)] * 4
    assert bench.platform.version(guid.BL31.guid) == (1, 1)


@CURRENT
def test_a_cpu_of_a_wiped_activation_counts_itself_out_of_the_next(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: one number of users. CPU 2 ends the activation that CPU 1 is in."""
    bench = fvp(name)
    bench.prime(SP1)
    bench.send(2, ActivateRequest(SP1))
    assert bench.code(0, CancelRequest(SP1)) == LfaStatus.SUCCESS
    bench.prime(SCP)
    bench.send(1, ActivateRequest(SCP))
    assert (bench.agent.state.in_progress, bench.agent.state.users) == (True, 1)
    bench.complete(2)
    now = bench.agent.state
    assert (now.in_progress, now.users) == (False, 0)
    assert guid.FVP_SP1.guid not in now.pending
    assert bench.platform.version(guid.FVP_SP1.guid) == (3, 1), "the SPMC was at it, whatever CANCEL said"
    assert bench.complete(1) == ActivateRequest(SCP).encode().returning(0, 1)
    assert bench.agent.state.users == 0


@CURRENT
def test_a_wiped_activation_that_fails_keeps_the_next_ones_image_pending(fvp: MakeAgent, name: str) -> None:
    bench = fvp(name)
    bench.prime(SP1)
    bench.send(2, ActivateRequest(SP1))
    bench.run(0, CancelRequest(SP1))
    bench.prime(SP2)
    bench.fault(SP1, Faults(ffa_error=FfaError.NO_DATA))
    bench.complete(2)
    assert bench.agent.state.failed
    assert {guid.FVP_SP1.guid, guid.FVP_SP2.guid} <= set(bench.agent.state.pending)
    assert bench.code(1, ActivateRequest(SP2, SKIP)) == 0
    assert guid.FVP_SP2.guid not in bench.agent.state.pending


@CURRENT
def test_a_cancel_that_the_platform_refuses_has_opened_the_pen_of_bl31(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c LFA_CANCEL: the component's hook comes first."""
    bench = fvp(name)
    bench.fault(BL31, Faults(refuse_cancel=True)).prime(BL31)
    for cpu in (1, 2, 3):
        bench.send(cpu, RESET)
    assert bench.code(0, CancelRequest(BL31)) == LfaStatus.BUSY
    assert codes([bench.last[cpu] for cpu in (1, 2, 3)]) == [LfaStatus.ACTIVATION_FAILED] * 3
    now = bench.agent.state
    assert (now.component, now.prime, now.in_progress) == (guid.BL31.guid, "complete", False)


@CURRENT
def test_a_prime_during_the_activation_of_the_rmm_wedges_the_service(fvp: MakeAgent, name: str) -> None:
    """TF-A rmmd_rmm_lfa.c: the leader wipes without the lock, and the PRIME of a CPU turned on meanwhile goes on."""
    bench = fvp(name, cpus=2)
    bench.agent.cpu_off(1)
    bench.prime(RMM)
    bench.send(0, ActivateRequest(RMM))
    bench.agent.cpu_on(1)
    assert bench.send(1, PrimeRequest(SP1)) == Held(5_000_000)
    assert bench.complete(0) == WAITING
    bench.complete(1)
    assert codes([bench.last[0], bench.last[1]]) == [0, 0]
    assert (bench.agent.state.component, bench.agent.state.prime) == (None, "complete")
    assert bench.prime(SP1) == LfaStatus.SUCCESS
    assert (
        bench.code(0, ActivateRequest(SP1, SKIP)) == bench.code(0, CancelRequest(SP1)) == LfaStatus.INVALID_PARAMETERS
    )


@CURRENT
def test_without_a_pen_every_cpu_does_the_work_itself(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c; a controller takes one step after the other on each CPU."""
    bench = fvp(name)
    bench.prime(SCP)
    again = bench.rendezvous(range(4), ActivateRequest(SCP))
    assert again == [ActivateRequest(SCP).encode().returning(0, 1)] * 4
    between = bench.agent.state
    assert (between.in_progress, between.cancel_locked, between.users) == (True, True, 0)
    assert bench.rendezvous(range(4), ActivateRequest(SCP)) == [ActivateRequest(SCP).encode().returning(0, 0)] * 4
    assert bench.platform.version(guid.SCP_BL2U.guid) == (4, 1)
    assert not bench.agent.state.in_progress
    assert guid.SCP_BL2U.guid not in bench.agent.state.pending


@CURRENT
def test_a_cpu_that_comes_after_the_others_have_finished(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: pending is clear then, so COMPONENT_WRONG_STATE."""
    bench = fvp(name)
    bench.prime(SP1)
    outcomes = [bench.run(cpu, ActivateRequest(SP1)) for cpu in range(4)]
    assert codes(outcomes) == [0, *[LfaStatus.COMPONENT_WRONG_STATE] * 3]


@CURRENT
def test_one_failure_in_a_round_keeps_pending(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: pending is cleared by the last CPU if none has failed."""
    bench = fvp(name)
    bench.prime(SP1)
    outcomes = bench.rendezvous(range(4), ActivateRequest(SP1))
    assert codes(outcomes) == [0, *[LfaStatus.COMPONENT_WRONG_STATE] * 3]
    assert guid.FVP_SP1.guid in bench.agent.state.pending
    bench.send(0, InventoryRequest(SP1))
    assert guid.FVP_SP1.guid not in bench.agent.state.pending


@CURRENT
def test_finish_waits_for_the_lock(fvp: MakeAgent, name: str) -> None:
    """TF-A lfa_main.c: the finish section of ACTIVATE is under the lock, so PRIME of another CPU delays it."""
    bench = fvp(name)
    bench.prime(SP1)
    bench.send(1, ActivateRequest(SP1))
    bench.send(0, PrimeRequest(SP1))
    assert bench.complete(1) == WAITING
    bench.complete(0)
    assert codes([bench.last[1]]) == [0]


@pytest.mark.parametrize(("faults", "code"), [(Faults(refuses=True), 0), (Faults(activate_code=-22), LfaStatus.BUSY)])
def test_what_2_14_says_of_an_rmm_that_fails(fvp: MakeAgent, faults: Faults, code: int) -> None:
    """TF-A v2.14.0: an inverted return value where it refuses, else BUSY; pending is cleared whatever happened."""
    bench = fvp("tfa-2.14")
    bench.fault(RMM, faults).prime(RMM)
    assert codes(bench.rendezvous(range(4), ActivateRequest(RMM))) == [code] * 4
    assert bench.platform.version(guid.RMM.guid) == (2, 0)
    assert bench.agent.state.pending.count(guid.RMM.guid) == 0


def test_the_second_rendezvous_of_2_14_does_nothing(fvp: MakeAgent) -> None:
    """TF-A v2.14.0: the pen's counter underflows in the first one, and CPUs that come one by one walk through."""
    bench = fvp("tfa-2.14")
    bench.prime(RMM)
    assert codes(bench.rendezvous(range(4), ActivateRequest(RMM))) == [0] * 4
    bench.platform.stage(guid.RMM.guid, ComponentVersion(2, 2))
    bench.prime(RMM)
    assert codes(bench.rendezvous([0, 1], ActivateRequest(RMM))) == [0, LfaStatus.COMPONENT_WRONG_STATE]
    assert bench.platform.version(guid.RMM.guid) == (2, 1)


@pytest.mark.parametrize("name", ["tfa-2.15", "tfa-2026", "bet1"])
def test_rendezvous_can_be_repeated(fvp: MakeAgent, name: str) -> None:
    """TF-A v2.15.0: the underflow is mended."""
    bench = fvp(name)
    for minor in (2, 3):
        bench.platform.stage(guid.RMM.guid, ComponentVersion(2, minor))
        bench.prime(RMM)
        assert codes(bench.rendezvous(range(4), ActivateRequest(RMM))) == [0] * 4
        assert bench.platform.version(guid.RMM.guid) == (2, minor)


@RELEASED
def test_released_agents_know_no_rounds(fvp: MakeAgent, name: str) -> None:
    """TF-A v2.14.0, v2.15.0: no lock, no counting, no latched policy; CANCEL cannot be too late."""
    bench = fvp(name)
    bench.prime(SCP)
    before = bench.agent.state
    bench.send(1, ActivateRequest(SCP))
    bench.send(2, ActivateRequest(SCP, SKIP))
    now = bench.agent.state
    assert (now.in_progress, now.users, now.skip, now.lock_holder) == (False, 0, False, None)
    assert bench.code(0, CancelRequest(SCP)) == LfaStatus.SUCCESS
    assert before.component is not None
