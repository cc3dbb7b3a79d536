# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ARG002 - which arguments there are is said by the XML
"""Our own interface, ``org.livefw.Livefw1``: the same documents as ``livefw --json``, made by the same code."""

import json
import logging
import os
from typing import Any

import livefw
from livefw.daemon.answers.questions import ANSWER_LIMIT, Question, encoded
from livefw.daemon.core import Core
from livefw.daemon.jobs.events import Event
from livefw.daemon.jobs.runner import JobRequest
from livefw.dbus import introspection
from livefw.dbus.connection import Connection
from livefw.dbus.dispatch import DBusError, Face, IncomingCall, Later
from livefw.dbus.wire import Variant
from livefw.render.report.forms import ReportFormat

NAME = "org.livefw.Livefw1"
PATH = "/org/livefw"
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
_FORMS = [each.value for each in ReportFormat]
_INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
_LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
WORDS_LIMIT = 256
"""Components and checks in one question. Eight thousand fit in a message, and `Show` answers with nine kilobytes
for each."""
_OPTIONS = {"reason": "s", "ignore": "as", "on-failure": "s", "to": "as", "interactive": "b"}
_STAGE_OPTIONS = {"reason": "s", "ignore": "as", "filename": "s", "interactive": "b"}
_CANCEL_OPTIONS = {"reason": "s", "interactive": "b"}


Words = list[str]
"""Inside `Livefw1`, ``list`` is a method."""


