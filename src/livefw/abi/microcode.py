# SPDX-License-Identifier: Apache-2.0
"""Headers of Intel microcode files (Intel SDM vol. 3, microcode update; Linux ``struct microcode_header_intel``)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("<12I")
_VERSION = 1
_LOADER = 1
_DEFAULT_DATA = 2000
_EXTENDED = struct.Struct("<II12x")
_SIGNATURE = struct.Struct("<III")
_MOST_SIGNATURES = 64


class Patch(NamedTuple):
    """One update: its revision, the lowest revision it may be loaded upon while running (0: not said), and for whom.

    ``cpus`` are pairs of CPUID.1:EAX and a mask of platform flags, ``date`` is binary coded decimal, mmddyyyy, and
    ``size`` is all of it in bytes.
    """

    revision: int
    date: int
    minimum: int
    cpus: tuple[tuple[int, int], ...]
    size: int

    def fits(self, signature: int, flags: int) -> bool:
        """Whether it is for this CPU; a patch with an empty mask is for all platforms."""
        return any(known == signature and (mask & flags or not mask) for known, mask in self.cpus)


def is_update(data: bytes) -> bool:
    """Whether an update begins so. There is no magic, but few values that are possible: nothing is proved by it."""
    if len(data) < _HEADER.size:
        return False
    version, _, date, _, _, loader, _, size, total, *_ = _HEADER.unpack_from(data)
    digits = f"{date:08x}"
    if (version, loader) != (_VERSION, _LOADER) or size % 4 or total % 4 or not digits.isdecimal():
        return False
    month, day, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    return 1 <= month <= 12 and 1 <= day <= 31 and 1990 <= year < 2100


def patches(data: bytes) -> Iterator[Patch]:
    """All updates of a file, each with its checksum proved; ValueError if it is no such file."""
    place = 0
    while place < len(data):
        if len(data) < place + _HEADER.size:
            raise ValueError("it ends within a header")
        head = _HEADER.unpack_from(data, place)
        version, revision, date, signature, _, _, flags, size, total, _, minimum, _ = head
        size, total = size or _DEFAULT_DATA, total or _DEFAULT_DATA + _HEADER.size
        if version != _VERSION or size % 4 or total % 4 or not _HEADER.size + size <= total <= len(data) - place:
            raise ValueError("a header is invalid")
        part = data[place : place + _HEADER.size + size]
        if sum(struct.unpack(f"<{len(part) // 4}I", part)) & 0xFFFFFFFF:
            raise ValueError(f"the checksum of revision {revision:#x} is wrong")
        more = _extended(data[place + _HEADER.size + size : place + total], signature + flags + head[4])
        yield Patch(revision, date, minimum, ((signature, flags), *more), total)
        place += total


def _extended(table: bytes, head: int) -> Iterator[tuple[int, int]]:
    """The table of further CPUs; ``head`` is the sum of the header's words in whose place those of a row are put."""
    if len(table) < _EXTENDED.size:
        return
    count, _ = _EXTENDED.unpack_from(table)
    if count > _MOST_SIGNATURES or len(table) < _EXTENDED.size + count * _SIGNATURE.size:
        raise ValueError("the table of signatures is invalid")
    used = _EXTENDED.size + count * _SIGNATURE.size
    if sum(struct.unpack(f"<{used // 4}I", table[:used])) & 0xFFFFFFFF:
        raise ValueError("the checksum of the table of signatures is wrong")
    for index in range(count):
        signature, flags, checksum = _SIGNATURE.unpack_from(table, _EXTENDED.size + index * _SIGNATURE.size)
        if (signature + flags + checksum - head) & 0xFFFFFFFF:
            raise ValueError(f"the checksum of signature {signature:#x} is wrong")
        yield signature, flags
