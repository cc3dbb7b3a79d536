# SPDX-License-Identifier: Apache-2.0
"""Time as the product uses it: a clock that only goes forward. The wall clock is for what people read."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object  # `livefw list` comes here, and must not import `typing`


class Clock(Protocol):
    """What a provider and the engine need of time; a test has one that does not wait."""

    def now(self) -> float:
        """Seconds since some point in the past."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class SystemClock:
    """The system's monotonic clock."""

    def now(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)
