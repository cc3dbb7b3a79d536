# SPDX-License-Identifier: Apache-2.0
"""The kernel's FUSE protocol: what is read from and written to ``/dev/fuse`` (``include/uapi/linux/fuse.h``, 7.23 on).

Requests are a header and a body, replies a header and a body; numbers are in the byte order of the machine. Only what
a tree of small attribute files needs is here.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple, Self

MAJOR = 7
MINOR = 31
"""The protocol version spoken here: the last one with this size of the INIT reply's used fields (Linux 5.1)."""

OLDEST_MINOR = 23
"""Kernels before Linux 3.15 want a shorter INIT reply; none of them knows SMCCC."""

ROOT_ID = 1
MAX_WRITE = 8192
"""Largest WRITE. Twice a page: a write longer than a page is answered short, as sysfs does, and the kernel stops there.

With one page the kernel would split a long write into several, and one ``write()`` would trigger several activations.
"""

BUFFER_SIZE = 16 * 1024
"""Size of the receive buffer: a WRITE and its headers; the kernel insists on at least 8 KiB."""


class Opcode(IntEnum):
    """Requests that are answered with something other than an error."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    MKNOD = 8
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    LISTXATTR = 23
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


REFUSED = {
    5: "READLINK",
    6: "SYMLINK",
    9: "MKDIR",
    10: "UNLINK",
    11: "RMDIR",
    12: "RENAME",
    13: "LINK",
    45: "RENAME2",
}
"""Changes of the tree's shape, which sysfs refuses to everybody with EPERM (kernel, fs/kernfs/dir.c and fs/namei.c)."""

NAMES_WHAT_IS_THERE = {10: 0, 11: 0, 12: 8, 45: 16}
"""Those of `REFUSED` that begin with a name of something that has to be there, and how many bytes come before it."""


class InitFlag:
    """Flags of INIT."""

    ATOMIC_O_TRUNC = 1 << 3
    """O_TRUNC comes with OPEN instead of as a request of its own."""
    MAX_PAGES = 1 << 22


class OpenFlag:
    """Flags of the OPEN reply."""

    DIRECT_IO = 1 << 0
    """No page cache: each read asks again, each write reaches the store with its own result."""


READ_LOCKOWNER = 1 << 1
"""Flag of READ: it comes from a program's own ``read``. One for the page cache has no owner."""

SETATTR_MODE = 1 << 0
SETATTR_UID = 1 << 1
SETATTR_GID = 1 << 2

IN_HEADER = Struct("=IIQQIIII")
OUT_HEADER = Struct("=IiQ")
INIT_IN = Struct("=IIII")
INIT_OUT = Struct("=IIIIHHIIHHI28x")
FORGET_IN = Struct("=Q")
BATCH_FORGET_IN = Struct("=II")
FORGET_ONE = Struct("=QQ")
SETATTR_IN = Struct("=IIQQQQQQIIIIIIII")
OPEN_IN = Struct("=II")
OPEN_OUT = Struct("=QII")
READ_IN = Struct("=QQII")
WRITE_IN = Struct("=QQIIQII")
WRITE_OUT = Struct("=II")
RELEASE_IN = Struct("=Q")
STATFS_OUT = Struct("=QQQQQIIII24x")
INTERRUPT_IN = Struct("=Q")
LISTXATTR_IN = Struct("=I")
LISTXATTR_OUT = Struct("=II")
_VALIDITY = Struct("=QII")
_ENTRY = Struct("=QQQQII")
_ATTR = Struct("=QQQQQQIIIIIIIIII")
_DIRENT = Struct("=QQII")

INVALIDATE_INODE = 2
INVALIDATE_ENTRY = 3
_INVALIDATION = Struct("=Qqq")
_ENTRY_INVALIDATION = Struct("=QII")

_FOREVER = 1 << 31
"""Seconds for which the kernel may cache a node, unless it is invalidated (`invalidation`)."""


class FuseRequest(NamedTuple):
    """One request's header."""

    length: int
    opcode: int
    unique: int
    node: int

    @classmethod
    def decode(cls, buffer: bytearray) -> Self:
        """Read the header at the start of a buffer."""
        length, opcode, unique, node, _uid, _gid, _pid, _ = IN_HEADER.unpack_from(buffer)
        return cls(length, opcode, unique, node)


def reply(unique: int, body: bytes = b"", *, error: int = 0) -> bytes:
    """A reply, or with ``error`` (a positive errno) a refusal without a body."""
    return OUT_HEADER.pack(OUT_HEADER.size + len(body), -error, unique) + body


def invalidation(node: int) -> bytes:
    """``FUSE_NOTIFY_INVAL_INODE`` without pages: ask for the attributes of this node again (since protocol 7.12)."""
    size = OUT_HEADER.size + _INVALIDATION.size
    return OUT_HEADER.pack(size, INVALIDATE_INODE, 0) + _INVALIDATION.pack(node, -1, 0)


def entry_invalidation(parent: int, name: bytes) -> bytes:
    """``FUSE_NOTIFY_INVAL_ENTRY``: look a name up again. The write waits for the lock of the directory."""
    size = OUT_HEADER.size + _ENTRY_INVALIDATION.size + len(name) + 1
    return OUT_HEADER.pack(size, INVALIDATE_ENTRY, 0) + _ENTRY_INVALIDATION.pack(parent, len(name), 0) + name + b"\0"


def init_out(minor: int, flags: int) -> bytes:
    """The INIT reply for a kernel that speaks 7.``minor`` and offers ``flags``."""
    return INIT_OUT.pack(MAJOR, min(minor, MINOR), 0, flags & InitFlag.ATOMIC_O_TRUNC, 0, 0, MAX_WRITE, 1, 0, 0, 0)


class Attributes(NamedTuple):
    """What stat shows of a node; times in whole seconds."""

    inode: int
    mode: int
    size: int
    links: int
    uid: int
    gid: int
    time: int

    def _encode(self) -> bytes:
        t = self.time
        fixed = (self.mode, self.links, self.uid, self.gid, 0, 4096, 0)
        return _ATTR.pack(self.inode, self.size, 0, t, t, t, 0, 0, 0, *fixed)

    def entry(self, node: int, *, kept: bool) -> bytes:
        """``fuse_entry_out``: the answer to LOOKUP. The name may be kept where ``kept``, attributes never.

        The kernel makes a new node of this reply some time after it was sent. An invalidation in between would find no
        node, and attributes that are over would be kept; those of GETATTR are compared with what came in between.
        """
        return _ENTRY.pack(node, 0, _FOREVER if kept else 0, 0, 0, 0) + self._encode()

    def answer(self, *, kept: bool) -> bytes:
        """``fuse_attr_out``: the answer to GETATTR and SETATTR."""
        return _VALIDITY.pack(_FOREVER if kept else 0, 0, 0) + self._encode()


def dirent(inode: int, *, offset: int, file_type: int, name: bytes) -> bytes:
    """One record of READDIR; ``offset`` is where the next one starts."""
    record = _DIRENT.pack(inode, offset, len(name), file_type) + name
    return record + bytes(-len(record) % 8)
