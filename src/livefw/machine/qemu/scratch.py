# SPDX-License-Identifier: Apache-2.0
"""A folder for the files of one QEMU. A killed process cannot remove its own: the next one that starts does.

The folder itself is locked while its process lives, and the kernel drops the lock however the process ends: that
alone decides what is left over.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from typing import Self

_PREFIX = "livefw-qemu-"
_ROOM = 107 - len(f"/{_PREFIX}12345678/console")
"""Bytes for the path of the temporary directory, by the longest path of a socket in it."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Scratch:
    """A new folder below the temporary directory, until `close`; a context manager."""

    def __init__(self) -> None:
        """Make it, and remove those of this user whose processes are dead."""
        base = tempfile.gettempdir()
        if len(os.fsencode(base)) > _ROOM:
            base = "/tmp"  # noqa: S108 - the folder in it is made by mkdtemp
        for name in os.listdir(base):
            if name.startswith(_PREFIX):
                with suppress(OSError):  # another user's, no folder, alive, or gone meanwhile
                    _remove_dead(os.path.join(base, name))
        self.path, self._lock = _make(base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _make(base: str) -> tuple[str, int]:
    """A folder and the descriptor that holds its lock."""
    while True:
        path = tempfile.mkdtemp(prefix=_PREFIX, dir=base)
        with suppress(FileNotFoundError):
            lock = os.open(path, _FOLDER)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.stat(path)  # gone if another process took it for a dead one's before it was locked
            except BaseException:
                os.close(lock)
                raise
            return path, lock


def _remove_dead(path: str) -> None:
    """Remove a folder of ours that nobody holds; `OSError` otherwise."""
    lock = os.open(path, _FOLDER)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
    finally:
        os.close(lock)
