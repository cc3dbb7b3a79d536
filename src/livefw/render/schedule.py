# SPDX-License-Identifier: Apache-2.0
"""Activations that are scheduled."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from livefw.activation.schedule.scheduling import ScheduledActivation
from livefw.activation.schedule.timers import ScheduledTimer
from livefw.errors import ExitCode
from livefw.render.answer import Answer
from livefw.render.component import label, version
from livefw.text import printable


def made(done: ScheduledActivation, now: datetime) -> Answer:
    """``livefw activate --at``."""
    lines = [f"scheduled for {done.at:%a %d %b %Y %H:%M %Z}, in {_span((done.at - now).total_seconds())}"]
    lines += [
        f"  {label(each)}  {version(each.current_version)} -> {version(each.pending_version)}"
        for each in done.components
    ]
    lines += [f"  to cancel it: systemctl stop {done.unit}", "  a reboot before then cancels it too"]

    def document() -> dict[str, Any]:
        components = [
            {
                "key": each.key,
                "name": each.name,
                "current_version": each.current_version.text if each.current_version else None,
                "pending_version": each.pending_version.text if each.pending_version else None,
            }
            for each in done.components
        ]
        return {"scheduled": {"at": done.at.isoformat(timespec="seconds"), "unit": done.unit, "components": components}}

    return Answer(lambda: "\n".join(lines), document, ExitCode.DONE)


def listed(found: Iterable[ScheduledTimer]) -> Answer:
    """``livefw activate --scheduled``."""
    timers = [*found]

    def text() -> str:
        lines = [
            f"{printable(each.at)}  {printable(each.text)}\n  to cancel it: systemctl stop {printable(each.unit)}"
            for each in timers
        ]
        return "\n".join(lines) or "nothing is scheduled"

    return Answer(text, lambda: {"timers": [each._asdict() for each in timers]}, ExitCode.DONE)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 60) / 60:.0f} min"
