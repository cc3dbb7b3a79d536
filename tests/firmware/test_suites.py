# SPDX-License-Identifier: Apache-2.0
"""What the public test suites expect of an agent: tf-a-tests, Hafnium, Arm CCA ACS."""

from typing import NamedTuple

import pytest

from livefw.abi import guid
from livefw.abi.guid import Guid, KnownGuid
from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    FeaturesRequest,
    Function,
    InfoRequest,
    InventoryFlag,
    InventoryRequest,
    InventoryResult,
    LfaStatus,
    PrimeRequest,
    VersionRequest,
    status,
)
from livefw.abi.smccc import Registers, Restart
from livefw.firmware.component import Faults, FfaError
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec, LfaPolicy
from livefw.testing.agent import ModelAgent

CPUS = 4
ENTRY = 0x8800_0000


def fvp(profile: str) -> ModelAgent:
    """Arm's FVP: order of TF-A's table; everything but BL33 is always staged and loads at once."""
    kinds = {
        guid.BL31: ComponentKind.BL31,
        guid.BL33: ComponentKind.BL33,
        guid.RMM: ComponentKind.RMM,
        guid.FVP_SP1: ComponentKind.SP,
        guid.FVP_SP2: ComponentKind.SP,
    }
    specs = [
        ComponentSpec(
            str(known.guid),
            kind,
            pending_never_clears=kind is not ComponentKind.BL33,
            prime_steps=1,
            realms=(LfaPolicy.ALLOW,) if kind is ComponentKind.RMM else (),
        )
        for known, kind in kinds.items()
    ]
    return ModelAgent(specs, profile=profile, cpus=CPUS)


def inventory(bench: ModelAgent, known: KnownGuid) -> tuple[int, InventoryResult]:
    for fw_seq_id in range(len(bench.platform.components())):
        answer = bench.send(0, InventoryRequest(fw_seq_id))
        assert isinstance(answer, Registers)
        assert answer[0] == 0
        if Guid.from_registers(answer[1], answer[2]) == known.guid:
            return fw_seq_id, InventoryResult.decode(answer)
    raise AssertionError(f"{known.title} is not listed")


def test_tf_a_tests_discovery(profile: str) -> None:
    """tf-a-tests lfa: version, features, get info, get inventory."""
    bench = fvp(profile)
    version = bench.send(0, VersionRequest())
    assert isinstance(version, Registers)
    assert (version[0] >> 16, version[0] & 0xFFFF) == (1, 0)
    assert bench.code(0, FeaturesRequest(0xC400_02E0)) == bench.code(0, FeaturesRequest(0xC400_02E6)) == 0
    assert bench.code(0, FeaturesRequest(0xC400_02E7)) != 0
    assert bench.code(0, InfoRequest(0)) == 0
    assert bench.code(0, InfoRequest(1)) != 0
    inventory(bench, guid.RMM)
    inventory(bench, guid.BL31)


def test_tf_a_tests_rmm_on_one_cpu(profile: str) -> None:
    """tf-a-tests lfa: prime 0, activate 0; the cancel it then expects to be 0 is -8 with current TF-A's RMM."""
    bench = fvp(profile)
    for cpu in range(1, CPUS):
        bench.agent.cpu_off(cpu)
    fw_seq_id, _ = inventory(bench, guid.RMM)
    assert bench.code(0, PrimeRequest(fw_seq_id)) == 0
    assert bench.code(0, ActivateRequest(fw_seq_id)) == 0
    assert bench.code(0, CancelRequest(fw_seq_id)) == LfaStatus.INVALID_PARAMETERS


def test_tf_a_tests_bl31_prime_and_cancel() -> None:
    """tf-a-tests lfa, August 2026."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.BL31)
    assert bench.code(0, PrimeRequest(fw_seq_id)) == 0
    assert bench.code(0, CancelRequest(fw_seq_id)) == 0


def test_tf_a_tests_bl31_late_cancel() -> None:
    """tf-a-tests lfa, August 2026: every waiting CPU gets exactly -11."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.BL31)
    bench.prime(fw_seq_id)
    for cpu in range(1, CPUS):
        bench.send(cpu, ActivateRequest(fw_seq_id, entry_point=ENTRY, context_id=cpu))
    assert bench.code(0, CancelRequest(fw_seq_id)) == 0
    assert {bench.last[cpu][0] for cpu in range(1, CPUS)} == {LfaStatus.ACTIVATION_FAILED.word}


