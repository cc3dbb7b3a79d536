# SPDX-License-Identifier: Apache-2.0
"""One activation at a time on one machine, whoever asks: command, daemon or fleet.

The lock is a flock on a file, so that the end of its holder frees it, however that end came. The child that makes the
blocking write inherits it and keeps it until the kernel has answered: an engine that was killed in the middle leaves
the machine locked for exactly as long as the activation goes on.
"""

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from livefw.errors import PermissionDenied, Refused, TransportError

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

    def __init__(self, path: str, descriptor: int) -> None:
        """Use `acquire`."""
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: str) -> Self:
        """Take the lock without waiting. `Busy` if it is held, `TransportError` if there can be none."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
                if not _try(descriptor):
                    raise _busy(descriptor)
                if _is_at(path, descriptor):
                    break
                os.close(descriptor)  # its last holder has removed it since we opened it
        except OSError as error:
            raise _no_lock(path, error) from error
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        return cls(path, descriptor)

    def describe(self, *, component: str, user: str) -> None:
        """Leave a note for others about what is being done; without room for it the lock is held all the same."""
        note = {"pid": os.getpid(), "component": component, "user": user, "since": int(time.time())}
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Give it back and remove the file. If a child still writes, both stay until that write has ended."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if _try(descriptor) and _is_at(self._path, descriptor):
                    os.unlink(self._path)
            finally:
                os.close(descriptor)

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
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_note(descriptor) or Holder(0, "", "", 0)
    finally:
        os.close(descriptor)
    return None


def _try(descriptor: int) -> bool:
    """Whether the lock on this file is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: str, descriptor: int) -> bool:
    """Whether it is still this file that stands at the path."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _busy(descriptor: int) -> Busy:
    note = _read_note(descriptor)
    os.close(descriptor)
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
        hint="run it as root" if denied else "",
        phase="lock",
        errno=error.errno,
    )
