# SPDX-License-Identifier: Apache-2.0
"""How a program of an administrator is run: a bounded time and output, and nothing left of it.

Each runs under a `livefw.keeper`, which ends all of its descendants.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from livefw import keeper

NOT_RUN = 127
"""What a program ends with that cannot be run."""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 16 * 1024
"""Bytes of output at most, unless the caller needs more. Endless output must not fill the memory."""
_ENDING_S = keeper.SECONDS + 1.0
"""How long to wait for all descendants to end. The keeper waits for those that the kernel cannot end yet."""


class ProgramAnswer(NamedTuple):
    """How a program ended; ``code`` is None if it was killed because of its timeout or its output."""

    code: int | None
    output: bytes
    most: int = OUTPUT_LIMIT

    def broken(self, *, seconds: float) -> str:
        """How it ended, for a person; ``seconds`` was its timeout."""
        if self.code is not None:
            return f"signal {-self.code}" if self.code < 0 else f"exit code {self.code}"
        too_much = len(self.output) > self.most
        return f"it printed more than {self.most} bytes" if too_much else f"no reply within {seconds:g} s"


def find(name: str) -> str:
    """The path of a program of the system; where there is none, one that cannot be run."""
    import shutil  # slow to import

    return shutil.which(name, path=_PATH) or f"/usr/bin/{name}"


def run(
    command: Sequence[str], *, seconds: float, question: bytes = b"", most: int = OUTPUT_LIMIT, errors: bool = True
) -> ProgramAnswer:
    """Run a program to its end, with ``question`` on its standard input. Never raises: one that cannot be run ends with
    127, as in a shell.

    What it prints on standard error is output too, unless ``errors`` is False.
    """
    environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
    theirs, ours = os.pipe()  # when it is closed, also by our death, the keeper ends the hook
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(theirs), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            pass_fds=(theirs,),
        )
    except OSError as error:
        os.close(ours)
        return ProgramAnswer(NOT_RUN, f"it cannot be run: {error.strerror}".encode())
    finally:
        os.close(theirs)
    try:
        return _talk(process, question, time.monotonic() + seconds, most)
    finally:
        os.close(ours)
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING_S)


def _talk(process: "subprocess.Popen[bytes]", question: bytes, deadline: float, most: int) -> ProgramAnswer:
    """Write and read at the same time, with bounds for both."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
    ask, hear = process.stdin.fileno(), process.stdout.fileno()
    os.set_blocking(ask, False)
    os.set_blocking(hear, False)
    poll = select.poll()
    poll.register(ask, select.POLLOUT)
    poll.register(hear, select.POLLIN)
    output = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or len(output) > most:
            return ProgramAnswer(None, bytes(output), most)
        for descriptor, _ in poll.poll(left * 1000):
            if descriptor == ask:
                question = _write_some(ask, question)
                if not question:
                    poll.unregister(ask)
                    process.stdin.close()
            else:
                piece = os.read(hear, OUTPUT_LIMIT)
                output += piece
                if not piece:
                    return _wait(process, deadline, bytes(output), most)


def _write_some(descriptor: int, data: bytes) -> bytes:
    try:
        return data[os.write(descriptor, data) :]
    except BrokenPipeError:
        return b""  # it does not read its input


def _wait(process: "subprocess.Popen[bytes]", deadline: float, output: bytes, most: int) -> ProgramAnswer:
    try:
        return ProgramAnswer(process.wait(max(deadline - time.monotonic(), 0.0)), output, most)
    except subprocess.TimeoutExpired:
        return ProgramAnswer(None, output, most)
