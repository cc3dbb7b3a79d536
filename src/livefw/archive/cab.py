# SPDX-License-Identifier: Apache-2.0
"""``.cab`` archives as the LVFS keeps them: images, and for each a metainfo that says for whom it is.

Anybody may send one, so the headers are surveyed before `cabarchive` unpacks anything: it believes every number in
them. Layout: MS-CAB, section 2.1 to 2.4. Signatures that the LVFS adds (``.jcat``) are not looked at, for they are not
what makes an image authentic here: the mechanism verifies what it is handed.
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple, NoReturn

from livefw import libraries
from livefw.archive import metainfo
from livefw.archive.metainfo import Metainfo
from livefw.errors import UsageError

MAGIC = b"MSCF"
PHASE = "archive"
"""``phase`` of every error about what is in an archive."""
MOST_BYTES = 128 << 20
"""Of all folders together once they are unpacked, and of all members: a folder may be named by 65,535 members, and one
block of data by four folders and more, each of which would be a copy."""
_MOST_MEMBERS = 64
"""Of 65,535 possible ones, each with a search for its name."""
_MOST_FOLDERS = 16
"""Of 65,535 possible ones, which may all have the same 65,535 blocks."""
_MOST_BLOCK = 1 << 15
"""Bytes of an unpacked block (MS-CAB). One that lies is found when it is unpacked: 64 KiB become 64 MiB at most."""
_MOST_NAME = 255

_HEADER = struct.Struct("<4sxxxxIxxxxIxxxxBBHHHHH")
_RESERVE = struct.Struct("<HBB")
_FOLDER = struct.Struct("<IHH")
_FILE = struct.Struct("<IIHHHH")
_BLOCK = struct.Struct("<IHH")
_IN_A_SET, _HAS_RESERVE = 3, 4


class CabImage(NamedTuple):
    """An image and what its metainfo says."""

    about: Metainfo
    payload: bytes


def is_archive(data: bytes) -> bool:
    """Whether this is to be read as an archive, and not to be handed over as it is."""
    return data.startswith(MAGIC)


def read(data: bytes, *, most: int | None = None) -> tuple[CabImage, ...]:
    """All images of an archive, whose checksums hold. `UsageError` with the phase `PHASE`.

    ``most`` is the bound in place of `MOST_BYTES`. Unpacking holds an archive three times.
    """
    members = _unpack(data, most or MOST_BYTES)
    found = tuple(
        _image(metainfo.read(name, text), members) for name, text in members.items() if name.endswith(".metainfo.xml")
    )
    return found or _fail("there is no metainfo in it", hint="livefw help image cab shows how to make one")


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


def _image(about: Metainfo, members: dict[str, bytes]) -> CabImage:
    payload = members.get(about.filename)
    if not payload:
        _fail(f"{about.filename!r}, which the metainfo names, is not in it or empty")
    for kind, digits in dict.fromkeys(about.checksums):
        if digits != metainfo.DIGESTS[kind](payload).hexdigest():
            _fail(f"the {kind} of {about.filename!r} is not the one in the metainfo")
    if about.size not in (None, len(payload)):
        _fail(f"{about.filename!r} has {len(payload)} bytes, and {about.size} by the metainfo")
    return CabImage(about, payload)


def _unpack(data: bytes, most: int) -> dict[str, bytes]:
    try:
        names = _survey(data, most)
    except struct.error:
        _fail("it ends too early")
    cabarchive = libraries.load("cabarchive")
    try:
        members = {name: file.buf for name, file in cabarchive.CabArchive(data).items()}
    except (cabarchive.CorruptionError, cabarchive.NotSupportedError, ValueError, LookupError, zlib.error) as error:
        _fail(f"{error}" or "it is damaged")
    if members.keys() != names:
        _fail("its members are not those of its table")
    return members


def _survey(data: bytes, most: int) -> set[str]:
    """The names of the members; refuses what would cost more than the bounds allow. struct.error if it is cut off."""
    magic, _, files_at, _, _, folders, members, flags, _, _ = _HEADER.unpack_from(data)
    if magic != MAGIC or flags & _IN_A_SET:
        _fail("it is not a cabinet, or is part of a set")
    if folders > _MOST_FOLDERS or members > _MOST_MEMBERS:
        _fail(f"it has {folders} folders and {members} members, more than {_MOST_FOLDERS} and {_MOST_MEMBERS}")
    at, of_folder, of_block = _HEADER.size, 0, 0
    if flags & _HAS_RESERVE:
        of_header, of_folder, of_block = _RESERVE.unpack_from(data, at)
        at += _RESERVE.size + of_header
    unpacked = sum(_folder(data, at + index * (_FOLDER.size + of_folder), of_block) for index in range(folders))
    files = list(_files(data, files_at, members))
    if max(unpacked, sum(size for _, size in files)) > most:
        _fail(f"unpacked, it has more than {most >> 20} MiB")
    names = {name for name, _ in files}
    if len(names) != members:
        _fail("two of its members have the same name")
    return names


def _folder(data: bytes, at: int, of_block: int) -> int:
    """Bytes of a folder when it is unpacked."""
    at, blocks, _ = _FOLDER.unpack_from(data, at)
    total = 0
    for _ in range(blocks):
        _, packed, unpacked = _BLOCK.unpack_from(data, at)
        if unpacked > _MOST_BLOCK:
            _fail(f"it has a block of more than {_MOST_BLOCK} bytes")
        at += _BLOCK.size + of_block + packed
        total += unpacked
    return total


def _files(data: bytes, at: int, count: int) -> Iterator[tuple[str, int]]:
    """Name and size of each member."""
    for _ in range(count):
        size, *_ = _FILE.unpack_from(data, at)
        at += _FILE.size
        end = data.find(b"\0", at, at + _MOST_NAME)
        raw = data[at:end] if end >= 0 else b""
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = ""
        # A name goes to the mechanism with its image; none may be a path.
        if not metainfo.is_name(name):
            _fail(f"a member has an invalid name: {raw[:40]!r}")
        yield name, size
        at = end + 1


def _fail(why: str, *, hint: str = "") -> NoReturn:
    raise UsageError(f"the archive is rejected: {why}", hint=hint, phase=PHASE)
