# SPDX-License-Identifier: Apache-2.0
"""Archives: what is written is read by others and by us, and what is hostile is refused before it costs anything."""

import shutil
import struct
import subprocess
import zlib
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import cabarchive
import pytest

from livefw.archive import cab, metainfo
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo, RejectedRelease
from livefw.errors import UsageError

GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
PAYLOAD = b"version=1.9.0"
ABOUT = Metainfo(
    "org.example.fw",
    "Firmware <&>",
    (GUID,),
    "1.9.0",
    "fw.bin",
    (("sha256", sha256(PAYLOAD).hexdigest()),),
    summary="For tests",
    date="2026-01-31",
    size=len(PAYLOAD),
)
TEXT = metainfo.write(ABOUT, len(PAYLOAD))
IMAGE = CabImage(ABOUT, PAYLOAD, ("org.example.fw.metainfo.xml", TEXT))
FROM_A = IMAGE._replace(source=("a.metainfo.xml", TEXT))


def _packed(members: dict[str, bytes], *, compress: bool = False) -> bytes:
    archive = cabarchive.CabArchive()
    for name, data in members.items():
        archive[name] = cabarchive.CabFile(data)
    packed: bytes = archive.save(compress=compress)
    return packed


def test_metainfo_is_valid_for_appstreamcli(tmp_path: Path) -> None:
    if shutil.which("appstreamcli") is None:
        pytest.skip("needs appstreamcli (Debian: appstream)")
    file = tmp_path / "a.metainfo.xml"
    file.write_bytes(
        metainfo.write(
            ABOUT._replace(name="Firmware of an example board", license="LicenseRef-proprietary"), len(PAYLOAD)
        )
    )
    done = subprocess.run(
        ["appstreamcli", "validate", "--pedantic", "--no-net", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    # What it does not know is the LVFS's own.
    found = {line.split(": ")[-1] for line in done.stdout.splitlines() if line.startswith(("E:", "W:", "I:", "P:"))}
    assert found <= {"unknown-tag checksum", "unknown-tag size"}


def _with(text: bytes, payload: bytes = PAYLOAD) -> bytes:
    return _packed({"fw.bin": payload, "a.metainfo.xml": text})


def _raw(
    *,
    sizes: tuple[int, ...] = (1,),
    names: tuple[bytes, ...] = (b"a",),
    folders: int = 1,
    flags: int = 0,
    blocks: tuple[tuple[bytes, int], ...] = ((b"x", 1),),
    kind: int = 0,
) -> bytes:
    """An archive whose numbers need not fit: all folders have the same blocks, and each member begins a folder."""
    table = b"".join(
        struct.pack("<IIHHHH", size, 0, 0, 0, 0, 0) + name + b"\0" for size, name in zip(sizes, names, strict=True)
    )
    files_at = 36 + 8 * folders
    data = b"".join(struct.pack("<IHH", 0, len(packed), size) + packed for packed, size in blocks)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, 0, 0, files_at, 0, 3, 1, folders, len(sizes), flags, 0, 0)
    return head + struct.pack("<IHH", files_at + len(table), len(blocks), kind) * folders + table + data


def _reserved(of_header: int, of_folder: int, of_block: int, *, size: int | None = None) -> bytes:
    """The image and its metainfo in a folder each, of two blocks each, and bytes of nobody's in every place for them.

    ``size`` is what the last block says it is unpacked, in place of what it is.
    """
    members = {b"fw.bin": PAYLOAD, b"a.metainfo.xml": TEXT}
    table = b"".join(
        struct.pack("<IIHHHH", len(data), 0, index, 0, 0, 0) + name + b"\0"
        for index, (name, data) in enumerate(members.items())
    )
    pieces = [piece for data in members.values() for piece in (data[:7], data[7:])]
    sizes = [len(piece) for piece in pieces[:-1]] + [size or len(pieces[-1])]
    blocks = [
        struct.pack("<IHH", 0, len(piece), size) + b"\xff" * of_block + piece
        for piece, size in zip(pieces, sizes, strict=True)
    ]
    folders_at = 40 + of_header
    files_at = folders_at + 2 * (8 + of_folder)
    data_at = files_at + len(table)
    starts = (data_at, data_at + len(blocks[0]) + len(blocks[1]))
    folders = b"".join(struct.pack("<IHH", start, 2, 0) + b"\xff" * of_folder for start in starts)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, 0, 0, files_at, 0, 3, 1, 2, 2, 4, 0, 0)
    reserve = struct.pack("<HBB", of_header, of_folder, of_block) + b"\xff" * of_header
    return head + reserve + folders + table + b"".join(blocks)


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_written_is_read(compress: bool) -> None:
    assert cab.read(cab.write(IMAGE)) == (IMAGE,)
    assert cab.write(IMAGE) == cab.write(IMAGE)
    assert cab.read(_packed({"fw.bin": PAYLOAD, "a.metainfo.xml": TEXT}, compress=compress))[0].payload == PAYLOAD


