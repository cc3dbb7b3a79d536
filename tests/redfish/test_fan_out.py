# SPDX-License-Identifier: Apache-2.0
"""BMCs that are asked side by side by a machine with too much to do: time passes where it looks at its clock."""

import itertools
import threading
from collections.abc import Callable

import pytest

from livefw.providers.redfish import fan_out
from livefw.providers.redfish.fan_out import Abandoned, Listener, Pulse, ask_all
from livefw.providers.redfish.settings import Bmc

DAY_S = 86_400.0
LOST, FOUND = Bmc("lost", "https://lost.example"), Bmc("found", "https://found.example")


def days(begun: threading.Event, then: threading.Event, *, after: int) -> Callable[[], float]:
    """A clock that is looked at once a day from what has ``begun`` on; and ``then``, after so many looks."""
    looks = itertools.count()

    def now() -> float:
        begun.wait()
        look = next(looks)
        if look == after:
            then.set()
        return look * DAY_S

    return now


def test_one_that_is_never_reached_is_silent_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name resolution: there is no limit to it."""
    monkeypatch.setattr(fan_out, "_BEAT_S", 0.001)
    monkeypatch.setattr(fan_out, "_RESERVE_S", 0.005)
    resolved, outcome, ended = threading.Event(), list[str](), threading.Event()

    def ask(bmc: Bmc, listener: Listener) -> str:
        listener.asking()
        if bmc.name == "lost":
            resolved.wait()
            try:
                listener.answered()
            except Abandoned:
                outcome.append("abandoned")
            ended.set()
        return bmc.name

    bmcs = [each._replace(first_answer=0.0) for each in (LOST, FOUND)]
    assert ask_all(bmcs, ask, silent=lambda bmc: f"{bmc.name} is silent") == ["lost is silent", "found"]
    resolved.set()
    ended.wait()
    assert outcome == ["abandoned"]


@pytest.mark.parametrize("reached", [False, True])
def test_none_is_silent_because_this_machine_is_late(monkeypatch: pytest.MonkeyPatch, reached: bool) -> None:
    """Each beat takes days; and once there is a connection, the time is its own."""
    monkeypatch.setattr(fan_out, "_BEAT_S", 0.01)
    monkeypatch.setattr(fan_out, "_RESERVE_S", 0.05 if reached else 600.0)
    begun, there = threading.Event(), threading.Event()

    def ask(bmc: Bmc, listener: Listener) -> str:
        listener.asking()
        if reached:
            listener.reached()
        begun.set()
        there.wait()
        listener.answered()
        return bmc.name

    pulse = Pulse(days(begun, there, after=24))
    bmc = LOST._replace(first_answer=0.0)
    assert ask_all([bmc], ask, silent=lambda bmc: f"{bmc.name} is silent", pulse=pulse) == ["lost"]
