# SPDX-License-Identifier: Apache-2.0
"""The calls that SQLite makes of a file system, seen by a `Disk` while they are about what is on it.

SQLite offers its system calls for replacement to whoever tests it (``xSetSystemCall`` of its VFS); what it makes of an
errno is its own doing then, and tested with it. ``fsync`` is not among them, and is seen as ``xSync`` of each file. See
https://sqlite.org/c3ref/vfs.html and https://sqlite.org/c3ref/io_methods.html. The memory that its processes share
(``-shm``) is written by nobody's call; it is made anew after a power cut.
"""

import ctypes
import errno
import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from .disk import Disk, Kind, PowerCut

_INT, _LONG, _SIZE, _TEXT, _POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
_CALLS: dict[str, tuple[Any, ...]] = {
    "open": (_INT, _TEXT, _INT, _INT),
    "read": (_LONG, _INT, _POINTER, _SIZE),
    "pread": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "pread64": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "write": (_LONG, _INT, _POINTER, _SIZE),
    "pwrite": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "pwrite64": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "ftruncate": (_INT, _INT, _LONG),
    "fallocate": (_INT, _INT, _LONG, _LONG),
    "unlink": (_INT, _TEXT),
    "openDirectory": (_INT, _TEXT, ctypes.POINTER(_INT)),
    "fcntl": (_INT, _INT, _INT, _LONG),
    "mmap": (_POINTER, _POINTER, _SIZE, _INT, _INT, _INT, _LONG),
}
"""What each returns and takes, by SQLite's names; all run on Linux with 64 bits."""
_SYNC_FAILED = 10 | 4 << 8
"""SQLITE_IOERR_FSYNC."""
_CANNOT_OPEN = 14
_MAP_FAILED = ctypes.c_void_p(-1).value
_SET_LOCKS = (fcntl.F_SETLK, fcntl.F_SETLKW)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        ("size_of_file", _INT),
        ("longest_path", _INT),
        ("next", _POINTER),
        ("name", _TEXT),
        ("data", _POINTER),
        ("open", _POINTER),
        *((f"other_{number}", _POINTER) for number in range(12)),
        ("set_call", _POINTER),
        ("get_call", _POINTER),
        ("next_call", _POINTER),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        *((name, _POINTER) for name in ("close", "read", "write", "truncate", "sync")),
        *((f"other_{number}", _POINTER) for number in range(13)),
    )


_Open = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
_Sync = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)
_Set = ctypes.CFUNCTYPE(_INT, _POINTER, _TEXT, _POINTER)
_Get = ctypes.CFUNCTYPE(_POINTER, _POINTER, _TEXT)


