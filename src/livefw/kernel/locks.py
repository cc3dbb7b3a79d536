# SPDX-License-Identifier: Apache-2.0
"""Sleeping locks of the modelled kernel: mutex and reader/writer semaphore, first come first served."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from livefw.kernel.os import KernelTask, Os


class Mutex:
    """``struct mutex``."""

    __slots__ = ("_os", "_waiters", "locked")

    def __init__(self, os: Os) -> None:
        self._os = os
        self._waiters: deque[KernelTask[Any]] = deque()
        self.locked = False

    def try_acquire(self) -> bool:
        """``mutex_trylock``."""
        if self.locked:
            return False
        self.locked = True
        return True

    def release(self) -> None:
        """``mutex_unlock``; the longest waiter becomes the owner."""
        if self._waiters:
            self._os.wake(self._waiters.popleft())
        else:
            self.locked = False

    async def acquire(self) -> None:
        """``mutex_lock``."""
        if not self.try_acquire():
            await self._os.park(self._waiters)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Own the lock for a block."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()


class RwSemaphore:
    """``struct rw_semaphore``: many readers or one writer; a waiting writer keeps later readers out."""

    __slots__ = ("_os", "_queue", "_readers", "_waiters", "_writer")

    def __init__(self, os: Os) -> None:
        self._os = os
        self._readers = 0
        self._writer = False
        self._queue: deque[bool] = deque()
        self._waiters: deque[KernelTask[Any]] = deque()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Share the lock for a block (``down_read``)."""
        if self._writer or self._queue:
            await self._wait(writer=False)
        else:
            self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._admit()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[None]:
        """Own the lock for a block (``down_write``)."""
        if self._writer or self._readers or self._queue:
            await self._wait(writer=True)
        else:
            self._writer = True
        try:
            yield
        finally:
            self._writer = False
            self._admit()

    async def _wait(self, *, writer: bool) -> None:
        self._queue.append(writer)
        await self._os.park(self._waiters)

    def _admit(self) -> None:
        """Admit all tasks that may enter now, on their behalf, so that no other can enter first."""
        while self._queue and not self._writer and not (self._queue[0] and self._readers):
            if self._queue.popleft():
                self._writer = True
            else:
                self._readers += 1
            self._os.wake(self._waiters.popleft())
