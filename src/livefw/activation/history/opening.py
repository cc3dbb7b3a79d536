# SPDX-License-Identifier: Apache-2.0
"""Files of a history: opened to write or to read, made, and put in the place of a damaged one."""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from livefw import reading
from livefw.activation.history import damaged, schema
from livefw.activation.history.damaged import Damaged, Flaw, SetAside
from livefw.activation.history.rows import NO_HEAD, Head, RowKind, bounded, decode, digest
from livefw.activation.history.seal import Seal
from livefw.errors import TransportError

_BUSY_MS = 10_000
"""How long to wait for another writer. A row is written in milliseconds; ten seconds is a disk that hangs."""


_LONGEST = 4 << 20
"""Bytes of one value. A row of ours has some kilobytes; one of a gigabyte would be held before it could be judged."""
_CHUNK = 1 << 20
_MOST_ASKED = 1 << 30
"""Bytes of a file that are read for this; of what is longer, SQLite's word is taken."""
ALONE = ".writer"
"""Beside the history, and empty."""

_BESIDE = ("-wal", "-shm")

INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def append(
    connection: sqlite3.Connection, facts: tuple[RowKind, str, str, dict[str, Any]], time_ns: int, seal: Seal
) -> Head:
    """Add a row, within a transaction. `sqlite3.Error`."""
    kind, activation, component, body = facts
    found = connection.execute("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1").fetchone()
    last = Head(*(found or connection.execute("SELECT sequence, hash FROM base").fetchone()))
    row = (last.sequence + 1, str(kind), activation, component, time_ns, bounded(body))
    head = Head(last.sequence + 1, digest(last.hash, row))
    connection.execute(INSERT, (*row, head.hash, seal.of(head.hash)))
    connection.execute("UPDATE head SET sequence = ?, hash = ?", head)
    return head


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def alone(directory: str) -> Iterator[None]:
    """One process at a time makes a file what it has to be: SQLite does not wait when the journal mode changes.

    A file of its own is locked, which only its owner can open. Everybody may open the directory, and so may lock it
    (flock(2)): an ordinary user would keep root from every activation.
    """
    path = os.path.join(directory, ALONE)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def regular(path: str, flags: int) -> None:
    """Open and close a file; OSError if that cannot be. A pipe in its place would keep us waiting for ever."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
    finally:
        os.close(descriptor)


def connected(path: str, mode: str) -> sqlite3.Connection:
    """Open in a mode of SQLite's; it finds out later whether it can. `sqlite3.Error`."""
    uri = f"file:{_quoted(path)}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_MS / 1000, isolation_level=None)
    connection.text_factory = decode
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    return connection


