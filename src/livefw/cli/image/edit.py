# SPDX-License-Identifier: Apache-2.0
"""``livefw image extract``, ``replace`` and ``remove``: the images of a package, as fiptool changes them."""

import argparse
import os
import stat
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

from livefw import reading
from livefw.abi.guid import Guid
from livefw.cli.image.naming import configure_names, entry_flags, flags16, guid_of, names, pair
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import fip
from livefw.firmware.image.fip import Fip, FipEntry, Payload
from livefw.firmware.image.names import label
from livefw.text import printable


def configure_extract(parser: argparse.ArgumentParser) -> None:
    """Which images, and where to."""
    parser.add_argument("file", metavar="FILE", help="a firmware image package")
    parser.add_argument(
        "--image",
        metavar="NAME[=FILE]",
        action="append",
        default=[],
        help="an image by name or GUID, and its file, NAME.bin (all)",
    )
    parser.add_argument("--directory", metavar="DIR", default=".", help="where to write the files (here)")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    configure_names(parser)


def configure_replace(parser: argparse.ArgumentParser) -> None:
    """Which images, and with what."""
    parser.add_argument("file", metavar="FILE", help="a firmware image package")
    parser.add_argument(
        "--image",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="an image by name or GUID, and its new content",
    )
    parser.add_argument("--add", action="store_true", help="also images that the package does not have")
    parser.add_argument(
        "--entry-flags",
        metavar="NAME=N",
        action="append",
        default=[],
        help="flags of an entry, 64 bits (0 if replaced)",
    )
    _configure_output(parser)


def configure_remove(parser: argparse.ArgumentParser) -> None:
    """Which images."""
    parser.add_argument("file", metavar="FILE", help="a firmware image package")
    parser.add_argument("--image", metavar="NAME", action="append", required=True, help="an image by name or GUID")
    _configure_output(parser)


def _configure_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", help="write the package there (in place)")
    parser.add_argument("--align", metavar="BYTES", type=whole(1), default=1, help="where images begin (1)")
    parser.add_argument(
        "--plat-toc-flags",
        metavar="HEX",
        type=flags16,
        help="the platform's 16 bits of the header (as they are)",
    )
    configure_names(parser)


def run_extract(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Write each image to its file; none is written if one is not there, or a file is."""
    known = names(arguments)
    called = {guid: name for name, guid in known.items()}
    with reading.opened(arguments.file) as file:
        table = fip.read(file)
        wanted: dict[Guid, str] = {}
        for word in arguments.image:
            name, _, path = word.partition("=")
            wanted[guid_of(name, known)] = path
        rows = []
        for guid in wanted or [entry.guid for entry in table.entries]:
            path = wanted.get(guid) or f"{called.get(guid, guid)}.bin"
            rows.append((table[guid], os.path.join(arguments.directory, path)))
        for _, path in rows:
            if os.path.lexists(path) and not arguments.force:
                raise UsageError(
                    f"{path} is there", hint="overwrite it with --force, or write elsewhere with --directory"
                )
        os.makedirs(arguments.directory, exist_ok=True)
        for entry, path in rows:
            reading.replace(path, fip.read_chunks(file, entry))
    session.report(
        lambda: "\n".join(printable(f"{path}: {entry.size:,} bytes") for entry, path in rows),
        lambda: {"extracted": [_document(entry, called) | {"file": path} for entry, path in rows]},
    )
    return ExitCode.DONE


def _document(entry: FipEntry, called: dict[Guid, str]) -> dict[str, Any]:
    return {"guid": str(entry.guid), "name": called.get(entry.guid), "size": entry.size, "flags": entry.flags}


def run_replace(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Write the package anew with other images in it."""
    known = names(arguments)
    flags = dict(entry_flags(arguments.entry_flags, known))
    if not arguments.image and not flags and arguments.plat_toc_flags is None:
        raise UsageError("image replace: nothing to change", hint="for example --image rmm-fw=rmm.bin")
    with ExitStack() as stack:
        file = stack.enter_context(reading.opened(arguments.file))
        table = fip.read(file)
        put = {}
        for word in arguments.image:
            name, path = pair(word, "--image")
            guid = guid_of(name, known)
            source = stack.enter_context(reading.opened(path))
            size = os.fstat(source.fileno()).st_size
            put[guid] = Payload.from_package(source, FipEntry(guid, 0, size, flags.get(guid, 0)))
        if (absent := [guid for guid in put if table.find(guid) is None]) and not arguments.add:
            what = ", ".join(map(label, absent))
            raise UsageError(f"{arguments.file} has no {what}", hint="put it there with --add")
        for guid in flags.keys() - put.keys():
            put[guid] = Payload.from_package(file, table[guid]._replace(flags=flags[guid]))
        return _rewrite(session, arguments, file, table, put=list(put.values()))


def run_remove(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Write the package anew without some of its images."""
    known = names(arguments)
    gone = [guid_of(name, known) for name in arguments.image]
    with reading.opened(arguments.file) as file:
        return _rewrite(session, arguments, file, fip.read(file), remove=gone)


def _rewrite(
    session: CommandSession,
    arguments: argparse.Namespace,
    file: BinaryIO,
    table: Fip,
    *,
    put: Sequence[Payload] = (),
    remove: Collection[Guid] = (),
) -> int:
    output = arguments.output or arguments.file
    kept = table.platform_flags if arguments.plat_toc_flags is None else arguments.plat_toc_flags
    pieces: Iterable[bytes] = fip.write(
        fip.changed(file, table, put=put, remove=remove), align=arguments.align, platform_flags=kept, flags=table.flags
    )
    mode = 0o666 if arguments.output else stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    size = reading.replace(output, pieces, mode, masked=arguments.output is not None)
    with reading.opened(output) as written:
        after = fip.read(written)
    session.report(
        lambda: printable(f"{output}: {size:,} bytes; {', '.join(label(entry.guid) for entry in after.entries)}"),
        lambda: {
            "written": {
                "file": output,
                "size": size,
                "platform_flags": after.platform_flags,
                "images": [str(entry.guid) for entry in after.entries],
            }
        },
    )
    return ExitCode.DONE
