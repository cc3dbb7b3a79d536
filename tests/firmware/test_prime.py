# SPDX-License-Identifier: Apache-2.0
"""LFA_PRIME: every check of TF-A in its order, on every profile that has it."""

from collections.abc import Callable

import pytest

from livefw.abi import guid
from livefw.abi.lfa import ActivateFlag, ActivateRequest, CancelRequest, LfaStatus, PrimeRequest
from livefw.abi.version import ComponentVersion
from livefw.firmware.component import Faults, LoadStatus
from livefw.testing.agent import ModelAgent

from .table import AGAIN, ZERO, Case

MakeAgent = Callable[..., ModelAgent]

BL31, BL33, RMM, SP1, SP2, SCP, NOBODY = range(7)
SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
ENTRY = 0x8800_0000
CURRENT = ("tfa-2026", "bet1")
RELEASED = ("tfa-2.14", "tfa-2.15")
V2_15 = ("tfa-2.15", *CURRENT)

LOCK = "TF-A lfa_main.c LFA_PRIME: the agent lock is held"
RANGE = "TF-A lfa_main.c LFA_PRIME: id against the number of components"
PENDING = "TF-A lfa_main.c LFA_PRIME: pending as latched by the last GET_INVENTORY"
ACTIVATOR = "TF-A lfa_main.c LFA_PRIME: component without activator"
OTHER = "TF-A lfa_main.c LFA_PRIME: another component is STARTED"
LOAD = "TF-A lfa_main.c LFA_PRIME: plat_lfa_load_auth_image"
COMPLETE = "TF-A lfa_main.c LFA_PRIME: only PRIME_NONE becomes PRIME_STARTED"
CALLBACK = "TF-A lfa_main.c LFA_PRIME: the component's prime callback"
V2_14_RANGE = "TF-A v2.14.0: tests pending before the range, out of bounds; read as not pending"
V2_14_SP = "TF-A v2.14.0: no live activation of partitions"
STUB = "TF-A v2.14.0, v2.15.0: BL31 is never pending"
SELECTS = "TF-A lfa_main.c LFA_PRIME: selects a component only when there is none"
WIDTH = "TF-A lfa_main.c: fw_seq_id is 32 bits wide"
GOOD = Faults()


def begun(bench: ModelAgent, faults: Faults = GOOD) -> ModelAgent:
    """The controller's PRIME is part-way through."""
    bench.fault(SCP, faults)
    bench.enumerate()
    bench.run(1, PrimeRequest(SCP))
    return bench


def faulty(faults: Faults) -> Callable[[ModelAgent], object]:
    return lambda b: b.fault(RMM, faults).enumerate()


def complete(faults: Faults) -> Callable[[ModelAgent], object]:
    """The controller is COMPLETE, and has a fault since."""
    return lambda b: (b.prime(SCP), b.fault(SCP, faults))


def recalled(fw_seq_id: int) -> Callable[[ModelAgent], object]:
    """It is COMPLETE, all steps but the last of a second PRIME went well, and its callback fails now."""

    def arrange(bench: ModelAgent) -> None:
        bench.prime(fw_seq_id)
        bench.run(1, PrimeRequest(fw_seq_id))
        bench.run(1, PrimeRequest(fw_seq_id))
        bench.fault(fw_seq_id, Faults(prime_code=-77))

    return arrange


def failed_again(bench: ModelAgent) -> None:
    complete(Faults(load=LoadStatus.AUTH))(bench)
    bench.run(1, PrimeRequest(SCP))


def stage(bench: ModelAgent, known: guid.KnownGuid, *, authentic: bool = True) -> ModelAgent:
    bench.platform.stage(known.guid, ComponentVersion(9, 0), authentic=authentic)
    return bench


def withdraw(bench: ModelAgent, known: guid.KnownGuid) -> ModelAgent:
    bench.platform.withdraw(known.guid)
    return bench


def inside(request: PrimeRequest | ActivateRequest) -> Callable[[ModelAgent], object]:
    """CPU 1 is inside this call."""
    return lambda b: (b.prime(SCP), b.send(1, request))


