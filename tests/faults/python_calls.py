# SPDX-License-Identifier: Apache-2.0
"""The calls that Python makes of a file system, seen by a `Disk` while they are about what is on it."""

import builtins
import fcntl
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .disk import Disk, Kind

_Real = dict[str, Callable[..., Any]]
_WRITES = os.O_WRONLY | os.O_RDWR


class _Raw(io.FileIO):
    """A file that is written by ``os.write``, which is seen, as all that Python's own objects do is not."""

    def write(self, data: Any) -> int:
        return os.write(self.fileno(), data)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.ftruncate(self.fileno(), size)
        return size


class _Calls:
    def __init__(self, disk: Disk, real: _Real) -> None:
        self._disk = disk
        self._real = real

    def _at(self, path: Any, dir_fd: int | None = None) -> str:
        """Where something is on the disk; empty for what is elsewhere."""
        if isinstance(path, int):
            found = str(os.readlink(f"/proc/self/fd/{path}")).removesuffix(" (deleted)")
        else:
            above = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else os.getcwd()
            found = os.path.normpath(os.path.join(above, os.fsdecode(path)))
        return found if self._disk.holds(found) else ""

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        at = self._at(path, dir_fd)
        if not at:
            return int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        new = bool(flags & os.O_CREAT) and not os.path.lexists(at)
        self._disk.step(Kind.CREATE if new else Kind.OPEN, at)
        descriptor = int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        if new:
            self._disk.created(at)
        elif flags & os.O_TRUNC and flags & _WRITES:
            self._disk.written(os.fstat(descriptor).st_ino, 0)
        return descriptor

    def write(self, descriptor: int, data: Any) -> int:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) if self._at(descriptor) else 0
        return self._write(descriptor, data, offset, lambda part: self._real["write"](descriptor, part))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        return self._write(descriptor, data, offset, lambda part: self._real["pwrite"](descriptor, part, offset))

    def _write(self, descriptor: int, data: Any, offset: int, real: Callable[[memoryview], int]) -> int:
        view, at = memoryview(data).cast("B"), self._at(descriptor)
        if at and self._disk.step(Kind.WRITE, at):
            view = view[: (len(view) + 1) // 2]
        done = real(view)
        if at:
            self._disk.written(os.fstat(descriptor).st_ino, (offset, bytes(view[:done])))
        return done

    def ftruncate(self, descriptor: int, size: int) -> None:
        at = self._at(descriptor)
        if at:
            self._disk.step(Kind.TRUNCATE, at)
        self._real["ftruncate"](descriptor, size)
        if at:
            self._disk.written(os.fstat(descriptor).st_ino, size)

    def posix_fallocate(self, descriptor: int, offset: int, size: int) -> None:
        at = self._at(descriptor)
        if at:
            self._disk.step(Kind.ALLOCATE, at)
        self._real["posix_fallocate"](descriptor, offset, size)
        if at:
            self._disk.written(os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size)

    def fsync(self, descriptor: int) -> None:
        at = self._at(descriptor)
        if not at:
            self._real["fsync"](descriptor)
        elif stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._disk.step(Kind.SYNC_NAMES, at)
            self._disk.names_synced(at)
        else:
            self._disk.step(Kind.SYNC, at)
            self._disk.synced(os.fstat(descriptor).st_ino)

    def rename(self, old: Any, new: Any, **dirs: Any) -> None:
        start, end = self._at(old), self._at(new)
        if start:
            self._disk.step(Kind.RENAME, start)
        self._real["rename"](old, new, **dirs)
        if start:
            self._disk.renamed(start, end)

    def link(self, old: Any, new: Any, **named: Any) -> None:
        start, end = self._at(old), self._at(new)
        if start:
            self._disk.step(Kind.LINK, start)
        self._real["link"](old, new, **named)
        if start:
            self._disk.linked(start, end)

    def _named(self, name: str, kind: Kind, done: Callable[[str], None]) -> Callable[..., None]:
        def call(path: Any, *arguments: Any, dir_fd: int | None = None) -> None:
            at = self._at(path, dir_fd)
            there = bool(at) and (kind is not Kind.UNLINK or os.path.lexists(at))
            if there:
                self._disk.step(kind, at)
            self._real[name](path, *arguments, dir_fd=dir_fd)
            if there:
                done(at)

        return call

    def chmod(self, path: Any, mode: int, **named: Any) -> None:
        if at := self._at(path):
            self._disk.step(Kind.MODE, at)
        self._real["chmod"](path, mode, **named)

    def flock(self, file: Any, operation: int) -> None:
        if at := self._at(file if isinstance(file, int) else file.fileno()):
            self._disk.step(Kind.LOCK, at)
        self._real["flock"](file, operation)

    def open_file(self, file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **named: Any) -> Any:
        """Python's ``open``, of bytes to be written: text is never written to the disk by itself."""
        if not self._at(file) or not set(mode) & set("wxa+"):
            if not isinstance(file, int) and (at := self._at(file)):
                self._disk.step(Kind.OPEN, at)
            return self._real["open_file"](file, mode, buffering, *arguments, **named)
        assert mode in ("wb", "xb"), "another mode of open() is to be taught to this"
        if not isinstance(file, int):
            file = os.open(file, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if mode == "wb" else os.O_EXCL), 0o666)
        raw = _Raw(file, "wb")
        return raw if buffering == 0 else io.BufferedWriter(raw)

    def table(self) -> dict[str, Callable[..., Any]]:
        """By the names in `os`."""
        names = ("open", "write", "pwrite", "ftruncate", "posix_fallocate", "fsync", "rename", "link", "chmod")
        unlink = self._named("unlink", Kind.UNLINK, self._disk.removed)
        return {
            **{name: getattr(self, name) for name in names},
            "fdatasync": self.fsync,
            "replace": self.rename,
            "unlink": unlink,
            "remove": unlink,
            "mkdir": self._named("mkdir", Kind.MKDIR, self._disk.created),
            "rmdir": self._named("rmdir", Kind.RMDIR, self._disk.removed),
        }


@contextmanager
def seen_by(disk: Disk) -> Iterator[None]:
    """Have the disk see Python's calls."""
    real: _Real = {"open_file": builtins.open, "flock": fcntl.flock}
    calls = _Calls(disk, real)
    table = calls.table()
    real |= {name: getattr(os, name) for name in table}
    places: list[tuple[Any, str, Any]] = [(os, name, call) for name, call in table.items()]
    places += [(place, "open", calls.open_file) for place in (builtins, io)]
    places.append((fcntl, "flock", calls.flock))
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    try:
        for place, name, call in places:
            setattr(place, name, call)
        yield
    finally:
        for place, name, was in before:
            setattr(place, name, was)
