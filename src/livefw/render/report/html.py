# SPDX-License-Identifier: Apache-2.0
"""A report as one page in HTML, which needs nothing else: no script, no font, no network.

It is HTML and well-formed XML at once. Every text is escaped where it becomes part of the page, in `_text`, and nothing
else makes markup of a text. The policy in its head keeps a browser from loading anything, whatever a text would say.
"""

from collections.abc import Iterator, Sequence
from html import escape

from livefw.activation.measure.plot import STYLE
from livefw.render.report.blocks import Block, CodeLines, FactTable, PageTable, Paragraph, Picture, Section
from livefw.text import printable

MARK = "livefw report"
"""By which a file is known as a report."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --line: #c8ccd4; --soft: #f3f4f6; --warn: #a40000; --ink: #1a1a1a; --ground: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444a55; --soft: #22262e; --warn: #ff8a80; --ink: #e4e6ea; --ground: #16181d; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 15px/1.5 sans-serif; }
body { color: var(--ink); background: var(--ground); }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: 0.8rem 0; }
caption { text-align: left; font-weight: bold; padding: 0.3rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.5rem; border-bottom: 1px solid var(--line); }
th, td, h3, p, pre { overflow-wrap: anywhere; }
table.facts th { width: 13rem; font-weight: normal; }
pre { white-space: pre-wrap; background: var(--soft); padding: 0.5rem; margin: 0.4rem 0; }
figure { margin: 0.8rem 0; } figcaption { font-weight: bold; }
p.warning { color: var(--warn); font-weight: bold; border-left: 4px solid var(--warn); padding-left: 0.6rem; }
svg { max-width: 100%; height: auto; }
a { color: inherit; }
@page { margin: 18mm; }
@media print {
  :root { color-scheme: light; --line: #bbb; --soft: #fff; --warn: #a40000; --ink: #000; --ground: #fff; }
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  h2, h3, caption, figcaption { break-after: avoid; }
  h3 { break-before: auto; } tr, pre, figure, svg, p { break-inside: avoid; }
  thead { display: table-header-group; }
}
"""


def pieces(blocks: Iterator[Block], *, title: str, version: str) -> Iterator[str]:
    """The page, piece by piece; ``version`` is that of the livefw that makes it."""
    yield (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8" />\n'
        f'<meta name="generator" content="{MARK} {escape(version)}" />\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}" />\n'
        '<meta name="referrer" content="no-referrer" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    for block in blocks:
        yield from _written(block)
    yield "</main>\n</body>\n</html>\n"


def _text(text: str) -> str:
    """A text from anywhere, as text of the page or value of an attribute."""
    return escape(printable(text))


def _written(block: Block) -> Iterator[str]:
    match block:
        case Section(level, title, anchor):
            ident = f' id="{_anchor(anchor)}"' if anchor else ""
            yield f"<h{level}{ident}>{_text(title)}</h{level}>\n"
        case Paragraph(text, warning):
            name = ' class="warning"' if warning else ""
            yield f"<p{name}>{_text(text)}</p>\n"
        case FactTable(caption, pairs):
            rows = "".join(
                f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>\n' for name, value in pairs
            )
            yield f'<table class="facts">\n<caption>{_text(caption)}</caption>\n<tbody>\n{rows}</tbody>\n</table>\n'
        case PageTable(caption, heading, rows, anchors):
            yield from _listing(caption, heading, rows, anchors=anchors)
        case CodeLines(caption, lines):
            shown = "\n".join(map(_text, lines))
            yield f"<figure>\n<figcaption>{_text(caption)}</figcaption>\n<pre>{shown}</pre>\n</figure>\n"
        case Picture(svg):
            yield f"<figure>\n{svg}</figure>\n"


def _listing(caption: str, heading: Sequence[str], rows: Iterator[tuple[str, ...]], *, anchors: bool) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{_text(each)}</th>' for each in heading)
    yield f"<table>\n<caption>{_text(caption)}</caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n"
    for first, *others in rows:
        name = f'<a href="#{_anchor(first)}">{_text(first)}</a>' if anchors else _text(first)
        yield f'<tr><th scope="row">{name}</th>{"".join(f"<td>{_text(each)}</td>" for each in others)}</tr>\n'
    yield "</tbody>\n</table>\n"


def _anchor(text: str) -> str:
    """A name in the page for an id of an activation, which may be anything in a damaged history."""
    return "a-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in text)
