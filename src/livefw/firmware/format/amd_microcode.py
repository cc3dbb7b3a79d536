# SPDX-License-Identifier: Apache-2.0
"""Containers of AMD's microcode (Linux ``arch/x86/kernel/cpu/microcode/amd.c``).

Little-endian; a file may have several containers, one behind the other:

    u32 magic "DMA\\0", u32 type 0, u32 size of the table
    per row: u32 CPUID.1:EAX of a CPU, u32 and u32 for errata, u16 equivalence id, u16; ended by a row of zeros
    per patch: u32 type 1, u32 size; u32 date (BCD, mmddyyyy), u32 revision, u16, u8, u8, u32, u32, u32,
               u16 equivalence id, ... 64 bytes altogether, then the patch

A patch is for the CPUs of which the table has its equivalence id. It is signed for the CPU, and nothing in it is a
checksum that could be compared here.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from livefw.firmware.format.source import BoundedFile

MAGIC = b"DMA\0"
_START = struct.Struct("<4sII")
_ROW = struct.Struct("<IIIHH")
_SECTION = struct.Struct("<II")
_PATCH = struct.Struct("<II16xH")
_EQUIVALENCES, _UPDATE = 0, 1
PATCH_HEADER = 64
MAX_PATCHES = 4096
"""Attack: a container of empty patches. Those of linux-firmware have below 30."""
_MAX_TABLE = 1 << 16


class AmdPatch(NamedTuple):
    """An update of ``size`` bytes at ``offset``; ``cpus`` are CPUID.1:EAX of whom it is for, if its id is known."""

    revision: int
    date: int
    """Binary coded decimal, mmddyyyy."""
    equivalence: int
    cpus: tuple[int, ...]
    offset: int
    size: int


def read(file: BinaryIO) -> tuple[AmdPatch, ...]:
    """All updates of all containers of a file; `FormatError`."""
    source = BoundedFile(file)
    found: list[AmdPatch] = []
    table: dict[int, tuple[int, ...]] = {}
    at = 0
    while at < source.size:
        if source.take(at, 4, "a section") == MAGIC:
            table, at = _table(source, at)
            continue
        kind, size = source.unpack(_SECTION, at, "a section")
        if kind != _UPDATE or size < PATCH_HEADER or at == 0:
            source.fail(f"a section of type {kind} and {size} bytes, where a patch or a container begins", at)
        if len(found) == MAX_PATCHES:
            source.fail(f"more than {MAX_PATCHES} patches", at)
        at += _SECTION.size
        date, revision, equivalence = source.unpack(_PATCH, at, "the header of a patch")
        source.take(at + size - 1, 1, "a patch")
        found.append(AmdPatch(revision, date, equivalence, table.get(equivalence, ()), at, size))
        at += size
    return tuple(found)


def _table(source: BoundedFile, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """Who has which equivalence id, and where the table ends."""
    _, kind, size = source.unpack(_START, at, "the header of a container")
    if kind != _EQUIVALENCES or size % _ROW.size or not 0 < size <= _MAX_TABLE:
        source.fail(f"a table of type {kind} and {size} bytes, where one of CPUs has to be", at + 4)
    found: dict[int, list[int]] = {}
    for cpu, ident in _rows(source.take(at + _START.size, size, "the table of CPUs")):
        found.setdefault(ident, []).append(cpu)
    return {ident: tuple(cpus) for ident, cpus in found.items()}, at + _START.size + size


def _rows(table: bytes) -> Iterator[tuple[int, int]]:
    for cpu, _, _, ident, _ in _ROW.iter_unpack(table):
        if not cpu:
            return
        yield cpu, ident
