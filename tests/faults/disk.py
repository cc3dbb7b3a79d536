# SPDX-License-Identifier: Apache-2.0
"""A disk that can fail at any of its operations, and that knows what a power cut may leave of it.

It stands for all that lies below one directory. The files there are real; beside them it remembers what is safe: what
is in a file since its last ``fsync``, a name since the last ``fsync`` of its directory. All else a power cut may keep
or lose, each sector and each name for itself. `python_calls` and `sqlite_calls` see to it that it hears of everything.
"""

import errno
import os
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR = 512


class Kind(StrEnum):
    """What is done to a disk."""

    OPEN = "open"
    CREATE = "create"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    ALLOCATE = "allocate"
    SYNC = "sync"
    SYNC_NAMES = "sync-names"
    RENAME = "rename"
    LINK = "link"
    UNLINK = "unlink"
    MKDIR = "mkdir"
    RMDIR = "rmdir"
    MODE = "mode"
    LOCK = "lock"
    MAP = "map"


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NAMES = (errno.EIO, errno.EROFS, errno.EACCES, *_NO_ROOM)
ERRORS: dict[Kind, tuple[int, ...]] = {
    Kind.OPEN: (errno.EIO, errno.EMFILE, errno.EACCES, errno.ENOMEM),
    Kind.CREATE: (errno.EROFS, *_NO_ROOM, errno.EIO, errno.EMFILE, errno.EACCES),
    Kind.READ: (errno.EIO,),
    Kind.WRITE: (errno.EIO, *_NO_ROOM, errno.EROFS),
    Kind.TRUNCATE: (errno.EIO, errno.EROFS),
    Kind.ALLOCATE: (*_NO_ROOM, errno.EIO, errno.EROFS),
    Kind.SYNC: (errno.EIO, *_NO_ROOM),
    Kind.SYNC_NAMES: (errno.EIO, errno.EROFS),
    Kind.RENAME: _NAMES,
    Kind.LINK: (*_NAMES, errno.EPERM),
    Kind.UNLINK: (errno.EIO, errno.EROFS, errno.EACCES),
    Kind.MKDIR: _NAMES,
    Kind.RMDIR: (errno.EIO, errno.EROFS, errno.EACCES),
    Kind.MODE: (errno.EIO, errno.EROFS),
    Kind.LOCK: (errno.ENOLCK,),
    Kind.MAP: (errno.ENOMEM,),
}
"""What Linux's manual pages, section 2, and the behaviour of its file systems name for each."""
CHANGES = frozenset(ERRORS) - {Kind.OPEN, Kind.READ, Kind.MODE, Kind.LOCK, Kind.MAP}
"""After one of these a power cut may leave something else than before it."""
_TAKES_ROOM = frozenset({Kind.CREATE, Kind.WRITE, Kind.ALLOCATE, Kind.MKDIR, Kind.LINK})


class Fault(NamedTuple):
    """What happens at the operation with this number, counted from 1.

    ``error`` is an errno, 0 for a power cut. ``lasting``: the disk stays so, as a dead, full or read-only one does.
    ``short``: half of what is written gets there, and nothing is said.
    """

    number: int
    error: int = 0
    lasting: bool = False
    short: bool = False

    def hits(self, kind: Kind, number: int) -> bool:
        """Whether this operation fails."""
        if number == self.number:
            return True
        if number < self.number or not self.lasting or kind is Kind.LOCK:  # locks are the kernel's own, and no disk's
            return False
        room = self.error not in _NO_ROOM or kind in _TAKES_ROOM
        return room and (self.error != errno.EROFS or kind in CHANGES)


class PowerCut(BaseException):
    """The disk is gone, and with it whoever used it. As with SIGKILL nothing of the program runs on."""


class File:
    """Content: what is safe, what is not yet, and what everybody sees."""

    def __init__(self, safe: bytes = b"") -> None:
        self.safe = safe
        self.seen = bytearray(safe)
        self.pending: list[tuple[int, bytes] | int] = []
        """Writes at an offset, and changes of the size."""

    def change(self, change: tuple[int, bytes] | int) -> None:
        """Something is written, or the size changes."""
        _apply(self.seen, change)
        self.pending.append(change)

    def sync(self) -> None:
        """All that was written since the last one is safe."""
        self.safe = self._with(self.pending)
        self.pending.clear()

    def sync_in_vain(self) -> None:
        """The kernel drops what it could not write and calls it clean: a later one writes nothing of it (Linux)."""
        self.pending.clear()

    def left(self, chance: Random | None, *, kept: bool) -> bytes:
        """What a power cut leaves: all, nothing unsafe, or any of its sectors."""
        if chance is None:
            return bytes(self.seen) if kept else self.safe
        pieces = [piece for change in self.pending for piece in _sectors(change)]
        return self._with([piece for piece in pieces if chance.random() < 0.5])

    def _with(self, changes: list[tuple[int, bytes] | int]) -> bytes:
        content = bytearray(self.safe)
        for change in changes:
            _apply(content, change)
        return bytes(content)


class Folder:
    """Names: those that are safe, changes that are not yet, and what everybody sees."""

    def __init__(self) -> None:
        self.safe: dict[str, File | Folder] = {}
        self.seen: dict[str, File | Folder] = {}
        self.pending: list[dict[str, File | Folder | None]] = []

    def change(self, names: dict[str, "File | Folder | None"]) -> None:
        """Names come, go (None), or both at once."""
        _rename(self.seen, names)
        self.pending.append(names)

    def sync(self) -> None:
        """All names are safe as they are."""
        self.safe = dict(self.seen)
        self.pending.clear()

    def left(self, chance: Random | None, *, kept: bool) -> dict[str, "File | Folder"]:
        """What a power cut leaves: all, nothing unsafe, those up to a moment, or any."""
        if chance is None:
            return self.seen if kept else self.safe
        found, in_order = dict(self.safe), chance.random() < 0.5
        changes = self.pending[: chance.randint(0, len(self.pending))] if in_order else self.pending
        for names in changes:
            if in_order or chance.random() < 0.5:
                _rename(found, names)
        return found