CASES = [
    Case("same in PRIME", LOCK, inside(PrimeRequest(SCP)), PrimeRequest(SCP), LfaStatus.BUSY),
    Case("other in PRIME", LOCK, inside(PrimeRequest(SCP)), PrimeRequest(RMM), LfaStatus.BUSY),
    Case("id N in PRIME", LOCK, inside(PrimeRequest(SCP)), PrimeRequest(NOBODY), LfaStatus.BUSY),
    Case(
        "in skip ACTIVATE",
        LOCK,
        inside(ActivateRequest(SCP, SKIP)),
        PrimeRequest(RMM),
        LfaStatus.BUSY,
        profiles=CURRENT,
    ),
    Case("in ACTIVATE", COMPLETE, inside(ActivateRequest(SCP)), PrimeRequest(SCP), 0, AGAIN),
    Case("id N", RANGE, ModelAgent.enumerate, PrimeRequest(NOBODY), LfaStatus.INVALID_PARAMETERS, profiles=V2_15),
    Case("id -1", RANGE, ModelAgent.enumerate, PrimeRequest(0xFFFF_FFFF), LfaStatus.INVALID_PARAMETERS, profiles=V2_15),
    Case(
        "id N", V2_14_RANGE, ModelAgent.enumerate, PrimeRequest(NOBODY), LfaStatus.WRONG_STATE, profiles=("tfa-2.14",)
    ),
    Case("no GET_INVENTORY yet", PENDING, lambda b: None, PrimeRequest(RMM), LfaStatus.WRONG_STATE),
    Case("nothing staged", PENDING, ModelAgent.enumerate, PrimeRequest(BL33), LfaStatus.WRONG_STATE),
    Case("staged since", PENDING, lambda b: stage(b.enumerate(), guid.BL33), PrimeRequest(BL33), LfaStatus.WRONG_STATE),
    Case("BL31 stub", STUB, ModelAgent.enumerate, PrimeRequest(BL31), LfaStatus.WRONG_STATE, profiles=RELEASED),
    Case(
        "no activator",
        ACTIVATOR,
        lambda b: stage(b, guid.BL33).enumerate(),
        PrimeRequest(BL33),
        LfaStatus.NOT_SUPPORTED,
    ),
    Case(
        "partition", V2_14_SP, ModelAgent.enumerate, PrimeRequest(SP1), LfaStatus.NOT_SUPPORTED, profiles=("tfa-2.14",)
    ),
    Case("other STARTED", OTHER, begun, PrimeRequest(RMM), LfaStatus.WRONG_STATE),
    Case("not pending, other STARTED", PENDING, begun, PrimeRequest(BL33), LfaStatus.WRONG_STATE),
    Case("at once", LOAD, ModelAgent.enumerate, PrimeRequest(RMM), 0, ZERO, unchanged=False),
    Case("first step", LOAD, ModelAgent.enumerate, PrimeRequest(SCP), 0, AGAIN, unchanged=False),
    Case("next step on another CPU", LOAD, begun, PrimeRequest(SCP), 0, AGAIN),
    Case(
        "last step",
        LOAD,
        lambda b: (begun(b), b.run(2, PrimeRequest(SCP))),
        PrimeRequest(SCP),
        0,
        ZERO,
        unchanged=False,
    ),
    Case(
        "no last step",
        LOAD,
        lambda b: (begun(b, Faults(endless_prime=True)), [b.run(1, PrimeRequest(SCP)) for _ in range(9)]),
        PrimeRequest(SCP),
        0,
        AGAIN,
    ),
    Case(
        "forged",
        LOAD,
        lambda b: stage(b, guid.RMM, authentic=False).enumerate(),
        PrimeRequest(RMM),
        LfaStatus.AUTH_ERROR,
        unchanged=False,
    ),
    Case("auth", LOAD, faulty(Faults(load=LoadStatus.AUTH)), PrimeRequest(RMM), LfaStatus.AUTH_ERROR, unchanged=False),
    Case(
        "memory",
        LOAD,
        faulty(Faults(load=LoadStatus.NO_MEMORY)),
        PrimeRequest(RMM),
        LfaStatus.NO_MEMORY,
        unchanged=False,
    ),
    Case(
        "device",
        LOAD,
        faulty(Faults(load=LoadStatus.DEVICE)),
        PrimeRequest(RMM),
        LfaStatus.DEVICE_ERROR,
        unchanged=False,
    ),
    Case(
        "image gone since GET_INVENTORY",
        LOAD,
        lambda b: withdraw(b.enumerate(), guid.RMM),
        PrimeRequest(RMM),
        LfaStatus.DEVICE_ERROR,
        unchanged=False,
    ),
    Case(
        "callback", CALLBACK, faulty(Faults(prime_code=-6)), PrimeRequest(RMM), LfaStatus.DEVICE_ERROR, unchanged=False
    ),
    Case("callback's own code", CALLBACK, faulty(Faults(prime_code=-77)), PrimeRequest(RMM), -77, unchanged=False),
    Case("COMPLETE again", LOAD, lambda b: b.prime(RMM), PrimeRequest(RMM), 0, ZERO),
    Case("COMPLETE, steps again", COMPLETE, lambda b: b.prime(SCP), PrimeRequest(SCP), 0, AGAIN),
    *(
        Case(f"COMPLETE, {what}", COMPLETE, complete(faults), PrimeRequest(SCP), code)
        for what, faults, code in (
            ("auth", Faults(load=LoadStatus.AUTH), LfaStatus.AUTH_ERROR),
            ("memory", Faults(load=LoadStatus.NO_MEMORY), LfaStatus.NO_MEMORY),
            ("device", Faults(load=LoadStatus.DEVICE), LfaStatus.DEVICE_ERROR),
        )
    ),
    Case("COMPLETE, callback", COMPLETE, recalled(SCP), PrimeRequest(SCP), -77),
    Case("other after COMPLETE failed", COMPLETE, failed_again, PrimeRequest(RMM), 0, ZERO),
    Case("other COMPLETE", SELECTS, lambda b: b.prime(RMM), PrimeRequest(SCP), 0, AGAIN),
    Case("wide id", WIDTH, ModelAgent.enumerate, PrimeRequest(7 << 32 | RMM), 0, ZERO, unchanged=False),
]


