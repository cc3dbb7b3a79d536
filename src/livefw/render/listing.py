# SPDX-License-Identifier: Apache-2.0
"""Documents with a list of items, as a table or in another form: one declaration of columns for each listing.

The items are those of the JSON document, so every form shows the same, also of a document that a daemon has made.
"""

from __future__ import annotations

from livefw.errors import UsageError
from livefw.render.layout import Column, fit, line
from livefw.text import left_to_right, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, NamedTuple

    Item = Mapping[str, Any]
    Document = dict[str, Any]
else:
    from livefw.light_tuple import NamedTuple

OUTPUTS = ("table", "wide", "name", "json", "jsonl", "csv")


class View(NamedTuple):
    """How a listing is to be shown.

    ``columns`` are names, none for the default; ``sort`` is one, with a dash before it for the reverse. ``limit`` is
    the width of a line, 0 for none. ``lead`` completes the commands in the lines beside the rows.
    """

    output: str = "table"
    columns: tuple[str, ...] = ()
    sort: str = ""
    headings: bool = True
    limit: int = 0
    color: bool = False
    ellipsis: str = "\u2026"
    lead: Callable[[str], str] = str


PLAIN = View()


def _nothing(_: Any) -> Iterable[str]:
    return ()


class Listing(NamedTuple):
    """What is listed: the field of the document that has the items, what one of them is called, and its columns.

    ``name`` is the word by which other commands know an item. ``above`` are lines over the table, ``below`` those
    under the row of an item, and ``notes`` those under the table; all are for persons only, and of any width.
    """

    field: str
    item: str
    columns: tuple[Column, ...]
    name: Callable[[Item], str]
    above: Callable[[Document], Iterable[str]] = _nothing
    below: Callable[[Item], Iterable[str]] = _nothing
    notes: Callable[[Document], Iterable[str]] = _nothing

    def column(self, name: str) -> Column:
        """The column of this name, in either case, with blanks or dashes. `UsageError`."""
        wanted = name.strip().lower().replace(" ", "-").replace("_", "-")
        found = next((each for each in self.columns if each.name == wanted), None)
        if found is None:
            from livefw import suggest  # only for errors

            names = [each.name for each in self.columns]
            hint = suggest.hint(name, names, rest=f"columns are {', '.join(names)}")
            raise UsageError(f"there is no column {name!r}", hint=hint)
        return found


def arranged(listing: Listing, document: Document, view: View) -> Document:
    """The document with its items in the order of the view. `UsageError` for a column that does not exist."""
    for name in view.columns:
        listing.column(name)
    if not view.sort or listing.field not in document:
        return document
    column = listing.column(view.sort.removeprefix("-"))
    items = sorted(document[listing.field], key=lambda item: _order(column, item), reverse=view.sort.startswith("-"))
    return document | {listing.field: items}


def text(listing: Listing, document: Document, view: View = PLAIN) -> str:
    """The listing as a table; without one if it has no items."""
    items: Sequence[Item] = document[listing.field]
    above, notes = (listing.above(document), listing.notes(document)) if _is_for_a_person(view) else ((), ())
    table = _table(listing, items, view) if items else ()
    return "\n".join([*map(view.lead, above), *table, *map(view.lead, notes)])


def _is_for_a_person(view: View) -> bool:
    """Whether to say more than what is in the columns."""
    return view.headings and not view.columns


def columns_of(listing: Listing, items: Sequence[Item], view: View, *, wide: bool) -> list[Column]:
    """The columns that a view asks for."""
    if view.columns:
        return [listing.column(name) for name in view.columns]
    return [
        each
        for each in listing.columns
        if wide or not (each.wide or (each.optional and all(each.text(item) == "-" for item in items)))
    ]


def _table(listing: Listing, items: Sequence[Item], view: View) -> Iterable[str]:
    wide = view.output == "wide"
    columns = columns_of(listing, items, view, wide=wide)
    if view.columns:
        columns = [each._replace(rank=0) for each in columns]
    roomy = wide or not view.limit
    rows = [[left_to_right(((roomy and each.full) or each.text)(item)) for each in columns] for item in items]
    headings = [each.heading for each in columns]
    widths = [max(map(width, cells)) for cells in zip(*([headings] if view.headings else []), *rows, strict=True)]
    empty = [number for number, cells in enumerate(zip(*rows, strict=True)) if {*cells} <= {"-", "?"}]
    fitting = fit(columns, widths, 0 if wide else view.limit, empty=empty)
    paint = _painter() if view.color else _unpainted

    def row(cells: Sequence[str], styles: Sequence[str]) -> str:
        shown = [(cells[number], wide, styles[number]) for number, wide in fitting.items()]
        return line(shown, ellipsis=view.ellipsis, paint=paint)

    if view.headings:
        yield row(headings, ["heading"] * len(columns))
    for item, cells in zip(items, rows, strict=True):
        yield row(cells, [each.style(item) if view.color and each.style else "" for each in columns])
        if _is_for_a_person(view):
            yield from map(view.lead, listing.below(item))


def _painter() -> Callable[[str, str], str]:
    from livefw.render.style import paint  # only for terminals

    return paint


def _unpainted(_: str, text: str) -> str:
    return text


def _order(column: Column, item: Item) -> Any:
    """Numbers in a text as numbers: 1.10 comes after 1.9."""
    if column.order:
        return column.order(item)
    import re  # only for sorting

    parts = re.split(r"(\d{1,18})", (column.full or column.text)(item).casefold())
    return [(1, int(part), "") if part.isdecimal() and part.isascii() else (0, 0, part) for part in parts]
