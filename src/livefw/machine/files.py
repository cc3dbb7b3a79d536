# SPDX-License-Identifier: Apache-2.0
"""The tree of a modelled machine as files without a file system: the shape that providers read and write.

The shape is matched, not imported: a provider must not be able to tell a model from a kernel, nor the other way round.
"""

import errno
from collections.abc import Sequence
from typing import NoReturn, TypeVar

from livefw.kernel.clock import SECOND
from livefw.kernel.os import KernelPanic, Os
from livefw.kernel.sysfs import PAGE_SIZE, Tree, fail
from livefw.machine.host import KernelJob, Runner
from livefw.machine.machine import Machine

T = TypeVar("T")

_RECORD = 8192


class TreeFiles:
    """Files of a tree whose kernel is driven by ``runner``. All methods raise plain OSError with an errno."""

    def __init__(self, tree: Tree, runner: Runner) -> None:
        self._tree = tree
        self._runner = runner

    def names(self, path: str) -> list[str]:
        """Names in a directory."""
        return list(self._tree.listdir(path))

    def read(self, path: str, limit: int = 4096) -> bytes:
        """What one read of the file gives; above a page, all until its end or ``limit``."""
        file = self._tree.open(path, reading=True)
        data = _plain(self._runner.start(file.read(limit, 0), name="read"))
        while PAGE_SIZE <= len(data) < limit:
            more = _plain(self._runner.start(file.read(limit - len(data), len(data)), name="read"))
            if not more:
                break
            data += more
        return data

    def exists(self, path: str) -> bool:
        """Whether there is anything at this path."""
        try:
            self._tree.lookup(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def link(self, path: str) -> str:
        """There are no symbolic links in a modelled machine's tree."""
        self._tree.lookup(path)
        raise fail(errno.EINVAL)

    def records(self, path: str) -> list[bytes]:
        """Records of a log, oldest first."""
        file = self._tree.open(path, reading=True)
        found: list[bytes] = []
        while record := _plain(self._runner.start(file.read(_RECORD, 0), name="read")):
            found.append(record)
        return found

    def start_write(self, path: str, data: bytes) -> "TreeWrite":
        """Begin to write; the write itself reports every error, opening included."""

        return TreeWrite(self._tree, self._runner, path, data)

    def start_calls(self, path: str, calls: Sequence[object]) -> NoReturn:  # noqa: ARG002 - the shape of all files
        """There are no devices in a modelled machine's tree."""
        raise fail(errno.ENODEV)

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:  # noqa: ARG002 - as above
        """As `read`: nobody but its maker can read or write a tree in memory."""
        return self.read(path, limit)

    @property
    def settings_file(self) -> str:
        """The path in the tree."""
        return "/etc/livefw/livefw.toml"

    def settings(self, limit: int = 1 << 20) -> bytes:
        """Those in the tree, for the same reason."""
        return self.read(self.settings_file, limit)


class TreeWrite:
    """A write that was started, and continues whether or not anything waits for it."""

    def __init__(self, tree: Tree, runner: Runner, path: str, data: bytes) -> None:
        self._error: int | None = None
        self._opened = False
        self._job = runner.start(self._write(tree, path, data), name="write")

    async def _write(self, tree: Tree, path: str, data: bytes) -> None:
        file = tree.open(path, writing=True)
        self._opened = True
        written = await file.write(data)
        while 0 < written < len(data) > PAGE_SIZE:
            written += await file.write(data[written:])

    def wait(self, seconds: float | None) -> bool:
        """Whether it has ended, after at most so long."""
        if self._error is None and self._job.wait(seconds):
            self._error = 0
            try:
                _plain(self._job)
            except OSError as error:
                self._error = error.errno or errno.EIO
        return self._error is not None

    @property
    def error(self) -> int:
        """The errno it ended with, or 0; ValueError before the end."""
        if self._error is None:
            raise ValueError("the write has not ended")
        return self._error

    @property
    def opened(self) -> bool:
        """Whether the file was opened; ValueError before the end."""
        if self._error is None:
            raise ValueError("the write has not ended")
        return self._opened


def _plain(job: KernelJob[T]) -> T:
    """The result of kernel work, with a dead machine as EIO."""
    job.wait()
    try:
        return job.result()
    except KernelPanic:
        raise fail(errno.EIO) from None


class MachineFiles(TreeFiles):
    """The files of a machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.tree, machine.runner)


class MachineClock:
    """A machine's own time, in the shape of the clock that providers use: in virtual time a sleep costs nothing."""

    def __init__(self, machine: Machine) -> None:
        self._os: Os = machine.os
        self._runner = machine.runner

    def now(self) -> float:
        """Seconds on the clock of the machine."""
        return self._os.now() / SECOND

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass on the machine."""
        self._runner.run(self._os.sleep(int(seconds * SECOND)), name="sleep")
