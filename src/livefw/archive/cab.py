# SPDX-License-Identifier: Apache-2.0
"""``.cab`` archives as the LVFS keeps them: images, and for each a metainfo that says for whom it is.

Anybody may send one, so its tables are surveyed before anything is unpacked, and bounded by what they cost: bytes and
time. Layout: MS-CAB, section 2.1 to 2.4, and MS-MCI for MSZIP. Signatures that the LVFS adds (``.jcat``) are handed on
as they are (`livefw.activation.images.signatures`).
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple, NoReturn

from livefw import libraries
from livefw.archive import metainfo
from livefw.archive.metainfo import Metainfo, RejectedRelease
from livefw.errors import UsageError

MAGIC = b"MSCF"
PHASE = "archive"
"""``phase`` of every error about what is in an archive."""
MOST_BYTES = 128 << 20
"""Of all folders together once they are unpacked, and of all members: members may overlap, and each is a copy."""
_MOST_BLOCK = 1 << 15
"""Bytes of an unpacked block (MS-CAB)."""
_MOST_METAINFO = 4 << 20
"""Bytes of all metainfo together, which takes a second to read; an archive of the LVFS has some thousands."""
_MOST_CATALOGS = 8
"""Catalogs of signatures, each of which is unpacked. The LVFS adds one."""
_MOST_NAME = 256
"""Bytes of a name with its end (MS-CAB)."""

_HEADER = struct.Struct("<4sxxxxIxxxxIxxxxBBHHHHH")
_RESERVE = struct.Struct("<HBB")
_FOLDER = struct.Struct("<IHH")
_FILE = struct.Struct("<IIHHHH")
_BLOCK = struct.Struct("<IHH")
_SIZES = struct.Struct("<HH")
_IN_A_SET, _HAS_RESERVE = 3, 4
_PLAIN, _MSZIP = 0, 1
_KIND = 0xF
_KINDS = {2: "Quantum", 3: "LZX"}


class CabImage(NamedTuple):
    """An image and what its metainfo says.

    ``source`` is that metainfo as it is, with its name; ``catalogs`` are the ``.jcat`` of the archive.
    """

    about: Metainfo
    payload: bytes
    source: tuple[str, bytes] = ("", b"")
    catalogs: tuple[bytes, ...] = ()

    @property
    def guids(self) -> tuple[str, ...]:
        """What it is for, as `RejectedRelease` has it."""
        return self.about.guids

    @property
    def version(self) -> str:
        """As its metainfo writes it."""
        return self.about.version


class _Block(NamedTuple):
    checksum: int
    start: int
    packed: int
    unpacked: int


class _Folder(NamedTuple):
    kind: int
    blocks: tuple[_Block, ...]


class _Member(NamedTuple):
    """A file of an archive; ``name`` is without its path, ``folder`` the number of the folder that contains it."""

    name: str
    folder: int
    start: int
    size: int


_Members = dict[str, list[bytes]]
"""The files of each name; those whose name nobody could use are left out."""


def is_archive(data: bytes) -> bool:
    """Whether this is to be read as an archive, and not to be handed over as it is."""
    return data.startswith(MAGIC)


def read(data: bytes, *, most: int | None = None) -> tuple[CabImage, ...]:
    """All images of an archive that are as their metainfo says. `UsageError` with the phase `PHASE` if there is none.

    ``most`` is the bound in place of `MOST_BYTES`. Unpacking holds an archive three times.
    """
    entries = read_each(data, most=most)
    images = tuple(each for each in entries if isinstance(each, CabImage))
    if not images:
        raise next(each.error for each in entries if isinstance(each, RejectedRelease))
    return images


def read_each(data: bytes, *, most: int | None = None) -> tuple[CabImage | RejectedRelease, ...]:
    """Each release of each metainfo, in the order of the archive: its image, or why there is none.

    Raises:
        UsageError: the archive itself is damaged, or without metainfo. The phase is `PHASE`.
    """
    members = _unpack(data, most or MOST_BYTES)
    texts = {name: copies for name, copies in members.items() if name.endswith(".metainfo.xml")}
    if not texts:
        _fail("there is no metainfo in it", hint="livefw help image cab shows how to make one")
    if sum(len(text) for copies in texts.values() for text in copies) > _MOST_METAINFO:
        _fail(f"its metainfo has more than {_MOST_METAINFO >> 20} MiB")
    catalogs = tuple(each for name, copies in members.items() if name.endswith(".jcat") for each in copies)
    if len(catalogs) > _MOST_CATALOGS:
        _fail(f"it has more than {_MOST_CATALOGS} catalogs of signatures")
    return tuple(
        entry._replace(source=(name, text), catalogs=catalogs) if isinstance(entry, CabImage) else entry
        for name, copies in texts.items()
        for text in copies
        for entry in _entries(name, text, members)
    )


def write(image: CabImage) -> bytes:
    """An archive with one image; the same image gives the same bytes."""
    cabarchive = libraries.load("cabarchive")
    about = image.about._replace(checksums=(("sha256", sha256(image.payload).hexdigest()),))
    members = {about.filename: image.payload, f"{about.ident}.metainfo.xml": metainfo.write(about, len(image.payload))}
    archive = cabarchive.CabArchive()
    for name, data in members.items():
        archive[name] = cabarchive.CabFile(data)
    packed: bytes = archive.save(compress=True)
    return packed


def _entries(name: str, text: bytes, members: _Members) -> Iterator[CabImage | RejectedRelease]:
    claimed: dict[str, str] = {}
    try:
        releases = metainfo.read_each(name, text)
    except UsageError as error:
        yield RejectedRelease((), "", error)
        return
    for about in releases:
        if isinstance(about, RejectedRelease):
            yield about
            continue
        try:
            yield _image(about, members, claimed.setdefault(about.filename, about.version))
        except UsageError as error:
            yield RejectedRelease(about.guids, about.version, error)


def _image(about: Metainfo, members: _Members, first: str) -> CabImage:
    """The image of a release; ``first`` is the version of the first release in its metainfo with that file."""
    payload, *others = members.get(about.filename) or (b"",)
    if not payload:
        _fail(f"{about.filename!r}, which the metainfo names, is not in it or empty")
    if others:
        _fail(f"{about.filename!r}, which the metainfo names, is in it {1 + len(others)} times")
    if not about.checksums and first != about.version:
        # Metainfo lists what there was before, and one file cannot be two versions.
        _fail(f"{about.filename!r} is the image of version {first[:40]!r}")
    for kind, digits in dict.fromkeys(about.checksums):
        if digits != metainfo.DIGESTS[kind](payload).hexdigest():
            _fail(f"the {kind} of {about.filename!r} is not the one in the metainfo")
    if about.size not in (None, len(payload)):
        _fail(f"{about.filename!r} has {len(payload)} bytes, and {about.size} by the metainfo")
    return CabImage(about, payload)


def _unpack(data: bytes, most: int) -> _Members:
    try:
        folders, members = _survey(data, most)
    except struct.error:
        _fail("it ends too early")
    contents = [_inflated(data, folder) for folder in folders]
    found: _Members = {}
    for name, folder, start, size in members:
        if folder >= len(contents) or start + size > len(contents[folder]):
            _fail(f"{name[:40]!r} is not inside its folder")
        if metainfo.is_name(name):
            found.setdefault(name, []).append(contents[folder][start : start + size])
    return found


def _survey(data: bytes, most: int) -> tuple[list[_Folder], list[_Member]]:
    """What there is to be unpacked; refuses what would cost more than the bound. struct.error if it is cut off."""
    magic, size, files_at, minor, major, folders, members, flags, _, index = _HEADER.unpack_from(data)
    if magic != MAGIC or (major, minor) != (1, 3) or flags & _IN_A_SET or index:
        _fail("it is not a cabinet of version 1.3, or is part of a set")
    if size > len(data):
        _fail("it ends too early")
    at, of_folder, of_block = _HEADER.size, 0, 0
    if flags & _HAS_RESERVE:
        of_header, of_folder, of_block = _RESERVE.unpack_from(data, at)
        at += _RESERVE.size + of_header
    found: list[_Folder] = []
    packed = unpacked = 0
    for number in range(folders):
        found.append(_folder(data, at + number * (_FOLDER.size + of_folder), of_block))
        packed += sum(_BLOCK.size + block.packed for block in found[-1].blocks)
        unpacked += sum(block.unpacked for block in found[-1].blocks)
        if packed > len(data):
            _fail("its folders have blocks in common")
        if unpacked > most:
            _fail(f"unpacked, it has more than {most >> 20} MiB")
    files = list(_members(data, files_at, members))
    if sum(each.size for each in files) > most:
        _fail(f"unpacked, it has more than {most >> 20} MiB")
    return found, files


def _folder(data: bytes, at: int, of_block: int) -> _Folder:
    at, count, kind = _FOLDER.unpack_from(data, at)
    if kind & _KIND not in (_PLAIN, _MSZIP):
        _fail(f"it is compressed by {_KINDS.get(kind & _KIND, f'the unknown method {kind & _KIND}')}, not by MSZIP")
    blocks = []
    for _ in range(count):
        checksum, packed, unpacked = _BLOCK.unpack_from(data, at)
        if unpacked > _MOST_BLOCK:
            _fail(f"it has a block of more than {_MOST_BLOCK} bytes")
        at += _BLOCK.size + of_block
        blocks.append(_Block(checksum, at, packed, unpacked))
        at += packed
    if at > len(data):
        _fail("it ends too early")
    return _Folder(kind & _KIND, tuple(blocks))


def _members(data: bytes, at: int, count: int) -> Iterator[_Member]:
    for _ in range(count):
        size, start, folder, *_ = _FILE.unpack_from(data, at)
        at += _FILE.size
        end = data.find(b"\0", at, at + _MOST_NAME)
        if end < 0:
            _fail(f"the name of a member has no end: {data[at : at + 40]!r}")
        # A driver package of Windows has its files in a directory (fwupd #392). Nobody names one in another way.
        yield _Member(metainfo.base_name(data[at:end].decode(errors="replace")), folder, start, size)
        at = end + 1


def _inflated(data: bytes, folder: _Folder) -> bytes:
    """All bytes of a folder. `UsageError`"""
    pieces: list[bytes] = []
    for checksum, start, packed, unpacked in folder.blocks:
        block = data[start : start + packed]
        if checksum and checksum != _checksum(_SIZES.pack(packed, unpacked), _checksum(block)):
            _fail("a checksum in it does not match: it is damaged")
        if folder.kind == _MSZIP:
            block = _inflate(block, pieces[-1] if pieces else b"", unpacked)
        if len(block) != unpacked:
            _fail(f"a block has {len(block)} bytes, and {unpacked} by its header")
        pieces.append(block)
    return b"".join(pieces)


def _inflate(block: bytes, before: bytes, size: int) -> bytes:
    """A block of MSZIP, which may refer to the one before; at most one byte more than it has to have."""
    if block[:2] != b"CK":
        _fail("a block in it does not begin as MSZIP does")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS, zdict=before).decompress(block[2:], size + 1)
    except zlib.error as error:
        _fail(f"a block in it cannot be unpacked ({error})")


def _checksum(data: bytes, seed: int = 0) -> int:
    """The exclusive or of 32-bit words (MS-CAB, 3.1); bytes that are left over count with the first one highest."""
    whole = len(data) & ~3
    value = int.from_bytes(data[:whole], "little")
    words = whole // 4
    while words > 1:  # by halves: a number of any size is one operation
        low = words // 2
        value, words = (value >> 32 * low) ^ (value & (1 << 32 * low) - 1), words - low
    return seed ^ value ^ int.from_bytes(data[whole:], "big")


def _fail(why: str, *, hint: str = "") -> NoReturn:
    raise UsageError(f"the archive is rejected: {why}", hint=hint, phase=PHASE)
