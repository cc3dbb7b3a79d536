# SPDX-License-Identifier: Apache-2.0
"""PSA firmware update metadata, versions 1 and 2 (Arm DEN0118, "Metadata"; U-Boot ``fwu_mdata.h``).

Little-endian:

    u32 crc_32 (of all that follows), u32 version, u32 active_index, u32 previous_active_index
    in version 2 only:
        u32 metadata_size, u16 desc_offset, u16 reserved, u8 bank_state[4], u32 reserved
        at desc_offset: u8 num_banks, u8 reserved, u16 num_images, u16 img_entry_size, u16 bank_info_entry_size
    per image: 16-byte image type GUID, 16-byte location GUID,
               per bank: 16-byte image GUID, u32 accepted, u32 reserved
    in version 2 only: what a vendor appends, up to metadata_size

Version 1 states neither its size nor how many banks and images it has: its readers are built for a number of each.
Here they are those for which the CRC holds.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.firmware.image.errors import StoreError, Violation

VERSION = 2
MAX_BANKS = 4
MAX_IMAGES = 512
MAX_VENDOR = 64 << 10
"""Bytes that a vendor appends. Attack: the length is the sender's; a few hundred bytes are known."""

_START = struct.Struct("<IIII")
_HEADER = struct.Struct("<IIIIIHH4sI")
_DESCRIPTOR = struct.Struct("<BBHHH")
_IMAGE = struct.Struct("<16s16s")
_BANK_INFO = struct.Struct("<16sII")
_ACCEPTED = 1 << 0
_LIKELY = (2, 1, 3, 4)
"""Numbers of banks in version 1 where several fit: two are the default of U-Boot and of TF-A."""


def _entry_size(banks: int) -> int:
    return _IMAGE.size + banks * _BANK_INFO.size


MAX_SIZE = _HEADER.size + _DESCRIPTOR.size + MAX_IMAGES * _entry_size(MAX_BANKS) + MAX_VENDOR

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
    """The state of all banks.

    ``previous`` is as it is written: 0xffffffff, or any other number without a bank, where there was none before.
    Version 1 has no ``states``: a bank is accepted there if all its images are, else valid. ``extension`` are bytes
    between the header and the descriptor, ``vendor`` those behind the images; both are kept, and mean nothing here.
    """

    active: int
    previous: int
    states: tuple[BankState, ...]
    images: tuple[ImageEntry, ...] = ()
    version: int = VERSION
    extension: bytes = b""
    vendor: bytes = b""

    @property
    def update(self) -> int:
        """The bank where an update goes: the one after the active one, which itself is the only one of one bank."""
        return (self.active + 1) % len(self.states)

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
        if self.version == 1:
            return _with_crc(_START.pack(0, 1, self.active, self.previous)[4:] + entries)
        banks = len(self.states)
        descriptor = _DESCRIPTOR.pack(banks, 0, len(self.images), _entry_size(banks), _BANK_INFO.size)
        offset = _HEADER.size + len(self.extension)
        size = offset + len(descriptor) + len(entries) + len(self.vendor)
        states = bytes(self.states).ljust(MAX_BANKS, bytes([BankState.INVALID]))
        header = _HEADER.pack(0, VERSION, self.active, self.previous, size, offset, 0, states, 0)
        return _with_crc(header[4:] + self.extension + descriptor + entries + self.vendor)


def decode(data: bytes, subject: str = "metadata") -> Metadata:
    """Read one copy; StoreError with METADATA and the offset of the field if it is not whole and consistent.

    The CRC comes first: a copy that was torn by a power cut is not looked at.
    """
    if len(data) < _START.size:
        raise _error(subject, 0, f"{len(data)} bytes", "a whole header")
    crc, version, active, previous = _START.unpack_from(data)
    if version == 1:
        return _decode_1(data, subject, crc, active, previous)
    if version == VERSION:
        return _decode_2(data, subject, crc, active, previous)
    raise _error(subject, 4, f"version {version}", f"1 or {VERSION}")


