# SPDX-License-Identifier: Apache-2.0
"""Every format that ``livefw image info`` knows, in the order in which a file is held against them.

Help, docs/reference/formats.md (``python -m livefw.cli.image.formats.table docs/reference/formats.md``), the schema
and every answer follow from `FORMATS`.
"""

import re
import sys

from livefw.cli.image.formats import archives, boot, capsules, certificates, cpus, disks, packages
from livefw.cli.image.formats.base import DAMAGE, UNKNOWN, Document, Format, InfoView, Start, digest_of
from livefw.errors import MechanismFailed
from livefw.firmware.format import partitions
from livefw.text import printable


class DamagedError(MechanismFailed):
    """A file is of a known format, and damaged."""


def identify(start: Start, view: InfoView) -> Document:
    """What a file is, with its ``kind`` and ``size``; `UNKNOWN` for what is of no format. `DamagedError`."""
    found = next((each for each in FORMATS if each.recognise(start)), None)
    document = _described(found, start, view)
    if found is None and start.size <= view.most_hashed:
        document["sha256"] = digest_of(start.file, 0, start.size)
    return document


def lines(document: Document) -> list[str]:
    """The text of a document of `identify`, without the line that every file has."""
    kind = document["kind"]
    if "damage" in document:
        return [f"damaged: {printable(document['damage'])}"]
    if kind == UNKNOWN:
        return [f"SHA-256 {document['sha256']}"] if "sha256" in document else []
    return _BY_KIND[kind].lines(document)


def _described(found: Format | None, start: Start, view: InfoView) -> Document:
    document: Document = {"kind": found.kind if found else UNKNOWN, "size": start.size}
    if found is None:
        return document
    try:
        return document | found.describe(start, view)
    except DAMAGE as error:
        raise DamagedError(
            f"{_plain(found.title)}, damaged: {error}", firmware_code=getattr(error, "firmware_code", None)
        ) from error


def _inside(start: Start, view: InfoView) -> Document:
    """What begins at a place of a larger file; its damage is a part of the answer."""
    found = next((each for each in _WHOLE if each.recognise(start)), None)
    try:
        return _described(found, start, view)
    except DamagedError as error:
        kind = found.kind if found else UNKNOWN
        return {"kind": kind, "size": start.size, "damage": str(error.__cause__)}


_WHOLE: tuple[Format, ...] = (
    packages.ENCRYPTED,
    packages.PACKAGE,
    certificates.CERTIFICATE,
    certificates.KEY,
    certificates.PEM,
    archives.CAB,
    archives.METAINFO,
    archives.CATALOG,
    capsules.PFRUT,
    capsules.CAPSULE,
    cpus.TDX,
    cpus.INTEL,
    cpus.AMD,
    boot.EVENT_LOG,
    boot.METADATA,
)
"""What a file is from its start, the strictest sign first."""
FORMATS: tuple[Format, ...] = (
    *_WHOLE,
    Format(
        "disk",
        "image of a disk or a flash with a GUID partition table, and what its partitions begin with",
        "`EFI PART` at offset 512 or 4096",
        lambda start: partitions.is_disk(start.data),
        lambda start, view: disks.disk(start, view, _inside),
        lambda document: disks.disk_lines(document, lines),
    ),
    packages.IMAGE,
    Format(
        "dump",
        "any file with packages in it, at any offset",
        "`0xAA640001` with a whole table of contents behind it",
        disks.has_package,
        lambda start, view: disks.dump(start, view, _inside),
        lambda document: disks.dump_lines(document, lines),
    ),
)
_BY_KIND = {each.kind: each for each in FORMATS}


def titles() -> str:
    """All formats in one sentence, for the manual."""
    return "; ".join(_plain(each.title) for each in FORMATS)


def _plain(title: str) -> str:
    return title.replace("`", "")


_TABLE = re.compile(r"(?<=<!-- formats -->\n).*?(?=<!-- end -->)", re.DOTALL)


def page(text: str) -> str:
    """A document with the table of formats in its place; ValueError if it has none."""
    rows = [
        "| `kind` | What | Recognised by |",
        "|---|---|---|",
        *(f"| `{each.kind}` | {each.title} | {each.sign} |" for each in FORMATS),
    ]
    made, count = _TABLE.subn(lambda _: "\n".join(["", *rows, "", ""]), text)
    if count != 1:
        raise ValueError("no place for the table of formats")
    return made


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as document:
            text = page(document.read())
        with open(name, "w", encoding="utf-8") as document:
            document.write(text)
