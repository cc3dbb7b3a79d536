# SPDX-License-Identifier: Apache-2.0
"""Archives side by side with fwupd's own reader: the same images of the same, or the difference has a reason."""

import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import new
from pathlib import Path

import cabarchive
import pytest

from livefw.archive import cab
from livefw.errors import UsageError

from . import fwupd_cabinet

GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
GOOD, BAD = b"version=1.9.0 " * 9, b"version=1.9.1 " * 9
KINDS = ("md5", "sha1", "sha256", "sha384", "sha512")
RELEASE = '<release version="{}" date="2026-01-01">{}</release>'


def digest(kind: str, data: bytes = GOOD) -> str:
    return new(kind, data).hexdigest()


def meta(*releases: str, guids: int = 1, head: str = "", extra: str = "") -> bytes:
    flashed = f'<firmware type="flashed">{GUID}</firmware>' * guids
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<component type="firmware"><id>org.example.fw</id><name>N</name>'
        f"<summary>S</summary><provides>{flashed}</provides><releases>{''.join(releases)}</releases>{extra}</component>"
    ).encode()


def one(inner: str, version: str = "1.9.0") -> bytes:
    return meta(RELEASE.format(version, inner))


def packed(members: dict[str, bytes], *, compress: bool = True) -> bytes:
    archive = cabarchive.CabArchive()
    for name, data in members.items():
        archive[name] = cabarchive.CabFile(data)
    return bytes(archive.save(compress=compress))


def archive(
    text: bytes, payload: bytes = GOOD, file: str = "fw.bin", prefix: str = "", more: dict[str, bytes] | None = None
) -> bytes:
    return packed({prefix + file: payload, f"{prefix}a.metainfo.xml": text} | (more or {}))


def content(attributes: str, digits: str, file: str = "fw.bin") -> str:
    return f'<checksum {attributes} target="content" filename="{file}">{digits}</checksum>'


def artifact(kind: str, inner: str, file: str = "fw.bin") -> str:
    return f'<artifacts><artifact type="{kind}"><filename>{file}</filename>{inner}</artifact></artifacts>'


OK = content('type="sha256"', digest("sha256"))


def _checksums() -> Iterator[tuple[str, bytes]]:
    for kind in KINDS:
        digits = digest(kind)
        forms = {
            "content": content(f'type="{kind}"', digits),
            "content, capitals": content(f'type="{kind.upper()}"', digits),
            "content, no type": content("", digits),
            "content, another type": content('type="sha256"', digits),
            "source": artifact("source", f'<checksum type="{kind}">{digits}</checksum>'),
            "source, no type": artifact("source", f"<checksum>{digits}</checksum>"),
        }
        for form, inner in forms.items():
            yield f"{kind} {form}", archive(one(inner))
            yield f"{kind} {form}, damaged", archive(one(inner), BAD)
    for spelling in ("SHA-256", "sha_256", " sha256 ", "crc32", "none"):
        yield f"type {spelling!r}", archive(one(content(f'type="{spelling}"', digest("sha256"))))
        yield f"type {spelling!r}, damaged", archive(one(content(f'type="{spelling}"', digest("sha256"))), BAD)
    for name, digits in {"capitals": digest("sha256").upper(), "none": "", "short": "00", "zeros": "0" * 64}.items():
        yield f"digits: {name}", archive(one(content('type="sha256"', digits)))
    yield "two kinds that hold", archive(one(OK + content('type="sha1"', digest("sha1"))))
    yield "the second does not hold", archive(one(OK + content('type="sha1"', "0" * 40)))
    yield "the first does not hold", archive(one(content('type="sha1"', "0" * 40) + OK))
    yield "container", archive(one(OK + f'<checksum type="sha1" target="container">{"0" * 40}</checksum>'))
    yield "device", archive(one(OK + f'<checksum type="sha1" target="device">{"0" * 40}</checksum>'))


