# SPDX-License-Identifier: Apache-2.0
"""Maintenance windows: times of the week at which an activation may start."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from livefw import reading

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARS = 8
"""How many years to search for an opening: enough for a 29 February although 2100 has none."""
_DAY = timedelta(days=1)
_SPAN = timedelta(hours=12)
"""Changes of a zone's offset are further apart than this."""
_RESOLUTION = timedelta(seconds=1)
_MOMENT = timedelta(microseconds=1)


class Window(NamedTuple):
    """From ``begin`` to before ``end``, in minutes of the local day, on ``days``.

    A window whose end is not after its begin ends on the next day; it belongs to the day on which it began. ``zone`` is
    None for the machine's own time. A window is open whenever the zone's clock shows a time within it: it opens late,
    or not at all, when the clock is put forward, and it is open twice when the clock is put back.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: tzinfo | None = None

    def contains(self, now: datetime) -> bool:
        """Whether the window is open at a time of any zone."""
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)

    def next_opening(self, now: datetime) -> datetime | None:
        """When it opens next, in its own zone; None if it does not within `YEARS`."""
        start = now.astimezone(UTC)  # within one zone datetime compares local times, which may go backwards
        try:
            for count in range(YEARS * 366 * 2):
                begin = start + count * _SPAN
                for opening in self._openings(begin, begin + _SPAN):
                    if opening > start:
                        return opening.astimezone(self.zone)
        except OverflowError:  # after datetime.MAXYEAR
            pass
        return None

    def _openings(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The times in a span at which it opens, in order."""
        for begin, until in self._steady(start, end):
            if begin > start and self.contains(begin) and not self.contains(begin - _MOMENT):
                yield begin
            local = begin.astimezone(self.zone)
            midnight = datetime.combine(local.date(), time(), UTC) - (local.utcoffset() or timedelta())
            for day in (midnight, midnight + _DAY):
                opening = day + timedelta(minutes=self.begin)
                if begin <= opening < until and self.contains(opening):
                    yield opening

    def _steady(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The parts of a span in which the offset of the zone does not change."""
        before, after = start, end
        offset = self._offset(start)
        if self._offset(end) == offset:
            yield start, end
            return
        while after - before > _RESOLUTION:
            middle = before + (after - before) / 2
            before, after = (middle, after) if self._offset(middle) == offset else (before, middle)
        change = after.replace(microsecond=0)
        yield start, change
        yield change, end

    def _offset(self, now: datetime) -> timedelta | None:
        return now.astimezone(self.zone).utcoffset()


def own_zone(path: str = "/etc/localtime") -> tzinfo:
    """The zone of the machine that livefw runs on; UTC if it has none, as in the C library.

    TZ is not used: the caller could set it, sudo passes it on, and a window would open whenever the caller likes.
    """
    from zoneinfo import ZoneInfo  # only if there is a window

    try:
        with reading.opened(path) as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError, struct.error):  # the last one for a file that is cut off
        return UTC


def is_open(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether any window is open, or there is no window."""
    return not windows or any(window.contains(now) for window in windows)


def next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """When the next window opens; None if none does within `YEARS`."""
    openings = (window.next_opening(now) for window in windows)
    return min((each for each in openings if each), key=datetime.timestamp, default=None)
