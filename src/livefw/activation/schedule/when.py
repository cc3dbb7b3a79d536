# SPDX-License-Identifier: Apache-2.0
"""The time that ``--at`` names."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from livefw.activation.policy import window
from livefw.activation.policy.window import DAYS, Window
from livefw.errors import Refused, UsageError

WINDOW = "window"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SPAN = re.compile(r"\+(?P<count>\d{1,5})(?P<unit>[mhd])\Z", re.ASCII)
_CLOCK = re.compile(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)\Z", re.ASCII)
_LONGEST = timedelta(days=366)
_HINT = "--at window, --at 22:00, --at 2026-12-04T22:00, --at +2h"


def moment(text: str, windows: tuple[Window, ...], now: datetime, *, zone: tzinfo) -> datetime:
    """The time that a text names.

    It is ``window`` for the next opening of a maintenance window, a time of day, a date with time, or ``+`` and a
    number of minutes, hours or days. Times without a zone are of ``zone``.

    Raises:
        UsageError: the text names no time, or one in the past, or one more than a year ahead.
        Refused: there is no window that opens.
    """
    if text == WINDOW:
        return _opening(windows, now)
    try:
        found = _named(text, now, zone)
        if not now < found <= now + _LONGEST:
            raise UsageError(f"--at: {text} is not within the next year", hint=_HINT)
        return found.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--at: {text!r} is no time", hint=_HINT) from error


def _opening(windows: tuple[Window, ...], now: datetime) -> datetime:
    if not windows:
        raise Refused("there is no maintenance window in livefw.toml", hint="give a time, such as --at 22:00")
    if window.is_open(windows, now):
        raise Refused("a maintenance window is open now", hint="omit --at to activate now")
    opening = window.next_opening(windows, now)
    if opening is None:
        raise Refused("no maintenance window opens", hint="livefw policy shows the windows")
    return opening


def _named(text: str, now: datetime, zone: tzinfo) -> datetime:
    if span := _SPAN.match(text):
        return now + int(span["count"]) * _UNITS[span["unit"]]
    if clock := _CLOCK.match(text):
        begin = int(clock["hour"]) * 60 + int(clock["minute"])
        # A window of one minute: on a day on which the clock skips this time, the next day has it.
        daily = Window(frozenset(range(len(DAYS))), begin, (begin + 1) % 1440, zone)
        found = daily.next_opening(now)
        if found is None:
            raise ValueError(text)
        return found
    found = datetime.fromisoformat(text)
    if not found.tzinfo:
        found = found.replace(tzinfo=zone)
    return found.astimezone(UTC)
