# SPDX-License-Identifier: Apache-2.0
"""``livefw watch``."""

import argparse
import json
import os
import signal
import sys
from datetime import datetime
from types import FrameType
from typing import Any

from livefw import systemd
from livefw.activation.engine import Host
from livefw.activation.events import Attempt, Begun, Control, Event
from livefw.activation.policy.document import PolicyFollower
from livefw.activation.watch import uevents
from livefw.activation.watch.watcher import Watcher, WatchEvent, WatchEventKind
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import CommandSession, put, show
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode
from livefw.render import attempt, document
from livefw.render.component import cost, label
from livefw.render.json_text import SCHEMA
from livefw.text import printable

_INTERVAL = 5.0
_PACE = 1.0
"""Shortest time between two looks, however many events there are."""


MANUAL = Manual(
    description=(
        (
            "Print changes as they happen, until interrupted: components that become pending, versions that change, "
            'and settings that change. Components that "automatic" in livefw.toml names are activated as soon as '
            "the checks and the maintenance windows allow it."
        ),
        "The kernel announces most changes; what it does not announce is seen at the next interval.",
    ),
    examples=(
        ("livefw watch", "Watch this machine until interrupted."),
        ("livefw --json watch --interval 10", "Look at least every ten seconds; each change is one JSON document."),
    ),
    see_also=("activate", "policy", "livefw.toml(5)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """How often to look."""
    parser.add_argument(
        "--interval", type=_seconds, default=_INTERVAL, metavar="SECONDS", help="look at least so often"
    )
    paths.configure_measuring(parser)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Watch until SIGINT or SIGTERM."""
    files, follower = session.files(), PolicyFollower(paths.where(session, arguments).settings)

    def host() -> Host:
        return paths.host(session, arguments, files=files, seen_by="watch")

    first = host()
    stop = _Stop()
    wake = uevents.wake(stop.bell, own_machine=os.path.realpath(session.root) == "/")
    watcher = Watcher(
        first,
        renew=lambda: host() if follower.changed() else None,
    )

    shown = _Lines(session)
    alive_s = systemd.watchdog_s() or float("inf")

    def look() -> None:
        for event in watcher.look(stop.control):
            systemd.notify("WATCHDOG=1")  # an activation may take longer than the watchdog waits
            if isinstance(event, WatchEvent):
                shown.tell(event)
            stop.hear(event)
        shown.begin()
        systemd.notify("WATCHDOG=1")

    try:
        look()
        systemd.notify("READY=1\nSTATUS=watching")
        while not stop.asked:
            if wake.wait(min(arguments.interval, alive_s)) and not stop.asked:
                uevents.Timer(stop.bell).wait(_PACE)  # what belongs together comes together
            if not stop.asked:
                look()
    finally:
        systemd.notify("STOPPING=1")
        wake.close()
    return ExitCode.DONE


class _Stop:
    """Ends the watching by signal. An activation that is running is watched to its end; a second signal ends that."""

    def __init__(self) -> None:
        self.bell, self._ring = uevents.new_bell()
        self.asked = 0
        self.control = Control()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self.asked += 1
        if self.asked > 1:
            self.control.detach()
        os.write(self._ring, b"x")

    def hear(self, event: WatchEvent | Event) -> None:
        """What systemd shows."""
        match event:
            case Begun(component=component):
                systemd.notify(f"STATUS=activating {component.key}")
            case WatchEvent(attempt=Attempt()):
                systemd.notify("STATUS=watching")


class _Lines:
    """Prints events, a line each, with the date where it changes."""

    def __init__(self, session: CommandSession) -> None:
        self._session = session
        self._day = ""
        self._there: list[WatchEvent] | None = None if session.json else []
        """What was there at the start, until it is printed: no events, and summed up in one line."""

    def begin(self) -> None:
        """Print what was there at the start; nothing if that was done."""
        there, self._there = self._there, None
        if there is None:
            return
        pending = [event for event in there if event.seen and event.seen.pending]
        count = f"{len(there)} component{'s' if len(there) != 1 else ''}, {len(pending)} pending"
        self._line(datetime.now().astimezone(), f"watching {count}")
        for event in pending:
            self.tell(event)

    def tell(self, event: WatchEvent) -> None:
        """Print an event."""
        moment = datetime.now().astimezone()
        if self._session.json:
            put(sys.stdout, json.dumps(_document(event, moment)).replace("\x7f", "\\u007f"))
            return
        if self._there is not None and event.what is WatchEventKind.PRESENT:
            self._there.append(event)
            return
        self.begin()
        name = label(event.seen) if event.seen else event.component
        who = f"{name}: " if name else ""
        extra = list(attempt.lines(event.attempt)) if event.attempt else []
        price = f"; cost: {cost(event.seen)}" if event.seen and event.seen.pending and event.what in _OFFERS else ""
        text = f"{who}{_LABELS.get(event.what, '')}{printable(event.text)}{price}"
        self._line(moment, "\n".join([text, *(f"        {line}" for line in extra)]))

    def _line(self, moment: datetime, text: str) -> None:
        day = f"{moment:%a %Y-%m-%d %Z}  {printable(_host(self._session.root))}"
        lines = [f"{moment:%H:%M:%S}  {text}"] if day == self._day else [day, f"{moment:%H:%M:%S}  {text}"]
        self._day = day
        show(sys.stdout, "\n".join(lines))


def _host(root: str) -> str:
    """The name of the machine that is watched."""
    return os.uname().nodename if root == "/" else root


_OFFERS = frozenset({WatchEventKind.PRESENT, WatchEventKind.APPEARED, WatchEventKind.PENDING})
"""Events after which somebody may want to activate it."""
_LABELS = {
    WatchEventKind.APPEARED: "appeared; ",
    WatchEventKind.HELD_BACK: "held back: ",
    WatchEventKind.SETTLED: "found unfinished: ",
    WatchEventKind.SETTINGS: "settings: ",
    WatchEventKind.TROUBLE: "trouble: ",
}


def _document(event: WatchEvent, moment: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "schema": SCHEMA,
        "time": moment.isoformat(timespec="milliseconds"),
        "host": os.uname().nodename,
        "event": event.what,
        "key": event.component or None,
        "text": event.text,
        "component": document.component(event.seen) if event.seen else None,
    }
    if event.attempt:
        result = event.attempt.result
        shown["outcome"] = result.outcome
        shown["attempt"] = attempt.fields(event.attempt)
    return shown


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("seconds, from 0.1 to 86400")
    return seconds
