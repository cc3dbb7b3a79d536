# SPDX-License-Identifier: Apache-2.0
"""The journal of the history: intent before the request, outcome after it, in an append-only SQLite file.

Rows are never changed. Each row carries a hash over all rows before it, so that a changed, removed, inserted or moved
row is found (`livefw.activation.history.verify`). The file alone cannot show that the whole chain was rewritten, or
that rows were cut from its end together with the note of its head. Heads that are kept elsewhere can: every outcome in
the system journal carries one (`livefw.activation.history.anchors`). A seal by a key that is not on this disk can too
(`livefw.activation.history.seal`).

Rows contain the time of the wall clock, but are never ordered by it: if the clock goes backwards, only the times that
are shown are wrong.

A damaged file is never written. It is renamed, and a new file continues its chain
(`livefw.activation.history.damaged`).
"""

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from heapq import merge
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Self

from livefw import reading
from livefw.activation.history import chain, damaged, opening, origin, reserve, schema
from livefw.activation.history.damaged import Damaged, Flaw, SetAside
from livefw.activation.history.origin import Origin
from livefw.activation.history.rows import (
    ENDINGS,
    NO_HEAD,
    ROWS,
    Activation,
    Head,
    HistoryPage,
    HistoryRow,
    RowKind,
    digest,
    encode,
    history_row,
    is_archive,
    new_id,
)
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.activation.history.tally import Tally, tally
from livefw.activation.paths import HISTORY_FILE
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
    "HistoryPage",
    "HistoryRow",
    "Journal",
    "JournalUnavailable",
    "RowKind",
    "digest",
]

FILE = HISTORY_FILE
KEEP = 1000
"""Activations that stay by default when older ones are archived."""
_AT_ONCE = 256
"""Rows that are read at once where those of other machines have to be passed over."""
_LAST = 2**63 - 1
"""SQLite's largest integer: no sequence is larger."""
_ENDED = "SELECT activation FROM entry WHERE kind IN (?, ?)"
_OPEN = "WHERE sequence IN (SELECT sequence FROM unfinished) ORDER BY sequence"
_FROM = "SELECT min(sequence) FROM entry"
_TO = "SELECT max(sequence) FROM entry"
_PENDING = "kind = 'pending'"
_FIRST = (
    "kind <> 'pending' AND "
    "NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.activation = entry.activation AND e.sequence < entry.sequence)"
)
"""Selects only the first row of an activation."""

Row = tuple[Any, ...]


class JournalUnavailable(Refused):
    """The journal cannot be written, so no activation is started."""


