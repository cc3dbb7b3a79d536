# SPDX-License-Identifier: Apache-2.0
"""The journal: what was promised is on disk, what was tampered with is found, what cannot be written is told."""

import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.records import age, tamper

from livefw.activation.history import rows
from livefw.activation.history.journal import Head, Journal, JournalUnavailable, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.errors import TransportError


@pytest.fixture(autouse=True)
def close_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the journals that a test has opened; a connection that `Journal` itself loses is still found."""
    opened: list[Journal] = []
    construct = Journal.__init__

    def remember(journal: Journal, *arguments: Any, **named: Any) -> None:
        construct(journal, *arguments, **named)
        opened.append(journal)

    monkeypatch.setattr(Journal, "__init__", remember)
    yield
    for journal in opened:
        journal.close()


def filled(directory: Path, count: int = 3) -> Journal:
    journal = Journal.open(str(directory), wall_ns=iter(range(1_000, 2_000)).__next__)
    for number in range(count):
        activation = journal.begin(f"lfa:{number}", {"reason": f"reason {number}"})
        journal.end(activation, f"lfa:{number}", {"outcome": "activated"})
    return journal


def test_an_intent_and_its_outcome_come_back_as_one_activation(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    journal.note(RowKind.REFUSAL, "lfa:9", {"outcome": "refused"})
    found = journal.activations()
    assert [each.first_row.component for each in found] == ["lfa:0", "lfa:1", "lfa:2", "lfa:9"]
    assert all(each.intent and each.ending for each in found[:3])
    assert found[3].intent is None
    assert journal.activations(component="lfa:1") == [found[1]]
    assert not journal.unfinished()
    assert not verify_chain(journal).flaws


def test_an_intent_without_outcome_is_found_by_the_next_start(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    activation = journal.begin("lfa:7", {"reason": "power cut"})
    journal.close()
    again = Journal.open(str(tmp_path))
    assert [entry.activation for entry in again.unfinished()] == [activation]
    again.end(activation, "lfa:7", {"outcome": "unknown", "reconciled": True})
    assert not again.unfinished()


SWAP = "UPDATE entry SET sequence = -1 WHERE sequence = 3; UPDATE entry SET sequence = 3 WHERE sequence = 4;"
MOVE_LAST = "UPDATE entry SET sequence = 7 WHERE sequence = 6;"
FIELDS = "kind, activation, component, time_ns, body, hash, seal"
TAMPERING = {
    "a changed body": ('UPDATE entry SET body = \'{"outcome":"failed"}\' WHERE sequence = 4', 4),
    "a changed component": ("UPDATE entry SET component = 'lfa:x' WHERE sequence = 1", 1),
    "a changed time": ("UPDATE entry SET time_ns = 5 WHERE sequence = 6", 6),
    "a changed hash": ("UPDATE entry SET hash = 'x' WHERE sequence = 2", 2),
    "a removed row": ("DELETE FROM entry WHERE sequence = 3", 4),
    "the first row removed": ("DELETE FROM entry WHERE sequence = 1", 2),
    "a row removed and the rest moved up": (
        "DELETE FROM entry WHERE sequence = 5; UPDATE entry SET sequence = 5 WHERE sequence = 6",
        5,
    ),
    "an inserted row": (f"{MOVE_LAST} INSERT INTO entry SELECT 6, {FIELDS} FROM entry WHERE sequence = 5", 6),
    "two rows exchanged": (f"{SWAP} UPDATE entry SET sequence = 4 WHERE sequence = -1", 3),
    "a field moved into its neighbour": (
        "UPDATE entry SET activation = activation || 'l', component = substr(component, 2) WHERE sequence = 2",
        2,
    ),
    "the last row cut": ("DELETE FROM entry WHERE sequence = 6", 5),
    "everything cut": ("DELETE FROM entry", 0),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_verify_finds(tmp_path: Path, name: str) -> None:
    statements, where = TAMPERING[name]
    filled(tmp_path).close()
    tamper(tmp_path, statements)
    journal = Journal.open_to_read(str(tmp_path))
    assert journal is not None
    assert verify_chain(journal).flaws[0].sequence == where


def test_a_tail_cut_with_the_note_of_its_head_is_found_only_by_a_head_kept_elsewhere(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    kept = journal.head()
    assert Head.parse(str(kept)) == kept
    assert not verify_chain(journal, heads=[kept]).flaws
    journal.close()
    tamper(
        tmp_path,
        "DELETE FROM entry WHERE sequence > 4;"
        "UPDATE head SET sequence = 4, hash = (SELECT hash FROM entry WHERE sequence = 4)",
    )
    cut = Journal.open_to_read(str(tmp_path))
    assert cut is not None
    assert not verify_chain(cut).flaws
    assert [flaw.sequence for flaw in verify_chain(cut, heads=[kept]).flaws] == [4]


@pytest.mark.parametrize("text", ["", "4", "x:00", "-1:" + "0" * 64, "4:" + "g" * 64, "4:" + "0" * 63, "٤:" + "0" * 64])
def test_a_head_is_one_number_and_one_hash(text: str) -> None:
    with pytest.raises(ValueError, match="SEQUENCE:HASH"):
        Head.parse(text)


def test_rows_cannot_be_changed_by_mistake(tmp_path: Path) -> None:
    filled(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "history.db")
    for statement in ("UPDATE entry SET body = '{}'", "DELETE FROM entry"):
        with pytest.raises(sqlite3.IntegrityError, match="final"):
            connection.execute(statement)
    connection.close()


def test_a_clock_that_goes_backwards_neither_reorders_nor_hides(tmp_path: Path) -> None:
    times = iter([100, 101, 50, 51, 200, 201])
    journal = Journal.open(str(tmp_path), wall_ns=times.__next__)
    for number in range(3):
        journal.end(journal.begin(f"lfa:{number}", {}), f"lfa:{number}", {})
    assert [each.first_row.component for each in journal.activations()] == ["lfa:0", "lfa:1", "lfa:2"]
    assert [each.first_row.component for each in journal.activations(since_ns=90)] == ["lfa:0", "lfa:1", "lfa:2"]
    assert [each.first_row.component for each in journal.activations(since_ns=150)] == ["lfa:2"]
    assert not verify_chain(journal).flaws


def test_a_body_may_hold_any_text(tmp_path: Path) -> None:
    journal = Journal.open(str(tmp_path))
    body = {"log": ["\x1b[31m", "\x00", "\ud800", "'; DROP TABLE entry; --", "é"]}
    journal.begin("lfa:\x1b", body)
    assert next(journal.rows()).body == body
    assert not verify_chain(journal).flaws


def test_a_history_of_a_newer_livefw_is_not_touched(tmp_path: Path) -> None:
    filled(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "history.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalUnavailable, match="newer"):
        Journal.open(str(tmp_path))
    with pytest.raises(TransportError, match="schema 99"):
        Journal.open_to_read(str(tmp_path))


def test_a_history_of_an_older_livefw_is_gone_on_with(tmp_path: Path) -> None:
    """The first schema knew no stagings; its rows stay what they are."""
    filled(tmp_path).close()
    age(tmp_path, 1)
    old = Journal.open_to_read(str(tmp_path))
    assert old
    head = old.head()
    old.close()
    journal = Journal.open(str(tmp_path))
    staging = journal.begin("redfish:x", {}, kind=RowKind.STAGING)
    assert [entry.activation for entry in journal.unfinished()][-1] == staging
    journal.end(staging, "redfish:x", {"outcome": "staged"}, kind=RowKind.STAGED)
    assert staging not in [entry.activation for entry in journal.unfinished()]
    assert not verify_chain(journal, heads=[head]).flaws
    assert journal.activations()[-1].intent
    journal.close()


def test_a_state_directory_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailable):
        Journal.open(str(tmp_path / "file"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state/history.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalUnavailable):
        Journal.open(str(tmp_path / "state"))
    assert not (tmp_path / "elsewhere").exists()


def test_no_history_is_none(tmp_path: Path) -> None:
    assert Journal.open_to_read(str(tmp_path / "nowhere")) is None


NAMESPACE = ["unshare", "--mount", "--map-root-user"] if os.geteuid() else ["unshare", "--mount"]
DISK = """
import os, sys
from livefw.activation.history.journal import Journal, JournalUnavailable
from livefw.activation.history.verify import verify_chain
from livefw.errors import TransportError

