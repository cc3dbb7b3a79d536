# SPDX-License-Identifier: Apache-2.0
"""Histories by chance, and the smallest that still fails."""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from livefw.activation.engine import Point
from livefw.kernel.lfa import VERSIONS
from livefw.machine.faults import FAULTS, FaultSite

from .world import ACTS, FIRMWARE, NOBODY_LIVES, PLATFORMS, Act, Fault, History, Setup, Turn

T = TypeVar("T")

_CALLS = ("PRIME", "ACTIVATE", "CANCEL", "GET_INVENTORY")
_WHEN_MS = (0, 1, 20, 60, 200, 500, 800, 2000, 20_000)
"""From within the first call into the firmware until long after the usual end."""


def draw(rng: Random) -> History:
    """One history: up to four turns on one machine, each with up to two faults and three acts."""
    platform = rng.choice(list(PLATFORMS))
    setup = Setup(platform, rng.choice(list(VERSIONS)), rng.choice(list(FIRMWARE)), together=rng.random() < 0.8)
    return History(setup, tuple(_turn(rng, setup) for _ in range(rng.choice((1, 1, 2, 4)))))


def _turn(rng: Random, setup: Setup) -> Turn:
    return Turn(
        rng.choice(PLATFORMS[setup.platform]),
        rng.choice(("7.7", "7.7", "7.8", None)),
        tuple(_fault(rng) for _ in range(rng.choice((0, 1, 1, 2)))),
        tuple(_act(rng) for _ in range(rng.choice((0, 0, 1, 2, 3)))),
        dies_at=rng.choice(list(Point)) if rng.random() < 0.25 else None,
        rebooted=rng.random() < 0.1,
        driver_anew=rng.random() < 0.1,
    )


def _fault(rng: Random) -> Fault:
    """Those after which nobody lives are drawn less often: they end the turn and tell little."""
    name = rng.choice([name for name in FAULTS if name not in NOBODY_LIVES or rng.random() < 0.2])
    fault = FAULTS[name]
    times = None if fault.where is FaultSite.IMAGE else rng.choice((None, 1, 1, 2, 3))
    function = rng.choice((None, *_CALLS)) if "function" in fault.options else None
    return Fault(name, times, function, rng.choice((30.0, 500.0, 3000.0)) if "ms" in fault.options else None)


def _act(rng: Random) -> Act:
    return Act(rng.choice(ACTS), rng.choice(_WHEN_MS), rng.choice((Point.CHECKED, Point.INTENDED, Point.ASKED)))


def smaller(history: History) -> Iterator[History]:
    """The same with one thing less."""
    for place, turn in enumerate(history.turns):

        def put(*turns: Turn, place: int = place) -> History:
            return history._replace(turns=history.turns[:place] + turns + history.turns[place + 1 :])

        if len(history.turns) > 1:
            yield put()
        yield from (put(turn._replace(acts=_without(turn.acts, i))) for i in range(len(turn.acts)))
        yield from (put(turn._replace(faults=_without(turn.faults, i))) for i in range(len(turn.faults)))
        plain: dict[str, object] = {"dies_at": None, "rebooted": False, "driver_anew": False}
        for field, value in plain.items():
            if getattr(turn, field) != value:
                yield put(turn._replace(**{field: value}))  # type: ignore[arg-type]  # names and values stand above


def shrink(history: History, fails: Callable[[History], bool]) -> History:
    """The smallest that still fails, as far as leaving out one thing after the other leads."""
    while less := next((each for each in smaller(history) if fails(each)), None):
        history = less
    return history


def source(history: History) -> str:
    """The text of a history as it can be put into a test."""
    return re.sub(r"<(\w+\.\w+): '[^']*'>", r"\1", repr(history))


def _without(items: tuple[T, ...], place: int) -> tuple[T, ...]:
    return items[:place] + items[place + 1 :]
