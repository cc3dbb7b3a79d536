# SPDX-License-Identifier: Apache-2.0
"""A program that measures: lines say when it begins and stops, and it answers with a line of JSON. Never raises."""

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

_ANSWER_S = 5.0
"""How long to wait for the program to start or to reply; without a reply there is no measurement."""
_END_S = 1.0
"""How long it may take to end by itself."""
_ANSWER_LIMIT = 1 << 24


class MeasuringProgram:
    """One of this directory, in a process of its own."""

    def __init__(self, name: str, *words: str) -> None:
        """Nothing is started yet."""
        program = os.path.join(os.path.dirname(__file__), name)
        self._command = [sys.executable, "-I", "-S", program, *words]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Start it; whether it is ready."""
        try:
            # A session of its own: the engine handles Ctrl-C of the terminal.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return False
        if self._line() == b"ready\n":
            return True
        self.close()
        return False

    def mark(self) -> bool:
        """The measurement begins, once the program has taken it in: it may have to wait for a CPU. Whether it has."""
        return self._say(b"mark\n") and self._line() == b"marked\n"

    def stop(self) -> Any:
        """End it; what it has measured, as JSON, or None."""
        answer = self._line() if self._say(b"stop\n") else b""
        self.close()
        try:
            return json.loads(answer)
        except ValueError:
            return None

    def close(self) -> None:
        """End it at the end of its input, or at once; what it has forked ends with it."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            if process.stdin:
                with suppress(OSError):
                    process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()

    def _say(self, word: bytes) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(word)
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def _line(self) -> bytes:
        """One line of the program; less if it does not come in time."""
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + _ANSWER_S
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < _ANSWER_LIMIT:
            if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                break
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            line += piece
        return bytes(line)
