# SPDX-License-Identifier: Apache-2.0
"""LFA_ACTIVATE: every check of TF-A in its order, on every profile that has it."""

from collections.abc import Callable

import pytest

from livefw.abi import guid
from livefw.abi.lfa import ActivateFlag, ActivateRequest, CancelRequest, InventoryRequest, LfaStatus, PrimeRequest
from livefw.abi.smccc import Restart
from livefw.abi.version import ComponentVersion
from livefw.firmware.component import Faults, FfaError, LoadStatus
from livefw.testing.agent import ModelAgent

from .table import AGAIN, ZERO, Case

MakeAgent = Callable[..., ModelAgent]

BL31, BL33, RMM, SP1, SP2, SCP, NOBODY = range(7)
SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
ENTRY = 0x8800_0000
EAGAIN = -35
CURRENT = ("tfa-2026", "bet1")
RELEASED = ("tfa-2.14", "tfa-2.15")
V2_15 = ("tfa-2.15", *CURRENT)

LOCK = "TF-A lfa_main.c LFA_ACTIVATE: skip_cpu_rendezvous while the agent lock is held"
LATCHED = "TF-A lfa_main.c LFA_ACTIVATE: a wish to skip stays latched when the platform refuses the start"
NOTIFY_FIRST = "TF-A v2.14.0, v2.15.0 lfa_main.c LFA_ACTIVATE: the platform is asked before the wish to skip is judged"
DENIED = "Hafnium, August 2026: a second START is DENIED for the same partition, BUSY for another"
OPEN = "TF-A lfa_main.c LFA_ACTIVATE: a skip-type activation is unfinished"
CHOICE = "TF-A lfa_main.c LFA_ACTIVATE: id is not the primed one"
READY = "TF-A lfa_main.c LFA_ACTIVATE: pending, and PRIME complete"
OLD = "TF-A v2.14.0, v2.15.0 lfa_main.c LFA_ACTIVATE: COMPONENT_WRONG_STATE is tested first"
POLICY = "TF-A lfa_main.c LFA_ACTIVATE: the component requires the rendezvous"
LATCH = "TF-A lfa_main.c LFA_ACTIVATE: the first CPU of a round latches the policy"
NOTIFY = "TF-A lfa_main.c LFA_ACTIVATE: plat_lfa_notify_activate, by the first CPU of a round"
NOTIFY_OLD = "TF-A v2.14.0, v2.15.0 lfa_main.c: plat_lfa_notify_activate by every CPU"
WORK = "TF-A lfa_main.c LFA_ACTIVATE: the component's activate callback"
AGAIN_OLD = "TF-A v2.14.0, v2.15.0: no call_again; a component's -EAGAIN comes out, 35 in TF-A's libc errno.h"
RMM_FAILS = "TF-A rmmd_rmm_lfa.c"
RMM_OLD = "TF-A v2.14.0 rmmd_main.c rmmd_primary_activate: inverted return value of rmm_init"
RMM_SETUP = "TF-A v2.14.0 rmmd_rmm_lfa.c: BUSY for every failure that is seen"
BL31_LFA = "TF-A bl31_lfa.c"
SPM = "TF-A spmd_logical_sp.c"
FINISH = "TF-A lfa_main.c LFA_ACTIVATE: users back at 0 clears pending"

GOOD = Faults()
FAILED, INVALID, OTHER = LfaStatus.ACTIVATION_FAILED, LfaStatus.INVALID_PARAMETERS, LfaStatus.COMPONENT_WRONG_STATE

FFA = {
    FfaError.NOT_SUPPORTED: LfaStatus.NOT_SUPPORTED,
    FfaError.INVALID_PARAMETERS: LfaStatus.INVALID_PARAMETERS,
    FfaError.NO_MEMORY: LfaStatus.NO_MEMORY,
    FfaError.DENIED: LfaStatus.COMPONENT_WRONG_STATE,
    FfaError.BUSY: LfaStatus.BUSY,
    FfaError.RETRY: LfaStatus.BUSY,
    FfaError.INTERRUPTED: LfaStatus.BUSY,
    FfaError.ABORTED: LfaStatus.CRITICAL_ERROR,
    FfaError.NO_DATA: LfaStatus.ACTIVATION_FAILED,
}


