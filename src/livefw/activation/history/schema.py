# SPDX-License-Identifier: Apache-2.0
"""The tables of the history, their migration, and their verification."""

import sqlite3
from collections.abc import Iterator
from functools import cache

VERSION = 3
INDEXED = 3
"""The first schema with an index by time, a table of unfinished activations, seals and archives."""
_LIKELY = 1_000
"""A larger number is that of another program, or damaged."""

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
    1: "",  # adds the row kinds STAGING and STAGED
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
        ALTER TABLE entry ADD COLUMN seal TEXT NOT NULL DEFAULT '';
        CREATE TABLE base (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL);
        INSERT INTO base VALUES (1, 0, '');
        CREATE TABLE kept (sequence INTEGER PRIMARY KEY, before TEXT NOT NULL);
        CREATE TABLE archiving (one INTEGER PRIMARY KEY CHECK (one = 1), path TEXT NOT NULL, sequence INTEGER NOT NULL);
    """,
}
"""The statements from one schema version to the next. A new version adds an entry and changes none.

``base`` is the head before the first row. ``kept`` are rows that stay although they are archived, with the hash of the
row before each. ``archiving`` is an archive that is not complete.
"""


class Unfit(Exception):  # noqa: N818 - callers turn it into an error of the product
    """A file that this livefw cannot use; the text says why."""


def number(connection: sqlite3.Connection) -> int:
    """The schema version of a file, 0 for an empty one. `Unfit`, `sqlite3.Error`."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= found < _LIKELY:
        raise Unfit(f"has the schema {found}, which no livefw writes: it belongs to another program or is damaged")
    if found > VERSION:
        raise Unfit(f"was written by a newer livefw (schema {found}, known here: {VERSION})")
    if found == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise Unfit("has tables but no schema number: it belongs to another program or is damaged")
    return found


def require_tables(connection: sqlite3.Connection) -> None:
    """Raise `Unfit` if a table of the file is a view or has computed columns; `sqlite3.Error`.

    An archive may come from anybody, and a view or a computed column may be endless.
    """
    query = "SELECT name FROM sqlite_schema WHERE name = ? AND (type <> 'table' OR rootpage = 0)"
    for (name,) in [row for each in _TABLES for row in connection.execute(query, (each,))]:
        raise Unfit(f"has something else in place of its table {name}")
    # 0: an ordinary column; 1 is hidden, 2 and 3 are computed.
    query = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 0"
    for (name,) in [row for each in _TABLES for row in connection.execute(query, (each,))]:
        raise Unfit(f"has a column {name} that is worked out")


_TABLES = ("entry", "head", "unfinished", "base", "kept", "archiving")


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the file to the present schema, in one transaction. `Unfit`, `sqlite3.Error`."""
    if number(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        make(connection, number(connection), VERSION)  # another process may have done it
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Migrate a file from one schema to another. `sqlite3.Error`."""
    for step in range(start, end):
        for statement in _statements(_MIGRATIONS[step]):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {end}")


def differences(connection: sqlite3.Connection, version: int) -> list[str]:
    """Tables, indices and triggers that are missing, different, or additional."""
    found, wanted = _objects(connection), _wanted(version)
    missing = [f"{name} is missing" for name in wanted if name not in found]
    other = [f"{name} is not as livefw makes it" for name in found if name in wanted and found[name] != wanted[name]]
    return missing + other + [f"{name} is not livefw's" for name in found if name not in wanted]


@cache
def _wanted(version: int) -> dict[str, str]:
    connection = sqlite3.connect(":memory:")
    try:
        make(connection, 0, version)
        return _objects(connection)
    finally:
        connection.close()


def _objects(connection: sqlite3.Connection) -> dict[str, str]:
    # SQLite's own tables, such as those of ANALYZE, are not differences.
    query = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return {f"{kind} {name}": " ".join(str(sql).split()) for kind, name, sql in connection.execute(query)}


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would commit between them."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement) and statement.strip(" \n;"):
            yield statement
            statement = ""


def trigger(name: str) -> str:
    """The statement that makes a trigger."""
    return _wanted(VERSION)[f"trigger {name}"]
