# SPDX-License-Identifier: Apache-2.0
"""One activation in a process of its own: ``python -m livefw.daemon.job``, with a request on standard input.

The engine is kept apart from the process that strangers talk to: nothing that happens to the daemon, not even its
death, disturbs an activation or loses its outcome. What happens is told on standard output, one JSON object a line; if
nobody reads it, the activation goes on and its outcome is in the history.
"""

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from livefw import streams
from livefw.activation.actor import Actor
from livefw.activation.announce import SystemJournal
from livefw.activation.engine import Attempt, Engine, OnFailure, Order, Run
from livefw.activation.outcome import Result, error_of
from livefw.activation.target import Wish
from livefw.cli import document, engine, results, stage
from livefw.cli.session import foreseen
from livefw.daemon.captured import Captured
from livefw.errors import ExitCode, NothingToDo
from livefw.providers.base import Component, Package, Progress

_TELL_EACH_S = 1.0
_LAST_WORD_S = 10.0
"""How long the daemon may take to read how it ended."""
_REQUEST_LIMIT = 1 << 20

Tell = Callable[[dict[str, Any]], None]


class _Teller:
    """A `livefw.activation.run.Watch` that tells what happens."""

    def __init__(self, tell: Tell, *, verb: str = "activate") -> None:
        self._tell = tell
        self._verb = verb
        self._next = 0.0
        self._key = ""

    def begins(self, component: Component) -> None:
        """See `Watch`."""
        self._key, self._next = component.key, 0.0
        self._tell({"event": "begins", "verb": self._verb, "component": document.component(component)})

    def progress(self, progress: Progress) -> None:
        """See `Watch`."""
        fields = {"phase": progress.phase, "text": progress.text, "percent": progress.percent}
        self._tell({"event": "progress", "component": self._key, **fields})

    def tick(self, seconds: float) -> bool:
        """See `Watch`."""
        if seconds >= self._next:
            self._next = seconds + _TELL_EACH_S
            self._tell({"event": "tick", "component": self._key, "seconds": round(seconds, 1)})
        return True

    def ended(self, result: Result) -> None:
        """See `Watch`; the attempt tells it, with everything that belongs to it."""


def run(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Do what was asked for; the last event. An activation that did not succeed is no error, see the document."""
    session = Captured(
        request["root"], settings=request["settings"], say=lambda line: tell({"event": "said", "text": line})
    )
    arguments = argparse.Namespace(state=request["state"])
    actor = Actor(**request["actor"])
    try:
        host = engine.host(session, arguments, measured=request["measure"])
        host = host._replace(actor=actor, announce=SystemJournal(actor))
        with Engine(host).open() as running:
            settled = [engine.settled_document(each) for each in running.settled]
            for each in settled:
                tell({"event": "settled", **each})
            if request["settle_only"]:
                return _end(session, ExitCode.DONE)
            if request["image"] >= 0:
                return _end(session, _stage(request, session, running, tell))
            order = _order(request)

            def told(attempt: Attempt) -> bool:
                tell(_attempt(attempt))
                return False

            try:
                done, error = results.collect(running.activate(order, watch=_Teller(tell)), told)
            finally:
                for line in engine.unmet_lines(running.unmet):
                    session.say(line)
        if not done:
            raise NothingToDo("nothing is pending that can be activated", hint="livefw plan says why")
        extras = [results.Extra([*engine.attempt_lines(each)], engine.attempt_document(each)) for each in done]
        report = results.Report([attempt.result for attempt in done], error, extras)
        left = [key for key in running.chosen if key not in {attempt.result.before.key for attempt in done}]
        beside = {"settled": settled, "settings": engine.unmet_document(running.unmet)}
        code = results.answer(session, report, host.providers, phase="activate", not_started=left, beside=beside)
        return _end(session, code)
    except Exception as error:  # before the first attempt has ended; later ones stand beside what has
        return _end(session, session.fail(foreseen(error)))


def _stage(request: dict[str, Any], session: Captured, running: Run, tell: Tell) -> ExitCode:
    """Hand an image over, as ``livefw stage`` does."""
    with open(request["image"], "rb") as file:
        package = Package(request["image_name"], file.read())
    word = next(iter(request["components"]), None)
    wish = Wish(package, word, request["reason"], tuple(request["ignore"]))
    attempt = running.stage(wish, watch=_Teller(tell, verb="stage"))
    tell(_attempt(attempt))
    session.document = {"staging": stage.staging_document(attempt)}
    if error := error_of(attempt.result, phase="stage", replay=""):
        raise error
    return ExitCode.DONE


def _order(request: dict[str, Any]) -> Order:
    words = tuple(request["components"]) or None
    return Order(words, request["reason"], tuple(request["ignore"]), OnFailure(request["on_failure"]))


def _end(session: Captured, code: int) -> dict[str, Any]:
    return {"event": "end", "document": session.document, "text": session.text, "exit_code": int(code)}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    result = attempt.result
    error = error_of(result, phase="activate", replay="")
    return {
        "event": "attempt",
        "component": result.before.key,
        "outcome": result.outcome,
        **document.reason(result.why),
        "others": [document.reason(each) for each in attempt.others],
        "mishaps": [document.reason(each) for each in attempt.mishaps],
        "error": document.error(error) if error else None,
        "trouble": attempt.receipt.trouble or None,
    }


class _Line:
    """Standard output towards the daemon; losing it loses nothing but news."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = b""

    def tell(self, event: dict[str, Any], *, patience: float = 0.0) -> None:
        """Send a line; what does not fit now goes with the next one, or is waited for."""
        self._rest += json.dumps(event).encode() + b"\n"
        end = time.monotonic() + patience
        with suppress(BrokenPipeError):
            while self._rest:
                try:
                    self._rest = self._rest[os.write(self._descriptor, self._rest) :]
                except BlockingIOError:
                    wait = end - time.monotonic()
                    if wait <= 0 or not select.select([], [self._descriptor], [], wait)[1]:
                        return


def main() -> int:
    """Read the request, do it, tell how it ended."""
    streams.fill()
    # The terminal of whoever started the daemon by hand is none of an activation's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = json.loads(sys.stdin.buffer.readline(_REQUEST_LIMIT))
    line = _Line(sys.stdout.fileno())
    last = run(request, line.tell)
    line.tell(last, patience=_LAST_WORD_S)
    return int(last["exit_code"])


if __name__ == "__main__":
    sys.exit(main())
