# SPDX-License-Identifier: Apache-2.0
"""Moments as somebody writes them on a command line."""

from datetime import datetime, timedelta

from livefw.errors import UsageError

_LAST_S = 2**63 // 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def when(text: str, *, option: str) -> int:
    """A moment in ns of the wall clock."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and number.isascii() and number.isdigit() and len(number) < 8:
            moment = datetime.now().astimezone() - timedelta(seconds=int(number) * _UNITS[unit])
        else:
            moment = datetime.fromisoformat(text).astimezone()
        since_1970 = int(moment.timestamp())
    except (ValueError, OverflowError) as error:
        hint = "2026-11-23, 2026-11-23T04:00, 12h, 7d"
        raise UsageError(f"{option}: {text!r} is no moment", hint=hint) from error
    # No row is from before or after what its 64 bits can tell, the years 1678 to 2261.
    return max(-_LAST_S, min(since_1970, _LAST_S)) * 1_000_000_000
