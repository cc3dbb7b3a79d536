# SPDX-License-Identifier: Apache-2.0
"""Text and tables in Markdown."""

import re
from collections.abc import Iterable, Iterator


def cell(value: object) -> str:
    """Text in a table: nothing in it is Markdown but code in backticks."""
    pieces = re.split(r"(``?[^`]+``?)", " ".join(str(value).split()))
    plain = [each if each.startswith("`") else re.sub(r"([\\*_<>\[\]])", r"\\\1", each) for each in pieces]
    return "".join(plain).replace("|", r"\|")


def code(value: object) -> str:
    """Text in a table, as code; a dash for none."""
    return f"`{value}`".replace("|", r"\|") if str(value) else "-"


def table(head: Iterable[str], body: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of cells."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in body)
    yield ""
