# SPDX-License-Identifier: Apache-2.0
"""Who drives a modelled kernel: in virtual time for tests, in real time for a machine that people use.

Both offer the same: start kernel work, wait for it, take its result. In virtual time waiting moves the clock. In real
time the calling thread itself runs the kernel under a lock, so that reading a cached attribute needs no hand-over
between threads (each costs tens of microseconds), and one more thread serves timers.
"""

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from livefw.kernel import virtual
from livefw.kernel.clock import SECOND, MonotonicClock, VirtualClock
from livefw.kernel.os import KernelPanic, KernelTask, Os

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = logging.getLogger(__name__)


class KernelJob(Protocol[T_co]):
    """Kernel work that was started."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, at most ``seconds``; whether it has."""
        ...

    def result(self) -> T_co:
        """What it returned, or raises what it raised; `KernelPanic` if the machine died under it."""
        ...


class Runner(Protocol):
    """Drives one `Os`. Everything that touches the kernel goes through here."""

    @property
    def lock(self) -> threading.RLock:
        """Held around every step of the kernel; take it to look at several of its facts at one moment."""
        ...

    @property
    def dead(self) -> bool:
        """Whether the kernel has panicked; nothing runs any more."""
        ...

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> KernelJob[T]:
        """Start work and let it run as far as it gets without waiting."""
        ...

    def run(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """Start work and wait for its end."""
        ...

    def when_dead(self, action: Callable[[], None]) -> None:
        """Call ``action`` once if the kernel panics; work that waits in it will never end by itself."""
        ...

    def close(self) -> None:
        """Stop driving; work that has not ended stays where it is."""
        ...


class _VirtualJob(Generic[T]):
    __slots__ = ("_clock", "_os", "_task")

    def __init__(self, os: Os, clock: VirtualClock, task: KernelTask[T]) -> None:
        self._os = os
        self._clock = clock
        self._task = task

    def wait(self, seconds: float | None = None) -> bool:
        until = None if seconds is None else self._clock.now() + int(seconds * SECOND)
        with suppress(KernelPanic):
            virtual.advance(self._os, self._clock, self._task, until_ns=until)
        return self._task.done or self._os.panic is not None

    def result(self) -> T:
        if not self._task.done and self._os.panic is not None:
            raise KernelPanic(self._os.panic)
        return self._task.result()


class VirtualRunner:
    """Drives a kernel in virtual time, from one thread at a time."""

    def __init__(self, os: Os, clock: VirtualClock) -> None:
        self._os = os
        self._clock = clock
        self.lock = threading.RLock()

    @property
    def dead(self) -> bool:
        """As `Runner`."""
        return self._os.panic is not None

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> KernelJob[T]:
        """As `Runner`."""
        task = self._os.spawn(work, name=name)
        self._os.step()
        return _VirtualJob(self._os, self._clock, task)

    def run(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """As `Runner`; `livefw.kernel.virtual.Deadlock` if the work can never end."""
        job = self.start(work, name=name)
        job.wait()
        return job.result()

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        virtual.settle(self._os, self._clock)

    def when_dead(self, action: Callable[[], None]) -> None:
        """As `Runner`; nothing to do, because a waiter in virtual time drives it and sees the panic itself."""

    def close(self) -> None:
        """Nothing to stop."""


class _RealJob(Generic[T]):
    __slots__ = ("_runner", "_task")

    def __init__(self, runner: "RealRunner", task: KernelTask[T]) -> None:
        self._runner = runner
        self._task = task

    def wait(self, seconds: float | None = None) -> bool:
        return self._runner.wait(self._task, seconds)

    def result(self) -> T:
        return self._runner.result(self._task)


class RealRunner:
    """Drives a kernel in real time, from any number of threads."""

    def __init__(self, os: Os, clock: MonotonicClock) -> None:
        self._os = os
        self._clock = clock
        self.lock = threading.RLock()
        self._timer_set = threading.Condition(self.lock)
        self._stepped = threading.Condition(self.lock)
        self._waiters = 0
        self._when_dead: list[Callable[[], None]] = []
        self._planned: int | None = None
        self._closed = False
        self._ticker = threading.Thread(target=self._tick, name="livefw-timers", daemon=True)
        self._ticker.start()

    @property
    def dead(self) -> bool:
        """As `Runner`."""
        return self._os.panic is not None

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> KernelJob[T]:
        """As `Runner`."""
        return _RealJob(self, self._spawn(work, name))

    def run(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """As `Runner`; waits for ever where the modelled machine hangs."""
        task = self._spawn(work, name)
        if not task.done:
            self.wait(task, None)
        return self.result(task)

    def wait(self, task: KernelTask[Any], seconds: float | None) -> bool:
        """Wait for a task of this kernel; whether it has ended, which a panic or `close` also brings about."""
        limit = None if seconds is None else time.monotonic() + seconds
        with self.lock:
            self._waiters += 1
            try:
                while not (task.done or self._os.panic is not None or self._closed):
                    left = None if limit is None else limit - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._stepped.wait(left)
            finally:
                self._waiters -= 1
        return True

    def result(self, task: KernelTask[T]) -> T:
        """What a task returned; `KernelPanic` if it can no longer end."""
        if not task.done and (self._os.panic is not None or self._closed):
            raise KernelPanic(self._os.panic or "the machine was switched off")
        return task.result()

    def when_dead(self, action: Callable[[], None]) -> None:
        """As `Runner`."""
        with self.lock:
            self._when_dead.append(action)

    def close(self) -> None:
        """Stop serving timers and let every waiter go."""
        with self.lock:
            self._closed = True
            self._timer_set.notify_all()
            self._stepped.notify_all()
        self._ticker.join()

    def _spawn(self, work: Coroutine[Any, Any, T], name: str) -> KernelTask[T]:
        with self.lock:
            task = self._os.spawn(work, name=name)
            self._step()
        return task

    def _step(self) -> None:
        """Run the kernel, then wake only who has a reason: on the path of a cached read that is nobody."""
        self._os.step()
        if self._os.panic is not None:
            while self._when_dead:
                self._when_dead.pop()()
        if self._waiters:
            self._stepped.notify_all()
        deadline = self._os.deadline()
        if deadline is not None and (self._planned is None or deadline < self._planned):
            self._timer_set.notify_all()

    def _tick(self) -> None:
        with self.lock:
            while not self._closed:
                self._planned = deadline = self._os.deadline()
                left = None if deadline is None else (deadline - self._clock.now()) / SECOND
                if left is None or left > 0:
                    self._timer_set.wait(left)
                else:
                    try:
                        self._step()
                    except Exception:
                        _log.exception("a worker of the modelled kernel failed")  # a defect, but time must continue
