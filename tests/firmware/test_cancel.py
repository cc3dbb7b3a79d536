# SPDX-License-Identifier: Apache-2.0
"""LFA_CANCEL: every check of TF-A in its order, on every profile that has it."""

from collections.abc import Callable

import pytest

from livefw.abi.lfa import ActivateFlag, ActivateRequest, CancelRequest, LfaStatus, PrimeRequest
from livefw.firmware.component import Faults, LoadStatus
from livefw.testing.agent import ModelAgent

from .table import Case

MakeAgent = Callable[..., ModelAgent]

BL31, BL33, RMM, SP1, SP2, SCP, NOBODY = range(7)
SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
ENTRY = 0x8800_0000
CURRENT = ("tfa-2026", "bet1")
RELEASED = ("tfa-2.14", "tfa-2.15")
V2_15 = ("tfa-2.15", *CURRENT)

LOCK = "TF-A lfa_main.c LFA_CANCEL: the agent lock is held"
CHOICE = "TF-A lfa_main.c LFA_CANCEL: id is not the primed one"
LATE = "TF-A lfa_main.c LFA_CANCEL: all CPUs have entered, or the activation is skip-type"
HOOKS = "TF-A lfa_main.c LFA_CANCEL: component and platform hooks"
NO_HOOK = "TF-A spmd_logical_sp.c, rmmd_rmm_lfa.c: no cancel hook"
ORDER = "TF-A lfa_main.c LFA_CANCEL: the component lets go before the platform is asked"
STRAYS = "TF-A lfa_main.c: CPUs that a CANCEL left in the pen are not counted, so nothing locks the next one out"
RESET = "TF-A lfa_main.c LFA_CANCEL: resets everything"
OLD = "TF-A v2.14.0, v2.15.0 lfa_main.c LFA_CANCEL: no lock, no component hook"
RMM_LEADER = "TF-A rmmd_rmm_lfa.c: the leader resets everything"
STAYS = "TF-A lfa_main.c LFA_ACTIVATE: prime status is not reset"


def primed(bench: ModelAgent) -> None:
    bench.prime(RMM)


def inside(fw_seq_id: int, request: PrimeRequest | ActivateRequest) -> Callable[[ModelAgent], object]:
    """Primed, and CPU 1 is inside this call."""
    return lambda b: (b.prime(fw_seq_id), b.send(1, request))


def everybody(fw_seq_id: int, request: ActivateRequest) -> Callable[[ModelAgent], object]:
    """Primed, and all CPUs have made this call."""
    return lambda b: (b.prime(fw_seq_id), b.rendezvous(range(4), request))


def once(fw_seq_id: int, request: PrimeRequest | ActivateRequest) -> Callable[[ModelAgent], object]:
    return lambda b: (b.prime(fw_seq_id), b.run(1, request))


def refusing_pen(bench: ModelAgent) -> None:
    inside(BL31, ActivateRequest(BL31, entry_point=ENTRY))(bench)
    bench.fault(BL31, Faults(refuse_cancel=True))


def stray(bench: ModelAgent) -> None:
    """CPU 1 is in the pen since before a CANCEL, CPUs 2 and 3 do the next activation; CPU 0 came on since."""
    inside(RMM, ActivateRequest(RMM))(bench)
    bench.run(0, CancelRequest(RMM))
    bench.prime(RMM)
    bench.agent.cpu_off(0)
    bench.send(2, ActivateRequest(RMM))
    bench.send(3, ActivateRequest(RMM))
    bench.agent.cpu_on(0)


def failed(bench: ModelAgent) -> None:
    bench.fault(RMM, Faults(load=LoadStatus.AUTH))
    bench.prime(RMM)


RESETTING = ActivateRequest(BL31, entry_point=ENTRY)

