# SPDX-License-Identifier: Apache-2.0
"""Colours on a terminal. The word is always there as well: colour alone says nothing."""

_STYLES = {"heading": "1", "good": "32", "notable": "33", "bad": "31", "quiet": "2"}
"""SGR parameters (ECMA-48, 8.3.117); only the eight colours that every terminal has and its user chose."""


def paint(style: str, text: str) -> str:
    """The text in a style; as it is where there is none."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[m" if style and text else text