def fill():
    with open(sys.argv[1] + "/fill", "ab", 0) as file:
        try:
            while file.write(b"x" * 4096): pass
        except OSError: pass

journal = Journal.open(sys.argv[1])
activation = journal.begin("lfa:a", {})
fill()
head = journal.end(activation, "lfa:a", {"outcome": "activated", "log": ["x" * 500] * 20})
print("outcome", head.sequence, len(journal.unfinished()), verify_chain(journal).flaws)
fill()
try:
    journal.begin("lfa:b", {})
except JournalUnavailable as error:
    print("refused", error.phase)
os.unlink(sys.argv[1] + "/fill")
print("again", len(journal.begin("lfa:b", {})))
"""


@pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no right to mount a small disk in a namespace",
)
def test_a_full_disk_refuses_the_next_activation_and_keeps_the_outcome_of_this_one(tmp_path: Path) -> None:
    script = tmp_path / "disk.py"
    script.write_text(DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f'mount -t tmpfs -o size=1m,mode=755 tmpfs "{disk}" && exec "{sys.executable}" "{script}" "{disk}"'
    result = subprocess.run([*NAMESPACE, "sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == ["outcome 2 0 []", "refused record", "again 16"], result.stderr


READ_ONLY = """
import sys
from livefw.activation.history.journal import Journal, JournalUnavailable
from livefw.activation.history.verify import verify_chain
journal = Journal.open_to_read(sys.argv[1])
print(len(journal.activations()), verify_chain(journal).flaws)
try:
    Journal.open(sys.argv[1]).begin("lfa:a", {})
