# SPDX-License-Identifier: Apache-2.0
"""Adds a row to a history: its hash covers the row and the hash of the row before it, which makes the rows a chain."""

import sqlite3
from typing import Any

from livefw.activation.history.rows import Head, RowKind, bounded, digest
from livefw.activation.history.seal import Seal

INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def append(
    connection: sqlite3.Connection, facts: tuple[RowKind, str, str, dict[str, Any]], time_ns: int, seal: Seal
) -> Head:
    """Add a row within a transaction. `sqlite3.Error`."""
    kind, activation, component, body = facts
    found = connection.execute("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1").fetchone()
    last = Head(*(found or connection.execute("SELECT sequence, hash FROM base").fetchone()))
    row = (last.sequence + 1, str(kind), activation, component, time_ns, bounded(body))
    head = Head(last.sequence + 1, digest(last.hash, row))
    connection.execute(INSERT, (*row, head.hash, seal.of(head.hash)))
    connection.execute("UPDATE head SET sequence = ?, hash = ?", head)
    return head
