# SPDX-License-Identifier: Apache-2.0
"""PSA firmware update metadata, non-volatile counters, version notes: layout and damage."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import BL31, RMM, Guid
from livefw.abi.version import ComponentVersion
from livefw.firmware.image import counters, metadata, note
from livefw.firmware.image.chain import Counter
from livefw.firmware.image.counters import NonVolatile
from livefw.firmware.image.errors import StoreError, Violation
from livefw.firmware.image.metadata import BankImage, BankState, ImageEntry, Metadata

A, B, PLACE = (Guid(bytes([value]) * 16) for value in (0xAA, 0xBB, 0xCC))
STATE = Metadata(
    active=1,
    previous=0,
    states=(BankState.ACCEPTED, BankState.VALID),
    images=(ImageEntry(RMM.guid, PLACE, (BankImage(A, accepted=True), BankImage(B))),),
)

# DEN0118, metadata version 2; offsets as in U-Boot include/fwu_mdata.h, struct fwu_mdata, fwu_fw_store_desc.
FIELDS = [
    ("version", 4, "I", 2),
    ("active_index", 8, "I", 1),
    ("previous_active_index", 12, "I", 0),
    ("metadata_size", 16, "I", 120),
    ("desc_offset", 20, "H", 32),
    ("reserved1", 22, "H", 0),
    ("bank_state", 24, "I", 0xFFFFFEFC),
    ("reserved2", 28, "I", 0),
    ("num_banks", 32, "B", 2),
    ("reserved", 33, "B", 0),
    ("num_images", 34, "H", 1),
    ("img_entry_size", 36, "H", 80),
    ("bank_info_entry_size", 38, "H", 24),
    ("img_props[0].accepted", 88, "I", 1),
    ("img_props[1].accepted", 112, "I", 0),
]


@pytest.mark.parametrize(("offset", "code", "value"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_field_stands_where_the_specification_puts_it(offset: int, code: str, value: int) -> None:
    assert struct.unpack_from("<" + code, STATE.encode(), offset) == (value,)


def test_guids_stand_where_the_specification_puts_them() -> None:
    data = STATE.encode()
    assert (data[40:56], data[56:72], data[72:88], data[96:112]) == (RMM.guid.raw, PLACE.raw, A.raw, B.raw)
    assert len(data) == 120
    assert data[:4] == zlib.crc32(data[4:]).to_bytes(4, "little")


def patched(offset: int, code: str, value: int) -> bytes:
    data = bytearray(STATE.encode())
    struct.pack_into("<" + code, data, offset, value)
    data[:4] = zlib.crc32(bytes(data[4:])).to_bytes(4, "little")
    return bytes(data)


WRONG = [
    ("version 3", patched(4, "I", 3), 4),
    ("version 1 with fields of version 2", patched(4, "I", 1), 0),
    ("active bank 2", patched(8, "I", 2), 8),
    ("longer than there is", patched(16, "I", 121), 16),
    ("huge", patched(16, "I", 0xFFFFFFFF), 16),
    ("too short for a header", patched(16, "I", 39), 16),
    ("bank state of no meaning", patched(24, "B", 0xF0), 24),
    ("no bank", patched(32, "B", 0), 32),
    ("five banks", patched(32, "B", 5), 32),
    ("four banks in entries of two", patched(32, "B", 4), 36),
    ("more images than bytes", patched(34, "H", 0xFFFF), 34),
    ("other entry size", patched(36, "H", 0), 36),
    ("descriptor within the header", patched(20, "H", 31), 20),
    ("descriptor at the end", patched(20, "H", 113), 20),
    ("descriptor elsewhere than it says", patched(20, "H", 40), 40),
    ("torn", STATE.encode()[:70], 16),
    ("empty", b"", 0),
]


@pytest.mark.parametrize(("data", "offset"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_unusable_metadata_is_refused_at_the_field(data: bytes, offset: int) -> None:
    with pytest.raises(StoreError) as caught:
        metadata.decode(data)
    assert (caught.value.rule, caught.value.offset) == (Violation.METADATA, offset)


def mkfwumdata(version: int, banks: int, previous: int = 1, vendor: bytes = b"", *, images: int = 1) -> bytes:
    """What mkfwumdata of U-Boot writes (``-v``, ``-b``, ``-V``), put together field by field."""
    body = b""
    for number in range(images):
        body += bytes([number, *bytes(14), 1]) + bytes([0x64, *bytes(15)])
        body += b"".join(bytes([0xC8 + bank, *bytes(15)]) + struct.pack("<II", 1, 0) for bank in range(banks))
    body += vendor
    if version == 2:
        states = b"\xfc" * min(banks, 4) + b"\xff" * (4 - banks)
        layout = struct.pack("<BBHHH", banks, 0, images, 32 + 24 * banks, 24)
        body = struct.pack("<IHH4sI", 40 + len(body), 32, 0, states, 0) + layout + body
    body = struct.pack("<III", version, 0, previous) + body
    return struct.pack("<I", zlib.crc32(body)) + body


NONE_BEFORE = 0xFFFF_FFFF
WHOLE = {
    "version 1": (mkfwumdata(1, 2), 2),
    "version 1, one bank": (mkfwumdata(1, 1), 1),
    "version 1, four banks": (mkfwumdata(1, 4), 4),
    # 576 bytes: 7 images in two banks or 10 in one.
    "version 1, of two sizes": (mkfwumdata(1, 2, images=7), 2),
    "version 1, of two sizes, one bank": (mkfwumdata(1, 1, images=10), 1),
    "one bank": (mkfwumdata(2, 1), 1),
    "four banks": (mkfwumdata(2, 4), 4),
    "vendor data": (mkfwumdata(2, 2, vendor=b"VENDORDATA" * 4), 2),
    "none before": (mkfwumdata(2, 2, NONE_BEFORE), 2),
    "version 1, none before": (mkfwumdata(1, 2, NONE_BEFORE), 2),
    "no image": (mkfwumdata(2, 2, images=0), 2),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_read_and_written_back_byte_by_byte(name: str) -> None:
    data, banks = WHOLE[name]
    found = metadata.decode(data + bytes(64))
    assert found.encode() == data
    assert found.version == int.from_bytes(data[4:8], "little")
    assert found.states == (BankState.ACCEPTED,) * banks
    assert [image.image.raw[0] for entry in found.images for image in entry.banks] == [
        0xC8 + bank for _ in found.images for bank in range(banks)
    ]
    assert found.vendor == (b"VENDORDATA" * 4 if name == "vendor data" else b"")
    assert found.update == (1 if banks > 1 else 0)
    # TF-A looks into the previous bank first, and has none where the number is of no bank.
    assert metadata.alternate_bank(found) == (1 if banks > 1 else None)


def test_a_descriptor_farther_on_is_found_and_kept_there() -> None:
    data = bytearray(STATE.encode())
    data[32:32] = b"extension"
    struct.pack_into("<IH", data, 16, len(data), 41)
    data[:4] = zlib.crc32(bytes(data[4:])).to_bytes(4, "little")
    found = metadata.decode(bytes(data))
    assert (found.extension, found.images) == (b"extension", STATE.images)
    assert found.encode() == data


def test_version_1_is_accepted_where_all_images_of_a_bank_are() -> None:
    data = bytearray(mkfwumdata(1, 2, images=2))
    struct.pack_into("<I", data, 16 + 80 + 32 + 24 + 16, 0)  # the second image in the second bank
    data[:4] = zlib.crc32(bytes(data[4:])).to_bytes(4, "little")
    assert metadata.decode(bytes(data)).states == (BankState.ACCEPTED, BankState.VALID)


@given(st.integers(0, 119), st.integers(1, 255))
def test_no_changed_byte_goes_unseen(offset: int, change: int) -> None:
    data = bytearray(STATE.encode())
    data[offset] ^= change
    with pytest.raises(StoreError):
        metadata.decode(bytes(data))


guids = st.binary(min_size=16, max_size=16).map(Guid)
bank_images = st.builds(BankImage, guids, st.booleans())
states = st.integers(1, 4).flatmap(
    lambda banks: st.builds(
        Metadata,
        st.integers(0, banks - 1),
        st.integers(0, 0xFFFF_FFFF),
        st.tuples(*[st.sampled_from(BankState)] * banks),
        st.lists(
            st.builds(ImageEntry, guids, guids, st.tuples(*[bank_images] * banks)),
            max_size=5,
            unique_by=lambda entry: entry.type,
        ).map(tuple),
        extension=st.binary(max_size=9),
        vendor=st.binary(max_size=9),
    )
)


@given(states, st.binary(max_size=20))
def test_what_is_written_is_read_back_whatever_follows(state: Metadata, rest: bytes) -> None:
    assert metadata.decode(state.encode() + rest) == state


@given(st.binary(max_size=200))
def test_any_bytes_are_metadata_or_an_error(data: bytes) -> None:
    with pytest.raises(StoreError):
        metadata.decode(data)


def test_counters_only_rise() -> None:
    machine = NonVolatile(tfw=5, ntfw=7)
    assert machine.advance({Counter.TRUSTED: 6, Counter.NON_TRUSTED: 1, Counter.CCA: 2}) == NonVolatile(6, 7, 2)


@given(st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 4))
def test_counters_are_read_back(values: tuple[int, int, int, int]) -> None:
    assert counters.decode(NonVolatile(*values).encode()) == NonVolatile(*values)


@given(st.integers(0, counters.SIZE - 1), st.integers(1, 255))
def test_damaged_counters_never_read_as_low_ones(offset: int, change: int) -> None:
    data = bytearray(NonVolatile(5, 5, 5).encode())
    data[offset] ^= change
    for bad in (bytes(data), bytes(data[:offset]), None):
        with pytest.raises(StoreError) as caught:
            counters.decode(bad)
        assert caught.value.rule is Violation.COUNTERS


VERSION = ComponentVersion(4, 0xFFFFFFFF)


def test_note_is_the_last_32_bytes() -> None:
    image = note.append(b"firmware", VERSION)
    assert (image[:8], len(image), image[8:24]) == (b"firmware", 40, b"livefw version 1")
    assert note.read(image) == note.read(image[-note.SIZE :]) == VERSION


@pytest.mark.parametrize("tail", [b"", b"short", bytes(32), b"livefw version 1" + bytes(16)])
def test_without_a_sound_note_the_version_is_not_known(tail: bytes) -> None:
    assert not note.read(tail).known


@given(st.integers(0, 31), st.integers(1, 255))
def test_damaged_note_is_no_note(offset: int, change: int) -> None:
    data = bytearray(note.append(b"", VERSION))
    data[offset] ^= change
    assert not note.read(bytes(data)).known


def test_alternate_bank_prefers_an_accepted_one() -> None:
    """TF-A drivers/fwu/fwu.c, fwu_get_alternate_boot_bank."""
    rows = [
        (1, 0, "fc fe", 0),
        (1, 0, "fe fe", 0),
        (1, 0, "ff fe", None),
        (0, 0, "fe fc", 1),
        (0, 1, "ff ff", None),
    ]
    for active, previous, text, expected in rows:
        found = tuple(BankState(value) for value in bytes.fromhex(text))
        assert metadata.alternate_bank(Metadata(active, previous, found)) == expected, text


def test_image_that_a_bank_lacks_is_none() -> None:
    assert STATE.image(RMM.guid, 1) == B
    assert STATE.image(BL31.guid, 1) is None
