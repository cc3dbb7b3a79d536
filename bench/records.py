# SPDX-License-Identifier: Apache-2.0
"""Histories of any length, as years of activations leave them."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from livefw.activation.history import schema
from livefw.activation.history.journal import FILE, Journal, digest
from livefw.activation.history.rows import ROWS

COMPONENTS = {f"lfa:{number:08x}-12f2-4b56-92cb-ba8f633606d9": f"TF-{number}" for number in range(8)}
START_NS = 1_700_000_000 * 10**9
EVERY_NS = 10**9
"""Between two rows."""


def age(directory: Path, number: int) -> None:
    """Make a history what an older livefw would have left."""
    path = directory / FILE
    rows = sqlite3.connect(path)
    kept = rows.execute(f"{ROWS} ORDER BY sequence").fetchall()
    head = rows.execute("SELECT sequence, hash FROM head").fetchone()
    rows.close()
    path.unlink()
    old = sqlite3.connect(path, isolation_level=None)
    schema.make(old, 0, number)
    old.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
    old.execute("UPDATE head SET sequence = ?, hash = ?", head)
    old.execute("PRAGMA journal_mode = WAL")
    old.close()


def tamper(directory: Path, statements: str) -> None:
    """Change what is final, as somebody does who knows how, and leaves no trace of that."""
    connection = sqlite3.connect(directory / FILE)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    connection.executescript("".join(f"DROP TRIGGER IF EXISTS {name};" for name, _ in triggers))
    connection.executescript(statements.replace("DROP TRIGGER", "DROP TRIGGER IF EXISTS"))
    connection.executescript("".join(f"{sql};" for name, sql in triggers if f"DROP TRIGGER {name}" not in statements))
    connection.close()


def rewrite(directory: Path, change: Callable[[list[Any]], None]) -> None:
    """Write the whole chain anew, each row as ``change`` makes it: what nobody can tell from the file alone."""
    connection = sqlite3.connect(directory / FILE)
    rows = [list(row) for row in connection.execute(f"{ROWS} ORDER BY sequence")]
    connection.close()
    before, statements = "", []
    for row in rows:
        change(row)
        before = row[6] = digest(before, tuple(row[:6]))
        values = ", ".join(f"{name} = {_literal(value)}" for name, value in zip(_NAMES, row[1:], strict=True))
        statements.append(f"UPDATE entry SET {values} WHERE sequence = {row[0]};")
    tamper(directory, "".join(statements) + f"UPDATE head SET hash = '{before}'")


_NAMES = ("kind", "activation", "component", "time_ns", "body", "hash")


def _literal(value: object) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def fill(directory: Path, activations: int) -> None:
    """Write that many into an empty history, two rows each, with the chain as `Journal` would have written it."""
    Journal.open(str(directory)).close()
    connection = sqlite3.connect(directory / FILE, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    columns = "sequence, kind, activation, component, time_ns, body, hash"
    connection.executemany(f"INSERT INTO entry ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", _rows(activations))
    connection.execute(
        "UPDATE head SET (sequence, hash) = (SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1)"
    )
    connection.execute("COMMIT")
    connection.close()


def _rows(activations: int) -> Iterator[tuple[object, ...]]:
    before = ""
    for number in range(activations):
        key, name = list(COMPONENTS.items())[number % len(COMPONENTS)]
        for kind, body in _bodies(number, name):
            sequence = 2 * number + (1 if kind == "intent" else 2)
            text = json.dumps(body, separators=(",", ":"))
            row = (sequence, kind, f"{number:016x}", key, START_NS + sequence * EVERY_NS, text)
            before = digest(before, row)
            yield (*row, before)


def _bodies(number: int, name: str) -> Iterator[tuple[str, dict[str, object]]]:
    old, new = f"1.{number}", f"1.{number + 1}"
    yield (
        "intent",
        {
            "actor": {"user": "root", "login": "", "face": "cli"},
            "reason": f"change {number}, in the window that was agreed on",
            "name": name,
            "current_version": old,
            "pending_version": new,
            "rendezvous": "required",
            "ignored": [],
            "warned": [],
            "mark": str(number),
            "boot_id": "b1c2d3e4-0000-4000-8000-000000000000",
        },
    )
    yield (
        "outcome",
        {
            "outcome": "failed" if number % 50 == 49 else "activated",
            "code": "version-arrived",
            "text": "the announced version is running",
            "seconds": 0.5 + number % 7 / 10,
            "said": "accepted",
            "witness": "succeeded",
            "firmware_code": None,
            "errno": None,
            "log": [f"Arm LFA: {name}: successfully activated"],
            "current_version": new,
            "pending": False,
            "cost": None,
            "others": [],
        },
    )