@pytest.mark.parametrize(("case", "profile"), [(case, name) for case in CASES for name in case.profiles], ids=str)
def test_case(fvp: MakeAgent, case: Case, profile: str) -> None:
    assert case.play(fvp(profile)) == [], case.source


@pytest.mark.parametrize(
    "faults",
    [Faults(load=status) for status in LoadStatus if status is not LoadStatus.OK] + [Faults(prime_code=-6)],
    ids=str,
)
def test_a_failed_prime_keeps_its_component(fvp: MakeAgent, profile: str, faults: Faults) -> None:
    """TF-A lfa_main.c LFA_PRIME: stays STARTED; others get WRONG_STATE until it is primed again or cancelled."""
    bench = fvp(profile)
    faulty(faults)(bench)
    bench.run(0, PrimeRequest(RMM))
    assert bench.agent.state.component == guid.RMM.guid
    assert bench.agent.state.prime == "started"
    assert bench.code(1, PrimeRequest(SCP)) == LfaStatus.WRONG_STATE
    bench.fault(RMM, Faults())
    assert bench.code(2, PrimeRequest(RMM)) == LfaStatus.SUCCESS
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.SUCCESS
    assert bench.code(0, PrimeRequest(SCP)) == LfaStatus.SUCCESS


def test_an_image_staged_in_the_middle_of_a_load_is_loaded_from_its_start(fvp: MakeAgent, profile: str) -> None:
    bench = fvp(profile)
    begun(bench)
    bench.run(0, PrimeRequest(SCP))
    bench.platform.stage(guid.SCP_BL2U.guid, ComponentVersion(5, 0))
    words = PrimeRequest(SCP).encode()
    steps = [bench.run(0, words) for _ in range(3)]
    assert steps == [words.returning(0, again) for again in (AGAIN, AGAIN, ZERO)]
    assert bench.agent.state.prime == "complete"


@pytest.mark.parametrize("name", RELEASED)
def test_a_cancel_without_lock_in_the_middle_of_a_prime_wedges_the_service(fvp: MakeAgent, name: str) -> None:
    """TF-A v2.14.0, v2.15.0: CANCEL takes no lock, and PRIME writes COMPLETE when no component is selected any more."""
    bench = fvp(name)
    bench.enumerate()
    bench.send(1, PrimeRequest(RMM))
    assert bench.code(0, CancelRequest(RMM)) == LfaStatus.SUCCESS
    bench.finish()
    assert bench.last[1] == PrimeRequest(RMM).encode().returning(0, 0)
    for fw_seq_id in (RMM, SCP):
        assert bench.prime(fw_seq_id) == LfaStatus.SUCCESS
        assert bench.code(0, ActivateRequest(fw_seq_id)) == LfaStatus.INVALID_PARAMETERS
        assert bench.code(0, CancelRequest(fw_seq_id)) == LfaStatus.INVALID_PARAMETERS
    assert (bench.agent.state.component, bench.agent.state.prime) == (None, "complete")


def test_a_failed_prime_of_what_is_complete_does_not_stop_its_activation(fvp: MakeAgent) -> None:
    """TF-A lfa_main.c: it stays COMPLETE, which a partition is after each activation; what it runs then is not known.

    The image store of the model has dropped the one that failed, so the partition finds none.
    """
    bench = fvp()
    bench.prime(SP1)
    bench.fault(SP1, Faults(load=LoadStatus.AUTH))
    assert bench.code(0, PrimeRequest(SP1)) == LfaStatus.AUTH_ERROR
    assert bench.code(0, ActivateRequest(SP1, SKIP)) == LfaStatus.DEVICE_ERROR
    assert bench.agent.state.prime == "complete"
