# SPDX-License-Identifier: Apache-2.0
"""The events of a machine that is watched, in a line and in JSON."""

import os
from datetime import datetime
from typing import Any

from livefw.activation.outcome import Outcome
from livefw.activation.watch.watcher import WatchEvent, WatchEventKind
from livefw.providers.base import Severity
from livefw.render import attempt, document
from livefw.render.component import cost, label
from livefw.render.json_text import SCHEMA
from livefw.text import printable

_LABELS = {
    WatchEventKind.APPEARED: "appeared; ",
    WatchEventKind.HELD_BACK: "held back: ",
    WatchEventKind.SETTLED: "found unfinished: ",
    WatchEventKind.SETTINGS: "settings: ",
    WatchEventKind.TROUBLE: "trouble: ",
}
_OFFERS = (WatchEventKind.PRESENT, WatchEventKind.APPEARED, WatchEventKind.PENDING)
_SEVERITIES = {
    WatchEventKind.HELD_BACK: Severity.WARNING,
    WatchEventKind.ABSENT: Severity.WARNING,
    WatchEventKind.SILENT: Severity.WARNING,
    WatchEventKind.TROUBLE: Severity.ERROR,
}
_BAD = {Outcome.FAILED: Severity.ERROR, Outcome.UNKNOWN: Severity.ERROR, Outcome.REFUSED: Severity.WARNING}


def text(event: WatchEvent) -> str:
    """An event in a line."""
    name = label(event.seen) if event.seen else printable(event.component)
    who = f"{name}: " if name else ""
    price = f"; cost: {cost(event.seen)}" if event.seen and event.seen.pending and event.what in _OFFERS else ""
    return f"{who}{_LABELS.get(event.what, '')}{printable(event.text)}{price}"


def severity(event: WatchEvent) -> Severity:
    """How much it matters to a person."""
    if event.attempt:
        return _BAD.get(event.attempt.result.outcome, Severity.INFO)
    return _SEVERITIES.get(event.what, Severity.INFO)


def fields(event: WatchEvent, moment: datetime) -> dict[str, Any]:
    """An event in JSON: a document of its own."""
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
        shown["outcome"] = event.attempt.result.outcome
        shown["attempt"] = attempt.fields(event.attempt)
    return shown
