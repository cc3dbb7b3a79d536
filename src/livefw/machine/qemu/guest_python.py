# SPDX-License-Identifier: Apache-2.0
"""livefw inside the guest: a Debian arm64 Python, unpacked in a folder, and this livefw as files of its initramfs."""

import os
import stat
from collections.abc import Iterator

from livefw import errors
from livefw.errors import UsageError
from livefw.machine.qemu.initramfs import ArchiveFile, read

DEFAULT = "~/.cache/livefw/guest-python"
"""Where ``scripts/guest-python.sh`` unpacks it."""

_HINT = "sh scripts/guest-python.sh fetches one; or unpack Debian's python3.N-minimal:arm64, libpython3.N-stdlib:arm64"
_LEFT_OUT = {"__pycache__", "gconv", "share", "test"}
"""Folders that nothing here needs and that would double the archive."""

_OLDEST = 11
_EM_AARCH64 = 183
_OURS = "opt/livefw"


def entries(folder: str) -> Iterator[ArchiveFile]:
    """What goes into the initramfs so that ``livefw`` is a command there; `UsageError` for a folder that is not fit."""
    program = _interpreter(folder)
    try:
        if os.path.lexists(os.path.join(folder, "lib")):
            yield from _tree(folder, "lib")
        else:  # packages of Debian 13 have all of it below usr
            yield ArchiveFile("lib", stat.S_IFLNK | 0o777, b"usr/lib")
        yield from _tree(folder, "usr")
        yield from (ArchiveFile(name, stat.S_IFDIR | 0o755) for name in ("opt", _OURS))
        yield from _tree(os.path.dirname(os.path.dirname(errors.__file__)), "livefw", below=_OURS)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}", errno=error.errno) from error
    script = f'#!/bin/sh\nPYTHONPATH=/{_OURS} exec /{program} -m livefw "$@"\n'
    yield ArchiveFile("bin/livefw", stat.S_IFREG | 0o755, script.encode())


def _interpreter(folder: str) -> str:
    """The newest ``usr/bin/python3.N`` for arm64."""
    programs = os.path.join(folder, "usr/bin")
    try:
        minors = [name.removeprefix("python3.") for name in os.listdir(programs) if name.startswith("python3.")]
    except OSError as error:
        raise UsageError(f"{programs}: {error.strerror}", hint=_HINT, errno=error.errno) from error
    minor = max((int(text) for text in minors if text.isdecimal()), default=0)
    if minor < _OLDEST:
        raise UsageError(f"there is no Python 3.{_OLDEST} or newer in {programs}", hint=_HINT)
    program = f"usr/bin/python3.{minor}"
    head = read(os.path.join(folder, program))[:20]
    if head[:4] != b"\x7fELF" or int.from_bytes(head[18:], "little") != _EM_AARCH64:
        raise UsageError(f"{os.path.join(folder, program)} is not a program for arm64", hint=_HINT)
    return program


def _tree(base: str, top: str, *, below: str = "") -> Iterator[ArchiveFile]:
    """A folder of ``base`` and what is in it, each folder before its content; links as links."""
    path = os.path.join(base, top)
    name = os.path.join(below, top)
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        yield ArchiveFile(name, stat.S_IFLNK | 0o777, os.fsencode(os.readlink(path)))
    elif stat.S_ISREG(mode):
        yield ArchiveFile(name, stat.S_IFREG | (mode & 0o777), read(path))
    elif stat.S_ISDIR(mode):
        yield ArchiveFile(name, stat.S_IFDIR | 0o755)
        for child in sorted(set(os.listdir(path)) - _LEFT_OUT):
            yield from _tree(base, os.path.join(top, child), below=below)
