# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/explanation/mechanisms.md, made from what the providers declare.

``python -m livefw.providers.comparison docs/explanation/mechanisms.md`` writes them into the document anew.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from livefw.providers import ocp
from livefw.providers.declaration import Declaration, declaration
from livefw.providers.registry import MECHANISMS


def page(document: str) -> str:
    """The document with every table as the code has it; ValueError if it has no place for one."""
    declared = [found for name in MECHANISMS if (found := declaration(name))]
    return fill(document, {"concepts": concepts(declared), "ocp": requirements(declared)})


def fill(document: str, tables: Mapping[str, str]) -> str:
    """A document with each table in its place; ValueError if there is none for one."""
    for name, lines in tables.items():
        before, start, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not (start and end):
            raise ValueError(f"there is no place for the table {name}")
        document = f"{before}{start}{lines}{end}{after}"
    return document


def concepts(declared: Sequence[Declaration]) -> str:
    """Every mechanism against every concept of the model."""
    columns = [dict(each.concepts()) for each in declared]
    rows = [(concept, *(column[concept] for column in columns)) for concept in columns[0]]
    return table(("Concept", *(each.title for each in declared)), rows)


def requirements(declared: Sequence[Declaration]) -> str:
    """Every mechanism against what OCP asks for."""
    answers = [[str(answer) for _, answer in ocp.answers(each)] for each in declared]
    rows = [(f"{row.ident}: {row.text}", *cells) for row, *cells in zip(ocp.REQUIREMENTS, *answers, strict=True)]
    return table(("Requirement", *(each.title for each in declared)), rows)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [_line(heading), "|" + "---|" * len(heading) + "\n", *map(_line, rows)]
    return "".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
