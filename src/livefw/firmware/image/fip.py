# SPDX-License-Identifier: Apache-2.0
"""TF-A's Firmware Image Package (FIP): a table of contents (ToC) and the payloads it points to.

All integers are little-endian (TF-A ``include/tools_share/firmware_image_package.h``):

    header   u32 name 0xAA640001, u32 serial number, u64 flags (bits 47:32 belong to the platform)
    entry    16-byte GUID, u64 offset from the start of the package, u64 size, u64 flags
    end      an entry with GUID 0, whose offset is the size of the package

Reading takes the table of contents only, so a package of any size costs at most `TOC_LIMIT` bytes of memory, and no
entry is believed before all of them are checked.
"""

import io
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from livefw.abi.guid import Guid
from livefw.firmware.image.errors import PackageError, Violation
from livefw.firmware.image.names import ORDER, label

MAGIC = 0xAA640001
SERIAL = 0x12345678
"""The serial number that fiptool writes."""

MAX_ENTRIES = 512
"""Attack: a table of a million entries makes the reader's memory and time a function of the sender's wish. fiptool
knows 34 names, and the largest platform adds a few dozen partitions."""

MAX_ALIGNMENT = 1 << 30
CHUNK = 1 << 20

_HEADER = struct.Struct("<IIQ")
_ENCRYPTED = struct.Struct("<IHHHH")
_VECTOR_AND_TAG = struct.Struct("<16s16s")
_ENTRY = struct.Struct("<16sQQQ")
_END = bytes(16)
_U64 = (1 << 64) - 1
_PLATFORM_FLAGS = 0xFFFF << 32
TOC_LIMIT = _HEADER.size + (MAX_ENTRIES + 1) * _ENTRY.size


class FipEntry(NamedTuple):
    """One image of a package: ``size`` bytes at ``offset`` from its start."""

    guid: Guid
    offset: int
    size: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Fip:
    """A checked table of contents. ``size`` is what the end marker says, which readers of TF-A ignore."""

    entries: tuple[FipEntry, ...]
    flags: int
    serial: int
    size: int

    @property
    def platform_flags(self) -> int:
        """The 16 bits of the header that belong to the platform (fiptool ``--plat-toc-flags``)."""
        return self.flags >> 32 & 0xFFFF

    def find(self, guid: Guid) -> FipEntry | None:
        """The entry with this GUID, if there is one."""
        return next((entry for entry in self.entries if entry.guid == guid), None)

    def __getitem__(self, guid: Guid) -> FipEntry:
        entry = self.find(guid)
        if entry is None:
            raise PackageError(Violation.FIP_MISSING, subject=label(guid))
        return entry


class Payload(NamedTuple):
    """An image to be written: ``chunks()`` yields exactly ``size`` bytes, and may be called more than once."""

    guid: Guid
    size: int
    chunks: Callable[[], Iterable[bytes]]
    flags: int = 0

    @classmethod
    def of(cls, guid: Guid, data: bytes, flags: int = 0) -> "Payload":
        """An image that is in memory."""
        return cls(guid, len(data), lambda: (data,), flags)

    @classmethod
    def from_package(cls, file: BinaryIO, entry: FipEntry) -> "Payload":
        """An image of a package that stays open while this one is used."""
        return cls(entry.guid, entry.size, lambda: read_chunks(file, entry), entry.flags)


def is_encrypted(data: bytes) -> bool:
    """Whether this is the beginning of an image that encrypt_fw has encrypted, which has the magic of a package.

    Algorithm 0 is AES-GCM, flag 1 the key that is the device's own (TF-A, ``firmware_encrypted.h``).
    """
    if len(data) < _ENCRYPTED.size:
        return False
    magic, algorithm, flags, vector, tag = _ENCRYPTED.unpack_from(data)
    return magic == MAGIC and algorithm == 0 and flags in (0, 1) and 0 < vector <= 16 and tag == 16


class EncryptionHeader(NamedTuple):
    """What stands before an encrypted image; with ``device_key`` by a key of the device's own."""

    device_key: bool
    vector: bytes
    tag: bytes

    @classmethod
    def decode(cls, data: bytes) -> "EncryptionHeader":
        """The header of data for which `is_encrypted` holds; PackageError with FIP_TRUNCATED."""
        if len(data) < ENCRYPTION_BYTES:
            raise PackageError(
                Violation.FIP_TRUNCATED, offset=len(data), expected=f"{ENCRYPTION_BYTES} bytes of header"
            )
        _, _, flags, size, _ = _ENCRYPTED.unpack_from(data)
        vector, tag = _VECTOR_AND_TAG.unpack_from(data, _ENCRYPTED.size)
        return cls(bool(flags), vector[:size], tag)


