# SPDX-License-Identifier: Apache-2.0
"""The kernel log as ``/dev/kmsg`` gives it (kernel, ``Documentation/ABI/testing/dev-kmsg``).

It is read twice: before a request to find the newest record, and after it for those that are new.
"""

import re
from typing import NamedTuple

from livefw.files.protocol import Files
from livefw.text import decode

KMSG = "/dev/kmsg"


class KmsgRecord(NamedTuple):
    """A line of the kernel log; ``facility`` 0 is the kernel, all else was written from user space."""

    sequence: int
    facility: int
    text: str


def cursor(files: Files) -> int | None:
    """Sequence number of the newest record, -1 if there is none; None if the log cannot be read."""
    try:
        lines = _lines(files)
    except OSError:
        return None
    return next((record.sequence for line in reversed(lines) if (record := parse(line))), -1)


def since(files: Files, position: int) -> list[KmsgRecord]:
    """Records after this sequence number, oldest first; none if the log cannot be read any more."""
    try:
        lines = _lines(files)
    except OSError:
        return []
    fresh: list[KmsgRecord] = []
    for line in reversed(lines):
        record = parse(line)
        if record and record.sequence <= position:
            break
        if record:
            fresh.append(record)
    return fresh[::-1]


def _lines(files: Files) -> list[bytes]:
    return b"".join(files.records(KMSG)).split(b"\n")


def parse(line: bytes) -> KmsgRecord | None:
    """``PRIORITY,SEQUENCE,MICROSECONDS,FLAGS...;TEXT``; None for anything else, such as a line of a dictionary."""
    prefix, semicolon, text = line.partition(b";")
    fields = prefix.split(b",")
    if not semicolon or len(fields) < 3 or not all(field.isdigit() and len(field) < 20 for field in fields[:2]):
        return None
    unescaped = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text)
    return KmsgRecord(int(fields[1]), int(fields[0]) >> 3, decode(unescaped))
