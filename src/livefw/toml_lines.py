# SPDX-License-Identifier: Apache-2.0
"""The line on which each key of a TOML document stands.

`tomllib` does not tell. It can parse each statement alone, though, and no part of a statement is one: a newline stands
inside a list or a text of several lines only, which are not closed before the end of the statement. So the shortest run
of lines that parses is one statement.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from livefw import toml

_MOST = 1 << 16
"""Bytes of a document that is read for this; of a larger one no line is known."""
_LONGEST = 200
"""Lines of one statement at most: each is parsed with all before it."""


def lines(text: bytes) -> dict[str, int]:
    """The line of each key by its path, as in `window[0].from`; empty if it is no TOML.

    A list of tables has the line of its first one.
    """
    found: dict[str, int] = {}
    if len(text) > _MOST:
        return found
    counts: dict[str, int] = {}
    table = ""
    for number, statement in _statements(text.decode("utf-8", "replace").splitlines()):
        header = statement.lstrip().startswith("[")
        try:
            document = toml.loads(statement.encode())
        except ValueError:
            return found
        paths = list(_paths(document, table="" if header else table, counts=counts, opens=header))
        for path in paths:
            found.setdefault(path, number)
        if header:
            table = paths[-1]
    return found


def line_of(path: str, known: Mapping[str, int]) -> int:
    """The line of a key, or of the table that it would be in; 0 if that is not known."""
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return known.get(path, 0)


def _statements(text: list[str]) -> Iterator[tuple[int, str]]:
    """Each statement and the number of its first line."""
    start = 0
    for end, line in enumerate(text):
        if start == end and (not line.strip() or line.lstrip().startswith("#")):
            start = end + 1
            continue
        statement = "\n".join(text[start : end + 1])
        try:
            toml.loads(statement.encode())
        except ValueError:
            if end - start >= _LONGEST:
                return
            continue
        yield start + 1, statement
        start = end + 1


def _paths(document: Mapping[str, Any], *, table: str, counts: dict[str, int], opens: bool) -> Iterator[str]:
    """The paths of the keys in one statement, the innermost last; ``opens``: it is the header of a table."""
    for name, value in document.items():
        path = f"{table}.{name}" if table else name
        if opens and path in counts and not isinstance(value, list):
            path = f"{path}[{counts[path]}]"  # a table in the last one of a list
        yield path
        if isinstance(value, dict):
            yield from _paths(value, table=path, counts=counts, opens=opens)
        elif isinstance(value, list):
            for each in (row for row in value if isinstance(row, dict)):
                number = counts[path] = counts.get(path, -1) + 1
                yield f"{path}[{number}]"
                yield from _paths(each, table=f"{path}[{number}]", counts=counts, opens=opens)
