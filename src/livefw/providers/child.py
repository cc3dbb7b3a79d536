# SPDX-License-Identifier: Apache-2.0
"""A blocking write that outlives whoever started it."""

import errno
import os
import select
import signal
from collections.abc import Callable
from typing import NoReturn

from livefw.providers.files import LOST


class ChildWrite:
    """A blocking write in a child process; the errno comes back through a pipe.

    The child keeps every signal blocked that can be blocked. A signal could only shorten the driver's pauses, or, on a
    file system in user space, end the write with EINTR, upon which Python would write, and so activate, once more.
    It also keeps what it inherited, a lock for instance, until the write has ended; only the standard streams are
    closed, so that nobody waits for the end of a pipe because of it.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a child; OSError if there can be none."""
        self._error: int | None = None
        self._pipe, answer = os.pipe()
        # From before the fork: the child must never run a signal handler of this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._child = os.fork()
            if self._child == 0:
                _run_child(work, answer)
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(answer)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, seconds: float | None) -> bool:
        """See `Write`."""
        if self._error is not None:
            return True
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(None if seconds is None else max(seconds, 0) * 1000):
            return False
        answer = os.read(self._pipe, 4)
        self._error = int.from_bytes(answer, "little") if len(answer) == 4 else LOST
        os.close(self._pipe)
        os.waitpid(self._child, 0)
        return True

    @property
    def error(self) -> int:
        """See `Write`."""
        if self._error is None:
            raise ValueError("the write has not ended")
        return self._error


def _run_child(work: Callable[[], None], answer: int) -> NoReturn:
    """The life of the child; whatever happens, it does not return into the code of the parent."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        try:
            work()
            error = 0
        except OSError as caught:
            error = caught.errno or errno.EIO
        os.write(answer, error.to_bytes(4, "little"))
    finally:
        os._exit(0)
