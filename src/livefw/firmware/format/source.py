# SPDX-License-Identifier: Apache-2.0
"""Bytes of a file, or of a part of it, taken within bounds."""

import io
import os
import struct
from typing import Any, BinaryIO, NoReturn


class FormatError(ValueError):
    """A file is not what it begins as; ``offset`` is where, in bytes."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(f"offset {offset:#x}: {text}")
        self.offset = offset


class BoundedFile:
    """A seekable file, of which nothing is read that is not asked for. All errors are `FormatError`."""

    __slots__ = ("file", "size")

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)

    def take(self, offset: int, size: int, what: str) -> bytes:
        """``size`` bytes. The caller bounds the size where it comes from the file; the file bounds it in any case."""
        # Attack: offset and size are numbers of the sender. Their sum is compared as it is, and nothing is reserved.
        if offset < 0 or size < 0 or size > self.size - offset:
            self.fail(f"it ends within {what}: {size} bytes, and {max(self.size - offset, 0)} are left", offset)
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) != size:
            self.fail(f"it became shorter while {what} was read", offset)
        return data

    def unpack(self, layout: struct.Struct, offset: int, what: str) -> tuple[Any, ...]:
        """The fields of a structure."""
        return layout.unpack(self.take(offset, layout.size, what))

    def fail(self, text: str, offset: int) -> NoReturn:
        """Raise `FormatError`."""
        raise FormatError(text, offset)


def part(file: BinaryIO, start: int, size: int) -> BinaryIO:
    """``size`` bytes of another file from ``start`` on, as a file of its own; it stays open when this one is closed."""
    return io.BufferedReader(_Part(file, start, size))


class _Part(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = max(size, 0)
        self._position = 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """See `io.RawIOBase`."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """See `io.RawIOBase`."""
        self._file.seek(self._start + self._position)
        data = self._file.read(max(min(len(buffer), self._size - self._position), 0))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