def _decode_2(data: bytes, subject: str, crc: int, active: int, previous: int) -> Metadata:
    if len(data) < _HEADER.size + _DESCRIPTOR.size:
        raise _error(subject, 0, f"{len(data)} bytes", "a whole header")
    *_, size, offset, _, states, _ = _HEADER.unpack_from(data)
    if size > min(len(data), MAX_SIZE) or size < _HEADER.size + _DESCRIPTOR.size:
        raise _error(subject, 16, f"metadata_size {size}", f"up to {min(len(data), MAX_SIZE)}")
    if crc != zlib.crc32(data[4:size]):
        raise _error(subject, 0, f"crc_32 {crc:#010x}", f"{zlib.crc32(data[4:size]):#010x}")
    if not _HEADER.size <= offset <= size - _DESCRIPTOR.size:
        raise _error(subject, 20, f"desc_offset {offset}", f"{_HEADER.size} to {size - _DESCRIPTOR.size}")
    banks, _, count, entry_size, info_size = _DESCRIPTOR.unpack_from(data, offset)
    if not 1 <= banks <= MAX_BANKS:
        raise _error(subject, offset, f"{banks} banks", f"1 to {MAX_BANKS}")
    if (entry_size, info_size) != (_entry_size(banks), _BANK_INFO.size):
        raise _error(subject, offset + 4, (entry_size, info_size), (_entry_size(banks), _BANK_INFO.size))
    first = offset + _DESCRIPTOR.size
    end = first + count * entry_size
    if count > MAX_IMAGES or end > size or size - end > MAX_VENDOR:
        raise _error(subject, offset + 2, f"num_images {count}", f"as many as fit {size} bytes")
    if active >= banks:
        raise _error(subject, 8, f"active bank {active}", f"below {banks}")
    try:
        known = tuple(BankState(state) for state in states[:banks])
    except ValueError:
        raise _error(subject, 24, f"bank_state {states.hex()}", "fc, fe or ff each") from None
    images = tuple(_entry(data, first + index * entry_size, banks) for index in range(count))
    if len({entry.type for entry in images}) != count:
        raise _error(subject, first, "one image type twice")
    extension, vendor = data[_HEADER.size : offset], data[end:size]
    return Metadata(active, previous, known, images, extension=extension, vendor=vendor)


def _decode_1(data: bytes, subject: str, crc: int, active: int, previous: int) -> Metadata:
    """Of all numbers of banks and images those for which the CRC holds, and what then is read makes sense."""
    sizes = {_START.size + count * _entry_size(banks) for banks in _LIKELY for count in range(1, MAX_IMAGES + 1)}
    found, at = 0, 4
    for size in sorted(size for size in sizes if size <= len(data)):
        found, at = zlib.crc32(data[at:size], found), size
        if found != crc:
            continue
        for banks in _LIKELY:
            count, rest = divmod(size - _START.size, _entry_size(banks))
            if rest or active >= banks or not _plausible(data, banks, count):
                continue
            images = tuple(_entry(data, _START.size + index * _entry_size(banks), banks) for index in range(count))
            if len({entry.type for entry in images}) == count:
                states = (all(entry.banks[bank].accepted for entry in images) for bank in range(banks))
                known = tuple(BankState.ACCEPTED if accepted else BankState.VALID for accepted in states)
                return Metadata(active, previous, known, images, version=1)
    raise _error(subject, 0, f"version 1 and crc_32 {crc:#010x}", "the CRC of 1 to 4 banks with whole images")


def _plausible(data: bytes, banks: int, count: int) -> bool:
    """Whether each flag is 0 or 1 and each reserved field 0, so that these numbers are the right ones."""
    starts = (_START.size + index * _entry_size(banks) + _IMAGE.size for index in range(count))
    fields = (_BANK_INFO.unpack_from(data, start + bank * _BANK_INFO.size) for start in starts for bank in range(banks))
    return all(accepted <= 1 and not reserved for _, accepted, reserved in fields)


def _with_crc(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little") + body


def _entry(data: bytes, offset: int, count: int) -> ImageEntry:
    kind, location = _IMAGE.unpack_from(data, offset)
    banks = []
    for bank in range(count):
        image, accepted, _ = _BANK_INFO.unpack_from(data, offset + _IMAGE.size + bank * _BANK_INFO.size)
        banks.append(BankImage(Guid(image), bool(accepted & _ACCEPTED)))
    return ImageEntry(Guid(kind), Guid(location), tuple(banks))


def alternate_bank(metadata: Metadata) -> int | None:
    """The bank to boot when the active one will not do, or None (TF-A ``fwu_get_alternate_boot_bank``)."""
    banks: list[int] = [metadata.previous, *range(len(metadata.states))]
    for state in (BankState.ACCEPTED, BankState.VALID):
        for bank in banks:
            if bank != metadata.active and bank < len(metadata.states) and metadata.states[bank] is state:
                return bank
    return None


def _error(subject: str, offset: int, found: object, expected: object = None) -> StoreError:
    return StoreError(Violation.METADATA, subject=subject, offset=offset, found=found, expected=expected)
