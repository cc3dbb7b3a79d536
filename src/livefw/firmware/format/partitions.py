# SPDX-License-Identifier: Apache-2.0
"""The GUID partition table (UEFI 2.10, 5.3) of the image of a disk or of a flash.

The first table counts if its CRCs hold, else the one at the end, as firmware chooses. A protective MBR is not needed.
"""

import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from livefw.abi.guid import Guid
from livefw.firmware.format.source import BoundedFile, FormatError

MAGIC = b"EFI PART"
BLOCKS = (512, 4096)
"""Bytes of a logical block: nothing in the table says which."""
MAX_TABLE = 1 << 18
"""Bytes of all entries. Attack: count and size of entries are 32-bit. 128 entries of 128 bytes are the rule."""

MAX_PARTITIONS = 256
"""Attack: each is looked into. Telephones have a hundred."""

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_CRC_AT = 16

TYPES = {
    Guid.parse_efi(text): name
    for text, name in (
        ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system partition"),
        ("8a7a84a0-8387-40f6-ab41-a8b9a5a60d23", "FWU metadata"),
        ("19d5df83-11b0-457b-be2c-7559c13142a5", "FIP"),
        ("2e54b353-1271-4842-806f-e436d6af6985", "FSBL of an SoC"),
        ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"),
        ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"),
    )
}
"""Types that boards use for firmware, or beside it (DEN0118; TF-A's STM32MP and U-Boot)."""


class Partition(NamedTuple):
    """``size`` bytes at ``offset``. ``number`` counts from 1, as the kernel does."""

    number: int
    name: str
    type: Guid
    guid: Guid
    offset: int
    size: int
    attributes: int


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """A table whose CRCs hold; ``note`` is what is wrong with the other one, if anything is."""

    guid: Guid
    block: int
    partitions: tuple[Partition, ...]
    note: str = ""


def is_disk(data: bytes) -> bool:
    """Whether a file that begins so has a partition table."""
    return any(data[block : block + len(MAGIC)] == MAGIC for block in BLOCKS)


def read(file: BinaryIO) -> PartitionTable:
    """The partitions, by number; `FormatError` if neither table is whole."""
    source = BoundedFile(file)
    block = next((size for size in BLOCKS if _magic(source, size) == MAGIC), BLOCKS[0])
    try:
        table, backup = _table(source, block, block)
    except FormatError as error:
        return _backup(source, block, error)
    try:
        _table(source, block, backup * block)
    except FormatError as error:
        return PartitionTable(table.guid, block, table.partitions, f"the backup is damaged: {error}")
    return table


def _backup(source: BoundedFile, block: int, error: FormatError) -> PartitionTable:
    try:
        table, _ = _table(source, block, source.size // block * block - block)
    except FormatError:
        raise error from None
    return PartitionTable(table.guid, block, table.partitions, f"the first table is damaged: {error}")


def _magic(source: BoundedFile, at: int) -> bytes:
    return source.take(at, len(MAGIC), "the table") if source.size >= at + len(MAGIC) else b""


def _table(source: BoundedFile, block: int, at: int) -> tuple[PartitionTable, int]:
    """The table with a header at an offset, and in which block its twin is."""
    raw = source.take(at, _HEADER.size, "the header of the partition table")
    magic, _, size, crc, _, _, twin, _, _, disk, first, count, each, entries_crc = _HEADER.unpack(raw)
    if magic != MAGIC:
        source.fail(f"no {MAGIC.decode()}", at)
    if not _HEADER.size <= size <= block:
        source.fail(f"a header of {size} bytes, and {_HEADER.size} to {block} are possible", at + 12)
    header = source.take(at, size, "the header of the partition table")
    if zlib.crc32(header[:_CRC_AT] + bytes(4) + header[_CRC_AT + 4 :]) != crc:
        source.fail("the CRC of the header is wrong", at + _CRC_AT)
    if each < _ENTRY.size or each % 8 or count * each > MAX_TABLE:
        source.fail(f"{count} entries of {each} bytes, more than {MAX_TABLE} or not of a possible size", at + 80)
    entries = source.take(first * block, count * each, "the partition table")
    if zlib.crc32(entries) != entries_crc:
        source.fail("the CRC of the entries is wrong", at + 88)
    rows = (
        _partition(source, block, number, entries[number * each : number * each + _ENTRY.size], first * block)
        for number in range(count)
    )
    found = tuple(filter(None, rows))
    if len(found) > MAX_PARTITIONS:
        source.fail(f"{len(found)} partitions, more than {MAX_PARTITIONS}", first * block)
    # Attack: partitions in one place are work without end, and change each other.
    for before, after in pairwise(sorted(found, key=lambda each: each.offset)):
        if before.offset + before.size > after.offset:
            source.fail(f"partitions {before.number} and {after.number} share blocks", first * block)
    return PartitionTable(Guid(disk), block, found), twin


def _partition(source: BoundedFile, block: int, number: int, entry: bytes, table: int) -> Partition | None:
    kind, guid, first, last, attributes, name = _ENTRY.unpack(entry)
    if not any(kind):
        return None
    if not first <= last or (last + 1) * block > source.size:
        source.fail(f"partition {number + 1} is blocks {first} to {last}, and the file has {source.size} bytes", table)
    text = name.decode("utf-16-le", "replace").split("\0", 1)[0]
    size = (last + 1 - first) * block
    return Partition(number + 1, text, Guid(kind), Guid(guid), first * block, size, attributes)
