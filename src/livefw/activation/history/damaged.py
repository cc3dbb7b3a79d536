# SPDX-License-Identifier: Apache-2.0
"""A damaged history file: how it is detected, set aside, and continued by a new file.

Nothing is ever written to a damaged file: SQLite would write as long as the pages that it touches are intact, and the
new rows might be lost with the others, or destroy what could still be read.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, NamedTuple

from livefw.activation.history import schema
from livefw.activation.history.rows import NO_HEAD, ROWS, Head, digest, is_hash
from livefw.errors import TransportError

_CODES = frozenset({1, 11, 19, 20, 24, 26})
"""SQLite's ERROR, CORRUPT, CONSTRAINT, MISMATCH, FORMAT and NOTADB: because the statements never change, the file is
wrong. IOERR, FULL and BUSY are about the disk."""
_SHORT_READ = 522
_TAIL = 8
"""Rows at the end that are checked whenever the file is opened for writing."""
_SMALL = 512 << 10
"""Files up to this size (bytes) are checked completely then; that takes some milliseconds for four hundred
activations."""
_SUSPECTED = ".suspected"
"""Suffix of the file that a reader makes when it finds damage: the next writer then checks every page."""
_MOST = 20
"""Damaged pages that are reported; a destroyed file has thousands."""
_OLD_INTENTS = 100
_WHY = 300


class Flaw(NamedTuple):
    """Something that is not as it was written: its row or page (0 if unknown), and what is wrong."""

    sequence: int
    text: str
    page: int = 0

    def __str__(self) -> str:
        place = f"row {self.sequence}: " if self.sequence else f"page {self.page}: " if self.page else ""
        return place + self.text


class Damaged(TransportError):  # noqa: N818 - says what is wrong without the suffix
    """A history that cannot be read, or not completely; ``flaws`` say where."""

    def __init__(self, path: str, flaws: list[Flaw]) -> None:
        super().__init__(
            f"the history {path} is damaged: {'; '.join(map(str, flaws[:3]))}",
            hint="livefw history --verify lists all of them; the next activation keeps the file and continues in a"
            " new one",
            phase="history",
        )
        self.flaws = flaws


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged; false for errors of the disk, locks and permissions."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _CODES or code == _SHORT_READ


def pages(connection: sqlite3.Connection, error: sqlite3.Error | None = None, *, deep: bool = False) -> list[Flaw]:
    """The damaged pages of a file; the text of ``error`` if SQLite finds none.

    ``deep`` also compares the indices with the rows: a row that is missing in an index is not shown.
    """
    found: list[Flaw] = []
    try:
        for (text,) in connection.execute(f"PRAGMA {'integrity' if deep else 'quick'}_check({_MOST})"):
            found += [_page(line) for line in str(text).split("\n") if line not in ("ok", "*** in database main ***")]
    except sqlite3.Error as stopped:
        found.append(_by_error(stopped))
    return found or ([_by_error(error)] if error else [])


def suspect(path: str) -> None:
    """Mark a file as damaged, so that the next writer checks it; without effect for users who may not write."""
    with suppress(OSError):
        os.close(os.open(path + _SUSPECTED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _forget(path: str, found: list[Flaw]) -> None:
    if not found:
        with suppress(OSError):
            os.unlink(path + _SUSPECTED)


def _by_error(error: sqlite3.Error) -> Flaw:
    is_none = getattr(error, "sqlite_errorcode", 0) & 0xFF == 26
    return Flaw(0, "its header is not a database header", 1) if is_none else Flaw(0, str(error))


def _page(line: str) -> Flaw:
    """A line of SQLite's integrity check, such as ``Tree 2 page 7 cell 3: 2nd reference to page 9``."""
    import re  # only if something is wrong

    number = re.search(r"\bpage (\d{1,10})\b", line, re.IGNORECASE)
    return Flaw(0, line, int(number[1]) if number else 0)