def made(path: str, first: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Make a history, whole and on disk, of which ``first`` writes the first row. OSError, `sqlite3.Error`.

    Under its own name it would, after a power cut, be one that nobody can read, or that SQLite wants to mend first.
    """
    _clear(path)
    regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    with closing(connected(path, "rw")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        schema.migrate(connection)
        first(connection)
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
    for end in _BESIDE:
        with suppress(FileNotFoundError):
            os.unlink(path + end)


def _clear(path: str) -> None:
    """Take away what somebody has left who was killed."""
    for end in ("", *_BESIDE, "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + end)


def _is_empty(path: str) -> bool:
    """Whether there is nothing in a file, or no file; OSError where that cannot be told."""
    try:
        return os.lstat(path).st_size == 0
    except FileNotFoundError:
        return True


def begin(path: str) -> None:
    """Make the first history here, if there is none. OSError, `sqlite3.Error`.

    An older livefw made it under its own name. Where that was cut short the file may be empty, and SQLite may want to
    take back what was begun, which it does when it may write.
    """
    if not _is_empty(f"{path}-journal") and _is_empty(f"{path}-wal"):
        regular(path, os.O_RDWR | os.O_NOFOLLOW)
        with closing(connected(path, "rw")) as connection:
            schema.number(connection)
    if not (_is_empty(path) and _is_empty(f"{path}-wal")):
        return
    with suppress(FileNotFoundError):
        regular(path, os.O_RDWR | os.O_NOFOLLOW)
    made(f"{path}.new")
    with suppress(FileNotFoundError):
        os.unlink(f"{path}-journal")
    damaged.sync_above(path)
    os.rename(f"{path}.new", path)
    damaged.sync(os.path.dirname(path))


def glance(path: str) -> list[Flaw]:
    """What is wrong with a file that is to be written. `schema.Unfit`, `sqlite3.Error`, OSError.

    SQLite finds flaws also where the disk has not answered, and a disk may answer the next time.
    """
    flaws = _glance(path)
    if flaws:
        require_answer(path)
        flaws = _glance(path)
    return flaws


def require_answer(path: str) -> None:
    """OSError where the disk does not answer for a part of a file: what is there may be sound.

    No disk is asked for holes, of which a file in the place of a history may have a terabyte, nor for more than
    `_MOST_ASKED`.
    """
    for each in (path, f"{path}-wal"):
        with suppress(FileNotFoundError), reading.opened(each, follow=False) as file:
            left = _MOST_ASKED
            for begin, end in _written(file.fileno()):
                file.seek(begin)
                end = min(end, begin + left)
                while (there := end - file.tell()) > 0 and file.read(min(there, _CHUNK)):
                    pass
                left -= end - begin


def _written(descriptor: int) -> Iterator[tuple[int, int]]:
    """Where a file has data, from and to; all of it where the file system knows nothing of holes (lseek(2))."""
    end = 0
    with suppress(OSError):  # ENXIO: there is no more
        while True:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            yield begin, end


def _glance(path: str) -> list[Flaw]:
    """Read only: to close a damaged file that is open for writing would play its log into it."""
    if os.path.getsize(path) == 0:
        return [Flaw(0, "it is empty, and its log is not", 1)] if damaged.size(f"{path}-wal") else []
    with closing(connected(path, "ro")) as connection:
        try:
            connection.execute("BEGIN")  # one moment: others write meanwhile
            return damaged.at_a_glance(connection, path, schema.number(connection))
        except sqlite3.Error as error:
            if not damaged.is_damage(error):
                raise
            return damaged.pages(connection, error)


def ready(path: str) -> sqlite3.Connection:
    """Open what is not damaged, with the present schema. `schema.Unfit`, `sqlite3.Error`."""
    connection = connected(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        schema.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def replaced(path: str, flaws: list[Flaw], wall_ns: Callable[[], int], seal: Seal) -> SetAside:
    """Put a new file in the place of a damaged one, with a first row that says so. OSError, `sqlite3.Error`."""
    aside = damaged.salvage(path, flaws, lambda each: connected(each, "ro"))

    def first(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("UPDATE base SET sequence = ?, hash = ?", aside.head or NO_HEAD)
            append(connection, (RowKind.SET_ASIDE, os.urandom(8).hex(), "", aside.body()), wall_ns(), seal)

    made(f"{path}.new", first)
    damaged.keep(path, aside, f"{path}.new")
    return aside


def to_read(path: str) -> tuple[sqlite3.Connection, int]:
    """Open, with the number of the schema. `schema.Unfit`, `sqlite3.Error`.

    A reader of a write-ahead log wants to make a file beside it; where it may not, and nothing waits in the log, the
    file alone is the whole truth.
    """
    try:
        return _as_it_is(path, "ro")
    except sqlite3.Error:
        if damaged.size(f"{path}-wal"):
            raise
        return _as_it_is(path, "ro&immutable=1")


def _as_it_is(path: str, mode: str) -> tuple[sqlite3.Connection, int]:
    connection = connected(path, mode)
    try:
        number = schema.number(connection)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not number:
            raise schema.Unfit("is empty")
        schema.require_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection, number


def unreadable(path: str, error: sqlite3.Error, connection: sqlite3.Connection | None = None) -> TransportError:
    """The error for what SQLite says, with the places of the damage if that is what it is."""
    if not damaged.is_damage(error):
        return TransportError(f"{path} cannot be read: {error}", phase="history")
    damaged.suspect(path)
    if connection is not None:
        return Damaged(path, damaged.pages(connection, error))
    with closing(connected(path, "ro")) as again:
        return Damaged(path, damaged.pages(again, error))


def _quoted(path: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-~" else "".join(f"%{b:02x}" for b in os.fsencode(c)) for c in path)
