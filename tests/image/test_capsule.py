# SPDX-License-Identifier: Apache-2.0
"""EFI capsules, as U-Boot's mkeficapsule makes them and as nobody should."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fuzz.formats import capsule_item, capsule_of, signature

from livefw.abi import capsule as efi
from livefw.abi.capsule import CapsuleFlag, CapsuleSupport
from livefw.abi.guid import BL31, BL33, RMM, Guid
from livefw.abi.pfrut import TYPES, CapsuleKind
from livefw.abi.pfrut import Capsule as PfrutCapsule
from livefw.firmware.format import capsule
from livefw.firmware.format.source import FormatError

Run = Callable[..., str]
VERSIONED = efi.PAYLOAD.pack(efi.PAYLOAD_MAGIC, 16, 0x10203, 0x10000) + b"firmware"


def read(data: bytes) -> capsule.EfiCapsule:
    return capsule.read(io.BytesIO(data))


def test_as_mkeficapsule_makes_them(mkeficapsule: Run, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image" * 200)
    guid = Guid.parse_efi("058b7d83-50d5-4c47-a195-60d86ad341c4")
    mkeficapsule("-g", guid.efi, "-i", 3, "-I", 7, tmp_path / "image", tmp_path / "one")
    data = (tmp_path / "one").read_bytes()
    found = read(data)
    (item,) = found.images
    assert capsule.is_capsule(data, len(data))
    assert (found.flags, found.size, found.trailing) == (CapsuleFlag.PERSIST_ACROSS_RESET, len(data), 0)
    assert (item.type, item.index, item.hardware_instance, item.support) == (guid, 3, 7, CapsuleSupport(0))
    assert data[item.offset : item.offset + item.size] == b"image" * 200
    mkeficapsule("-R", tmp_path / "revert")
    mkeficapsule("-A", "-g", guid.efi, tmp_path / "accept")
    plain = [read((tmp_path / name).read_bytes()) for name in ("revert", "accept")]
    assert [(each.guid, each.size - each.header_size) for each in plain] == [(efi.REVERT, 0), (efi.ACCEPT, 16)]


def test_signature_versions_and_vendor_code_stand_around_the_image() -> None:
    signed = capsule_item(signature() + VERSIONED, support=1, vendor=b"vendor")
    data = capsule_of(b"driver", signed, capsule_item(b"plain", version=1), drivers=1) + b"behind"
    found = read(data)
    first, second = found.images
    assert (found.trailing, [data[each.offset :][: each.size] for each in found.drivers]) == (6, [b"driver"])
    assert [data[each.offset :][: each.size] for each in found.images] == [b"firmware", b"plain"]
    assert first.authentication is not None
    assert data[first.authentication.offset :][: first.authentication.size] == b"pkcs7"
    assert (first.authentication.kind, first.authentication.monotonic_count) == (efi.PKCS7, 5)
    assert first.header == capsule.PayloadHeader(0x10203, 0x10000)
    assert (first.vendor_bytes, first.header_version, first.hardware_instance) == (6, 3, 7)
    assert (second.authentication, second.header, second.hardware_instance) == (None, None, None)


def test_a_capsule_of_pfrut_is_one_of_the_fmp_and_signed() -> None:
    """Its image header is older than the flag that says so."""
    (item,) = read(PfrutCapsule(CapsuleKind.CODE, 1, 7, RMM.guid, 3).encode(b"code")).images
    assert (TYPES[item.type], item.authentication is not None) == (CapsuleKind.CODE, True)


def _damaged(data: bytes, offset: int, layout: str, value: int) -> bytes:
    made = bytearray(data)
    struct.pack_into(layout, made, offset, value)
    return bytes(made)


_GOOD = capsule_of(capsule_item(signature() + VERSIONED, support=1), capsule_item(b"plain"))
_ITEM = 28 + 8 + 16
DAMAGED = [
    ("header size", _damaged(_GOOD, 16, "<I", 8), 16),
    ("header of a gigabyte", _damaged(_GOOD, 16, "<I", 1 << 30), 16),
    ("more than the file", _damaged(_GOOD, 24, "<I", len(_GOOD) + 1), 24),
    ("cut off", _GOOD[:20], 0),
    ("FMP version", _damaged(_GOOD, 28, "<I", 2), 28),
    ("65,535 items", _damaged(_GOOD, 34, "<H", 65535), 32),
    ("items out of order", _damaged(_GOOD, 36, "<Q", 1 << 63), 36),
    ("two items in one place", _damaged(_GOOD, 44, "<Q", struct.unpack_from("<Q", _GOOD, 36)[0]), 36),
    ("item upon the table", _damaged(_GOOD, 36, "<Q", 8), 36),
    ("image header", _damaged(_GOOD, _ITEM, "<I", 4), _ITEM),
    ("image size", _damaged(_GOOD, _ITEM + 24, "<I", 0xFFFFFFFF), _ITEM + 24),
    ("vendor size", _damaged(_GOOD, _ITEM + 28, "<I", 0xFFFFFFFF), _ITEM + 24),
    ("signature size", _damaged(_GOOD, _ITEM + 56, "<I", 0xFFFFFFFF), _ITEM + 56),
    ("announced signature", capsule_of(capsule_item(b"plain", support=1)), 28 + 8 + 8 + 48),
    ("payload header", capsule_of(capsule_item(efi.PAYLOAD.pack(b"MSS1", 99, 1, 1))), 28 + 8 + 8 + 48 + 4),
]


@pytest.mark.parametrize(("data", "offset"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_a_damaged_one_is_refused_with_the_offset(data: bytes, offset: int) -> None:
    with pytest.raises(FormatError) as caught:
        read(data)
    assert caught.value.offset == offset


def test_what_looks_like_a_capsule_is_one_only_if_its_sizes_fit() -> None:
    plain = efi.HEADER.pack(BL31.guid.raw, 32, 0x50001, 40) + bytes(12)
    assert capsule.is_capsule(plain, 40)
    assert capsule.flag_names(read(plain).flags) == ["persist-across-reset", "initiate-reset", "0x1"]
    others = [
        (plain, 41),
        (plain[:20], 40),
        (_damaged(plain, 16, "<I", 30), 40),
        (_damaged(plain, 20, "<I", 1 << 20), 40),
    ]
    assert not any(capsule.is_capsule(data, size) for data, size in [*others, (bytes(40), 40)])
    assert BL33.guid not in efi.KNOWN
