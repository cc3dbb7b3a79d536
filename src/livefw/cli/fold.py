# SPDX-License-Identifier: Apache-2.0
"""Long lines, broken between words for a terminal; a file or a pipe gets them whole, for those who search in them."""

import os
import re
import textwrap
from typing import Any

_LEAST = 40
"""A terminal narrower than this breaks the lines itself."""
_LABEL = re.compile(r" *(?:\S+ {2,})?")
"""What the lines after the first stand under: the text beside a label such as ``   cost       ``."""


def folded(text: str, stream: Any) -> str:
    """The text as it is to be written to this stream."""
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return text
    return fold(text, width) if width >= _LEAST else text


def fold(text: str, width: int) -> str:
    """The text with no line wider than this, but for words that are."""
    return "\n".join(_fold(line, width) for line in text.split("\n"))


def _fold(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    label = _LABEL.match(line)
    under = len(label[0]) if label else 0
    indent = " " * (under if under <= width // 2 else 0)
    # A label's blanks stay as they are: only what stands beside it is folded.
    parts = textwrap.wrap(
        line[len(indent) :], width - len(indent), break_long_words=False, break_on_hyphens=False, subsequent_indent="  "
    )
    return line[: len(indent)] + f"\n{indent}".join(parts)
