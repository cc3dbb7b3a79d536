# SPDX-License-Identifier: Apache-2.0
"""A report as a page in Markdown, as CommonMark with the tables of GitHub.

Every text is escaped where it becomes part of the page. CommonMark takes any ASCII punctuation behind a backslash as
itself (section 2.4); what GitHub makes a link or a mention of without any mark is escaped as well.
"""

import re
from collections.abc import Iterator

from livefw.render.report.blocks import Block, CodeLines, FactTable, PageTable, Paragraph, Picture, Section
from livefw.text import printable

MARK = "<!-- livefw report -->"
"""The first line, by which a file is known as a report."""
_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~&$@]|:(?=//)|(?<=w)\.|^[-+=](?=[-+=\s]|$)|^\d+(?=[.)](?:\s|$))")
_FENCE = re.compile(r"`+")


def pieces(blocks: Iterator[Block]) -> Iterator[str]:
    """The page, piece by piece."""
    yield f"{MARK}\n"
    for block in blocks:
        yield "\n"
        yield from _written(block)


def _text(text: str) -> str:
    """A text from anywhere, on a line or in a cell."""
    return _MARKS.sub(_escaped, printable(text).strip()) or " "


def _escaped(found: re.Match[str]) -> str:
    mark = found[0]
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def _written(block: Block) -> Iterator[str]:
    match block:
        case Section(level, title):
            yield f"{'#' * level} {_text(title)}\n"
        case Paragraph(text, warning):
            yield f"**{_text(text)}**\n" if warning else f"{_text(text)}\n"
        case FactTable(caption, pairs):
            yield from _table(caption, ("Fact", "Value"), iter(pairs))
        case PageTable(caption, heading, rows):
            yield from _table(caption, heading, rows)
        case CodeLines(caption, lines):
            shown = [printable(line) for line in lines]
            fence = "`" * max(3, *(len(each) + 1 for line in shown for each in _FENCE.findall(line)), 3)
            yield "\n".join([f"{_text(caption)}:", "", f"{fence}text", *shown, fence, ""])
        case Picture():
            yield "The picture of these stops is in the report in HTML.\n"


def _table(caption: str, heading: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"{_text(caption)}:\n\n| {' | '.join(map(_text, heading))} |\n|{' --- |' * len(heading)}\n"
    for row in rows:
        yield f"| {' | '.join(map(_text, row))} |\n"
