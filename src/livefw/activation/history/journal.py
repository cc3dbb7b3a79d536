# SPDX-License-Identifier: Apache-2.0
"""The record of every activation: intent before the write, outcome after, in an append-only SQLite file.

Rows are never changed. A row carries the hash of all that came before it, so that a changed, removed, inserted or
reordered row is found (`livefw.activation.history.verify`). What nobody can find from the file alone: a whole chain
written anew, or rows cut from its end together with the note of its head. Against that, heads that are kept elsewhere
help; every outcome in the system journal carries one (`livefw.activation.history.anchors`), and so does a seal by a key
that is not on this disk (`livefw.activation.history.seal`).

Time is written down as the wall clock told it and never used to order rows: a clock that goes backwards changes
nothing but the times shown.

A file that is damaged is never written: it is kept under another name, and a new one continues its chain
(`livefw.activation.history.damaged`).
"""

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from livefw import reading
from livefw.activation.history import damaged, opening, schema
from livefw.activation.history.damaged import Damaged, Flaw, SetAside
from livefw.activation.history.rows import (
    ENDINGS,
    NO_HEAD,
    ROWS,
    Activation,
    Head,
    HistoryRow,
    Page,
    RowKind,
    digest,
    encode,
    history_row,
    is_archive,
)
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.errors import LivefwError, PermissionDenied, Refused, TransportError, UsageError

if TYPE_CHECKING:
    from livefw.activation.history.archive import Archived, ArchiveStep, Cut

__all__ = [
    "ENDINGS",
    "FILE",
    "KEEP",
    "Activation",
    "Damaged",
    "Flaw",
    "Head",
    "HistoryRow",
    "Journal",
    "JournalUnavailable",
    "Page",
    "RowKind",
    "digest",
]

FILE = "history.db"
KEEP = 1000
"""Activations that stay when older ones are archived, where nothing else is said."""
_BALLAST = "reserve"
_BALLAST_BYTES = 256 * 1024
"""Kept on disk while an activation runs and given up if the disk is full when its outcome has to be written.

An outcome's row is some kilobytes; SQLite's write-ahead log and index need a few pages each on top.
"""

_LAST = 2**63 - 1
"""No sequence is larger: SQLite's own limit."""
_ENDED = "SELECT activation FROM entry WHERE kind IN (?, ?)"
_OPEN = "WHERE sequence IN (SELECT sequence FROM unfinished) ORDER BY sequence"
_FROM = "SELECT min(sequence) FROM entry"
_TO = "SELECT max(sequence) FROM entry"
_FIRST = "NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.activation = entry.activation AND e.sequence < entry.sequence)"
"""Of an activation only its first row."""

Row = tuple[Any, ...]


class JournalUnavailable(Refused):
    """The journal cannot be written, so no activation is begun."""


