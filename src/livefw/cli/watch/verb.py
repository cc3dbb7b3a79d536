# SPDX-License-Identifier: Apache-2.0
"""``livefw watch``: the watching, and how it ends. What it shows is in `lines`, or in `livefw.screen`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from types import FrameType

from livefw import libraries, systemd
from livefw.activation.events import Attempt, Begun
from livefw.activation.host import Host
from livefw.activation.policy.document import PolicyFollower
from livefw.activation.watch.loop import Looked, Watched, WatchLoop
from livefw.activation.watch.watcher import Watcher, WatchEvent
from livefw.cli.invocation import paths
from livefw.cli.invocation.numbers import real
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.cli.watch.lines import EventLines
from livefw.errors import ExitCode, NotInstalled
from livefw.providers.registry import open_files

_INTERVAL = 5.0
_TICK = 1.0
"""How often a screen asks whether another program has begun an activation, in seconds."""


MANUAL = Manual(
    description=(
        (
            "Show changes as they happen, until interrupted: components that become pending, versions that change, "
            'and settings that change. Components that "automatic" in livefw.toml names are activated as soon as '
            "the checks and the maintenance windows allow it."
        ),
        (
            "On a terminal this is a screen: the components with their states, what is under way and how long it "
            "usually takes, what needs a person, and the last events. Its last line names its keys. Everywhere else, "
            "and with --lines, each change is a line."
        ),
        "The kernel announces most changes; what it does not announce is seen at the next interval.",
    ),
    examples=(
        ("livefw watch", "Watch this machine until interrupted."),
        ("livefw watch --lines", "The same without the screen, a line for each change."),
        ("livefw --json watch --interval 10", "Look at least every ten seconds; each change is one JSON document."),
    ),
    see_also=("activate", "policy", "livefw.toml(5)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """How often to look, and how to show it."""
    parser.add_argument(
        "--interval",
        type=real(0.1, 86400, "seconds"),
        default=_INTERVAL,
        metavar="SECONDS",
        help="look at least so often",
    )
    parser.add_argument("--lines", action="store_true", help="print lines on a terminal too")
    paths.configure_measuring(parser)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Watch until SIGINT or SIGTERM, or until the screen is left."""
    files, follower = session.files(), PolicyFollower(paths.where(session, arguments).settings)

    def host() -> Host:
        return paths.host(session, arguments, files=files, seen_by="watch")

    drawn = not session.json and not arguments.lines and _may_draw(session)
    loop = WatchLoop(
        Watcher(host(), renew=lambda: host() if follower.changed() else None),
        interval_s=min(arguments.interval, systemd.watchdog_s() or arguments.interval),
        own_machine=os.path.realpath(session.root) == "/",
        tick_s=_TICK if drawn else None,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stopper(loop))
    name = os.uname().nodename if session.root == "/" else session.root
    service = _Service()
    try:
        if drawn:
            _on_screen(session, arguments, loop, name, service.hear)
        else:
            shown = EventLines(session, name=name)
            for event in loop.run():
                service.hear(event)
                shown.hear(event)
    finally:
        systemd.notify("STOPPING=1")
    return ExitCode.DONE


def _stopper(loop: WatchLoop) -> Callable[[int, FrameType | None], None]:
    """Ends the watching. An activation that is running is watched to its end; a second signal ends that."""
    return lambda _number, _frame: loop.stop()


class _Service:
    """Tells systemd that it is ready and alive, and what it does."""

    def __init__(self) -> None:
        self._ready = False

    def hear(self, event: Watched) -> None:
        """An activation may take longer than the watchdog waits, so every event shows that this is alive."""
        systemd.notify("WATCHDOG=1")
        match event:
            case Looked() if not self._ready:
                self._ready = True
                systemd.notify("READY=1\nSTATUS=watching")
            case Begun(component=component):
                systemd.notify(f"STATUS=activating {component.key}")
            case WatchEvent(attempt=Attempt()):
                systemd.notify("STATUS=watching")


def _may_draw(session: CommandSession) -> bool:
    """Whether this is a terminal that a screen can be drawn on, with what it takes to draw it."""
    streams = (sys.stdin, sys.stdout)
    if any(stream is None or not stream.isatty() for stream in streams) or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    try:
        libraries.load("textual")
    except NotInstalled as missing:
        session.say(f"livefw: {missing.message}, so lines are printed and no screen; {missing.hint}")
        return False
    return True


def _on_screen(
    session: CommandSession,
    arguments: argparse.Namespace,
    loop: WatchLoop,
    name: str,
    hear: Callable[[Watched], None],
) -> None:
    from livefw.screen import app, feed  # only for terminals

    @contextmanager
    def machine() -> Iterator[Host]:
        with closing(open_files(session.root, settings=session.settings)) as files:
            yield paths.host(session, arguments, files=files, lenient=True)

    app.run(feed.WatchFeed(loop, machine, name=name, hear=hear), now=lambda: datetime.now().astimezone())
