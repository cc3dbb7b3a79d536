# SPDX-License-Identifier: Apache-2.0
"""What is too wide for a terminal, on more lines; a file or a pipe gets it whole, for those who search in it.

Lines break between words and continue under their text. A table (`livefw.text.table`) whose rows are too wide puts the
columns that do not fit on lines of their own below each row, and below the heading. No word is lost or cut: one that
is wider than the terminal stands alone, and the terminal breaks it.
"""

import re
from collections.abc import Iterator, Sequence

from livefw import text as plain

_LEAST = 20
"""A terminal narrower than this breaks the lines itself."""
_LABEL = re.compile(r" *(?:\S+(?: \S+)* {2,})?")
"""What the lines after the first stand under: the text beside a label such as ``   cost       ``."""
_HEADING = re.compile(r"[A-Z][A-Z?]*(?: [A-Z]+)*(?: {2,}[A-Z][A-Z?]*(?: [A-Z]+)*)+")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_WHOLE = re.compile(r"  by hand: | *next: ")
"""Before a command that somebody may want to copy."""
_BELOW = 4
"""How far the further lines of a row stand in."""


def fold(text: str, columns: int) -> str:
    """The text with no line wider than this, but for words that are."""
    if columns < _LEAST:
        return text
    lines, folded = text.split("\n"), list[str]()
    while lines:
        if _HEADING.fullmatch(lines[0]) and (rows := _rows(lines)):
            del lines[: len(rows)]
            folded += _table(rows, columns)
        else:
            folded += _line(lines.pop(0), columns)
    return "\n".join(folded)


def width(text: str) -> int:
    """Columns that text takes on a terminal, which may be in colour (`livefw.render.style`)."""
    return plain.width(_COLOR.sub("", text) if "\x1b" in text else text)


def _line(line: str, columns: int) -> Iterator[str]:
    if width(line) <= columns or _WHOLE.match(line):
        yield line
        return
    label = _LABEL.match(line)
    under = len(label[0]) if label else 0
    others = under if under <= columns // 2 else len(line) - len(line.lstrip())
    # What stands before the text stays as it is, blanks and all.
    yield from _wrapped(line[under:], line[:under], " " * (others + 2), columns)


def _wrapped(text: str, first: str, others: str, columns: int) -> Iterator[str]:
    """The words of a text, the first line after ``first`` and each other one after ``others``."""
    line, empty = first, True
    for word in text.split():
        if line.strip() and width(line) + (not empty) + width(word) > columns:
            yield line.rstrip()
            line, empty = others, True
        line += word if empty else f" {word}"
        empty = False
    yield line.rstrip() if empty else line


def _rows(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """The table that begins here, heading first; a line that does not keep to the columns is none of it."""
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S+(?: \S+)*", lines[0])]
    rows = []
    for line in lines:
        places = _places(line)
        if line[:1] in ("", " ") or any("".join(places[start - 2 : start]).strip() for start in starts[1:]):
            break
        ends = [*starts[1:], len(places)]
        rows.append(tuple("".join(places[start:end]).rstrip() for start, end in zip(starts, ends, strict=True)))
    return rows


def _places(line: str) -> list[str]:
    """What stands in each column of the terminal."""
    places: list[str] = []
    for character in line:
        wide = width(character)
        if wide == 0 and places:
            places[-1] += character
        else:
            places += [character, ""] if wide == 2 else [character]
    return places


def _table(rows: Sequence[tuple[str, ...]], columns: int) -> Iterator[str]:
    """The rows, each on as many lines as its columns need."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    groups = _groups(widths, columns)
    for row in rows:
        for number, group in enumerate(groups):
            cells = [row[index] for index in group]
            if number and all(cell in ("", "-") for cell in cells):
                continue
            indent = " " * (_BELOW if number else 0)
            *before, last = (
                cell.ljust(widths[index] - width(cell) + len(cell)) for cell, index in zip(cells, group, strict=True)
            )
            first = indent + "".join(f"{cell}  " for cell in before)
            yield from _wrapped(last, first, " " * width(first), columns)


def _groups(widths: Sequence[int], columns: int) -> list[list[int]]:
    """Which columns stand on which line."""
    groups: list[list[int]] = [[]]
    taken = 0
    for index, needed in enumerate(widths):
        if groups[-1] and taken + 2 + needed > columns:
            groups.append([])
            taken = _BELOW - 2
        groups[-1].append(index)
        taken += 2 + needed
    return groups
