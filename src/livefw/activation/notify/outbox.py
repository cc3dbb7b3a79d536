# SPDX-License-Identifier: Apache-2.0
"""Events that wait to be sent, in a file beside the history.

The history is the queue of outcomes: ``cursor`` is the last row of which events were made. What is no row of the
history (an image is pending, a check blocks, a BMC is silent) is a condition that is there or not: ``conditions`` are
those of which an event was made. Both are written together with the events, in one file that is replaced, so that
a program that dies at any point has lost no event, and two programs that see the same thing make one event of it.

An event stays until each executable has taken it or it was given up: it is sent at least once. An executable that has
taken one whose sender died then gets it again, with the same id.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from livefw import reading

DIRECTORY = "notify"
FILE = "queue.json"
T = TypeVar("T")
_LOCK = ".lock"
_SIZE_LIMIT = 4 << 20
MOST_EVENTS = 256
"""Events that wait at most; above it the oldest is given up, for which a mail system that is down for a day must not
fill the disk."""
MOST_CONDITIONS = 1024
MOST_NAMES = 64


@dataclass(slots=True)
class Waiting:
    """An event, and how often each executable that is to get it may still be tried."""

    id: str
    document: dict[str, Any]
    left: dict[str, int]


@dataclass(slots=True)
class Delivery:
    """What is known of one executable. Times are seconds since 1970, 0 for never; ``not_before`` is the next try."""

    failures: int = 0
    not_before: float = 0.0
    taken: int = 0
    given_up: int = 0
    last_taken: float = 0.0
    last_failed: float = 0.0
    last_error: str = ""


@dataclass(slots=True)
class Contents:
    """The file. ``recent`` are times of events by kind and subject, ``suppressed`` how many were not sent by kind."""

    cursor: int | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    recent: dict[str, list[float]] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    hooks: dict[str, Delivery] = field(default_factory=dict)


def parse(data: bytes) -> Contents:
    """Read a file; empty contents if it makes no sense."""
    try:
        found = json.loads(data)
        made = Contents(
            cursor=found["cursor"],
            conditions=_table(found["conditions"], str),
            recent={name: [float(each) for each in times] for name, times in found["recent"].items()},
            suppressed=_table(found["suppressed"], int),
            waiting=[
                Waiting(str(each["id"]), dict(each["document"]), _table(each["left"], int)) for each in found["waiting"]
            ],
            hooks={name: _delivery(each) for name, each in found["hooks"].items()},
        )
        encode(made)  # what could not be written again is none of ours: a time that is no number, a deep nesting
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return Contents()
    return made if made.cursor is None or type(made.cursor) is int else Contents()


def encode(contents: Contents) -> bytes:
    """The file of these contents. ValueError, RecursionError if they are no contents that this module makes."""
    return json.dumps(asdict(contents), allow_nan=False).encode()


def _table(found: dict[str, Any], kind: Callable[[Any], T]) -> dict[str, T]:
    return {name: kind(each) for name, each in found.items()}


def _delivery(found: dict[str, Any]) -> Delivery:
    """As in `Delivery`; each field has the type of its default."""
    default = asdict(Delivery())
    return Delivery(**{name: type(default[name])(value) for name, value in found.items()})


class Outbox:
    """The file of one machine. Each change is made while it is locked, and is on disk when the method returns."""

    def __init__(self, state: str) -> None:
        self._state = state
        self.directory = os.path.join(state, DIRECTORY)
        self._path = os.path.join(self.directory, FILE)

    def read(self) -> Contents:
        """What is in it; empty if there is no such file, or if it makes no sense. OSError."""
        try:
            return parse(reading.read_trusted(self._path, _SIZE_LIMIT))
        except FileNotFoundError:
            return Contents()

    def change(self, make: Callable[[Contents], object]) -> Contents:
        """Change the content by ``make``; returns it. OSError."""
        with self.locked(_LOCK):
            contents = self.read()
            before = encode(contents)
            make(contents)
            after = encode(contents)
            if after != before:
                self._replace(after)
        return contents

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a file here locked; yields False if another program has it and we do not ``wait``. OSError."""
        reading.make_directories(self._state, 0o750)  # as the history makes it
        reading.make_directories(self.directory, 0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(os.path.join(self.directory, name), flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _replace(self, data: bytes) -> None:
        new = f"{self._path}.new"
        with suppress(FileNotFoundError):
            os.unlink(new)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
