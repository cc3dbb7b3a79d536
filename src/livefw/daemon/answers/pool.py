# SPDX-License-Identifier: Apache-2.0
"""The processes that answer ordinary users (`livefw.daemon.answers.worker`), for the threads that wait for them."""

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from livefw.assemble import Where
from livefw.daemon.answers import worker
from livefw.daemon.answers.questions import Failure, Question
from livefw.errors import TransportError

PATIENCE_S = 60.0
"""Seconds of one question. To verify a record of a million rows takes less; one that hangs has the process killed."""
_LOOK_UP_S = 0.1
"""How soon it is noticed that the client has left."""
_LETTING_GO_S = 2.0
"""How long a process may take to abandon its question."""


class AnswerPool:
    """Starts a process when there is none free; those that are free wait. For any thread."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._free: list[_WorkerProcess] = []
        self._all: set[_WorkerProcess] = set()

    def ask(self, question: Question, wanted: Callable[[], bool]) -> bytes | Failure:
        """The answer; while it is worked out, ``wanted`` tells whether it still is. `TransportError`."""
        try:
            process = self._free.pop() if self._free else self._new()
        except OSError as error:
            raise TransportError(f"no process for the answer: {error}") from error
        try:
            reply = process.ask(question, wanted)
        except (OSError, EOFError, ValueError) as error:
            self._end(process)
            raise TransportError(f"the process that answers has ended: {error}") from error
        except BaseException:
            self._end(process)
            raise
        self._free.append(process)
        return reply

    def close(self) -> None:
        """End all of them, whatever they are asked."""
        for process in tuple(self._all):
            self._end(process)

    def _new(self) -> "_WorkerProcess":
        process = _WorkerProcess(self._where)
        self._all.add(process)
        return process

    def _end(self, process: "_WorkerProcess") -> None:
        self._all.discard(process)
        process.kill()


class _WorkerProcess:
    """One process, with one question at a time. OSError if it cannot be started."""

    def __init__(self, where: Where) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                command = [sys.executable, "-P", "-m", "livefw.daemon.answers.worker"]
                # Blocked until it has a handler: it would end for it.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, [worker.CANCEL])
                try:
                    self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
            worker.send(self._socket, json.dumps(where).encode())
        except BaseException:
            self._socket.close()
            raise

    def ask(self, question: Question, wanted: Callable[[], bool]) -> bytes | Failure:
        worker.send(self._socket, json.dumps(question).encode())
        end = time.monotonic() + PATIENCE_S
        while wanted() and time.monotonic() < end:
            if self._answers(_LOOK_UP_S):
                return worker.receive(self._socket)
        end = time.monotonic() + _LETTING_GO_S
        while not self._answers(_LOOK_UP_S):
            if time.monotonic() >= end:
                raise TimeoutError("it did not come to an end")
            self._process.send_signal(worker.CANCEL)  # again: it may not have begun when the last one came
        reply = worker.receive(self._socket)
        return reply if not wanted() else Failure("transport", "", f"it took more than {PATIENCE_S:.0f} s")

    def _answers(self, seconds: float) -> bool:
        waiting = select.poll()  # select(2) takes no descriptor above 1023
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(seconds * 1000))

    def kill(self) -> None:
        """For good; it is waited for as far as the kernel lets go of it."""
        self._socket.close()
        self._process.send_signal(signal.SIGKILL)
        try:
            self._process.wait(_LETTING_GO_S)
        except subprocess.TimeoutExpired:
            return
