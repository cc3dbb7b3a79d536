# SPDX-License-Identifier: Apache-2.0
"""Images that root has written into a directory of ours: for clients that cannot pass descriptors, as Cockpit's pages.

A path from a client would have the daemon read, as root, what that client may not. So there is no path: only a name, in
one directory that the daemon has made, that belongs to it and that nobody else may enter. Who may write there could
activate anyway. These attacks remain, by what runs as the same account or was left by it:

- a name with ``..`` or ``/`` in it, or a link: neither is followed; the directory is opened first, and not named again;
- a file that is changed or replaced between check and use: it is unlinked and copied at once, and the sealed copy is
  all that is checked and used (`livefw.daemon.upload.receive`);
- a pipe, a device, or a file without an end: only regular files are read, up to a limit.
"""

import os
import stat
from contextlib import suppress
from typing import Self

from livefw.daemon.upload.receive import NotCopied, sealed_copy
from livefw.errors import UsageError

_SUFFIX = ".incoming"


class Incoming:
    """The directory beside a socket, named after it; ``path`` is empty if there is none that is the daemon's alone."""

    def __init__(self, socket: str) -> None:
        """Make it for the socket of this path, or empty it: what is there was left by a client of an earlier daemon."""
        self.path = f"{os.path.abspath(socket)}{_SUFFIX}" if socket else ""
        if not self.path:
            return
        try:
            with suppress(FileExistsError):
                os.mkdir(self.path, mode=0o700)
            with _Directory(self.path) as directory:
                directory.empty()
        except OSError:
            self.path = ""

    def close(self) -> None:
        """Remove it."""
        if self.path:
            with suppress(OSError):
                with _Directory(self.path) as directory:
                    directory.empty()
                os.rmdir(self.path)

    def take(self, name: str, most: int) -> int:
        """Remove a file of at most so many bytes; the descriptor of a sealed copy. `UsageError` if there is none."""
        if not self.path:
            raise UsageError("there is no directory for images beside the daemon's socket", phase="stage")
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise UsageError("the image is named without a directory", phase="stage")
        try:
            with _Directory(self.path) as directory:
                source = directory.take(name)
        except OSError as error:
            raise UsageError(f"the image {name} cannot be read: {error.strerror}", phase="stage") from error
        try:
            return sealed_copy(source, most)
        except NotCopied as error:
            raise UsageError(str(error), phase="stage") from error
        finally:
            os.close(source)


class _Directory:
    """An open directory that is the daemon's alone; OSError for any other."""

    def __init__(self, path: str) -> None:
        self._number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(self._number)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            os.close(self._number)
            raise PermissionError(1, "it is not the daemon's alone", path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._number)

    def take(self, name: str) -> int:
        """Open a file, and remove it."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(name, flags, dir_fd=self._number)
        finally:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._number)

    def empty(self) -> None:
        """Remove all files."""
        for name in os.listdir(self._number):
            with suppress(OSError):
                os.unlink(name, dir_fd=self._number)
