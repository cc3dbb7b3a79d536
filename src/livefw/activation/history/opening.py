# SPDX-License-Identifier: Apache-2.0
"""Opens the files of a history for writing or reading, makes new ones, and replaces damaged ones."""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from livefw import reading
from livefw.activation.history import chain, damaged, schema
from livefw.activation.history.damaged import Damaged, Flaw, SetAside
from livefw.activation.history.rows import NO_HEAD, RowKind, decode
from livefw.activation.history.seal import Seal
from livefw.errors import TransportError

_BUSY_MS = 10_000
"""How long to wait for another writer. A row takes milliseconds; ten seconds means that the disk hangs."""


_LONGEST = 4 << 20
"""Bytes of one value at most. Our rows have some kilobytes; a larger value would be read before it could be judged."""
_CHUNK = 1 << 20
_MOST_ASKED = 1 << 30
"""Bytes of a file that are read for this; for the rest SQLite's result is accepted."""
ALONE = ".writer"
"""An empty file beside the history, which is locked."""

_BESIDE = ("-wal", "-shm")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction: everything in it, or nothing."""
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
    """Let one process at a time prepare the file: SQLite does not wait while the journal mode changes.

    A separate file is locked, which only its owner can open. Everybody may open and lock the directory (flock(2)), so
    any user could block root's activations.
    """
    path = os.path.join(directory, ALONE)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def regular(path: str, flags: int) -> None:
    """Open and close a file; OSError if it cannot be opened or is not a regular file. A FIFO would block."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
    finally:
        os.close(descriptor)


def connected(path: str, mode: str) -> sqlite3.Connection:
    """A connection in one of SQLite's open modes. SQLite opens the file later. `sqlite3.Error`."""
    uri = f"file:{_quoted(path)}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.text_factory = decode
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    return connection


def made(path: str, first: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Make a complete history and sync it; ``first`` writes its first row. OSError, `sqlite3.Error`.

    It is made under another name: after a power cut, a file under the final name might be unreadable or incomplete.
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
    """Remove what a killed process left behind."""
    for end in ("", *_BESIDE, "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + end)


def _is_empty(path: str) -> bool:
    """Whether a file is empty or does not exist. OSError if that cannot be determined."""
    try:
        return os.lstat(path).st_size == 0
    except FileNotFoundError:
        return True


def begin(path: str) -> None:
    """Make the first history, if there is none. OSError, `sqlite3.Error`.

    Older versions made it under its final name. If that was interrupted, the file may be empty, and SQLite may have to
    roll it back, which it does when it may write.
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
    """Raise what is wrong with a file that is to be written. `schema.Unfit`, `sqlite3.Error`, OSError.

    SQLite also reports damage if the disk did not return a part of the file; the next read may succeed.
    """
    flaws = _glance(path)
    if flaws:
        require_answer(path)
        flaws = _glance(path)
    return flaws


def require_answer(path: str) -> None:
    """Raise OSError if the disk does not return a part of a file: its content may be intact.

    Holes are not read, because a sparse file may have a terabyte of them, and no more than `_MOST_ASKED` bytes are.
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
    """The ranges of a file that contain data; all of it if the file system does not report holes (lseek(2))."""
    end = 0
    with suppress(OSError):  # ENXIO: no more data
        while True:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            yield begin, end


def _glance(path: str) -> list[Flaw]:
    """Read only: closing a damaged file that is open for writing would apply its log to it."""
    if os.path.getsize(path) == 0:
        return [Flaw(0, "it is empty, and its log is not", 1)] if damaged.size(f"{path}-wal") else []
    with closing(connected(path, "ro")) as connection:
        try:
            connection.execute("BEGIN")  # one snapshot: others may write meanwhile
            return damaged.at_a_glance(connection, path, schema.number(connection))
        except sqlite3.Error as error:
            if not damaged.is_damage(error):
                raise
            return damaged.pages(connection, error)


def ready(path: str) -> sqlite3.Connection:
    """Open an intact file, with the present schema. `schema.Unfit`, `sqlite3.Error`."""
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
    """Replace a damaged file by a new one, whose first row is about it. OSError, `sqlite3.Error`."""
    aside = damaged.salvage(path, flaws, lambda each: connected(each, "ro"))

    def first(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("UPDATE base SET sequence = ?, hash = ?", aside.head or NO_HEAD)
            chain.append(connection, (RowKind.SET_ASIDE, os.urandom(8).hex(), "", aside.body()), wall_ns(), seal)

    made(f"{path}.new", first)
    damaged.keep(path, aside, f"{path}.new")
    return aside


def to_read(path: str) -> tuple[sqlite3.Connection, int]:
    """Open for reading; returns the number of the schema too. `schema.Unfit`, `sqlite3.Error`.

    A reader of a write-ahead log needs to make a file beside it. If it may not, and the log is empty, the main file
    alone is complete.
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
    """The error for SQLite's error; `Damaged` with the flaws if the file is damaged."""
    if not damaged.is_damage(error):
        return TransportError(f"{path} cannot be read: {error}", phase="history")
    damaged.suspect(path)
    if connection is not None:
        return Damaged(path, damaged.pages(connection, error))
    with closing(connected(path, "ro")) as again:
        return Damaged(path, damaged.pages(again, error))


def _quoted(path: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-~" else "".join(f"%{b:02x}" for b in os.fsencode(c)) for c in path)
