# SPDX-License-Identifier: Apache-2.0
"""The metainfo of an image: an AppStream component of type ``firmware``, as the LVFS documents it (Metainfo Files)."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2b, blake2s, md5, sha1, sha224, sha256, sha384, sha512
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from livefw.errors import UsageError

_MOST_BYTES = 256 << 10
"""Of one file; those of the LVFS have a few thousand."""
_MOST_DEPTH = 32
"""Of elements in elements, each of which costs a stack frame later on."""
_MOST_TEXT = 1_000
"""Characters of one value: all of them go to every client that asks for details."""
_NAMELESS = "firmware.bin"
"""The image's name where the metainfo has none (fwupd, ``fu-cabinet.c``)."""
_REQUIREMENTS = ("requires", "recommends", "suggests")
"""Where requirements stand; fwupd checks them all, and can ignore those of the last two."""
_PROTOCOL, _FORMAT = "LVFS::UpdateProtocol", "LVFS::VersionFormat"
DIGESTS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType(
    {
        "md5": partial(md5, usedforsecurity=False),
        "sha1": partial(sha1, usedforsecurity=False),
        "sha224": sha224,
        "sha256": sha256,
        "sha384": sha384,
        "sha512": sha512,
        "blake2s": blake2s,
        "blake2b": blake2b,
    }
)
"""Kinds of checksums: those of AppStream and fwupd, without what people write between letters and numbers."""
_BY_LENGTH = {
    2 * DIGESTS[kind](b"").digest_size: kind for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
}
"""What a checksum is that does not say so, by its digits (fwupd, ``fwupd_checksum_guess_kind``)."""
_HEXADECIMAL = re.compile(r"[0-9a-f]+")
_NUMBER = re.compile(r"0x[0-9a-f]{1,16}|[0-9]{1,20}")
_TARGETS = {"": True, "content": True, "container": False, "device": False, "signature": False}
"""Whether a checksum of this target is one of the image. The others are of the archive, which cannot hold its own, of
what a device reads back, and of a signature beside it."""
_NAME = re.compile(r"[!-~]|[!-~][ -~]{0,253}[!-~]")
"""Of a file in an archive: what others than ASCII letters are is not said there (MS-CAB has a flag that few set)."""
_NO_NAME = frozenset('/\\:*?"<>|')
"""What no file of Windows has in its name, where the format comes from."""


class ImageRequirement(NamedTuple):
    """What has to be so before the image is installed: ``<firmware compare="ge" version="1.2">GUID</firmware>``.

    ``kind`` is the name of the element in small letters, ``value`` its text; attributes that are missing are empty.
    """

    kind: str
    value: str = ""
    compare: str = ""
    version: str = ""
    depth: str = ""


class Metainfo(NamedTuple):
    """What is said of one image.

    ``checksums`` are pairs of a kind in `DIGESTS` and hexadecimal digits; ``date`` is YYYY-MM-DD. ``size`` is the
    image's, None where nothing is said of it.
    """

    ident: str
    name: str
    guids: tuple[str, ...]
    version: str
    filename: str = _NAMELESS
    checksums: tuple[tuple[str, str], ...] = ()
    summary: str = ""
    license: str = ""
    protocol: str = ""
    version_format: str = ""
    date: str = ""
    size: int | None = None
    requirements: tuple[ImageRequirement, ...] = ()


class RejectedRelease(NamedTuple):
    """A release of which there is no image, and why; without ``guids`` where a whole metainfo cannot be read."""

    guids: tuple[str, ...]
    version: str
    error: UsageError


def is_name(text: str) -> bool:
    """Whether a file in an archive may be called this: no path, and nothing that a terminal or an HTTP header minds."""
    return _NAME.fullmatch(text) is not None and _NO_NAME.isdisjoint(text) and text not in (".", "..")


def base_name(path: str) -> str:
    """The name of a file without its directories, in either notation."""
    return path.replace("\\", "/").rpartition("/")[2]


def read_each(where: str, data: bytes) -> tuple[Metainfo | RejectedRelease, ...]:
    """Read one: what it says of each release, in its order. `UsageError` with the phase ``archive``."""
    return of_component(where, _parse(where, data))


