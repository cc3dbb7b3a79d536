# SPDX-License-Identifier: Apache-2.0
"""An initramfs of our making: a static busybox, modules to load, and a command or a shell (cpio format "newc").

The guest switches itself off when the command has ended. Nothing here needs root or a program.
"""

import os
import stat
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from livefw import reading
from livefw.errors import UsageError

_TRAILER = "TRAILER!!!"
_MOST = 256 * 1024 * 1024
"""Bytes of a file, and of the archive: more does not fit the guest's memory either."""

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
for module in /modules/*; do [ -e "$module" ] && insmod "$module"; done
[ -d /sys/firmware/lfa ] && echo "livefw: the kernel shows $(ls -d /sys/firmware/lfa/*/ | wc -l) components"
/bin/busybox setsid /bin/busybox cttyhack sh /command
stty sane # returns when all that was printed is out of the UART; switching off would lose it
poweroff -f
"""


class ArchiveFile(NamedTuple):
    """A file of the archive; ``name`` is its path without a leading slash, ``data`` of a link its target."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def build(
    busybox: str, *, command: str = "exec sh", modules: tuple[str, ...] = (), more: Iterable[ArchiveFile] = ()
) -> bytes:
    """The archive; ``command`` is a shell script. `UsageError` for a file that cannot be read, or too much of it."""
    folders = [ArchiveFile(name, stat.S_IFDIR | 0o755) for name in ("bin", "dev", "modules", "proc", "sys", "tmp")]
    files = [
        ArchiveFile("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        ArchiveFile("bin/busybox", stat.S_IFREG | 0o755, read(busybox)),
        ArchiveFile("init", stat.S_IFREG | 0o755, _INIT.encode()),
        ArchiveFile("command", stat.S_IFREG | 0o755, command.encode() + b"\n"),
    ]
    for index, path in enumerate(modules):
        name = f"modules/{index:03d}-{os.path.basename(path)}"
        files.append(ArchiveFile(name, stat.S_IFREG | 0o644, read(path)))
    archive = bytearray()
    for number, entry in enumerate(chain(folders, files, more, [ArchiveFile(_TRAILER, 0)]), 1):
        archive += _pack(number, entry)
        if len(archive) > _MOST:
            raise UsageError(f"the initramfs would be larger than {_MOST} bytes")
    return bytes(archive)


def _pack(number: int, entry: ArchiveFile) -> bytes:
    name = os.fsencode(entry.name) + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + entry.data + bytes(-len(entry.data) % 4)


def read(path: str) -> bytes:
    """A file's bytes; `UsageError` if it cannot be read or does not fit."""
    try:
        return reading.read(path, _MOST)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", errno=error.errno) from error