RESERVES = [(0, 0, 0), (20, 0, 0), (0, 9, 0), (0, 0, 5), (300, 255, 255)]
"""MS-CAB 2.1: bytes for whoever makes the archive, after its header, each folder's row and each block's header."""


@pytest.mark.parametrize(("of_header", "of_folder", "of_block"), RESERVES)
def test_space_that_is_reserved_is_passed_over(of_header: int, of_folder: int, of_block: int) -> None:
    assert cab.read(_reserved(of_header, of_folder, of_block)) == (FROM_A,)
    with pytest.raises(UsageError, match="a block of more than 32768 bytes"):
        cab.read(_reserved(of_header, of_folder, of_block, size=(1 << 15) + 1))


def test_metainfo_with_artifacts_and_without_a_name() -> None:
    """fwupd, fu-cabinet.c: the source artifact names the image, else its content does, and the oldest form nobody.

    A binary artifact is the archive itself.
    """
    bare = TEXT.replace(b"<checksum", b"<x").replace(b"</checksum", b"</x").replace(b"installed", b"download")
    newer, older = (
        text.replace(
            b"</release>",
            b"<artifacts><artifact type='binary'><filename>all.cab</filename></artifact>"
            b"<artifact type='%s'><filename>new.bin</filename></artifact></artifacts></release>" % kind,
        )
        for text, kind in ((bare, b"source"), (TEXT, b"binary"))
    )
    payloads = {"new.bin": b"new", "firmware.bin": b"oldest", "fw.bin": PAYLOAD}
    texts = {"a.metainfo.xml": newer, "b.metainfo.xml": older, "c.metainfo.xml": bare}
    found = [image.payload for image in cab.read(_packed(payloads | texts))]
    assert found == [b"new", PAYLOAD, b"oldest"]


@pytest.mark.fwupd
def test_fwupd_reads_ours_and_we_read_fwupds(tmp_path: Path) -> None:
    if (tool := shutil.which("fwupdtool")) is None:
        pytest.skip("fwupdtool is missing; on Debian: apt-get install fwupd")
    ours, theirs, text, payload = (tmp_path / name for name in ("our.cab", "their.cab", "a.metainfo.xml", "fw.bin"))
    ours.write_bytes(cab.write(IMAGE))
    shown = subprocess.run([tool, "get-details", ours], capture_output=True, text=True, check=True)
    assert "1.9.0" in shown.stdout
    assert GUID in shown.stdout
    text.write_bytes(TEXT)
    payload.write_bytes(PAYLOAD)
    subprocess.run([tool, "build-cabinet", theirs, payload, text], capture_output=True, check=True)
    (image,) = cab.read(theirs.read_bytes())
    assert (image.about, image.payload) == (ABOUT, PAYLOAD)