def test_tf_a_tests_bl31_activation() -> None:
    """tf-a-tests lfa, August 2026: skip only if the inventory allows it; each CPU restarts at its entry point."""
    bench = fvp("tfa-2026")
    fw_seq_id, item = inventory(bench, guid.BL31)
    assert InventoryFlag.CPU_RENDEZVOUS_OPTIONAL not in item.flags
    bench.prime(fw_seq_id)
    for cpu in range(CPUS):
        bench.send(cpu, ActivateRequest(fw_seq_id, entry_point=ENTRY, context_id=cpu))
    bench.finish()
    assert bench.last == {cpu: Restart(ENTRY, cpu) for cpu in range(CPUS)}


def test_tf_a_tests_rmm_with_a_realm(profile: str) -> None:
    """tf-a-tests host_realm_lfa: a Realm created before still runs after."""
    bench = fvp(profile)
    fw_seq_id, _ = inventory(bench, guid.RMM)
    assert bench.code(0, PrimeRequest(fw_seq_id)) == 0
    outcomes = bench.rendezvous(range(CPUS), ActivateRequest(fw_seq_id))
    assert outcomes == [ActivateRequest(fw_seq_id).encode().returning(0, 0)] * CPUS
    assert bench.platform.find(guid.RMM.guid).realms  # type: ignore[attr-defined]


def test_hafnium_partitions() -> None:
    """Hafnium sp_live_activation: flags, PRIME without call again, ACTIVATE twice, a GET_INVENTORY before each."""
    bench = fvp("tfa-2026")
    assert bench.send(0, VersionRequest()) == VersionRequest().encode().returning(0x10000)
    assert bench.code(0, InventoryRequest(len(bench.platform.components()))) == LfaStatus.INVALID_PARAMETERS
    fw_seq_id, item = inventory(bench, guid.FVP_SP1)
    assert item.flags == 0xB
    assert bench.run(0, PrimeRequest(fw_seq_id)) == PrimeRequest(fw_seq_id).encode().returning(0, 0)
    for _ in range(2):
        bench.send(0, InventoryRequest(fw_seq_id))
        assert bench.code(0, ActivateRequest(fw_seq_id, ActivateFlag.SKIP_CPU_RENDEZVOUS)) == 0


def test_hafnium_negative() -> None:
    """Hafnium sp_live_activation: the partition refuses to stop, or the new image aborts and stays unreachable."""
    bench = fvp("tfa-2026")
    fw_seq_id, _ = inventory(bench, guid.FVP_SP2)
    skip = ActivateRequest(fw_seq_id, ActivateFlag.SKIP_CPU_RENDEZVOUS)
    bench.fault(fw_seq_id, Faults(ffa_error=FfaError.DENIED)).prime(fw_seq_id)
    assert bench.code(0, skip) == LfaStatus.COMPONENT_WRONG_STATE
    bench.fault(fw_seq_id, Faults(ffa_error=FfaError.ABORTED))
    assert bench.code(0, skip) == LfaStatus.CRITICAL_ERROR
    bench.fault(fw_seq_id, Faults())
    assert bench.code(0, skip) == LfaStatus.CRITICAL_ERROR


class Row(NamedTuple):
    """One call of a suite: what the suite wants of x0, and what each profile answers, in the order of `PROFILES`."""

    call: str
    words: tuple[int, ...]
    wants: int
    answers: tuple[int, int, int, int]
    x1: int | None = None
    """What a success has in x1; None: not looked at."""


def same(call: str, words: tuple[int, ...], x0: int, x1: int | None = None) -> Row:
    """A call that every profile answers as the suite wants it."""
    return Row(call, words, x0, (x0,) * 4, x1)


BL31_ID, BL33_ID, RMM_ID, SP1_ID, SP2_ID, COUNT = range(6)
NO, STATE, BAD, OTHER = (
    int(each)
    for each in (
        LfaStatus.NOT_SUPPORTED,
        LfaStatus.WRONG_STATE,
        LfaStatus.INVALID_PARAMETERS,
        LfaStatus.COMPONENT_WRONG_STATE,
    )
)


def acs(base: int) -> list[int]:
    """Identifiers as Arm CCA ACS numbers them."""
    return [base + number for number in (0, 2, 3, 4)]


SMC32, SMC64 = acs(0x8400_02E0), acs(Function.VERSION)

