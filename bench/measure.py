# SPDX-License-Identifier: Apache-2.0
"""Taking times so that noise of the machine hits all alternatives alike, and telling them against their aims."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from statistics import median
from time import perf_counter
from typing import NamedTuple


class NotHere(Exception):  # noqa: N818 - says what it is
    """This machine has not what a subject needs, or not all of it; the text says what. No fault of anything."""


class Aim(NamedTuple):
    """What a value should be at most, or at least."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value is on the right side of the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:,}"


class Row(NamedTuple):
    """One line of the table: a median, and where it is compared, with what."""

    subject: str
    value: float
    unit: str
    aim: Aim | None = None
    compared_with: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or nothing where there is no aim."""
        return "" if self.aim is None else "met" if self.aim.met(self.value) else "missed"

    def document(self) -> dict[str, object]:
        """The row for ``--json``."""
        return {
            "subject": self.subject,
            "value": self.value,
            "unit": self.unit,
            "compared_with": self.compared_with or None,
            "aim": None if self.aim is None else str(self.aim),
            "met": None if self.aim is None else self.aim.met(self.value),
        }


def interleave(alternatives: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each alternative, taken in turns, each turn in another order: what one leaves behind must not
    always fall to the same next one.

    One turn before the first is not counted: it fills caches.
    """
    names = list(alternatives)
    times: dict[str, list[float]] = {name: [] for name in names}
    order = Random(0)
    gc.collect()
    gc.freeze()  # else each of the collections before a time goes through all modules again
    try:
        for _ in range(rounds + 1):
            for name in order.sample(names, len(names)):
                times[name].append(seconds(alternatives[name]))
    finally:
        gc.unfreeze()
    return {name: median(taken[1:]) for name, taken in times.items()}


def seconds(action: Callable[[], object]) -> float:
    """Time of one call, without pauses of the garbage collector of this process."""
    gc.collect()
    gc.disable()
    try:
        start = perf_counter()
        action()
        return perf_counter() - start
    finally:
        gc.enable()


@contextmanager
def affinity(own: set[int], process: int, others: set[int]) -> Iterator[None]:
    """Let this process run on the CPUs ``own``, and every thread of ``process`` on ``others``."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, own)
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), others)
        yield
    finally:
        os.sched_setaffinity(0, before)
