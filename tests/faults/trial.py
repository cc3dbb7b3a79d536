# SPDX-License-Identifier: Apache-2.0
"""One piece of work on a disk that fails, or loses power, at one place; and whether all that is left agrees."""

import errno
import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

from livefw.activation.history.journal import ENDINGS, HistoryRow, Journal, RowKind
from livefw.activation.history.rows import is_archive
from livefw.activation.history.verify import verify_chain
from livefw.activation.paths import Paths
from livefw.errors import LivefwError

from . import python_calls, sqlite_calls
from .disk import CHANGES, ERRORS, Disk, Fault, Left, PowerCut
from .disk import Kind as Operation
from .scene import SERVED, Said, Scene

ALL = os.environ.get("LIVEFW_FAULTS") == "all"
"""Every fault everywhere, which takes half an hour."""
SECONDS = 7200 if ALL else 900
"""For one test, on a machine that has much else to do."""


class Case(NamedTuple):
    """A piece of work. ``prepare`` is done on a sound disk, ``work`` on the one that fails.

    ``damaged``: the history is set aside meanwhile. ``again`` takes away what was left of it.
    """

    name: str
    scene: Callable[[Path], Scene]
    prepare: Callable[[Scene], None]
    work: Callable[[Scene], None]
    damaged: bool = False
    again: Callable[[Scene], None] | None = None


class Trial:
    """A case with one fault, played to its end."""

    def __init__(self, case: Case, folder: Path, fault: Fault | None = None) -> None:
        folder.mkdir()
        self._case = case
        self._folder = folder
        self.scene = scene = case.scene(folder)
        scene.root.mkdir()
        case.prepare(scene)
        self._before = rows(scene.paths)
        asked_before, took_over = scene.asked(), scene.took_over()
        history = Path(scene.paths.state, "history.db")
        self._content = history.read_bytes() if history.exists() else b""
        self.disk = scene.disk = Disk(scene.root, fault)
        self.error = ""
        self._defect = False
        with python_calls.seen_by(self.disk), sqlite_calls.seen_by(self.disk):
            try:
                case.work(scene)
            except PowerCut:
                pass
            except Exception as error:
                # Not itself: it would keep what SQLite has open. What is neither is told a user as a defect of livefw.
                self.error = repr(error)
                self._defect = not isinstance(error, LivefwError | OSError)
        if self.error:
            gc.collect()  # what is left in circles of an error and its frames would keep files of SQLite's open
        scene.settle()
        self.disk.dead = False
        self._announced = [*scene.announced]
        self._sayings = [
            Said(each.component, each.outcome, "announced") for each in self._announced if each.outcome
        ] + [Said(each.result.before.key, each.result.outcome, "answered") for each in scene.attempts]
        self._asked_now = scene.asked() > asked_before
        self._changed = scene.took_over() - took_over

    def close(self) -> None:
        """Nothing is left of it."""
        self.scene.close()
        shutil.rmtree(self._folder)

    def judge_seen(self) -> None:
        """The disk has heard of everything: what it thinks everybody sees is there."""
        there = {str(path.relative_to(self.disk.root)): path for path in self.scene.root.rglob("*") if path.is_file()}
        seen = self.disk.seen()
        assert seen.keys() == there.keys()
        shared = {name for name in seen if name.endswith("-shm")}  # written by nobody's call
        assert [name for name, path in there.items() if path.read_bytes() != seen[name] and name not in shared] == []

    def judge_told(self) -> None:
        """What was asked of the firmware was told, and is true. Not after a power cut: nobody lives to tell."""
        assert not self._defect, self.error
        assert self.scene.attempts or not self._asked_now, f"asked, and not told: {self.error}"
        assert self._changed <= {said.component for said in self._sayings}, f"changed, and not told: {self.error}"
        for said in self._sayings:
            assert not self.scene.wrongs(said, rebooted=False), said

    def judge_left(self, left: Left, *, rebooted: bool, last: bool) -> None:
        """What a power cut leaves, in the place of what was there; the machine as it is, or switched off and on."""
        root = self.scene.root
        shutil.rmtree(root)
        root.mkdir()
        self.disk.leave(left, root)
        self.judge(rebooted=rebooted, last=last)

    def judge(self, *, rebooted: bool = False, last: bool = True) -> None:
        """A new engine comes to a record; ``last``: and then it is used."""
        scene, is_damaged = self.scene, self._case.damaged
        scene.disk = None
        with scene.engine().open() as run:
            settled = {each.intent.activation: each for each in run.settled}
            assert run.set_aside is None or is_damaged, run.set_aside
        self._judge_files()
        after = rows(scene.paths)
        assert is_damaged or after[: len(self._before)] == self._before, "earlier rows are gone"
        new = after if is_damaged else after[len(self._before) :]
        assert any(each.kind in ENDINGS for each in new) or not self._asked_now, "asked, and no intent is left"
        for each in new:
            if each.kind in (RowKind.OUTCOME, RowKind.STAGED):
                again = each.activation in settled
                said = Said(each.component, str(each.body["outcome"]), "settled" if again else "written")
                assert not scene.wrongs(said, rebooted=rebooted and again), said
        heads = {(each.sequence, each.hash) for each in after}
        for told in self._announced:
            row = told.row
            assert row.head is None or row.head in heads or told.kind is RowKind.SET_ASIDE, "a row is gone"
            assert row.head or row.error or row.open, told
        judge_history(scene.paths)
        if last:
            scene.works()
            if self._case.again:
                self._case.again(scene)
            self._judge_files(last=True)
            judge_history(scene.paths)

    def _judge_files(self, *, last: bool = False) -> None:
        """Nothing is left but what has its place; of what ``again`` takes away not even that at ``last``."""
        state = Path(self.scene.paths.state)
        left = {path.name for path in state.iterdir()}
        if self._case.damaged:
            aside = {name for name in left if name.startswith("history.db.damaged-")}
            left -= aside
            contents = [(state / name).read_bytes() for name in aside if not name.endswith(("-wal", "-shm"))]
            assert contents, "the damaged history is gone"
            assert {*contents} == {self._content}, "the damaged history was changed"
        left -= {name for name in left if is_archive(name)}
        if self._case.again and not last:
            left -= {name for name in left if name.endswith(".partial")}
        assert left <= SERVED, left


