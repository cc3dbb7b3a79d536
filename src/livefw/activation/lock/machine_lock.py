# SPDX-License-Identifier: Apache-2.0
"""One activation at a time on one machine: command, daemon and any other program share one lock.

The lock belongs to an open file description (fcntl(2), ``F_OFD_SETLK``), so the kernel releases it however its holder
ends. The child that makes the blocking write inherits it and keeps it until the kernel has replied: an engine that was
killed leaves the machine locked for exactly as long as its activation runs.

Read-only callers take no lock (``F_OFD_GETLK``; flock(2) has no such query). The file is never removed.

A locked file can be unlinked, and the next engine would then lock a new one. So there are three files, and an engine
locks every one that it can:

- the lock file, which is named after the machine (`livefw.activation.lock.machine_identity`) and describes its holder;
- a second one beside it, with the same content and a dot before its name, so that one unlink does not remove both;
- a file of the machine's own sysfs, which nobody can unlink and which is the same behind every mount. Only root can
  open it. In a tree that others can open, they can lock it for reading only, and read locks do not count.

No directory is locked, although directories are harder to remove: everybody who may list a directory may lock it
(flock(2)), so any user could keep root waiting for ever. Two cases remain: the removal of both files of a machine
without sysfs, and containers with a sysfs and a ``/run`` of their own.
"""

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, NamedTuple, Self

from livefw.activation.lock import machine_identity, query
from livefw.errors import PermissionDenied, Refused, TransportError
from livefw.text import whole

_NOTE_LIMIT = 4096
"""Bytes of the note that are read at most. The file is ours, and may still contain anything."""
_MOST_REPLACED = 100
"""How often the file may be replaced between opening and locking it. A program that can do this all the time can lock
everybody out anyway."""


_TEXT_LIMIT = 256
"""Characters of a text in the note at most."""


class LockedFor(StrEnum):
    """What the holder of the lock does."""

    ACTIVATING = "activating"
    STAGING = "staging"
    CANCELLING = "cancelling"

    @property
    def noun(self) -> str:
        """The act as a noun."""
        return _NOUNS[self]


_NOUNS = {
    LockedFor.ACTIVATING: "activation",
    LockedFor.STAGING: "staging",
    LockedFor.CANCELLING: "cancellation",
}


class LockHolder(NamedTuple):
    """The note of a lock's holder; ``pid`` is the engine's, which may have ended while its write still runs.

    ``component`` is a key, empty until it has chosen one; ``since_s`` is when it began with it, in seconds since 1970.
    """

    pid: int
    component: str
    user: str
    since_s: int
    act: LockedFor = LockedFor.ACTIVATING

    @property
    def seconds(self) -> int:
        """For how many seconds; 0 if the clock was put back."""
        return max(int(time.time()) - self.since_s, 0)

    @property
    def who(self) -> str:
        """By whom and for how long."""
        return f"by {self.user}, process {self.pid}, for {self.seconds} s" if self.pid else "by an unknown process"

    @property
    def advice(self) -> str:
        """What another user can do about it."""
        if self.act is LockedFor.ACTIVATING and self.component:
            return f"wait for it; to ask the mechanism to abandon it: livefw cancel {self.component}"
        return "wait for it; livefw history shows how it ended"


