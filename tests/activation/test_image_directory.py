# SPDX-License-Identifier: Apache-2.0
"""The directory of images: what is hostile in it costs little, is told once, and hides nothing that is good."""

import hashlib
import os
import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import cabarchive
import pytest

from livefw import reading
from livefw.activation.images import directory as shelf
from livefw.activation.images.directory import ImageDirectory, LocalImage
from livefw.archive import cab, metainfo
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo, RejectedRelease

GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"


def archive(version: str = "1.9.0", payload: bytes = b"image") -> bytes:
    return cab.write(CabImage(Metainfo("org.example.fw", "Example", (GUID,), version, "fw.bin", summary="x"), payload))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir(mode=0o755)
    (made / "good.cab").write_bytes(archive())
    return made


class Listener:
    """A shelf, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shelf = ImageDirectory(self.said.append)

    def versions(self, folder: Path) -> list[str]:
        return [image.about.version for image in self.shelf.images(str(folder))]


def _bomb(path: Path) -> None:
    """Headers that promise four gigabytes."""
    table = struct.pack("<IIHHHH", 0xFFFFFFFF, 0, 0, 0, 0, 0) + b"a\0"
    path.write_bytes(
        struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, 0, 0, 44, 0, 3, 1, 1, 1, 0, 0, 0)
        + struct.pack("<IHH", 44 + len(table), 1, 0)
        + table
        + struct.pack("<IHH", 0, 1, 1)
        + b"x"
    )


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _large(path: Path) -> None:
    path.write_bytes(b"MSCF" + bytes(shelf.MOST_BYTES))


def _writable(path: Path) -> None:
    path.write_bytes(archive("6.6.6"))
    path.chmod(0o666)


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(archive("6.6.6"))
    path.symlink_to("elsewhere")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def _without_rights(path: Path) -> None:
    path.write_bytes(archive("6.6.6"))
    path.chmod(0o020)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no archive": (lambda path: path.write_bytes(b"#!/bin/sh\n"), "rejected"),
    "empty": (lambda path: path.touch(), "it is empty"),
    "cut off": (lambda path: path.write_bytes(archive()[:-1]), "rejected"),
    "a bomb": (_bomb, "more than 64 MiB"),
    "a terabyte of holes": (_sparse, "larger than 67,108,864 bytes"),
    "large": (_large, "larger than 67,108,864 bytes"),
    "anybody may write it": (_writable, "other than its owner may write"),
    "a link": (_link, "a symbolic link"),
    "a pipe": (lambda path: os.mkfifo(path), "not a regular file"),
    "a socket": (_socket, "a socket, not a regular file"),
    "a directory": (lambda path: path.mkdir(), "s a directory|not a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
    "written by its group": (_without_rights, "other than its owner may write"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_left_out_and_told_once(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    make, why = HOSTILE[name]
    make(folder / "aaa.cab")
    here = Listener()
    assert [here.versions(folder) for _ in range(3)] == [["1.9.0"]] * 3
    (said,) = here.said
    assert said.startswith(f"{folder}/aaa.cab is left out: ")
    assert re.search(why, said), said


def test_names_that_are_not_taken(folder: Path) -> None:
    for name in ("a\nb.cab", "-rf.cab", ".hidden.cab", "image.bin", "image.cab.part"):
        (folder / name).write_bytes(archive("6.6.6"))
    assert Listener().versions(folder) == ["1.9.0"]


def test_nothing_is_read_twice_and_every_change_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = cab.read_each

    def counted(data: bytes, *, most: int | None = None) -> tuple[CabImage | RejectedRelease, ...]:
        reads.append(len(data))
        return read(data, most=most)

    monkeypatch.setattr(cab, "read_each", counted)
    here = Listener()
    assert here.versions(folder) == here.versions(folder) == ["1.9.0"]
    assert len(reads) == 1
    (folder / "other.cab").write_bytes(archive("2.0"))
    assert here.versions(folder) == ["1.9.0", "2.0"]
    (folder / "new").write_bytes(archive("3.0"))
    os.replace(folder / "new", folder / "other.cab")
    assert here.versions(folder) == ["1.9.0", "3.0"]
    (folder / "good.cab").unlink()
    assert here.versions(folder) == ["3.0"]
    assert len(reads) == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: folder.chmod(0o777), "other than its owner may write"),
        (lambda folder: folder.chmod(0o775), "other than its owner may write"),
        (lambda folder: [(folder / f"{n}.cab").touch() for n in range(shelf.MOST_FILES)], "more than 256"),
    ],
)
def test_directories_that_are_not_taken(folder: Path, spoil: Callable[[Path], object], why: str) -> None:
    spoil(folder)
    here = Listener()
    assert here.versions(folder) == here.versions(folder) == []
    (said,) = here.said
    assert why in said


def test_a_directory_of_somebody_else(folder: Path) -> None:
    status = os.stat(folder)
    fields = list(status)
    fields[4] = 4_000_000_000  # st_uid
    assert "x: it belongs to user 4000000000" in str(reading.objection(os.stat_result(fields), "x"))
    assert reading.objection(status, "x") is None


def test_no_directory_is_no_trouble(tmp_path: Path) -> None:
    here = Listener()
    assert here.versions(tmp_path / "none") == []
    assert here.said == []
    (tmp_path / "file").touch()
    assert here.versions(tmp_path / "file") == []
    assert "Not a directory" in here.said[0]


def test_what_is_told_of_an_image(folder: Path) -> None:
    (image,) = ImageDirectory().images(str(folder))
    data = (folder / "good.cab").read_bytes()
    assert isinstance(image, LocalImage)
    assert (image.path, image.size) == (f"{folder}/good.cab", len(data))
    assert image.sha256 == hashlib.sha256(data).hexdigest()


def several(*, second: bytes) -> bytes:
    """An archive of two releases, the newer one first; ``second`` is the image of the other."""
    about = Metainfo("org.example.fw", "Example", (GUID,), "2.0", "new.bin", summary="x")
    text = metainfo.write(about, 3)
    digits = {name: hashlib.sha256(name).hexdigest().encode() for name in (b"new", b"old")}
    sums = {
        name: b'<checksum target="content" filename="%s.bin">%s</checksum>' % (name, digits[name]) for name in digits
    }
    release = b'<release version="1.0">' + sums[b"old"] + b"</release></releases>"
    text = text.replace(b'<size type="installed">3</size>', sums[b"new"]).replace(b"</releases>", release)
    packed = cabarchive.CabArchive()
    for name, data in {"new.bin": b"new", "old.bin": second, "a.metainfo.xml": text}.items():
        packed[name] = cabarchive.CabFile(data)
    return bytes(packed.save())


def test_each_release_of_an_archive_is_an_image_and_a_bad_one_is_named(folder: Path) -> None:
    (folder / "good.cab").write_bytes(several(second=b"old"))
    here = Listener()
    assert here.versions(folder) == ["2.0", "1.0"]
    (folder / "good.cab").write_bytes(several(second=b"bad"))
    assert (here.versions(folder), len(here.said)) == (["2.0"], 1)
    assert re.match(r"version 1\.0 in .*good\.cab is left out: .*the sha256 of 'old\.bin'", here.said[0])