class Livefw1(Face):
    """Our own clients talk to this."""

    def __init__(self, core: Core) -> None:
        self.interface = introspection.load(NAME, package="livefw.daemon")
        self._core = core
        self._watching: set[Connection] = set()
        core.listeners.append(self._on_event)
        core.disconnected.append(self._watching.discard)

    def error_name(self, kind: str, phase: str) -> str:
        """See `Face`."""
        return f"{NAME}.Error.{kind.title().replace('-', '')}"

    def properties(self, connection: Connection) -> dict[str, Any]:
        """See `Face`."""
        where = self._core.where
        level = logging.getLogger("livefw").getEffectiveLevel()
        return {
            "Version": livefw.__version__,
            "Root": where.root,
            "State": where.state or "",
            "Running": self._core.jobs.running,
            "Incoming": self._core.incoming.path,
            "LogLevel": next((name for name, number in _LEVELS.items() if number == level), str(level)),
        }

    def list(self, call: IncomingCall) -> Any:
        """``livefw list``."""
        return self._ask(call, Question("list"))

    def show(self, call: IncomingCall, components: Words) -> Any:
        """``livefw show``."""
        return self._ask(call, Question("show", tuple(components)))

    def plan(self, call: IncomingCall, components: Words, ignore: Words) -> Any:
        """``livefw plan``."""
        return self._ask(call, Question("plan", tuple(components), tuple(ignore)))

    def policy(self, call: IncomingCall) -> Any:
        """``livefw policy``."""
        return self._ask(call, Question("policy"))

    def history(self, call: IncomingCall, component: str, since: str) -> Any:
        """``livefw history``."""
        return self._ask(call, Question("history", (component, since)))

    def history_before(self, call: IncomingCall, component: str, since: str, before: int) -> Any:
        """``livefw history --before``."""
        if before < 1:  # what is computed from the least number has no place in the database
            raise DBusError(_INVALID, "before is the number of a row, from 1")
        return self._ask(call, Question("history", (component, since, str(before))))

    def report(self, call: IncomingCall, words: Words, since: str, until: str) -> Any:
        """``livefw report``."""
        return self._ask(call, Question("report", (since, until, *words)))

    def report_as(self, call: IncomingCall, words: Words, since: str, until: str, form: str) -> Any:
        """``livefw report --format``."""
        if form not in _FORMS:
            raise DBusError(_INVALID, f"format is {', '.join(_FORMS)}")
        return self._ask(call, Question("report-as", (form, since, until, *words)))

    def verify(self, call: IncomingCall) -> Any:
        """``livefw history --verify``."""
        return self._ask(call, Question("verify"))

    def activate(self, call: IncomingCall, components: Words, options: dict[str, Variant]) -> Any:
        """``livefw activate``."""
        given = _given(options, _OPTIONS)
        on_failure = given.get("on-failure", "stop")
        if on_failure not in ("stop", "continue"):
            raise DBusError(_INVALID, "on-failure is stop or continue")
        request = JobRequest(
            tuple(components),
            call.peer.user,
            "daemon",
            reason=given.get("reason", ""),
            ignore=tuple(given.get("ignore", ())),
            on_failure=on_failure,
            expected=tuple(given.get("to", ())),
        )
        self._core.activate(
            call, request, lambda event: self._ended(call, event), interactive=given.get("interactive", False)
        )
        return Later

    def stage(self, call: IncomingCall, component: str, image: int, options: dict[str, Variant]) -> Any:
        """``livefw stage``, with the image that came with the call: its handle is the client's own number.

        Of a path, the daemon would read what the client may not.
        """
        if call.fds != 1:
            raise DBusError(_INVALID, "one file descriptor is needed")
        given = _given(options, _STAGE_OPTIONS)
        self._core.stage(
            call,
            _staging(call, component, given),
            lambda event: self._ended(call, event),
            interactive=given.get("interactive", False),
        )
        return Later

    def stage_incoming(self, call: IncomingCall, component: str, image: str, options: dict[str, Variant]) -> Any:
        """``livefw stage``, with an image that lies in the daemon's own directory."""
        request = _staging(call, component, _given(options, _STAGE_OPTIONS))
        self._core.stage_incoming(call, request, image, lambda event: self._ended(call, event))
        return Later

    def cancel(self, call: IncomingCall, component: str, options: dict[str, Variant]) -> Any:
        """``livefw cancel``."""
        given = _given(options, _CANCEL_OPTIONS)
        request = JobRequest((component,), call.peer.user, "daemon", reason=given.get("reason", ""), cancel=True)
        self._core.activate(
            call, request, lambda event: self._ended(call, event), interactive=given.get("interactive", False)
        )
        return Later

    def watch(self, call: IncomingCall, on: bool) -> Any:  # noqa: FBT001 - an argument on the wire
        """Whether to tell events."""
        if on:
            self._watching.add(call.connection)
        else:
            self._watching.discard(call.connection)
        return ()

    def set_log_level(self, call: IncomingCall, level: str) -> Any:
        """How much is logged."""
        if call.peer.uid != 0:
            raise DBusError("org.freedesktop.DBus.Error.AccessDenied", "only root may change the log level")
        if level not in _LEVELS:
            raise DBusError(_INVALID, f"levels are {', '.join(_LEVELS)}")
        logging.getLogger("livefw").setLevel(_LEVELS[level])
        return ()

    def _ask(self, call: IncomingCall, question: Question) -> Any:
        if len(question.words) + len(question.ignore) > WORDS_LIMIT:
            raise DBusError(_LIMITS, f"more than {WORDS_LIMIT} components and checks in one question")
        self._core.ask(call, self, question._replace(most=ANSWER_LIMIT))
        return Later

    def _ended(self, call: IncomingCall, event: Event) -> None:
        values = event["document"], event["text"], event["exit_code"]

        def reply(answer: bytes) -> None:
            self._core.server.answer(call, lambda call: call.reply_encoded(answer))

        self._core.work(call, self, lambda: encoded(*values, most=ANSWER_LIMIT), reply)

    def _on_event(self, event: Event) -> None:
        # What it ended with is the answer of who asked for it, and may be long.
        values = event if event["event"] != "end" else {"event": "end", "exit_code": event["exit_code"]}
        for connection in list(self._watching):
            self._core.server.signal(connection, NAME, "Event", "s", json.dumps(values))


def _staging(call: IncomingCall, component: str, given: dict[str, Any]) -> JobRequest:
    return JobRequest(
        (component,) if component else (),
        call.peer.user,
        "daemon",
        reason=given.get("reason", ""),
        ignore=tuple(given.get("ignore", ())),
        image_name=os.path.basename(given.get("filename", "")) or "unnamed",
    )


def _given(options: dict[str, Variant], known: dict[str, str]) -> dict[str, Any]:
    """The values of options, all of which are known and have the right type."""
    for name, variant in options.items():
        if known.get(name) != variant.signature:
            raise DBusError(_INVALID, f"there is no option {name} of type {variant.signature}")
    return {name: variant.value for name, variant in options.items()}
