# SPDX-License-Identifier: Apache-2.0
"""An image that stays on disk: it is read in pieces, as often as needed, and has to be the same each time."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from livefw.errors import UsageError

PIECE = 1 << 18
"""Bytes that are read, hashed or sent at a time."""


class UnusableImage(UsageError):  # noqa: N818 - says what is wrong without the suffix
    """The file cannot be read, or is not what it was when it was read first."""


class ImageFile:
    """A regular file, open for reading, which stays the caller's to close.

    The first reading to the end, or `sha256`, decides what the image is. The file may be written between two readings,
    and what was checked and recorded must be what is handed over.
    """

    __slots__ = ("_descriptor", "_digest", "size")

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self.size = os.fstat(self._descriptor).st_size
        self._digest = ""

    @property
    def sha256(self) -> str:
        """In hexadecimal digits; `UnusableImage`."""
        if not self._digest:
            for _ in self.pieces():
                pass
        return self._digest

    def head(self, count: int) -> bytes:
        """Its first bytes; `UnusableImage`."""
        return self._read(count, 0)

    def pieces(self) -> Iterator[bytes]:
        """All of it, from the beginning. `UnusableImage`, before the last piece of something else."""
        from hashlib import sha256

        digest, at = sha256(), 0
        while at < self.size:
            piece = self._read(min(PIECE, self.size - at), at)
            if not piece:
                raise UnusableImage("the image became shorter while it was read")
            at += len(piece)
            digest.update(piece)
            if at == self.size:
                found = digest.hexdigest()
                if self._digest not in ("", found):
                    raise UnusableImage("the image was changed while it was read")
                self._digest = found
            yield piece

    def _read(self, count: int, at: int) -> bytes:
        try:
            return os.pread(self._descriptor, count, at)
        except OSError as error:
            raise UnusableImage(f"the image cannot be read: {error.strerror}", errno=error.errno) from error
