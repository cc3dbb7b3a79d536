# SPDX-License-Identifier: Apache-2.0
"""Which machine a tree of files belongs to, however it is reached: by path, second mount, link, or container.

Only what the running kernel reports about directories counts. The content of a tree may be anything: a foreign tree
with this machine's boot id must not pass for this machine. No boot id is needed either: a lock lives as long as its
holder, and device and inode distinguish what exists at the same time. Links below the root are not followed, because no
provider follows them: a foreign tree whose ``sys`` leads to ours must not take our lock.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from itertools import islice
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSFS = 0x62656572
"""``SYSFS_MAGIC`` (Linux, ``uapi/linux/magic.h``). A kernel shows one firmware in every sysfs that it mounts; the
device differs if a container has a network namespace of its own."""
_INTERFACES = ("sys", "firmware")
"""The directory of the firmware interfaces. A view of a machine may be a single one of them, mounted elsewhere."""
_MOST_INTERFACES = 64
"""Interfaces that are looked at. A real machine has about ten; a foreign tree may have any number."""
_ROOTS_ALONE = ("sys", "bus", "cpu", "uevent")
"""A file that every sysfs has, that nobody can unlink and only root can open (mode 0200, Linux ``drivers/base/bus.c``).
Only a write has an effect, and livefw never writes it."""

_PASS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER = _PASS | os.O_DIRECTORY


def name(root: str) -> str:
    """A name for the machine at ``root``, the same for every path that leads to it; empty for the machine livefw runs
    on.

    For others it consists of device and inode of the directory that all paths have in common: the first firmware
    interface, or the nearest directory above it that exists. A root that cannot be opened is named after its path.
    """
    if root == "/":
        return ""
    try:
        with ExitStack() as stack:
            seen = list(_interfaces(root, stack))
            top = os.fstat(seen[0])
            if os.path.samestat(top, os.stat("/")) or any(_is_sysfs(each, apart_from=top.st_dev) for each in seen):
                return ""
            last = os.fstat(seen[-1])
    except OSError:
        return hash_of(os.path.realpath(root))
    return f"{last.st_dev:x}-{last.st_ino:x}"


def hash_of(path: str) -> str:
    """The beginning of the SHA-256 of a path.

    Importing `hashlib` would load all of OpenSSL, which takes as long as `list`.
    """
    try:  # CPython's own
        if sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256
    return str(sha256(os.fsencode(path)).hexdigest()[:16])


def _interfaces(root: str, stack: ExitStack) -> Iterator[int]:
    """Descriptors of the root, of the directories down to the interfaces, and of the interfaces in reverse order."""

    def enter(path: str, above: int | None = None) -> int:
        descriptor = os.open(
            path, _ENTER if above is not None else os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above
        )
        stack.callback(os.close, descriptor)
        return descriptor

    yield (here := enter(root))
    with suppress(OSError):
        for part in _INTERFACES:
            here = enter(part, here)
            yield here
        with os.scandir(f"/proc/self/fd/{here}") as entries:
            names = sorted((entry.name for entry in islice(entries, _MOST_INTERFACES)), reverse=True)
        for each in names:
            with suppress(OSError):
                yield enter(each, here)


def _is_sysfs(descriptor: int, *, apart_from: int) -> bool:
    """Whether this is the kernel's own sysfs; on the device of the root it cannot be."""
    if os.fstat(descriptor).st_dev == apart_from:
        return False
    import ctypes  # only for a tree with a mount below its root

    info = (ctypes.c_long * 64)()  # struct statfs has 15 longs; the first is the type
    return ctypes.CDLL(None).fstatfs(descriptor, info) == 0 and info[0] & 0xFFFFFFFF == _SYSFS


def twin(lock: str) -> str:
    """The second lock file beside a lock file."""
    folder, name = os.path.split(lock)
    return os.path.join(folder, f".{name}")


def guard(root: str) -> int | None:
    """A descriptor, open for writing, of a file of this machine that only root can open; None if there is none.

    It is the same file for every path and for every container that shares the mount. What a foreign tree has in its
    place is examined before it is opened: opening a device may have an effect, and opening a FIFO may block.
    """
    try:
        with ExitStack() as stack:
            here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, here)
            for part in _ROOTS_ALONE:
                here = os.open(part, _PASS, dir_fd=here)
                stack.callback(os.close, here)
            if not S_ISREG(os.fstat(here).st_mode):
                return None
            return os.open(f"/proc/self/fd/{here}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
