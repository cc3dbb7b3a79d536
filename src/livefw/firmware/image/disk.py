# SPDX-License-Identifier: Apache-2.0
"""The few operations on files that the store is made of, on a real folder and on a disk that loses power.

The store never relies on more than this: data is safe after ``fsync`` of its file, a name after ``fsync`` of its
folder, and until then a power cut may keep any part of it. `SimulatedDisk` is that sentence as code.
"""

import fcntl
import io
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO, Protocol

from livefw import reading
from livefw.firmware.image.errors import StoreError, Violation

_TEMPORARY = ".new"


class Disk(Protocol):
    """A flat folder of files. Errors of the system come as OSError; a missing file as FileNotFoundError."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""

    def rewrite(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file anew from its start, and make it safe. Cut in the middle it holds neither old nor new."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a file anew, and make it safe. Cut in the middle it holds old or new, whole."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from changing the folder."""


def read(disk: Disk, name: str, limit: int) -> bytes | None:
    """A whole file of at most ``limit`` bytes, or None if there is none; StoreError if it is larger."""
    try:
        with disk.open(name) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    if len(data) > limit:
        raise StoreError(Violation.STORE_IO, subject=name, found="a larger file", expected=f"at most {limit} bytes")
    return data


def _nothing(_step: str) -> None:
    pass


class Folder:
    """A real folder. ``before`` is called ahead of each change, with its name, by tests that end the process there."""

    def __init__(self, path: str, before: Callable[[str], None] = _nothing) -> None:
        self.path = path
        self._before = before

    def open(self, name: str) -> BinaryIO:
        """See `Disk`."""
        return reading.opened(os.path.join(self.path, name))

    def rewrite(self, name: str, chunks: Iterable[bytes]) -> None:
        """See `Disk`."""
        self._write(name, chunks)
        self._sync_folder()

    def replace(self, name: str, data: bytes) -> None:
        """See `Disk`."""
        self._write(name + _TEMPORARY, (data,))
        self._before(f"rename {name}")
        os.rename(os.path.join(self.path, name + _TEMPORARY), os.path.join(self.path, name))
        self._sync_folder()

    @contextmanager
    def lock(self) -> Generator[None, None, None]:
        """See `Disk`. The lock goes with the process, so a killed one leaves none."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, name: str, chunks: Iterable[bytes]) -> None:
        self._before(f"create {name}")
        with open(os.path.join(self.path, name), "wb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    self._before(f"write {name}")
                    view = view[file.write(view) :]
            self._before(f"fsync {name}")
            os.fsync(file.fileno())

    def _sync_folder(self) -> None:
        self._before("fsync folder")
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class PowerCutError(Exception):
    """The simulated disk lost power; `SimulatedDisk.survivors` are the disks that may be found afterwards."""


class SimulatedDisk:
    """A disk in memory that loses power after a given number of steps: one per byte, fsync and change of a name.

    Data that is not safe yet may be lost or kept, each file for itself, and so may names; `survivors` lists the
    extremes for all files at once. A byte in the middle of a write is an own step, so a file can be torn anywhere.
    """

    def __init__(self, files: dict[str, bytes] | None = None, *, power: int | None = None) -> None:
        self._safe = dict(files or {})
        self._seen = dict(files or {})
        self._files_synced: dict[str, bytes] = dict(files or {})
        self.power = power
        """Steps left until the cut; None: no cut."""
        self.steps = 0
        """Steps done."""

    @property
    def files(self) -> dict[str, bytes]:
        """Contents as a running system sees them."""
        return dict(self._seen)

    def open(self, name: str) -> BinaryIO:
        """See `Disk`."""
        if name not in self._seen:
            raise FileNotFoundError(name)
        return io.BytesIO(self._seen[name])

    def rewrite(self, name: str, chunks: Iterable[bytes]) -> None:
        """See `Disk`."""
        self._write(name, chunks)
        self._sync_folder()

    def replace(self, name: str, data: bytes) -> None:
        """See `Disk`."""
        temporary = name + _TEMPORARY
        self._write(temporary, (data,))
        self._step()
        self._seen[name] = self._seen.pop(temporary)
        self._files_synced[name] = self._files_synced.pop(temporary)
        self._sync_folder()

    def lock(self) -> AbstractContextManager[None]:
        """See `Disk`."""
        return nullcontext()

    def survivors(self) -> list[dict[str, bytes]]:
        """What may be on the disk if the power goes now: all that was not safe is lost, or kept, or only its names."""
        half = {name: self._files_synced.get(name, b"") for name in self._seen}
        return [dict(self._safe), dict(self._seen), half]

    def _write(self, name: str, chunks: Iterable[bytes]) -> None:
        self._step()
        self._seen[name] = b""
        for chunk in chunks:
            done = self._step(len(chunk))
            self._seen[name] += chunk[:done]
            if done < len(chunk):
                raise PowerCutError
        self._step()
        self._files_synced[name] = self._seen[name]
        if name in self._safe:
            self._safe[name] = self._seen[name]

    def _sync_folder(self) -> None:
        self._step()
        self._safe = {name: self._files_synced[name] for name in self._seen}

    def _step(self, count: int = 1) -> int:
        done = count if self.power is None else min(count, self.power)
        self.steps += done
        if self.power is not None:
            self.power -= done
            if count == 1 and not done:
                raise PowerCutError
        return done
