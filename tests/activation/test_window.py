# SPDX-License-Identifier: Apache-2.0
"""Windows where clocks are put forward and back, beside a clock that is looked at once a minute."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.activation.policy.document import parse
from livefw.activation.policy.window import Window, is_open, next_opening, own_zone, state

EVERY_DAY = frozenset(range(7))
MINUTE = timedelta(minutes=1)

CHANGES = {
    # The first hours of days on which clocks change, by the tz database; whole hours, half hours, midnights, a day.
    "Europe/Berlin": ("2026-03-28T20:00", "2026-10-24T20:00"),
    "America/New_York": ("2026-03-08T02:00", "2026-11-01T02:00"),
    "America/St_Johns": ("2026-03-08T01:00", "2026-11-01T01:00"),
    "America/Santiago": ("2026-04-04T22:00", "2026-09-05T22:00"),
    "America/Havana": ("2026-03-08T01:00", "2026-11-01T01:00"),
    "Atlantic/Azores": ("2026-03-28T20:00", "2026-10-24T20:00"),
    "Africa/Cairo": ("2026-04-23T18:00", "2026-10-29T17:00"),
    "Africa/Casablanca": ("2026-02-14T20:00", "2026-03-21T20:00"),
    "Australia/Lord_Howe": ("2026-04-04T10:00", "2026-10-03T10:00"),
    "Australia/Sydney": ("2026-04-04T10:00", "2026-10-03T10:00"),
    "Pacific/Chatham": ("2026-04-04T10:00", "2026-09-26T10:00"),
    "Pacific/Apia": ("2011-12-30T04:00", "2011-12-30T04:00"),  # the 30th was left out
    "Antarctica/Troll": ("2026-03-28T20:00", "2026-10-24T20:00"),  # by two hours
    "Asia/Kathmandu": ("1985-12-31T14:00", "2026-01-01T00:00"),  # a quarter of an hour, once
    "UTC": ("2026-01-01T00:00", "2026-07-01T00:00"),
}
"""Zones, and moments (UTC) shortly before their clocks change."""


def shown(window: Window, moment: datetime) -> bool:
    """Whether the clock on the wall shows a time that is in the window, from UTC to the zone and never back."""
    local = moment.astimezone(window.zone)
    now = (local.weekday(), local.hour * 60 + local.minute)
    begun_today = now[0] in window.days
    begun_yesterday = (now[0] + 6) % 7 in window.days
    if window.begin < window.end:
        return begun_today and window.begin <= now[1] < window.end
    return (begun_today and window.begin <= now[1]) or (begun_yesterday and now[1] < window.end)


def first_minutes(window: Window, moment: datetime, hours: int) -> Iterator[datetime]:
    """Minutes after a moment at which it is open, and was not a minute before."""
    before = shown(window, moment)
    for count in range(1, hours * 60):
        now = shown(window, moment + count * MINUTE)
        if now and not before:
            yield moment + count * MINUTE
        before = now


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("which", [0, 1])
def test_every_opening_is_the_one_that_the_clock_shows(zone: str, which: int) -> None:
    moment = datetime.fromisoformat(CHANGES[zone][which]).replace(tzinfo=UTC)
    for begin in range(0, 1440, 45):
        for length in (15, 30, 75, 600):
            window = Window(EVERY_DAY, begin, (begin + length) % 1440, ZoneInfo(zone))
            expected = next(first_minutes(window, moment, 60), None)
            found = window.next_opening(moment)
            assert found is not None
            assert found.astimezone(UTC) == expected, (begin, length)


@st.composite
def windows(draw: st.DrawFn, zone: tzinfo | None) -> Window:
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return Window(days, draw(st.integers(0, 1439)), draw(st.integers(0, 1439)), zone)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_is_open_before_the_opening_that_is_told(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(sorted(CHANGES)))
    window = data.draw(windows(ZoneInfo(zone)))
    about = datetime.fromisoformat(data.draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=UTC)
    moment = about + data.draw(st.integers(-8 * 1440, 1440)) * MINUTE + timedelta(seconds=data.draw(st.integers(0, 59)))
    opening = window.next_opening(moment)
    if opening is None:  # it is never closed
        assert (window.begin, window.days) == (window.end, EVERY_DAY)
        return
    told = opening.astimezone(UTC)
    assert moment < told <= moment + timedelta(days=16)
    assert shown(window, told)
    assert window.contains(told)
    assert is_open((window,), opening)
    if not shown(window, moment):
        minutes = (told - moment) // MINUTE
        # In whole minutes of the clock, because that is when a window opens.
        assert not any(shown(window, moment + count * MINUTE) for count in range(minutes))
        assert not shown(window, told - timedelta(microseconds=1))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_several_are_open_until_the_closing_that_is_told_and_from_the_opening_that_is_told(data: st.DataObject) -> None:
    """Each zone of its own; they meet, overlap, and follow each other."""
    zones = st.sampled_from(sorted(CHANGES))
    some = data.draw(st.lists(zones.flatmap(lambda zone: windows(ZoneInfo(zone))), min_size=1, max_size=3))
    about = datetime.fromisoformat(CHANGES[data.draw(zones)][data.draw(st.integers(0, 1))]).replace(tzinfo=UTC)
    moment = about + data.draw(st.integers(-2 * 1440, 1440)) * MINUTE

    def is_shown(now: datetime) -> bool:
        return any(shown(window, now) for window in some)

    found = state(tuple(some), moment)
    assert found.open == is_shown(moment)
    first, last = (moment, found.closes) if found.open else (found.opens, found.closes)
    assert found.open == (found.opens is None)
    if first is None or last is None:  # it is open all the time
        assert all(is_shown(moment + count * 13 * MINUTE) for count in range(1000))
        return
    assert not is_shown(last)
    assert is_shown(last.astimezone(UTC) - timedelta(microseconds=1))
    minutes = (last.astimezone(UTC) - first.astimezone(UTC)) // MINUTE
    assert all(is_shown(first.astimezone(UTC) + count * MINUTE) for count in range(0, minutes, 7))
    if not found.open:
        minutes = (first.astimezone(UTC) - moment) // MINUTE
        assert not any(is_shown(moment + count * MINUTE) for count in range(0, minutes, 7))


def test_what_never_opens_or_never_closes_is_an_answer() -> None:
    never = Window(frozenset(), 60, 120, UTC)
    now = datetime(2026, 12, 28, 22, 30, tzinfo=UTC)
    assert state((never,), now) == (False, None, None)
    assert never.next_closing(now) is None
    assert state((), now) == (True, None, None)
    always = Window(EVERY_DAY, 0, 0, UTC)
    assert state((always,), now) == (True, None, None)
    assert state((never, always), now) == (True, None, None)


BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SYDNEY = ZoneInfo("Australia/Sydney")


@pytest.mark.parametrize(
    ("zone", "begin", "end", "moment", "openings"),
    [
        # Left out as a whole; the next one is on the next day.
        (BERLIN, "02:15", "02:45", "2026-03-28T12:00", ["2026-03-30T02:15+02:00"]),
        # Begins in the gap, and something is left of it.
        (BERLIN, "02:30", "04:00", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        # Ends in the gap.
        (BERLIN, "01:30", "02:30", "2026-03-28T12:00", ["2026-03-29T01:30+01:00"]),
        # Twice.
        (BERLIN, "02:15", "02:45", "2026-10-24T12:00", ["2026-10-25T02:15+02:00", "2026-10-25T02:15+01:00"]),
        (BERLIN, "01:00", "02:30", "2026-10-24T12:00", ["2026-10-25T01:00+02:00", "2026-10-25T02:00+01:00"]),
        (BERLIN, "02:30", "04:00", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
        # Half an hour, in the other half of the world.
        (LORD_HOWE, "02:05", "02:25", "2026-10-03T00:00", ["2026-10-05T02:05+11:00"]),
        (LORD_HOWE, "02:10", "02:40", "2026-10-03T00:00", ["2026-10-04T02:30+11:00"]),
        (LORD_HOWE, "01:35", "01:55", "2026-04-04T00:00", ["2026-04-05T01:35+11:00", "2026-04-05T01:35+10:30"]),
        (SYDNEY, "02:30", "03:30", "2026-10-03T00:00", ["2026-10-04T03:00+11:00"]),
        # Where midnight itself is left out, and where a day is.
        (ZoneInfo("Africa/Cairo"), "00:15", "01:30", "2026-04-23T10:00", ["2026-04-24T01:00+03:00"]),
        (ZoneInfo("Pacific/Apia"), "12:00", "13:00", "2011-12-30T01:00", ["2011-12-31T12:00+14:00"]),
    ],
)
def test_openings_around_a_change(zone: tzinfo, begin: str, end: str, moment: str, openings: list[str]) -> None:
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (begin, end)]
    window = Window(EVERY_DAY, minutes[0], minutes[1], zone)
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    for expected in openings:
        opening = window.next_opening(now)
        assert opening is not None
        assert (opening.isoformat(timespec="minutes"), window.contains(opening)) == (expected, True)
        now = opening.astimezone(UTC)


def test_the_next_of_several_is_the_first_in_time_and_not_by_the_clock() -> None:
    early = Window(EVERY_DAY, 165, 170, BERLIN)  # 02:45, in the first of two hours
    late = Window(EVERY_DAY, 135, 140, BERLIN)  # 02:15; only the second is still to come
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    opening = next_opening((late, early), moment)
    assert opening is not None
    assert opening.isoformat(timespec="minutes") == "2026-10-25T02:45+02:00"


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_window_that_never_opens_is_no_defect(moment: datetime) -> None:
    assert Window(frozenset(), 60, 120, BERLIN).next_opening(moment) is None
    assert next_opening((), moment) is None


def test_the_own_clock_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for begin, end in ((135, 165), (150, 240), (60, 150)):
            for day in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
                own, named = (Window(EVERY_DAY, begin, end, zone).next_opening(day) for zone in (None, BERLIN))
                assert own is not None
                assert named is not None
                assert own.astimezone(UTC) == named.astimezone(UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_who_calls_does_not_move_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """sudo hands TZ on: with it a caller would open a window when it is shut."""
    monkeypatch.setenv("TZ", "XXX-9")
    time.tzset()
    try:
        policy = parse(b"[[window]]\nfrom = '03:00'\nto = '04:00'")
        moment = datetime(2026, 11, 24, 3, 30, tzinfo=own_zone())
        assert is_open(policy.window, moment)
        assert not is_open(policy.window, moment.replace(tzinfo=timezone(timedelta(hours=9))))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_machine_without_a_zone_has_that_of_the_c_library(tmp_path: Path) -> None:
    assert own_zone(str(tmp_path / "none")) is UTC
    (tmp_path / "localtime").write_bytes(b"no zone")
    assert own_zone(str(tmp_path / "localtime")) is UTC
