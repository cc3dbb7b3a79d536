# SPDX-License-Identifier: Apache-2.0
"""Serve a tree of attributes to the whole system: a FUSE file system spoken directly over ``/dev/fuse``.

One thread takes requests. A read or write becomes work of the modelled kernel, and **the work itself sends the
reply when it ends**: at once for a cached attribute, seconds later for a write to ``activate``. So a write that blocks
costs no thread, and everything else continues to be served.

Nodes stand for paths, not for objects: each request finds the object anew. The kernel keeps names and attributes, so
that opening a file does not ask again for each directory on the way. When a directory vanishes, all cached attributes
below it are invalidated, so that the kernel asks again and gets ENOENT; and a thread invalidates the name, for callers
that do not ask for attributes.

A program that reads by sendfile or splice goes through the kernel's page cache, direct_io or not (Linux 6.5 and later):
it reads as far as the kernel believes the file to go, and a short answer makes the kernel believe less. So a node that
was read in this way, or is open, is not opened again: ESTALE has the kernel look the path up anew, and it gets a node
of its own, with nothing kept. Who reads by ``read`` pays nothing for that.
"""

import errno
import logging
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from livefw.kernel.sysfs import PAGE_SIZE, Attribute, BinaryAttribute, Directory, Kmsg, Node, OpenFile, Tree, fail
from livefw.machine.fuse import abi
from livefw.machine.fuse.abi import Opcode
from livefw.machine.fuse.mount import mount
from livefw.machine.fuse.names import Names
from livefw.machine.host import Runner

_log = logging.getLogger(__name__)

T = TypeVar("T")

_TYPE_DIRECTORY = 0o040000
_TYPE_REGULAR = 0o100000
_DT_DIRECTORY = 4
_DT_REGULAR = 8
_NAME_MAX = 255
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ECONNABORTED})
"""Errors of a reply that nobody waits for any more."""


class Owner(NamedTuple):
    """Who owns all files: root, or the user who mounted without being root."""

    uid: int
    gid: int


class _Known(NamedTuple):
    """A path that the kernel holds a reference to."""

    path: str
    inode: int
    kept: bool
    """Whether the kernel may keep it and use it for every opening of the path."""


class _Open(NamedTuple):
    """An open descriptor, and the node it was opened by."""

    file: OpenFile
    node: int
    paged: bool
    """Whether the kernel may have pages of it."""


class _Listing(NamedTuple):
    """Names and types of a directory at the moment of its opening."""

    path: str
    entries: list[tuple[str, int]]


_Handler = Callable[[abi.FuseRequest], bytes | None]
"""Returns the reply's body, or None where the reply comes later or not at all; raises OSError to refuse."""


