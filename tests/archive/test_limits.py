# SPDX-License-Identifier: Apache-2.0
"""Each bound of an archive and its metainfo at its very limit: exactly as much is taken, and one more is not."""

import struct
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import cabarchive
import pytest

from livefw.archive import cab, metainfo
from livefw.archive.metainfo import Metainfo
from livefw.errors import UsageError

GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
PAYLOAD = b"version=1.9.0"
DIGITS = sha256(PAYLOAD).hexdigest()
ABOUT = Metainfo(
    "org.example.fw", "N", (GUID,), "1.9.0", "fw.bin", (("sha256", DIGITS),), summary="S", date="2026-01-31"
)
TEXT = metainfo.write(ABOUT, len(PAYLOAD))


def packed(members: dict[str, bytes]) -> bytes:
    archive = cabarchive.CabArchive()
    for name, data in members.items():
        archive[name] = cabarchive.CabFile(data)
    return bytes(archive.save(compress=False))


def members(count: int) -> bytes:
    others = {f"{number}.bin": b"x" for number in range(count - 2)}
    return packed({"fw.bin": PAYLOAD, "a.metainfo.xml": TEXT, **others})


def raw(*, folders: int = 1, padding: int = 0) -> bytes:
    """Both members in one block that all folders have, with as many bytes behind them."""
    block = PAYLOAD + TEXT + bytes(padding)
    table = b""
    for name, at, size in ((b"fw.bin", 0, len(PAYLOAD)), (b"a.metainfo.xml", len(PAYLOAD), len(TEXT))):
        table += struct.pack("<IIHHHH", size, at, 0, 0, 0, 0) + name + b"\0"
    files_at = 36 + 8 * folders
    data = struct.pack("<IHH", 0, len(block), len(block)) + block
    size = files_at + len(table) + len(data)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, size, 0, files_at, 0, 3, 1, folders, 2, 0, 0, 0)
    return head + struct.pack("<IHH", files_at + len(table), 1, 0) * folders + table + data


def with_text(text: bytes) -> bytes:
    return packed({"fw.bin": PAYLOAD, "a.metainfo.xml": text})


def comment(size: int) -> bytes:
    """The metainfo with a comment behind it that makes it so long."""
    return TEXT + b"<!--" + b"x" * (size - len(TEXT) - 7) + b"-->"


def deep(depth: int) -> bytes:
    """One more element in each, from the component on."""
    return TEXT.replace(b"</component>", b"<a>" * (depth - 1) + b"</a>" * (depth - 1) + b"</component>")


def named(length: int) -> bytes:
    name = "a" * (length - 4) + ".bin"
    text = metainfo.write(ABOUT._replace(filename=name), len(PAYLOAD))
    return packed({name: PAYLOAD, "a.metainfo.xml": text})


def guids(count: int) -> bytes:
    return with_text(metainfo.write(ABOUT._replace(guids=(GUID,) * count), len(PAYLOAD)))


def sized(digits: int, start: str = "") -> bytes:
    size = start + str(len(PAYLOAD)).rjust(digits, "0") if not start else f"0x{len(PAYLOAD):0{digits}x}"
    return with_text(TEXT.replace(b">13</size>", f">{size}</size>".encode()))


class Limit(NamedTuple):
    """How many are taken, an archive with so many, and what is said of one more."""

    most: int
    make: Callable[[int], bytes]
    why: str


LIMITS = {
    "folders of the same blocks": Limit(1, lambda count: raw(folders=count), "blocks in common"),
    "bytes of a block": Limit(32_768, lambda size: raw(padding=size - len(PAYLOAD + TEXT)), "32768 bytes"),
    "bytes of a name": Limit(255, named, "has no end"),
    "bytes of a metainfo": Limit(262_144, lambda size: with_text(comment(size)), "256 KiB"),
    "elements in elements": Limit(32, lambda depth: with_text(deep(depth)), "32 deep"),
    "decimal digits of a size": Limit(20, sized, "not a number"),
    "hexadecimal digits of a size": Limit(16, lambda digits: sized(digits, "0x"), "not a number"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(name: str) -> None:
    most, make, why = LIMITS[name]
    (image,) = cab.read(make(most))
    assert (image.payload, image.about.version) == (PAYLOAD, "1.9.0")
    with pytest.raises(UsageError, match=why):
        cab.read(make(most + 1))


def test_what_costs_little_has_no_bound() -> None:
    """Members, folders of their own, GUIDs: their bytes are counted, and nothing else."""
    assert cab.read(members(5_000))[0].payload == PAYLOAD
    assert len(cab.read(guids(3_000))[0].guids) == 3_000


def test_metainfo_of_an_archive_at_the_bound() -> None:
    files = {f"{number}.metainfo.xml": comment(1 << 18) for number in range(16)}
    assert len(cab.read(packed({"fw.bin": PAYLOAD, **files}))) == 16
    with pytest.raises(UsageError, match="its metainfo has more than 4 MiB"):
        cab.read(packed({"fw.bin": PAYLOAD, **files, "x.metainfo.xml": TEXT}))


def test_unpacked_bytes_at_the_bound() -> None:
    data = raw()
    size = len(PAYLOAD + TEXT)
    assert cab.read(data, most=size)[0].payload == PAYLOAD
    with pytest.raises(UsageError, match="unpacked, it has more than"):
        cab.read(data, most=size - 1)
    # Members that overlap are counted each: here the folder is the larger one, with padding, and then the smaller.
    assert cab.read(raw(padding=100), most=size + 100)
    with pytest.raises(UsageError, match="unpacked, it has more than"):
        cab.read(raw(padding=100), most=size + 99)
    assert cab.MOST_BYTES == 134_217_728


@pytest.mark.parametrize("field", ["name", "summary", "version", "license"])
def test_a_value_is_cut_behind_a_thousand_characters(field: str) -> None:
    for length in (1_000, 1_001):
        about = Metainfo(**ABOUT._asdict() | {field: "1" * length})
        (found,) = metainfo.read_each("a", metainfo.write(about, 13))
        assert getattr(found, field) == "1" * 1_000
