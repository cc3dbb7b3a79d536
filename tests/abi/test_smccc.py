# SPDX-License-Identifier: Apache-2.0
"""SMCCC registers and function identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.smccc import COUNT, WORD, Registers, fast_call_64, signed32, signed64, unsigned64

WORDS = st.integers(0, WORD)
FRAMES = st.lists(WORDS, max_size=COUNT)


@given(FRAMES)
def test_registers_are_always_18_words(words: list[int]) -> None:
    registers = Registers(*words)
    assert len(registers) == COUNT
    assert list(registers) == words + [0] * (COUNT - len(words))


@given(FRAMES, st.lists(WORDS, max_size=6))
def test_results_lie_over_preserved_inputs(words: list[int], results: list[int]) -> None:
    registers = Registers(*words)
    returned = registers.returning(*results)
    assert isinstance(returned, Registers)
    assert list(returned) == results + list(registers)[len(results) :]


@pytest.mark.parametrize("words", [[-1], [WORD + 1], [0, -1], [0] * 19])
def test_what_registers_cannot_hold(words: list[int]) -> None:
    with pytest.raises(ValueError, match=r"SMCCC has|unsigned 64-bit word"):
        Registers(*words)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_signed_64_bit_round_trip(value: int) -> None:
    assert signed64(unsigned64(value)) == value


@pytest.mark.parametrize("value", [-(1 << 63) - 1, WORD + 1])
def test_what_does_not_fit_a_register(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        unsigned64(value)


@pytest.mark.parametrize("word", [0xFFFF_FFFF, WORD, 0x1234_5678_FFFF_FFFF])
def test_minus_one_of_32_or_64_bits(word: int) -> None:
    assert signed32(word) == -1


@given(st.integers(0, 63), st.integers(0, 0xFFFF))
def test_function_identifier_fields(owner: int, number: int) -> None:
    function_id = fast_call_64(owner=owner, number=number)
    assert function_id >> 30 == 0b11
    assert (function_id >> 24 & 0x3F, function_id & 0xFFFF) == (owner, number)


@pytest.mark.parametrize(("owner", "number"), [(64, 0), (-1, 0), (0, 1 << 16), (0, -1)])
def test_function_identifier_out_of_range(owner: int, number: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        fast_call_64(owner=owner, number=number)


def test_registers_are_shown_to_the_last_that_is_not_zero() -> None:
    assert repr(Registers(1, 0, 16)) == "Registers(0x1, 0x0, 0x10)"
    assert repr(Registers()) == "Registers(0x0)"