class FuseServer:
    """Answers the requests of one mount; ``device`` is a mounted, non-blocking ``/dev/fuse`` and stays the caller's."""

    def __init__(
        self, tree: Tree, runner: Runner, *, device: int, owner: Owner, hung: Callable[[], bool] = lambda: False
    ) -> None:
        self._tree = tree
        self._runner = runner
        self._device = device
        self._owner = owner
        self._start = int(time.time())
        self._buffer = bytearray(abi.BUFFER_SIZE)
        self._known: dict[int, _Known] = {abi.ROOT_ID: _Known("/", abi.ROOT_ID, kept=True)}
        self._ids: dict[str, int] = {"/": abi.ROOT_ID}
        self._lookups: dict[int, int] = {abi.ROOT_ID: 1}
        self._next_id = abi.ROOT_ID + 1
        self._open: dict[int, _Open] = {}
        self._users: Counter[int] = Counter()
        """Descriptors by the node they were opened by."""
        self._spliced: set[int] = set()
        """Nodes of whose files the kernel has pages."""
        self._names = Names(device)
        self._listings: dict[int, _Listing] = {}
        self._next_handle = 1
        self._waiting: set[int] = set()
        self._interrupted: set[int] = set()
        self._hung = hung
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._handlers = self._table()
        runner.when_dead(self._fail_waiting)

    def serve(self) -> None:
        """Answer requests until the file system is unmounted or `stop` is called."""
        poll = select.poll()
        poll.register(self._device, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while self._serve_ready():
            if any(descriptor == self._wake_read for descriptor, _ in poll.poll(1000 if self._interrupted else None)):
                break
            self._let_interrupted_go()

    def stop(self) -> None:
        """Let `serve` return; from any other thread."""
        self._names.close()  # while what it waits for is still answered
        os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Free what `stop` needs; once `serve` has returned and nobody will call `stop` any more."""
        self._names.close()  # an unmount ends `serve` without `stop`; a second time does no harm
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve_ready(self) -> bool:
        """Answer what has arrived; False when the file system is unmounted."""
        while True:
            try:
                os.readv(self._device, [self._buffer])
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return False
                if error.errno not in {errno.EINTR, errno.ENOENT}:  # ENOENT: the request was taken back
                    raise
            else:
                # Until the reply is sent, or it could be overtaken by the word that what it says is over (`vanished`).
                with self._runner.lock:
                    self._dispatch(abi.FuseRequest.decode(self._buffer))

    def _dispatch(self, request: abi.FuseRequest) -> None:
        handler = self._handlers.get(request.opcode)
        try:
            if handler is None:
                raise self._refusal(request)
            body = handler(request)
        except OSError as error:
            self._send(abi.reply(request.unique, error=error.errno or errno.EIO))
        except Exception:
            _log.exception("FUSE request %s failed", request)
            self._send(abi.reply(request.unique, error=errno.EIO))
        else:
            if body is not None:
                self._send(abi.reply(request.unique, body))

    def _send(self, message: bytes) -> None:
        try:
            os.write(self._device, message)
        except OSError as error:
            if error.errno not in _GONE:
                _log.warning("FUSE reply failed: %s", error)

    def _table(self) -> dict[int, _Handler]:
        return {
            Opcode.INIT: self._init,
            Opcode.LOOKUP: self._lookup,
            Opcode.FORGET: self._forget,
            Opcode.BATCH_FORGET: self._batch_forget,
            Opcode.GETATTR: self._getattr,
            Opcode.SETATTR: self._setattr,
            Opcode.OPEN: self._open_file,
            Opcode.READ: self._read,
            Opcode.WRITE: self._write,
            Opcode.RELEASE: self._release,
            Opcode.FSYNC: self._nothing,
            Opcode.OPENDIR: self._open_directory,
            Opcode.READDIR: self._read_directory,
            Opcode.RELEASEDIR: self._release_directory,
            Opcode.STATFS: self._statfs,
            Opcode.LISTXATTR: self._list_xattr,
            Opcode.CREATE: self._create,
            Opcode.INTERRUPT: self._interrupt,
            Opcode.MKNOD: self._create,
            Opcode.DESTROY: self._nothing,
        }

    # Nodes.

    def _init(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        major, minor, _, flags = abi.INIT_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        if major != abi.MAJOR or minor < abi.OLDEST_MINOR:
            raise fail(errno.EPROTO)
        return abi.init_out(minor, flags)

    def _name(self, request: abi.FuseRequest) -> str:
        raw = bytes(self._buffer[abi.IN_HEADER.size : request.length - 1])
        if len(raw) > _NAME_MAX:
            raise fail(errno.ENAMETOOLONG)
        return os.fsdecode(raw)

    def _lookup(self, request: abi.FuseRequest) -> bytes:
        path = _join(self._known[request.node].path, self._name(request))
        node = self._tree.lookup(path)
        kept = _may_be_kept(node)
        identifier = self._ids.get(path) if kept else None
        if identifier is None:
            identifier = self._next_id
            self._next_id += 1
            self._known[identifier] = _Known(path, _inode(path), kept)
            self._lookups[identifier] = 0
            if kept:
                self._ids[path] = identifier
        self._lookups[identifier] += 1
        return self._attributes(self._known[identifier], node).entry(identifier, kept=kept)

    def _forget(self, request: abi.FuseRequest) -> None:
        (count,) = abi.FORGET_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        self._drop(request.node, count)

    def _batch_forget(self, request: abi.FuseRequest) -> None:  # noqa: ARG002 - the shape of every handler
        start = abi.IN_HEADER.size
        count, _ = abi.BATCH_FORGET_IN.unpack_from(self._buffer, start)
        start += abi.BATCH_FORGET_IN.size
        for index in range(count):
            self._drop(*abi.FORGET_ONE.unpack_from(self._buffer, start + index * abi.FORGET_ONE.size))

    def _drop(self, identifier: int, count: int) -> None:
        self._lookups[identifier] -= count
        if self._lookups[identifier] <= 0 and identifier != abi.ROOT_ID:
            del self._lookups[identifier]
            known = self._known.pop(identifier)
            self._spliced.discard(identifier)
            if known.kept:
                del self._ids[known.path]

    def _getattr(self, request: abi.FuseRequest) -> bytes:
        known = self._known[request.node]
        return self._attributes(known, self._tree.lookup(known.path)).answer(kept=known.kept)

    def vanished(self, path: str, node: Node) -> None:
        """Take back what the kernel knows of a node and of all below it (`livefw.kernel.sysfs.TreeWatcher`)."""
        self._forget_attributes(path, node)
        parent, _, name = path.rpartition("/")
        if (identifier := self._ids.get(parent or "/")) is not None:
            self._names.gone(identifier, name)

    def _forget_attributes(self, path: str, node: Node) -> None:
        identifier = self._ids.get(path)
        if identifier is not None:
            self._send(abi.invalidation(identifier))
        if isinstance(node, Directory):
            for name in node.names:
                child = node.get(name)
                if child is not None:
                    self._forget_attributes(_join(path, name), child)

    def _retire(self, identifier: int) -> None:
        """Give the path another node from the next LOOKUP on."""
        known = self._known[identifier]
        self._known[identifier] = known._replace(kept=False)
        del self._ids[known.path]
        self._send(abi.invalidation(identifier))  # nobody tells it later when its attributes are over

    def _setattr(self, request: abi.FuseRequest) -> bytes:
        """Sizes and times are taken and mean nothing (kernel, fs/kernfs/inode.c); owners do not change here."""
        fields = abi.SETATTR_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        valid, mode = fields[0], fields[11]
        known = self._known[request.node]
        node = self._tree.lookup(known.path)
        if valid & (abi.SETATTR_UID | abi.SETATTR_GID):
            raise fail(errno.EPERM)
        if valid & abi.SETATTR_MODE:
            if isinstance(node, Kmsg):
                raise fail(errno.EPERM)
            node.mode = mode & 0o777
        return self._attributes(known, node).answer(kept=known.kept)

    def _attributes(self, known: _Known, node: Node) -> abi.Attributes:
        """What the kernel may keep until `vanished` takes it back."""
        if isinstance(node, Directory):
            node.watchers[self] = known.path
        stat = node.stat
        kind = _TYPE_DIRECTORY if stat.directory else _TYPE_REGULAR
        links = 2 if stat.directory else 1
        uid, gid = self._owner
        return abi.Attributes(known.inode, kind | stat.mode, stat.size, links, uid, gid, self._start)

    def _refusal(self, request: abi.FuseRequest) -> OSError:
        """Why a request is refused without a handler: nobody changes the shape of sysfs; what is gone is not there."""
        path = self._known[request.node].path
        if request.opcode not in abi.REFUSED:
            return fail(errno.ENOSYS)
        skipped = abi.NAMES_WHAT_IS_THERE.get(request.opcode)
        if skipped is not None:
            start = abi.IN_HEADER.size + skipped
            path = _join(path, os.fsdecode(bytes(self._buffer[start : request.length]).partition(b"\0")[0]))
        self._tree.lookup(path)
        return fail(errno.EPERM)

    def _create(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        raise fail(errno.EACCES)  # what open(O_CREAT) says in sysfs (kernel, fs/namei.c)

    # Files.

    def _open_file(self, request: abi.FuseRequest) -> bytes:
        flags, _ = abi.OPEN_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        mode = flags & os.O_ACCMODE
        known = self._known[request.node]
        paged = not isinstance(self._tree.lookup(known.path), Kmsg)
        file = self._tree.open(known.path, reading=mode in {os.O_RDONLY, os.O_RDWR}, writing=mode != os.O_RDONLY)
        if known.kept and mode == os.O_RDONLY and (self._users[request.node] or request.node in self._spliced):
            self._retire(request.node)
            raise fail(errno.ESTALE)
        handle = self._handle()
        self._open[handle] = _Open(file, request.node, paged)
        self._users[request.node] += 1
        return abi.OPEN_OUT.pack(handle, abi.OpenFlag.DIRECT_IO, 0)

    def _read(self, request: abi.FuseRequest) -> None:
        handle, offset, size, flags = abi.READ_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        opened = self._open[handle]
        if not flags & abi.READ_LOCKOWNER:  # for the page cache: a splice
            if not opened.paged:
                raise fail(errno.EINVAL)  # as splice says of the kernel's log (kernel, kernel/printk/printk.c)
            self._spliced.add(request.node)
        self._begin(request.unique, opened.file.read(size, offset), bytes)

    def _write(self, request: abi.FuseRequest) -> None:
        handle, _, size, *_ = abi.WRITE_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        start = abi.IN_HEADER.size + abi.WRITE_IN.size
        data = bytes(self._buffer[start : start + size])
        self._begin(request.unique, self._open[handle].file.write(data), _write_out)

    def _begin(self, unique: int, work: Coroutine[Any, Any, T], encode: Callable[[T], bytes]) -> None:
        if self._runner.dead:
            work.close()
            raise fail(errno.EIO)
        self._waiting.add(unique)
        self._runner.start(self._answer(unique, work, encode), name="file operation")

    async def _answer(self, unique: int, work: Coroutine[Any, Any, T], encode: Callable[[T], bytes]) -> None:
        """Send the reply at the end of the work, on whatever thread runs the kernel at that moment."""
        try:
            message = abi.reply(unique, encode(await work))
        except OSError as error:
            message = abi.reply(unique, error=error.errno or errno.EIO)
        except Exception:
            _log.exception("a file operation failed")
            message = abi.reply(unique, error=errno.EIO)
        if unique in self._waiting:
            self._waiting.discard(unique)
            self._send(message)

    def _interrupt(self, request: abi.FuseRequest) -> None:  # noqa: ARG002 - the shape of every handler
        """A signal for somebody who waits here. No driver's write ends by one, so it is remembered only."""
        (unique,) = abi.INTERRUPT_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        if unique in self._waiting:
            self._interrupted.add(unique)

    def _let_interrupted_go(self) -> None:
        """Where the modelled machine hangs for ever, a program of the host can at least be killed."""
        if not self._interrupted:
            return
        with self._runner.lock:
            self._interrupted &= self._waiting
            if self._interrupted and self._hung():
                for unique in self._interrupted:
                    self._waiting.discard(unique)
                    self._send(abi.reply(unique, error=errno.EINTR))
                self._interrupted.clear()

    def _fail_waiting(self) -> None:
        """The modelled kernel is dead: nothing that waits there will end, so say so instead of hanging the caller."""
        for unique in self._waiting:
            self._send(abi.reply(unique, error=errno.EIO))
        self._waiting.clear()

    def _release(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        (handle,) = abi.RELEASE_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        if (opened := self._open.pop(handle, None)) is not None:
            self._users[opened.node] -= 1
            if not self._users[opened.node]:
                del self._users[opened.node]
        return b""

    def _handle(self) -> int:
        self._next_handle += 1
        return self._next_handle

    # Directories and the rest.

    def _open_directory(self, request: abi.FuseRequest) -> bytes:
        path = self._known[request.node].path
        directory = self._tree.lookup(path)
        if not isinstance(directory, Directory):
            raise fail(errno.ENOTDIR)
        entries = [(".", _DT_DIRECTORY), ("..", _DT_DIRECTORY)]
        for name in directory.names:
            node = directory.get(name)
            if node is not None:
                entries.append((name, _DT_DIRECTORY if node.stat.directory else _DT_REGULAR))
        handle = self._handle()
        self._listings[handle] = _Listing(path, entries)
        return abi.OPEN_OUT.pack(handle, 0, 0)

    def _read_directory(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        handle, offset, size, _ = abi.READ_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        path, entries = self._listings[handle]
        records: list[bytes] = []
        for index in range(offset, len(entries)):
            name, file_type = entries[index]
            inode = _inode(_join(path, name))
            record = abi.dirent(inode, offset=index + 1, file_type=file_type, name=os.fsencode(name))
            size -= len(record)
            if size < 0:
                break
            records.append(record)
        return b"".join(records)

    def _release_directory(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        (handle,) = abi.RELEASE_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        self._listings.pop(handle, None)
        return b""

    def _statfs(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        return abi.STATFS_OUT.pack(0, 0, 0, 0, 0, PAGE_SIZE, _NAME_MAX, PAGE_SIZE, 0)

    def _list_xattr(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        """No extended attributes; asked with size 0 the reply is a number, else a list."""
        (size,) = abi.LISTXATTR_IN.unpack_from(self._buffer, abi.IN_HEADER.size)
        return b"" if size else abi.LISTXATTR_OUT.pack(0, 0)

    def _nothing(self, request: abi.FuseRequest) -> bytes:  # noqa: ARG002 - the shape of every handler
        return b""


def _may_be_kept(node: Node) -> bool:
    """Whether all openings of a path may share a node.

    A write locks the kernel's node until it has been answered. Where a write may block, each opening of the path gets a
    node of its own, or a second `echo 1 > activate` would wait for the first instead of hearing EBUSY. So it is with a
    file whose size changes.
    """
    if isinstance(node, Attribute):
        return node.store is None
    return isinstance(node, Directory) or (isinstance(node, BinaryAttribute) and not node.mode & 0o444)


def _join(directory: str, name: str) -> str:
    return f"/{name}" if directory == "/" else f"{directory}/{name}"


def _inode(path: str) -> int:
    """A number that stays with a path as long as the process lives."""
    return hash(path) & (1 << 63) - 1 | 2


def _write_out(count: int) -> bytes:
    return abi.WRITE_OUT.pack(count, 0)


class MountedTree:
    """A tree mounted on a directory and served by a thread of its own until `close`; its kernel lives in real time.

    Raises what `livefw.machine.fuse.mount.mount` raises. ``ended`` is called when serving has come to its end. ``hung``
    returns whether the work in the machine will never end; who waits for it may then be killed.
    """

    def __init__(
        self,
        tree: Tree,
        runner: Runner,
        *,
        directory: str,
        ended: Callable[[], None] = lambda: None,
        hung: Callable[[], bool] = lambda: False,
    ) -> None:
        self._mount = mount(directory)
        self.directory = self._mount.directory
        owner = Owner(os.geteuid(), os.getegid())
        self._server = FuseServer(tree, runner, device=self._mount.device, owner=owner, hung=hung)
        self._ended = ended
        self._thread = threading.Thread(target=self._serve, name="livefw-fuse", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._server.serve()
        finally:
            self._ended()

    def close(self) -> None:
        """Unmount; processes with a file open there, or waiting in a write, get ENOTCONN or ECONNABORTED."""
        self._server.stop()
        self._thread.join()
        self._mount.close()
        self._server.close()