def of_component(where: str, root: ET.Element) -> tuple[Metainfo | RejectedRelease, ...]:
    """What a component says of each release. Errors as of `read_each`."""
    if root.tag != "component" or root.get("type") != "firmware":
        _fail(where, "it describes no firmware")
    releases = root.findall("releases/release")
    if not releases:
        _fail(where, "it has no release")
    guids = [_text(each) for each in root.iterfind("provides/firmware[@type='flashed']")]
    if not guids:
        _fail(where, "it is for no GUID")
    custom = {each.get("key", ""): _text(each) for each in root.iterfind("custom/value")}
    about = Metainfo(
        ident=_text(root.find("id")),
        name=_text(root.find("name")),
        guids=tuple(guid.lower() for guid in guids),
        version="",
        summary=_text(root.find("summary")),
        license=_text(root.find("project_license")),
        protocol=custom.get(_PROTOCOL, ""),
        version_format=custom.get(_FORMAT, ""),
        requirements=tuple(_requirements(root)),
    )
    return tuple(_release(where, about, each) for each in releases)


def write(about: Metainfo, size: int) -> bytes:
    """Write one for an image of this many bytes, with everything that ``appstreamcli validate`` asks for."""
    root = ET.Element("component", type="firmware")
    for tag, text in (
        ("id", about.ident),
        ("name", about.name),
        ("summary", about.summary),
        ("metadata_license", "CC0-1.0"),
        ("project_license", about.license),
    ):
        ET.SubElement(root, tag).text = text
    description = ET.SubElement(root, "description")
    ET.SubElement(description, "p").text = f"An image of the firmware {about.name}, made into an archive by livefw."
    provides = ET.SubElement(root, "provides")
    for guid in about.guids:
        ET.SubElement(provides, "firmware", type="flashed").text = guid
    release = ET.SubElement(ET.SubElement(root, "releases"), "release", version=about.version, date=about.date)
    for kind, digits in about.checksums:
        ET.SubElement(release, "checksum", type=kind, target="content", filename=about.filename).text = digits
    ET.SubElement(release, "size", type="installed").text = str(size)
    keys = {_PROTOCOL: about.protocol, _FORMAT: about.version_format}
    if any(keys.values()):
        custom = ET.SubElement(root, "custom")
        for key, text in keys.items():
            if text:
                ET.SubElement(custom, "value", key=key).text = text
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _release(where: str, about: Metainfo, release: ET.Element) -> Metainfo | RejectedRelease:
    version = release.get("version", "")[:_MOST_TEXT]
    try:
        if not version:
            _fail(where, "its release has no version")
        filename = _payload(release)
        return about._replace(
            version=version,
            filename=filename,
            checksums=tuple(_checksums(where, release, filename)),
            date=release.get("date", "")[:_MOST_TEXT],
            size=_size(where, release),
        )
    except UsageError as error:
        return RejectedRelease(about.guids, version, error)


def _requirements(root: ET.Element) -> Iterator[ImageRequirement]:
    for section in _REQUIREMENTS:
        for each in root.iterfind(f"{section}/*"):
            attributes = (_word(each, "compare"), each.get("version", "").strip()[:_MOST_TEXT], _word(each, "depth"))
            yield ImageRequirement(each.tag.lower()[:_MOST_TEXT], _text(each), *attributes)


def _payload(release: ET.Element) -> str:
    """The image's name: of the source artifact or, as it was written before those, of the content (fwupd)."""
    sources = [each for each in release.iterfind("artifacts/artifact") if _word(each, "type") == "source"]
    if sources:
        filename = _text(sources[0].find("filename"))
    else:
        contents = [each for each in release.iterfind("checksum") if _word(each, "target") == "content"]
        filename = contents[0].get("filename", "") if contents else ""
    return _base(filename) or _NAMELESS