def judge_history(at: Paths) -> None:
    """It has no flaw, and tells how each intent ended."""
    journal = Journal.open_to_read(at.state)
    assert journal
    with closing(journal):
        assert verify_chain(journal).flaws == []
        assert journal.unfinished() == []


def rows(at: Paths) -> list[HistoryRow]:
    """All of a history; none where there is none."""
    journal = Journal.open_to_read(at.state)
    if journal is None:
        return []
    with closing(journal):
        found = {entry.sequence: entry for entry in journal.rows()}
        for archive in journal.archives():
            other = Journal.open_file(archive)
            assert other
            with closing(other):
                assert verify_chain(other).flaws == []
                found |= {entry.sequence: entry for entry in other.rows()}
    return [found[number] for number in sorted(found)]


def errors(log: list[tuple[Operation, str]]) -> Iterator[list[Fault]]:
    """For each operation all that can go wrong with it, once or for good."""
    for number, (kind, _) in enumerate(log, 1):
        found = [Fault(number, error) for error in ERRORS[kind]]
        found += [
            Fault(number, error, lasting=True)
            for error in ERRORS[kind]
            if error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        ]
        yield found + ([Fault(number, errno.EIO, short=True)] if kind is Operation.WRITE else [])


def cuts(log: list[tuple[Operation, str]]) -> Iterator[Fault]:
    """A power cut ahead of each operation after which something else may be left, and one at the end."""
    for number, (kind, path) in enumerate(log, 1):
        if kind in CHANGES and not path.endswith("-shm"):
            yield Fault(number)
    yield Fault(len(log) + 1)


def to_try(name: str, log: list[tuple[Operation, str]], *, writes: int = 1, others: int = 1) -> list[Fault]:
    """Every fault, or one for each operation, drawn; for one of so many ``writes``, and of ``others`` that change
    nothing."""
    failing, cutting = [*errors(log)], {fault.number: fault for fault in cuts(log)}
    if ALL:
        return [*(each for tried in failing for each in tried), *cutting.values()]
    found = []
    for number, tried in enumerate(failing, 1):
        chance = Random(f"{name}/{number}")
        kind = log[number - 1][0]
        one_of = writes if kind is Operation.WRITE else 1 if kind in CHANGES else others
        if chance.randrange(one_of) == 0:
            cut = cutting.get(number)
            found.append(cut if cut and chance.random() < 0.5 else chance.choice(tried))
    return [*found, cutting[len(log) + 1]]


def leavings(number: int, chances: int) -> list[Left]:
    """What a power cut may leave: everything, nothing, names without data, and parts by chance."""
    return [
        Left(),
        Left(names=True),
        Left(names=True, data=True),
        *(Left(chance=Random(f"{number}/{each}")) for each in range(chances)),
    ]
