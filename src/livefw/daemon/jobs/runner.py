# SPDX-License-Identifier: Apache-2.0
"""Activations as the daemon sees them: a process each, one at a time, and what it tells."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from livefw.assemble import Where
from livefw.daemon.jobs.events import Event, end_of_lost_job
from livefw.dbus.loop import Loop

_LINE_LIMIT = 8 << 20
"""Bytes of one line of a job: its last has the kernel log excerpts of every component."""
_CHUNK = 65_536

_log = logging.getLogger(__name__)


class JobRequest(NamedTuple):
    """What is asked for, and by whom; without ``components`` everything that can be activated."""

    components: tuple[str, ...]
    user: str
    face: str
    reason: str = ""
    ignore: tuple[str, ...] = ()
    on_failure: str = "stop"
    expected: tuple[str, ...] = ()
    """For each component the version that has to be pending, as `livefw.activation.host.ActivationRequest` has it."""
    settle_only: bool = False
    cancel: bool = False
    """Cancel for the one component, instead of activating it."""
    image: int = -1
    """Descriptor of an image to stage, for the one component or for the one that is meant; -1 to activate."""
    image_name: str = ""


def message(request: JobRequest, where: Where, *, measure: bool) -> dict[str, Any]:
    """What the process of a job reads on its standard input."""
    actor = {"user": request.user, "login": "", "face": request.face}
    return request._asdict() | where._asdict() | {"measure": measure, "actor": actor}


class JobRunner:
    """Starts one job at a time. ``publish`` is called with each event of each job, the last one included."""

    def __init__(self, loop: Loop, where: Where, publish: Callable[[Event], None], *, measure: bool) -> None:
        self._loop = loop
        self._where = where
        self._measure = measure
        self._publish = publish
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._ended: Event | None = None
        self._done: Callable[[Event], None] = lambda _: None
        self.running = ""

    @property
    def busy(self) -> bool:
        """Whether one is under way."""
        return self._process is not None

    def start(self, request: JobRequest, done: Callable[[Event], None]) -> None:
        """Start one, while none is under way; ``done`` is called with its last event. OSError if it does not start."""
        if self._process is not None:
            raise ValueError("a job is under way")
        process = subprocess.Popen(
            # -P: nothing is imported from the working directory.
            [sys.executable, "-P", "-m", "livefw.daemon.jobs.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(request.image,) if request.image >= 0 else (),
        )
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        try:
            process.stdin.write(json.dumps(message(request, self._where, measure=self._measure)).encode() + b"\n")
            process.stdin.close()
        except BrokenPipeError:
            _log.warning("the job ended before it received its request")
        os.set_blocking(process.stdout.fileno(), False)
        self._process, self._buffer, self._ended, self._done = process, b"", None, done
        self.running = ", ".join(request.components) or (
            "everything pending" if request.image < 0 else request.image_name
        )
        self._loop.watch(process.stdout, self._read)

    def _read(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        try:
            data = os.read(process.stdout.fileno(), _CHUNK)
        except BlockingIOError:
            return
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        whole = [line for line in lines if len(line) <= _LINE_LIMIT]
        for line in whole:
            self._take(line)
        if not data or len(whole) < len(lines) or len(self._buffer) > _LINE_LIMIT:
            self._finish(process)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            _log.error("the job told something that is no JSON")
            return
        if event.get("event") == "end":
            self._ended = event
        self._publish(event)

    def _finish(self, process: "subprocess.Popen[bytes]") -> None:
        if process.stdout is not None:
            self._loop.forget(process.stdout)
            process.stdout.close()
        code = process.wait()
        ended = self._ended or end_of_lost_job(code)
        self._process, self.running = None, ""
        if self._ended is None:
            _log.error("the job ended with %d and has not said how the activation ended", code)
            self._publish(ended)
        self._done(ended)
