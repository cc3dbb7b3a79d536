# SPDX-License-Identifier: Apache-2.0
"""The sysfs seam: everything that a provider knows of a machine comes through these few operations on files.

`HostFiles` is a real file system, at ``/`` or below any folder. A modelled machine offers the same shape without a
file system. Every operation raises plain `OSError` with an errno; what that means is for the provider to say.
"""

import errno
import os
from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

T = TypeVar("T")

LOST = -1
"""`Write.error` of a write whose writer died before it could answer: it may have happened."""

_RECORD = 8192
"""Largest record of ``/dev/kmsg`` (kernel, ``PRINTKRB_RECORD_MAX`` and the prefix)."""


class Write(Protocol):
    """One write that was started and goes on by itself."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended, at most so long; whether it has."""
        ...

    @property
    def error(self) -> int:
        """The errno it ended with: 0 if the write succeeded, `LOST` if nobody can tell. ValueError before the end."""
        ...


class Files(Protocol):
    """A tree of files. Paths are absolute and have no ``.``, ``..`` or doubled slash."""

    def names(self, path: str) -> list[str]:
        """Names in a directory, in its own order."""
        ...

    def read(self, path: str, limit: int = 4096) -> bytes:
        """What one read of the file gives, at most ``limit`` bytes."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is anything at this path."""
        ...

    def records(self, path: str) -> list[bytes]:
        """Records of a log such as ``/dev/kmsg``, oldest first: each read gives one.

        End of file and EAGAIN end it. EPIPE means that records were overwritten before they were read, and it goes on.
        """
        ...

    def start_write(self, path: str, data: bytes) -> Write:
        """Begin to write, and return at once. What goes wrong, opening included, is told by the `Write`."""
        ...


class HostFiles:
    """A file system below ``root``.

    No symbolic link below the root is ever followed: a tree given with ``--root`` may come from anywhere, and none of
    the paths that a provider needs has a link in it. A link answers ELOOP, or ENOTDIR in the middle of a path.

    Directories of the last path stay open, so that reading all files of one directory looks it up once.
    """

    def __init__(self, root: str = "/") -> None:
        """Open the root; OSError if it is not a directory."""
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._held: list[tuple[str, int]] = []

    def close(self) -> None:
        """Release all descriptors."""
        self._forget(0)
        os.close(self._root)

    def names(self, path: str) -> list[str]:
        """See `Files`; the last directory is always looked up anew, because it may have been made anew."""
        parts = _parts(path)
        self._forget(max(len(parts) - 1, 0))
        descriptor = self._retried(lambda: self._open_at(self._directory(parts), ".", os.O_RDONLY | os.O_DIRECTORY))
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)

    def read(self, path: str, limit: int = 4096) -> bytes:
        """See `Files`."""
        descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        *parents, name = _parts(path) or ["."]
        try:
            self._retried(lambda: os.stat(name, dir_fd=self._directory(parents), follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def records(self, path: str) -> list[bytes]:
        """See `Files`."""
        found: list[bytes] = []
        descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            while True:
                try:
                    record = os.read(descriptor, _RECORD)
                except BlockingIOError:
                    return found
                except BrokenPipeError:
                    continue
                if not record:
                    return found
                found.append(record)
        finally:
            os.close(descriptor)

    def start_write(self, path: str, data: bytes) -> Write:
        """See `Files`; the write runs in a child process of its own session.

        A Ctrl-C on the terminal does not reach the child, and it goes on if this process dies.
        """
        return ChildWrite(lambda: self._write(path, data))

    def _write(self, path: str, data: bytes) -> None:
        self._forget(0)
        os.write(self._open(path, os.O_WRONLY), data)

    def _open(self, path: str, flags: int) -> int:
        *parents, name = _parts(path) or ["."]
        return self._retried(lambda: self._open_at(self._directory(parents), name, flags))

    @staticmethod
    def _open_at(directory: int, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)

    def _directory(self, parts: list[str]) -> int:
        """A descriptor of this directory, kept open together with those above it."""
        held = self._held
        same = 0
        while same < len(held) and same < len(parts) and held[same][0] == parts[same]:
            same += 1
        self._forget(same)
        descriptor = held[-1][1] if held else self._root
        for name in parts[same:]:
            descriptor = self._open_at(descriptor, name, os.O_PATH | os.O_DIRECTORY)
            held.append((name, descriptor))
        return descriptor

    def _forget(self, keep: int) -> None:
        while len(self._held) > keep:
            os.close(self._held.pop()[1])

    def _retried(self, work: Callable[[], T]) -> T:
        """Look up again from the root if a directory that was held open has been removed meanwhile."""
        held = bool(self._held)
        try:
            return work()
        except FileNotFoundError:
            if not held:
                raise
        self._forget(0)
        return work()


def _parts(path: str) -> list[str]:
    parts = path.split("/")[1:] if path != "/" else []
    if not path.startswith("/") or not all(parts) or "." in parts or ".." in parts:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return parts


class ChildWrite:
    """A blocking write in a child process; the errno comes back through a pipe.

    The child keeps every signal blocked that can be blocked. A signal could only shorten the driver's pauses, or, on a
    file system in user space, end the write with EINTR, upon which Python would write, and so activate, once more.
    It also keeps what it inherited, a lock for instance, until the write has ended; only the standard streams are
    closed, so that nobody waits for the end of a pipe because of it.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a child; OSError if there can be none."""
        import signal  # not needed to list

        self._error: int | None = None
        self._pipe, answer = os.pipe()
        # From before the fork: the child must never run a signal handler of this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._child = os.fork()
            if self._child == 0:
                _run_child(work, answer)
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(answer)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, seconds: float | None) -> bool:
        """See `Write`."""
        if self._error is not None:
            return True
        import select  # not needed to list

        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(None if seconds is None else max(seconds, 0) * 1000):
            return False
        answer = os.read(self._pipe, 4)
        self._error = int.from_bytes(answer, "little") if len(answer) == 4 else LOST
        os.close(self._pipe)
        os.waitpid(self._child, 0)
        return True

    @property
    def error(self) -> int:
        """See `Write`."""
        if self._error is None:
            raise ValueError("the write has not ended")
        return self._error


def _run_child(work: Callable[[], None], answer: int) -> NoReturn:
    """The life of the child; whatever happens, it does not return into the code of the parent."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        try:
            work()
            error = 0
        except OSError as caught:
            error = caught.errno or errno.EIO
        os.write(answer, error.to_bytes(4, "little"))
    finally:
        os._exit(0)
