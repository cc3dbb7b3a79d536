# SPDX-License-Identifier: Apache-2.0
"""Archives of the LVFS, and the metainfo and the signatures in them."""

import hashlib
import re
import zlib

from livefw.archive import cab, jcat, metainfo
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo, RejectedRelease
from livefw.cli.image.formats.base import Document, Format, InfoView, Start, columns, everything, named

_COMPONENT = re.compile(rb"<component\b[^>]{0,400}\btype\s*=\s*[\"']firmware[\"']")
_MOST_METAINFO = 256 << 10
_CATALOG_START = 4096
"""Unpacked bytes by which a catalog is recognised."""


def _cab(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - it is unpacked in any case
    entries = cab.read_each(everything(start, cab.MOST_BYTES, "an archive"))
    return _releases(entries)


def _metainfo(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    return _releases(metainfo.read_each("metainfo", everything(start, _MOST_METAINFO, "metainfo")))


def _releases(entries: tuple[CabImage | Metainfo | RejectedRelease, ...]) -> Document:
    rejected = [each for each in entries if isinstance(each, RejectedRelease)]
    if len(rejected) == len(entries):
        raise rejected[0].error
    return {
        "releases": [_release(each) for each in entries if not isinstance(each, RejectedRelease)],
        "left_out": [{"version": each.version or None, "why": each.error.message} for each in rejected],
    }


def _release(entry: CabImage | Metainfo) -> Document:
    about, payload = (entry.about, entry.payload) if isinstance(entry, CabImage) else (entry, None)
    return {
        "id": about.ident,
        "name": about.name,
        "version": about.version,
        "version_format": about.version_format or None,
        "protocol": about.protocol or None,
        "file": about.filename,
        "size": about.size if payload is None else len(payload),
        "guids": list(about.guids),
        "checksums": [f"{kind} {digits}" for kind, digits in about.checksums],
        "sha256": None if payload is None else hashlib.sha256(payload).hexdigest(),
    }


def _lines(document: Document) -> list[str]:
    lines: list[str] = []
    for each in document["releases"]:
        lines += columns(
            ("NAME", "VERSION", "FORMAT", "FILE", "SIZE"),
            [(each["name"], each["version"], each["version_format"] or "-", each["file"], each["size"] or "-")],
        )
        lines += named(
            (
                *(("for", guid) for guid in each["guids"]),
                ("protocol", each["protocol"]),
                ("sha256", each["sha256"]),
                *(("declared", checksum) for checksum in each["checksums"]),
            )
        )
    versions = ((f"{each['version']}: " if each["version"] else "", each["why"]) for each in document["left_out"])
    return [*lines, *named(("left out", version + why) for version, why in versions)]


def _is_catalog(start: Start) -> bool:
    try:
        text = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(start.data, _CATALOG_START)
    except zlib.error:
        return False
    return b'"JcatVersionMajor"' in text


def _catalog(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    items = jcat.read(everything(start, jcat.MOST_BYTES, "a catalog of signatures"))
    return {
        "catalog": [
            {
                "file": name,
                "checksums": [f"{kind.name} {digits}" for kind, digits in item.checksums],
                "signatures": [
                    {"kind": each.kind.name, "size": len(each.data), "of_checksum": bool(each.target)}
                    for each in item.signatures
                ],
            }
            for name, item in items.items()
        ]
    }


def _catalog_lines(document: Document) -> list[str]:
    lines: list[str] = []
    for each in document["catalog"]:
        signed = (
            f"{row['kind']}, {row['size']} bytes, of {'its checksum' if row['of_checksum'] else 'the file'}"
            for row in each["signatures"]
        )
        checksums = (("checksum", checksum) for checksum in each["checksums"])
        lines += named((("file", each["file"]), *checksums, *(("signature", text) for text in signed)))
    return [*lines, "Signatures are not verified."]


CAB = Format("archive", "`.cab` archive of the LVFS", "`MSCF`", lambda start: start.data[:4] == cab.MAGIC, _cab, _lines)
METAINFO = Format(
    "metainfo",
    "metainfo of AppStream for firmware",
    '`<component type="firmware">`',
    lambda start: start.data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and _COMPONENT.search(start.data) is not None,
    _metainfo,
    _lines,
)
CATALOG = Format(
    "catalog",
    "catalog of signatures (`.jcat`) of the LVFS",
    "`JcatVersionMajor` in JSON, compressed by gzip",
    _is_catalog,
    _catalog,
    _catalog_lines,
)
