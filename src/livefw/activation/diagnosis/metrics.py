# SPDX-License-Identifier: Apache-2.0
"""The file of metrics for node_exporter: whether it is written, and how old it is."""

import os
from collections.abc import Iterator

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.providers.base import Reason

_FRESH = Reason("metrics", "{path} is {age} old")
_NONE = Reason("no-metrics", "no metrics are written: there is no {path}")
_STALE = Reason("metrics-stale", "{path} is {age} old: what it shows may be out of date")
_STALE_S = 900
_TIMER = "livefw-metrics.timer"
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system")
_ENABLED = f"/etc/systemd/system/timers.target.wants/{_TIMER}"


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """One line; none for another machine without metrics."""
    path = os.path.join(scene.paths.state, "metrics/livefw.prom")
    try:
        written = os.stat(path).st_mtime
    except OSError:
        if scene.own or _is_there(scene):
            yield line(LineState.ABSENT, _NONE.fill(path=path), _next(scene))
        return
    seconds = max(scene.now.timestamp() - written, 0)
    age = f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"
    if seconds > _STALE_S:
        yield line(LineState.WARNING, _STALE.fill(path=path, age=age), _next(scene))
    else:
        yield line(LineState.OK, _FRESH.fill(path=path, age=age))


def _is_there(scene: Scene) -> bool:
    return any(scene.facts.exists(f"{place}/{_TIMER}") for place in _UNITS)


def _next(scene: Scene) -> str:
    """What has them written: the timer, started, or its service, which says why not."""
    if scene.facts.exists(_ENABLED):
        return "systemctl status livefw-metrics.service"
    return f"systemctl enable --now {_TIMER}" if _is_there(scene) else ""