def primed(fw_seq_id: int, faults: Faults = GOOD) -> Callable[[ModelAgent], object]:
    return lambda b: b.fault(fw_seq_id, faults).prime(fw_seq_id)


def alone(fw_seq_id: int, faults: Faults = GOOD) -> Callable[[ModelAgent], object]:
    """Primed, with CPU 0 the only one that is on."""

    def arrange(bench: ModelAgent) -> None:
        for cpu in (1, 2, 3):
            bench.agent.cpu_off(cpu)
        bench.fault(fw_seq_id, faults).prime(fw_seq_id)

    return arrange


def inside(fw_seq_id: int, request: PrimeRequest | ActivateRequest) -> Callable[[ModelAgent], object]:
    """Primed, and CPU 1 is inside this call."""
    return lambda b: (b.prime(fw_seq_id), b.send(1, request))


def after(fw_seq_id: int, *requests: PrimeRequest | ActivateRequest) -> Callable[[ModelAgent], object]:
    """Primed, and CPU 1 has made these calls."""
    return lambda b: (b.prime(fw_seq_id), [b.run(1, request) for request in requests])


def started(bench: ModelAgent) -> None:
    bench.enumerate()
    bench.run(1, PrimeRequest(SCP))


def unstaged(bench: ModelAgent) -> None:
    bench.prime(RMM)
    bench.platform.withdraw(guid.RMM.guid)
    bench.send(1, InventoryRequest(RMM))


def restaged(bench: ModelAgent) -> None:
    after(SP1, ActivateRequest(SP1, SKIP))(bench)
    bench.platform.stage(guid.FVP_SP1.guid, ComponentVersion(3, 2))
    bench.enumerate()


def aborted(bench: ModelAgent) -> None:
    primed(SP1, Faults(activate_code=LfaStatus.CRITICAL_ERROR))(bench)
    bench.run(1, ActivateRequest(SP1, SKIP))
    bench.fault(SP1, Faults())


def latched(fw_seq_id: int) -> Callable[[ModelAgent], object]:
    """The platform has refused the start of a skip-type activation, and would not refuse another."""

    def arrange(bench: ModelAgent) -> None:
        primed(fw_seq_id, Faults(refuse_notify=True))(bench)
        bench.run(1, ActivateRequest(fw_seq_id, SKIP))
        bench.fault(fw_seq_id, Faults())

    return arrange


def unheard(bench: ModelAgent) -> None:
    primed(RMM, Faults(refuse_notify=True))(bench)


def wiped(bench: ModelAgent) -> None:
    """CPU 1 is in the activation of a partition that was cancelled, and another partition is primed."""
    inside(SP1, ActivateRequest(SP1))(bench)
    bench.run(2, CancelRequest(SP1))
    bench.prime(SP2)


def refusing_repeats(bench: ModelAgent) -> None:
    alone(SCP)(bench)
    bench.run(0, ActivateRequest(SCP))
    bench.fault(SCP, Faults(refuse_notify=True))


def refusing_later(bench: ModelAgent) -> None:
    inside(SCP, ActivateRequest(SCP))(bench)
    bench.fault(SCP, Faults(refuse_notify=True))


BAD_ENTRIES = {"none": 0, "misaligned": ENTRY + 2, "secure": 0x0600_0000, "beyond": 1 << 52}

