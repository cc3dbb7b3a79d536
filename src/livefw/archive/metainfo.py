# SPDX-License-Identifier: Apache-2.0
"""The metainfo of an image: an AppStream component of type ``firmware``, as the LVFS documents it (Metainfo Files)."""

import re
from typing import NamedTuple, NoReturn
from xml.etree import ElementTree as ET

from livefw.errors import UsageError

_MOST_BYTES = 256 << 10
"""Of one file; those of the LVFS have a few thousand."""
_MOST_DEPTH = 32
"""Of elements in elements, each of which costs a stack frame later on."""
_MOST_TEXT = 1_000
"""Characters of one value: all of them go to every client that asks for details."""
_MOST_GUIDS = 64
_NAMELESS = "firmware.bin"
"""The image's name where the metainfo has none (fwupd, ``fu-cabinet.c``)."""
_PROTOCOL, _FORMAT = "LVFS::UpdateProtocol", "LVFS::VersionFormat"
_FORMATS = ("number", "pair", "triplet", "quad")
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.,@ ()\[\]-]{0,199}")


class Metainfo(NamedTuple):
    """What is said of one image.

    ``checksums`` are pairs of ``sha256`` or ``sha1`` and hexadecimal digits; ``date`` is YYYY-MM-DD.
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


def version_format(text: str) -> str:
    """What the LVFS calls it: numbers between dots, one to four of them; everything else is plain."""
    parts = text.split(".")
    numbers = all(part.isascii() and part.isdigit() for part in parts)
    return _FORMATS[len(parts) - 1] if numbers and len(parts) <= len(_FORMATS) else "plain"


def is_name(text: str) -> bool:
    """Whether a file in an archive may be called this: no path, and nothing that a terminal or an HTTP header minds."""
    return _NAME.fullmatch(text) is not None


def read(where: str, data: bytes) -> Metainfo:
    """Read one. `UsageError` with the phase ``archive``."""
    root = _parse(where, data)
    if root.tag != "component" or root.get("type") != "firmware":
        _fail(where, "it describes no firmware")
    release = root.find("releases/release")
    if release is None:
        _fail(where, "it has no release")
    guids = [_text(each) for each in root.iterfind("provides/firmware[@type='flashed']")]
    if not guids or len(guids) > _MOST_GUIDS:
        _fail(where, f"it is for {len(guids)} GUIDs, and has to be for 1 to {_MOST_GUIDS}")
    version = release.get("version", "")[:_MOST_TEXT]
    if not version:
        _fail(where, "its release has no version")
    filename, checksums = _payload(release)
    custom = {each.get("key", ""): _text(each) for each in root.iterfind("custom/value")}
    return Metainfo(
        ident=_text(root.find("id")),
        name=_text(root.find("name")),
        guids=tuple(guid.lower() for guid in guids),
        version=version,
        filename=filename,
        checksums=checksums,
        summary=_text(root.find("summary")),
        license=_text(root.find("project_license")),
        protocol=custom.get(_PROTOCOL, ""),
        version_format=custom.get(_FORMAT, ""),
        date=release.get("date", "")[:_MOST_TEXT],
    )


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
    custom = ET.SubElement(root, "custom")
    for key, text in ((_PROTOCOL, about.protocol), (_FORMAT, about.version_format)):
        if text:
            ET.SubElement(custom, "value", key=key).text = text
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _payload(release: ET.Element) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Name and checksums of the image: of its artifact or, as it was written before those, of its content."""
    artifact = release.find("artifacts/artifact[@type='binary']")
    if artifact is not None:
        found = artifact.findall("checksum")
        filename = _text(artifact.find("filename"))
    else:
        found = release.findall("checksum[@target='content']")
        filename = next((each.get("filename", "") for each in found), "")
    return filename or _NAMELESS, tuple((each.get("type", ""), _text(each).lower()) for each in found)


def _text(element: ET.Element | None) -> str:
    return (element.text or "").strip()[:_MOST_TEXT] if element is not None else ""


class _Builder(ET.TreeBuilder):
    """Takes no document type, for entities may grow without end, and no depth beyond the bound."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: object) -> None:
        """See `xml.etree.ElementTree.TreeBuilder`; called before any entity of it is read."""
        raise ValueError("it has a document type")

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        """See `xml.etree.ElementTree.TreeBuilder`."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError(f"its elements are more than {_MOST_DEPTH} deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        """See `xml.etree.ElementTree.TreeBuilder`."""
        self._depth -= 1
        return super().end(tag)


def _parse(where: str, data: bytes) -> ET.Element:
    if len(data) > _MOST_BYTES:
        _fail(where, f"it has more than {_MOST_BYTES >> 10} KiB")
    try:
        parser = ET.XMLParser(target=_Builder())  # noqa: S314 - the builder takes no entities and no depth
        parser.feed(data)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        _fail(where, str(error))
    return root


def _fail(where: str, why: str) -> NoReturn:
    raise UsageError(f"the metainfo {where!r} is not taken: {why}", phase="archive")
