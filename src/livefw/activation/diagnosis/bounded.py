# SPDX-License-Identifier: Apache-2.0
"""Blocks that are examined in a child process: a file that is never answered, as of a dead FUSE server or NFS, holds up
its block and no other.

The kernel does not end a process that waits for such a file, so the child is left to itself then.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from livefw.activation.diagnosis import blocks
from livefw.activation.diagnosis.lines import DiagnosisBlock, DiagnosisLine, LineState

_CHUNK = 1 << 16
_DYING_S = 0.5
"""What a child that is killed needs at most; one that waits for a file needs for ever."""


def examine(
    names: Sequence[str],
    look: Callable[[str], DiagnosisBlock],
    *,
    debug: bool = False,
    seconds: Callable[[str], float] = blocks.seconds,
    silent: Callable[[str, float], DiagnosisBlock] = blocks.silent,
) -> Iterator[DiagnosisBlock]:
    """The blocks in their order, each as soon as it is there. ``look`` runs in a child.

    With ``debug`` the child keeps standard error, for a trace of what it reads.
    """
    left = list(names)
    while left:
        child = _Child(look, left, debug=debug)
        try:
            while left:
                block = child.next(seconds(left[0]))
                yield block or silent(left[0], seconds(left[0]))
                del left[0]
                if block is None:
                    break
        finally:
            child.end()


class _Child:
    """A process that examines blocks, one after the other, and sends each when it has it."""

    def __init__(self, look: Callable[[str], DiagnosisBlock], names: Sequence[str], *, debug: bool) -> None:
        self._ours, theirs = os.pipe()
        self._buffer = b""
        self._pid = os.fork()
        if not self._pid:
            os.close(self._ours)
            _detach(debug=debug)
            _serve(look, names, theirs)
        os.close(theirs)

    def next(self, seconds: float) -> DiagnosisBlock | None:
        """The next block; None if it does not come in time, or the child ends."""
        deadline = time.monotonic() + seconds
        waiting = select.poll()  # select(2) has no place for a descriptor above 1,023
        waiting.register(self._ours, select.POLLIN)
        while b"\n" not in self._buffer:
            wait = deadline - time.monotonic()
            if wait <= 0 or not waiting.poll(1000 * wait):
                return None
            data = os.read(self._ours, _CHUNK)
            if not data:
                return None
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\n")
        return _decoded(json.loads(text))

    def end(self) -> None:
        """End it, if it can be ended. No zombie is left to a process that embeds livefw."""
        os.close(self._ours)
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            _await_end(self._pid)
            os.waitpid(self._pid, os.WNOHANG)


def _await_end(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll(1000 * _DYING_S)
    finally:
        os.close(descriptor)


def _detach(*, debug: bool) -> None:
    """Let go of the standard streams: a reader of our output waits for its end, and the child may never end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1) if debug else (0, 1, 2):
        os.dup2(nowhere, stream)


def _serve(look: Callable[[str], DiagnosisBlock], names: Sequence[str], pipe: int) -> None:
    """What the child does; it ends here, whatever happens."""
    try:
        for name in names:
            name_, lines, mechanism = look(name)
            data = json.dumps([name_, lines, mechanism]).encode() + b"\n"
            while data:
                data = data[os.write(pipe, data) :]
    finally:
        os._exit(0)


def _decoded(document: Any) -> DiagnosisBlock:
    name, lines, mechanism = document
    return DiagnosisBlock(name, tuple(DiagnosisLine(LineState(state), *rest) for state, *rest in lines), mechanism)
