# SPDX-License-Identifier: Apache-2.0
"""Long lines on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.cli.fold import fold


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short\n  lines", "short\n  lines"),
        (
            "   against    load: it is too high for that, by far",
            "   against    load: it is\n                too high for\n                that, by far",
        ),
        ("  the new image is not here any more", "  the new image is not here\n    any more"),
        ("x" * 40, "x" * 40),
    ],
)
def test_lines_break_between_words_and_stay_under_their_text(text: str, expected: str) -> None:
    assert fold(text, 28) == expected


@given(st.text(alphabet="ab ,:-\n", max_size=200), st.integers(40, 60))
def test_no_word_is_lost_and_no_line_too_wide(text: str, width: int) -> None:
    shown = fold(text, width)
    assert shown.split() == text.split()
    if max(map(len, text.split()), default=0) < width // 2 - 2:
        assert all(len(line) <= width or not line.strip() for line in shown.split("\n"))
