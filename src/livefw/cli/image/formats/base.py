# SPDX-License-Identifier: Apache-2.0
"""What a format is to ``livefw image info``."""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NamedTuple

from livefw.errors import LivefwError
from livefw.text import printable, table

Document = dict[str, Any]
HEAD = 64 << 10
"""Bytes from its start by which a file is recognised."""
MOST_BYTES = 512 << 20
"""Largest file of which all is read; as for `livefw.cli.stage`."""
MOST_HASHED = 64 << 20
"""Bytes of payloads that are hashed without being asked for: a fifth of a second."""
CHUNK = 1 << 20
UNKNOWN = "unknown"
"""The kind of a file that is of no format."""

DAMAGE = (LivefwError, ValueError, OSError)
"""What the readers raise about a file that is not what it begins as; ``OSError`` is one that is too large."""


class Start(NamedTuple):
    """By what a file is recognised: its first `HEAD` bytes, its size, and itself."""

    data: bytes
    size: int
    file: BinaryIO

    @classmethod
    def of(cls, file: BinaryIO) -> "Start":
        """That of an open file."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return cls(file.read(HEAD), size, file)


class InfoView(NamedTuple):
    """What is to be shown: hashes of so many bytes together, and the verdict of a machine upon a package."""

    most_hashed: int = MOST_HASHED
    judge: Callable[[BinaryIO], Document] | None = None


class Format(NamedTuple):
    """One format.

    ``kind`` is its name in JSON and text, ``title`` and ``sign`` are for the documents: what it is, and by what it is
    recognised. ``describe`` raises one of `DAMAGE`.
    """

    kind: str
    title: str
    sign: str
    recognise: Callable[[Start], bool]
    describe: Callable[[Start, InfoView], Document]
    lines: Callable[[Document], list[str]]


def everything(start: Start, most: int, what: str) -> bytes:
    """All of a file; ValueError for one that is larger than any of this format."""
    if start.size > most:
        raise ValueError(f"{start.size:,} bytes, more than {what} has: {most:,}")
    start.file.seek(0)
    return start.file.read(most)


def digest(chunks: Iterable[bytes]) -> str:
    """SHA-256 in hexadecimal digits."""
    work = hashlib.sha256()
    for chunk in chunks:
        work.update(chunk)
    return work.hexdigest()


def digest_of(file: BinaryIO, offset: int, size: int) -> str:
    """SHA-256 of a part of a file."""

    def chunks() -> Iterable[bytes]:
        at = offset
        while at < offset + size:
            file.seek(at)
            data = file.read(min(CHUNK, offset + size - at))
            if not data:
                raise ValueError("it became shorter while it was read")
            yield data
            at += len(data)

    return digest(chunks())


def columns(heading: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    """A table, its cells made safe to show; nothing for no rows."""
    cells = [tuple(printable(str(cell)) for cell in row) for row in rows]
    return table([heading, *cells]).split("\n") if cells else []


def named(pairs: Iterable[tuple[str, object]]) -> list[str]:
    """Lines of a name and a value, of which those that are None are left out."""
    return [f"{name:<12}{printable(str(value))}".rstrip() for name, value in pairs if value is not None]
