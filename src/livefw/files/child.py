# SPDX-License-Identifier: Apache-2.0
"""A blocking write that outlives the process that started it."""

import errno
import os
import select
import signal
import struct
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from livefw.files.protocol import LOST

_ANSWER = struct.Struct("<i?")
"""What the child sends: an errno or 0, and whether the file was opened."""


class _Ended(NamedTuple):
    """How it ended."""

    error: int
    opened: bool


class ChildWrite:
    """A blocking write in a child process; its answer comes back through a pipe.

    The child keeps every signal blocked that can be blocked. A signal could only shorten the driver's pauses, or, on a
    file system in user space, end the write with EINTR, upon which Python would write, and so activate, once more.
    It also keeps what it inherited, a lock for instance, until the write has ended; only the standard streams are
    closed, so that nobody waits for the end of a pipe because of it.
    """

    def __init__(self, opening: Callable[[], int], work: Callable[[int], None]) -> None:
        """Open a file and do ``work`` with it in a child. Where there can be no child, nothing was opened."""
        self._ended: _Ended | None = None
        try:
            self._start(opening, work)
        except OSError as error:
            self._ended = _Ended(error.errno or errno.EAGAIN, opened=False)

    def _start(self, opening: Callable[[], int], work: Callable[[int], None]) -> None:
        self._pipe, answer = os.pipe()
        # From before the fork: the child must never run a signal handler of this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._child = os.fork()
            if self._child == 0:
                _run_child(opening, work, answer)
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(answer)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, seconds: float | None) -> bool:
        """See `Write`."""
        if self._ended is not None:
            return True
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(None if seconds is None else max(seconds, 0) * 1000):
            return False
        answer = os.read(self._pipe, _ANSWER.size)
        whole = len(answer) == _ANSWER.size
        # A child that died without a word may have opened it, and may have written.
        self._ended = _Ended(*_ANSWER.unpack(answer)) if whole else _Ended(LOST, opened=True)
        os.close(self._pipe)
        os.waitpid(self._child, 0)
        return True

    @property
    def error(self) -> int:
        """See `Write`."""
        return self._end().error

    @property
    def opened(self) -> bool:
        """See `Write`."""
        return self._end().opened

    def _end(self) -> _Ended:
        if self._ended is None:
            raise ValueError("the write has not ended")
        return self._ended


def _run_child(opening: Callable[[], int], work: Callable[[int], None], answer: int) -> NoReturn:
    """The life of the child; whatever happens, it does not return into the code of the parent."""
    error, opened = 0, False
    try:
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            file = opening()
            opened = True
            work(file)
        except OSError as caught:
            error = caught.errno or errno.EIO
        os.write(answer, _ANSWER.pack(error, opened))
    finally:
        os._exit(0)