def at_a_glance(connection: sqlite3.Connection, path: str, number: int) -> list[Flaw]:
    """The flaws that can be found in some milliseconds, before anything is written. `sqlite3.Error`.

    A file of an older schema is about to be rewritten, and is checked completely.
    """
    found = [Flaw(0, text) for text in schema.differences(connection, number)]
    if found:
        return found
    page, count = (connection.execute(f"PRAGMA page_{name}").fetchone()[0] for name in ("size", "count"))
    logged, there = (
        size(f"{path}-wal"),
        os.path.getsize(path),
    )  # in this order: rows leave the log after they are in the file
    if there < page * count and not logged:
        found.append(Flaw(0, f"it ends here, and had {count} pages", there // page + 1))
    if page * count <= _SMALL or number < schema.VERSION or os.path.lexists(path + _SUSPECTED):
        found += pages(connection, deep=True)
        _forget(path, found)
    return found or ([*_end(connection)] if number == schema.VERSION else [])


def _end(connection: sqlite3.Connection) -> Iterator[Flaw]:
    """The flaws of the last rows, and of the tables that note where the chain begins and ends."""
    base, noted = (one_row(connection, name) for name in ("base", "head"))
    if base is None or noted is None:
        yield Flaw(0, f"the row of the table {'base' if base is None else 'head'} is missing or invalid")
        return
    query = f"{ROWS} ORDER BY sequence DESC LIMIT {_TAIL + 1}"
    rows = [row for row in reversed(connection.execute(query).fetchall()) if row[0] > base.sequence]
    before = base if len(rows) <= _TAIL else None
    last = base
    for row in rows:
        if before is not None and (row[0] != before.sequence + 1 or row[-1] != digest(before.hash, row[:-1])):
            yield Flaw(row[0], "its content, or that of the row before it, is not what was written")
        before = last = Head(row[0], row[-1])
    if last != noted:
        yield Flaw(last.sequence, f"the last row was once {noted.sequence}, and is {last.sequence} now")


def one_row(connection: sqlite3.Connection, table: str) -> Head | None:
    """The head in a table of one row; None if it has none. `sqlite3.Error`."""
    rows = connection.execute(f"SELECT sequence, hash FROM {table}").fetchall()  # noqa: S608 - constant names
    if len(rows) != 1 or not isinstance(rows[0][0], int) or rows[0][0] < 0:
        return None
    found = Head(*rows[0])
    return found if found == NO_HEAD or (found.sequence and is_hash(found.hash)) else None


class SetAside(NamedTuple):
    """A damaged file that was renamed: its new name, last known head, flaw, and number of intents without an outcome.

    ``directory`` is where it is. The history itself contains only the name, because directories may be renamed.
    """

    file: str
    head: Head | None
    why: str
    unfinished: list[str]
    directory: str = ""

    @property
    def text(self) -> str:
        """One line for a person."""
        kept = os.path.join(self.directory, self.file)
        return f"the history was damaged ({self.why}); it is kept as {kept}, and a new one continues from there"

    def body(self) -> dict[str, Any]:
        """The body of the first row of the new file."""
        return {
            "file": self.file,
            "head": str(self.head) if self.head else None,
            "text": self.why,
            "unfinished": self.unfinished,
        }


def salvage(path: str, flaws: list[Flaw], opened: Callable[[str], sqlite3.Connection]) -> SetAside:
    """What the new file has to know of a damaged one, as far as it can be read, and its new name."""
    why = "; ".join(map(str, flaws[:3]))[:_WHY]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{os.path.basename(path)}.damaged-{stamp}"
    number = 1
    while any(os.path.lexists(os.path.join(os.path.dirname(path), name + end)) for end in ("", "-wal", "-shm")):
        number += 1
        name = f"{os.path.basename(path)}.damaged-{stamp}-{number}"
    head: Head | None = None
    intents: list[str] = []
    with suppress(sqlite3.Error, schema.Unfit), closing(opened(path)) as connection:
        schema.require_tables(connection)
        with suppress(sqlite3.Error):
            head = one_row(connection, "head")
        if head is None:
            with suppress(sqlite3.Error):
                rows = connection.execute("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1").fetchall()
                head = next((Head(*row) for row in rows if row[0] > 0 and is_hash(row[1])), None)
        with suppress(sqlite3.Error):
            query = "SELECT activation FROM unfinished ORDER BY sequence DESC LIMIT ?"
            intents = [str(row[0]) for row in connection.execute(query, (_OLD_INTENTS,))]
    return SetAside(name, None if head == NO_HEAD else head, why, intents, os.path.dirname(path))


def keep(path: str, aside: SetAside, new: str) -> None:
    """Rename the damaged file and its log, and put the file ``new`` in its place. OSError.

    Nothing is lost if this is killed: the old names go after the new ones are on disk, and `finish` continues from
    there.
    """
    directory = os.path.dirname(path)
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.link(path + end, os.path.join(directory, aside.file + end))
    sync(directory)
    os.rename(new, f"{path}.next")
    sync(directory)
    finish(path)


def finish(path: str) -> None:
    """Put a complete new file in the place of a damaged one, if `keep` was killed before that. OSError.

    The write-ahead log has to go first: SQLite would apply it to the new file.
    """
    if not os.path.lexists(f"{path}.next"):
        return
    for end in ("-wal", "-shm", "-journal", _SUSPECTED):
        with suppress(FileNotFoundError):
            os.unlink(path + end)
    sync(os.path.dirname(path))
    os.rename(f"{path}.next", path)
    sync(os.path.dirname(path))


def sync(path: str) -> None:
    """Sync a file or a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_above(path: str) -> None:
    """Sync the directories above a file, each for its entry in the one above. OSError.

    A directory that cannot be read is not ours and existed before.
    """
    while (above := os.path.dirname(path)) != path:
        path = above
        with suppress(PermissionError):
            sync(path)


def size(path: str) -> int:
    """The size of a file that its writer may remove at any time; 0 if it is gone."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
