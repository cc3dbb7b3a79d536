# SPDX-License-Identifier: Apache-2.0
"""What a sampler notes of how late it comes to run, by a clock of the test."""

import mmap
import os
from collections.abc import Iterator

import pytest

from livefw.activation.measure import sampler

MS = 1_000_000
START = 1_000 * MS
OFFSET = 8


class Time:
    """Stands in for the module: each sleep takes as long as it should, and one of ``delays`` more."""

    def __init__(self, memory: mmap.mmap, delays: list[int], mark_after: int) -> None:
        self.now = START
        self._memory, self._delays, self._mark_after = memory, delays, mark_after
        self.slept = 0

    def monotonic_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) + self._delays[self.slept]
        self.slept += 1
        if self.slept == self._mark_after:
            self._memory[0] = sampler.MARKED
        if self.slept == len(self._delays):
            self._memory[0] = sampler.STOPPED


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[mmap.mmap]:
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(os, "sched_setscheduler", lambda *_: None)
    with mmap.mmap(-1, OFFSET + 2 * sampler.STEP) as made:
        yield made


def run(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, delays: list[int], *, mark_after: int = -1) -> None:
    monkeypatch.setattr(sampler, "time", Time(memory, delays, mark_after))
    sampler.worker(memory, OFFSET, 0, MS, os.getppid())


def gaps(memory: mmap.mmap, count: int) -> list[tuple[int, ...]]:
    at = OFFSET + sampler.SLOT.size
    return [sampler.GAP.unpack_from(memory, at + index * sampler.GAP.size) for index in range(count)]


def test_the_longest_delay_before_and_after_the_mark_and_each_long_one_are_noted(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(memory, monkeypatch, [0, 5 * MS, 3 * MS, 0, 7 * MS, 2 * MS, 0], mark_after=4)
    assert sampler.SLOT.unpack_from(memory, OFFSET) == (1, 5 * MS, 7 * MS, 4)
    due = [START + n * MS for n in (2, 8, 13, 21)]
    late = [5 * MS, 3 * MS, 7 * MS, 2 * MS]
    assert gaps(memory, 5) == [(at, at + more) for at, more in zip(due, late, strict=True)] + [(0, 0)]


def test_what_is_late_by_less_than_counts_is_no_gap(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch) -> None:
    run(memory, monkeypatch, [sampler.NOTE_NS - 1, sampler.NOTE_NS, 0])
    _, before, after, count = sampler.SLOT.unpack_from(memory, OFFSET)
    assert (before, after, count) == (sampler.NOTE_NS, 0, 1)


def test_no_more_gaps_are_noted_than_there_is_room_for(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch) -> None:
    run(memory, monkeypatch, [5 * MS] * (sampler.GAPS + 3))
    assert sampler.SLOT.unpack_from(memory, OFFSET)[3] == sampler.GAPS
    assert (0, 0) not in gaps(memory, sampler.GAPS)
    assert memory[OFFSET + sampler.STEP :] == bytes(sampler.STEP)


def test_if_there_is_no_room_the_shortest_gap_makes_it(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine has hundreds of gaps before the activation, whose own must not be missing."""
    run(memory, monkeypatch, [2 * MS, *[5 * MS] * (sampler.GAPS - 1), 3 * MS, 9 * MS, 1 * MS, 0])
    found = sampler.row(memory, OFFSET, 0)
    assert found
    noted = found["gaps"]
    assert isinstance(noted, list)
    lengths = [end - start for start, end in noted]
    assert lengths == [*[5 * MS] * (sampler.GAPS - 1), 9 * MS]
