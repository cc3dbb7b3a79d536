# SPDX-License-Identifier: Apache-2.0
"""Whether a file is locked, without taking a lock (fcntl(2), ``F_OFD_GETLK``), and without loading what takes one."""

from __future__ import annotations

import fcntl
import os
import struct

FLOCK = struct.Struct("@hhqqi0q")
"""struct flock with 64-bit offsets: type, whence, start, length (0: to the end), pid (0 for these locks)."""
WHOLE_FILE = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def in_the_way(descriptor: int) -> int:
    """The kind of lock that prevents an exclusive lock of this file; F_UNLCK for none."""
    kind, *_ = FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, WHOLE_FILE))
    return int(kind)


def opened(path: str) -> int | None:
    """A descriptor of a lock file; None if it is not there, or not for this user."""
    try:
        # NONBLOCK: a FIFO of that name must not block a read-only caller.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None


def is_locked(descriptor: int, *, for_writing: bool = False) -> bool:
    """Whether another program has locked this file, or ``for_writing`` only; closes it."""
    try:
        kind = in_the_way(descriptor)
    finally:
        os.close(descriptor)
    return kind == fcntl.F_WRLCK if for_writing else kind != fcntl.F_UNLCK
