# SPDX-License-Identifier: Apache-2.0
"""Activations as the daemon sees them: a process each, one at a time, and what it tells."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from livefw.dbus.loop import Loop

_LINE_LIMIT = 8 << 20
"""Bytes of one line of a job: its last has the kernel log excerpts of every component."""
_CHUNK = 65_536

_log = logging.getLogger(__name__)
Event = dict[str, Any]


class Request(NamedTuple):
    """What is asked for, and by whom; without ``components`` everything that can be activated."""

    components: tuple[str, ...]
    user: str
    face: str
    reason: str = ""
    ignore: tuple[str, ...] = ()
    on_failure: str = "stop"
    settle_only: bool = False
    image: int = -1
    """Descriptor of an image to stage, for the one component or for the one that is meant; -1 to activate."""
    image_name: str = ""


class Setting(NamedTuple):
    """What is the same for each job: the machine and the places."""

    root: str
    state: str | None
    settings: str | None
    measure: bool
    images: str | None = None


class Jobs:
    """Starts one job at a time. ``event`` is told everything that any job tells, the last one included."""

    def __init__(self, loop: Loop, setting: Setting, event: Callable[[Event], None]) -> None:
        self._loop = loop
        self._setting = setting
        self._event = event
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._ended: Event | None = None
        self._done: Callable[[Event], None] = lambda _: None
        self.running = ""

    @property
    def busy(self) -> bool:
        """Whether one is under way."""
        return self._process is not None

    def start(self, request: Request, done: Callable[[Event], None]) -> None:
        """Start one, while none is under way; ``done`` is told its last event. OSError if it cannot be started."""
        if self._process is not None:
            raise ValueError("a job is under way")
        asked = request._asdict() | self._setting._asdict()
        asked["actor"] = {"user": asked.pop("user"), "login": "", "face": asked.pop("face")}
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
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.close()
        except BrokenPipeError:
            _log.warning("the job ended before it was told what to do")
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
        self._event(event)

    def _finish(self, process: "subprocess.Popen[bytes]") -> None:
        if process.stdout is not None:
            self._loop.forget(process.stdout)
            process.stdout.close()
        code = process.wait()
        ended = self._ended or _lost(code)
        self._process, self.running = None, ""
        if self._ended is None:
            _log.error("the job ended with %d and has not said how the activation ended", code)
            self._event(ended)
        self._done(ended)


def log_line(event: Event) -> str:
    """What a job tells, for a person who reads a log."""
    component = event.get("component", "")
    match event["event"]:
        case "begins":
            versions = [component["current_version"] or "?", component["pending_version"] or "?"]
            return f"{event['verb']} {component['key']} begins, {' -> '.join(versions)}"
        case "attempt" | "settled" as kind:
            later = ", as was found out afterwards" if kind == "settled" else ""
            outcome = event["outcome"] or "still unfinished"
            beside = [f"not recorded: {event['trouble']}"] if event["trouble"] else []
            text = "; ".join([event["text"], *beside, *(each["text"] for each in event["mishaps"])])
            return f"{component}: {outcome}{later}: {text}"
        case "end":
            return f"done, exit code {event['exit_code']}"
        case _:
            return f"{event}"


def _lost(code: int) -> Event:
    """The job died; what the machine shows is found out by the next one."""
    error = {
        "kind": "outcome-unknown",
        "exit_code": 6,
        "message": f"the process that did it ended with {code} before it told the outcome",
        "hint": "livefw history shows what was found out about it",
    }
    return {"event": "end", "document": {"error": error}, "text": error["message"], "exit_code": 6}