class Left(NamedTuple):
    """What a power cut leaves of what is not safe: ``names`` and ``data`` each all or nothing, or by ``chance``."""

    names: bool = False
    data: bool = False
    chance: Random | None = None


class Disk:
    """All below a directory, which may be filled already: that is safe."""

    def __init__(self, root: Path, fault: Fault | None = None) -> None:
        self.root = str(root)
        self.fault = fault
        self.log: list[tuple[Kind, str]] = []
        """Every operation that was tried, with the path within the disk."""
        self.dead = False
        """The power is gone."""
        self._files: dict[int, File] = {}
        self._top = self._as_it_is(self.root)

    def _as_it_is(self, path: str) -> Folder:
        folder = Folder()
        for entry in os.scandir(path):
            folder.seen[entry.name] = self._as_it_is(entry.path) if entry.is_dir() else self._known(entry.path)
        folder.sync()
        return folder

    def _known(self, path: str) -> File:
        return self._files.setdefault(os.lstat(path).st_ino, File(Path(path).read_bytes()))

    def holds(self, path: str) -> bool:
        """Whether it is on this disk."""
        return path == self.root or path.startswith(f"{self.root}/")

    def step(self, kind: Kind, path: str) -> bool:
        """Ahead of each operation; whether it is to be done by half. OSError, `PowerCut`."""
        if self.dead and kind is Kind.LOCK:
            return False  # SQLite would take a lock that fails for another writer, and wait for him
        if self.dead:
            raise PowerCut
        self.log.append((kind, os.path.relpath(path, self.root)))
        fault, number = self.fault, len(self.log)
        if fault is None or not fault.hits(kind, number):
            return False
        if fault.short:
            return kind is Kind.WRITE
        if fault.error == 0:
            self.dead = True
            raise PowerCut
        if kind is Kind.SYNC and fault.error == errno.EIO:
            self._files[os.stat(path).st_ino].sync_in_vain()
        raise OSError(fault.error, os.strerror(fault.error), path)

    # What was done, each after it succeeded.

    def created(self, path: str) -> None:
        """An empty file, or a directory, has this name now."""
        made: File | Folder = Folder() if os.path.isdir(path) else File()
        if isinstance(made, File):
            self._files[os.lstat(path).st_ino] = made
        self._change(path, made)

    def written(self, inode: int, change: tuple[int, bytes] | int) -> None:
        """Content at an offset, or another size."""
        self._files[inode].change(change)

    def synced(self, inode: int) -> None:
        """A file is safe."""
        self._files[inode].sync()

    def names_synced(self, path: str) -> None:
        """The names in a directory are safe."""
        self._folder(path).sync()

    def renamed(self, old: str, new: str) -> None:
        """Both at once."""
        above = os.path.dirname(old)
        assert above == os.path.dirname(new), "nothing here moves files to other directories"
        folder = self._folder(above)
        start, end = os.path.basename(old), os.path.basename(new)
        folder.change({start: None, end: folder.seen[start]})

    def linked(self, old: str, new: str) -> None:
        """A second name."""
        self._change(new, self._folder(os.path.dirname(old)).seen[os.path.basename(old)])

    def removed(self, path: str) -> None:
        """A name is gone."""
        self._change(path, None)

    def _change(self, path: str, node: File | Folder | None) -> None:
        self._folder(os.path.dirname(path)).change({os.path.basename(path): node})

    def _folder(self, path: str) -> Folder:
        found = self._top
        for name in os.path.relpath(path, self.root).split("/"):
            if name != ".":
                below = found.seen[name]
                assert isinstance(below, Folder)
                found = below
        return found

    # Afterwards.

    def seen(self) -> dict[str, bytes]:
        """Every file as everybody sees it, by its path within the disk."""
        return dict(_walk(self._top, Left(names=True, data=True)))

    def leave(self, left: Left, where: Path) -> None:
        """Make, in an empty directory, what a power cut leaves now."""
        _make(self._top, left, where)


def _walk(folder: Folder, left: Left, above: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name, node in folder.left(left.chance, kept=left.names).items():
        if isinstance(node, Folder):
            found += _walk(node, left, f"{above}{name}/")
        else:
            found.append((above + name, node.left(left.chance, kept=left.data)))
    return found


def _make(folder: Folder, left: Left, where: Path) -> None:
    for name, node in folder.left(left.chance, kept=left.names).items():
        if isinstance(node, Folder):
            (where / name).mkdir()
            _make(node, left, where / name)
        else:
            (where / name).write_bytes(node.left(left.chance, kept=left.data))


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        content[change:] = bytes(max(change - len(content), 0))
        return
    offset, data = change
    content.extend(bytes(max(offset - len(content), 0)))
    content[offset : offset + len(data)] = data


def _sectors(change: tuple[int, bytes] | int) -> list[tuple[int, bytes] | int]:
    """Each of which gets to the disk, or does not, by itself."""
    if isinstance(change, int):
        return [change]
    offset, data = change
    ends = [*range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    return [(offset + start, data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _rename(found: dict[str, File | Folder], names: dict[str, File | Folder | None]) -> None:
    for name, node in names.items():
        if node is None:
            found.pop(name, None)
        else:
            found[name] = node
