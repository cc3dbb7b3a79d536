# SPDX-License-Identifier: Apache-2.0
"""GUIDs: the published registers, the two spellings, and what is not a GUID."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi import guid
from livefw.abi.guid import BY_GUID, KNOWN, Guid, KnownGuid

WORDS = st.integers(0, (1 << 64) - 1)

REGISTERS = [
    (guid.RMM, 0x564BF212A662076C, 0xD90636638FBACB92, "tf-a-tests RMM_X1, RMM_X2"),
    (guid.BL31, 0x4698FE4C6D08D447, 0x005ABDCB5029959B, "tf-a-tests BL31_X1, BL31_X2"),
    (guid.BL33, 0x4BD5EAFCA7EED0D6, 0xE4B634F234998297, "TF-A firmware_image_package.h"),
    (guid.BL32, 0x4713DC5389E1D005, 0x383E7A4B0A502B8D, "TF-A firmware_image_package.h"),
    (guid.FVP_SP1, 0x174D471D962A7BF0, 0x5C3E254EA686C89E, "Hafnium GUID_LOWER_SP1, GUID_HIGHER_SP1"),
    (guid.FVP_SP2, 0xF8A9417E2721FFC3, 0x7434A3AFA124AF05, "Hafnium GUID_LOWER_SP2, GUID_HIGHER_SP2"),
    (guid.SCP_BL2U, 0x44E6742F03279265, 0x1006FFC19A57FF8D, "TF-A firmware_image_package.h"),
]

MIXED_ENDIAN = [
    (guid.BL31, "6d08d447-fe4c-4698-9b95-2950cbbd5a00"),
    (guid.BL33, "a7eed0d6-eafc-4bd5-9782-9934f234b6e4"),
    (guid.RMM, "a662076c-f212-564b-92cb-ba8f633606d9"),
    (guid.BL32, "89e1d005-dc53-4713-8d2b-500a4b7a3e38"),
    (guid.SCP_BL2U, "03279265-742f-44e6-8dff-579ac1ff0610"),
]


@pytest.mark.parametrize(("known", "x1", "x2", "source"), REGISTERS)
def test_registers_of_a_published_guid(known: KnownGuid, x1: int, x2: int, source: str) -> None:
    assert known.guid.to_registers() == (x1, x2), source
    assert Guid.from_registers(x1, x2) == known.guid, source


@pytest.mark.parametrize(("known", "efi"), MIXED_ENDIAN)
def test_mixed_endian_spelling_of_a_published_guid(known: KnownGuid, efi: str) -> None:
    assert known.guid.efi == efi
    assert Guid.parse_efi(efi) == known.guid


def test_known_guids_differ() -> None:
    assert len(BY_GUID) == len(KNOWN)
    assert len({row.identifier for row in KNOWN}) == len(KNOWN)


@given(WORDS, WORDS)
def test_registers_round_trip_and_both_spellings(x1: int, x2: int) -> None:
    value = Guid.from_registers(x1, x2)
    assert value.to_registers() == (x1, x2)
    assert Guid.parse(str(value)) == Guid.parse(str(value).upper()) == Guid.parse_efi(value.efi) == value
    reference = uuid.UUID(bytes=value.raw)
    assert str(value) == str(reference)
    assert value.efi == str(uuid.UUID(bytes=reference.bytes_le))


@given(st.text(max_size=50))
def test_parse_reads_its_own_spelling_or_refuses(text: str) -> None:
    try:
        value = Guid.parse(text)
    except ValueError:
        return
    assert str(value) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6c0762a612f24b5692cbba8f633606d9",
        "{6c0762a6-12f2-4b56-92cb-ba8f633606d9}",
        "6c0762a6-12f2-4b56-92cb-ba8f633606d",
        "6c0762a6-12f2-4b56-92cb-ba8f633606d90",
        "6c0762a6-12f2-4b5-692cb-ba8f633606d90",
        "6c0762a6-12f2-4b56-92cb-ba8f633606dg",
        "6c0762a6-12f2-4b56-92cb-ba8f633606d\u0663",
        " c0762a6-12f2-4b56-92cb-ba8f633606d9",
        "6c0762a6_12f2_4b56_92cb_ba8f633606d9",
        pytest.param("x" * 1_000_000, id="long"),
    ],
)
def test_what_is_not_a_guid(text: str) -> None:
    with pytest.raises(ValueError, match="not a GUID") as caught:
        Guid.parse(text)
    assert len(str(caught.value)) < 100
    with pytest.raises(ValueError, match="not a GUID"):
        Guid.parse_efi(text)
