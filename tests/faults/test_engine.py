# SPDX-License-Identifier: Apache-2.0
"""Whatever fails of the disk, and whenever: outcome, record and machine agree, and the next activation works.

`make test` tries one fault at each operation that changes something, an error or a power cut as it is drawn; at every
fourth of the writes and every eighth of what changes nothing. `make faults` tries all errors and all that a power cut
may leave at each.
"""

import errno
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.history import damaged, opening

from .cases import CASES
from .conftest import Count
from .disk import Fault, Left
from .disk import Kind as Operation
from .trial import ALL, SECONDS, Case, Trial, leavings, to_try

WRITES = 4
"""One of so many: they are most of what changes something, and one page of SQLite's after the other."""
OTHERS = 8
"""One of so many operations that change nothing, such as to open a file; they are much the same in every case."""
PARTS = 4 if ALL else 2
"""Of each case, for several processes to share."""


class Found(NamedTuple):
    """A fault, and what did not agree after it."""

    fault: Fault
    operation: tuple[Operation, str] | None
    why: str


def disagreement(case: Case, folder: Path, fault: Fault, operation: Operation | None, count: Count) -> str:
    """What does not agree after a fault; empty for nothing."""
    trial = Trial(case, folder / "trial", fault)
    try:
        if fault.error:
            count(errors=1, states=1)
            trial.judge_told()
            if operation is Operation.SYNC:
                # What the kernel could not write, and calls clean: the power goes while everybody relies on it.
                trial.judge_left(Left(names=True), rebooted=False, last=True)
            else:
                trial.judge()
        else:
            count(cuts=1)
            judge_cut(trial, fault.number, count)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        trial.close()
    return ""


def judge_cut(trial: Trial, number: int, count: Count) -> None:
    """On the machine as it is, and switched off and on; one of what may be left on each, unless all is tried."""
    left = leavings(number, 4 if ALL else 1)
    half = number % 2
    first = left if ALL else [left[3 * half]]
    then = left if ALL else [left[2 - half]]
    count(states=len(first) + len(then))
    for each in first:
        trial.judge_left(each, rebooted=False, last=False)
    trial.scene.reboot()
    for each in then:
        trial.judge_left(each, rebooted=True, last=each is then[-1])


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_whatever_fails_all_agree(case: Case, part: int, folder: Path, count: Count) -> None:
    sound = Trial(case, folder / "sound")
    assert sound.error == ""
    log = sound.disk.log
    sound.judge_told()
    sound.judge_seen()
    sound.judge()
    sound.close()
    if part == 0:
        count(cases=1, operations=len(log))
    found = []
    for fault in to_try(case.name, log, writes=WRITES, others=OTHERS)[part::PARTS]:
        operation = log[fault.number - 1] if fault.number <= len(log) else None
        if why := disagreement(case, folder, fault, operation and operation[0], count):
            found.append(Found(fault, operation, why))
    count(disagree=len(found))
    assert not found, "\n".join(map(str, found))


# What is wrong is seen.


def is_noticed(case: str, folder: Path, why: str) -> bool:
    """Whether some power cut shows what is wrong with the product."""
    (found,) = [each for each in CASES if each.name == case]
    sound = Trial(found, folder / "sound")
    log = sound.disk.log
    sound.close()
    tried = (fault for fault in to_try(case, log) if fault.error == 0)
    return any(why in disagreement(found, folder, fault, None, lambda **_: None) for fault in tried)


def test_a_directory_that_is_not_on_disk_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged, "sync_above", lambda path: None)
    assert is_noticed("the first activation", folder, "no intent is left")


def test_rows_that_are_not_on_disk_are_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = opening.ready

    def hasty(path: str) -> object:
        connection = real(path)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    monkeypatch.setattr(opening, "ready", hasty)
    assert is_noticed("an activation", folder, "no intent is left")


def test_a_fault_is_what_it_says(folder: Path) -> None:
    assert Fault(3, errno.ENOSPC, lasting=True).hits(Operation.WRITE, 4)
    assert not Fault(3, errno.ENOSPC, lasting=True).hits(Operation.SYNC, 4)
    assert not Fault(3, errno.EROFS, lasting=True).hits(Operation.READ, 4)
    assert not Fault(3, errno.EIO).hits(Operation.WRITE, 4)
