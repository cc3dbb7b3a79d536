# SPDX-License-Identifier: Apache-2.0
"""Calls that are answered at once: VERSION, FEATURES, GET_INFO, GET_INVENTORY, SMCCC itself, and what is unknown."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi import guid
from livefw.abi.guid import KnownGuid
from livefw.abi.lfa import (
    ActivateRequest,
    CancelRequest,
    FeaturesRequest,
    Function,
    InfoRequest,
    InventoryRequest,
    InventoryResult,
    LfaStatus,
    PrimeRequest,
    VersionRequest,
)
from livefw.abi.smccc import SMCCC_ARCH_FEATURES, SMCCC_VERSION, SVE_HINT, WORD, Held, Registers
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec
from livefw.firmware.state import CpuHeldError, CpuNotWorkingError, CpuOffError, CpuOnError, NoSuchCpuError
from livefw.testing.agent import ModelAgent

MakeAgent = Callable[..., ModelAgent]

NO = LfaStatus.NOT_SUPPORTED.word
FILL = tuple(range(0x100, 0x112))
"""Inputs that show which registers a call leaves alone."""


def frame(*words: int) -> Registers:
    return Registers(*words, *FILL[len(words) :])


ANSWERS = [
    (frame(Function.VERSION), (0x1_0000,), "DEN0147 LFA_VERSION: v1.0"),
    (frame(Function.FEATURES, 0xC400_02E0), (0,), "TF-A lfa_main.c LFA_FEATURES"),
    (frame(Function.FEATURES, 0xC400_02E6), (0,), "TF-A lfa_main.c LFA_FEATURES"),
    (frame(Function.FEATURES, 0xC400_02DF), (NO,), "TF-A lfa_main.c LFA_FEATURES"),
    (frame(Function.FEATURES, 0xC400_02E7), (NO,), "tf-a-tests lfa: features"),
    (frame(Function.FEATURES, 0x8400_02E0), (NO,), "Arm CCA ACS used SMC32 identifiers, which DEN0147 has not"),
    (frame(Function.FEATURES, 0x1_C400_02E0), (NO,), "TF-A lfa_main.c LFA_FEATURES"),
    (frame(Function.GET_INFO, 0), (0, 6, 0), "DEN0147 LFA_GET_INFO; x2 = 0 as in TF-A"),
    (frame(Function.GET_INFO, 1), (LfaStatus.INVALID_PARAMETERS.word,), "TF-A lfa_main.c LFA_GET_INFO"),
    (frame(Function.GET_INFO, 1 << 32), (LfaStatus.INVALID_PARAMETERS.word,), "TF-A compares all 64 bits"),
    (frame(Function.GET_INVENTORY, 6), (LfaStatus.INVALID_PARAMETERS.word,), "TF-A lfa_main.c LFA_GET_INVENTORY"),
    (frame(Function.GET_INVENTORY, 0xFFFF_FFFF), (LfaStatus.INVALID_PARAMETERS.word,), "Linux's invalid id -1"),
    (frame(0xC400_02E7), (NO,), "DEN0028: unknown function identifier"),
    (frame(0xC400_02DF), (NO,), "DEN0028: unknown function identifier"),
    (frame(0xC400_01E0), (NO,), "tf-a-tests of 2024 used other identifiers"),
    (frame(0x8400_02E0), (NO,), "Arm CCA ACS used SMC32 identifiers, which DEN0147 has not"),
    (frame(0), (NO,), "DEN0028: unknown function identifier; Linux v1 repeats a call with x0 = 0"),
    (frame(1 << 32 | Function.VERSION), (0x1_0000,), "DEN0028: the function identifier is W0"),
    (frame(SMCCC_VERSION), (0x1_0002,), "DEN0028 SMCCC_VERSION; LFA needs 1.2"),
    (frame(SMCCC_ARCH_FEATURES, SMCCC_VERSION), (0,), "DEN0028 SMCCC_ARCH_FEATURES"),
    (frame(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES), (0,), "DEN0028 SMCCC_ARCH_FEATURES"),
    (frame(SMCCC_ARCH_FEATURES, 0x8000_8000), (NO,), "DEN0028 SMCCC_ARCH_FEATURES"),
]


@pytest.mark.parametrize(("request_", "results", "source"), ANSWERS)
def test_answer(fvp: MakeAgent, profile: str, request_: Registers, results: tuple[int, ...], source: str) -> None:
    assert fvp(profile).send(0, request_) == request_.returning(*results), source


# x3 by profile: tfa-2.14, tfa-2.15, tfa-2026, bet1. All but BL33 have an image staged.
FLAGS = [
    (0, guid.BL31, (0x1, 0x1, 0x7, 0x7), "TF-A: capable and never pending before self-activation; then 0x7 on FVP"),
    (1, guid.BL33, (0x0, 0x0, 0x0, 0x0), "TF-A FVP: no activator, so no other flag"),
    (2, guid.RMM, (0x3, 0x3, 0x3, 0x3), "TF-A FVP"),
    (3, guid.FVP_SP1, (0x2, 0xB, 0xB, 0xB), "TF-A FVP; no activator for partitions before v2.15"),
    (4, guid.FVP_SP2, (0x2, 0xB, 0xB, 0xB), "TF-A FVP; no activator for partitions before v2.15"),
]


@pytest.mark.parametrize(("fw_seq_id", "known", "flags", "source"), FLAGS)
def test_inventory_flags(
    fvp: MakeAgent, profile: str, fw_seq_id: int, known: KnownGuid, flags: tuple[int, ...], source: str
) -> None:
    expected = flags[list(PROFILES).index(profile)]
    answer = fvp(profile).send(0, frame(Function.GET_INVENTORY, fw_seq_id))
    assert isinstance(answer, Registers)
    assert answer[0] == 0
    assert answer[1:3] == known.guid.to_registers()
    assert answer[3] == expected, source
    assert answer[6:] == FILL[6:]


def test_bet0_writes_no_versions(fvp: MakeAgent) -> None:
    """TF-A (August 2026) leaves the caller's x4 and x5 as they are."""
    for name in ("tfa-2.14", "tfa-2.15", "tfa-2026"):
        answer = fvp(name).send(0, frame(Function.GET_INVENTORY, 2))
        assert isinstance(answer, Registers)
        assert answer[4:6] == FILL[4:6]


