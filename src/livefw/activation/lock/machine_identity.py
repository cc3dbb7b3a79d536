# SPDX-License-Identifier: Apache-2.0
"""Which machine a tree of files is, however it is reached: by its path, a second mount, a link, or a container's view.

Only what the running kernel says of directories counts. What is written in a tree can be anybody's: a foreign tree that
bears this machine's boot id must not be taken for it. Nor is a boot id needed: a lock lives as long as its holder, and
device and inode tell apart what is there at the same time. A link below the root is not followed, because no provider
follows one either: a foreign tree whose ``sys`` leads to ours must not hold our lock.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from itertools import islice
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSFS = 0x62656572
"""``SYSFS_MAGIC`` (Linux, ``uapi/linux/magic.h``). One kernel has one firmware below every sysfs that it mounts, and
these differ in their device where a container has a network of its own."""
_INTERFACES = ("sys", "firmware")
"""Below it are the interfaces of firmware. A view of a machine may be nothing but one of them, mounted somewhere."""
_MOST_INTERFACES = 64
"""A real machine has ten; a foreign one may have any number, and each costs a look."""
_ROOTS_ALONE = ("sys", "bus", "cpu", "uevent")
"""A file that every sysfs has, that nobody can unlink and only root can open (mode 0200, Linux ``drivers/base/bus.c``).
Only a write to it does anything, and nothing is ever written."""

_PASS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER = _PASS | os.O_DIRECTORY


def name(root: str) -> str:
    """A name for the machine whose files are at ``root``, the same for every way there; empty for our own.

    Elsewhere it is made of device and inode of the directory that all ways there have in common: that of the first
    interface of its firmware, or else the nearest one above that exists. A root that cannot be opened is named by path.
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
        from hashlib import sha256  # takes long to import

        return sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return f"{last.st_dev:x}-{last.st_ino:x}"


def _interfaces(root: str, stack: ExitStack) -> Iterator[int]:
    """Descriptors of the root, of the directories down to the interfaces, and of these, the first by name last."""

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
    """Whether the kernel's own sysfs is there; on the device of the root there is something else for certain."""
    if os.fstat(descriptor).st_dev == apart_from:
        return False
    import ctypes  # for a machine that has a mount of its own below its root

    told = (ctypes.c_long * 64)()  # struct statfs has 15 of them; the type is the first
    return ctypes.CDLL(None).fstatfs(descriptor, told) == 0 and told[0] & 0xFFFFFFFF == _SYSFS


def guard(root: str) -> int | None:
    """A descriptor, open for writing, of a file of this machine that only its owner can open; None without one.

    It is the same file by every way there and in every container that shares the mount. What a foreign tree has in its
    place is looked at first: to open a device or a FIFO does something, or waits for ever.
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
