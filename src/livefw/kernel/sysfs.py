# SPDX-License-Identifier: Apache-2.0
"""A sysfs-like tree: directories of attributes with show and store, as programs meet them through open and read.

One object with two uses: mounted by FUSE so that any program sees files, or read in process where there is no FUSE.
The rules of opening and buffering are those of kernfs, and they live here, so that both uses are the same.
"""

import errno
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from livefw.kernel.log import KernelLog

PAGE_SIZE = 4096
"""Size that every attribute shows, and the most that one read or write carries (kernel, fs/sysfs/file.c)."""

Show = Callable[[], Coroutine[Any, Any, str]]
Store = Callable[[bytes], Coroutine[Any, Any, None]]
ReadAt = Callable[[int, int], Coroutine[Any, Any, bytes]]
"""Given an offset and a size, the bytes there are."""
WriteAt = Callable[[int, bytes], Coroutine[Any, Any, None]]
"""Given an offset and the bytes that go there."""


def fail(code: int) -> OSError:
    """The error that a system call would return."""
    return OSError(code, os.strerror(code))


class Stat(NamedTuple):
    """What stat tells of a node: permission bits, size, and whether it is a directory."""

    mode: int
    size: int
    directory: bool


class Attribute:
    """A file with a text: what is shown is text with its newline, what is stored are the bytes of one write."""

    __slots__ = ("mode", "removed", "show", "store")

    def __init__(self, *, mode: int, show: Show | None = None, store: Store | None = None) -> None:
        self.mode = mode
        self.show = show
        self.store = store
        self.removed = False

    @property
    def stat(self) -> Stat:
        """Sizes of attributes are always one page."""
        return Stat(self.mode, PAGE_SIZE, directory=False)

    def open(self, *, reading: bool, writing: bool) -> "OpenFile":
        """Open for one descriptor; EACCES where the mode has no such right, even for root (kernel, fs/kernfs/file.c).

        A kobject has handlers for both ways, so that after a chmod what has no show or store is opened, and then EIO.
        """
        if (reading and not self.mode & 0o444) or (writing and not self.mode & 0o222):
            raise fail(errno.EACCES)
        return _OpenAttribute(self)


class BinaryAttribute:
    """A file of bytes, read and written at most a page at a time (kernel, fs/sysfs/file.c).

    ``length`` is its size now. Sysfs shows 0; a mounted tree cannot, because splice reads no further than the size.
    """

    __slots__ = ("length", "mode", "read_at", "removed", "write_at")

    def __init__(
        self, *, mode: int, read_at: ReadAt, write_at: WriteAt | None = None, length: Callable[[], int] = lambda: 0
    ) -> None:
        self.mode = mode
        self.read_at = read_at
        self.write_at = write_at
        self.length = length
        self.removed = False

    @property
    def stat(self) -> Stat:
        """The size as far as there is anything to read."""
        return Stat(self.mode, self.length(), directory=False)

    def open(self, *, reading: bool, writing: bool) -> "OpenFile":
        """Open for one descriptor; EACCES where the mode has no such right, even for root."""
        if (reading and not self.mode & 0o444) or (writing and not (self.write_at and self.mode & 0o222)):
            raise fail(errno.EACCES)
        return _OpenBinary(self)


class Kmsg:
    """``/dev/kmsg``: one record a read. At the end it reads as end of file, where the kernel's would wait or EAGAIN."""

    __slots__ = ("_log",)

    def __init__(self, log: KernelLog) -> None:
        self._log = log

    @property
    def stat(self) -> Stat:
        """Read-only here; nobody can write into the modelled kernel's log.

        The kernel's is a device without a size; at size 0 a splice would end at once, and must be refused.
        """
        return Stat(0o444, PAGE_SIZE, directory=False)

    def open(self, *, reading: bool, writing: bool) -> "OpenFile":  # noqa: ARG002 - the shape of every file
        """A cursor at the oldest record."""
        if writing:
            raise fail(errno.EACCES)
        return _OpenKmsg(self._log)


class OpenFile(Protocol):
    """An open descriptor."""

    async def read(self, size: int, offset: int) -> bytes:
        """Bytes from ``offset``; OSError as the system call."""
        ...

    async def write(self, data: bytes) -> int:
        """Bytes taken; OSError as the system call."""
        ...


class _OpenAttribute:
    __slots__ = ("_attribute", "_text")

    def __init__(self, attribute: Attribute) -> None:
        self._attribute = attribute
        self._text: bytes | None = None

    async def read(self, size: int, offset: int) -> bytes:
        """Show anew at the start of the file; later parts come from what was shown (kernel, seq_file)."""
        if self._attribute.removed:
            raise fail(errno.ENODEV)
        if self._attribute.show is None:
            raise fail(errno.EIO)  # kernel, lib/kobject.c and drivers/base/core.c
        if offset == 0 or self._text is None:
            self._text = (await self._attribute.show()).encode()[:PAGE_SIZE]
        return self._text[offset : offset + size]

    async def write(self, data: bytes) -> int:
        """One store per write of at most a page; an empty write does nothing."""
        if self._attribute.removed:
            raise fail(errno.ENODEV)
        taken = data[:PAGE_SIZE]
        if taken:
            if self._attribute.store is None:
                raise fail(errno.EIO)
            await self._attribute.store(taken)
        return len(taken)


