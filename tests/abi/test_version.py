# SPDX-License-Identifier: Apache-2.0
"""Version words of components and of the interface."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.version import LFA_1_0, ComponentVersion, InterfaceVersion

HALF = (1 << 32) - 1
HALVES = st.integers(0, HALF)


@given(HALVES, HALVES)
def test_component_version_round_trip(major: int, minor: int) -> None:
    version = ComponentVersion(major, minor)
    word = version.encode()
    assert word == major * 2**32 + minor
    assert ComponentVersion.decode(word) == version
    assert ComponentVersion.parse(str(version)) == version
    assert version.known == (word != 0)


@given(HALVES, HALVES, HALVES, HALVES)
def test_component_versions_order_as_their_words(a: int, b: int, c: int, d: int) -> None:
    one, other = ComponentVersion(a, b), ComponentVersion(c, d)
    assert (one < other) == (one.encode() < other.encode())


def test_component_versions_order_as_numbers_not_as_text() -> None:
    assert ComponentVersion.parse("1.10") > ComponentVersion.parse("1.9")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "1",
            ".",
            "1.",
            ".1",
            "1.2.3",
            "-1.0",
            "+1.0",
            "1 .0",
            "1.0\n",
            "0x1.0",
            "1_0.0",
            "\u0661.0",
            "N/A",
            "²3.0",
        ),
        *("4294967296.0", "0.4294967296"),
        pytest.param("9" * 5000 + ".0", id="long"),
    ],
)
def test_what_is_not_a_component_version(text: str) -> None:
    with pytest.raises(ValueError, match="component version"):
        ComponentVersion.parse(text)


@pytest.mark.parametrize("version", [(-1, 0), (0, -1), (HALF + 1, 0), (0, HALF + 1)])
def test_component_version_out_of_bounds(version: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ComponentVersion(*version).encode()


def test_interface_version_of_lfa_1_0() -> None:
    assert LFA_1_0.encode() == 0x0001_0000
    assert str(LFA_1_0) == "1.0"


@given(st.integers(0, (1 << 31) - 1))
def test_interface_version_round_trip(word: int) -> None:
    assert InterfaceVersion.decode(word).encode() == word


@pytest.mark.parametrize("word", [1 << 31, 0xFFFF_FFFF, (1 << 64) - 1, 1 << 32])
def test_an_error_is_not_an_interface_version(word: int) -> None:
    with pytest.raises(ValueError, match="not an LFA version"):
        InterfaceVersion.decode(word)


@pytest.mark.parametrize("version", [(1 << 15, 0), (0, 1 << 16), (-1, 0), (0, -1)])
def test_interface_version_out_of_bounds(version: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        InterfaceVersion(*version).encode()
