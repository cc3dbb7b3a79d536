# SPDX-License-Identifier: Apache-2.0
"""``livefw image info``: what a file is, and whether a machine would take it."""

import argparse
import hashlib
import io
import os
from typing import Any, BinaryIO

from livefw import reading
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import certificate, fip, note, trust, verify
from livefw.firmware.image.certificate import Certificate
from livefw.firmware.image.chain import CHAINS, Counter, TrustChain
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.errors import ImageError
from livefw.firmware.image.names import BY_GUID
from livefw.firmware.image.store import CERTIFICATES, Store
from livefw.firmware.image.verify import TrustAnchor, Verified
from livefw.text import printable, table

_MAGIC = fip.MAGIC.to_bytes(4, "little")
MOST_BYTES = 512 << 20
"""Largest file of which all is read; as for `livefw.cli.stage`."""
_UNVERIFIED = "declared, not verified"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which file, and whose trust."""
    parser.add_argument("file", metavar="FILE", help="a firmware image package, a certificate in DER, or an image")
    configure_machine(parser)


def configure_machine(parser: argparse.ArgumentParser) -> None:
    """Whose trust, and which counters."""
    parser.add_argument("--trust", metavar="FILE", help="chain of trust and hashes of root keys (those of the store)")
    parser.add_argument("--store", metavar="DIR", help="the machine's store, for its trust and its counters")
    parser.add_argument("--counter", metavar="NAME=N", action="append", default=[], help="tfw, ntfw or ccafw (0)")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Tell what a file is; what is wrong with its trust is part of the answer."""
    machine = machine_of(arguments)
    with reading.opened(arguments.file) as file:
        if machine or session.json:
            require_size(file, arguments.file)
        document = _describe(file, arguments.file, hashes=session.json)
        if machine and document["kind"] == "package":
            document["verdict"] = _verdict(file, *machine)
    document["file"] = arguments.file
    session.answer(lambda: _text(document), lambda: {"image": document})
    return ExitCode.DONE


def require_size(file: BinaryIO, path: str) -> None:
    """A file of which all is read has to have a size that firmware has; `UsageError`."""
    if os.fstat(file.fileno()).st_size > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES >> 20} MiB")


def machine_of(arguments: argparse.Namespace) -> tuple[TrustAnchor, dict[Counter, int]] | None:
    """What the machine that is meant believes, and its counters; None if none is."""
    if not arguments.trust and not arguments.store:
        return None
    anchor = trust.read(arguments.trust or os.path.join(arguments.store, trust.NAME))
    counters = Store(Folder(arguments.store)).non_volatile().counters if arguments.store else {}
    return anchor, counters | dict(map(parse_counter, arguments.counter))


def parse_counter(text: str) -> tuple[Counter, int]:
    """``NAME=N``; `UsageError`."""
    name, _, value = text.partition("=")
    if name not in {*Counter} or not value.isdecimal() or len(value) > 10 or int(value) >> 32:
        raise UsageError(f"not a counter: {text[:40]!r}", hint="for example --counter tfw=3")
    return Counter(name), int(value)


def _describe(file: BinaryIO, path: str, *, hashes: bool) -> dict[str, Any]:
    """What a file is. Of the images of a package, hashes are for the document only: they cost reading all of it."""
    start = file.read(fip.TOC_LIMIT)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if fip.is_encrypted(start):
        return {"kind": "encrypted image", "size": size}
    if start[:4] == _MAGIC:
        return {"kind": "package", "size": size} | _package(file, hashes=hashes)
    require_size(file, path)
    if start[:1] == b"\x30" and size <= certificate.MAX_CERTIFICATE:
        try:
            return {"kind": "certificate", "size": size} | _certificate(file.read(), "certificate")
        except ImageError:
            file.seek(0)  # an image may well begin with this byte
    return {"kind": "image", "size": size} | _image(iter(lambda: file.read(fip.CHUNK), b""))


def _package(file: BinaryIO, *, hashes: bool) -> dict[str, Any]:
    contents = fip.read(file)
    entries = []
    for entry in contents.entries:
        known = BY_GUID.get(entry.guid)
        row: dict[str, Any] = {
            "guid": str(entry.guid),
            "name": known.option if known else None,
            "title": known.title if known else None,
            "offset": entry.offset,
            "size": entry.size,
        }
        if entry.guid in CERTIFICATES and entry.size <= certificate.MAX_CERTIFICATE:
            try:
                row["certificate"] = _certificate(fip.read_payload(file, entry), known.option if known else "")
            except ImageError as error:
                row["error"] = _error(error)
        else:
            row |= _image(fip.read_chunks(file, entry)) if hashes else {"version": _version(_tail(file, entry))}
        entries.append(row)
    return {"platform_flags": contents.platform_flags, "entries": entries}


