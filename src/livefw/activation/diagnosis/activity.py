# SPDX-License-Identifier: Apache-2.0
"""What runs now."""

from collections.abc import Iterator

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.lock import machine_lock
from livefw.providers.base import Reason

_IDLE = Reason("idle", "no activation is running")
_RUNS = Reason("running", "the {act} of {component} is running, {who}")
_LONG_S = 900
"""An activation takes seconds; the slowest mechanism that livefw waits for has half an hour."""


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """One line."""
    holder = machine_lock.holder(scene.paths.lock, scene.paths.root)
    if holder is None:
        yield line(LineState.OK, _IDLE)
    else:
        long = not holder.pid or holder.seconds > _LONG_S
        why = _RUNS.fill(act=holder.act.noun, component=holder.component or "a component", who=holder.who)
        yield line(LineState.WARNING if long else LineState.OK, why, "livefw history")
