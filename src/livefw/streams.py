# SPDX-License-Identifier: Apache-2.0
"""The three standard streams, all of them open."""

import os
import sys


def fill() -> None:
    """Open streams that the parent process has closed on ``/dev/null``. The first thing that a process does.

    Otherwise the next file that is opened gets the number of one: the machine's root, a lock, the pipe of an answer. A
    child that sees to its own streams would close it, and a message would be written into it. What is written to such
    a stream is dropped, as git does it: who closed it does not want to hear.
    """
    for number, (name, flags, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            _open(number, flags)
        if getattr(sys, name) is None:  # Python found it closed when it started
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


_STREAMS = (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_WRONLY, "w"), ("stderr", os.O_WRONLY, "w"))


def _open(number: int, flags: int) -> None:
    descriptor = os.open(os.devnull, flags)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.set_inheritable(number, True)  # noqa: FBT003 - positional in the standard library
