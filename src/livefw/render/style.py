# SPDX-License-Identifier: Apache-2.0
"""Colours on a terminal. The word is always there as well: colour alone says nothing."""

import re

_STYLES = {"heading": "1", "good": "32", "notable": "33", "bad": "31"}
"""SGR parameters (ECMA-48, 8.3.117); only the eight colours that every terminal has and its user chose."""
_WORDS = {
    **dict.fromkeys(("activated", "staged", "ready", "ok"), "good"),
    **dict.fromkeys(("refused", "cancelled", "held", "needs reset", "activating", "staging", "warning"), "notable"),
    **dict.fromkeys(("failed", "unknown", "blocked", "unreadable", "unfinished", "error"), "bad"),
}
"""Outcomes, states and severities."""
_PLACE = re.compile(rf"(\S.*?\): |  state +|)({'|'.join(_WORDS)})\b(?=[,:; ]|$)")
"""Where one of them is the word that matters in a line: behind ``NAME (KEY): ``, as the state, or in front."""


def paint(style: str, text: str) -> str:
    """The text in a style; as it is where there is none."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[m" if style and text else text


def highlighted(text: str) -> str:
    """A text with the word that matters of each line in its style."""
    return "\n".join(map(_highlighted, text.split("\n")))


def _highlighted(line: str) -> str:
    found = _PLACE.match(line)
    return f"{found[1]}{paint(_WORDS[found[2]], found[2])}{line[found.end() :]}" if found else line
