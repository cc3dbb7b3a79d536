# SPDX-License-Identifier: Apache-2.0
"""What waits to be activated, and what has waited for long."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.pending import known
from livefw.errors import LivefwError
from livefw.providers.base import Component, Reason

_NOTHING = Reason("nothing-pending", "no image is pending")
_PENDING = Reason("pending", "images pending: {count}, none known to be so for {days} days")
_LONG = Reason("pending-long", "{name}: {image} has been pending for {days} days, since {since}")
_DAYS = 30
"""As long as in the alert of docs/how-to/pending-alert.md."""
_SHOWN = 5
_MORE = Reason("pending-more", "components with an image that old, besides these: {count}")


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about it; none where there is no component, or they cannot be listed."""
    try:
        found = known.marked(scene.inventory(), known.read(scene.pending) or {})
    except LivefwError:
        return  # the block of the mechanism reports it
    waiting = [each.component for each in found.candidates if each.component.pending]
    long = [each for each in waiting if _age(each, scene.now) >= timedelta(days=_DAYS)]
    if not found.candidates:
        return
    if not waiting:
        yield line(LineState.OK, _NOTHING)
    elif not long:
        yield line(LineState.OK, _PENDING.fill(count=len(waiting), days=_DAYS), "livefw plan")
    for component in long[:_SHOWN]:
        image = component.pending_version.text if component.pending_version else "an image"
        since = f"{_since(component).astimezone():%Y-%m-%d}"
        age = _age(component, scene.now).days
        why = _LONG.fill(name=component.name or component.key, image=image, days=age, since=since)
        yield line(LineState.WARNING, why, f"livefw plan {shlex.quote(component.key)}")
    if len(long) > _SHOWN:
        yield line(LineState.WARNING, _MORE.fill(count=len(long) - _SHOWN), "livefw plan")


def _since(component: Component) -> datetime:
    return datetime.fromtimestamp((component.pending_since_ns or 0) / 1e9, UTC)


def _age(component: Component, now: datetime) -> timedelta:
    return now - _since(component) if component.pending_since_ns else timedelta()
