# SPDX-License-Identifier: Apache-2.0
"""A mirror of the LVFS as image directory: its metadata count if they are signed, and nothing else is looked at."""

import gzip
import lzma
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from livefw.activation.images import choice
from livefw.activation.images.directory import ImageDirectory, LocalImage
from livefw.archive import index
from livefw.errors import UsageError

from .signing import Signing, blob, catalog, run

GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
CAB = b"MSCF, and not looked at before it is staged"
DIGITS = sha256(CAB).hexdigest()


def component(version: str, file: str, digits: str = DIGITS, form: str = "artifact", guid: str = GUID) -> str:
    """As the LVFS writes it now, and as it did before artifacts."""
    archive = {
        "artifact": f'<artifacts><artifact type="binary"><location>https://example.org/downloads/{file}</location>'
        f'<filename>{file}</filename><checksum type="sha1">00</checksum><checksum type="sha256">{digits}</checksum>'
        "</artifact></artifacts>",
        "container": f"<location>https://example.org/downloads/{file}</location>"
        f'<checksum type="sha1" target="container">00</checksum>'
        f'<checksum type="sha256" target="container">{digits}</checksum>',
        "none": "<location>x.cab</location>",
    }[form]
    return (
        f'<component type="firmware"><id>org.example.fw</id><name>Example</name><provides>'
        f'<firmware type="flashed">{guid}</firmware></provides>'
        f'<releases><release version="{version}" timestamp="1767225600">{archive}'
        '<checksum target="content" filename="fw.bin"/></release></releases></component>'
    )


def metadata(*components: str) -> bytes:
    return f'<?xml version="1.0"?><components origin="lvfs" version="0.9">{"".join(components)}</components>'.encode()


TWO = metadata(
    component("1.9", "new.cab"),
    component("1.8", "old.cab", form="container"),
    component("1.7", "gone.cab"),
    component("1.6", "old.cab", form="none"),
    "<component type='desktop'><id>org.example.app</id></component>",
)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": lambda data: run("zstd", "-c", given=data),
}


class Mirror:
    """A directory, and what is said of it."""

    def __init__(self, folder: Path, signing: Signing) -> None:
        self.folder, self.keys, self.said = folder, str(signing.keys), list[str]()
        self._sign = signing.sign
        self._directory = ImageDirectory(self.said.append)
        for name in ("new.cab", "old.cab", "other.cab"):
            (folder / name).write_bytes(CAB)

    def write(self, data: bytes, kind: str = "gz", *, signed: bytes | None = None, signer: str = "signer") -> None:
        name = f"firmware.xml.{kind}"
        (self.folder / name).write_bytes(data)
        made = catalog({name: [blob(3, self._sign(data if signed is None else signed, signer))]})
        (self.folder / f"{name}.jcat").write_bytes(made)

    def images(self) -> tuple[LocalImage, ...]:
        return self._directory.images(str(self.folder), self.keys)

    def versions(self) -> list[str]:
        return [image.about.version for image in self.images()]


@pytest.fixture
def mirror(tmp_path: Path, signing: Signing) -> Mirror:
    return Mirror(tmp_path, signing)


@pytest.mark.parametrize("kind", PACKED)
def test_what_signed_metadata_name_and_is_here(mirror: Mirror, kind: str) -> None:
    if kind == "zst" and shutil.which("zstd") is None:
        pytest.skip("needs zstd (Debian: zstd)")
    mirror.write(PACKED[kind](TWO), kind)
    images = mirror.images()
    assert [(Path(each.path).name, each.about.version, each.sha256, each.size) for each in images] == [
        ("new.cab", "1.9", DIGITS, len(CAB)),
        ("old.cab", "1.8", DIGITS, len(CAB)),
    ]
    assert (images[0].about.guids, images[0].signed, mirror.said) == ((GUID,), True, [])
    assert mirror.images() == images


def test_metadata_that_nobody_vouches_for_leave_out_everything(mirror: Mirror, signing: Signing) -> None:
    packed = gzip.compress(TWO)
    mirror.write(packed, signer="other")
    assert mirror.versions() == []
    assert "firmware.xml.gz is signed by none of the keys in" in mirror.said[-1]
    mirror.write(packed, signed=packed + b"x")
    assert mirror.versions() == []
    assert "the signature of firmware.xml.gz is one of other bytes" in mirror.said[-1]
    (mirror.folder / "firmware.xml.gz.jcat").unlink()
    assert mirror.versions() == []
    assert "is not signed: firmware.xml.gz.jcat is missing" in mirror.said[-1]
    mirror.write(packed)
    assert mirror.versions() == ["1.9", "1.8"]
    mirror.keys = str(signing.folder / "nothing")
    assert mirror.versions() == []
    assert "there are no keys in" in mirror.said[-1]


def test_what_changes_is_read_anew(mirror: Mirror) -> None:
    mirror.write(gzip.compress(TWO))
    assert mirror.versions() == ["1.9", "1.8"]
    (mirror.folder / "gone.cab").write_bytes(CAB)
    assert mirror.versions() == ["1.7", "1.9", "1.8"]
    mirror.write(gzip.compress(metadata(component("2.0", "new.cab"))))
    assert mirror.versions() == ["2.0"]


DAMAGED = {
    "no gzip": (b"nonsense", "incorrect header check"),
    "cut off": (gzip.compress(TWO)[:-9], "they end too early"),
    "no XML": (gzip.compress(b"<components"), "metadata are rejected"),
    "another document": (gzip.compress(b"<component/>"), "it has no components"),
    "declarations": (gzip.compress(b'<!DOCTYPE a [<!ENTITY b "c">]>' + TWO[21:]), "declarations"),
    "too deep": (gzip.compress(metadata("<a>" * 40 + "</a>" * 40)), "32 deep"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_metadata_that_cannot_be_read(mirror: Mirror, name: str) -> None:
    data, why = DAMAGED[name]
    mirror.write(data)
    assert mirror.versions() == []
    assert why in mirror.said[-1]


def test_bounds_of_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    one = component("1", "a.cab", "0" * 64)
    monkeypatch.setattr(index, "_MOST_ENTRIES", 3)
    assert len(index.read(metadata(one, one, one))) == 3
    with pytest.raises(UsageError, match="more than 3 releases"):
        index.read(metadata(one, one, one, one))
    monkeypatch.setattr(index, "MOST_BYTES", len(metadata(one)))
    assert index.read(metadata(one))
    with pytest.raises(UsageError, match="it has more than"):
        index.read(metadata(one) + b" ")


def test_an_archive_that_is_another_one_than_the_metadata_name_is_not_opened(mirror: Mirror) -> None:
    path = str(mirror.folder / "new.cab")
    with choice.opened(path, "1.9", DIGITS) as package:
        assert b"".join(package.pieces()) == CAB
    (mirror.folder / "new.cab").write_bytes(CAB + b"x")
    with (
        pytest.raises(UsageError, match="not the archive that the signed metadata name"),
        choice.opened(path, "1.9", DIGITS),
    ):
        pass
