# SPDX-License-Identifier: Apache-2.0
"""Firmware image packages, images that TF-A's encrypt_fw made, and images with a note of their version."""

from collections.abc import Iterable
from typing import Any

from livefw.cli.image.formats.base import Document, Format, InfoView, Start, columns, digest, named
from livefw.cli.image.formats.certificates import certificate_document
from livefw.firmware.image import certificate, fip, note
from livefw.firmware.image.errors import ImageError
from livefw.firmware.image.fip import Fip, FipEntry
from livefw.firmware.image.names import BY_GUID
from livefw.firmware.image.store import CERTIFICATES
from livefw.text import printable

MAGIC = fip.MAGIC.to_bytes(4, "little")
UNVERIFIED = "declared, not verified"


def _package(start: Start, view: InfoView) -> Document:
    contents = fip.read(start.file)
    hashes = sum(entry.size for entry in contents.entries) <= view.most_hashed
    gaps, end = _gaps(contents)
    document: Document = {
        "flags": contents.flags,
        "platform_flags": contents.platform_flags,
        "serial": contents.serial,
        "declared_size": contents.size,
        "padding": sum(gaps.values()),
        "trailing": start.size - end,
        "entries": [_entry(start, entry, gaps[entry], hashes=hashes) for entry in contents.entries],
    }
    if view.judge:
        document["verdict"] = view.judge(start.file)
    return document


def _gaps(contents: Fip) -> tuple[dict[FipEntry, int], int]:
    """Bytes before each payload that belong to nothing, and where the last part of the package ends."""
    end = len(fip.encode_toc(contents))
    gaps = {}
    for entry in sorted(contents.entries, key=lambda entry: entry.offset):
        gaps[entry] = max(entry.offset - end, 0) if entry.size else 0
        end = max(end, entry.offset + entry.size) if entry.size else end
    return gaps, end


def _entry(start: Start, entry: FipEntry, gap: int, *, hashes: bool) -> Document:
    known = BY_GUID.get(entry.guid)
    row: dict[str, Any] = {
        "guid": str(entry.guid),
        "name": known.option if known else None,
        "title": known.title if known else None,
        "offset": entry.offset,
        "size": entry.size,
        "flags": entry.flags,
        "padding": gap,
    }
    if hashes:
        row["sha256"] = digest(fip.read_chunks(start.file, entry))
    if entry.guid in CERTIFICATES and entry.size <= certificate.MAX_CERTIFICATE:
        try:
            data = fip.read_payload(start.file, entry)
            row["certificate"] = certificate_document(data, known.option if known else "", strict=True)
        except ImageError as error:
            row["error"] = error_document(error)
    else:
        row["version"] = _version(_tail(start, entry))
        row["encrypted"] = entry.size > 0 and fip.is_encrypted(_read(start, entry.offset, min(entry.size, 16)))
    return row


def error_document(error: ImageError) -> Document:
    """Why the firmware would refuse something."""
    return {"rule": str(error.rule), "status": error.status.name, "offset": error.offset, "text": str(error)}


def _tail(start: Start, entry: FipEntry) -> bytes:
    size = min(entry.size, note.SIZE)
    return _read(start, entry.offset + entry.size - size, size)


def _read(start: Start, offset: int, size: int) -> bytes:
    start.file.seek(offset)
    return start.file.read(size)


def _version(tail: bytes) -> str | None:
    version = note.read(tail)
    return str(version) if version.known else None


def _package_lines(document: Document) -> list[str]:
    entries = document["entries"]
    lines = columns(("NAME", "OFFSET", "SIZE", "VERSION", "WHAT"), map(_row, entries))
    hashes = [(entry["name"] or entry["guid"], entry["sha256"]) for entry in entries if "sha256" in entry]
    lines += columns(("NAME", "SHA-256"), hashes)
    lines += named(
        (
            ("flags", f"{document['flags']:#x}, {document['platform_flags']:#x} of the platform"),
            ("serial", f"{document['serial']:#x}"),
            ("padding", f"{document['padding']:,} bytes between the parts, {document['trailing']:,} bytes behind them"),
            ("hashes", None if hashes or not entries else "not computed for a package of this size; --hash does"),
        )
    )
    return [*lines, _verdict_text(document.get("verdict"))]


def _row(entry: Document) -> tuple[object, ...]:
    words = [entry["title"] or ""]
    if "certificate" in entry:
        signed = entry["certificate"]
        counters = [f"{name} {value}" for name, value in signed["extensions"].items() if name.endswith("-nvctr")]
        words = [signed["subject"], signed["signature"], ", ".join(counters)]
    elif "error" in entry:
        words = [entry["error"]["text"]]
    elif entry["encrypted"]:
        words.append("encrypted")
    if entry["flags"]:
        words.append(f"flags {entry['flags']:#x}")
    version = entry.get("version") or "-"
    return (
        entry["name"] or entry["guid"],
        f"{entry['offset']:#x}",
        entry["size"],
        version,
        "; ".join(filter(None, words)),
    )


def _verdict_text(verdict: Document | None) -> str:
    if verdict is None:
        return f"Versions and names are {UNVERIFIED}; --trust FILE or --store DIR verifies."
    if not verdict["authentic"]:
        return f"This machine refuses it: {printable(verdict['error']['text'])} ({verdict['error']['status']})"
    return f"This machine takes it: {', '.join(row['name'] for row in verdict['images'])}"


def _encrypted(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    header = fip.EncryptionHeader.decode(start.data)
    return {
        "encryption": {
            "algorithm": "AES-GCM",
            "device_key": header.device_key,
            "vector": header.vector.hex(),
            "tag": header.tag.hex(),
            "payload": start.size - fip.ENCRYPTION_BYTES,
        }
    }


def _encrypted_lines(document: Document) -> list[str]:
    found = document["encryption"]
    whose = "of the device (BSSK)" if found["device_key"] else "of the platform (SSK)"
    pairs = (
        ("key", whose),
        ("vector", found["vector"]),
        ("tag", found["tag"]),
        ("payload", f"{found['payload']:,} bytes"),
    )
    return [f"{found['algorithm']}; cannot be judged without the key", *named(pairs)]


def _noted(start: Start) -> bool:
    return _version(_end(start)) is not None


def _end(start: Start) -> bytes:
    return _read(start, max(start.size - note.SIZE, 0), note.SIZE)


def _image(start: Start, view: InfoView) -> Document:
    document: Document = {"version": _version(_end(start))}
    if start.size <= view.most_hashed:
        start.file.seek(0)
        document["sha256"] = digest(_chunks(start))
    return document


def _chunks(start: Start) -> Iterable[bytes]:
    return iter(lambda: start.file.read(fip.CHUNK), b"")


def _image_lines(document: Document) -> list[str]:
    return [f"version {document['version']}, SHA-256 {document.get('sha256', 'not computed; --hash does')}"]


ENCRYPTED = Format(
    "encrypted image",
    "image that TF-A's `encrypt_fw` has encrypted",
    "`0xAA640001`, then algorithm, flags and sizes of a GCM header",
    lambda start: fip.is_encrypted(start.data),
    _encrypted,
    _encrypted_lines,
)
PACKAGE = Format(
    "package",
    "firmware image package (FIP) of TF-A",
    "`0xAA640001`",
    lambda start: start.data[:4] == MAGIC,
    _package,
    _package_lines,
)
IMAGE = Format(
    "image",
    "any image with livefw's note of its version",
    "the note in the last 32 bytes",
    _noted,
    _image,
    _image_lines,
)
