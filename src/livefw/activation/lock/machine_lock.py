# SPDX-License-Identifier: Apache-2.0
"""One activation at a time on one machine, whoever asks: command, daemon or fleet.

The lock is one of an open file description (fcntl(2), ``F_OFD_SETLK``), so that the end of its holder frees it,
however that end came. The child that makes the blocking write inherits it and keeps it until the kernel has answered:
an engine that was killed in the middle leaves the machine locked for exactly as long as the activation goes on.

Who only wants to know takes nothing (``F_OFD_GETLK``; flock(2) has no such question), and the file stays where it is:
whoever hears that the machine is busy has met somebody who is at work on it.

A file can be unlinked while it is locked, and the next engine would lock a new one. So there are three, and an engine
holds all that can be had:

- the file itself, which is named after the machine (`livefw.activation.lock.machine_identity`) and says who is at work;
- its twin beside it, with the same words and a dot before its name: what removes the one does not remove the other;
- a file of the machine's own sysfs, which nobody can unlink, and which is the same one behind every mount of it. Only
  root can open it. Of a tree where others can, they can lock it for reading and nothing else, and that does not count.

No directory is locked, although none of these is easily removed: whoever may list a directory may lock it (flock(2)),
and an ordinary user would keep root waiting for ever. What is left: somebody who removes file and twin of a machine
without sysfs, and containers with a sysfs and a ``/run`` of their own.
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

from livefw.activation.lock import machine_identity
from livefw.errors import PermissionDenied, Refused, TransportError

_FLOCK = struct.Struct("@hhqqi0q")
"""struct flock with offsets of 64 bits: type, whence, start, length (0: to the end), pid (0 for these locks)."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_NOTE_LIMIT = 4096
"""Most that is read of the note inside; the file belongs to us, and may still hold anything."""
_MOST_REPLACED = 100
"""How often the file may be replaced between our opening and our locking it; somebody who does that all the time has
rights enough to keep everybody out anyway."""


class LockHolder(NamedTuple):
    """Who said to hold the lock; ``pid`` is the engine's, which may be gone while its write goes on."""

    pid: int
    component: str
    user: str
    since_s: int


class Busy(Refused):
    """Another activation holds the lock; ``holder`` is None if it left no note."""

    def __init__(self, message: str, *, holder: LockHolder | None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.holder = holder


class Lock:
    """A held lock; leave it by ``with`` or `release`."""

    def __init__(self, held: list[int]) -> None:
        """Use `acquire`. ``held`` are open on the file itself, its twin, and the machine's file where there is one."""
        self._held = held

    @classmethod
    def acquire(cls, path: str, root: str = "") -> Self:
        """Take the lock of the machine at ``root`` without waiting; without a root it has no sysfs.

        `Busy` if it is held, `TransportError` if there can be none.
        """
        # The file itself comes first and has the lowest number. A process that ends closes the lowest first, and Linux
        # frees what was closed from the last to the first: who finds the file free, finds all free.
        held: list[int] = []
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            held.append(_locked(path))
            held.append(_locked(_twin(path)))
            held += _guarded(root)
        except OSError as error:
            _close(held)
            raise _busy(_noted(path)) if error.errno == errno.EAGAIN else _no_lock(path, error) from error
        return cls(held)

    def describe(self, *, component: str, user: str) -> None:
        """Leave a note for others about what is being done; without room for it the lock is held all the same."""
        note = {"pid": os.getpid(), "component": component, "user": user, "since": int(time.time())}
        for descriptor in self._held[:2]:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Give it back. If a child still writes, it is held until that write has ended."""
        _close(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: str, root: str = "") -> LockHolder | None:
    """Who holds the lock now; None if nobody does, or if there is no telling."""
    found = [note for note in (_asked(path), _asked(_twin(path))) if note]
    if not found and (guard := machine_identity.guard(root) if root else None) is not None:
        try:
            if _in_the_way(guard) == fcntl.F_WRLCK:
                found = [_UNNAMED]
        finally:
            os.close(guard)
    return max(found, key=lambda note: note.pid, default=None)


_UNNAMED = LockHolder(0, "", "", 0)


def _asked(path: str) -> LockHolder | None:
    """Who holds this file, without a name if it has no note; None if nobody does."""
    try:
        # NONBLOCK: a pipe of that name must not keep whoever only asks.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        held = _in_the_way(descriptor) != fcntl.F_UNLCK
        return (_read_note(descriptor) or _UNNAMED) if held else None
    finally:
        os.close(descriptor)


def _in_the_way(descriptor: int) -> int:
    """Which kind of lock keeps this file from being locked, F_UNLCK for none."""
    kind, *_ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE))
    return int(kind)


def _noted(path: str) -> LockHolder | None:
    """As `holder`; None also for one without a note."""
    found = holder(path)
    return found if found and found.pid else None


def _twin(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")


def _locked(path: str) -> int:
    """A descriptor that holds the lock of the file that has this name now; OSError if somebody else does."""
    for _ in range(_MOST_REPLACED):
        # For its owner alone: whoever may open it may lock it, and keep everybody else waiting.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
            if _is_named(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody unlinked or replaced it between our open and our lock
    raise OSError(errno.ESTALE, "it is replaced again and again")


def _close(held: list[int]) -> None:
    while held:
        with suppress(OSError):  # it is closed all the same (close(2)), and whoever gives it back has something to tell
            os.close(held.pop())


def _is_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _guarded(root: str) -> list[int]:
    """The lock of the machine's own file; none where there is no such file, or somebody else reads it."""
    descriptor = machine_identity.guard(root) if root else None
    if descriptor is None:
        return []
    for _ in range(_MOST_REPLACED):
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except OSError as error:
            kind = _in_the_way(descriptor) if error.errno == errno.EAGAIN else fcntl.F_RDLCK
            if kind == fcntl.F_UNLCK:
                continue  # given back just now
            os.close(descriptor)
            if kind == fcntl.F_WRLCK:
                raise
            return []
        return [descriptor]
    os.close(descriptor)
    return []


def _busy(note: LockHolder | None) -> Busy:
    return Busy(
        f"another activation is running: {_who(note)}",
        holder=note,
        hint="wait for it; livefw history shows how it ended",
        phase="lock",
    )


def _read_note(descriptor: int) -> LockHolder | None:
    try:
        note = json.loads(os.pread(descriptor, _NOTE_LIMIT, 0))
        return LockHolder(int(note["pid"]), str(note["component"]), str(note["user"]), int(note["since"]))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        return None


def _who(note: LockHolder | None) -> str:
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