def _library() -> ctypes.CDLL:
    """The very library that Python's module uses, which is loaded by now."""
    sqlite3.connect(":memory:").close()
    loaded = re.findall(r"\S*/libsqlite3\.so\S*$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    return ctypes.CDLL(loaded[0] if loaded else None, use_errno=True)


class _Shim:
    """What is called in SQLite's place, kept for as long as the process has a SQLite that may call it."""

    def __init__(self) -> None:
        self.disk: Disk | None = None
        self.trouble: list[BaseException] = []
        """What went wrong in here, where nobody can raise it."""
        self._library = _library()
        self._library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._vfs = self._library.sqlite3_vfs_find(None)
        unix = self._vfs.contents
        assert unix.version >= 3
        self._set_call, get_call = _Set(unix.set_call), _Get(unix.get_call)
        self._real: dict[str, Any] = {}
        self._ours: dict[str, Any] = {}
        for name, (result, *arguments) in _CALLS.items():
            pointer = get_call(self._vfs, name.encode())
            if pointer is None:
                continue  # this SQLite was built without a use for it
            prototype = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)
            self._real[name] = prototype(pointer)
            self._ours[name] = prototype(self._guarded(getattr(self, f"_{name.removesuffix('64').lower()}"), name))
        self._methods: dict[int, tuple[_Methods, Any]] = {}
        self._opened: dict[int, tuple[str, int]] = {}
        self._open_real, self._open_ours = _Open(unix.open), _Open(self._open_vfs)
        self._sync_ours = _Sync(self._sync)

    def begin(self, disk: Disk) -> None:
        """Let a disk see what happens from now on."""
        assert self.disk is None
        self.disk = disk
        self.trouble.clear()
        self._install(self._open_ours, self._ours)

    def end(self) -> None:
        """Leave SQLite as it was; files that are still open go on by way of us."""
        self.disk = None
        self._install(self._open_real, dict.fromkeys(self._ours))

    def _install(self, opened: Any, calls: dict[str, Any]) -> None:
        self._vfs.contents.open = ctypes.cast(opened, _POINTER).value
        for name, call in calls.items():  # None: its own again
            code = self._set_call(self._vfs, name.encode(), ctypes.cast(call, _POINTER) if call else None)
            assert code == 0, name

    def _guarded(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        real, failed = (
            self._real[name],
            _MAP_FAILED if name == "mmap" else _CANNOT_OPEN if name == "openDirectory" else -1,
        )

        def guarded(*arguments: Any) -> Any:
            try:
                return call(real, *arguments) if self.disk else real(*arguments)
            except OSError as error:
                ctypes.set_errno(error.errno or 0)
            except PowerCut:
                ctypes.set_errno(errno.EIO)
            except BaseException as error:  # nothing can be raised through C
                self.trouble.append(error)
                ctypes.set_errno(errno.EIO)
            return failed

        return guarded

    def _on_disk(self, descriptor: int) -> tuple[Disk, str] | None:
        path = os.readlink(f"/proc/self/fd/{descriptor}").removesuffix(" (deleted)")
        return (self.disk, path) if self.disk and self.disk.holds(path) else None

    # Each system call, with the real one first.

    def _open(self, real: Any, path: bytes, flags: int, mode: int) -> int:
        disk, name = self.disk, os.fsdecode(path)
        if disk is None or not disk.holds(name):
            return int(real(path, flags, mode))
        new = bool(flags & os.O_CREAT) and not os.path.lexists(name)
        disk.step(Kind.CREATE if new else Kind.OPEN, name)
        descriptor = int(real(path, flags, mode))
        if new and descriptor >= 0:
            disk.created(name)
        return descriptor

    def _read(self, real: Any, descriptor: int, *arguments: Any) -> int:
        if found := self._on_disk(descriptor):
            found[0].step(Kind.READ, found[1])
        return int(real(descriptor, *arguments))

    _pread = _read

    def _write(self, real: Any, descriptor: int, data: int, size: int) -> int:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        return self._written(descriptor, data, size, offset, lambda part: real(descriptor, data, part))

    def _pwrite(self, real: Any, descriptor: int, data: int, size: int, offset: int) -> int:
        return self._written(descriptor, data, size, offset, lambda part: real(descriptor, data, part, offset))

    def _written(self, descriptor: int, data: int, size: int, offset: int, real: Callable[[int], int]) -> int:
        found = self._on_disk(descriptor)
        if found and found[0].step(Kind.WRITE, found[1]):
            size = (size + 1) // 2
        done = int(real(size))
        if found and done > 0:
            found[0].written(os.fstat(descriptor).st_ino, (offset, ctypes.string_at(data, done)))
        return done

    def _ftruncate(self, real: Any, descriptor: int, size: int) -> int:
        found = self._on_disk(descriptor)
        if found:
            found[0].step(Kind.TRUNCATE, found[1])
        done = int(real(descriptor, size))
        if found and done == 0:
            found[0].written(os.fstat(descriptor).st_ino, size)
        return done

    def _fallocate(self, real: Any, descriptor: int, offset: int, size: int) -> int:
        found = self._on_disk(descriptor)
        if found:
            found[0].step(Kind.ALLOCATE, found[1])
        done = int(real(descriptor, offset, size))
        if found and done == 0:
            found[0].written(os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size)
        return done

    def _unlink(self, real: Any, path: bytes) -> int:
        disk, name = self.disk, os.fsdecode(path)
        there = disk is not None and disk.holds(name) and os.path.lexists(name)
        if disk and there:
            disk.step(Kind.UNLINK, name)
        done = int(real(path))
        if disk and there and done == 0:
            disk.removed(name)
        return done

    def _opendirectory(self, real: Any, path: bytes, descriptor: Any) -> int:
        """SQLite opens the directory of a file to synchronise it, which follows at once, and for nothing else."""
        disk, above = self.disk, os.path.dirname(os.fsdecode(path))
        there = disk is not None and disk.holds(above)
        if disk and there:
            disk.step(Kind.SYNC_NAMES, above)
        done = int(real(path, descriptor))
        if disk and there and done == 0:
            disk.names_synced(above)
        return done

    def _fcntl(self, real: Any, descriptor: int, command: int, argument: int) -> int:
        takes = command in _SET_LOCKS and ctypes.c_short.from_address(argument).value != fcntl.F_UNLCK
        if takes and (found := self._on_disk(descriptor)):
            found[0].step(Kind.LOCK, found[1])
        return int(real(descriptor, command, argument))

    def _mmap(self, real: Any, address: int, size: int, protection: int, flags: int, descriptor: int, at: int) -> int:
        if found := self._on_disk(descriptor):
            found[0].step(Kind.MAP, found[1])
        return int(real(address, size, protection, flags, descriptor, at))

    # The VFS.

    def _open_vfs(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        code = int(self._open_real(vfs, name, file, flags, out))
        methods = ctypes.cast(file, ctypes.POINTER(_POINTER))
        if self.disk and code == 0 and name and methods[0]:
            path = os.fsdecode(ctypes.string_at(name))
            # By its number: a file may be given another name while it is open. And not by a descriptor of our own:
            # to close that would give back the locks that SQLite holds (fcntl(2)).
            self._opened[file] = (path, os.stat(path).st_ino)
            methods[0] = self._with_sync(methods[0])
        return code

    def _with_sync(self, address: int) -> int:
        """The methods at an address, with ``sync`` of ours."""
        if address not in self._methods:
            ours = _Methods.from_buffer_copy(_Methods.from_address(address))
            real = _Sync(ours.sync)
            ours.sync = ctypes.cast(self._sync_ours, _POINTER).value
            self._methods[address] = (ours, real)
            self._methods[ctypes.addressof(ours)] = (ours, real)
        return ctypes.addressof(self._methods[address][0])

    def _sync(self, file: int, flags: int) -> int:
        methods = ctypes.cast(file, ctypes.POINTER(_POINTER))[0]
        real = self._methods[methods][1]
        disk, (path, inode) = self.disk, self._opened[file]
        try:
            if disk is None or not disk.holds(path):
                return int(real(file, flags))
            disk.step(Kind.SYNC, path)
            code = int(real(file, flags))  # and its directory, where SQLite has made the file
            if code == 0:
                disk.synced(inode)
        except (OSError, PowerCut):
            return _SYNC_FAILED
        except BaseException as error:  # nothing can be raised through C
            self.trouble.append(error)
            return _SYNC_FAILED
        return code


@cache
def _shim() -> _Shim:
    return _Shim()


@contextmanager
def seen_by(disk: Disk) -> Iterator[None]:
    """Have the disk see SQLite's calls."""
    shim = _shim()
    shim.begin(disk)
    try:
        yield
    finally:
        shim.end()
    assert not shim.trouble, shim.trouble
