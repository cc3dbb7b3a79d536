# SPDX-License-Identifier: Apache-2.0
"""Moves older rows into a file of their own, which the chain continues.

An archive is a history like any other, and is read and verified as one. It is complete and on disk before a row leaves
the history. The rows leave in one transaction, and the history notes beforehand that it is being archived. So an
archiving that is killed loses and duplicates nothing: the next one completes it, or starts again.

An activation is archived with all of its rows or stays with all of them: in a file that has its intent alone it would
look unfinished for ever. Some rows stay as well: intents without an outcome, and the newest of each kind for each
component, because checks, estimates and the time since which an image is pending need them. The row about the archive
contains their hash.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from livefw import reading
from livefw.activation.history import chain, damaged, opening, schema
from livefw.activation.history.damaged import Damaged, Flaw
from livefw.activation.history.origin import Origin
from livefw.activation.history.rows import NO_HEAD, ROWS, Head, RowKind, digest
from livefw.activation.history.seal import Seal
from livefw.activation.history.tally import every_row, tally
from livefw.errors import NothingToDo, TransportError, UsageError

_KEPT_EACH = 500
"""Rows of each kind for each component that stay: as many as anything looks back (`row_bodies.past_attempts`)."""


class ArchiveStep(StrEnum):
    """The steps of an archiving; tests kill it after each."""

    NOTED = "noted"
    WRITTEN = "written"
    NAMED = "named"
    REMOVED = "removed"


class Archived(NamedTuple):
    """The archive that was made: its file, its first and last row, and how many of its rows stayed in the history as
    well."""

    file: str
    first: int
    last: Head
    kept: int


class Cut(NamedTuple):
    """The rows that go: all but the newest ``keep`` activations, or all before the first row since ``since_ns``.

    If that would divide an activation, it stays, with all rows after its first.
    """

    keep: int
    since_ns: int | None = None


def name(first: int, last: int) -> str:
    """The file name of an archive beside its history; archives sort by their rows."""
    return f"history-{first:09}-{last:09}.db"


def archive(
    connection: sqlite3.Connection,
    path: str,
    cut: Cut,
    *,
    file: str | None,
    time_ns: int,
    seal: Seal,
    machine: Origin | None = None,
    at: Callable[[ArchiveStep], None] = lambda _: None,
) -> Archived:
    """Move rows into an archive. The caller holds the machine's lock.

    What the rows of ``machine`` were counted to is in the row about the archive.

    Raises:
        NothingToDo: no row is old enough.
        UsageError: the file exists, or others can write to its directory.
        Damaged: a row that would go is not what was written.
        TransportError: the archive cannot be written.
        sqlite3.Error: the history itself cannot be read or written.
    """
    try:
        found = _resumed(connection, time_ns, seal, machine)
        if found is None:
            base = damaged.one_row(connection, "base") or NO_HEAD
            last = _last(connection, base, cut)
            file = os.path.abspath(file or os.path.join(os.path.dirname(path), name(base.sequence + 1, last)))
            _require_ours(os.path.dirname(file))
            if os.path.lexists(file):
                raise UsageError(f"{file} is there already", hint="livefw history --archive FILE takes another name")
            with opening.transaction(connection):
                connection.execute("INSERT OR REPLACE INTO archiving VALUES (1, ?, ?)", (file, last))
            at(ArchiveStep.NOTED)
            try:
                _write(connection, f"{file}.partial", base, last)
            except Exception:
                with suppress(OSError):  # otherwise a full disk would stay full
                    os.unlink(f"{file}.partial")
                raise
            at(ArchiveStep.WRITTEN)
            os.link(f"{file}.partial", file)
            os.unlink(f"{file}.partial")
            damaged.sync(os.path.dirname(file))
            at(ArchiveStep.NAMED)
            found = _remove(connection, file, last, time_ns, seal, machine)
        at(ArchiveStep.REMOVED)
    except OSError as error:
        text = f"the archive cannot be written: {error.strerror}"
        raise TransportError(text, phase="archive", errno=error.errno) from error
    with suppress(sqlite3.Error):  # free pages are reused by the next rows
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found


def _require_ours(directory: str) -> None:
    """Raise `UsageError` if another user could replace the archive while it is written.

    SQLite opens the file by name, and would follow a link.
    """
    try:
        reading.judge(directory, directory=True)
    except reading.Untrusted as error:
        raise UsageError(f"no archive is made there: {error}", hint=error.hint, phase="archive") from error


_NEWEST = """
    SELECT sequence FROM entry WHERE sequence > ? AND kind <> 'pending' AND NOT EXISTS
        (SELECT 1 FROM entry AS e WHERE e.activation = entry.activation AND e.sequence < entry.sequence)
    ORDER BY sequence DESC LIMIT 1 OFFSET ?
