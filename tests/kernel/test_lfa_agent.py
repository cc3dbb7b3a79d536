# SPDX-License-Identifier: Apache-2.0
"""The driver on the modelled LFA agent: both sides of the SMC as TF-A and Linux have them."""

import errno

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import BL31, FVP_SP1, RMM, SCP_BL2U
from livefw.abi.lfa import LfaStatus
from livefw.abi.version import ComponentVersion
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec
from livefw.kernel.clock import MS, SECOND
from livefw.testing.driver import ModelDriver

RMM_ID, SP_ID, BL31_ID, SCP_ID = (str(known.guid) for known in (RMM, FVP_SP1, BL31, SCP_BL2U))


def rmm(**more: object) -> ComponentSpec:
    return ComponentSpec(RMM_ID, ComponentKind.RMM, "1.0", "1.1", prime_steps=1, **more)  # type: ignore[arg-type]


SP = ComponentSpec(SP_ID, ComponentKind.SP, "2.0", "2.1")
BL31_SPEC = ComponentSpec(BL31_ID, ComponentKind.BL31, "3.0", "3.1")


def loaded(
    version: str, *specs: ComponentSpec, profile: str = "bet1", cpus: int = 4
) -> tuple[ModelDriver, MemoryPlatform]:
    platform = MemoryPlatform(specs)
    bench = ModelDriver(LfaAgent(platform, profile=PROFILES[profile], cpus=cpus), version=version, cpus=cpus)
    assert bench.load()
    return bench, platform


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("profile", PROFILES)
def test_an_rmm_is_activated(version: str, profile: str) -> None:
    bench, platform = loaded(version, BL31_SPEC, rmm(), SP, profile=profile)
    assert bench.read(RMM_ID, "activation_pending") == "1\n"
    assert bench.write(RMM_ID, "activate") == 0
    bench.settle()
    assert platform.version(RMM.guid) == ComponentVersion(1, 1)
    assert bench.read(RMM_ID, "activation_pending") == "0\n"
    assert bench.read(RMM_ID, "current_version") == ("1.1\n" if profile == "bet1" else "0.0\n")
    assert len(bench.os.stalls) == 1


@pytest.mark.parametrize("version", ALL)
def test_bl31_is_refused(version: str) -> None:
    bench, _ = loaded(version, BL31_SPEC)
    assert bench.write(BL31_ID, "activate") == errno.ECANCELED
    assert bench.os.panic is None


@pytest.mark.parametrize("version", ALL)
def test_a_partition_is_activated_by_one_cpu(version: str) -> None:
    bench, platform = loaded(version, SP)
    assert bench.write(SP_ID, "force_cpu_rendezvous", b"0") == 0
    assert bench.write(SP_ID, "activate") == 0
    assert platform.version(FVP_SP1.guid) == ComponentVersion(2, 1)
    assert not bench.os.stalls


@pytest.mark.parametrize("version", ALL)
def test_two_prime_steps_are_one_too_many_for_v1(version: str) -> None:
    bench, platform = loaded(version, ComponentSpec(RMM_ID, ComponentKind.RMM, "1.0", "1.1", prime_steps=2))
    assert bench.write(RMM_ID, "activate") == (errno.ECANCELED if version == "v1" else 0)
    assert platform.version(RMM.guid) == ComponentVersion(1, 0 if version == "v1" else 1)
    if version == "v1":
        assert bench.lines()[-2:] == [
            "LFA_PRIME for image TF-RMM failed: LFA_NOT_SUPPORTED",
            "Firmware prime failed: LFA_NOT_SUPPORTED",
        ]


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_many_steps_of_both_kinds(version: str) -> None:
    spec = ComponentSpec(SCP_ID, ComponentKind.CONTROLLER, "1.0", "1.1", prime_steps=40, activate_steps=30)
    bench, platform = loaded(version, spec)
    assert bench.write(SCP_ID, "force_cpu_rendezvous", b"0") == 0
    assert bench.write(SCP_ID, "activate") == 0
    assert platform.version(SCP_BL2U.guid) == ComponentVersion(1, 1)


@pytest.mark.parametrize("version", ALL)
def test_a_failed_rmm_activation(version: str) -> None:
    """RMM loses its prime state with the failure, so the automatic CANCEL finds nothing: even v1 reports an error."""
    bench, platform = loaded(version, rmm())
    platform.set_faults(RMM.guid, Faults(activate_code=LfaStatus.ACTIVATION_FAILED))
    assert bench.write(RMM_ID, "activate") == errno.ECANCELED
    assert platform.version(RMM.guid) == ComponentVersion(1, 0)
    assert any("LFA_ACTIVATION_FAILED" in line for line in bench.lines())
    assert any("LFA_INVALID_PARAMETERS" in line for line in bench.lines())


