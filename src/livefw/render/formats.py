# SPDX-License-Identifier: Apache-2.0
"""Listings for programs: names, JSON by the line, and CSV. One item is held at a time."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from livefw.render.json_text import SCHEMA
from livefw.render.listing import Listing, View, columns_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet calculate a cell (OWASP, CSV Injection), and firmware chooses its names."""

_Items = Iterable[Mapping[str, Any]]


def lines(listing: Listing, items: _Items, view: View) -> Iterator[str]:
    """The items in the form that the view asks for, each line with its end."""
    return _FORMS[view.output](listing, items, view)


def _names(listing: Listing, items: _Items, _: View) -> Iterator[str]:
    return (f"{listing.name(item)}\n" for item in items)


def _json_lines(listing: Listing, items: _Items, _: View) -> Iterator[str]:
    """Each item as a document of its own; what is beside the items, such as notes, is in the JSON document only."""
    return (json_line({listing.item: item}) for item in items)


def json_line(document: Mapping[str, Any]) -> str:
    """A document on one line, in ASCII without a control character."""
    # DEL is the one that JSON does not escape.
    return json.dumps({"schema": SCHEMA} | dict(document)).replace("\x7f", "\\u007f") + "\n"


def _csv(listing: Listing, items: _Items, view: View) -> Iterator[str]:
    """RFC 4180, with every column unless some were named; the text of a cell is printable, as in a table.

    An apostrophe is put before what a spreadsheet would calculate. JSON has the values as they are.
    """
    columns = columns_of(listing, (), view, wide=True)
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    if view.headings:
        yield writer.writerow([each.name for each in columns])
    for item in items:
        yield writer.writerow([_inert((each.full or each.text)(item)) for each in columns])


class _Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _inert(cell: str) -> str:
    if cell == "-":
        return ""  # how a table shows that there is nothing
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


_FORMS: dict[str, Callable[[Listing, _Items, View], Iterator[str]]] = {
    "name": _names,
    "jsonl": _json_lines,
    "csv": _csv,
}
