# SPDX-License-Identifier: Apache-2.0
"""Images of disks and flash: partition tables, and packages at any offset of what is nothing else."""

import os
from collections.abc import Callable, Iterator
from itertools import islice

from livefw.cli.image.formats import packages
from livefw.cli.image.formats.base import CHUNK, MOST_BYTES, UNKNOWN, Document, InfoView, Start, columns, named
from livefw.firmware.format import partitions
from livefw.firmware.format.partitions import Partition
from livefw.firmware.format.source import part
from livefw.firmware.image import fip
from livefw.firmware.image.errors import PackageError

MOST_FOUND = 64
"""Packages of a dump that are shown."""
MOST_TRIED = 4096
"""Attack: a dump of nothing but the four bytes with which a table begins. Chance brings them once in 4 GiB."""

Identify = Callable[[Start, InfoView], Document]
Lines = Callable[[Document], list[str]]


def disk(start: Start, view: InfoView, identify: Identify) -> Document:
    """The partitions, what each begins with, and the packages at other places."""
    table = partitions.read(start.file)
    # Attack: each partition may ask for as much work as a file; together they get what one does.
    share = view._replace(most_hashed=view.most_hashed // max(len(table.partitions), 1))
    rows = [_partition(start, each, share, identify) for each in table.partitions]
    known = [(row["offset"], row["offset"] + row["size"]) for row in rows if row["content"]["kind"] == "package"]
    return {
        "disk": {"guid": table.guid.efi, "block": table.block, "note": table.note or None, "partitions": rows},
        "found": _packages(start, share, identify, known),
    }


def _partition(start: Start, each: Partition, view: InfoView, identify: Identify) -> Document:
    return {
        "number": each.number,
        "name": each.name,
        "type": each.type.efi,
        "type_name": partitions.TYPES.get(each.type),
        "guid": each.guid.efi,
        "offset": each.offset,
        "size": each.size,
        "attributes": each.attributes,
        "content": identify(Start.of(part(start.file, each.offset, each.size)), view),
    }


def disk_lines(document: Document, lines: Lines) -> list[str]:
    """The table, then what was found in each partition, then what was found elsewhere."""
    found = document["disk"]
    rows = [
        (
            each["number"],
            each["name"] or "-",
            f"{each['offset']:#x}",
            each["size"],
            each["type_name"] or each["type"],
            each["content"]["kind"],
        )
        for each in found["partitions"]
    ]
    known = [each for each in found["partitions"] if each["content"]["kind"] != UNKNOWN]
    return [
        *named((("disk", f"{found['guid']}, blocks of {found['block']} bytes"), ("note", found["note"]))),
        *columns(("NUMBER", "NAME", "OFFSET", "SIZE", "TYPE", "CONTENT"), rows),
        *(
            line
            for each in known
            for line in (f"partition {each['number']}: {each['content']['kind']}", *lines(each["content"]))
        ),
        *dump_lines(document, lines),
    ]


def has_package(start: Start) -> bool:
    """Whether there is a package at any offset."""
    return next(_offsets(start), None) is not None


def dump(start: Start, view: InfoView, identify: Identify) -> Document:
    """The packages at any offset."""
    return {"found": _packages(start, view, identify, [])}


def _packages(start: Start, view: InfoView, identify: Identify, known: list[tuple[int, int]]) -> list[Document]:
    beside = (at for at in _offsets(start) if not any(begin <= at < end for begin, end in known))
    offsets = [*islice(beside, MOST_FOUND)]
    share = view._replace(most_hashed=view.most_hashed // max(len(offsets), 1))
    return [
        {"offset": at, "content": identify(Start.of(part(start.file, at, start.size - at)), share)} for at in offsets
    ]


def dump_lines(document: Document, lines: Lines) -> list[str]:
    """Each with its offset."""
    return [
        line
        for each in document["found"]
        for line in (f"at offset {each['offset']:#x}: {each['content']['kind']}", *lines(each["content"]))
    ]


def _offsets(start: Start) -> Iterator[int]:
    """Where packages begin whose table is whole. What lies inside one of them is no package of its own."""
    free = 0
    for offset in islice(_magics(start), MOST_TRIED):
        if offset < free:
            continue
        try:
            contents = fip.read(part(start.file, offset, start.size - offset))
        except PackageError:
            continue  # four bytes that look so, or an encrypted image, which nothing says the end of
        yield offset
        ends = [entry.offset + entry.size for entry in contents.entries]
        free = offset + max([len(fip.encode_toc(contents)), *ends])


def _magics(start: Start) -> Iterator[int]:
    """Where the magic stands. Holes of a sparse file are not read, and of all others at most `MOST_BYTES`."""
    left = MOST_BYTES
    overlap = len(packages.MAGIC) - 1
    for begin, end in _data(start):
        at = begin
        while at < end and left > 0:
            start.file.seek(at)
            data = start.file.read(min(CHUNK + overlap, end - at))
            place = data.find(packages.MAGIC)
            while place >= 0:
                yield at + place
                place = data.find(packages.MAGIC, place + 1)
            at += CHUNK
            left -= CHUNK


def _data(start: Start) -> Iterator[tuple[int, int]]:
    """From where to where a file has data; all of it where the filesystem or the file cannot tell."""
    try:
        descriptor = start.file.fileno()
    except OSError:  # a part of another file, or one in memory
        yield 0, start.size
        return
    end = 0
    while end < start.size:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)  # that of the file, which has a buffer for it
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError:  # ENXIO: nothing but a hole follows
            return
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        yield begin, end