ENCRYPTION_BYTES = _ENCRYPTED.size + _VECTOR_AND_TAG.size


def read(file: BinaryIO) -> Fip:
    """Read and check the table of contents of a seekable file that holds a package from its start.

    Raises:
        PackageError: a FIP_* rule, with the offset in the file of the structure that broke it.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    return _parse(file.read(TOC_LIMIT), end)


def parse(data: bytes) -> Fip:
    """Check the table of contents of a package in memory; PackageError as for `read`."""
    return _parse(data[:TOC_LIMIT], len(data))


def read_chunks(file: BinaryIO, entry: FipEntry, chunk: int = CHUNK) -> Iterator[bytes]:
    """Yield the payload of an entry in pieces of ``chunk`` bytes; PackageError if the file became shorter."""
    position, end = entry.offset, entry.offset + entry.size
    while position < end:
        file.seek(position)
        data = file.read(min(chunk, end - position))
        if not data:
            raise PackageError(Violation.FIP_TRUNCATED, subject=label(entry.guid), offset=position, expected=end)
        yield data
        position += len(data)


def read_payload(file: BinaryIO, entry: FipEntry) -> bytes:
    """A whole payload. The caller bounds ``entry.size`` first; the file bounds it in any case."""
    return b"".join(read_chunks(file, entry))


def layout(images: Sequence[tuple[Guid, int, int]], *, align: int = 1, platform_flags: int = 0, flags: int = 0) -> Fip:
    """Place images (GUID, size, flags) one behind the other, each at a multiple of ``align``, as fiptool does.

    An empty one has no entry, and the space of one stays behind the table. ``flags`` are those of the header of which
    ``platform_flags`` replaces bits 47:32.

    Raises:
        PackageError: the alignment is not a power of two of at most 1 GiB, there are too many images, two have one
            GUID, one has the GUID 0 that ends the table, or a field does not fit.
    """
    if not 0 < align <= MAX_ALIGNMENT or align & (align - 1):
        raise PackageError(Violation.FIP_ALIGNMENT, found=align)
    if not 0 <= platform_flags <= 0xFFFF:
        raise PackageError(Violation.FIP_FIELD, subject="platform flags", found=platform_flags)
    if len(images) > MAX_ENTRIES:
        raise PackageError(Violation.FIP_ENTRY_LIMIT, found=len(images), expected=MAX_ENTRIES)
    position = _HEADER.size + (len(images) + 1) * _ENTRY.size
    entries = []
    for guid, size, entry_flags in images:
        if guid.raw == _END or not 0 <= size <= _U64 - position - align or not 0 <= entry_flags <= _U64:
            raise PackageError(Violation.FIP_FIELD, subject=label(guid), found=(size, entry_flags))
        position = _align(position, align) if size else position
        entries.append(FipEntry(guid, position, size, entry_flags))
        position += size
    _check_unique(entries)
    entries = [entry for entry in entries if entry.size]
    flags = flags & ~_PLATFORM_FLAGS | platform_flags << 32
    return Fip(tuple(entries), flags, SERIAL, _align(position, align))


def encode_toc(fip: Fip) -> bytes:
    """The bytes of header, table and end marker."""
    rows = [*fip.entries, FipEntry(Guid(_END), fip.size, 0)]
    table = b"".join(_ENTRY.pack(row.guid.raw, row.offset, row.size, row.flags) for row in rows)
    return _HEADER.pack(MAGIC, fip.serial, fip.flags) + table


def write(images: Iterable[Payload], *, align: int = 1, platform_flags: int = 0, flags: int = 0) -> Iterator[bytes]:
    """Yield the bytes of a package, in order and in pieces, holding one piece of one image at a time.

    Entries stand in the order of fiptool: known names first, in the order of `names.ENTRIES`, then the others as
    given. Gaps are zero. The result equals fiptool's byte for byte.

    Raises:
        PackageError: as `layout`; FIP_TRUNCATED if an image yields another number of bytes than it said.
    """
    ordered = sorted(images, key=lambda image: ORDER.get(image.guid, len(ORDER)))
    fip = layout(
        [(image.guid, image.size, image.flags) for image in ordered],
        align=align,
        platform_flags=platform_flags,
        flags=flags,
    )
    toc = encode_toc(fip)
    yield toc
    position = len(toc)
    for image, entry in zip((image for image in ordered if image.size), fip.entries, strict=True):
        yield from _zeros(entry.offset - position)
        written = 0
        for data in image.chunks():
            written += len(data)
            yield data
        if written != entry.size:
            raise PackageError(Violation.FIP_TRUNCATED, subject=label(entry.guid), found=written, expected=entry.size)
        position = entry.offset + entry.size
    yield from _zeros(fip.size - position)


def changed(
    file: BinaryIO, table: Fip, *, put: Sequence[Payload] = (), remove: Collection[Guid] = ()
) -> Sequence[Payload]:
    """The images of an open package after a change, for `write`, in the order of ``fiptool update`` and ``remove``:
    of those without a public name it writes what its command line names before what the package has.

    Raises:
        PackageError: FIP_MISSING, an image that is to be removed is not there.
    """
    for guid in remove:
        table[guid]
    gone = {*remove, *(image.guid for image in put)}
    return [*put, *(Payload.from_package(file, entry) for entry in table.entries if entry.guid not in gone)]


def dump(images: Iterable[Payload], *, align: int = 1, platform_flags: int = 0) -> bytes:
    """A package in memory; see `write`."""
    return b"".join(write(images, align=align, platform_flags=platform_flags))


def _parse(toc: bytes, end: int) -> Fip:
    """``toc`` is the start of a package of ``end`` bytes: all of it, or the first TOC_LIMIT bytes."""
    if len(toc) < _HEADER.size:
        raise PackageError(Violation.FIP_TRUNCATED, offset=len(toc), expected=f"a header of {_HEADER.size} bytes")
    magic, serial, flags = _HEADER.unpack_from(toc)
    if magic != MAGIC:
        raise PackageError(Violation.FIP_MAGIC, offset=0, found=f"{magic:#010x}", expected=f"{MAGIC:#010x}")
    if is_encrypted(toc):
        raise PackageError(Violation.IMAGE_ENCRYPTED, offset=0)
    entries: list[FipEntry] = []
    offset = _HEADER.size
    while offset + _ENTRY.size <= len(toc):
        raw, start, size, entry_flags = _ENTRY.unpack_from(toc, offset)
        if raw == _END:
            _check(entries, toc_end=offset + _ENTRY.size, end=end)
            return Fip(tuple(entries), flags, serial, start)
        entries.append(FipEntry(Guid(raw), start, size, entry_flags))
        offset += _ENTRY.size
    if len(entries) > MAX_ENTRIES:
        raise PackageError(Violation.FIP_ENTRY_LIMIT, offset=offset, expected=f"at most {MAX_ENTRIES}")
    raise PackageError(Violation.FIP_TERMINATOR, offset=offset)


def _check(entries: Sequence[FipEntry], *, toc_end: int, end: int) -> None:
    for index, entry in enumerate(entries):
        # Attack: offset and size are 64-bit and chosen by the sender; their sum wraps in fixed-width arithmetic and
        # then passes a test against the end. Python's integers do not wrap, and the test stays a subtraction.
        if entry.offset > end or entry.size > end - entry.offset:
            raise PackageError(
                Violation.FIP_BOUNDS,
                subject=label(entry.guid),
                offset=_HEADER.size + index * _ENTRY.size,
                found=f"{entry.offset:#x}+{entry.size:#x}",
                expected=f"at most {end:#x}",
            )
    # Attack: a payload that shares bytes with the table or with another payload changes when that one is updated,
    # after its own hash was checked.
    occupied = sorted((entry.offset, entry.offset + entry.size, entry.guid) for entry in entries if entry.size)
    for (_, before, _), (start, _, guid) in pairwise([(0, toc_end, Guid(_END)), *occupied]):
        if start < before:
            raise PackageError(Violation.FIP_OVERLAP, subject=label(guid), offset=start, expected=f"from {before:#x}")
    _check_unique(entries)


def _check_unique(entries: Sequence[FipEntry]) -> None:
    # Attack: with two entries of one GUID the one that is authenticated need not be the one that is loaded.
    seen: set[Guid] = set()
    for index, entry in enumerate(entries):
        if entry.guid in seen:
            raise PackageError(
                Violation.FIP_DUPLICATE, subject=label(entry.guid), offset=_HEADER.size + index * _ENTRY.size
            )
        seen.add(entry.guid)


def _align(position: int, align: int) -> int:
    return position + align - 1 & ~(align - 1)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, CHUNK))
        count -= CHUNK
