# SPDX-License-Identifier: Apache-2.0
"""The seven LFA calls: identifiers, codes, and that every structure decodes what it encodes."""

from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi import lfa
from livefw.abi.guid import RMM, Guid
from livefw.abi.lfa import ActivateFlag, Function, InventoryFlag, LfaStatus
from livefw.abi.smccc import WORD, Registers
from livefw.abi.version import ComponentVersion

WORDS = st.integers(0, WORD)
IDS = st.integers(0, 0xFFFF_FFFF)
HALVES = st.integers(0, 0xFFFF_FFFF)

FUNCTIONS = [
    (Function.VERSION, 0xC400_02E0),
    (Function.FEATURES, 0xC400_02E1),
    (Function.GET_INFO, 0xC400_02E2),
    (Function.GET_INVENTORY, 0xC400_02E3),
    (Function.PRIME, 0xC400_02E4),
    (Function.ACTIVATE, 0xC400_02E5),
    (Function.CANCEL, 0xC400_02E6),
]

STATUSES = [
    (0, "SUCCESS"),
    (-1, "NOT_SUPPORTED"),
    (-2, "BUSY"),
    (-3, "AUTH_ERROR"),
    (-4, "NO_MEMORY"),
    (-5, "CRITICAL_ERROR"),
    (-6, "DEVICE_ERROR"),
    (-7, "WRONG_STATE"),
    (-8, "INVALID_PARAMETERS"),
    (-9, "COMPONENT_WRONG_STATE"),
    (-10, "INVALID_ADDRESS"),
    (-11, "ACTIVATION_FAILED"),
]


class Request(Protocol):
    def encode(self) -> Registers: ...


@pytest.mark.parametrize(("function", "function_id"), FUNCTIONS)
def test_function_identifiers_of_den0147(function: Function, function_id: int) -> None:
    assert function == function_id


def test_there_are_seven_functions() -> None:
    assert {function for function, _ in FUNCTIONS} == set(Function)


@pytest.mark.parametrize(("value", "name"), STATUSES)
def test_statuses_of_den0147(value: int, name: str) -> None:
    status = LfaStatus[name]
    assert status == value
    assert status.word == value % 2**64
    assert lfa.status(Registers(status.word)) == value


def test_there_are_twelve_statuses() -> None:
    assert {status.name for status in LfaStatus} == {name for _, name in STATUSES}


@given(WORDS)
def test_a_status_without_a_name_is_still_read(word: int) -> None:
    assert lfa.status(Registers(word)) % 2**64 == word


@pytest.mark.parametrize(
    ("flag", "bit"),
    [
        (InventoryFlag.ACTIVATION_CAPABLE, 0),
        (InventoryFlag.ACTIVATION_PENDING, 1),
        (InventoryFlag.MAY_RESET_CPU, 2),
        (InventoryFlag.CPU_RENDEZVOUS_OPTIONAL, 3),
        (ActivateFlag.SKIP_CPU_RENDEZVOUS, 0),
    ],
)
def test_flag_bits_of_den0147(flag: int, bit: int) -> None:
    assert flag == 1 << bit


@given(WORDS)
def test_calls_with_one_64_bit_argument(word: int) -> None:
    assert lfa.FeaturesRequest.decode(lfa.FeaturesRequest(word).encode()) == (word,)
    assert lfa.InfoRequest.decode(lfa.InfoRequest(word).encode()) == (word,)


@given(IDS, WORDS)
def test_calls_with_a_sequence_id_read_its_low_half(fw_seq_id: int, word: int) -> None:
    for call in (lfa.InventoryRequest, lfa.PrimeRequest, lfa.CancelRequest):
        assert call.decode(call(fw_seq_id).encode()) == (fw_seq_id,)
        assert call.decode(Registers(0, word)) == (word & 0xFFFF_FFFF,)
    assert lfa.ActivateRequest.decode(Registers(0, word)).fw_seq_id == word & 0xFFFF_FFFF


@given(IDS, st.sampled_from([ActivateFlag(0), ActivateFlag.SKIP_CPU_RENDEZVOUS]), WORDS, WORDS)
def test_activate_round_trip(fw_seq_id: int, flags: ActivateFlag, entry_point: int, context_id: int) -> None:
    request = lfa.ActivateRequest(fw_seq_id, flags, entry_point, context_id)
    registers = request.encode()
    assert registers[:5] == (Function.ACTIVATE, fw_seq_id, flags, entry_point, context_id)
    assert lfa.ActivateRequest.decode(registers) == request


@pytest.mark.parametrize(
    "call",
    [
        lfa.FeaturesRequest,
        lfa.InfoRequest,
        lfa.InventoryRequest,
        lfa.PrimeRequest,
        lfa.ActivateRequest,
        lfa.CancelRequest,
    ],
)
@pytest.mark.parametrize("word", [-1, WORD + 1])
def test_an_argument_that_fits_no_register_is_refused(call: Callable[[int], Request], word: int) -> None:
    with pytest.raises(ValueError, match="unsigned 64-bit word"):
        call(word).encode()


@given(WORDS)
def test_info_round_trip(components: int) -> None:
    assert lfa.InfoResult.decode(Registers(*lfa.InfoResult(components).encode())) == (components,)


@given(WORDS, WORDS, WORDS, HALVES, HALVES)
def test_inventory_round_trip_keeps_reserved_bits(x1: int, x2: int, x3: int, major: int, minor: int) -> None:
    current, pending = ComponentVersion(major, minor), ComponentVersion(minor, major)
    inventory = lfa.InventoryResult(Guid.from_registers(x1, x2), InventoryFlag(x3), current, pending)
    assert inventory.encode() == (0, x1, x2, x3, current.encode(), pending.encode())
    assert lfa.InventoryResult.decode(Registers(*inventory.encode())) == inventory


def test_a_bet0_agent_returns_the_callers_version_words() -> None:
    request = Registers(Function.GET_INVENTORY, 0, 0, 0, 7 << 32, 8 << 32)
    answer = request.returning(*lfa.InventoryResult(RMM.guid, InventoryFlag(3)).encode_bet0())
    inventory = lfa.InventoryResult.decode(answer)
    assert (inventory.current_version, inventory.pending_version) == ((7, 0), (8, 0))


@pytest.mark.parametrize("call_again", [False, True])
def test_progress_round_trip(call_again: bool) -> None:
    assert lfa.StepResult.decode(Registers(*lfa.StepResult(call_again).encode())) == (call_again,)


@given(WORDS)
def test_progress_is_bit_0_of_x1(word: int) -> None:
    assert lfa.StepResult.decode(Registers(0, word)).call_again == bool(word & 1)


@given(st.lists(WORDS, max_size=18))
def test_any_registers_can_be_decoded_and_what_is_said_can_be_said_again(words: list[int]) -> None:
    registers = Registers(*words)
    for decode in (
        lfa.FeaturesRequest.decode,
        lfa.InfoRequest.decode,
        lfa.InfoResult.decode,
        lfa.InventoryRequest.decode,
        lfa.InventoryResult.decode,
        lfa.PrimeRequest.decode,
        lfa.ActivateRequest.decode,
        lfa.StepResult.decode,
        lfa.CancelRequest.decode,
    ):
        found = decode(registers)
        assert decode(Registers(*found.encode())) == found
