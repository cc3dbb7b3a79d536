# SPDX-License-Identifier: Apache-2.0
"""Clocks, in nanoseconds from an arbitrary start."""

import time
from typing import Protocol

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
START = 86_413 * SECOND + 579_246_801
"""Where virtual time starts, a day after power-on: at zero, a moment that is taken for a span would not be noticed."""


class KernelClock(Protocol):
    """What the modelled operating system reads its time from."""

    def now(self) -> int:
        """Nanoseconds, never going backwards."""
        ...


class MonotonicClock:
    """The host's own time since this clock was made."""

    __slots__ = ("_start",)

    def __init__(self) -> None:
        self._start = time.monotonic_ns()

    def now(self) -> int:
        """Nanoseconds since construction."""
        return time.monotonic_ns() - self._start


class VirtualClock:
    """Time that passes only when told to: a budget of 30 seconds is tested in microseconds."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now = START

    def now(self) -> int:
        """Nanoseconds since power-on."""
        return self._now

    def advance_to(self, instant: int) -> None:
        """Jump forward; ValueError for a jump backwards."""
        if instant < self._now:
            raise ValueError(f"virtual time is at {self._now} ns and cannot go back to {instant} ns")
        self._now = instant