CASES = [
    Case("in PRIME", LOCK, inside(SCP, PrimeRequest(SCP)), CancelRequest(SCP), LfaStatus.BUSY, profiles=CURRENT),
    Case(
        "id N in PRIME", LOCK, inside(SCP, PrimeRequest(SCP)), CancelRequest(NOBODY), LfaStatus.BUSY, profiles=CURRENT
    ),
    Case("in PRIME", OLD, inside(SCP, PrimeRequest(SCP)), CancelRequest(SCP), 0, profiles=RELEASED, unchanged=False),
    Case(
        "in skip ACTIVATE",
        LOCK,
        inside(SCP, ActivateRequest(SCP, SKIP)),
        CancelRequest(SCP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case("nothing primed", CHOICE, ModelAgent.enumerate, CancelRequest(RMM), LfaStatus.INVALID_PARAMETERS),
    Case("id N", CHOICE, primed, CancelRequest(NOBODY), LfaStatus.INVALID_PARAMETERS),
    Case("other primed", CHOICE, primed, CancelRequest(SP1), LfaStatus.INVALID_PARAMETERS),
    Case(
        "after skip", LATE, once(SCP, ActivateRequest(SCP, SKIP)), CancelRequest(SCP), LfaStatus.BUSY, profiles=CURRENT
    ),
    Case(
        "all had entered",
        LATE,
        everybody(SCP, ActivateRequest(SCP)),
        CancelRequest(SCP),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case("BL31 restarted", LATE, everybody(BL31, RESETTING), CancelRequest(BL31), LfaStatus.BUSY, profiles=CURRENT),
    Case("at work", HOOKS, inside(SCP, ActivateRequest(SCP)), CancelRequest(SCP), LfaStatus.BUSY, profiles=CURRENT),
    Case("at work", OLD, inside(SCP, ActivateRequest(SCP)), CancelRequest(SCP), 0, profiles=RELEASED, unchanged=False),
    Case(
        "partition at work",
        NO_HOOK,
        inside(SP1, ActivateRequest(SP1)),
        CancelRequest(SP1),
        0,
        profiles=V2_15,
        unchanged=False,
    ),
    Case(
        "platform, BL31 in the pen",
        ORDER,
        refusing_pen,
        CancelRequest(BL31),
        LfaStatus.BUSY,
        profiles=CURRENT,
        unchanged=False,
    ),
    Case("RMM at work, CPUs left behind", STRAYS, stray, CancelRequest(RMM), 0, profiles=CURRENT, unchanged=False),
    Case(
        "platform",
        HOOKS,
        lambda b: b.fault(RMM, Faults(refuse_cancel=True)).prime(RMM),
        CancelRequest(RMM),
        LfaStatus.BUSY,
    ),
    Case("COMPLETE", RESET, primed, CancelRequest(RMM), 0, unchanged=False),
    Case("STARTED", RESET, lambda b: b.enumerate().run(1, PrimeRequest(SCP)), CancelRequest(SCP), 0, unchanged=False),
    Case("failed PRIME", RESET, failed, CancelRequest(RMM), 0, unchanged=False),
    Case("waiting CPU", RESET, inside(RMM, ActivateRequest(RMM)), CancelRequest(RMM), 0, unchanged=False),
    Case("one CPU of a round", RESET, once(SCP, ActivateRequest(SCP)), CancelRequest(SCP), 0, unchanged=False),
    Case(
        "after RMM", RMM_LEADER, everybody(RMM, ActivateRequest(RMM)), CancelRequest(RMM), LfaStatus.INVALID_PARAMETERS
    ),
    Case(
        "after a partition",
        STAYS,
        once(SP1, ActivateRequest(SP1, SKIP)),
        CancelRequest(SP1),
        0,
        profiles=V2_15,
        unchanged=False,
    ),
]


@pytest.mark.parametrize(("case", "profile"), [(case, name) for case in CASES for name in case.profiles], ids=str)
def test_case(fvp: MakeAgent, case: Case, profile: str) -> None:
    assert case.play(fvp(profile)) == [], case.source


def test_after_cancel_nothing_is_selected_and_pending_is_untouched(fvp: MakeAgent, profile: str) -> None:
    """TF-A lfa_main.c LFA_CANCEL."""
    bench = fvp(profile)
    bench.prime(RMM)
    pending = bench.agent.state.pending
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.SUCCESS
    assert (bench.agent.state.component, bench.agent.state.prime) == (None, "none")
    assert bench.agent.state.pending == pending
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.INVALID_PARAMETERS
