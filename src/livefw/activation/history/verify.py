# SPDX-License-Identifier: Apache-2.0
"""Verifies a history: its chain, pages, archives, heads that are kept elsewhere, and seals.

A consistent chain proves only that no part of it was changed. That the whole of it is what was written is proven up to
the last head that is kept elsewhere, and, for sealed rows, to the owner of the key.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from livefw.activation.history import damaged, schema
from livefw.activation.history.archive import kept_digest
from livefw.activation.history.damaged import Flaw
from livefw.activation.history.journal import Journal
from livefw.activation.history.rows import NO_HEAD, ROWS, Head, RowKind, digest, history_row
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.errors import TransportError

if TYPE_CHECKING:
    from livefw.activation.history.anchors import AnchoredHead, AnchoredHeads

_MOST = 100
"""Flaws that are reported for one file; a rewritten history has one for each row."""
_OPEN = """SELECT activation, sequence FROM entry AS e WHERE kind IN ('intent', 'staging') AND NOT EXISTS
    (SELECT 1 FROM entry AS o WHERE o.activation = e.activation AND o.kind IN ('outcome', 'staged'))"""
_NO_INTENT = """SELECT sequence FROM entry AS o WHERE kind = 'outcome' AND NOT EXISTS
    (SELECT 1 FROM entry AS e WHERE e.activation = o.activation AND e.sequence < o.sequence)"""
_NOTED = "SELECT activation, sequence FROM unfinished"
_CHANGED = "its content, or that of the row before it, is not what was written"


class Sealed(NamedTuple):
    """The number of rows with a valid seal, the sequence of the first, and the number of rows sealed by unknown
    keys."""

    rows: int = 0
    first: int = 0
    other_keys: int = 0


class ChainReport(NamedTuple):
    """The result for one file: the head before it, its last row, the number of rows, and the flaws."""

    path: str
    base: Head
    head: Head
    rows: int
    flaws: list[Flaw]
    sealed: Sealed
    follows: str | None
    """The damaged file that was set aside for this one; None if there was none."""


class _Flaws:
    """The first flaws, and the number of the others."""

    def __init__(self) -> None:
        self._found: list[Flaw] = []
        self._more = 0

    def add(self, sequence: int, text: str) -> None:
        if len(self._found) < _MOST:
            self._found.append(Flaw(sequence, text))
        else:
            self._more += 1

    def extend(self, flaws: Iterable[Flaw]) -> None:
        self._found += flaws

    def all(self) -> list[Flaw]:
        more = [Flaw(0, f"and {self._more:,} more flaws")] if self._more else []
        return self._found + more


def verify_chain(
    journal: Journal, *, heads: Iterable[Head] = (), seal: Seal = UNSEALED, before: Iterable[ChainReport] | None = None
) -> ChainReport:
    """Verify one file. Never raises: an error is a flaw. ``heads`` were kept elsewhere.

    ``before`` are the reports on the files before it, if it is one of several; None if it stands alone.
    """
    flaws = _Flaws()
    connection = journal.connection
    base = head = NO_HEAD
    rows, sealed, follows = 0, Sealed(), None
    try:
        connection.execute("BEGIN")  # one snapshot: others may write meanwhile
        found = damaged.one_row(connection, "base") if journal.schema >= schema.INDEXED else NO_HEAD
        if found is None:
            flaws.add(0, "the row of the table base is missing or invalid")
        base = found or NO_HEAD
        seals = _Seals(seal, sealed_before=any(each.sealed.rows for each in before or ()))
        head, rows, sealed = _walk(connection, base, flaws, seals if journal.schema >= schema.INDEXED else None)
        if before is None:
            flaws.extend(_unsealed(seal, [sealed], head))
        _noted(connection, head, flaws)
        for each in heads:
            _kept_elsewhere(connection, each, base, head, flaws)
        if journal.schema >= schema.INDEXED:
            _notes(connection, base, flaws)
            follows = _follows(connection, base)
    except sqlite3.Error as error:
        flaws.extend([Flaw(head.sequence, f"what comes after it cannot be read: {error}")])
    torn = damaged.pages(connection, deep=True)
    flaws.extend(torn)
    if torn:
        damaged.suspect(journal.path)
    with suppress(sqlite3.Error):  # its pages show that
        flaws.extend(Flaw(0, text) for text in schema.differences(connection, journal.schema))
        connection.execute("COMMIT")
    return ChainReport(journal.path, base, head, rows, flaws.all(), sealed, follows)


def _walk(
    connection: sqlite3.Connection, base: Head, flaws: _Flaws, seals: "_Seals | None"
) -> tuple[Head, int, Sealed]:
    """Compare each row that was not archived with the one before it."""
    last, rows = base, 0
    query = ROWS if seals is None else ROWS.replace(" FROM", ", seal FROM")
    for row in connection.execute(f"{query} WHERE sequence > ? ORDER BY sequence", (base.sequence,)):
        sequence, written = row[0], row[6]
        if sequence != last.sequence + 1:
            many = sequence > last.sequence + 2
            missing = (
                f"rows {last.sequence + 1} to {sequence - 1} before it are"
                if many
                else f"row {sequence - 1} before it is"
            )
            flaws.add(sequence, f"{missing} missing")
        if written != digest(last.hash, row[:6]):
            flaws.add(sequence, _CHANGED)
        if seals:
            seals.look(sequence, str(written), str(row[7]), flaws)
        last, rows = Head(sequence, str(written)), rows + 1
    if seals:
        seals.end(last.sequence, flaws)
    return last, rows, seals.found if seals else Sealed()


class _Seals:
    """Checks the seals of rows in order. Rows before the first sealed one are older than the key."""

    def __init__(self, seal: Seal, *, sealed_before: bool) -> None:
        self._seal = seal
        self._begun = sealed_before
        self.found = Sealed()

    def look(self, sequence: int, written: str, text: str, flaws: _Flaws) -> None:
        if not text:
            if self._begun:
                flaws.add(sequence, "it has no seal, but earlier rows have")
            return
        self._begun = True
        proven = self._seal.proves(text, written)
        if proven is None:
            self.found = self.found._replace(other_keys=self.found.other_keys + 1)
            return
        if not proven:
            flaws.add(sequence, "its seal is not that of its content")
        self.found = self.found._replace(rows=self.found.rows + 1, first=self.found.first or sequence)

    def end(self, last: int, flaws: _Flaws) -> None:
        if self._seal.keys and self.found.other_keys:
            flaws.add(last, f"{self.found.other_keys} rows are sealed with keys that are not here")


def _unsealed(seal: Seal, sealed: Iterable[Sealed], head: Head) -> Iterator[Flaw]:
    """The flaw that there is a key and no row is sealed."""
    if seal.keys and head.sequence and not any(each.rows for each in sealed):
        yield Flaw(head.sequence, "no row is sealed with the key: it is new, or the seals were taken away")


def _noted(connection: sqlite3.Connection, head: Head, flaws: _Flaws) -> None:
    noted = damaged.one_row(connection, "head")
    if noted is None:
        flaws.add(head.sequence, "the row of the table head, which names the last row, is missing or invalid")
    elif noted != head:
        flaws.add(head.sequence, f"the last row was once {noted.sequence}, and is {head.sequence} now")


def _kept_elsewhere(connection: sqlite3.Connection, kept: Head, base: Head, head: Head, flaws: _Flaws) -> None:
    if kept.sequence == 0:
        return
    found = hash_at(connection, base, kept.sequence)
    if found is None and kept.sequence > base.sequence:
        flaws.add(head.sequence, f"row {kept.sequence}, whose hash was kept elsewhere, is missing")
    elif found is not None and found != kept.hash:
        flaws.add(kept.sequence, "it differs from the head that was kept elsewhere")


def hash_at(connection: sqlite3.Connection, base: Head, sequence: int) -> str | None:
    """The stored hash of a row; None if the row is not in this file. `sqlite3.Error`."""
    if sequence == base.sequence:
        return base.hash
    row = connection.execute("SELECT hash FROM entry WHERE sequence = ?", (sequence,)).fetchone()
    return None if row is None or sequence < base.sequence else str(row[0])


def _notes(connection: sqlite3.Connection, base: Head, flaws: _Flaws) -> None:
    """Compare the tables of unfinished activations and of archived rows with the chain."""
    first = connection.execute("SELECT kind FROM entry ORDER BY sequence LIMIT 1").fetchone()
    if base == NO_HEAD and first and first[0] != RowKind.SET_ASIDE:  # otherwise it may be in another file
        for (sequence,) in connection.execute(f"{_NO_INTENT} LIMIT {_MOST}"):
            flaws.add(sequence, "it is the outcome of an intent that is not there")
    for one, other, text in (
        (_OPEN, _NOTED, "it has no outcome, and is not recorded as unfinished"),
        (_NOTED, _OPEN, "it is recorded as unfinished, but is not"),
    ):
        for _, sequence in connection.execute(f"{one} EXCEPT {other} LIMIT {_MOST}"):
            flaws.add(sequence if isinstance(sequence, int) else 0, text)
    query = ROWS.replace(" FROM entry", ", before FROM entry LEFT JOIN kept USING (sequence)")
    for row in connection.execute(f"{query} WHERE sequence <= ?", (base.sequence,)):
        if row[6] != digest(str(row[7]), row[:6]):
            flaws.add(row[0], "it is in an archive as well, and is not what was written")
    query = f"{ROWS} WHERE kind = ? ORDER BY sequence DESC LIMIT 1"
    row = connection.execute(query, (RowKind.ARCHIVED,)).fetchone()
    body = history_row(row).body if row else {}
    if body.get("head") == str(base) and body.get("kept") != kept_digest(connection, base):
        flaws.add(row[0], "rows that stayed beside the archive are not those that did")


def _follows(connection: sqlite3.Connection, base: Head) -> str | None:
    row = connection.execute(f"{ROWS} WHERE kind = ? ORDER BY sequence LIMIT 1", (RowKind.SET_ASIDE,)).fetchone()
    if row is None or row[0] != base.sequence + 1:
        return None
    return str(history_row(row).body.get("file") or "")


class HistoryReport(NamedTuple):
    """What was proven for a history and its archives.

    ``anchored`` heads of the system journal are in it; ``not_compared`` are heads of rows in files that are not here.
    ``missing`` names those files, and ``journal_error`` says why the system journal could not be read (to its end).
    """

    chain: ChainReport
    archives: list[ChainReport]
    flaws: list[tuple[str, Flaw]]
    anchored: int
    not_compared: int
    missing: list[str]
    journal_error: str

    @property
    def is_consistent(self) -> bool:
        """Whether there is no flaw."""
        return not self.flaws


def verify_history(
    journal: Journal, archives: Iterable[str], heads: list[Head], anchors: "AnchoredHeads", seal: Seal
) -> HistoryReport:
    """Verify the history with its archives (paths) against the system journal. Errors are flaws of the report."""
    with ExitStack() as stack:
        opened: list[Journal] = []
        flaws: list[tuple[str, Flaw]] = []
        for path in archives:
            try:
                opened.append(stack.enter_context(closing(_opened(path))))
            except TransportError as error:
                flaws.append((path, Flaw(0, error.message)))
        opened.sort(key=lambda each: each.base().sequence)
        others: list[ChainReport] = []
        for each in opened:
            others.append(verify_chain(each, seal=seal, before=others))
        main = verify_chain(journal, heads=heads, seal=seal, before=others)
        flaws += [(each.path, flaw) for each in (*others, main) for flaw in each.flaws]
        flaws += [(main.path, flaw) for flaw in _unsealed(seal, [each.sealed for each in (*others, main)], main.head)]
        missing, loose = _linked(main, others)
        flaws += loose
        if main.follows is not None:
            missing += _followed(main, flaws)
        anchored = _Anchored(main, journal.connection, [(others[i], opened[i].connection) for i in range(len(others))])
        for anchor in anchors:
            anchored.look(anchor)
        flaws += [(main.path, flaw) for flaw in anchored.flaws.all()]
        return HistoryReport(main, others, flaws, anchored.anchored, anchored.not_compared, missing, anchors.error)


def _opened(path: str) -> Journal:
    found = Journal.open_file(path)
    if found is None:
        raise TransportError(f"there is no archive {path}", phase="history")
    return found


def _linked(main: ChainReport, archives: list[ChainReport]) -> tuple[list[str], list[tuple[str, Flaw]]]:
    """Rows before this file that are missing, and archives that do not continue the one before them."""
    missing: list[str] = []
    flaws: list[tuple[str, Flaw]] = []
    reached = NO_HEAD
    for each in archives:
        if each.base.sequence > reached.sequence:
            missing.append(f"rows {reached.sequence + 1} to {each.base.sequence} are in files that are not here")
        elif each.base != reached:
            flaws.append((each.path, Flaw(each.base.sequence, "the archive does not continue the previous one")))
        reached = each.head
    if main.base.sequence > reached.sequence:
        where = f" ({main.follows})" if main.follows else ""
        missing.append(f"rows {reached.sequence + 1} to {main.base.sequence} are in files that are not here{where}")
    elif main.base != reached and main.base.sequence == reached.sequence:
        flaws.append((main.path, Flaw(reached.sequence, "the history does not continue its archive")))
    return missing, flaws


def _followed(main: ChainReport, flaws: list[tuple[str, Flaw]]) -> list[str]:
    """Require that the damaged file before this one still exists: otherwise anybody could claim that there was one."""
    name = os.path.basename(main.follows or "")
    if not name or not os.path.lexists(os.path.join(os.path.dirname(main.path), name)):
        text = f"it continues {name or 'a file'}, which was set aside as damaged and no longer exists"
        flaws.append((main.path, Flaw(main.base.sequence + 1, text)))
    return [f"{name} was damaged and set aside: its content is not proven"]


class _Anchored:
    """Compares heads of the system journal with the files that are here."""

    def __init__(
        self, main: ChainReport, connection: sqlite3.Connection, archives: list[tuple[ChainReport, sqlite3.Connection]]
    ) -> None:
        self._files = [(main, connection), *archives]
        self._main = main
        self._begun_ns = self._first_ns(connection) if main.follows is not None else 0
        self.flaws = _Flaws()
        self.anchored = 0
        self.not_compared = 0

    def _first_ns(self, connection: sqlite3.Connection) -> int:
        """When a file was begun that continues a damaged one."""
        row = connection.execute(f"{ROWS} WHERE sequence = ?", (self._main.base.sequence + 1,)).fetchone()
        return history_row(row).time_ns if row else 0

    def look(self, anchor: "AnchoredHead") -> None:
        sequence, wanted = anchor.head
        if sequence == 0:
            return
        try:
            found = [hash_at(c, each.base, sequence) for each, c in self._files if sequence >= each.base.sequence]
        except sqlite3.Error:
            found = []  # it is reported as a flaw of the file
        if wanted in found:
            self.anchored += 1
        elif anchor.time_ns < self._begun_ns or (sequence <= self._main.base.sequence and not any(found)):
            self.not_compared += 1
        else:
            other = "another one is here" if any(found) else f"the history ends at row {self._main.head.sequence}"
            when = f"{datetime.fromtimestamp(anchor.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"
            self.flaws.add(sequence, f"the system journal knows it since {when}, and {other}: cut off or written anew")
