# SPDX-License-Identifier: Apache-2.0
"""The record of every activation: intent before the write, outcome after, in an append-only SQLite file.

Rows are never changed. A row carries the hash of all that came before it, so that a changed, removed, inserted or
reordered row is found by `Journal.verify`. What nobody can find from the file alone: a whole chain written anew, or
rows cut from its end together with the note of its head. Against that, a `Head` kept elsewhere helps; every outcome
in the system journal carries one (`livefw.activation.systemd`).

Time is written down as the wall clock told it and never used to order rows: a clock that goes backwards changes
nothing but the times shown.
"""

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from hashlib import sha256
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, Self

from livefw.errors import PermissionDenied, Refused, TransportError

FILE = "history.db"
_BALLAST = "reserve"
_BALLAST_BYTES = 256 * 1024
"""Kept on disk while an activation runs and given up if the disk is full when its outcome has to be written.

An outcome's row is some kilobytes; SQLite's write-ahead log and index need a few pages each on top.
"""
_BUSY_MS = 10_000
"""How long to wait for another writer. A row is written in milliseconds; ten seconds is a disk that hangs."""


class Kind(StrEnum):
    """What a row tells."""

    INTENT = "intent"
    """The write is about to be made."""
    OUTCOME = "outcome"
    """How the activation of an intent ended; exactly one for each intent, sooner or later."""
    REFUSAL = "refusal"
    """A check or the policy stood against it, and nothing was tried."""
    CANCELLATION = "cancellation"
    """Somebody had a mechanism abandon what was begun, or tried to."""
    SETTING = "setting"
    """A setting was changed because the policy wants it so."""
    STAGING = "staging"
    """An image is about to be handed over; an intent too."""
    STAGED = "staged"
    """How the hand-over ended; alone, without STAGING, where nothing was tried."""


ENDINGS = {Kind.INTENT: Kind.OUTCOME, Kind.STAGING: Kind.STAGED}
"""Kinds of intents, and of the row that ends each."""


class Entry(NamedTuple):
    """One row. ``activation`` joins an outcome to its intent; ``time_ns`` is the wall clock; ``body`` the facts."""

    sequence: int
    kind: Kind
    activation: str
    component: str
    time_ns: int
    body: dict[str, Any]
    hash: str


class Activation(NamedTuple):
    """An intent and its outcome, where there is one; every other kind of row stands alone, as an ending."""

    intent: Entry | None
    ending: Entry | None

    @property
    def entry(self) -> Entry:
        """The first row of it."""
        entry = self.intent or self.ending
        if entry is None:
            raise ValueError("an activation without a row")
        return entry


class Page(NamedTuple):
    """Activations, newest first. ``before`` asks `Journal.page` for the next older ones; None: there are none."""

    activations: list[Activation]
    before: int | None


