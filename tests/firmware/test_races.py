# SPDX-License-Identifier: Apache-2.0
"""What a CPU can meet that loses its time after TF-A has let a lock go: an option, and off by default."""

import pytest

from livefw.abi import guid
from livefw.abi.lfa import ActivateRequest, CancelRequest, InventoryRequest, LfaStatus, PrimeRequest, status
from livefw.abi.smccc import Held, Registers, Restart
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec, LfaPolicy
from livefw.firmware.state import Preemption
from livefw.testing.agent import ModelAgent

BL31, RMM, SP = range(3)
RESET = ActivateRequest(BL31, entry_point=0x8800_0000)
LOST = Held(1)
"""Its time is gone for a nanosecond, which passes when somebody says so."""
SERIALISED = pytest.mark.parametrize("profile", [name for name, row in PROFILES.items() if row.serialised])


def bench(profile: str, *points: Preemption, cpus: int = 2) -> ModelAgent:
    made = ModelAgent(
        [
            ComponentSpec(str(guid.BL31.guid), ComponentKind.BL31, "1.0", "1.1", activate_ms=0),
            ComponentSpec(
                str(guid.RMM.guid),
                ComponentKind.RMM,
                "1.0",
                "1.1",
                prime_steps=1,
                activate_ms=0,
                realms=(LfaPolicy.ALLOW,),
            ),
            ComponentSpec(str(guid.FVP_SP1.guid), ComponentKind.SP, "1.0", "1.1", prime_ms=0),
        ],
        profile=profile,
        cpus=cpus,
    )
    made.agent.preempted.update(dict.fromkeys(points, 1))
    return made


@SERIALISED
def test_a_cancel_between_the_checks_and_the_pen_makes_bl31_patch_itself_alone(profile: str) -> None:
    """TF-A bl31_lfa.c: it asks again whether CPUs meet, CANCEL has cleared that, and the image address is 0."""
    made = bench(profile, Preemption.CHECKED)
    made.prime(BL31)
    assert made.send(1, RESET) == LOST
    assert made.code(0, CancelRequest(BL31)) == LfaStatus.SUCCESS
    assert made.complete(1) == Restart(0x8800_0000, 0)
    assert made.platform.components()[BL31].dead
    assert made.platform.commits() == ()


@SERIALISED
def test_a_prime_between_the_open_pen_and_the_leaders_wipe_is_wiped(profile: str) -> None:
    """TF-A rmmd_rmm_lfa.c: a CPU that is fast is told that its PRIME went well, and nothing is primed."""
    made = bench(profile, Preemption.RELEASED)
    made.prime(RMM)
    made.send(0, ActivateRequest(RMM))
    assert made.send(1, ActivateRequest(RMM)) == LOST
    left = made.last[0]
    assert isinstance(left, Registers)
    assert status(left) == 0
    made.send(0, InventoryRequest(SP))
    assert made.code(0, PrimeRequest(SP)) == LfaStatus.SUCCESS
    assert made.complete(1) == ActivateRequest(RMM).encode().returning(0, 0)
    assert made.code(0, ActivateRequest(SP)) == LfaStatus.INVALID_PARAMETERS


def test_cpus_that_overlap_in_the_pen_of_2_14_wait_for_ever() -> None:
    """TF-A v2.14.0 lfa_holding_pen.c: the count is below zero after a rendezvous, and comes to zero in between."""
    made = bench("tfa-2.14", cpus=2)
    made.prime(RMM)
    made.rendezvous(range(2), ActivateRequest(RMM))
    made.platform.stage(guid.RMM.guid, made.platform.version(guid.RMM.guid))
    made.prime(RMM)
    made.agent.preempted[Preemption.ARRIVED] = 1
    assert made.rendezvous(range(2), ActivateRequest(RMM)) == [Held(None), Held(None)]


@pytest.mark.parametrize("profile", [name for name, row in PROFILES.items() if not row.pen_counts_out])
def test_cpus_that_overlap_in_a_pen_that_counts_right_meet(profile: str) -> None:
    made = bench(profile, *Preemption, cpus=4)
    made.prime(RMM)
    assert made.rendezvous(range(4), ActivateRequest(RMM)) == [ActivateRequest(RMM).encode().returning(0, 0)] * 4
    assert made.platform.version(guid.RMM.guid) == (1, 1)


def test_nothing_of_it_happens_by_itself(profile: str) -> None:
    made = bench(profile)
    made.prime(RMM)
    assert made.send(0, ActivateRequest(RMM)) == Held(None)
    assert made.send(1, ActivateRequest(RMM)) == ActivateRequest(RMM).encode().returning(0, 0)
