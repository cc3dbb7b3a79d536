# SPDX-License-Identifier: Apache-2.0
"""Sleeping locks: exclusion, order, fairness."""

from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.kernel.clock import MS, VirtualClock
from livefw.kernel.locks import Mutex, RwSemaphore
from livefw.kernel.os import Os
from livefw.kernel.scripted import ScriptedFirmware
from livefw.kernel.virtual import run, settle


def machine() -> tuple[Os, VirtualClock]:
    clock = VirtualClock()
    return Os(conduit=ScriptedFirmware(), clock=clock, cpus=1), clock


class Room:
    """Counts who is inside, and notes who went in."""

    def __init__(self, os: Os) -> None:
        self.os = os
        self.lock = RwSemaphore(os)
        self.readers = 0
        self.writers = 0
        self.order = ""
        self.most_readers = 0

    async def reader(self, start: int, stay: int) -> None:
        await self.os.sleep(start)
        async with self.lock.read():
            self.order += "r"
            self.readers += 1
            self.most_readers = max(self.most_readers, self.readers)
            assert not self.writers
            await self.os.sleep(stay)
            self.readers -= 1

    async def writer(self, start: int, stay: int) -> None:
        await self.os.sleep(start)
        async with self.lock.write():
            self.order += "w"
            self.writers += 1
            assert (self.readers, self.writers) == (0, 1)
            await self.os.sleep(stay)
            self.writers -= 1

    def enter(self, kind: str, start: int, stay: int) -> Coroutine[Any, Any, None]:
        return self.reader(start, stay) if kind == "r" else self.writer(start, stay)


@pytest.mark.parametrize(
    ("visits", "order", "readers"),
    [
        ((("r", 0, 9), ("r", 1, 9), ("r", 2, 9)), "rrr", 3),
        ((("w", 0, 9), ("w", 1, 9), ("r", 2, 9)), "wwr", 1),
        ((("r", 0, 9), ("w", 1, 9), ("r", 2, 9)), "rwr", 1),  # a waiting writer keeps later readers out
        ((("w", 0, 9), ("r", 1, 9), ("r", 2, 9), ("w", 3, 9), ("r", 4, 9)), "wrrwr", 2),
    ],
)
def test_readers_share_and_writers_queue(visits: tuple[tuple[str, int, int], ...], order: str, readers: int) -> None:
    os, clock = machine()
    room = Room(os)
    for kind, start, stay in visits:
        os.spawn(room.enter(kind, start, stay), name=kind)
    settle(os, clock)
    assert (room.order, room.most_readers) == (order, readers)


@given(st.lists(st.tuples(st.sampled_from("rw"), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_nobody_is_left_waiting(visits: list[tuple[str, int, int]]) -> None:
    os, clock = machine()
    room = Room(os)
    tasks = [os.spawn(room.enter(*visit), name=visit[0]) for visit in visits]
    settle(os, clock)
    for task in tasks:
        task.result()
    assert sorted(room.order) == sorted(kind for kind, _, _ in visits)


def test_a_mutex_goes_to_the_longest_waiter() -> None:
    os, clock = machine()
    mutex = Mutex(os)
    order: list[int] = []

    async def work(number: int) -> None:
        await os.sleep(number)
        async with mutex.held():
            order.append(number)
            await os.sleep(10 * MS)

    for number in (3, 1, 2):
        os.spawn(work(number), name=str(number))
    settle(os, clock)
    assert order == [1, 2, 3]
    assert not mutex.locked


def test_nobody_slips_in_between_release_and_the_next_owner() -> None:
    os, _ = machine()
    mutex = Mutex(os)
    assert mutex.try_acquire()
    waiter = os.spawn(mutex.acquire(), name="waiter")
    os.step()
    mutex.release()
    assert not mutex.try_acquire()
    os.step()
    assert waiter.done
    mutex.release()
    assert mutex.try_acquire()


def test_locks_are_released_by_an_exception() -> None:
    os, clock = machine()
    mutex, semaphore = Mutex(os), RwSemaphore(os)

    async def fails() -> None:
        async with mutex.held(), semaphore.write():
            raise InterruptedError

    for _ in range(2):
        with pytest.raises(InterruptedError):
            run(os, clock, fails())