class Journal:
    """The history file of a machine. Any number of processes may use it at the same time.

    If it is opened for a machine, its rows say so, `unfinished`, `recent`, `latest` and `tally` leave out those of
    others, and `Activation.own` tells them apart.
    ``set_aside`` is the damaged file that this object found and renamed; None if there was none.
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
        machine: Origin | None = None,
    ) -> None:
        """Use `open`, `open_to_read` or `open_file`; ``inode`` is given only if the file may be set aside."""
        self._connection = connection
        self._path = path
        self._directory = os.path.dirname(path)
        self._wall_ns = wall_ns
        self._schema = number
        self._seal = seal
        self._inode = inode
        self._doubted = False
        self._machine = machine
        self.set_aside = set_aside

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        seal: Seal = UNSEALED,
        repair: bool = True,
        machine: Origin | None = None,
    ) -> Self:
        """Open for writing; directory and file are made if they do not exist, and a damaged file is set aside.

        This does not show that the disk is writable; `begin` does, before anything is tried. Without ``repair`` a
        damaged file stays as it is, for a program whose user would not see what became of it.

        Raises:
            JournalUnavailable: the history cannot be opened or made.
            Damaged: it is damaged, and not to be repaired.
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
                if flaws and not repair:
                    raise Damaged(path, flaws)
                aside = opening.replaced(path, flaws, wall_ns, seal) if flaws else None
                connection = opening.ready(path)
            try:
                inode = os.stat(path).st_ino if repair else None
                return cls(connection, path, wall_ns=wall_ns, seal=seal, inode=inode, set_aside=aside, machine=machine)
            except BaseException:
                connection.close()
                raise
        except schema.Unfit as error:
            raise JournalUnavailable(
                f"{path} {error}",
                hint="use the livefw that wrote it, move it away, choose another --state DIR, or use --no-journal",
                phase="record",
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(directory, error) from error

    @classmethod
    def open_to_read(cls, directory: str, root: str | None = None) -> Self | None:
        """Open the history of a state directory for reading; None if there is none.

        ``root`` is that of the machine it is opened for, without symbolic links; None for every machine.

        Raises:
            UsageError: other users can write it.
            PermissionDenied, TransportError: it cannot be read.
            Damaged: it is damaged.
        """
        try:
            _require_ours(directory)
        except reading.Untrusted as error:
            raise UsageError(f"the history is not used: {error}", hint=error.hint, phase="history") from error
        except OSError as error:
            raise _unreadable(os.path.join(directory, FILE), error) from error
        return cls.open_file(os.path.join(directory, FILE), root)

    @classmethod
    def open_file(cls, path: str, root: str | None = None) -> Self | None:
        """Open a file for reading; None if it does not exist. ``root`` as in `open_to_read`.

        Raises:
            PermissionDenied, TransportError: it cannot be read.
            Damaged: it is damaged.
        """
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
        return cls(connection, path, number=number, machine=None if root is None else origin.here(root))

    @property
    def connection(self) -> sqlite3.Connection:
        """The SQLite connection, for verification and archiving."""
        return self._connection

    @property
    def path(self) -> str:
        """The path of the file."""
        return self._path

    @property
    def schema(self) -> int:
        """The number of its schema."""
        return self._schema

    def close(self) -> None:
        """Close the file; the reserved space stays for the next activation."""
        self._connection.close()

    def begin(self, component: str, body: dict[str, Any], *, kind: RowKind = RowKind.INTENT) -> str:
        """Write an intent and sync it to disk; returns the id of the activation.

        Raises:
            JournalUnavailable: the row cannot be written.
        """
        activation = new_id()
        try:
            reserve.keep(self._directory)
            self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(self._directory, error) from error
        return activation

    def end(self, activation: str, component: str, body: dict[str, Any], *, kind: RowKind = RowKind.OUTCOME) -> Head:
        """Write the outcome of an intent; returns the new head.

        Raises:
            TransportError: it cannot be written, even after the reserved space was given up.
        """
        return self._add_at_any_cost(kind, activation, component, body)

    def note(self, kind: RowKind, component: str, body: dict[str, Any], *, activation: str = "") -> Head:
        """Write a row that belongs to no intent, with a new id or this one; returns the new head. `TransportError` as
        in `end`."""
        return self._add_at_any_cost(kind, activation or new_id(), component, body)

    def note_all(self, kind: RowKind, choose: Callable[[], list[tuple[str, dict[str, Any]]]]) -> None:
        """Write rows that belong to no intent, each a component and a body.

        ``choose`` returns them. While it is called no other program can write, so that it can look whether they are
        there. The reserved space is not given up for them, and a seal is not left out where the last row has one.

        Raises:
            TransportError: they cannot be written.
        """
        try:
            with opening.transaction(self._connection):
                last = self._connection.execute("SELECT seal FROM entry ORDER BY sequence DESC LIMIT 1").fetchone()
                if last and last[0] and not self._seal.keys:
                    raise TransportError("the history is sealed, and the key is not here", phase="record")
                for component, body in choose():
                    facts = kind, os.urandom(8).hex(), component, self._marked(component, body)
                    chain.append(self._connection, facts, self._wall_ns(), self._seal)
        except (OSError, sqlite3.Error) as error:
            raise TransportError(f"{self._path} cannot be written: {error}", phase="record") from error

    def tally(self) -> Tally:
        """How often each component of this machine had each outcome, in this file and its archives."""
        try:
            return tally(self._connection, base=self.base().sequence, is_own=self.is_own)
        except sqlite3.Error as error:
            raise opening.unreadable(self._path, error, self._connection) from error

    def has_activations(self) -> bool:
        """Whether there are rows about more than what is pending."""
        return bool(self._read("SELECT 1 FROM entry WHERE kind <> 'pending' LIMIT 1"))

    def count(self, kind: RowKind, since_ns: int, until_ns: int, *, component: str | None = None) -> int:
        """How many rows of one kind were written between two times (wall clock), of one component or of all."""
        query = "SELECT count(*) FROM entry WHERE kind = ? AND time_ns BETWEEN ? AND ?"
        if component is None:
            return int(self._read(query, kind, since_ns, until_ns)[0][0])
        query = f"{query} AND component = CAST(? AS TEXT)"
        return int(self._read(query, kind, since_ns, until_ns, encode(component))[0][0])

    def head(self) -> Head:
        """The last row; the base if the file has no row."""
        rows = self._read("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1")
        return Head(*rows[0]) if rows else self.base()

    def base(self) -> Head:
        """The last row before this file: of an archive, or of a file that was set aside."""
        if self._schema < schema.INDEXED:
            return NO_HEAD
        rows = self._read("SELECT sequence, hash FROM base")
        return Head(*rows[0]) if rows else NO_HEAD

    def unfinished(self) -> list[HistoryRow]:
        """Intents without an outcome, oldest first."""
        if self._schema < schema.INDEXED:
            query = f"{ROWS} WHERE kind IN (?, ?) AND activation NOT IN ({_ENDED}) ORDER BY sequence"
            return [*self._own(self._read(query, *ENDINGS, *ENDINGS.values()))]
        return [*self._own(self._read(f"{ROWS} {_OPEN}"))]

    def recent(self, component: str, kind: RowKind, *, limit: int, before: int = _LAST) -> list[HistoryRow]:
        """The last rows of one kind about one component, newest first, of those before a row."""
        return self._newest(
            "component = CAST(? AS TEXT) AND kind = ?", encode(component), kind, limit=limit, before=before
        )

    def latest(self, kind: RowKind) -> HistoryRow | None:
        """The last row of one kind."""
        return next(iter(self._newest("kind = ?", kind, limit=1)), None)

    def rows(self, *, after: int = 0) -> Iterator[HistoryRow]:
        """All rows, or those after one, oldest first."""
        return map(history_row, self._walk(f"{ROWS} WHERE sequence > ? ORDER BY sequence", after))

    def activations(self, *, component: str | None = None, since_ns: int | None = None) -> list[Activation]:
        """All activations, oldest first.

        With ``since_ns`` (wall clock), those from the first row at or after that time: if the clock went backwards, too
        many are shown rather than too few.
        """
        found: dict[str, Activation] = {}
        begun = since_ns is None
        for row in self.rows():
            begun = begun or since_ns is None or row.time_ns >= since_ns
            if not begun or row.kind is RowKind.PENDING or (component is not None and row.component != component):
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
        activations: Collection[str] | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        pending: bool = False,
    ) -> HistoryPage:
        """At most ``limit`` activations, newest first; not more rows are read than returned.

        ``components`` are keys and ``activations`` ids: those of either; None for both are all. ``before`` is the
        value of the page before this one. ``since_ns`` and ``until_ns`` (wall clock) select everything from the first
        row at or after the one to the last row at or before the other: if the clock went backwards, too many are shown
        rather than too few. ``pending`` selects, instead of all activations and other rows, those of the kind
        `RowKind.PENDING`.
        """
        wanted = {"components": components, "activations": activations}
        asked = self.walk(before=before, since_ns=since_ns, until_ns=until_ns, pending=pending, **wanted)
        found = [*islice(asked, limit + 1)]
        return HistoryPage(found[:limit], found[limit - 1].first_row.sequence if 0 < limit < len(found) else None)

    def walk(
        self,
        *,
        before: int | None = None,
        components: Collection[str] | None = None,
        activations: Collection[str] | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        pending: bool = False,
    ) -> Iterator[Activation]:
        """As `page`, one by one and without a limit; only one is in memory at a time."""
        first, last = self._between(since_ns, until_ns)
        last = last if before is None else min(last, before - 1)
        rows = self._firsts(_PENDING if pending else _FIRST, first, last, components, activations)
        return (self._whole(history_row(row)) for row in rows)

    def beginning(self, prefix: str, *, limit: int) -> list[str]:
        """The ids of activations that begin with hexadecimal digits, in order, at most ``limit``."""
        query = "SELECT DISTINCT activation FROM entry WHERE activation >= ? AND activation < ? AND kind <> 'pending'"
        return [str(row[0]) for row in self._read(f"{query} ORDER BY 1 LIMIT ?", prefix, f"{prefix}g", limit)]

    def components(self) -> list[str]:
        """The keys of all components that have rows, in order."""
        found: list[str] = []
        # One index lookup for each key; DISTINCT would read all rows.
        rows = self._read("SELECT min(component) FROM entry")
        while rows and isinstance(rows[0][0], str):
            found.append(rows[0][0])
            rows = self._read("SELECT min(component) FROM entry WHERE component > CAST(? AS TEXT)", encode(found[-1]))
        return found

    def _newest(self, which: str, *arguments: object, limit: int, before: int = _LAST) -> list[HistoryRow]:
        """The last rows about this machine that ``which`` selects, newest first."""
        query = f"{ROWS} WHERE {which} AND sequence < ? ORDER BY sequence DESC LIMIT ?"
        found: list[HistoryRow] = []
        rows = self._read(query, *arguments, before, limit)
        found += self._own(rows)
        while rows and len(found) < limit and len(rows) >= limit:  # rows of other machines are among them
            rows = self._read(query, *arguments, rows[-1][0], max(limit, _AT_ONCE))
            found += self._own(rows)
        return found[:limit]

    def is_own(self, row: HistoryRow) -> bool:
        """Whether a row is about the machine for which the history was opened."""
        return self._machine is None or self._machine.is_of(row)

    def _own(self, rows: Iterable[Row]) -> Iterator[HistoryRow]:
        """The rows about this machine."""
        return filter(self.is_own, map(history_row, rows))

    def _between(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
        """The sequences of the first and the last row of a period; the first is larger than the last if there is
        none."""
        by = "INDEXED BY entry_time" if self._schema >= schema.INDEXED else ""
        first, last = 1, _LAST
        if since_ns is not None:
            first = self._read(f"{_FROM} {by} WHERE time_ns >= ?", since_ns)[0][0] or _LAST
        if until_ns is not None:
            last = self._read(f"{_TO} {by} WHERE time_ns <= ?", until_ns)[0][0] or 0
        return first, last

    def _firsts(
        self,
        which: str,
        first: int,
        last: int,
        components: Collection[str] | None,
        activations: Collection[str] | None,
    ) -> Iterator[Row]:
        """The rows that ``which`` selects, newest first."""
        query = f"{ROWS} WHERE sequence BETWEEN ? AND ? AND {which}"
        newest = "ORDER BY sequence DESC"
        if components is None and activations is None:
            return self._walk(f"{query} {newest}", first, last)
        # One index scan for each: with IN, SQLite would collect and sort all rows before it returns the first.
        each = (
            self._walk(f"{query} AND {column} = CAST(? AS TEXT) {newest}", first, last, encode(value))
            for column, values in (("component", components), ("activation", activations))
            for value in set(values or ())
        )
        merged = merge(*each, key=lambda row: row[0], reverse=True)
        return (next(rows) for _, rows in groupby(merged, key=lambda row: row[0]))

    def _whole(self, first: HistoryRow) -> Activation:
        """The activation with this first row."""
        if first.kind not in ENDINGS:
            return Activation(None, first, own=self.is_own(first))
        # A row of an unknown kind is shown by itself: it is damaged, or of a newer livefw.
        query = (
            f"{ROWS} WHERE activation = CAST(? AS TEXT) AND sequence > ? ORDER BY kind = ? DESC, sequence DESC LIMIT 1"
        )
        rows = self._read(query, encode(first.activation), first.sequence, ENDINGS[first.kind])
        return Activation(first, history_row(rows[0]) if rows else None, own=self.is_own(first))

    def _read(self, query: str, *arguments: object) -> list[Row]:
        """All rows of a query with few rows. `Damaged`, also if a file was set aside for it."""
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            if self._inode is None or self.set_aside or not damaged.is_damage(error):
                raise opening.unreadable(self._path, error, self._connection) from error
            self._set_aside(error)
        return self._read(query, *arguments)

    def _walk(self, query: str, *arguments: object) -> Iterator[Row]:
        """The rows of a query, one by one. `Damaged` between any two."""
        try:
            for row in self._connection.execute(query, arguments):  # noqa: UP028 - the caller may stop early and close this
                yield row
        except sqlite3.Error as error:
            raise opening.unreadable(self._path, error, self._connection) from error

    def archive(
        self, cut: "Cut", *, file: str | None = None, at: Callable[["ArchiveStep"], None] = lambda _: None
    ) -> "Archived":
        """Move older rows into a file of their own. The caller holds the machine's lock. Errors are those of
        `archive.archive`."""
        from livefw.activation.history import archive  # only for this

        connection, wall_ns = self._connection, self._wall_ns()
        try:
            return archive.archive(
                connection, self._path, cut, file=file, time_ns=wall_ns, seal=self._seal, machine=self._machine, at=at
            )
        except sqlite3.Error as error:
            raise opening.unreadable(self._path, error, connection) from error

    def archives(self) -> list[str]:
        """Paths of the archives beside the history, and of those that its rows name."""
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
            reserve.drop(self._directory)
        try:
            return self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error, LivefwError) as error:
            raise TransportError(
                f"the outcome could not be recorded in {self._path}: {error}",
                hint="free some space; the next command finds the open intent and settles it from the state of the"
                " machine",
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
        # IMMEDIATE: no other writer may add a row between reading the head and writing, or the chain would fork.
        with opening.transaction(self._connection):
            facts = kind, activation, component, self._marked(component, body)
            return chain.append(self._connection, facts, self._wall_ns(), self._seal)

    def _marked(self, component: str, body: dict[str, Any]) -> dict[str, Any]:
        """The fields of a row; those about a component say of which machine it is."""
        return self._machine.marked(body) if self._machine and component else body

    def _follow(self) -> None:
        """Switch to the file that has replaced this one, if another process found it damaged meanwhile."""
        try:
            now = os.stat(self._path).st_ino
        except FileNotFoundError:
            now = None
        if now != self._inode:
            self._reopen()

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Replace this file, unless another process has done it, or the first check finds no damage.

        SQLite may report a file as malformed if the disk did not return a part of it. The connection is closed after
        that: SQLite does not touch a file that was renamed, or its log.
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
        again = type(self).open(self._directory, wall_ns=self._wall_ns, seal=self._seal, machine=self._machine)
        self._connection, self._inode = again._connection, again._inode  # noqa: SLF001 - the same class
        self.set_aside = again.set_aside or self.set_aside


def _require_ours(directory: str) -> None:
    """Raise OSError if another user can write the history, or if a file of it is not a regular one; nothing is opened.

    SQLite opens its files by name: if this holds, no other user can replace them.
    """
    for name in ("", FILE, f"{FILE}-wal", f"{FILE}-shm", reserve.FILE, opening.ALONE):
        path = os.path.join(directory, name) if name else directory
        with suppress(FileNotFoundError):
            reading.judge(path, directory=not name)


def _unreadable(path: str, error: OSError) -> TransportError:
    kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
    return kind(f"{path} cannot be read: {error.strerror}", phase="history", errno=error.errno)


def _unavailable(directory: str, error: Exception) -> JournalUnavailable:
    return JournalUnavailable(
        f"the history in {directory} cannot be written: {_why(error)}",
        hint="an activation is not started without a history; fix it, choose another --state DIR, or use --no-journal",
        phase="record",
        errno=getattr(error, "errno", None),
    )


def _why(error: Exception) -> str:
    """The error text with the path if it has one; SQLite's errors have none."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(getattr(error, "strerror", None) or error)
