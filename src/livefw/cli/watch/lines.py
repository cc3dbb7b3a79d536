# SPDX-License-Identifier: Apache-2.0
"""``livefw watch`` in lines."""

import json
import sys
from datetime import datetime

from livefw.activation.watch.loop import Looked, Watched
from livefw.activation.watch.watcher import WatchEvent, WatchEventKind
from livefw.cli.invocation.session import CommandSession, put, show
from livefw.render import attempt
from livefw.render import watch as rendered
from livefw.text import printable


class EventLines:
    """Prints events, a line each, with the date where it changes; in JSON a document each."""

    def __init__(self, session: CommandSession, *, name: str) -> None:
        """``name`` is that of the machine."""
        self._session = session
        self._name = name
        self._day = ""
        self._there: list[WatchEvent] | None = None if session.json else []
        """What was there at the start, until it is printed: no events, and summed up in one line."""

    def hear(self, event: Watched) -> None:
        """Print an event of the watching; those of an activation are in the line about its end."""
        match event:
            case Looked():
                self._begin()
            case WatchEvent():
                self._tell(event)

    def _begin(self) -> None:
        """Print what was there at the start; nothing if that was done."""
        there, self._there = self._there, None
        if there is None:
            return
        pending = [event for event in there if event.seen and event.seen.pending]
        count = f"{len(there)} component{'s' if len(there) != 1 else ''}, {len(pending)} pending"
        self._line(datetime.now().astimezone(), f"watching {count}")
        for event in pending:
            self._tell(event)

    def _tell(self, event: WatchEvent) -> None:
        moment = datetime.now().astimezone()
        if self._session.json:
            put(sys.stdout, json.dumps(rendered.fields(event, moment)).replace("\x7f", "\\u007f"))
            return
        if self._there is not None and event.what is WatchEventKind.PRESENT:
            self._there.append(event)
            return
        self._begin()
        extra = list(attempt.lines(event.attempt)) if event.attempt else []
        self._line(moment, "\n".join([rendered.text(event), *(f"        {line}" for line in extra)]))

    def _line(self, moment: datetime, text: str) -> None:
        day = f"{moment:%a %Y-%m-%d %Z}  {printable(self._name)}"
        lines = [f"{moment:%H:%M:%S}  {text}"] if day == self._day else [day, f"{moment:%H:%M:%S}  {text}"]
        self._day = day
        show(sys.stdout, "\n".join(lines))
