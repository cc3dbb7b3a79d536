# SPDX-License-Identifier: Apache-2.0
"""The metadata of a mirror of the LVFS: ``firmware.xml``, which names all archives and what is in them.

It has tens of megabytes and some thousand components, so they are read one by one. Layout: AppStream catalog metadata,
and "Metadata" in the documents of the LVFS.
"""

from collections.abc import Iterator
from typing import NamedTuple, NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from livefw.archive import metainfo
from livefw.archive.metainfo import Metainfo
from livefw.errors import UsageError

MOST_BYTES = 128 << 20
"""Of metadata, unpacked. Attack: a megabyte of zstd is a gigabyte of blanks; those of the LVFS have 30 MiB."""
_MOST_ENTRIES = 65_536
"""Releases. The LVFS has some ten thousand."""
_DEPTH = 2
"""Where components stand: in ``components``."""


class IndexEntry(NamedTuple):
    """A release: the name of its archive, that file's SHA-256, and what is said of the image in it."""

    file: str
    sha256: str
    about: Metainfo


def read(data: bytes) -> list[IndexEntry]:
    """All releases of which archive and SHA-256 are known; others, and what is no firmware, are passed over.

    Raises:
        UsageError: it is no such document, or too large. The phase is ``archive``.
    """
    if len(data) > MOST_BYTES:
        _fail(f"it has more than {MOST_BYTES >> 20} MiB")
    reader = _Reader()
    parser = expat.ParserCreate(None, "}")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.data
    metainfo.forbid_declarations(parser)
    try:
        parser.Parse(data, True)  # noqa: FBT003 - it takes no keywords
    except (expat.ExpatError, ValueError, LookupError) as error:
        _fail(str(error))
    return reader.found


class _Reader:
    """Builds one component at a time."""

    def __init__(self) -> None:
        self.found: list[IndexEntry] = []
        self._depth = 0
        self._builder: metainfo.BoundedBuilder | None = None

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        self._depth += 1
        if self._depth == 1 and tag.rpartition("}")[2] != "components":
            raise ValueError("it has no components")
        if self._depth == _DEPTH:
            self._builder = metainfo.BoundedBuilder()
        if self._builder:
            self._builder.start(tag, attributes)

    def data(self, text: str, /) -> None:
        if self._builder:
            self._builder.data(text)

    def end(self, tag: str, /) -> None:
        if self._builder:
            self._builder.end(tag)
        if self._depth == _DEPTH and self._builder:
            self.found += _entries(self._builder.close())
            self._builder = None
            if len(self.found) > _MOST_ENTRIES:
                raise ValueError(f"it has more than {_MOST_ENTRIES} releases")
        self._depth -= 1


def _entries(component: ET.Element) -> Iterator[IndexEntry]:
    try:
        releases = metainfo.of_component("firmware.xml", component)
    except UsageError:
        return  # firmware of a kind without GUIDs, or an application: nothing for us
    for element, about in zip(component.iterfind("releases/release"), releases, strict=True):
        file, digits = _archive(element)
        if isinstance(about, Metainfo) and file and digits:
            yield IndexEntry(file, digits, about)


def _archive(release: ET.Element) -> tuple[str, str]:
    """Name and SHA-256 of the archive: by the binary artifact, else by location and container checksum."""
    for artifact in release.iterfind("artifacts/artifact[@type='binary']"):
        for checksum in artifact.iterfind("checksum[@type='sha256']"):
            return metainfo.base_name((artifact.findtext("location") or "").strip()), (checksum.text or "").strip()
    for checksum in release.iterfind("checksum[@target='container']"):
        if checksum.get("type") == "sha256":
            return metainfo.base_name((release.findtext("location") or "").strip()), (checksum.text or "").strip()
    return "", ""


def _fail(why: str) -> NoReturn:
    raise UsageError(f"the metadata are rejected: {why}", phase="archive")