CASES = [
    Case(
        "skip in PRIME",
        LOCK,
        inside(SCP, PrimeRequest(SCP)),
        ActivateRequest(SCP, SKIP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case(
        "skip in PRIME, id N",
        LOCK,
        inside(SCP, PrimeRequest(SCP)),
        ActivateRequest(NOBODY, SKIP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case(
        "skip in skip",
        LOCK,
        inside(SCP, ActivateRequest(SCP, SKIP)),
        ActivateRequest(SCP, SKIP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case(
        "no skip after skip",
        OPEN,
        after(SCP, ActivateRequest(SCP, SKIP)),
        ActivateRequest(SCP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case(
        "id N after skip",
        OPEN,
        after(SCP, ActivateRequest(SCP, SKIP)),
        ActivateRequest(NOBODY),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case(
        "skip goes on from another CPU",
        WORK,
        after(SCP, ActivateRequest(SCP, SKIP)),
        ActivateRequest(SCP, SKIP),
        0,
        ZERO,
        CURRENT,
        unchanged=False,
    ),
    Case("id N", CHOICE, primed(RMM), ActivateRequest(NOBODY), LfaStatus.INVALID_PARAMETERS, ZERO, CURRENT),
    Case("id -1", CHOICE, primed(RMM), ActivateRequest(0xFFFF_FFFF), LfaStatus.INVALID_PARAMETERS, ZERO, CURRENT),
    Case(
        "nothing primed",
        CHOICE,
        ModelAgent.enumerate,
        ActivateRequest(RMM),
        LfaStatus.INVALID_PARAMETERS,
        ZERO,
        CURRENT,
    ),
    Case("other primed", CHOICE, primed(RMM), ActivateRequest(SP1), LfaStatus.INVALID_PARAMETERS, ZERO, V2_15),
    Case(
        "other primed, not pending",
        CHOICE,
        primed(RMM),
        ActivateRequest(BL33),
        LfaStatus.INVALID_PARAMETERS,
        ZERO,
        CURRENT,
    ),
    Case(
        "second",
        CHOICE,
        lambda b: (b.prime(RMM), b.prime(SCP)),
        ActivateRequest(SCP),
        LfaStatus.INVALID_PARAMETERS,
        ZERO,
    ),
    Case("id N", OLD, primed(RMM), ActivateRequest(NOBODY), LfaStatus.COMPONENT_WRONG_STATE, ZERO, RELEASED),
    Case(
        "nothing primed",
        OLD,
        ModelAgent.enumerate,
        ActivateRequest(RMM),
        LfaStatus.COMPONENT_WRONG_STATE,
        ZERO,
        RELEASED,
    ),
    Case(
        "other primed, not pending",
        OLD,
        primed(RMM),
        ActivateRequest(BL33),
        LfaStatus.COMPONENT_WRONG_STATE,
        ZERO,
        RELEASED,
    ),
    Case("PRIME started", READY, started, ActivateRequest(SCP, SKIP), LfaStatus.COMPONENT_WRONG_STATE, ZERO),
    Case(
        "PRIME failed",
        READY,
        primed(RMM, Faults(load=LoadStatus.AUTH)),
        ActivateRequest(RMM),
        LfaStatus.COMPONENT_WRONG_STATE,
        ZERO,
    ),
    Case("not pending", READY, unstaged, ActivateRequest(RMM), LfaStatus.COMPONENT_WRONG_STATE, ZERO),
    Case("skip refused", POLICY, primed(RMM), ActivateRequest(RMM, SKIP), LfaStatus.INVALID_PARAMETERS, ZERO),
    Case(
        "skip later",
        LATCH,
        inside(SP1, ActivateRequest(SP1)),
        ActivateRequest(SP1, SKIP),
        LfaStatus.BUSY,
        ZERO,
        CURRENT,
    ),
    Case(
        "skip in repeat",
        LATCH,
        after(SCP, ActivateRequest(SCP)),
        ActivateRequest(SCP, SKIP),
        LfaStatus.BUSY,
        ZERO,
        CURRENT,
    ),
    Case(
        "notify",
        NOTIFY,
        primed(RMM, Faults(refuse_notify=True)),
        ActivateRequest(RMM),
        LfaStatus.ACTIVATION_FAILED,
        ZERO,
    ),
    Case(
        "notify skip",
        NOTIFY,
        primed(SCP, Faults(refuse_notify=True)),
        ActivateRequest(SCP, SKIP),
        LfaStatus.ACTIVATION_FAILED,
        ZERO,
        RELEASED,
    ),
    Case(
        "notify skip",
        LATCHED,
        primed(SCP, Faults(refuse_notify=True)),
        ActivateRequest(SCP, SKIP),
        LfaStatus.ACTIVATION_FAILED,
        ZERO,
        CURRENT,
        unchanged=False,
    ),
    Case("no skip after it", LATCHED, latched(SCP), ActivateRequest(SCP), LfaStatus.BUSY, profiles=CURRENT),
    Case("no skip of another after it", LATCHED, latched(SCP), ActivateRequest(RMM), LfaStatus.BUSY, profiles=CURRENT),
    Case("skip after it", LATCHED, latched(SCP), ActivateRequest(SCP, SKIP), 0, AGAIN, CURRENT, unchanged=False),
    Case(
        "skip refused after it",
        LATCHED,
        lambda b: (latched(SCP)(b), b.run(1, CancelRequest(SCP)), b.prime(RMM), b.run(1, ActivateRequest(RMM, SKIP))),
        ActivateRequest(RMM, SKIP),
        LfaStatus.INVALID_PARAMETERS,
        ZERO,
        CURRENT,
    ),
    Case("CANCEL after it", LATCHED, latched(SCP), CancelRequest(SCP), 0, profiles=CURRENT, unchanged=False),
    Case("notify refused, skip refused", NOTIFY_FIRST, unheard, ActivateRequest(RMM, SKIP), FAILED, ZERO, RELEASED),
    Case("notify refused, skip refused", POLICY, unheard, ActivateRequest(RMM, SKIP), INVALID, ZERO, CURRENT),
    Case("notify in repeat", NOTIFY, refusing_repeats, ActivateRequest(SCP), 0, ZERO, CURRENT, unchanged=False),
    Case("notify later", NOTIFY_OLD, refusing_later, ActivateRequest(SCP), LfaStatus.ACTIVATION_FAILED, ZERO, RELEASED),
    Case("partition", WORK, primed(SP1), ActivateRequest(SP1, SKIP), 0, ZERO, V2_15, unchanged=False),
    Case("RMM alone", WORK, alone(RMM), ActivateRequest(RMM), 0, ZERO, unchanged=False),
    Case("first step", WORK, primed(SCP), ActivateRequest(SCP, SKIP), 0, AGAIN, CURRENT, unchanged=False),
    Case("first step", AGAIN_OLD, primed(SCP), ActivateRequest(SCP, SKIP), EAGAIN, ZERO, ("tfa-2.15",)),
    Case(
        "no last step",
        WORK,
        lambda b: (
            primed(SCP, Faults(endless_activate=True))(b),
            [b.run(1, ActivateRequest(SCP, SKIP)) for _ in range(9)],
        ),
        ActivateRequest(SCP, SKIP),
        0,
        AGAIN,
        CURRENT,
    ),
    *(
        Case(f"RMM: {what}", source, alone(RMM, faults), ActivateRequest(RMM), code, ZERO, profiles, unchanged=False)
        for what, faults, source, code, profiles in (
            ("refuses", Faults(refuses=True), RMM_FAILS, FAILED, V2_15),
            ("refuses", Faults(refuses=True), RMM_OLD, 0, ("tfa-2.14",)),
            ("not set up", Faults(activate_code=-22), RMM_FAILS, FAILED, V2_15),
            ("not set up", Faults(activate_code=-22), RMM_SETUP, LfaStatus.BUSY, ("tfa-2.14",)),
        )
    ),
    *(
        Case(
            f"BL31 entry {name}",
            BL31_LFA,
            alone(BL31),
            ActivateRequest(BL31, entry_point=address),
            LfaStatus.CRITICAL_ERROR,
            ZERO,
            CURRENT,
        )
        for name, address in BAD_ENTRIES.items()
    ),
    Case(
        "BL31 patch",
        BL31_LFA,
        alone(BL31, Faults(activate_code=-6)),
        ActivateRequest(BL31, entry_point=ENTRY),
        LfaStatus.CRITICAL_ERROR,
        ZERO,
        CURRENT,
    ),
    Case(
        "BL31 image missing",
        BL31_LFA,
        lambda b: (alone(BL31)(b), b.run(0, ActivateRequest(BL31, entry_point=ENTRY))),
        ActivateRequest(BL31, entry_point=ENTRY),
        LfaStatus.CRITICAL_ERROR,
        ZERO,
        CURRENT,
        unchanged=False,
    ),
    Case(
        "same at work",
        DENIED,
        inside(SP1, ActivateRequest(SP1)),
        ActivateRequest(SP1),
        LfaStatus.COMPONENT_WRONG_STATE,
        ZERO,
        CURRENT,
        unchanged=False,
    ),
    Case("same at work", DENIED, inside(SP1, ActivateRequest(SP1)), ActivateRequest(SP1), OTHER, ZERO, ("tfa-2.15",)),
    Case("other at work", DENIED, wiped, ActivateRequest(SP2, SKIP), LfaStatus.BUSY, ZERO, V2_15),
    *(
        Case(
            f"FF-A {error.name}",
            SPM,
            primed(SP1, Faults(ffa_error=error)),
            ActivateRequest(SP1, SKIP),
            code,
            ZERO,
            V2_15,
        )
        for error, code in FFA.items()
    ),
    Case("partition aborted", SPM, aborted, ActivateRequest(SP1, SKIP), LfaStatus.CRITICAL_ERROR, ZERO, V2_15),
    Case("partition not loaded", SPM, restaged, ActivateRequest(SP1, SKIP), LfaStatus.DEVICE_ERROR, ZERO, V2_15),
    Case(
        "late CPU",
        FINISH,
        after(SP1, ActivateRequest(SP1)),
        ActivateRequest(SP1),
        LfaStatus.COMPONENT_WRONG_STATE,
        ZERO,
        V2_15,
    ),
    Case("wide id", WORK, alone(RMM), ActivateRequest(1 << 32 | RMM), 0, ZERO, unchanged=False),
]


@pytest.mark.parametrize(("case", "profile"), [(case, name) for case in CASES for name in case.profiles], ids=str)
def test_case(fvp: MakeAgent, case: Case, profile: str) -> None:
    assert case.play(fvp(profile)) == [], case.source


def test_every_ffa_error_has_a_row() -> None:
    assert set(FFA) == set(FfaError)


def test_a_lost_call_again_clears_pending_in_2_14(fvp: MakeAgent) -> None:
    """TF-A v2.14.0: pending is cleared after the component ran, whatever came of it."""
    bench = fvp("tfa-2.14")
    bench.prime(SCP)
    assert bench.code(0, ActivateRequest(SCP, SKIP)) == EAGAIN
    assert guid.SCP_BL2U.guid not in bench.agent.state.pending
    assert bench.code(0, ActivateRequest(SCP, SKIP)) == LfaStatus.COMPONENT_WRONG_STATE


def test_bl31_leaves_by_restart_with_the_callers_own_words(fvp: MakeAgent) -> None:
    """DEN0147 LFA_ACTIVATE: as after PSCI CPU_ON, each CPU at its own entry point with its own context."""
    bench = fvp()
    bench.prime(BL31)
    for cpu in range(4):
        bench.send(cpu, ActivateRequest(BL31, entry_point=ENTRY + 4 * cpu, context_id=100 + cpu))
    bench.finish()
    assert bench.last == {cpu: Restart(ENTRY + 4 * cpu, 100 + cpu) for cpu in range(4)}
    assert bench.platform.version(guid.BL31.guid) == (1, 1)