def _payloads() -> Iterator[tuple[str, bytes]]:
    for name in (
        "fw.bin",
        "fw~1.bin",
        "a&b.bin",
        "a#b",
        "it's",
        "a!b",
        "50%",
        "{a}",
        "a=b",
        ".fw",
        "a b.bin",
        "a" * 220,
    ):
        escaped = name.replace("&", "&amp;")
        yield f"file {name[:9]}", archive(one(content('type="sha256"', digest("sha256"), escaped)), file=name)
        yield f"source {name[:9]}", archive(one(artifact("source", "", escaped)), file=name)
    for prefix in ("DriverPackage\\", "a\\b\\", "d/", "./"):
        yield f"directory {prefix}", archive(one(OK), prefix=prefix)
    yield "directory in the metainfo", archive(one(content("", digest("sha256"), "build/fw.bin")))
    yield "Windows directory in the metainfo", archive(one(content("", digest("sha256"), "build\\fw.bin")))
    binary = artifact("binary", "", "x.cab")
    yield "content and binary artifact", archive(one(OK + binary))
    yield "binary artifact only", archive(one(binary), file="firmware.bin")
    yield "binary artifact that is in it", archive(one(artifact("binary", "")))
    yield "content and another source", archive(one(artifact("source", "", "x.bin") + OK), more={"x.bin": BAD})
    yield "default name", archive(one(""), file="firmware.bin")
    yield "default name that is missing", archive(one(""))
    yield "named and missing", archive(one(content("", digest("sha256"), "x.bin")))
    yield "empty payload", archive(one(content("", "")), b"")
    for size in ("126", "0x7E", "127", "0", "", "x", "-1", "126 "):
        yield f"size {size!r}", archive(one(f'{OK}<size type="installed">{size}</size>'))
    yield "download size", archive(one(f'{OK}<size type="download">1</size>'))