def _checksums(where: str, release: ET.Element, filename: str) -> Iterator[tuple[str, str]]:
    """All checksums of the image, wherever in the release they stand. One that cannot be read is never no checksum."""
    of_artifacts: dict[ET.Element, bool] = {}
    for artifact in _named(release, "artifact"):
        # A binary artifact is the archive itself; any other one is the image unless it names another file.
        mine = _base(_text(artifact.find("filename"))) or ("" if _word(artifact, "type") == "binary" else filename)
        of_artifacts |= dict.fromkeys(_named(artifact, "checksum"), mine == filename)
    for each in _named(release, "checksum"):
        target = _word(each, "target")
        if target not in _TARGETS:
            _fail(where, f"it has a checksum of {target!r}, neither content nor container")
        digits = "".join("".join(each.itertext()).lower().split())
        if not (digits and _TARGETS[target] and of_artifacts.get(each, True)):
            continue
        name = _base(each.get("filename", "")) or filename
        if name != filename:
            _fail(where, f"it has checksums of {filename!r} and of {name!r}, but is for one image")
        yield _kind(where, each.get("type", ""), digits), digits


def _kind(where: str, said: str, digits: str) -> str:
    """The kind of a checksum; SHA-256, Sha_256 and sha256 are one."""
    kind = re.sub(r"[\s_-]", "", said).lower() or _BY_LENGTH.get(len(digits), "")
    if kind not in DIGESTS:
        _fail(where, f"it has a checksum of an unknown kind, {(said or 'none')[:40]!r}")
    if len(digits) != 2 * DIGESTS[kind](b"").digest_size or not _HEXADECIMAL.fullmatch(digits):
        _fail(where, f"its {kind} is invalid: {digits[:40]!r}")
    return kind


def _size(where: str, release: ET.Element) -> int | None:
    """Bytes of the image, where they are given; decimal or with 0x."""
    told = {_text(each).lower() for each in release.iterfind("size") if _word(each, "type") == "installed"}
    for text in told:
        if not _NUMBER.fullmatch(text):
            _fail(where, f"its size is not a number: {text[:40]!r}")
    sizes = {int(text, 16 if text.startswith("0x") else 10) for text in told}
    if len(sizes) > 1:
        _fail(where, "it has two sizes")
    return next(iter(sizes), None)


def _named(element: ET.Element, tag: str) -> list[ET.Element]:
    """What is called so below an element, in small letters or not."""
    return [each for each in element.iter() if each.tag.lower() == tag]


def _word(element: ET.Element, name: str) -> str:
    """An attribute out of few words."""
    return element.get(name, "").strip().lower()[:_MOST_TEXT]


def _base(path: str) -> str:
    return base_name(path.strip())[:_MOST_TEXT]


def _text(element: ET.Element | None) -> str:
    return (element.text or "").strip()[:_MOST_TEXT] if element is not None else ""


class BoundedBuilder(ET.TreeBuilder):
    """Takes no depth beyond the bound, and elements without their namespaces."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        """See `xml.etree.ElementTree.TreeBuilder`."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError(f"its elements are more than {_MOST_DEPTH} deep")
        # Without its namespace: others read an element that has one, and a checksum must not hide in it.
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str, /) -> ET.Element:
        """See `xml.etree.ElementTree.TreeBuilder`."""
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])


def _document_type(_name: str, _system: str | None, _public: str | None, declares: int) -> None:
    """Called before any declaration is read. Entities may grow without end, and attributes appear from nowhere."""
    if declares:
        raise ValueError("it has a document type with declarations")


def _unknown_entity(name: str, _: int) -> None:
    """Called where a document type that nobody reads might declare it."""
    raise ValueError(f"it has an unknown entity, {name[:40]!r}")


def forbid_declarations(parser: expat.XMLParserType) -> None:
    """Let a parser raise ValueError for a document type that declares anything, and for what it might declare."""
    parser.StartDoctypeDeclHandler, parser.SkippedEntityHandler = _document_type, _unknown_entity


def _parse(where: str, data: bytes) -> ET.Element:
    if len(data) > _MOST_BYTES:
        _fail(where, f"it has more than {_MOST_BYTES >> 10} KiB")
    builder = BoundedBuilder()
    parser = expat.ParserCreate(None, "}")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    forbid_declarations(parser)
    try:
        parser.Parse(data, True)  # noqa: FBT003 - it takes no keywords
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        _fail(where, str(error))


def _fail(where: str, why: str) -> NoReturn:
    raise UsageError(f"the metainfo {where!r} is rejected: {why}", phase="archive")