class Busy(Refused):
    """Another activation holds the lock; ``holder`` is None if it left no note."""

    def __init__(self, message: str, *, holder: LockHolder | None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.holder = holder


class Lock:
    """A held lock; use it in a ``with`` statement, or call `release`."""

    def __init__(self, held: list[int]) -> None:
        """Use `acquire`. ``held`` are descriptors of the lock file, the second file, and the machine's own file if it
        has one."""
        self._held = held

    @classmethod
    def acquire(cls, path: str, root: str = "") -> Self:
        """Take the lock of the machine at ``root`` without waiting; without a root there is no file of its sysfs.

        Raises:
            Busy: another program holds it.
            PermissionDenied, TransportError: the lock file cannot be made, opened or locked.
        """
        # The lock file is opened first and has the lowest number. An ending process closes the lowest descriptor first,
        # and Linux releases closed files in reverse order: if the lock file is free, the others are free too.
        held: list[int] = []
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            held.append(_locked(path))
            held.append(_locked(machine_identity.twin(path)))
            held += _guarded(root)
        except OSError as error:
            _close(held)
            raise _busy(_noted(path)) if error.errno == errno.EAGAIN else _no_lock(path, error) from error
        return cls(held)

    def describe(self, *, component: str, user: str, act: LockedFor = LockedFor.ACTIVATING) -> None:
        """Write a note for others about the work in progress. The lock is held even if the note cannot be written."""
        note = {"pid": os.getpid(), "component": component, "user": user, "since": int(time.time()), "act": act}
        for descriptor in self._held[:2]:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Release it. If a child still writes, the lock is held until that write has ended."""
        _close(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: str, root: str = "") -> LockHolder | None:
    """The present holder of the lock; None if it is free, or if that cannot be determined."""
    found = [note for note in (_asked(path), _asked(machine_identity.twin(path))) if note]
    if not found and (guard := machine_identity.guard(root) if root else None) is not None:
        try:
            if query.in_the_way(guard) == fcntl.F_WRLCK:
                found = [_UNNAMED]
        finally:
            os.close(guard)
    return max(found, key=lambda note: note.pid, default=None)


_UNNAMED = LockHolder(0, "", "", 0)


def _asked(path: str) -> LockHolder | None:
    """The holder of this file, without a name if it has no note; None if it is free."""
    if (descriptor := query.opened(path)) is None:
        return None
    try:
        held = query.in_the_way(descriptor) != fcntl.F_UNLCK
        return (_read_note(descriptor) or _UNNAMED) if held else None
    finally:
        os.close(descriptor)


def _noted(path: str) -> LockHolder | None:
    """As `holder`, and None for a holder without a note."""
    found = holder(path)
    return found if found and found.pid else None


def _locked(path: str) -> int:
    """A descriptor that holds the lock of the file that has this name now. OSError with EAGAIN if another holds it."""
    for _ in range(_MOST_REPLACED):
        # Mode 0600: everybody who can open the file can lock it, and keep everybody else waiting.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, query.WHOLE_FILE)
            if _is_named(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was unlinked or replaced between open and lock
    raise OSError(errno.ESTALE, "it is being replaced repeatedly")


def _close(held: list[int]) -> None:
    while held:
        with suppress(OSError):  # it is closed in any case (close(2)), and the caller has an outcome to report
            os.close(held.pop())


def _is_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _guarded(root: str) -> list[int]:
    """The lock of the machine's own file; empty if there is no such file, or if another program has locked it for
    reading."""
    descriptor = machine_identity.guard(root) if root else None
    if descriptor is None:
        return []
    for _ in range(_MOST_REPLACED):
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, query.WHOLE_FILE)
        except OSError as error:
            kind = query.in_the_way(descriptor) if error.errno == errno.EAGAIN else fcntl.F_RDLCK
            if kind == fcntl.F_UNLCK:
                continue  # it was released just now
            os.close(descriptor)
            if kind == fcntl.F_WRLCK:
                raise
            return []
        return [descriptor]
    os.close(descriptor)
    return []


def _busy(note: LockHolder | None) -> Busy:
    return Busy(
        f"another {note.act.noun if note else 'activation'} is running: {_who(note)}",
        holder=note,
        hint=note.advice if note else "wait for it; livefw history shows how it ended",
        phase="lock",
    )


def _read_note(descriptor: int) -> LockHolder | None:
    """What the holder wrote; None if that is not a note. It may be anything: each field is checked and bounded."""
    try:
        note = json.loads(os.pread(descriptor, _NOTE_LIMIT, 0))
        return LockHolder(
            _whole(note["pid"], _LAST_PID),
            _text(note["component"]),
            _text(note["user"]),
            _whole(note["since"], _LAST_SECOND),
            LockedFor(note.get("act", LockedFor.ACTIVATING)),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


_LAST_PID = 1 << 22
"""``PID_MAX_LIMIT`` of a 64-bit Linux."""
_LAST_SECOND = 1 << 40


def _whole(value: object, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return whole(value[:_TEXT_LIMIT])


def _who(note: LockHolder | None) -> str:
    if note is None:
        return "it has not reported what it does"
    return " ".join(filter(None, (note.component, note.who)))


def _no_lock(path: str, error: OSError) -> TransportError:
    denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    kind = PermissionDenied if denied else TransportError
    return kind(
        f"the lock {path} cannot be taken: {error.strerror}",
        hint="run it as root; for a machine other than this one, set LIVEFW_RUNTIME_DIR" if denied else "",
        phase="lock",
        errno=error.errno,
    )