def _image(chunks: Any) -> dict[str, Any]:
    work, tail = hashlib.sha256(), b""
    for data in chunks:
        work.update(data)
        tail = (tail + data)[-note.SIZE :]
    return {"sha256": work.hexdigest(), "version": _version(tail)}


def _tail(file: BinaryIO, entry: fip.FipEntry) -> bytes:
    size = min(entry.size, note.SIZE)
    return fip.read_payload(file, entry._replace(offset=entry.offset + entry.size - size, size=size))


def _version(tail: bytes) -> str | None:
    version = note.read(tail)
    return str(version) if version.known else None


def _certificate(data: bytes, name: str) -> dict[str, Any]:
    read = certificate.read(certificate.split(data, name))
    return {
        "subject": read.common_name,
        "signature": str(read.scheme),
        "not_before": read.not_before,
        "not_after": read.not_after,
        "key_sha256": hashlib.sha256(read.subject_key).hexdigest(),
        "extensions": _extensions(read),
    }


def _extensions(read: Certificate) -> dict[str, Any]:
    """What the extensions of the two chains say, by cert_create's option."""
    said: dict[str, Any] = {}
    for chain in CHAINS.values():
        for row in chain.rows:
            for entry in row.hashes:
                digest = read.digest(entry.oid)
                if digest and not digest.empty:
                    said[entry.option] = f"{digest.kind.name} {digest.value.hex()}"
            for key in row.keys:
                if key.oid in read.extensions:
                    said[key.option] = f"key {hashlib.sha256(read.key(key.oid)).hexdigest()}"
    said |= {f"{counter}-nvctr": read.counter(counter.oid) for counter in Counter if counter.oid in read.extensions}
    return said


def _verdict(file: BinaryIO, anchor: TrustAnchor, counters: dict[Counter, int]) -> dict[str, Any]:
    try:
        return accepted(verify.verify(file, anchor, counters), anchor.chain)
    except ImageError as error:
        return {"authentic": False, "error": _error(error)}


def accepted(verified: Verified, chain: TrustChain) -> dict[str, Any]:
    """The document of a package that this chain verifies."""
    images = []
    for guid, image in verified.images.items():
        version = note.read(image.tail)
        images.append(
            {
                "name": chain.label(guid),
                "guid": str(guid),
                "version": str(version) if version.known else None,
                "certificate": image.certificate,
            }
        )
    return {
        "authentic": True,
        "images": images,
        "counters": {str(counter): value for counter, value in verified.counters.items()},
        "unsigned": [str(guid) for guid in verified.unsigned],
    }


def _error(error: ImageError) -> dict[str, Any]:
    return {"rule": str(error.rule), "status": error.status.name, "offset": error.offset, "text": str(error)}


def _text(document: dict[str, Any]) -> str:
    out = io.StringIO()
    print(f"{printable(document['file'])}: {document['kind']}, {document['size']:,} bytes", file=out)
    if document["kind"] == "package":
        rows = [("NAME", "OFFSET", "SIZE", "VERSION", "WHAT"), *map(_entry_row, document["entries"])]
        print(table(rows), file=out)
        print(_verdict_text(document.get("verdict")), file=out)
    elif document["kind"] == "encrypted image":
        print("AES-GCM; cannot be judged without the key", file=out)
    elif document["kind"] == "certificate":
        print(_certificate_text(document), file=out)
    else:
        print(f"version {document['version'] or 'not known'}, SHA-256 {document['sha256']}", file=out)
    return out.getvalue().rstrip("\n")


def _entry_row(row: dict[str, Any]) -> tuple[str, ...]:
    what = row.get("title") or ""
    if "certificate" in row:
        signed = row["certificate"]
        said = ", ".join(f"{name} {value}" for name, value in signed["extensions"].items() if name.endswith("-nvctr"))
        what = f"{signed['subject']}; {signed['signature']}; {said}"
    elif "error" in row:
        what = row["error"]["text"]
    return (
        row["name"] or row["guid"],
        f"{row['offset']:#x}",
        str(row["size"]),
        row.get("version") or "-",
        printable(what),
    )


def _certificate_text(document: dict[str, Any]) -> str:
    lines = [
        f"subject    {document['subject']}",
        f"signature  {document['signature']}",
        f"valid      {document['not_before']} to {document['not_after']} (not checked: firmware has no clock)",
        f"key        {document['key_sha256']}",
        *(f"says       {name} {value}" for name, value in document["extensions"].items()),
        _UNVERIFIED,
    ]
    return "\n".join(map(printable, lines))


def _verdict_text(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return f"Versions and names are {_UNVERIFIED}; --trust FILE or --store DIR verifies."
    if not verdict["authentic"]:
        return f"This machine refuses it: {printable(verdict['error']['text'])} ({verdict['error']['status']})"
    return f"This machine takes it: {', '.join(row['name'] for row in verdict['images'])}"
