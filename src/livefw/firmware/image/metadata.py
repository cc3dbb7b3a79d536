# SPDX-License-Identifier: Apache-2.0
"""PSA firmware update metadata, version 2 (Arm DEN0118, appendix "Metadata version 2"; U-Boot ``fwu_mdata.h``).

Little-endian:

    u32 crc_32 (of all that follows), u32 version = 2, u32 active_index, u32 previous_active_index,
    u32 metadata_size, u16 desc_offset, u16 reserved, u8 bank_state[4], u32 reserved
    u8 num_banks, u8 reserved, u16 num_images, u16 img_entry_size, u16 bank_info_entry_size
    per image: 16-byte image type GUID, 16-byte location GUID,
               per bank: 16-byte image GUID, u32 accepted, u32 reserved
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.firmware.image.errors import StoreError, Violation

VERSION = 2
BANKS = 2
MAX_BANKS = 4
MAX_IMAGES = 512

_HEADER = struct.Struct("<IIIIIHH4sI")
_DESCRIPTOR = struct.Struct("<BBHHH")
_IMAGE = struct.Struct("<16s16s")
_BANK_INFO = struct.Struct("<16sII")
_ENTRY_SIZE = _IMAGE.size + BANKS * _BANK_INFO.size
_ACCEPTED = 1 << 0

MAX_SIZE = _HEADER.size + _DESCRIPTOR.size + MAX_IMAGES * _ENTRY_SIZE

NO_IMAGE = Guid(bytes(16))
"""Image GUID of a type that a bank does not hold."""


class BankState(IntEnum):
    """A bank's state: each step on clears bits, as flash does."""

    INVALID = 0xFF
    """Being written, or rejected: never booted."""
    VALID = 0xFE
    """Written whole; booted on trial only."""
    ACCEPTED = 0xFC


class BankImage(NamedTuple):
    """An image in one bank."""

    image: Guid = NO_IMAGE
    accepted: bool = False


class ImageEntry(NamedTuple):
    """One type of image, where it is kept, and what each bank holds of it."""

    type: Guid
    location: Guid
    banks: tuple[BankImage, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The state of both banks."""

    active: int
    previous: int
    states: tuple[BankState, ...]
    images: tuple[ImageEntry, ...] = ()

    @property
    def update(self) -> int:
        """The bank that is not active, where an update goes."""
        return 1 - self.active

    @property
    def candidate(self) -> int:
        """The bank whose images are to run: an update that is whole and was not tried yet, else the active bank."""
        return self.update if self.states[self.update] is BankState.VALID else self.active

    @property
    def trial(self) -> bool:
        """Whether the active bank still has to prove itself."""
        return self.states[self.active] is not BankState.ACCEPTED

    def image(self, kind: Guid, bank: int) -> Guid | None:
        """GUID of the image of this type in a bank; None if the bank has none."""
        found = next((entry.banks[bank].image for entry in self.images if entry.type == kind), NO_IMAGE)
        return None if found == NO_IMAGE else found

    def encode(self) -> bytes:
        """The bytes of one copy."""
        entries = b"".join(
            _IMAGE.pack(entry.type.raw, entry.location.raw)
            + b"".join(_BANK_INFO.pack(bank.image.raw, _ACCEPTED if bank.accepted else 0, 0) for bank in entry.banks)
            for entry in self.images
        )
        descriptor = _DESCRIPTOR.pack(BANKS, 0, len(self.images), _ENTRY_SIZE, _BANK_INFO.size)
        size = _HEADER.size + len(descriptor) + len(entries)
        states = bytes(self.states).ljust(MAX_BANKS, bytes([BankState.INVALID]))
        header = _HEADER.pack(0, VERSION, self.active, self.previous, size, _HEADER.size, 0, states, 0)
        body = header[4:] + descriptor + entries
        return zlib.crc32(body).to_bytes(4, "little") + body


def decode(data: bytes, subject: str = "metadata") -> Metadata:
    """Read one copy; StoreError with METADATA and the offset of the field if it is not whole and consistent.

    The CRC comes first: a copy that was torn by a power cut is not looked at.
    """
    if len(data) < _HEADER.size + _DESCRIPTOR.size:
        raise _error(subject, 0, f"{len(data)} bytes", "a whole header")
    crc, version, active, previous, size, offset, _, states, _ = _HEADER.unpack_from(data)
    if version != VERSION:
        raise _error(subject, 4, f"version {version}", VERSION)
    if size > min(len(data), MAX_SIZE) or size < _HEADER.size + _DESCRIPTOR.size:
        raise _error(subject, 16, f"metadata_size {size}", f"up to {min(len(data), MAX_SIZE)}")
    if crc != zlib.crc32(data[4:size]):
        raise _error(subject, 0, f"crc_32 {crc:#010x}", f"{zlib.crc32(data[4:size]):#010x}")
    if offset != _HEADER.size:
        raise _error(subject, 20, f"desc_offset {offset}", _HEADER.size)
    banks, _, count, entry_size, info_size = _DESCRIPTOR.unpack_from(data, offset)
    if banks != BANKS:
        raise _error(subject, offset, f"{banks} banks", BANKS)
    if (entry_size, info_size) != (_ENTRY_SIZE, _BANK_INFO.size):
        raise _error(subject, offset + 4, (entry_size, info_size), (_ENTRY_SIZE, _BANK_INFO.size))
    if behind := size - (offset + _DESCRIPTOR.size + count * _ENTRY_SIZE):
        found = f"{behind} bytes behind the images" if behind > 0 else f"num_images {count}"
        raise _error(subject, offset + 2, found, f"as many as fit {size} bytes")
    if active >= BANKS or previous >= BANKS:
        raise _error(subject, 8, f"banks {active} and {previous}", f"below {BANKS}")
    try:
        known = tuple(BankState(state) for state in states[:BANKS])
    except ValueError:
        raise _error(subject, 24, f"bank_state {states.hex()}", "fc, fe or ff each") from None
    first = offset + _DESCRIPTOR.size
    images = tuple(_entry(data, first + index * _ENTRY_SIZE) for index in range(count))
    if len({entry.type for entry in images}) != count:
        raise _error(subject, first, "one image type twice")
    return Metadata(active, previous, known, images)


def _entry(data: bytes, offset: int) -> ImageEntry:
    kind, location = _IMAGE.unpack_from(data, offset)
    banks = []
    for bank in range(BANKS):
        image, accepted, _ = _BANK_INFO.unpack_from(data, offset + _IMAGE.size + bank * _BANK_INFO.size)
        banks.append(BankImage(Guid(image), bool(accepted & _ACCEPTED)))
    return ImageEntry(Guid(kind), Guid(location), tuple(banks))


def alternate_bank(metadata: Metadata) -> int | None:
    """The bank to boot when the active one will not do, or None (TF-A ``fwu_get_alternate_boot_bank``)."""
    for state in (BankState.ACCEPTED, BankState.VALID):
        for bank in (metadata.previous, metadata.update):
            if bank != metadata.active and metadata.states[bank] is state:
                return bank
    return None


def _error(subject: str, offset: int, found: object, expected: object = None) -> StoreError:
    return StoreError(Violation.METADATA, subject=subject, offset=offset, found=found, expected=expected)