@pytest.mark.parametrize("version", ALL)
def test_a_failed_partition_activation_is_success_on_v1(version: str) -> None:
    """A partition stays primed, CANCEL works, and v1 takes its 0 for the result of all."""
    bench, platform = loaded(version, SP)
    platform.set_faults(FVP_SP1.guid, Faults(activate_code=LfaStatus.ACTIVATION_FAILED))
    assert bench.write(SP_ID, "force_cpu_rendezvous", b"0") == 0
    assert bench.write(SP_ID, "activate") == (0 if version == "v1" else errno.ECANCELED)
    assert platform.version(FVP_SP1.guid) == ComponentVersion(2, 0)
    assert bench.read(SP_ID, "activation_pending") == "1\n"


@pytest.mark.parametrize("version", ALL)
def test_cancel_with_nothing_primed(version: str) -> None:
    bench, _ = loaded(version, rmm())
    assert bench.write(RMM_ID, "cancel") == errno.EINVAL


@pytest.mark.parametrize("version", ALL)
def test_the_inventory_changes_with_an_activation(version: str) -> None:
    after = AfterActivation(
        appears=(ComponentSpec(SCP_ID, ComponentKind.CONTROLLER, "7.0"),), vanishes=(SP_ID,), order=(SCP_ID, RMM_ID)
    )
    bench, _ = loaded(version, BL31_SPEC, rmm(after_activation=after), SP)
    assert bench.guids() == (BL31_ID, RMM_ID, SP_ID)
    assert bench.write(RMM_ID, "activate") == 0
    assert bench.read(SP_ID, "current_version") == "0.0\n"
    bench.settle()
    assert sorted(bench.guids()) == sorted((BL31_ID, RMM_ID, SCP_ID))
    assert bench.read(SCP_ID, "current_version") == "7.0\n"
    assert bench.read(RMM_ID, "current_version") == "1.1\n"


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_fvp_with_automatic_activation_never_ends(version: str) -> None:
    bench, _ = loaded(
        version, ComponentSpec(RMM_ID, ComponentKind.RMM, pending_never_clears=True, prime_ms=100), profile="tfa-2026"
    )
    assert bench.write(RMM_ID, "auto_activate", b"1") == 0
    task = bench.start(bench.driver.notify())
    bench.sleep(60 * SECOND)
    assert not task.done
    assert len(bench.os.stalls) > 100


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("profile", PROFILES)
def test_offline_cpus_take_no_part(version: str, profile: str) -> None:
    bench, platform = loaded(version, rmm(), profile=profile)
    bench.os.cpu_off(2)
    assert bench.write(RMM_ID, "activate") == 0
    assert platform.version(RMM.guid) == ComponentVersion(1, 1)
    assert [stall.cpus for stall in bench.os.stalls] == [3]


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_forcing_a_rendezvous_in_the_middle_of_an_activation_without_one_leaves_the_agent_busy(version: str) -> None:
    """TF-A lfa_main.c: a round keeps the policy of its first call, and CANCEL is BUSY in one without a rendezvous.

    Real v3 and nv3 drivers on Linux 6.12 answered the same.
    """
    steps = ComponentSpec(
        SCP_ID, ComponentKind.CONTROLLER, "1.0", "1.1", prime_steps=1, activate_steps=5, activate_ms=1
    )
    bench, platform = loaded(version, steps, SP)
    for guid in (SCP_ID, SP_ID):
        assert bench.write(guid, "force_cpu_rendezvous", b"0") == 0
    writing = bench.start(bench.writing(SCP_ID, "activate"))
    bench.sleep(30 * MS)
    assert not writing.done
    start = bench.os.now()
    assert bench.write(SCP_ID, "force_cpu_rendezvous", b"1") == 0
    assert bench.wait(writing) == errno.ECANCELED
    # v2 takes the first BUSY for the end of it.
    assert bench.os.now() - start > (0 if version == "v2" else 9 * SECOND)
    assert bench.write(SCP_ID, "cancel") == errno.EINVAL
    for guid in (SCP_ID, SP_ID):
        assert bench.write(guid, "activate") == errno.ECANCELED
    # What frees it: the activation goes on as it began.
    assert bench.write(SCP_ID, "force_cpu_rendezvous", b"0") == 0
    assert bench.write(SCP_ID, "activate") == 0
    assert platform.version(SCP_BL2U.guid) == ComponentVersion(1, 1)
