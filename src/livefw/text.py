# SPDX-License-Identifier: Apache-2.0
"""Text that came from a firmware or a kernel, made safe to keep and safe to show.

Such text may hold anything: escape sequences that rewrite a terminal, bytes that are no UTF-8, marks that turn the
reading direction. It is kept as it came (`decode`), and escaped where a person reads it (`printable`).
"""

import os


def errno_text(error: OSError) -> str:
    """What the operating system says of an error; the error's own words where it carries no errno."""
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


def decode(raw: bytes) -> str:
    """Bytes as text that JSON can carry: UTF-8, and ``\\xff`` where it is not."""
    return raw.decode("utf-8", "backslashreplace")


def whole(text: str) -> str:
    """The text with each half of a surrogate pair that stands alone written out, as JSON may hold one: nothing could
    encode it, neither the history nor D-Bus nor a file."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> str:
    """The text on one line, with every character that does not simply print escaped as in a Python string.

    That covers control characters, line and paragraph separators, marks that turn the reading direction, and
    surrogates. A backslash is doubled, so that what is shown can be read back without doubt.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escape(c) for c in text)


def printable_lines(lines: list[str]) -> str:
    """Several of them, each on a line of its own."""
    return "\n".join(map(printable, lines))


def harmless(text: str) -> str:
    """As `printable`, but a backslash stays one: for text of which some is escaped already."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(c: str) -> str:
    return c.encode("unicode_escape", "surrogatepass").decode("ascii") if c.isascii() or ord(c) > 0xFF else _byte(c)


def _byte(c: str) -> str:
    return f"\\x{ord(c):02x}"


def width(text: str) -> int:
    """Columns that printable text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, columns: int, ellipsis: str = "\u2026") -> str:
    """Printable text in at most so many columns of a terminal; an ellipsis stands for what is missing."""
    if width(text) <= columns:
        return text
    left, kept = columns - width(ellipsis), 0
    for c in text:
        left -= _columns(c)
        if left < 0:
            break
        kept += 1
    return text[:kept] + ellipsis


def left_to_right(text: str) -> str:
    """Printable text that leaves its neighbours where they are: letters that are read from right to left are escaped.

    A terminal that knows them turns round the numbers beside them as well, and would show one version for another.
    """
    if text.isascii():
        return text
    from unicodedata import bidirectional  # firmware names are ASCII as a rule

    return "".join(_escape(c) if bidirectional(c) in ("R", "AL", "AN") else c for c in text)


def _columns(c: str) -> int:
    if c.isascii():
        return 1
    from unicodedata import category, east_asian_width

    if category(c) in ("Mn", "Me") or "\u1160" <= c <= "\u11ff":  # the latter join the Hangul before them
        return 0
    return 2 if east_asian_width(c) in "WF" else 1


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of printable text in aligned columns, the first row being the heading; no trailing blanks."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell + " " * (limit - width(cell)) for cell, limit in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)
