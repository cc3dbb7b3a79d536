# SPDX-License-Identifier: Apache-2.0
"""One activation in a process of its own: ``python -m livefw.daemon.jobs.process``, with a request on standard input.

The engine is kept apart from the process that strangers talk to: nothing that happens to the daemon, not even its
death, disturbs an activation or loses its outcome. Events go to standard output, one JSON object a line; if nothing
reads them, the activation continues and its outcome is in the history.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from livefw import assemble, streams
from livefw.activation.actor import Actor
from livefw.activation.engine import OnFailure
from livefw.activation.events import (
    Attempt,
    Begun,
    Chosen,
    Event,
    Progressed,
    SettingsApplied,
    SettledIntent,
    StillRunning,
)
from livefw.activation.history.announce import SystemJournal
from livefw.activation.outcome import error_of
from livefw.api import ConnectedHost
from livefw.assemble import How, Where
from livefw.errors import ExitCode, NothingToDo, kind_of
from livefw.providers.base import ImageFile, ImagePackage
from livefw.render import attempt, document
from livefw.render.error import foreseen
from livefw.render.error import text as error_text
from livefw.render.plan import left_out_lines, unmatched_lines, unmet_lines
from livefw.render.request import RequestResult, missed_lines

_TELL_EACH_S = 1.0
_LAST_WORD_S = 10.0
"""How long the daemon may take to read how it ended."""
_REQUEST_LIMIT = 1 << 20

Publish = Callable[[dict[str, Any]], None]


class _EventWriter:
    """Tells the events of a request, as the daemon wants them."""

    def __init__(self, publish: Publish, *, verb: str) -> None:
        self._publish = publish
        self._verb = verb
        self._next = 0.0
        self._unmet: set[str] = set()

    def follow(self, stream: Iterator[Event]) -> Iterator[Event]:
        """The events, told one by one."""
        for event in stream:
            self._forward(event)
            yield event

    def _forward(self, event: Event) -> None:
        match event:
            case SettledIntent():
                self._publish({"event": "settled", **attempt.settled_fields(event)})
            case Chosen(unmatched=unmatched, left_out=left_out, missed=missed):
                self._say([*missed_lines(missed), *unmatched_lines(unmatched), *left_out_lines(left_out)])
            case SettingsApplied(unmet=unmet):
                fresh = [line for line in unmet_lines(unmet) if line not in self._unmet]
                self._unmet.update(fresh)
                self._say(fresh)
            case Begun(component=component):
                self._next = 0.0
                self._publish({"event": "begins", "verb": self._verb, "component": document.component(component)})
            case Progressed(component=component, phase=phase, text=text, percent=percent):
                fields = {"phase": phase, "text": text, "percent": percent}
                self._publish({"event": "progress", "component": component.key, **fields})
            case StillRunning(component=component, seconds=seconds) if seconds >= self._next:
                self._next = seconds + _TELL_EACH_S
                self._publish({"event": "tick", "component": component.key, "seconds": round(seconds, 1)})
            case Attempt():
                self._publish(_attempt(event))

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._publish({"event": "said", "text": line})


def run(request: dict[str, Any], publish: Publish) -> dict[str, Any]:
    """Do what was asked for; the last event. An activation that did not succeed is no error, see the document."""
    actor = Actor(**request["actor"])
    where = Where(request["root"], request["state"], request["settings"])
    cancels = bool(request["cancel"])
    # As the command: a mistake in the settings must not keep anybody from stopping what goes wrong.
    how = How(measured="" if request["measure"] and not cancels else None, lenient=cancels)

    def say(line: str) -> None:
        publish({"event": "said", "text": line})

    try:
        assembled = assemble.host(where, how, actor=actor, say=say)
        assembled = assembled._replace(announce=SystemJournal(actor))
        host = ConnectedHost(assembled)
        if request["settle_only"]:
            for _ in _EventWriter(publish, verb="").follow(host.settle()):
                pass
            return _end({}, "", ExitCode.DONE)
        if request["image"] >= 0:
            return _stage(request, host, publish)
        if cancels:
            stream = host.cancel(*request["components"], reason=request["reason"])
            report = RequestResult.of(_EventWriter(publish, verb="cancel").follow(stream), phase="cancel")
            return _end(report.fields(assembled.providers), report.text(), report.exit_code)
        report = RequestResult.of(
            _EventWriter(publish, verb="activate").follow(_activated(request, host)), phase="activate"
        )
        if not report.attempts:
            raise NothingToDo("nothing is pending that can be activated", hint="livefw plan says why")
        return _end(report.fields(assembled.providers), report.text(), report.exit_code)
    except Exception as error:  # before the first attempt has ended; later ones stand beside what has
        ours = foreseen(error)
        return _end({"error": document.error(ours)}, error_text(ours), kind_of(ours).exit_code)


def _stage(request: dict[str, Any], host: ConnectedHost, publish: Publish) -> dict[str, Any]:
    """Hand an image over, as ``livefw stage`` does; the last event."""
    with open(request["image"], "rb") as file:
        package = ImagePackage(request["image_name"], file=ImageFile(file))
        word = next(iter(request["components"]), None)
        stream = host.stage(package, word, reason=request["reason"], ignore=request["ignore"])
        made = RequestResult.of(_EventWriter(publish, verb="stage").follow(stream), phase="stage")
    (ended,) = made.attempts
    if error := error_of(ended.result, phase="stage", replay=""):
        raise error
    return _end({"staging": attempt.staging_fields(ended), "notes": made.notes()}, made.text(), ExitCode.DONE)


def _activated(request: dict[str, Any], host: ConnectedHost) -> Iterator[Event]:
    on_failure = OnFailure(request["on_failure"])
    return host.activate(
        *request["components"],
        reason=request["reason"],
        ignore=request["ignore"],
        on_failure=on_failure,
        expected=request["expected"],
    )


def _end(shown: dict[str, Any], text: str, code: int) -> dict[str, Any]:
    return {"event": "end", "document": shown, "text": text, "exit_code": int(code)}


def _attempt(ended: Attempt) -> dict[str, Any]:
    result = ended.result
    error = error_of(result, phase="activate", replay="")
    return {
        "event": "attempt",
        "component": result.before.key,
        "outcome": result.outcome,
        **document.reason(result.why),
        "others": [document.reason(each) for each in ended.others],
        "mishaps": [document.reason(each) for each in ended.mishaps],
        "error": document.error(error) if error else None,
        "trouble": ended.row.error or None,
        "activation": ended.row.activation or None,
    }


class _Line:
    """Standard output towards the daemon; losing it loses nothing but news."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = b""

    def publish(self, event: dict[str, Any], *, patience: float = 0.0) -> None:
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
    # Signals of the terminal from which the daemon was started by hand do not concern an activation.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = json.loads(sys.stdin.buffer.readline(_REQUEST_LIMIT))
    line = _Line(sys.stdout.fileno())
    last = run(request, line.publish)
    line.publish(last, patience=_LAST_WORD_S)
    return int(last["exit_code"])


if __name__ == "__main__":
    sys.exit(main())
