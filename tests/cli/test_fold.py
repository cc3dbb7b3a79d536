# SPDX-License-Identifier: Apache-2.0
"""Long lines on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.render.fold import fold
from livefw.text import table, width


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
        ("  current version  1.0 and so many words", "  current version  1.0 and\n    so many words"),
        ("  by hand: echo 1 > /sys/firmware/lfa/activate", "  by hand: echo 1 > /sys/firmware/lfa/activate"),
        (
            "\u8584 \u819c \u56fa \u4ef6 \u8584 \u819c \u56fa \u4ef6 \u8584 \u819c",
            "\u8584 \u819c \u56fa \u4ef6 \u8584 \u819c \u56fa \u4ef6 \u8584\n  \u819c",
        ),
    ],
)
def test_lines_break_between_words_and_stay_under_their_text(text: str, expected: str) -> None:
    assert fold(text, 28) == expected


def test_a_table_puts_on_further_lines_what_does_not_fit() -> None:
    rows: list[tuple[str, ...]] = [
        ("NAME", "STOPS CPUS", "STATE", "COMPONENT", "WHY"),
        ("TF-RMM", "all", "ready", "lfa:6c0762a6", "-"),
        ("an SCP", "no", "-", "lfa:0509b633", "it is what somebody wanted here"),
    ]
    assert fold(f"before\n{table(rows)}\n* a note on all of the above", 28) == (
        "before\n"
        "NAME    STOPS CPUS  STATE\n"
        "    COMPONENT\n"
        "    WHY\n"
        "TF-RMM  all         ready\n"
        "    lfa:6c0762a6\n"
        "an SCP  no          -\n"
        "    lfa:0509b633\n"
        "    it is what somebody\n"
        "    wanted here\n"
        "* a note on all of the above"
    )


_CELL = (
    st.text(alphabet="ab\u8584 ", min_size=1, max_size=30)
    .map(str.strip)
    .map(lambda text: " ".join(text.split()) or "-")
)


@given(
    st.integers(2, 6).flatmap(lambda n: st.lists(st.tuples(*[_CELL] * n), min_size=1, max_size=4)), st.integers(20, 60)
)
def test_no_cell_of_a_table_is_lost_and_no_line_too_wide(rows: list[tuple[str, ...]], columns: int) -> None:
    text = table([tuple(f"COLUMN {'ABCDEF'[index]}" for index in range(len(rows[0]))), *rows])
    shown = fold(text, columns)
    assert sorted(shown.replace("-", "").split()) == sorted(text.replace("-", "").split())
    if max(map(width, text.split())) <= columns - 8:
        assert all(width(line) <= columns for line in shown.split("\n"))


@given(st.text(alphabet="ab ,:-\n", max_size=200), st.integers(40, 60))
def test_no_word_is_lost_and_no_line_too_wide(text: str, columns: int) -> None:
    shown = fold(text, columns)
    assert shown.split() == text.split()
    if max(map(len, text.split()), default=0) < columns // 2 - 2:
        assert all(len(line) <= columns or not line.strip() for line in shown.split("\n"))