class Head(NamedTuple):
    """The last row at one moment: kept elsewhere, it proves later that nothing before it was touched."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SEQUENCE:HASH``; ValueError for anything else."""
        number, _, digest = text.partition(":")
        if not (number.isascii() and number.isdigit() and len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
            raise ValueError(f"{text!r} is not SEQUENCE:HASH")
        return cls(int(number), digest)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


class Flaw(NamedTuple):
    """One thing that `Journal.verify` found; ``sequence`` is the row it was found at."""

    sequence: int
    text: str


class JournalUnavailable(Refused):
    """The journal cannot be written, so no activation is begun."""


_SCHEMA_VERSION = 3
_INDEXED = 3
"""The first schema with an index of the time, and with a table of what is unfinished."""
_LAST = 2**63 - 1
"""No sequence is larger: SQLite's own limit."""
_MIGRATIONS: dict[int, str] = {
    0: """
        CREATE TABLE entry (
            sequence INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            activation TEXT NOT NULL,
            component TEXT NOT NULL,
            time_ns INTEGER NOT NULL,
            body TEXT NOT NULL,
            hash TEXT NOT NULL
        );
        CREATE INDEX entry_activation ON entry (activation, kind);
        CREATE INDEX entry_component ON entry (component);
        CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL);
        CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'rows are final'); END;
        CREATE TRIGGER entry_is_not_removed BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'rows are final'); END;
        INSERT INTO head VALUES (1, 0, '');
    """,
    1: "",  # rows may be of the kinds STAGING and STAGED
    2: """
        CREATE INDEX entry_component_kind ON entry (component, kind);
        CREATE INDEX entry_kind ON entry (kind);
        CREATE INDEX entry_time ON entry (time_ns);
        CREATE TABLE unfinished (activation TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
        INSERT OR IGNORE INTO unfinished SELECT activation, sequence FROM entry
            WHERE kind IN ('intent', 'staging')
            AND activation NOT IN (SELECT activation FROM entry WHERE kind IN ('outcome', 'staged'));
        CREATE TRIGGER entry_begins AFTER INSERT ON entry WHEN new.kind IN ('intent', 'staging')
            BEGIN INSERT OR IGNORE INTO unfinished VALUES (new.activation, new.sequence); END;
        CREATE TRIGGER entry_ends AFTER INSERT ON entry WHEN new.kind IN ('outcome', 'staged')
            BEGIN DELETE FROM unfinished WHERE activation = new.activation; END;
    """,
}
"""Statements that lead from one schema version to the next. A later version adds a line and changes none."""

_ROWS = "SELECT sequence, kind, activation, component, time_ns, body, hash FROM entry"
_ENDED = "SELECT activation FROM entry WHERE kind IN (?, ?)"
_OPEN = "WHERE sequence IN (SELECT sequence FROM unfinished) ORDER BY sequence"
_FIRST = "NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.activation = entry.activation AND e.sequence < entry.sequence)"
"""Of an activation only its first row."""


class Journal:
    """The history file of one machine. Any number of processes may use it at the same time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        directory: str,
        wall_ns: Callable[[], int],
        schema: int = _SCHEMA_VERSION,
    ) -> None:
        """Use `open` or `open_to_read`, which may meet an older schema."""
        self._schema = schema
        self._connection = connection
        self._directory = directory
        self._wall_ns = wall_ns

    @classmethod
    def open(cls, directory: str, *, wall_ns: Callable[[], int] = time.time_ns) -> Self:
        """Open for writing, making directory and file where missing; `JournalUnavailable` if that cannot be.

        Nothing is promised yet about the disk: `begin` finds out before anything is tried.
        """
        path = os.path.join(directory, FILE)
        try:
            os.makedirs(directory, mode=0o750, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640))
            connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(directory, error) from error
        try:
            _set_up(connection, directory, path)
        except (OSError, sqlite3.Error) as error:
            connection.close()
            raise _unavailable(directory, error) from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, directory, wall_ns)

    @classmethod
    def open_to_read(cls, directory: str) -> Self | None:
        """Open without ever writing; None if there is no history. `TransportError` if it cannot be read."""
        path = os.path.join(directory, FILE)
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        except OSError as error:
            kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
            raise kind(f"{path} cannot be read: {error.strerror}", phase="history", errno=error.errno) from error
        # A reader of a write-ahead log wants to make a file beside it; where it may not, and nothing waits in the log,
        # the file alone is the whole truth.
        waiting = _size(f"{path}-wal") > 0
        modes = ("mode=ro",) if waiting else ("mode=ro", "mode=ro&immutable=1")
        failure: sqlite3.Error | None = None
        for mode in modes:
            connection = sqlite3.connect(f"file:{_quoted(path)}?{mode}", uri=True, timeout=_BUSY_MS / 1000)
            try:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            except sqlite3.Error as error:
                failure = error
                connection.close()
                continue
            if not 0 < version <= _SCHEMA_VERSION:
                connection.close()
                raise TransportError(f"{path} has schema {version}; this livefw knows up to {_SCHEMA_VERSION}")
            return cls(connection, directory, time.time_ns, version)
        raise TransportError(f"{path} cannot be read: {failure}", phase="history")

    def close(self) -> None:
        """Release the file, and the space that was kept back."""
        self._connection.close()

    def begin(self, component: str, body: dict[str, Any], *, kind: Kind = Kind.INTENT) -> str:
        """Write an intent and make sure it is on disk; the name of the activation. `JournalUnavailable`."""
        activation = os.urandom(8).hex()
        try:
            _keep_ballast(self._directory)
            self._append(kind, activation, component, body)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable(self._directory, error) from error
        return activation

    def end(self, activation: str, component: str, body: dict[str, Any], *, kind: Kind = Kind.OUTCOME) -> Head:
        """Write the outcome of an intent. `TransportError` if even giving up the reserve does not help."""
        return self._add_at_any_cost(kind, activation, component, body)

    def note(self, kind: Kind, component: str, body: dict[str, Any]) -> Head:
        """Write a row that belongs to no intent; errors as for `end`."""
        return self._add_at_any_cost(kind, os.urandom(8).hex(), component, body)

    def head(self) -> Head:
        """The last row."""
        row = self._connection.execute("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1").fetchone()
        return Head(*row) if row else Head(0, "")

    def unfinished(self) -> list[Entry]:
        """Intents without an outcome, oldest first."""
        if self._schema < _INDEXED:
            query = f"{_ROWS} WHERE kind IN (?, ?) AND activation NOT IN ({_ENDED}) ORDER BY sequence"
            return [_entry(row) for row in self._connection.execute(query, (*ENDINGS, *ENDINGS.values()))]
        return [_entry(row) for row in self._connection.execute(f"{_ROWS} {_OPEN}")]

    def recent(self, component: str, kind: Kind, *, limit: int) -> list[Entry]:
        """The last rows of one kind about one component, newest first."""
        query = f"{_ROWS} WHERE component = ? AND kind = ? ORDER BY sequence DESC LIMIT ?"
        return [_entry(row) for row in self._connection.execute(query, (component, kind, limit))]

    def latest(self, kind: Kind) -> Entry | None:
        """The last row of one kind."""
        query = f"{_ROWS} WHERE kind = ? ORDER BY sequence DESC LIMIT 1"
        row = self._connection.execute(query, (kind,)).fetchone()
        return _entry(row) if row else None

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """All rows, or those after one, oldest first."""
        query = f"{_ROWS} WHERE sequence > ? ORDER BY sequence"
        return (_entry(row) for row in self._connection.execute(query, (after,)))

    def activations(self, *, component: str | None = None, since_ns: int | None = None) -> list[Activation]:
        """What was done, oldest first.

        With ``since_ns`` (wall clock) everything from the first row at or after that time on: if the clock went
        backwards, rows are shown rather than hidden.
        """
        found: dict[str, Activation] = {}
        begun = since_ns is None
        for entry in self.entries():
            begun = begun or since_ns is None or entry.time_ns >= since_ns
            if not begun or (component is not None and entry.component != component):
                continue
            known = found.get(entry.activation, Activation(None, None))
            is_intent = entry.kind in ENDINGS
            found[entry.activation] = known._replace(**{"intent" if is_intent else "ending": entry})
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
        first, last = self._between(since_ns, until_ns)
        last = last if before is None else min(last, before - 1)
        rows = islice(self._firsts(first, last, components), limit + 1)
        found = [self._whole(_entry(row)) for row in rows]
        return Page(found[:limit], found[limit - 1].entry.sequence if 0 < limit < len(found) else None)

    def components(self) -> list[str]:
        """Keys of every component that a row is about, in order."""
        query = "SELECT min(component) FROM entry WHERE component > ?"
        found: list[str] = []
        # One step of the index for each key; DISTINCT would go through all rows.
        key = self._connection.execute("SELECT min(component) FROM entry").fetchone()[0]
        while key is not None:
            found.append(key)
            key = self._connection.execute(query, (key,)).fetchone()[0]
        return found

    def _between(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
        """Sequences of the first and of the last row of a time; the first after the last if there is none."""
        first, last = 1, _LAST
        if since_ns is not None:
            query = "SELECT min(sequence) FROM entry INDEXED BY entry_time WHERE time_ns >= ?"
            first = self._number(query, since_ns) or _LAST
        if until_ns is not None:
            query = "SELECT max(sequence) FROM entry INDEXED BY entry_time WHERE time_ns <= ?"
            last = self._number(query, until_ns) or 0
        return first, last

    def _number(self, query: str, *arguments: object) -> int | None:
        if self._schema < _INDEXED:
            query = query.replace(" INDEXED BY entry_time", "")
        found = self._connection.execute(query, arguments).fetchone()[0]
        return None if found is None else int(found)

    def _firsts(self, first: int, last: int, components: Collection[str] | None) -> Iterator[tuple[Any, ...]]:
        """First rows of activations, newest first."""
        query = f"{_ROWS} WHERE sequence BETWEEN ? AND ? AND {_FIRST}"
        newest = "ORDER BY sequence DESC"
        if components is None:
            return self._connection.execute(f"{query} {newest}", (first, last))
        # One walk through the index for each: with IN, SQLite would collect and sort all rows before the first.
        each = (
            self._connection.execute(f"{query} AND component = ? {newest}", (first, last, component))
            for component in set(components)
        )
        return merge(*each, key=lambda row: row[0], reverse=True)

    def _whole(self, entry: Entry) -> Activation:
        """An activation by its first row."""
        if entry.kind not in ENDINGS:
            return Activation(None, entry)
        query = f"{_ROWS} WHERE activation = ? AND kind = ? ORDER BY sequence DESC LIMIT 1"
        row = self._connection.execute(query, (entry.activation, ENDINGS[entry.kind])).fetchone()
        return Activation(entry, _entry(row) if row else None)

    def verify(self, *, head: Head | None = None) -> list[Flaw]:
        """Everything that does not fit together, in the order of the rows; ``head`` is one that was kept elsewhere."""
        flaws: list[Flaw] = []
        last = Head(0, "")
        witnessed = head is None or head.sequence == 0
        query = f"{_ROWS} ORDER BY sequence"
        for row in self._connection.execute(query):
            sequence, written = row[0], row[-1]
            if sequence != last.sequence + 1:
                missing = (
                    f"row {last.sequence + 1}"
                    if sequence == last.sequence + 2
                    else f"rows {last.sequence + 1} to {sequence - 1}"
                )
                flaws.append(Flaw(sequence, f"{missing} before it {'is' if ' to ' not in missing else 'are'} missing"))
            if written != digest(last.hash, row[:-1]):
                flaws.append(Flaw(sequence, "its content, or that of the row before it, is not what was written"))
            last = Head(sequence, written)
            if head is not None and sequence == head.sequence:
                witnessed = True
                if written != head.hash:
                    flaws.append(Flaw(sequence, "it differs from the head that was kept elsewhere"))
        noted = Head(*self._connection.execute("SELECT sequence, hash FROM head").fetchone())
        if noted != last:
            flaws.append(Flaw(last.sequence, f"the last row was once {noted.sequence}, and is {last.sequence} now"))
        if head is not None and not witnessed:
            flaws.append(Flaw(last.sequence, f"row {head.sequence}, whose hash was kept elsewhere, is missing"))
        return flaws

    def _add_at_any_cost(self, kind: Kind, activation: str, component: str, body: dict[str, Any]) -> Head:
        try:
            return self._append(kind, activation, component, body)
        except sqlite3.Error:
            _drop_ballast(self._directory)
        try:
            return self._append(kind, activation, component, body)
        except sqlite3.Error as error:
            raise TransportError(
                f"the outcome could not be recorded in {self._directory}/{FILE}: {error}",
                hint="make room; the next command finds the open intent and settles it by looking at the machine",
                component=component,
                phase="record",
            ) from error

    def _append(self, kind: Kind, activation: str, component: str, body: dict[str, Any]) -> Head:
        text = json.dumps(body, separators=(",", ":"))
        # IMMEDIATE: from reading the head to the new row nobody else may add one, or the chain would fork.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            last = self.head()
            row = (last.sequence + 1, str(kind), activation, component, self._wall_ns(), text)
            head = Head(last.sequence + 1, digest(last.hash, row))
            self._connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, head.hash))
            self._connection.execute("UPDATE head SET sequence = ?, hash = ?", head)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return head


def digest(before: str, row: tuple[Any, ...]) -> str:
    """Hash of a row and all before it; each field with its length, so that none can lend a character to another."""
    fields = (before, *map(str, row))
    return sha256("".join(f"{len(field)}:{field}," for field in fields).encode()).hexdigest()


def _entry(row: tuple[Any, ...]) -> Entry:
    sequence, kind, activation, component, time_ns, body, written = row
    try:
        facts = json.loads(body)
        return Entry(
            sequence, Kind(kind), activation, component, time_ns, facts if isinstance(facts, dict) else {}, written
        )
    except ValueError as error:
        raise TransportError(
            f"row {sequence} of the history makes no sense", hint="livefw history --verify", phase="history"
        ) from error


def _set_up(connection: sqlite3.Connection, directory: str, path: str) -> None:
    """Make the file what it has to be. One process at a time: SQLite does not wait when the journal mode changes."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _migrate(connection, path)
    finally:
        os.close(descriptor)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file to the present schema, in one step that a power cut leaves done or not done."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
        if version > _SCHEMA_VERSION:
            raise JournalUnavailable(
                f"{path} was written by a newer livefw (schema {version}, known here: {_SCHEMA_VERSION})",
                hint="use that version of livefw, or another --state directory",
                phase="record",
            )
        for step in range(version, _SCHEMA_VERSION):
            for statement in _statements(_MIGRATIONS[step]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would commit between them."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement) and statement.strip(" \n;"):
            yield statement
            statement = ""


def _size(path: str) -> int:
    """Of a file that its writer may remove at any moment; nothing then."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _quoted(path: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-~" else "".join(f"%{b:02x}" for b in os.fsencode(c)) for c in path)


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
    try:
        os.unlink(os.path.join(directory, _BALLAST))
    except FileNotFoundError:
        return


def _unavailable(directory: str, error: Exception) -> JournalUnavailable:
    return JournalUnavailable(
        f"the history in {directory} cannot be written: {getattr(error, 'strerror', None) or error}",
        hint="an activation without a record is not begun; mend it, choose another --state DIR, or say --no-journal",
        phase="record",
        errno=getattr(error, "errno", None),
    )