"""


def _last(connection: sqlite3.Connection, base: Head, cut: Cut) -> int:
    """The sequence of the last row that goes. `NothingToDo`."""
    head = damaged.one_row(connection, "head") or base
    if cut.since_ns is not None:
        row = connection.execute("SELECT min(sequence) FROM entry WHERE time_ns >= ?", (cut.since_ns,)).fetchone()
        first = row[0] or head.sequence + 1
    elif cut.keep:
        row = connection.execute(_NEWEST, (base.sequence, cut.keep - 1)).fetchone()
        first = row[0] if row else 0
    else:
        first = head.sequence + 1
    last = _undivided(connection, base, int(first) - 1)
    if last <= base.sequence < first - 1:
        text = f"the activation of row {last + 1} ended later, and is archived with all of its rows or not at all"
        raise NothingToDo(f"nothing is archived: {text}", hint="livefw history")
    if last <= base.sequence:
        raise NothingToDo("no row is old enough to be archived", hint="use --keep N or --older AGE to select rows")
    return last


_DIVIDED = """
    SELECT min(e.sequence) FROM entry AS o JOIN entry AS e ON e.activation = o.activation
    WHERE o.sequence > :last AND e.sequence > :base AND e.sequence <= :last
"""


def _undivided(connection: sqlite3.Connection, base: Head, last: int) -> int:
    """The last row up to which no activation has a row after it; one of an activation that is cut may be in another."""
    while row := connection.execute(_DIVIDED, {"base": base.sequence, "last": last}).fetchone()[0]:
        last = int(row) - 1
    return last


_NOTE_HEAD = """
    UPDATE head SET (sequence, hash) = (SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1)
"""


def _write(connection: sqlite3.Connection, path: str, base: Head, last: int) -> None:
    """Copy rows into a file, and sync it. OSError, `Damaged`."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    opening.regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    with closing(opening.connected(path, "rw")) as copy:
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("BEGIN")
        schema.make(copy, 0, schema.VERSION)
        copy.execute("UPDATE base SET sequence = ?, hash = ?", base)
        copy.executemany(chain.INSERT, _checked(connection, base, last))
        copy.execute(_NOTE_HEAD)
        copy.execute("COMMIT")
    os.chmod(path, 0o440)
    damaged.sync(path)


def _checked(connection: sqlite3.Connection, base: Head, last: int) -> Iterator[tuple[Any, ...]]:
    """The rows that go. A row that is not what was written stays, and the verification of the history shows it."""
    before = base
    query = f"{ROWS.replace(' FROM', ', seal FROM')} WHERE sequence BETWEEN ? AND ? ORDER BY sequence"
    for row in connection.execute(query, (base.sequence + 1, last)):
        if row[0] != before.sequence + 1 or row[6] != digest(before.hash, row[:6]):
            raise Damaged("to be archived", [Flaw(row[0], "it, or the row before it, is not what was written")])
        before = Head(row[0], row[6])
        yield row
    if before.sequence != last:
        raise Damaged("to be archived", [Flaw(before.sequence, f"rows {before.sequence + 1} to {last} are missing")])


_REMOVE = "DELETE FROM entry WHERE sequence <= ? AND sequence NOT IN (SELECT sequence FROM kept)"