def _archives() -> Iterator[tuple[str, bytes]]:
    whole = archive(one(OK))
    yield "plain", packed({"fw.bin": GOOD, "a.metainfo.xml": one(OK)}, compress=False)
    yield "100 KB", archive(one(artifact("source", "")), bytes(range(256)) * 400)
    for members in (63, 64, 65, 300):
        yield f"{members} members more", archive(one(OK), more={f"{n}.bin": b"x" for n in range(members)})
    yield "a name in UTF-8 beside", archive(one(OK), more={"é.bin": b"x"})
    yield "a strange name beside", archive(one(OK), more={"~$x.tmp": b"x"})
    yield "no metainfo", packed({"fw.bin": GOOD})
    for at in (1, 10, 36, 60, len(whole) // 2, len(whole) - 1):
        yield f"cut at {at}", whole[:at]
    yield "bytes behind the end", whole + b"\0" * 20
    for at in (0, 4, 24, 25, 26, 28, 30, 36, 40, 42, 44, 48, 60, 70, 80, 90, 100, len(whole) - 4):
        yield f"a bit of byte {at}", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def _metainfo() -> Iterator[tuple[str, bytes]]:
    for guids in (0, 1, 64, 65, 500):
        yield f"{guids} GUIDs", archive(meta(RELEASE.format("1.9.0", OK), guids=guids))
    yield "document type", archive(meta(RELEASE.format("1.9.0", OK), head="<!DOCTYPE component>"))
    entity = '<!DOCTYPE component [<!ENTITY a "b">]>'
    yield "entity", archive(meta(RELEASE.format("1.9.0", OK), head=entity))
    yield "entity that is used", archive(meta(RELEASE.format("1.9.0", OK), head=entity, extra="<x>&a;</x>"))
    yield "no release", archive(meta())
    yield "no version", archive(meta(f"<release>{OK}</release>"))
    yield "no XML", archive(b"<component")
    yield "not firmware", archive(one(OK).replace(b'type="firmware"', b'type="desktop"'))
    yield "comment", archive(one(OK).replace(b"<releases>", b"<!-- x --><releases>"))
    yield "timestamp", archive(one(OK).replace(b'date="2026-01-01"', b'timestamp="1767225600"'))
    for form in ("plain", "number", "pair", "triplet", "quad", "bcd", "hex", "intel-me", "dell-bios", "nonsense", ""):
        custom = f'<custom><value key="LVFS::VersionFormat">{form}</value></custom>'
        yield f"format {form!r}", archive(meta(RELEASE.format("1.9.0", OK), extra=custom))
    old = content('type="sha256"', digest("sha256", BAD), "old.bin")
    new_, old_ = RELEASE.format("1.9.0", OK), RELEASE.format("1.8.0", old)
    yield "two releases", archive(meta(new_, old_), more={"old.bin": BAD})
    yield "the second is damaged", archive(meta(new_, old_), more={"old.bin": GOOD})
    yield "the second is missing", archive(meta(new_, old_))
    yield "the second is only told", archive(meta(new_, RELEASE.format("1.8.0", "")))
    one_name = meta(RELEASE.format("1.9.0", ""), RELEASE.format("1.8.0", ""))
    yield "two of one file", archive(one_name, file="firmware.bin")
    other = one(content('type="sha256"', digest("sha256", BAD), "b.bin"), "3.0")
    yield "two metainfo", archive(one(OK), more={"b.bin": BAD, "b.metainfo.xml": other})
    yield "one of two is damaged", archive(one(OK), more={"b.bin": GOOD, "b.metainfo.xml": other})
    yield "one of two is no XML", archive(one(OK), more={"b.metainfo.xml": b"<a"})


CASES = dict(each for part in (_checksums, _payloads, _archives, _metainfo) for each in part())

_OTHER_KIND = "refused here: the kind and the digits contradict each other; fwupd goes by the length alone"
_UNKNOWN = "refused here: an unknown kind is never no checksum; fwupd goes by the length alone"
_EACH = "taken here: a release that has no image hides no other (fwupd #4783)"
DIFFERENT = {
    **{f"{kind} content, another type": _OTHER_KIND for kind in KINDS if kind != "sha256"},
    "type 'crc32'": _UNKNOWN,
    "type 'none'": _UNKNOWN,
    "the second does not hold": "refused here: every checksum has to hold; fwupd looks at the first",
    "Windows directory in the metainfo": "taken here: names of members and of the metainfo are treated alike",
    "content and another source": "refused here: checksums of two files, and one image",
    "a name in UTF-8 beside": "taken here: nobody uses the member",
    "bytes behind the end": "taken here: Windows signs a cabinet behind its end",
    "a bit of byte 30": "refused here: the flag says that the archive is continued from another one",
    "entity": "refused here: what is declared in a metainfo is not read",
    "no version": "refused here: an image without a version cannot be compared",
    "the second is damaged": _EACH,
    "the second is missing": _EACH,
    "the second is only told": _EACH,
    "one of two is damaged": _EACH,
    "two of one file": "one here: a file is not two versions, unless a checksum says which",
}
"""Where livefw gives another answer than fwupd 2.0.20, and why."""


def ours(data: bytes) -> list[list[str]] | str:
    try:
        return [[image.version, image.about.filename] for image in cab.read(data)]
    except UsageError as error:
        return error.message


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]] | str]:
    libraries = next(Path("/usr/lib").glob("*/fwupd-*/libfwupdengine.so"), None)
    if libraries is None:
        pytest.skip("needs libfwupdengine (Debian: fwupd)")
    folder = tmp_path_factory.mktemp("cabinets")
    names = {}
    for number, (name, data) in enumerate(CASES.items()):
        path = folder / f"{number}.cab"
        path.write_bytes(data)
        names[str(path)] = name
    program = [sys.executable, fwupd_cabinet.__file__, str(libraries.parent), *names]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd=folder)
    return {names[path]: found for path, found in json.loads(done.stdout).items()}


def document() -> str:
    """The table of docs/reference/archives.md."""
    rows = [f"| {name} | {why} |" for name, why in DIFFERENT.items()]
    return "\n".join(["| Archive | livefw |", "|---|---|", *rows, ""])


def test_the_differences_are_those_of_the_document() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/archives.md").read_text()
    assert f"{len(CASES)} archives" in page
    assert page.partition("<!-- differences -->\n")[2].partition("<!-- end -->")[0] == document()


def test_there_are_enough_to_compare() -> None:
    assert len(CASES) >= 150
    assert CASES.keys() >= DIFFERENT.keys()


@pytest.mark.parametrize("name", CASES)
def test_the_same_images_as_fwupd_or_a_reason(name: str, theirs: dict[str, list[list[str]] | str]) -> None:
    mine, other = ours(CASES[name]), theirs[name]
    same = mine == other if isinstance(other, list) else isinstance(mine, str)
    assert same != (name in DIFFERENT), (name, mine, other)