def test_bet1_writes_versions_and_the_staged_one_only_when_pending(fvp: MakeAgent) -> None:
    """DEN0147 BET1: major in bits 63:32; 0 where nothing is pending."""
    bench = fvp("bet1")
    answer = bench.send(0, frame(Function.GET_INVENTORY, 2))
    assert isinstance(answer, Registers)
    assert answer[4:6] == (2 << 32, 2 << 32 | 1)
    bench.platform.withdraw(guid.RMM.guid)
    answer = bench.send(0, frame(Function.GET_INVENTORY, 2))
    assert isinstance(answer, Registers)
    assert InventoryResult.decode(answer)[1:] == (1, (2, 0), (0, 0))


@pytest.mark.parametrize("function", Function)
def test_without_components_there_is_no_service(fvp: MakeAgent, profile: str, function: Function) -> None:
    """TF-A lfa_main.c lfa_setup, std_svc_setup.c: a set-up that fails leaves the whole standard service out."""
    bench = fvp(profile, specs=[])
    words = frame(function, 0)
    assert bench.send(0, words) == words.returning(NO)
    assert bench.send(0, frame(SMCCC_VERSION)) == frame(SMCCC_VERSION).returning(0x1_0002)


def test_a_service_that_loses_its_components_later_stays(fvp: MakeAgent, profile: str) -> None:
    """TF-A lfa_main.c: WRONG_STATE when there are no components, before any range check."""
    gone = AfterActivation(vanishes=(str(guid.SCP_BL2U.guid),))
    scp = ComponentSpec(
        str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, "1.0", "1.1", activate_steps=1, after_activation=gone
    )
    bench = fvp(profile, specs=[scp], cpus=1)
    bench.prime(0)
    assert bench.code(0, ActivateRequest(0)) == 0
    assert bench.send(0, InfoRequest()) == InfoRequest().encode().returning(0, 0, 0)
    assert bench.code(0, InventoryRequest(0)) == LfaStatus.WRONG_STATE
    assert bench.code(0, CancelRequest(0)) == LfaStatus.WRONG_STATE
    assert bench.code(0, PrimeRequest(0)) == PROFILES[profile].prime_bad_id
    bad = LfaStatus.INVALID_PARAMETERS if PROFILES[profile].serialised else LfaStatus.COMPONENT_WRONG_STATE
    assert bench.code(0, ActivateRequest(0)) == bad


