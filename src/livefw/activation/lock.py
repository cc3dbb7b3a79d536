# SPDX-License-Identifier: Apache-2.0
"""One activation at a time on one machine, whoever asks: command, daemon or fleet.

The lock is one of an open file description (fcntl(2), ``F_OFD_SETLK``), so that the end of its holder frees it,
however that end came. The child that makes the blocking write inherits it and keeps it until the kernel has answered:
an engine that was killed in the middle leaves the machine locked for exactly as long as the activation goes on.

Who only wants to know takes nothing (``F_OFD_GETLK``; flock(2) has no such question), and the file stays where it is:
whoever hears that the machine is busy has met somebody who is at work on it.
"""

import errno
import fcntl
import json
import os
import struct
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from livefw.errors import PermissionDenied, Refused, TransportError

_FLOCK = struct.Struct("@hhqqi0q")
"""struct flock with offsets of 64 bits: type, whence, start, length (0: to the end), pid (0 for these locks)."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_NOTE_LIMIT = 4096
"""Most that is read of the note inside; the file belongs to us, and may still hold anything."""


class Holder(NamedTuple):
    """Who said to hold the lock; ``pid`` is the engine's, which may be gone while its write goes on."""

    pid: int
    component: str
    user: str
    since_s: int


class Busy(Refused):
    """Another activation holds the lock; ``holder`` is None if it left no note."""

    def __init__(self, message: str, *, holder: Holder | None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.holder = holder


class Lock:
    """A held lock; leave it by ``with`` or `release`."""

    def __init__(self, descriptor: int) -> None:
        """Use `acquire`."""
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: str) -> Self:
        """Take the lock without waiting. `Busy` if it is held, `TransportError` if there can be none."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            # For its owner alone: whoever may open it may lock it, and keep everybody else waiting.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _no_lock(path, error) from error
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
            os.ftruncate(descriptor, 0)
        except OSError as error:
            busy = error.errno in (errno.EAGAIN, errno.EACCES)
            note = _read_note(descriptor)
            os.close(descriptor)
            raise _busy(note) if busy else _no_lock(path, error) from error
        return cls(descriptor)

    def describe(self, *, component: str, user: str) -> None:
        """Leave a note for others about what is being done; without room for it the lock is held all the same."""
        note = {"pid": os.getpid(), "component": component, "user": user, "since": int(time.time())}
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Give it back. If a child still writes, it is held until that write has ended."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: str) -> Holder | None:
    """Who holds the lock now; None if nobody does, or if there is no telling."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        in_the_way, *_ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE))
        return None if in_the_way == fcntl.F_UNLCK else _read_note(descriptor) or Holder(0, "", "", 0)
    finally:
        os.close(descriptor)


def _busy(note: Holder | None) -> Busy:
    return Busy(
        f"another activation is running: {_who(note)}",
        holder=note,
        hint="wait for it; livefw history shows how it ended",
        phase="lock",
    )


def _read_note(descriptor: int) -> Holder | None:
    try:
        note = json.loads(os.pread(descriptor, _NOTE_LIMIT, 0))
        return Holder(int(note["pid"]), str(note["component"]), str(note["user"]), int(note["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _who(note: Holder | None) -> str:
    if note is None:
        return "it has not said what it does"
    return f"{note.component} by {note.user}, process {note.pid}, for {max(int(time.time()) - note.since_s, 0)} s"


def _no_lock(path: str, error: OSError) -> TransportError:
    denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    kind = PermissionDenied if denied else TransportError
    return kind(
        f"the lock {path} cannot be taken: {error.strerror}",
        hint="run it as root; for another machine than this one, LIVEFW_RUNTIME_DIR says where" if denied else "",
        phase="lock",
        errno=error.errno,
    )
