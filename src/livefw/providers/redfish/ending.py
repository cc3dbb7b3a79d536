# SPDX-License-Identifier: Apache-2.0
"""Closes sessions before a signal ends the process: BMCs have few, and keep a forgotten one for half an hour."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """A signal that ends the process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Have a signal that would end this process at once leave the block first, as Ctrl-C does.

    Signals that somebody else handles, and blocks in other threads than the first, are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, _end)
        try:
            yield
        finally:
            for number in taken:
                signal.signal(number, signal.SIG_DFL)
    except _Ended as reason:
        os.kill(os.getpid(), reason.number)
        raise


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    raise _Ended(number)