@pytest.mark.parametrize("function", Function)
def test_the_hint_on_sve_registers_is_no_part_of_the_identifier(
    fvp: MakeAgent, profile: str, function: Function
) -> None:
    """DEN0028, SMCCC 1.3: bit 16 of the identifier; TF-A masks it before it looks the service up."""
    plain, hinted = (fvp(profile).run(0, frame(function | hint, 0)) for hint in (0, SVE_HINT))
    assert hinted == plain


def test_inventory_latches_what_the_platform_says(fvp: MakeAgent, profile: str) -> None:
    """TF-A lfa_main.c: the flag is false at boot and follows the platform only in GET_INVENTORY."""
    bench = fvp(profile)
    seen = [bench.agent.state.pending]
    bench.send(0, InventoryRequest(2))
    seen.append(bench.agent.state.pending)
    bench.platform.withdraw(guid.RMM.guid)
    seen.append(bench.agent.state.pending)
    bench.send(3, InventoryRequest(2))
    seen.append(bench.agent.state.pending)
    assert seen == [(), (guid.RMM.guid,), (guid.RMM.guid,), ()]


def test_the_same_guid_twice_is_two_components(fvp: MakeAgent, profile: str) -> None:
    """Nothing keeps firmware from listing a GUID twice; Linux drivers have to cope."""
    spec = ComponentSpec(str(guid.RMM.guid), ComponentKind.RMM)
    bench = fvp(profile, specs=[spec, spec])
    first, second = (bench.send(0, InventoryRequest(fw_seq_id)) for fw_seq_id in (0, 1))
    assert isinstance(first, Registers)
    assert isinstance(second, Registers)
    assert first[2:] == second[2:]


@given(
    profile=st.sampled_from(list(PROFILES)),
    frames=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.sampled_from([*Function, SMCCC_VERSION, SMCCC_ARCH_FEATURES]), st.integers(0, WORD)),
            st.lists(st.one_of(st.integers(0, 6), st.integers(0, WORD)), max_size=17),
        ),
        max_size=12,
    ),
)
def test_any_registers_on_any_cpu_get_an_answer(profile: str, frames: list[tuple[int, int, list[int]]]) -> None:
    specs = [
        ComponentSpec(str(guid.BL31.guid), ComponentKind.BL31, pending_version="1.1"),
        ComponentSpec(str(guid.RMM.guid), ComponentKind.RMM, pending_version="1.1"),
        ComponentSpec(str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, pending_version="1.1"),
    ]
    bench = ModelAgent(specs, profile=profile, cpus=4)
    for cpu, function, arguments in frames:
        if cpu in dict(bench.agent.state.held):
            continue
        words = Registers(function, *arguments)
        outcome = bench.send(cpu, words)
        if isinstance(outcome, Registers):
            assert len(outcome) == 18
            assert outcome[6:] == words[6:]
        elif isinstance(outcome, Held):
            bench.finish()


def test_misuse_is_an_exception_that_names_the_cpu(fvp: MakeAgent) -> None:
    bench = fvp(cpus=3)
    bench.prime(2)
    agent = bench.agent
    bench.send(0, Registers(Function.ACTIVATE, 2))
    agent.cpu_off(2)
    mistakes: list[tuple[type[Exception], Callable[[], object]]] = [
        (CpuHeldError, lambda: bench.send(0, VersionRequest())),
        (CpuHeldError, lambda: agent.cpu_off(0)),
        (CpuNotWorkingError, lambda: agent.complete(0)),
        (CpuNotWorkingError, lambda: agent.complete(1)),
        (CpuOnError, lambda: agent.cpu_on(1)),
        (CpuOffError, lambda: bench.send(2, FeaturesRequest(0))),
        (CpuOffError, lambda: agent.complete(2)),
        (CpuOffError, lambda: agent.cpu_off(2)),
        (NoSuchCpuError, lambda: agent.cpu_on(3)),
        (NoSuchCpuError, lambda: agent.cpu_off(-1)),
        (NoSuchCpuError, lambda: agent.complete(3)),
        (NoSuchCpuError, lambda: bench.send(-1, VersionRequest())),
    ]
    before = agent.state
    for error, mistake in mistakes:
        with pytest.raises(error):
            mistake()
    assert agent.state == before


def test_a_machine_has_a_cpu(fvp: MakeAgent) -> None:
    with pytest.raises(ValueError, match="at least one CPU"):
        fvp(cpus=0)
