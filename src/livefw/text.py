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
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # firmware names are ASCII as a rule

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of printable text in aligned columns, the first row being the heading; no trailing blanks."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell + " " * (limit - width(cell)) for cell, limit in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)
