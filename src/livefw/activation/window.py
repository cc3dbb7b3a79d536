# SPDX-License-Identifier: Apache-2.0
"""Maintenance windows: times of the week at which an activation may begin."""

from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 8
"""Days to look ahead for the next opening: a week, and one more for a window of today that is over."""


class Window(NamedTuple):
    """From ``begin`` to before ``end``, in minutes of the local day, on ``days``.

    A window whose end is not after its begin goes on to the next day; it belongs to the day on which it began.
    ``zone`` is None for the machine's own time. Where clocks are put forward or back, what counts is what they show.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: tzinfo | None = None

    def contains(self, moment: datetime) -> bool:
        """Whether the window is open; ``moment`` carries any time zone."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)

    def next_opening(self, moment: datetime) -> datetime:
        """When it opens next after ``moment``, in its own zone."""
        local = moment.astimezone(self.zone)
        for ahead in range(_WEEK + 1):
            day = local.date() + timedelta(days=ahead)
            naive = datetime(day.year, day.month, day.day, self.begin // 60, self.begin % 60)
            opening = naive.replace(tzinfo=self.zone) if self.zone else naive.astimezone()
            if opening > moment and day.weekday() in self.days:
                return opening
        raise ValueError("a window without days")


def is_open(windows: tuple[Window, ...], moment: datetime) -> bool:
    """Whether any window is open; without windows it always is."""
    return not windows or any(window.contains(moment) for window in windows)
