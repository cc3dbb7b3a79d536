# SPDX-License-Identifier: Apache-2.0
"""What the public test suites expect of an agent: tf-a-tests, Hafnium, Arm CCA ACS."""

from livefw.abi import guid
from livefw.abi.guid import Guid, KnownGuid
from livefw.abi.lfa import (
    Activate,
    ActivateFlag,
    Cancel,
    Features,
    GetInfo,
    GetInventory,
    Inventory,
    InventoryFlag,
    Prime,
    Status,
    Version,
)
from livefw.abi.smccc import Registers, Restart
from livefw.firmware.bench import Bench
from livefw.firmware.component import Faults, FfaError
from livefw.firmware.spec import ComponentSpec, Kind, LfaPolicy

CPUS = 4
ENTRY = 0x8800_0000


def fvp(profile: str) -> Bench:
    """Arm's FVP: order of TF-A's table; everything but BL33 is always staged and loads at once."""
    kinds = {
        guid.BL31: Kind.BL31,
        guid.BL33: Kind.BL33,
        guid.RMM: Kind.RMM,
        guid.FVP_SP1: Kind.SP,
        guid.FVP_SP2: Kind.SP,
    }
    specs = [
        ComponentSpec(
            str(known.guid),
            kind,
            pending_never_clears=kind is not Kind.BL33,
            prime_steps=1,
            realms=(LfaPolicy.ALLOW,) if kind is Kind.RMM else (),
        )
        for known, kind in kinds.items()
    ]
    return Bench(specs, profile=profile, cpus=CPUS)


def inventory(bench: Bench, known: KnownGuid) -> tuple[int, Inventory]:
    for fw_seq_id in range(len(bench.platform.components())):
        answer = bench.send(0, GetInventory(fw_seq_id))
        assert isinstance(answer, Registers)
        assert answer[0] == 0
        if Guid.from_registers(answer[1], answer[2]) == known.guid:
            return fw_seq_id, Inventory.decode(answer)
    raise AssertionError(f"{known.title} is not listed")


def test_tf_a_tests_discovery(profile: str) -> None:
    """tf-a-tests lfa: version, features, get info, get inventory."""
    bench = fvp(profile)
    version = bench.send(0, Version())
    assert isinstance(version, Registers)
    assert (version[0] >> 16, version[0] & 0xFFFF) == (1, 0)
    assert bench.code(0, Features(0xC400_02E0)) == bench.code(0, Features(0xC400_02E6)) == 0
    assert bench.code(0, Features(0xC400_02E7)) != 0
    assert bench.code(0, GetInfo(0)) == 0
    assert bench.code(0, GetInfo(1)) != 0
    inventory(bench, guid.RMM)
    inventory(bench, guid.BL31)


def test_tf_a_tests_rmm_on_one_cpu(profile: str) -> None:
    """tf-a-tests lfa: prime 0, activate 0; the cancel it then expects to be 0 is -8 with current TF-A's RMM."""
    bench = fvp(profile)
    for cpu in range(1, CPUS):
        bench.agent.cpu_off(cpu)
    fw_seq_id, _ = inventory(bench, guid.RMM)
    assert bench.code(0, Prime(fw_seq_id)) == 0
    assert bench.code(0, Activate(fw_seq_id)) == 0
    assert bench.code(0, Cancel(fw_seq_id)) == Status.INVALID_PARAMETERS


def test_tf_a_tests_bl31_prime_and_cancel() -> None:
    """tf-a-tests lfa, August 2026."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.BL31)
    assert bench.code(0, Prime(fw_seq_id)) == 0
    assert bench.code(0, Cancel(fw_seq_id)) == 0


def test_tf_a_tests_bl31_late_cancel() -> None:
    """tf-a-tests lfa, August 2026: every waiting CPU gets exactly -11."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.BL31)
    bench.prime(fw_seq_id)
    for cpu in range(1, CPUS):
        bench.send(cpu, Activate(fw_seq_id, entry_point=ENTRY, context_id=cpu))
    assert bench.code(0, Cancel(fw_seq_id)) == 0
    assert {bench.last[cpu][0] for cpu in range(1, CPUS)} == {Status.ACTIVATION_FAILED.word}


def test_tf_a_tests_bl31_activation() -> None:
    """tf-a-tests lfa, August 2026: skip only if the inventory allows it; each CPU restarts at its entry point."""
    bench = fvp("tfa-2026")
    fw_seq_id, item = inventory(bench, guid.BL31)
    assert InventoryFlag.CPU_RENDEZVOUS_OPTIONAL not in item.flags
    bench.prime(fw_seq_id)
    for cpu in range(CPUS):
        bench.send(cpu, Activate(fw_seq_id, entry_point=ENTRY, context_id=cpu))
    bench.finish()
    assert bench.last == {cpu: Restart(ENTRY, cpu) for cpu in range(CPUS)}


def test_tf_a_tests_rmm_with_a_realm(profile: str) -> None:
    """tf-a-tests host_realm_lfa: a Realm created before still runs after."""
    bench = fvp(profile)
    fw_seq_id, _ = inventory(bench, guid.RMM)
    assert bench.code(0, Prime(fw_seq_id)) == 0
    outcomes = bench.rendezvous(range(CPUS), Activate(fw_seq_id))
    assert outcomes == [Activate(fw_seq_id).encode().returning(0, 0)] * CPUS
    assert bench.platform.find(guid.RMM.guid).realms  # type: ignore[attr-defined]


def test_arm_cca_acs_with_nothing_staged(profile: str) -> None:
    """Arm CCA ACS lfa_test expects the old WRONG_STATE, -9; a v1.0 agent says -7 when nothing is pending."""
    bench = Bench([ComponentSpec(str(guid.RMM.guid), Kind.RMM)], profile=profile, cpus=1)
    fw_seq_id, _ = inventory(bench, guid.RMM)
    assert bench.code(0, Prime(fw_seq_id)) == Status.WRONG_STATE
    assert bench.code(0, Registers(0x8400_02E0)) == Status.NOT_SUPPORTED


def test_hafnium_partitions() -> None:
    """Hafnium sp_live_activation: flags, PRIME without call again, ACTIVATE twice, a GET_INVENTORY before each."""
    bench = fvp("tfa-2026")
    assert bench.send(0, Version()) == Version().encode().returning(0x10000)
    assert bench.code(0, GetInventory(len(bench.platform.components()))) == Status.INVALID_PARAMETERS
    fw_seq_id, item = inventory(bench, guid.FVP_SP1)
    assert item.flags == 0xB
    assert bench.run(0, Prime(fw_seq_id)) == Prime(fw_seq_id).encode().returning(0, 0)
    for _ in range(2):
        bench.send(0, GetInventory(fw_seq_id))
        assert bench.code(0, Activate(fw_seq_id, ActivateFlag.SKIP_CPU_RENDEZVOUS)) == 0


def test_hafnium_negative() -> None:
    """Hafnium sp_live_activation: the partition refuses to stop, or the new image aborts and stays unreachable."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.FVP_SP2)
    skip = Activate(fw_seq_id, ActivateFlag.SKIP_CPU_RENDEZVOUS)
    bench.fault(fw_seq_id, Faults(ffa_error=FfaError.DENIED)).prime(fw_seq_id)
    assert bench.code(0, skip) == Status.COMPONENT_WRONG_STATE
    bench.fault(fw_seq_id, Faults(ffa_error=FfaError.ABORTED))
    assert bench.code(0, skip) == Status.CRITICAL_ERROR
    bench.fault(fw_seq_id, Faults())
    assert bench.code(0, skip) == Status.CRITICAL_ERROR