except JournalUnavailable as error:
    print("refused")
"""


@pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no right to mount in a namespace",
)
def test_a_read_only_directory_can_be_read_and_refuses_to_begin(tmp_path: Path) -> None:
    state = tmp_path / "state"
    filled(state).close()
    script = tmp_path / "read_only.py"
    script.write_text(READ_ONLY)
    mounts = f'mount --bind "{state}" "{state}" && mount -o remount,ro,bind "{state}"'
    command = f'{mounts} && exec "{sys.executable}" "{script}" "{state}"'
    result = subprocess.run([*NAMESPACE, "sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == ["3 []", "refused"], result.stderr


def test_the_place_is_made_for_one_that_is_missing(tmp_path: Path) -> None:
    filled(tmp_path / "a/b").close()
    assert (tmp_path / "a/b/history.db").stat().st_mode & 0o777 & 0o027 == 0
    shutil.rmtree(tmp_path / "a")


def _race(directory: str, number: int) -> None:
    journal = Journal.open(directory)
    for _ in range(20):
        journal.end(journal.begin(f"lfa:{number}", {}), f"lfa:{number}", {})


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_race, args=(str(tmp_path), number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    journal = Journal.open_to_read(str(tmp_path))
    assert journal is not None
    assert journal.head().sequence == 160
    assert not verify_chain(journal).flaws
    assert not journal.unfinished()


@pytest.mark.parametrize("name", ["outcome", "code", "boot_id", "mark"])
def test_what_an_intent_is_settled_by_is_never_left_out(name: str) -> None:
    facts = {name: "x" * 900, **{f"fact {number}": "y" * 800 for number in range(100)}}
    written = json.loads(rows.bounded(facts))
    assert written[name] == "x" * 900
    assert len(rows.bounded(facts)) <= rows.ROW_LIMIT
    assert {written[each] for each in written["cut"]} == {""}
    assert 0 < len(written["cut"]) < 100


def test_a_history_that_is_taken_away_from_below_is_begun_anew(tmp_path: Path) -> None:
    """What is written into a file without a name nobody would read."""
    journal = Journal.open(str(tmp_path))
    journal.begin("lfa:a", {"name": "A"})
    for file in tmp_path.glob("history.db*"):
        file.unlink()
    journal.begin("lfa:b", {"name": "B"})
    again = Journal.open(str(tmp_path))
    assert [entry.component for entry in again.rows()] == ["lfa:b"]
    assert verify_chain(again).flaws == []
