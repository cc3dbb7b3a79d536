# SPDX-License-Identifier: Apache-2.0
"""How the columns of a table fit a width: the least important go, and long values end in an ellipsis.

One item is one line. A column that is not `Column.least` wide at least is never shortened, and one without a rank is
never left out. What remains then may be wider than the terminal, which breaks the line.
"""

from __future__ import annotations

from livefw.text import cut, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, NamedTuple
else:
    from livefw.light_tuple import NamedTuple

GAP = 2
"""Blanks between two columns."""
_STUMP = 6
"""The width of a value that has to be shortened further than it should be: five characters say something."""


class Column(NamedTuple):
    """A column: its heading, and the printable text of an item in it.

    ``rank`` orders what is left out, the highest first; 0 is never left out. A value is shortened to ``least`` columns
    of the terminal, 0 for never. ``wide`` is shown on demand only. ``full`` is the text where space does not matter,
    ``order`` what items are sorted by instead of their text, and ``style`` names a style of `livefw.render.style`.
    ``optional``: left out as well if no item has a value (``-``).
    """

    heading: str
    text: Callable[[Mapping[str, Any]], str]
    rank: int = 0
    least: int = 0
    wide: bool = False
    full: Callable[[Mapping[str, Any]], str] | None = None
    order: Callable[[Mapping[str, Any]], Any] | None = None
    style: Callable[[Mapping[str, Any]], str] | None = None
    optional: bool = False

    @property
    def name(self) -> str:
        """What an option calls it."""
        return self.heading.lower().replace(" ", "-")


def fit(columns: Sequence[Column], widths: Sequence[int], limit: int, *, empty: Collection[int] = ()) -> dict[int, int]:
    """The columns that are shown, by number, and the width of each.

    ``widths`` are those of what they hold, and ``empty`` are numbers of columns that hold nothing, which go first.
    """
    shown = dict(enumerate(widths))
    if not limit:
        return shown
    for number in sorted(empty, key=lambda number: -columns[number].rank):
        if _total(shown) > limit and columns[number].rank:
            del shown[number]
    while _total(shown) > limit:
        shortened = _shortened(columns, shown, limit, stump=False)
        if _total(shortened) <= limit:
            return shortened
        least_important = max(shown, key=lambda number: (columns[number].rank, number))
        if not columns[least_important].rank:
            return _shortened(columns, shown, limit, stump=True)
        del shown[least_important]
    return shown


def _shortened(columns: Sequence[Column], shown: Mapping[int, int], limit: int, *, stump: bool) -> dict[int, int]:
    """The widths with the widest shortened as far as it takes, or as far as they may be."""
    found = dict(shown)
    least = {number: min(columns[number].least, _STUMP) if stump else columns[number].least for number in shown}
    for cap in range(limit, 0, -1):
        found = {
            number: max(min(wide, cap), min(wide, least[number])) if least[number] else wide
            for number, wide in shown.items()
        }
        if _total(found) <= limit:
            break
    return found


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + GAP * max(len(widths) - 1, 0)


def line(cells: Sequence[tuple[str, int, str]], *, ellipsis: str, paint: Callable[[str, str], str]) -> str:
    """One row of cells, each a text, its width and its style; ``paint`` takes the style and the shortened text."""
    parts = []
    blanks = 0
    for text, wide, style in cells:
        shown = cut(text, wide, ellipsis)
        parts += [" " * blanks, paint(style, shown)]
        blanks = wide - width(shown) + GAP
    return "".join(parts).rstrip()
