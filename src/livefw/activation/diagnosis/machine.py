# SPDX-License-Identifier: Apache-2.0
"""The machine itself: what it is, and what keeps livefw from seeing it."""

from collections.abc import Iterator

from livefw.activation.checks.facts import Facts
from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.providers.base import Reason

_IS = Reason("machine", "{machine}, {kernel}, {cpus}")
_UNKNOWN = Reason("machine-unknown", "processor and kernel are unknown: /proc/sys/kernel cannot be read")
_CONTAINER = Reason(
    "container", "this is a container ({kind}), which sees part of the machine", "run livefw on the host"
)
_NO_SYSFS = Reason("no-sysfs", "/sys is empty or not mounted, so no mechanism can be seen", "run livefw on the host")
_GUEST = Reason(
    "guest", "this is a guest of {name}; firmware calls do not reach the host", "activate firmware on the host"
)
_NOT_ROOT = Reason("not-root", "only root can activate and cancel, and some facts are for root only")


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about it."""
    facts = scene.facts
    cpus = len(Facts(scene.files).cpus("online") or ())
    if facts.machine or facts.release:
        yield line(
            LineState.OK,
            _IS.fill(
                machine=facts.machine or "unknown processor",
                kernel=f"Linux {facts.release}" if facts.release else "unknown kernel",
                cpus=f"{cpus or 'unknown number of'} CPU{'' if cpus == 1 else 's'} online",
            ),
        )
    else:
        yield line(LineState.WARNING, _UNKNOWN)
    if facts.container:
        yield line(LineState.WARNING, _CONTAINER.fill(kind=facts.container))
    if not facts.exists("/sys/devices") and not facts.exists("/sys/firmware"):
        yield line(LineState.WARNING, _NO_SYSFS)
    if facts.guest:
        yield line(LineState.ABSENT, _GUEST.fill(name=facts.guest))
    if scene.own and scene.euid:
        yield line(LineState.WARNING, _NOT_ROOT, "sudo livefw doctor")
