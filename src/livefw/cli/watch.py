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
from livefw.render.component import label
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
        return paths.host(session, arguments, files=files)

    first = host()
    stop = _Stop()
    wake = uevents.wake(stop.bell, own_machine=os.path.realpath(session.root) == "/")
    watcher = Watcher(
        first,
        renew=lambda: host() if follower.changed() else None,
    )

    def look() -> None:
        for event in watcher.look(stop.control):
            if isinstance(event, WatchEvent):
                _tell(session, event)
            stop.hear(event)

    try:
        look()
        systemd.notify("READY=1\nSTATUS=watching")
        while not stop.asked:
            if wake.wait(arguments.interval) and not stop.asked:
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


def _tell(session: CommandSession, event: WatchEvent) -> None:
    moment = datetime.now().astimezone()
    if session.json:
        put(sys.stdout, json.dumps(_document(event, moment)).replace("\x7f", "\\u007f"))
        return
    name = label(event.seen) if event.seen else event.component
    who = f"{name}: " if name else ""
    text = f"{moment:%H:%M:%S}  {who}{_LABELS.get(event.what, '')}{printable(event.text)}"
    extra = list(attempt.lines(event.attempt)) if event.attempt else []
    show(sys.stdout, "\n".join([text, *(f"        {line}" for line in extra)]))


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
