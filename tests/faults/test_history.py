# SPDX-License-Identifier: Apache-2.0
"""The history alone, with a fault at every operation: what it said is written is there, and nothing is damaged."""

import errno
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from bench.records import fill

from livefw.activation.history import opening, schema
from livefw.activation.history.archive import Cut
from livefw.activation.history.journal import Head, Journal, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.errors import LivefwError

from . import python_calls, sqlite_calls
from .conftest import Count
from .disk import Disk, Fault, Left, PowerCut
from .disk import Kind as Operation
from .trial import SECONDS, cuts, leavings, to_try

KEY = "lfa:x"


class Written:
    """What a history said that it has written."""

    def __init__(self, folder: Path, *, used: bool, fault: Fault | None = None) -> None:
        self.root = folder / "disk"
        self.state = self.root / "state"
        self.root.mkdir(parents=True)
        if used:
            fill(self.state, 4)
        self.heads: list[Head] = []
        self.begun: list[str] = []
        self.disk = Disk(self.root, fault)
        with python_calls.seen_by(self.disk), sqlite_calls.seen_by(self.disk), suppress(LivefwError, PowerCut):
            self._write()

    def _write(self) -> None:
        with closing(Journal.open(str(self.state))) as journal:
            for _ in range(2):
                self.begun.append(journal.begin(KEY, {}))
                with suppress(LivefwError):  # is told, and changes nothing of what happened
                    self.heads.append(journal.end(self.begun[-1], KEY, {"outcome": "failed"}))
            self.heads.append(journal.note(RowKind.REFUSAL, KEY, {}))

    def judge(self, state: Path) -> None:
        """It is all there, in a history without a flaw, which was never taken for a damaged one."""
        with closing(Journal.open(str(state))) as journal:
            assert journal.set_aside is None
            assert verify_chain(journal).flaws == []
            entries = list(journal.rows())
            assert {*self.heads} <= {Head(each.sequence, each.hash) for each in entries}
            assert {*self.begun} <= {each.activation for each in entries}
            journal.end(journal.begin(KEY, {}), KEY, {})
        names = {path.name for path in state.iterdir()}
        assert names == {"history.db", "reserve", ".writer"}


PARTS = 4


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("used", [False, True], ids=["the first rows", "further rows"])
def test_a_fault_at_every_operation(used: bool, part: int, folder: Path, count: Count) -> None:
    sound = Written(folder / "sound", used=used)
    assert len(sound.heads) == 3
    log = sound.disk.log
    count(cases=part == 0, operations=len(log) * (part == 0))
    for number, fault in enumerate(to_try(f"used {used}", log)[part::PARTS]):
        written = Written(folder / str(number), used=used, fault=fault)
        if fault.error and log[fault.number - 1][0] is not Operation.SYNC:
            written.judge(written.state)
            count(errors=1, states=1)
            continue
        # The power has gone, or goes after the kernel could not write something, and calls it clean.
        left = folder / f"{number}-left"
        left.mkdir()
        written.disk.leave(Left(names=fault.error != 0), left)
        (left / "state").mkdir(exist_ok=True)
        written.judge(left / "state")
        count(errors=fault.error != 0, cuts=fault.error == 0, states=1)


@pytest.mark.parametrize("left", range(6))
def test_a_history_that_was_being_made_by_an_older_livefw_when_the_power_went(left: int, folder: Path) -> None:
    """It made the file under its own name, and SQLite had a journal for going back beside it."""

    def old(path: Path) -> None:
        opening.regular(str(path), 0o102)
        with closing(opening.connected(str(path), "rw")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            schema.migrate(connection)

    def played(name: str, fault: Fault | None) -> Disk:
        (folder / name).mkdir()
        disk = Disk(folder / name, fault)
        with python_calls.seen_by(disk), sqlite_calls.seen_by(disk), suppress(sqlite3.Error, BaseException):
            old(folder / name / "history.db")
        return disk

    journals = 0
    for fault in cuts(played("sound", None).log):
        disk = played(str(fault.number), fault)
        state = folder / f"{fault.number}-left"
        state.mkdir()
        disk.leave(leavings(fault.number, 3)[left], state)
        journals += (state / "history.db-journal").exists()
        with closing(Journal.open(str(state))) as journal:
            journal.end(journal.begin(KEY, {}), KEY, {})
            assert verify_chain(journal).flaws == []
            assert journal.set_aside is None
    assert journals > 0 or left == 0


def test_a_disk_that_answers_late_is_none_that_is_damaged(folder: Path) -> None:
    log = Written(folder / "sound", used=True).disk.log
    reads = [number for number, (kind, _) in enumerate(log, 1) if kind is Operation.READ]
    assert len(reads) > 10
    for number in reads:
        written = Written(folder / str(number), used=True, fault=Fault(number, errno.EIO))
        assert not list(written.state.glob("*.damaged-*"))
        written.judge(written.state)


def test_an_archive_that_finds_no_room_leaves_no_part_of_it(folder: Path) -> None:
    def archive(state: str) -> None:
        with closing(Journal.open(state)) as journal:
            journal.archive(Cut(1))

    def archived(name: str, fault: Fault | None = None) -> Disk:
        state = folder / name
        fill(state, 4)
        disk = Disk(state, fault)
        with python_calls.seen_by(disk), sqlite_calls.seen_by(disk), suppress(LivefwError):
            archive(str(state))
        return disk

    log = archived("sound").log
    writes = [
        number for number, (kind, path) in enumerate(log, 1) if kind is Operation.WRITE and path.endswith(".partial")
    ]
    assert writes
    for number in writes:
        archived(str(number), Fault(number, errno.ENOSPC, lasting=True))
        assert not list((folder / str(number)).glob("*.partial"))