class _OpenBinary:
    """Writes follow each other: one descriptor appends, and a new one begins at the start again."""

    __slots__ = ("_attribute", "_position")

    def __init__(self, attribute: BinaryAttribute) -> None:
        self._attribute = attribute
        self._position = 0

    async def read(self, size: int, offset: int) -> bytes:
        """Bytes from ``offset``, a page of them at most."""
        if self._attribute.removed:
            raise fail(errno.ENODEV)
        return await self._attribute.read_at(offset, min(size, PAGE_SIZE))

    async def write(self, data: bytes) -> int:
        """Bytes taken, a page of them at most; an empty write does nothing."""
        if self._attribute.removed:
            raise fail(errno.ENODEV)
        if self._attribute.write_at is None:
            raise fail(errno.EBADF)
        taken = data[:PAGE_SIZE]
        if taken:
            await self._attribute.write_at(self._position, taken)
            self._position += len(taken)
        return len(taken)


class _OpenKmsg:
    __slots__ = ("_log", "_next")

    def __init__(self, log: KernelLog) -> None:
        self._log = log
        self._next = 0

    async def read(self, size: int, offset: int) -> bytes:  # noqa: ARG002 - a stream has no offsets
        """The next record; EINVAL if it does not fit."""
        record = next(self._log.since(self._next), None)
        if record is None:
            return b""
        line = record.kmsg().encode()
        if len(line) > size:
            raise fail(errno.EINVAL)
        self._next = record.sequence + 1
        return line

    async def write(self, data: bytes) -> int:  # noqa: ARG002 - the shape of every open file
        """EBADF: opening for writing was refused."""
        raise fail(errno.EBADF)


class TreeWatcher(Protocol):
    """A holder of copies of the tree, which must be notified when they become invalid."""

    def vanished(self, path: str, node: "Node") -> None:
        """``node``, which was at ``path``, has been removed with everything below it."""
        ...


class Directory:
    """A directory, made as 0755. ``watchers`` are notified of removals from it, by the path under which each knows it.

    ``fill`` makes the first children when somebody looks: of ten thousand directories most are never opened.
    """

    __slots__ = ("_children", "_fill", "mode", "watchers")

    def __init__(self, fill: "Callable[[], Mapping[str, Node]] | None" = None) -> None:
        self._children: dict[str, Node] = {}
        self._fill = fill
        self.mode = 0o755
        self.watchers: dict[TreeWatcher, str] = {}

    @property
    def stat(self) -> Stat:
        """Directories of sysfs show size 0."""
        return Stat(self.mode, 0, directory=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the children, in the order of their making."""
        return tuple(self._filled())

    def add(self, name: str, node: "Node") -> None:
        """Add a child; EEXIST if the name is taken."""
        children = self._filled()
        if name in children:
            raise fail(errno.EEXIST)
        children[name] = node

    def get(self, name: str) -> "Node | None":
        """A child, or None."""
        return self._filled().get(name)

    def remove(self, name: str) -> None:
        """Remove a child with all below it; descriptors that are open there read ENODEV from now on."""
        node = self._filled().pop(name)
        _detach(node)
        for watcher, path in self.watchers.items():
            watcher.vanished(f"{path.rstrip('/')}/{name}", node)

    def detach(self) -> None:
        """Mark everything below as removed."""
        self._fill = None
        for node in self._children.values():
            _detach(node)

    def _filled(self) -> "dict[str, Node]":
        if self._fill is not None:
            fill, self._fill = self._fill, None
            self._children.update(fill())
        return self._children


Node = Directory | Attribute | BinaryAttribute | Kmsg


def _detach(node: Node) -> None:
    if isinstance(node, Directory):
        node.detach()
    elif isinstance(node, (Attribute, BinaryAttribute)):
        node.removed = True


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole file system of a modelled machine; paths are absolute and have no ``.`` or ``..``."""

    root: Directory

    def lookup(self, path: str) -> Node:
        """The node at ``path``; ENOENT or ENOTDIR."""
        node: Node = self.root
        for name in path.split("/"):
            if not name:
                continue
            if not isinstance(node, Directory):
                raise fail(errno.ENOTDIR)
            child = node.get(name)
            if child is None:
                raise fail(errno.ENOENT)
            node = child
        return node

    def listdir(self, path: str) -> tuple[str, ...]:
        """Names in a directory; ENOENT or ENOTDIR."""
        node = self.lookup(path)
        if not isinstance(node, Directory):
            raise fail(errno.ENOTDIR)
        return node.names

    def open(self, path: str, *, reading: bool = False, writing: bool = False) -> OpenFile:
        """Open a file; ENOENT, ENOTDIR, EISDIR or EACCES."""
        node = self.lookup(path)
        if isinstance(node, Directory):
            raise fail(errno.EISDIR)
        return node.open(reading=reading, writing=writing)

    def make_directories(self, path: str) -> Directory:
        """The directory at ``path``, made with its parents where missing."""
        node = self.root
        for name in filter(None, path.split("/")):
            child = node.get(name)
            if child is None:
                child = Directory()
                node.add(name, child)
            if not isinstance(child, Directory):
                raise fail(errno.ENOTDIR)
            node = child
        return node