class Journal:
    """The history file of one machine. Any number of processes may use it at the same time.

    ``set_aside`` says that the file was damaged, and where it is now, if this very journal found that.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        number: int = schema.VERSION,
        seal: Seal = UNSEALED,
        inode: int | None = None,
        set_aside: SetAside | None = None,
    ) -> None:
        """Use `open`, `open_to_read` or `open_file`; ``inode`` only of what may be written."""
        self._connection = connection
        self._path = path
        self._directory = os.path.dirname(path)
        self._wall_ns = wall_ns
        self._schema = number
        self._seal = seal
        self._inode = inode
        self._doubted = False
        self.set_aside = set_aside

    @classmethod
    def open(cls, directory: str, *, wall_ns: Callable[[], int] = time.time_ns, seal: Seal = UNSEALED) -> Self:
        """Open for writing, making directory and file where missing; `JournalUnavailable` if that cannot be.

        A damaged file is set aside. Nothing is promised yet about the disk: `begin` finds out before anything is tried.
        """
        path = os.path.join(directory, FILE)
        try:
            reading.make_directories(directory, 0o750)
            _require_ours(directory)
            with opening.alone(directory):
                damaged.finish(path)
                opening.begin(path)
                opening.regular(path, os.O_RDWR | os.O_NOFOLLOW)
                flaws = opening.glance(path)
                aside = opening.replaced(path, flaws, wall_ns, seal) if flaws else None
                connection = opening.ready(path)
            try:
                return cls(connection, path, wall_ns=wall_ns, seal=seal, inode=os.stat(path).st_ino, set_aside=aside)
            except BaseException:
                connection.close()
                raise
        except schema.Unfit as error:
            raise JournalUnavailable(
                f"{path} {error}",
                hint="use the livefw that wrote it, move it away, choose another --state DIR, or say --no-journal",
                phase="record",
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(directory, error) from error

    @classmethod
    def open_to_read(cls, directory: str) -> Self | None:
        """As `open_file`, of a state directory; `UsageError` if others can write it."""
        try:
            _require_ours(directory)
        except reading.Untrusted as error:
            raise UsageError(f"the history is not believed: {error}", hint=error.hint, phase="history") from error
        except OSError as error:
            raise _unreadable(os.path.join(directory, FILE), error) from error
        return cls.open_file(os.path.join(directory, FILE))

    @classmethod
    def open_file(cls, path: str) -> Self | None:
        """Open without ever writing; None if there is no such file. `TransportError`, `Damaged`."""
        try:
            opening.regular(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            connection, number = opening.to_read(path)
        except schema.Unfit as error:
            raise TransportError(f"{path} {error}", phase="history") from error
        except sqlite3.Error as error:
            raise opening.unreadable(path, error) from error
        return cls(connection, path, number=number)

    @property
    def connection(self) -> sqlite3.Connection:
        """For what verifies and archives."""
        return self._connection

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def schema(self) -> int:
        """The number of its schema."""
        return self._schema

    def close(self) -> None:
        """Release the file, and the space that was kept back."""
        self._connection.close()

    def begin(self, component: str, body: dict[str, Any], *, kind: RowKind = RowKind.INTENT) -> str:
        """Write an intent and make sure it is on disk; the name of the activation. `JournalUnavailable`."""
        activation = os.urandom(8).hex()
        try:
            _keep_ballast(self._directory)
            self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(self._directory, error) from error
        return activation

    def end(self, activation: str, component: str, body: dict[str, Any], *, kind: RowKind = RowKind.OUTCOME) -> Head:
        """Write the outcome of an intent. `TransportError` if even giving up the reserve does not help."""
        return self._add_at_any_cost(kind, activation, component, body)

    def note(self, kind: RowKind, component: str, body: dict[str, Any]) -> Head:
        """Write a row that belongs to no intent; errors as for `end`."""
        return self._add_at_any_cost(kind, os.urandom(8).hex(), component, body)

    def head(self) -> Head:
        """The last row; that of what came before this file if it has none."""
        rows = self._read("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1")
        return Head(*rows[0]) if rows else self.base()

    def base(self) -> Head:
        """The last row of what came before this file: of an archive, or of a file that was set aside."""
        if self._schema < schema.INDEXED:
            return NO_HEAD
        rows = self._read("SELECT sequence, hash FROM base")
        return Head(*rows[0]) if rows else NO_HEAD

    def unfinished(self) -> list[HistoryRow]:
        """Intents without an outcome, oldest first."""
        if self._schema < schema.INDEXED:
            query = f"{ROWS} WHERE kind IN (?, ?) AND activation NOT IN ({_ENDED}) ORDER BY sequence"
            return [*map(history_row, self._read(query, *ENDINGS, *ENDINGS.values()))]
        return [*map(history_row, self._read(f"{ROWS} {_OPEN}"))]

    def recent(self, component: str, kind: RowKind, *, limit: int) -> list[HistoryRow]:
        """The last rows of one kind about one component, newest first."""
        query = f"{ROWS} WHERE component = ? AND kind = ? ORDER BY sequence DESC LIMIT ?"
        return [*map(history_row, self._read(query, component, kind, limit))]

    def latest(self, kind: RowKind) -> HistoryRow | None:
        """The last row of one kind."""
        rows = self._read(f"{ROWS} WHERE kind = ? ORDER BY sequence DESC LIMIT 1", kind)
        return history_row(rows[0]) if rows else None

    def rows(self, *, after: int = 0) -> Iterator[HistoryRow]:
        """All rows, or those after one, oldest first."""
        return map(history_row, self._walk(f"{ROWS} WHERE sequence > ? ORDER BY sequence", after))

    def activations(self, *, component: str | None = None, since_ns: int | None = None) -> list[Activation]:
        """What was done, oldest first.

        With ``since_ns`` (wall clock) everything from the first row at or after that time on: if the clock went
        backwards, rows are shown rather than hidden.
        """
        found: dict[str, Activation] = {}
        begun = since_ns is None
        for row in self.rows():
            begun = begun or since_ns is None or row.time_ns >= since_ns
            if not begun or (component is not None and row.component != component):
                continue
            known = found.get(row.activation, Activation(None, None))
            found[row.activation] = known._replace(intent=row) if row.kind in ENDINGS else known._replace(ending=row)
        return list(found.values())

    def page(
        self,
        limit: int,
        *,
        before: int | None = None,
        components: Collection[str] | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Page:
        """At most ``limit`` activations, by their first row, newest first; no more is read than is given back.

        ``before`` is that of the page before this one. With ``since_ns`` and ``until_ns`` (wall clock) it is
        everything from the first row at or after the one to the last row at or before the other: if the clock went
        backwards, rows are shown rather than hidden.
        """
        asked = self.walk(before=before, components=components, since_ns=since_ns, until_ns=until_ns)
        found = [*islice(asked, limit + 1)]
        return Page(found[:limit], found[limit - 1].first_row.sequence if 0 < limit < len(found) else None)

    def walk(
        self,
        *,
        before: int | None = None,
        components: Collection[str] | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Iterator[Activation]:
        """As `page`, one by one and without an end; only one is held."""
        first, last = self._between(since_ns, until_ns)
        last = last if before is None else min(last, before - 1)
        return (self._whole(history_row(row)) for row in self._firsts(first, last, components))

    def components(self) -> list[str]:
        """Keys of every component that a row is about, in order."""
        found: list[str] = []
        # One step of the index for each key; DISTINCT would go through all rows.
        rows = self._read("SELECT min(component) FROM entry")
        while rows and isinstance(rows[0][0], str):
            found.append(rows[0][0])
            rows = self._read("SELECT min(component) FROM entry WHERE component > CAST(? AS TEXT)", encode(found[-1]))
        return found

    def _between(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
        """Sequences of the first and of the last row of a time; the first after the last if there is none."""
        by = "INDEXED BY entry_time" if self._schema >= schema.INDEXED else ""
        first, last = 1, _LAST
        if since_ns is not None:
            first = self._read(f"{_FROM} {by} WHERE time_ns >= ?", since_ns)[0][0] or _LAST
        if until_ns is not None:
            last = self._read(f"{_TO} {by} WHERE time_ns <= ?", until_ns)[0][0] or 0
        return first, last

    def _firsts(self, first: int, last: int, components: Collection[str] | None) -> Iterator[Row]:
        """First rows of activations, newest first."""
        query = f"{ROWS} WHERE sequence BETWEEN ? AND ? AND {_FIRST}"
        newest = "ORDER BY sequence DESC"
        if components is None:
            return self._walk(f"{query} {newest}", first, last)
        # One walk through the index for each: with IN, SQLite would collect and sort all rows before the first.
        each = (
            self._walk(f"{query} AND component = CAST(? AS TEXT) {newest}", first, last, encode(component))
            for component in set(components)
        )
        return merge(*each, key=lambda row: row[0], reverse=True)

    def _whole(self, first: HistoryRow) -> Activation:
        """An activation by its first row."""
        if first.kind not in ENDINGS:
            return Activation(None, first)
        # A row of another kind has to be shown somewhere, too: it is damaged, or of another livefw.
        query = (
            f"{ROWS} WHERE activation = CAST(? AS TEXT) AND sequence > ? ORDER BY kind = ? DESC, sequence DESC LIMIT 1"
        )
        rows = self._read(query, encode(first.activation), first.sequence, ENDINGS[first.kind])
        return Activation(first, history_row(rows[0]) if rows else None)

    def _read(self, query: str, *arguments: object) -> list[Row]:
        """All rows of a question that has few; `Damaged`, or what a file that was set aside for it would say."""
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            if self._inode is None or self.set_aside or not damaged.is_damage(error):
                raise opening.unreadable(self._path, error, self._connection) from error
            self._set_aside(error)
        return self._read(query, *arguments)

    def _walk(self, query: str, *arguments: object) -> Iterator[Row]:
        """Rows one by one, however many there are; `Damaged` between any two."""
        try:
            for row in self._connection.execute(query, arguments):  # noqa: UP028 - who stops early may have closed us
                yield row
        except sqlite3.Error as error:
            raise opening.unreadable(self._path, error, self._connection) from error

    def archive(
        self, cut: "Cut", *, file: str | None = None, at: Callable[["ArchiveStep"], None] = lambda _: None
    ) -> "Archived":
        """Move older rows into a file of their own. Whoever asks holds the machine's lock; errors as for it."""
        from livefw.activation.history import archive  # only where somebody asks

        connection, wall_ns = self._connection, self._wall_ns()
        try:
            return archive.archive(connection, self._path, cut, file=file, time_ns=wall_ns, seal=self._seal, at=at)
        except sqlite3.Error as error:
            raise opening.unreadable(self._path, error, connection) from error

    def archives(self) -> list[str]:
        """Files of archives that are found: beside the history, and where rows of it say."""
        found = {os.path.join(self._directory, each) for each in os.listdir(self._directory) if is_archive(each)}
        for row in self._walk(f"{ROWS} WHERE kind = ?", RowKind.ARCHIVED):
            path = history_row(row).body.get("file")
            if isinstance(path, str) and os.path.isfile(path):
                found.add(path)
        return sorted(found)

    def _add_at_any_cost(self, kind: RowKind, activation: str, component: str, body: dict[str, Any]) -> Head:
        try:
            return self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error, LivefwError):
            _drop_ballast(self._directory)
        try:
            return self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error, LivefwError) as error:
            raise TransportError(
                f"the outcome could not be recorded in {self._path}: {error}",
                hint="make room; the next command finds the open intent and settles it by looking at the machine",
                component=component,
                phase="record",
            ) from error

    def _append(self, kind: RowKind, activation: str, component: str, body: dict[str, Any]) -> Head:
        self._follow()
        try:
            return self._append_here(kind, activation, component, body)
        except sqlite3.Error as error:
            if self.set_aside or not damaged.is_damage(error):
                raise
            self._set_aside(error)
        return self._append(kind, activation, component, body)

    def _append_here(self, kind: RowKind, activation: str, component: str, body: dict[str, Any]) -> Head:
        # IMMEDIATE: from reading the head to the new row nobody else may add one, or the chain would fork.
        with opening.transaction(self._connection):
            return opening.append(self._connection, (kind, activation, component, body), self._wall_ns(), self._seal)

    def _follow(self) -> None:
        """Go on in the file that has taken the place of this one, if somebody has found it damaged meanwhile."""
        try:
            now = os.stat(self._path).st_ino
        except FileNotFoundError:
            now = None
        if now != self._inode:
            self._reopen()

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Put a new file in the place of this one, unless somebody has, or nothing is found and it is the first time.

        SQLite may call a file malformed of which the disk has not answered a part. The connection is closed after that:
        SQLite leaves a file alone that has been moved, and its log as well.
        """
        with opening.alone(self._directory):
            if os.stat(self._path).st_ino == self._inode:
                flaws = damaged.pages(self._connection, error if self._doubted else None)
                if flaws:
                    opening.require_answer(self._path)
                    self.set_aside = opening.replaced(self._path, flaws, self._wall_ns, self._seal)
        self._doubted = True
        self._reopen()

    def _reopen(self) -> None:
        self._connection.close()
        again = type(self).open(self._directory, wall_ns=self._wall_ns, seal=self._seal)
        self._connection, self._inode = again._connection, again._inode  # noqa: SLF001 - one of our own
        self.set_aside = again.set_aside or self.set_aside


def _require_ours(directory: str) -> None:
    """OSError where somebody else can write the history, or a file of it is no regular one; nothing is opened.

    SQLite opens its files by name: where this holds, nobody else can put others in their place.
    """
    for name in ("", FILE, f"{FILE}-wal", f"{FILE}-shm", _BALLAST, opening.ALONE):
        path = os.path.join(directory, name) if name else directory
        with suppress(FileNotFoundError):
            reading.judge(path, directory=not name)


def _keep_ballast(directory: str) -> None:
    """Take disk space now that the outcome may need later; OSError if there is none."""
    path = os.path.join(directory, _BALLAST)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(descriptor).st_blocks * 512 < _BALLAST_BYTES:
            os.posix_fallocate(descriptor, 0, _BALLAST_BYTES)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _drop_ballast(directory: str) -> None:
    with suppress(OSError):  # a disk that has died meanwhile; that the outcome cannot be written is told
        os.unlink(os.path.join(directory, _BALLAST))


def _unreadable(path: str, error: OSError) -> TransportError:
    kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
    return kind(f"{path} cannot be read: {error.strerror}", phase="history", errno=error.errno)


def _unavailable(directory: str, error: Exception) -> JournalUnavailable:
    return JournalUnavailable(
        f"the history in {directory} cannot be written: {_why(error)}",
        hint="an activation without a record is not begun; mend it, choose another --state DIR, or say --no-journal",
        phase="record",
        errno=getattr(error, "errno", None),
    )


def _why(error: Exception) -> str:
    """With the path where it is about one; SQLite's own errors have none."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(getattr(error, "strerror", None) or error)
