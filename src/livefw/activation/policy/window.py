# SPDX-License-Identifier: Apache-2.0
"""Maintenance windows: times of the week at which an activation may start."""

import struct
from collections.abc import Iterable, Iterator
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
        return self._next(now, self.begin, opens=True)

    def next_closing(self, now: datetime) -> datetime | None:
        """When it closes next, in its own zone; None if it does not within `YEARS`."""
        return self._next(now, self.end, opens=False)

    def _next(self, now: datetime, minute: int, *, opens: bool) -> datetime | None:
        start = now.astimezone(UTC)  # within one zone datetime compares local times, which may go backwards
        try:
            for count in range(YEARS * 366 * 2):
                begin = start + count * _SPAN
                for edge in self._edges(begin, begin + _SPAN, minute):
                    before, after = self.contains(edge - _MOMENT), self.contains(edge)
                    if edge > start and (before, after) == (not opens, opens):
                        return edge.astimezone(self.zone)
        except OverflowError:  # after datetime.MAXYEAR
            pass
        return None

    def _edges(self, start: datetime, end: datetime, minute: int) -> Iterator[datetime]:
        """The times in a span, in order, at which the zone's clock shows a minute of the day or is changed."""
        for begin, until in self._steady(start, end):
            if begin > start:
                yield begin
            local = begin.astimezone(self.zone)
            midnight = datetime.combine(local.date(), time(), UTC) - (local.utcoffset() or timedelta())
            for day in (midnight, midnight + _DAY):
                edge = day + timedelta(minutes=minute)
                if begin <= edge < until:
                    yield edge

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


class WindowState(NamedTuple):
    """Whether an activation may start now as far as windows go, and how long that stays so.

    ``opens`` is when the next window opens, if none is open; ``closes`` is when the present opening ends, or that at
    ``opens``. Each is None if it does not happen within `YEARS`.
    """

    open: bool
    opens: datetime | None = None
    closes: datetime | None = None


def is_open(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether any window is open, or there is no window."""
    return not windows or any(window.contains(now) for window in windows)


def next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """When the next window opens; None if none does within `YEARS`."""
    return _first(window.next_opening(now) for window in windows)


def next_closing(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """From when on none of the windows is open; None if one always is within `YEARS`. One may open as another closes,
    or while it is open."""
    last = now.astimezone(UTC) + timedelta(days=YEARS * 366)
    while is_open(windows, now):
        closing = _first(window.next_closing(now) for window in windows if window.contains(now))
        if closing is None or closing > last:
            return None
        now = closing
    return now


def state(windows: tuple[Window, ...], now: datetime) -> WindowState:
    """What holds at a time; without a window it is always open."""
    if is_open(windows, now):
        return WindowState(open=True, closes=next_closing(windows, now) if windows else None)
    opens = next_opening(windows, now)
    return WindowState(open=False, opens=opens, closes=next_closing(windows, opens) if opens else None)


def _first(times: Iterable[datetime | None]) -> datetime | None:
    return min((each for each in times if each), key=datetime.timestamp, default=None)