BOUNDS = {
    "the same blocks for two folders": (_raw(folders=2, blocks=((bytes(200), 200),)), "blocks in common"),
    "the same blocks for all folders": (_raw(folders=65_535, blocks=((b"x", 1),) * 9), "blocks in common"),
    "a folder that goes on behind the end": (_raw()[:-1], "too early"),
    "a folder that unpacks to too much": (_raw(blocks=((b"x", 1 << 15),) * 40), "more than 1 MiB"),
    "members that are each the whole folder": (_raw(sizes=(1 << 20, 1), names=(b"a", b"b")), "more than 1 MiB"),
    "a member of 4 GiB": (_raw(sizes=(0xFFFF_FFFF,)), "more than 1 MiB"),
    "a block that is too large": (_raw(blocks=((b"x", 0xFFFF),)), "32768 bytes"),
    "a name without an end": (_raw(names=(b"a" * 300,)), "name"),
    "part of a set": (_raw(flags=1), "set"),
    "LZX": (_raw(kind=3), "compressed by LZX"),
    "Quantum": (_raw(kind=2), "compressed by Quantum"),
    "another method": (_raw(kind=4), "unknown method 4"),
    "a reserve beyond the end": (_raw(flags=4), "too early"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_hold_before_anything_is_unpacked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object) -> bytes:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(cab, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(cab, "_inflated", unpack)
    data, why = BOUNDS[name]
    with pytest.raises(UsageError, match=why) as caught:
        cab.read(data)
    assert caught.value.phase == cab.PHASE


AT_A_BOUND = {
    "a whole block": _raw(sizes=(1 << 15,), blocks=((bytes(1 << 15), 1 << 15),)),
    "as many bytes as are taken": _raw(sizes=(1 << 20,), blocks=((bytes(1 << 15), 1 << 15),) * 32),
    "a name of 255 letters": _raw(names=(b"a" * 255,)),
    # None of these is a name by which anybody could find a member.
    "a name with a line in it": _raw(names=(b"a.metainfo.xml\r\nHost: b",)),
    "a name that is no UTF-8": _raw(names=(b"\xff.metainfo.xml",)),
    "no name": _raw(names=(b"",)),
    "a directory": _raw(names=(b"a.metainfo.xml/..",)),
}


@pytest.mark.parametrize("name", AT_A_BOUND)
def test_what_just_keeps_a_bound_is_unpacked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cab, "MOST_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="no metainfo in it"):
        cab.read(AT_A_BOUND[name])


def test_the_bound_may_be_lower() -> None:
    """It is of the image and of its metainfo, which stands beside it."""
    archive, whole = cab.write(IMAGE), len(PAYLOAD) + len(TEXT)
    assert cab.read(archive, most=whole) == (IMAGE,)
    with pytest.raises(UsageError, match="more than 0 MiB"):
        cab.read(archive, most=whole - 1)


LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><component type="firmware">&b;</component>'
NONSENSE = {
    "no metainfo": (_packed({"fw.bin": PAYLOAD}), "no metainfo"),
    "no image": (_packed({"a.metainfo.xml": TEXT}), "'fw.bin', which"),
    "an empty image": (_with(TEXT, b""), "or empty"),
    "another image": (_with(metainfo.write(ABOUT._replace(checksums=(("sha256", "00"),)), 1)), "sha256"),
    "another image by SHA-1": (_with(metainfo.write(ABOUT._replace(checksums=(("sha1", "00"),)), 1)), "sha1"),
    "no XML": (_with(b"<component"), "rejected"),
    "entities": (_with(LAUGHS), "document type"),
    "an attribute that is declared": (
        _with(b'<!DOCTYPE component [<!ATTLIST release version CDATA "9">]>' + TEXT[TEXT.index(b"<component") :]),
        "document type with declarations",
    ),
    "an entity of a document type elsewhere": (
        _with(b'<!DOCTYPE component SYSTEM "x.dtd"><component type="firmware"><id>&a;</id></component>'),
        "unknown entity, 'a'",
    ),
    "two of the image's name": (_packed({"fw.bin": PAYLOAD, "d\\fw.bin": PAYLOAD, "a.metainfo.xml": TEXT}), "2 times"),
    "more than one": (_packed({"a.metainfo.xml": TEXT, "b.metainfo.xml": b"<"}), "'fw.bin', which"),
    "depth": (_with(b"<a>" * 20_000), "32 deep"),
    "depth behind what is flat": (_with(b"<a>" + b"<b/>" * 50 + b"<c>" * 32), "32 deep"),
    "length": (_with(TEXT.ljust((256 << 10) + 1)), "256 KiB"),
    "an unknown encoding": (_with(b"<?xml version='1.0' encoding='rot13'?><a/>"), "rejected"),
    "no firmware": (_with(b"<component type='desktop'/>"), "no firmware"),
    "no release": (_with(b"<component type='firmware'/>"), "no release"),
    "no version": (_with(TEXT.replace(b' version="1.9.0"', b"")), "no version"),
    "no GUID": (_with(TEXT.replace(b"flashed", b"other")), "no GUID"),
    "a block that lies": (_raw(blocks=((b"CK\x03\x00", 1),), kind=1), "a block has 0 bytes, and 1"),
    "a block that says too little": (_raw(blocks=((b"ab", 1),)), "a block has 2 bytes, and 1"),
    "a block that is packed to 64 KiB": (
        _raw(blocks=((b"CK" + zlib.compress(bytes(1 << 16), wbits=-15), 1 << 15),), kind=1),
        "a block has 32769 bytes, and 32768",
    ),
    "no deflate": (_raw(blocks=((b"CK\xff\xff", 1),), kind=1), "cannot be unpacked"),
    "a block without its mark": (_raw(blocks=((b"\xff\xfe", 1),), kind=1), "does not begin as MSZIP"),
    "a folder that is not there": (_raw(folders=0, blocks=()), "not inside its folder"),
    "a member behind its folder": (_raw(sizes=(2,)), "not inside its folder"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused(name: str) -> None:
    data, why = NONSENSE[name]
    with pytest.raises(UsageError, match=why) as caught:
        cab.read(data)
    assert caught.value.phase == cab.PHASE


METAINFO_AT_A_BOUND = {
    "32 deep": TEXT.replace(b"<summary>", b"<a>" * 31 + b"</a>" * 31 + b"<summary>"),
    "flat and long": TEXT.replace(b"<summary>", b"<a/>" * 100 + b"<summary>"),
    "256 KiB": TEXT.ljust(256 << 10),
    "a document type without declarations": TEXT.replace(b"?>", b"?><!DOCTYPE component>"),
    "a document type that is elsewhere": TEXT.replace(b"?>", b'?><!DOCTYPE component SYSTEM "x.dtd">'),
}


@pytest.mark.parametrize("name", METAINFO_AT_A_BOUND)
def test_metainfo_that_just_keeps_a_bound_is_read(name: str) -> None:
    (image,) = cab.read(_with(METAINFO_AT_A_BOUND[name]))
    assert image.about._replace(guids=(GUID,)) == ABOUT


def test_texts_are_cut_where_they_are_long() -> None:
    """At 1,000 characters: they go to every client that asks."""
    long = ABOUT._replace(name="n" * 1001, summary="s" * 1000, version="1." * 501, date="2" * 1001)
    (image,) = cab.read(_with(metainfo.write(long, len(PAYLOAD))))
    assert image.about == long._replace(name="n" * 1000, version="1." * 500, date="2" * 1000)


def test_what_is_written_is_what_appstream_asks_for() -> None:
    """AppStream, section "Firmware"; the LVFS, "Metainfo Files". The order is that of the file."""
    about = ABOUT._replace(license="MIT", protocol="org.uefi.capsule", version_format="triplet")
    root = ElementTree.fromstring(metainfo.write(about, 13))
    told = [(each.tag, (each.text or "").strip(), dict(each.attrib)) for each in root.iter()]
    digits = dict(ABOUT.checksums)["sha256"]
    assert told == [
        ("component", "", {"type": "firmware"}),
        ("id", "org.example.fw", {}),
        ("name", "Firmware <&>", {}),
        ("summary", "For tests", {}),
        ("metadata_license", "CC0-1.0", {}),
        ("project_license", "MIT", {}),
        ("description", "", {}),
        ("p", "An image of the firmware Firmware <&>, made into an archive by livefw.", {}),
        ("provides", "", {}),
        ("firmware", GUID, {"type": "flashed"}),
        ("releases", "", {}),
        ("release", "", {"version": "1.9.0", "date": "2026-01-31"}),
        ("checksum", digits, {"type": "sha256", "target": "content", "filename": "fw.bin"}),
        ("size", "13", {"type": "installed"}),
        ("custom", "", {}),
        ("value", "org.uefi.capsule", {"key": "LVFS::UpdateProtocol"}),
        ("value", "triplet", {"key": "LVFS::VersionFormat"}),
    ]
    assert metainfo.read_each("a", metainfo.write(about, 13)) == (about,)


def test_each_release_stands_on_its_own() -> None:
    """fwupd #4783: one that is damaged, or of which only the text is there, hides no other."""
    old = metainfo.write(ABOUT._replace(version="1.8.0", filename="old.bin"), len(PAYLOAD))
    release = old[old.index(b"<release ") : old.index(b"</releases>")]
    told = b'<release version="1.7.0"/><release version="1.6.0"><checksum type="crc">0</checksum></release><release/>'
    both = TEXT.replace(b"</releases>", release + told + b"</releases>")
    members = {"fw.bin": PAYLOAD, "old.bin": b"another", "a.metainfo.xml": both, "b.metainfo.xml": b"<"}
    first, *others = cab.read_each(_packed(members))
    image = IMAGE._replace(source=("a.metainfo.xml", both))
    assert first == image
    rejected = [(each.version, each.error.message) for each in others if isinstance(each, RejectedRelease)]
    assert [version for version, _ in rejected] == ["1.8.0", "1.7.0", "1.6.0", "", ""]
    whys = ("sha256 of 'old.bin'", "'firmware.bin', which", "unknown kind, 'crc'", "has no version", "unclosed token")
    assert [why in message for why, (_, message) in zip(whys, rejected, strict=True)] == [True] * 5, rejected
    assert cab.read(_packed(members)) == (image,)
    assert [each.version for each in cab.read(_packed(members | {"old.bin": PAYLOAD}))] == ["1.9.0", "1.8.0"]


def test_the_file_of_one_release_is_not_that_of_another_without_a_checksum() -> None:
    text = TEXT.replace(
        b"</releases>", b'<release version="1.8.0"><checksum target="content" filename="fw.bin"/></release></releases>'
    )
    _, other = cab.read_each(_with(text))
    assert isinstance(other, RejectedRelease)
    assert "'fw.bin' is the image of version '1.9.0'" in other.error.message


def _refused(data: bytes) -> bool:
    try:
        return cab.read(data)[0].payload == b""
    except UsageError as error:
        return error.phase == cab.PHASE


def test_an_archive_that_is_cut_off_is_refused() -> None:
    whole = cab.write(IMAGE)
    assert [at for at in range(len(whole)) if not _refused(whole[:at])] == []


def test_a_damaged_archive_gives_the_right_image_or_none() -> None:
    whole = cab.write(IMAGE)
    wrong = []
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
        try:
            (image,) = cab.read(damaged)
        except UsageError:
            continue
        if image.payload != PAYLOAD:
            wrong.append(at)
    assert wrong == []
