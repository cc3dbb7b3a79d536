# SPDX-License-Identifier: Apache-2.0
"""A file that is not what livefw wrote: how that is noticed, named, and kept while a new one goes on in its place.

Nothing is ever written into such a file: SQLite would go on as long as the pages that it happens to touch are whole,
and what it writes then may be lost with the rest, or destroy what could still have been read.
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
"""SQLite's ERROR, CORRUPT, CONSTRAINT, MISMATCH, FORMAT and NOTADB: with statements that never change, the file's
fault. A disk that does not answer (IOERR), is full or busy is none."""
_SHORT_READ = 522
_TAIL = 8
"""Rows at the end that are looked at whenever the file is opened for writing."""
_SMALL = 512 << 10
"""Bytes up to which every page is looked at then, which takes some milliseconds: four hundred activations."""
_SUSPECTED = ".suspected"
"""End of the name of a file that a reader leaves who has met damage: whoever writes next looks at every page."""
_MOST = 20
"""Damaged pages that are named; a destroyed file has thousands."""
_OLD_INTENTS = 100
_WHY = 300


class Flaw(NamedTuple):
    """Something that is not as it was written: the row it was found at, or the page, 0 where it has none."""

    sequence: int
    text: str
    page: int = 0

    def __str__(self) -> str:
        place = f"row {self.sequence}: " if self.sequence else f"page {self.page}: " if self.page else ""
        return place + self.text


class Damaged(TransportError):  # noqa: N818 - says what is wrong without the suffix
    """A history that cannot be read, or not whole; ``flaws`` name the places."""

    def __init__(self, path: str, flaws: list[Flaw]) -> None:
        super().__init__(
            f"the history {path} is damaged: {'; '.join(map(str, flaws[:3]))}",
            hint="livefw history --verify names all; the next activation keeps the file, and goes on in a new one",
            phase="history",
        )
        self.flaws = flaws


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is at fault, and not the disk, a lock or a right."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _CODES or code == _SHORT_READ


def pages(connection: sqlite3.Connection, error: sqlite3.Error | None = None, *, deep: bool = False) -> list[Flaw]:
    """What is wrong with the pages of a file; what ``error`` says if SQLite finds nothing else.

    ``deep`` also compares the indices with the rows: a row that is in no index is not shown by the history.
    """
    found: list[Flaw] = []
    try:
        for (text,) in connection.execute(f"PRAGMA {'integrity' if deep else 'quick'}_check({_MOST})"):
            found += [_page(line) for line in str(text).split("\n") if line not in ("ok", "*** in database main ***")]
    except sqlite3.Error as stopped:
        found.append(_by_error(stopped))
    return found or ([_by_error(error)] if error else [])


def suspect(path: str) -> None:
    """Leave word that a file is damaged, for whoever wants to write into it; who may not, cannot."""
    with suppress(OSError):
        os.close(os.open(path + _SUSPECTED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _forget(path: str, found: list[Flaw]) -> None:
    if not found:
        with suppress(OSError):
            os.unlink(path + _SUSPECTED)


def _by_error(error: sqlite3.Error) -> Flaw:
    is_none = getattr(error, "sqlite_errorcode", 0) & 0xFF == 26
    return Flaw(0, "its header is not that of a database", 1) if is_none else Flaw(0, str(error))


def _page(line: str) -> Flaw:
    """A line of SQLite's, such as ``Tree 2 page 7 cell 3: 2nd reference to page 9``."""
    import re  # only where something is wrong

    number = re.search(r"\bpage (\d{1,10})\b", line, re.IGNORECASE)
    return Flaw(0, line, int(number[1]) if number else 0)


def at_a_glance(connection: sqlite3.Connection, path: str, number: int) -> list[Flaw]:
    """What can be seen of a file in some milliseconds, before anything is written into it. `sqlite3.Error`.

    One of an older schema is about to be rewritten, and looked at as a whole.
    """
    found = [Flaw(0, text) for text in schema.differences(connection, number)]
    if found:
        return found
    page, count = (connection.execute(f"PRAGMA page_{name}").fetchone()[0] for name in ("size", "count"))
    logged, there = size(f"{path}-wal"), os.path.getsize(path)  # in this order: what is played in leaves the log later
    if there < page * count and not logged:
        found.append(Flaw(0, f"it ends here, and had {count} pages", there // page + 1))
    if page * count <= _SMALL or number < schema.VERSION or os.path.lexists(path + _SUSPECTED):
        found += pages(connection, deep=True)
        _forget(path, found)
    return found or ([*_end(connection)] if number == schema.VERSION else [])


def _end(connection: sqlite3.Connection) -> Iterator[Flaw]:
    """The last rows, and the notes of where the chain begins and ends."""
    base, noted = (one_row(connection, name) for name in ("base", "head"))
    if base is None or noted is None:
        yield Flaw(0, f"the row of the table {'base' if base is None else 'head'} is missing, or makes no sense")
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
    """The head that a table of one row holds; None if it has none. `sqlite3.Error`."""
    rows = connection.execute(f"SELECT sequence, hash FROM {table}").fetchall()  # noqa: S608 - names of our own
    if len(rows) != 1 or not isinstance(rows[0][0], int) or rows[0][0] < 0:
        return None
    found = Head(*rows[0])
    return found if found == NO_HEAD or (found.sequence and is_hash(found.hash)) else None


class SetAside(NamedTuple):
    """A damaged file that was given another name: which, its last known head, why, and intents that had no outcome.

    ``directory`` is where it is; the history itself says the name only, because directories are renamed.
    """

    file: str
    head: Head | None
    why: str
    unfinished: list[str]
    directory: str = ""

    @property
    def text(self) -> str:
        """For a person."""
        kept = os.path.join(self.directory, self.file)
        return f"the history was damaged ({self.why}); it is kept as {kept}, and a new one goes on from there"

    def body(self) -> dict[str, Any]:
        """Of the first row of the new file."""
        return {
            "file": self.file,
            "head": str(self.head) if self.head else None,
            "text": self.why,
            "unfinished": self.unfinished,
        }


def salvage(path: str, flaws: list[Flaw], opened: Callable[[str], sqlite3.Connection]) -> SetAside:
    """What can still be read of a damaged file that the new one needs to know, and the name that it is to have."""
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
    """Give the damaged file its new name, with what belongs to it, and its place to the file ``new``. OSError.

    Killed anywhere, nothing is lost: the old names go when the others are on disk, and `finish` goes on from there.
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
    """Put a file that is ready in the place of a damaged one, as `keep` would have done had it lived. OSError.

    The write-ahead log has to go first: SQLite would play it into the new file.
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
    """Have a directory, or a file, on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_above(path: str) -> None:
    """Have the directories that lead to a file on disk, each by its name in the one above. OSError.

    One that we may not read is not ours, and was there before us.
    """
    while (above := os.path.dirname(path)) != path:
        path = above
        with suppress(PermissionError):
            sync(path)


def size(path: str) -> int:
    """Of a file that its writer may remove at any moment; nothing then."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
