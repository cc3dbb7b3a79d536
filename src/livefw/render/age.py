# SPDX-License-Identifier: Apache-2.0
"""How long something has lasted, in words."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.providers.component import Component

_DAY_S = 86_400
_UNITS = (("day", _DAY_S), ("hour", 3_600), ("minute", 60), ("second", 1))


def age(seconds: float) -> str:
    """A time span in its largest unit, for a column: ``31 d``, ``4 h``; ``?`` if the clock went back."""
    if seconds < 0:
        return "?"
    count, unit = _largest(seconds)
    return f"{count} {unit[:1] if unit != 'minute' else 'min'}"


def pending_age(item: Component, *, now_ns: int | None = None) -> str:
    """How long its image has been pending, as in `age`; empty if that is not known."""
    return "" if item.pending_since_ns is None else age(_seconds(item.pending_since_ns, now_ns))


def pending_span(item: Component, *, now_ns: int | None = None) -> str:
    """The same in a sentence, after "pending": ``for 31 days``; empty if it is less than a day, or not known."""
    return "" if item.pending_since_ns is None else span(item.pending_since_ns, now_ns=now_ns)


def span(since: int, *, now_ns: int | None = None) -> str:
    """The same, from a time in ns since 1970."""
    seconds = _seconds(since, now_ns)
    if seconds < 0:
        return f"since {moment(since)}, by a clock that has gone back since"
    if seconds < _DAY_S:
        return ""
    count, unit = _largest(seconds)
    return f"for {count} {unit}s"


def moment(since_ns: int) -> str:
    """A time in ISO 8601, local, without fractions of a second."""
    # Without the module datetime, which takes longer to import than a machine to list.
    local = time.localtime(since_ns // 10**9)
    offset = abs(local.tm_gmtoff) // 60
    sign = "-" if local.tm_gmtoff < 0 else "+"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}{sign}{offset // 60:02}:{offset % 60:02}"


def instant_ns(text: str) -> int:
    """The time that `moment` has written, in ns since 1970."""
    year, month, day, hour, minute, second = map(
        int, (text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
    )
    offset = int(text[20:22]) * 60 + int(text[23:25])
    # Days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms"); a year begins in March.
    year -= month <= 2
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469
    seconds = days * _DAY_S + hour * 3600 + minute * 60 + second
    return (seconds - (-60 if text[19] == "-" else 60) * offset) * 10**9


def _seconds(since_ns: int, now_ns: int | None) -> float:
    return ((time.time_ns() if now_ns is None else now_ns) - since_ns) / 1e9


def _largest(seconds: float) -> tuple[int, str]:
    """The largest unit of which there are two, or one second, and how many."""
    return next((int(seconds // length), name) for name, length in _UNITS if seconds >= 2 * length or length == 1)