def _remove(
    connection: sqlite3.Connection, file: str, last: int, time_ns: int, seal: Seal, machine: Origin | None
) -> Archived:
    """Remove the rows that are in the archive, and add a row about it. `sqlite3.Error`."""
    with opening.transaction(connection):
        base = damaged.one_row(connection, "base") or NO_HEAD
        head = Head(*connection.execute("SELECT sequence, hash FROM entry WHERE sequence = ?", (last,)).fetchone())
        kept = _kept(connection, base, last)
        is_own = machine.is_of if machine else every_row
        totals = tally(connection, base=base.sequence, last=last, is_own=is_own).document()
        connection.execute("DROP TRIGGER entry_is_not_removed")
        connection.execute("DELETE FROM kept")
        connection.executemany("INSERT INTO kept VALUES (?, ?)", [(row[0], row[1]) for row in kept])
        connection.execute(_REMOVE, (last,))
        connection.execute(schema.trigger("entry_is_not_removed"))
        connection.execute("UPDATE base SET sequence = ?, hash = ?", head)
        made = Archived(file, base.sequence + 1, head, len(kept))
        body = {"file": file, "first": made.first, "head": str(head), "kept": kept_digest(connection, head)}
        body["totals"] = totals
        body = machine.marked(body) if machine else body
        chain.append(connection, (RowKind.ARCHIVED, os.urandom(8).hex(), "", body), time_ns, seal)
        connection.execute("DELETE FROM archiving")
    return made


_KEPT = """
    WITH ranked AS (
        SELECT activation, row_number() OVER (PARTITION BY component, kind ORDER BY sequence DESC) AS place
        FROM entry WHERE sequence <= :last
    ), wanted AS (
        SELECT activation FROM ranked WHERE place <= :each
        UNION SELECT activation FROM unfinished
        UNION SELECT activation FROM entry WHERE sequence > :last
    )
    SELECT e.sequence, coalesce(k.before, p.hash, :hash) FROM entry AS e
    LEFT JOIN kept AS k ON k.sequence = e.sequence LEFT JOIN entry AS p ON p.sequence = e.sequence - 1
    WHERE e.sequence <= :last AND e.activation IN (SELECT activation FROM wanted) ORDER BY e.sequence
"""


def _kept(connection: sqlite3.Connection, base: Head, last: int) -> list[tuple[int, str]]:
    """The rows that stay, with the hash of the row before each."""
    return connection.execute(_KEPT, {"last": last, "each": _KEPT_EACH, "hash": base.hash}).fetchall()


def kept_digest(connection: sqlite3.Connection, base: Head) -> str:
    """A hash over the rows that stay beside an archive. `sqlite3.Error`."""
    query = "SELECT sequence, hash FROM entry WHERE sequence <= ? ORDER BY sequence"
    rows = connection.execute(query, (base.sequence,))
    return sha256("".join(f"{Head(*row)}," for row in rows).encode("utf-8", "surrogateescape")).hexdigest()


def _resumed(connection: sqlite3.Connection, time_ns: int, seal: Seal, machine: Origin | None) -> Archived | None:
    """Complete an archiving that was killed; None if there is none, or if it has to start again."""
    row = connection.execute("SELECT path, sequence FROM archiving").fetchone()
    if row is None:
        return None
    file, last = str(row[0]), int(row[1])
    base = damaged.one_row(connection, "base") or NO_HEAD
    if os.path.lexists(file) and _holds(file, connection, base, last):
        with suppress(FileNotFoundError):
            os.unlink(f"{file}.partial")
        return _remove(connection, file, last, time_ns, seal, machine)
    with opening.transaction(connection):
        connection.execute("DELETE FROM archiving")
    with suppress(FileNotFoundError):
        os.unlink(f"{file}.partial")
    return None


def _holds(file: str, connection: sqlite3.Connection, base: Head, last: int) -> bool:
    """Whether an archive contains exactly the rows that are to go."""
    rows = f"{ROWS} WHERE sequence BETWEEN ? AND ? ORDER BY sequence"
    wanted = connection.execute(rows, (base.sequence + 1, last))
    try:
        with closing(opening.connected(file, "ro&immutable=1")) as found:
            there = found.execute(f"{ROWS} ORDER BY sequence")
            return damaged.one_row(found, "base") == base and all(
                one == other for one, other in zip(there, wanted, strict=True)
            )
    except (sqlite3.Error, ValueError):
        return False
