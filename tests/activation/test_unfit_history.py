# SPDX-License-Identifier: Apache-2.0
"""A history that cannot be gone on with: nothing is begun, and each way on that the hint names is one."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench.records import age, fill

from livefw.activation.engine import ActivationRequest
from livefw.activation.history import schema
from livefw.activation.history.journal import FILE, Journal, JournalUnavailable, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.activation.outcome import Outcome
from livefw.errors import TransportError, UsageError

Damage = Callable[[Path], object]


def numbered(number: int) -> Damage:
    def change(state: Path) -> None:
        with closing(sqlite3.connect(state / FILE)) as connection:
            connection.execute(f"PRAGMA user_version = {number}")

    return change


def view(state: Path) -> None:
    """The rows are what something in the file makes of them."""
    with closing(sqlite3.connect(state / FILE)) as connection:
        connection.executescript("ALTER TABLE entry RENAME TO hidden; CREATE VIEW entry AS SELECT * FROM hidden")


def in_the_way(make: Callable[[Path], object]) -> Damage:
    def change(state: Path) -> None:
        (state / FILE).unlink()
        make(state / FILE)

    return change


UNFIT: dict[str, Damage] = {
    "of a newer livefw": numbered(schema.VERSION + 1),
    "of another program": numbered(2**31 - 1),
    "without a number": numbered(0),
    "a directory": in_the_way(Path.mkdir),
    "a pipe": in_the_way(os.mkfifo),
    "a link": in_the_way(lambda file: file.symlink_to("elsewhere")),
    "anybody may write it": lambda state: (state / FILE).chmod(0o666),
}


@pytest.fixture
def bench(make: Any) -> Any:
    bench = make("vera")
    state = Path(bench.paths.state)
    state.mkdir(mode=0o750, parents=True)
    fill(state, 3)
    return bench


@pytest.mark.parametrize("name", UNFIT)
def test_nothing_is_begun_and_the_hint_names_what_works(bench: Any, name: str) -> None:
    state = Path(bench.paths.state)
    UNFIT[name](state)
    before = bench.machine.trace.next_sequence
    with pytest.raises(JournalUnavailable) as caught:
        bench.run("tf-rmm")
    assert {call.name for call in bench.machine.trace.since(before)} <= {"LFA_GET_INVENTORY"}
    assert str(state) in caught.value.message
    assert caught.value.hint
    assert "--no-journal" in caught.value.hint
    assert "--state" in caught.value.hint
    bench.changes = {"without_journal": True}
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    bench.changes = {}
    bench.machine.stage("rmm")
    bench.paths = bench.paths._replace(state=str(state.parent / "other"))
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    bench.paths = bench.paths._replace(state=str(state))
    bench.machine.stage("rmm")
    state.rename(state.parent / "moved")
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    assert [entry.kind for entry in bench.journal.rows()] == [RowKind.INTENT, RowKind.OUTCOME]


@pytest.mark.parametrize("name", [each for each in UNFIT if each != "a link"])  # to nothing: there is no history
def test_a_plan_does_not_go_on_without_what_was_before(bench: Any, name: str) -> None:
    UNFIT[name](Path(bench.paths.state))
    with pytest.raises((TransportError, UsageError)) as caught:
        bench.engine().plan(ActivationRequest(("tf-rmm",)))
    assert bench.paths.state in caught.value.message


def test_what_is_no_table_is_set_aside(bench: Any) -> None:
    view(Path(bench.paths.state))
    with pytest.raises(TransportError, match="something else in place of its table entry"):
        bench.engine().plan(ActivationRequest(("tf-rmm",)))
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    assert next(entry.kind for entry in bench.journal.rows()) is RowKind.SET_ASIDE


class Quicker:
    """A connection, in front of which another process does something as soon as it wants to change the schema."""

    def __init__(self, below: sqlite3.Connection, other: Callable[[], object]) -> None:
        self._below = below
        self._other = other
        self._done = False

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement == "BEGIN IMMEDIATE" and not self._done:
            self._done = True
            self._other()
        return self._below.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


@pytest.mark.parametrize("old", [1, 2])
def test_another_process_that_was_quicker_has_done_the_work(tmp_path: Path, old: int) -> None:
    fill(tmp_path, 3)
    age(tmp_path, old)

    def migrate() -> None:
        Journal.open(str(tmp_path)).close()

    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        schema.migrate(Quicker(connection, migrate))  # type: ignore[arg-type]  # what it uses of a connection
        assert not connection.in_transaction
        assert schema.number(connection) == schema.VERSION
        assert schema.differences(connection, schema.VERSION) == []
    journal = Journal.open(str(tmp_path))
    assert journal.set_aside is None
    assert verify_chain(journal).flaws == []
    journal.close()


def test_a_newer_process_that_was_quicker_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    age(tmp_path, 1)

    def newer() -> None:
        Journal.open(str(tmp_path)).close()
        numbered(schema.VERSION + 1)(tmp_path)

    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        with pytest.raises(schema.Unfit, match="newer livefw"):
            schema.migrate(Quicker(connection, newer))  # type: ignore[arg-type]  # as above
        assert not connection.in_transaction
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION + 1,)
        assert schema.differences(connection, schema.VERSION) == []


def test_a_reader_of_the_old_schema_goes_on_while_another_migrates(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    age(tmp_path, 1)
    reader = Journal.open_to_read(str(tmp_path))
    assert reader
    before = [entry.sequence for entry in reader.rows()]
    writer = Journal.open(str(tmp_path))
    begun = writer.begin("lfa:x", {})
    assert [entry.sequence for entry in reader.rows()] == [*before, before[-1] + 1]
    assert [entry.activation for entry in reader.unfinished()] == [begun]
    assert reader.head() == writer.head()
    writer.close()
    reader.close()
