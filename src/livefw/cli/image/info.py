# SPDX-License-Identifier: Apache-2.0
"""``livefw image info``: what a file is, and whether a machine would take it."""

import argparse
import os
from functools import partial
from typing import Any, BinaryIO

from livefw import reading
from livefw.cli.image.formats import table
from livefw.cli.image.formats.base import MOST_BYTES, MOST_HASHED, UNKNOWN, Document, InfoView, Start
from livefw.cli.image.formats.packages import error_document
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import note, trust, verify
from livefw.firmware.image.chain import Counter, TrustChain
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.errors import ImageError
from livefw.firmware.image.store import Store
from livefw.firmware.image.verify import TrustAnchor, Verified
from livefw.text import printable

EVERYTHING = 1 << 64
"""Bytes that are hashed with ``--hash``."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which file, and whose trust."""
    parser.add_argument("file", metavar="FILE", help="a file with firmware, or what belongs to it")
    parser.add_argument("--hash", action="store_true", help="hash everything, however large it is")
    configure_machine(parser)


def configure_machine(parser: argparse.ArgumentParser) -> None:
    """Whose trust, and which counters."""
    parser.add_argument("--trust", metavar="FILE", help="chain of trust and hashes of root keys (those of the store)")
    parser.add_argument("--store", metavar="DIR", help="the machine's store, for its trust and its counters")
    parser.add_argument("--counter", metavar="NAME=N", action="append", default=[], help="tfw, ntfw or ccafw (0)")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Tell what a file is; what is wrong with its trust is part of the answer."""
    machine = machine_of(arguments)
    view = InfoView(EVERYTHING if arguments.hash else MOST_HASHED, machine and partial(_verdict, machine))
    with reading.opened(arguments.file) as file:
        if machine:
            require_size(file, arguments.file)
        try:
            document = {"file": arguments.file} | table.identify(Start.of(file), view)
        except table.DamagedError as error:
            raise table.DamagedError(f"{arguments.file}: {error.message}", firmware_code=error.firmware_code) from error
    names = {str(guid): name for name, guid in machine[0].chain.names} if machine else {}
    for entry in document.get("entries") or () if names else ():
        entry["name"] = entry["name"] or names.get(entry["guid"])
    session.answer(lambda: _text(document), lambda: {"image": document})
    return ExitCode.NOTHING_TO_DO if document["kind"] == UNKNOWN else ExitCode.DONE


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


def _verdict(machine: tuple[TrustAnchor, dict[Counter, int]], file: BinaryIO) -> dict[str, Any]:
    anchor, counters = machine
    try:
        return accepted(verify.verify(file, anchor, counters), anchor.chain)
    except ImageError as error:
        return {"authentic": False, "error": error_document(error)}


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


def _text(document: Document) -> str:
    what = "of no format that livefw knows" if document["kind"] == UNKNOWN else document["kind"]
    head = f"{printable(document['file'])}: {what}, {document['size']:,} bytes"
    return "\n".join([head, *table.lines(document)])
