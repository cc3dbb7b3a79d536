# SPDX-License-Identifier: Apache-2.0
"""After the activation of one of several devices: wait until it is well again, and what it is a part of.

Data that have copies on two devices must not lose both. So the next device is not touched before this one answers,
reports no new fault, and its copies are in sync again, as they were before.
"""

from collections.abc import Callable

from livefw.activation.events import Control, Progressed, Steps, StillRunning
from livefw.activation.inventory.versions import reliable_text
from livefw.clock import Clock
from livefw.providers.base import Component, Phase, Reason

NOT_RECOVERED = Reason(
    "not-recovered",
    "it is not well again after {seconds} s, so nothing else was started: {error}",
    "livefw show COMPONENT",
)
_LOOK_S = 1.0
_FIGURES = frozenset({"temperature"})
"""Hazards that change with every look; the check of the next device has its own."""


def unwell(before: Component, now: Component | None) -> str:
    """Why a device is not as well as it was before its activation; empty if it is."""
    if now is None:
        return "it is not there"
    if not reliable_text(now.current_version):
        return now.reasons[0].text if now.reasons else "it does not report what runs"
    known = frozenset(before.hazards)
    return next((each.text for each in now.hazards if each not in known and each.code not in _FIGURES), "")


def wait(
    before: Component, look: Callable[[], Component | None], *, limit_s: float, control: Control, clock: Clock
) -> Steps[Reason | None]:
    """Wait until the device is well again; returns why it is not after ``limit_s`` seconds, None if it is.

    ``look`` reads it anew; an error of it counts as a device that is not well. A request that is stopped ends the wait.
    """
    began, told = clock.now(), ""
    while why := _why(before, look):
        seconds = clock.now() - began
        if control.stopped or seconds >= limit_s:
            return NOT_RECOVERED.fill(seconds=round(seconds), error=why).about(before.word)
        if why != told:
            yield Progressed(before, Phase.SETTLING, f"waiting until it is well again: {why}")
        told = why
        yield StillRunning(before, seconds)
        clock.sleep(_LOOK_S)
    return None


def _why(before: Component, look: Callable[[], Component | None]) -> str:
    try:
        return unwell(before, look())
    except Exception as error:  # whatever a mechanism raises: it was asked for already, and nothing else may be
        return str(error) or type(error).__name__