SUITES: dict[str, list[Row]] = {
    "tf-a-tests: discovery": [
        same("version", (Function.VERSION,), 0x1_0000),
        same("features: VERSION", (Function.FEATURES, Function.VERSION), 0),
        same("features: CANCEL", (Function.FEATURES, Function.CANCEL), 0),
        same("features: beyond CANCEL", (Function.FEATURES, 0xC400_02E7), NO),
        same("get info: selector 0", (Function.GET_INFO, 0), 0, COUNT),
        same("get info: selector 1", (Function.GET_INFO, 1), BAD),
        *(same(f"get inventory: {each}", (Function.GET_INVENTORY, each), 0) for each in range(COUNT)),
    ],
    "tf-a-tests: RMM on one CPU": [
        same("get inventory", (Function.GET_INVENTORY, RMM_ID), 0),
        same("prime", (Function.PRIME, RMM_ID), 0, 0),
        same("activate", (Function.ACTIVATE, RMM_ID), 0, 0),
        # The leader has wiped the selection.
        Row("cancel", (Function.CANCEL, RMM_ID), 0, (BAD,) * 4),
    ],
    "tf-a-tests: BL31 on one CPU": [
        same("get inventory", (Function.GET_INVENTORY, BL31_ID), 0),
        Row("prime", (Function.PRIME, BL31_ID), 0, (STATE, STATE, 0, 0), 0),
        Row("cancel", (Function.CANCEL, BL31_ID), 0, (BAD, BAD, 0, 0)),
    ],
    "Hafnium: partition": [
        same("version", (Function.VERSION,), 0x1_0000),
        same("features: GET_INFO", (Function.FEATURES, Function.GET_INFO), 0),
        same("features: GET_INVENTORY", (Function.FEATURES, Function.GET_INVENTORY), 0),
        same("features: PRIME", (Function.FEATURES, Function.PRIME), 0),
        same("get info", (Function.GET_INFO, 0), 0, COUNT),
        same("get inventory: count", (Function.GET_INVENTORY, COUNT), BAD),
        same("get inventory", (Function.GET_INVENTORY, SP1_ID), 0),
        Row("prime", (Function.PRIME, SP1_ID), 0, (NO, 0, 0, 0), 0),
        same("get inventory", (Function.GET_INVENTORY, SP1_ID), 0),
        Row("activate", (Function.ACTIVATE, SP1_ID, 1), 0, (OTHER, 0, 0, 0), 0),
        same("get inventory, again", (Function.GET_INVENTORY, SP1_ID), 0),
        Row("activate, again", (Function.ACTIVATE, SP1_ID, 1), 0, (OTHER, 0, 0, 0), 0),
    ],
    # Written for identifiers and codes of drafts: WRONG_STATE was -9, and the RMM of FVP is always pending.
    "Arm CCA ACS: its identifiers": [
        Row("version", (SMC32[0],), 0x1_0000, (NO,) * 4),
        Row("get info", (SMC32[1], 0), 0, (NO,) * 4),
        *(Row(f"get inventory: {each}", (SMC32[2], each), 0, (NO,) * 4) for each in range(COUNT)),
        Row("prime", (SMC32[3], RMM_ID), OTHER, (NO,) * 4),
    ],
    "Arm CCA ACS: with identifiers of DEN0147": [
        same("version", (SMC64[0],), 0x1_0000),
        same("get info", (SMC64[1], 0), 0, COUNT),
        *(same(f"get inventory: {each}", (SMC64[2], each), 0) for each in range(COUNT)),
        Row("prime", (SMC64[3], RMM_ID), OTHER, (0,) * 4, 0),
    ],
    "Arm CCA ACS: with nothing staged": [
        same("get inventory", (SMC64[2], BL33_ID), 0),
        Row("prime", (SMC64[3], BL33_ID), OTHER, (STATE,) * 4),
    ],
}


@pytest.mark.parametrize("suite", SUITES)
def test_what_public_suites_hear_call_by_call(profile: str, suite: str) -> None:
    """On Arm's FVP with one CPU on, as these suites run."""
    bench = fvp(profile)
    for cpu in range(1, CPUS):
        bench.agent.cpu_off(cpu)
    column = list(PROFILES).index(profile)
    heard = []
    for row in SUITES[suite]:
        outcome = bench.run(0, Registers(*row.words))
        assert isinstance(outcome, Registers), row
        code = status(outcome)
        x1 = outcome[1] if row.x1 is not None and code == 0 else row.x1
        heard.append((row.call, code, x1))
    assert heard == [(row.call, row.answers[column], row.x1) for row in SUITES[suite]]


def test_where_public_suites_fail() -> None:
    """What they want and no profile answers; each is explained where its row stands."""
    failing = {(suite, row.call) for suite, rows in SUITES.items() for row in rows if row.wants not in row.answers}
    acs_rows = {("Arm CCA ACS: its identifiers", row.call) for row in SUITES["Arm CCA ACS: its identifiers"]}
    assert failing == acs_rows | {
        ("tf-a-tests: RMM on one CPU", "cancel"),
        ("Arm CCA ACS: with identifiers of DEN0147", "prime"),
        ("Arm CCA ACS: with nothing staged", "prime"),
    }
