# SPDX-License-Identifier: Apache-2.0
"""The daemon's one thread that talks, and the one that looks at the machine so that talking never waits for it."""

import heapq
import itertools
import logging
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from livefw.dbus.turns import Turns
from livefw.errors import InternalError, Interrupted

_log = logging.getLogger(__name__)
T = TypeVar("T")
Callback = Callable[[], None]
_Callbacks = tuple[Callback | None, Callback | None, Callback | None]


class HasFileno(Protocol):
    """A socket, a pipe."""

    def fileno(self) -> int:
        """Its descriptor."""


class Loop:
    """Calls back when descriptors are ready, when time has come, and what other threads hand over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epoll = select.epoll()
        self._watched: dict[int, _Callbacks] = {}
        self._soon: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._workers: list[Worker] = []
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self.watch(self._wake, self._drain)
        self._running = True

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""
        return self._clock()

    def watch(
        self,
        target: HasFileno | int,
        read: Callback | None,
        *,
        write: Callback | None = None,
        gone: Callback | None = None,
    ) -> None:
        """Call ``read`` when there is something to read, and ``write`` when something can be written.

        ``gone`` is called when the other end has been closed, whether or not there is something to read as well.
        """
        events = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
        if not (events or gone):
            self.forget(target)
            return
        number = _number(target)
        change = self._epoll.modify if number in self._watched else self._epoll.register
        change(number, events)
        self._watched[number] = (read, write, gone)

    def forget(self, target: HasFileno | int) -> None:
        """Watch it no longer, before it is closed; nothing if it is not watched."""
        number = _number(target)
        if self._watched.pop(number, None):
            self._epoll.unregister(number)

    def soon(self, callback: Callback) -> None:
        """Call back from the loop's thread; from any thread."""
        self._soon.append(callback)
        self.wake()

    def wake(self) -> None:
        """Look at everything once; from any thread and from a signal's handler."""
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # it was woken often enough, or is closed and nobody waits for anything

    def later(self, seconds: float, callback: Callback) -> None:
        """Call back once after so many seconds."""
        heapq.heappush(self._timers, (self.now() + seconds, next(self._order), callback))

    def stop(self) -> None:
        """End `run`; from any thread and from a signal's handler."""
        self._running = False
        self.wake()

    @property
    def wakener(self) -> int:
        """Descriptor for `signal.set_wakeup_fd`."""
        return self._waker.fileno()

    def run(self) -> None:
        """Until `stop`."""
        while self._running:
            wait = None if not self._timers else max(self._timers[0][0] - self.now(), 0)
            ready = self._epoll.poll(0 if self._soon else wait)
            for number, mask, callbacks in [(number, mask, self._watched.get(number)) for number, mask in ready]:
                if callbacks and self._watched.get(number) is callbacks:  # an earlier callback may have closed it
                    _guarded(partial(_call, callbacks, mask))
            for _ in range(len(self._soon)):  # what these add comes after what is waiting by then
                _guarded(self._soon.popleft())
            while self._timers and self._timers[0][0] <= self.now():
                _guarded(heapq.heappop(self._timers)[2])

    def end_with_it(self, worker: "Worker") -> None:
        """Have `close` end the threads of a worker."""
        self._workers.append(worker)

    def close(self) -> None:
        """Release what the loop itself holds, and end its workers' threads; what they do is not waited for."""
        for worker in self._workers:
            worker.end()
        self._epoll.close()
        self._wake.close()
        self._waker.close()

    def _drain(self) -> None:
        self._wake.recv(4096)


def _number(target: HasFileno | int) -> int:
    return target if isinstance(target, int) else target.fileno()


def _call(callbacks: _Callbacks, mask: int) -> None:
    """Errors and the end of a stream are for both callbacks."""
    read, write, gone = callbacks
    if gone and mask & (select.EPOLLHUP | select.EPOLLERR):
        gone()
        return
    if write and mask & ~select.EPOLLIN:
        write()
    if read and mask & ~select.EPOLLOUT:
        read()


def _guarded(callback: Callback) -> None:
    """A defect of ours is logged, and does not end the daemon that all clients use."""
    try:
        callback()
    except Exception:
        _log.exception("defect in a callback")


class Worker:
    """Threads for work that may block, such as reading sysfs while the firmware holds the CPUs.

    Users take turns, and one user has one thread at a time, or ``each``: one who asks for a thousand things, or for
    one that never comes to an end, waits for them, and not everybody else.
    """

    def __init__(self, loop: Loop, *, threads: int = 1, each: int = 1) -> None:
        self._loop = loop
        self._each = each
        self._turns = Turns[Callback]()
        self._served: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._ended = False
        loop.end_with_it(self)
        for number in range(threads):
            # Daemon threads: a read that the kernel never answers must not keep the process from ending.
            threading.Thread(target=self._work, daemon=True, name=f"livefw-look-{number}").start()

    def do(
        self,
        user: int,
        work: Callable[[], T],
        done: Callable[[T | Exception], None],
        *,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Do it in the thread, in this user's turn; its result, or what it raised, is passed on in the loop.

        What is not ``wanted`` any more when its turn comes is not begun: the result is `Interrupted`.
        """

        def both() -> None:
            result: T | Exception
            try:
                result = work() if wanted() else Interrupted("the client has left")
            except BaseException as error:  # the client gets it, whatever it is: the thread is everybody's
                result = error if isinstance(error, Exception) else InternalError(f"{type(error).__name__}: {error}")
            self._loop.soon(lambda: done(result))

        with self._changed:
            self._turns.add(user, both)
            self._changed.notify()

    def end(self) -> None:
        """End the threads, each after what it does now; what has not begun is dropped."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _work(self) -> None:
        while turn := self._next():
            user, work = turn
            work()
            with self._changed:
                self._served[user] -= 1
                if not self._served[user]:
                    del self._served[user]
                self._changed.notify()

    def _next(self) -> tuple[int, Callback] | None:
        """The first of whose turn it is; None at the end."""
        with self._changed:
            while not self._ended:
                if found := self._turns.take(lambda user: self._served[user] < self._each):
                    self._served[found[0]] += 1
                    return found
                self._changed.wait()
            return None
