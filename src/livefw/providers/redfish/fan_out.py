# SPDX-License-Identifier: Apache-2.0
"""Asks any number of BMCs side by side, each in a thread, and gives up those that do not answer at all in time.

Threads are daemon threads of our own and none of `concurrent.futures`: an interpreter that ends waits for those, and a
resolver that does not answer holds one for half a minute.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from livefw.providers.redfish.ending import ended_cleanly
from livefw.providers.redfish.settings import Bmc

MOST_THREADS = 64
"""BMCs that are asked at a time. A silent one holds its thread for its patience, and no longer."""
_RESERVE_S = 2.0
"""Seconds that this machine itself may lose between two steps."""
_BEAT_S = 0.25
"""How long is waited for an answer before those are looked for that will not come."""
_LEAVING_S = 2.0
"""How long an interrupted caller waits for sessions to be closed."""

_NEVER = float("inf")

T = TypeVar("T")
_Reports = SimpleQueue[tuple[int, T | Exception]]
"""What threads report: which BMC, and what came of it."""


class Abandoned(Exception):  # noqa: N818 - no error: nobody waits any more
    """Nobody waits for the answer of this BMC any more: nothing further is to be asked of it."""


class Pulse:
    """Time that has passed while this process had its turn, in seconds; the thread that collects answers counts it.

    On a machine with too much to do, threads wait for a CPU, and what they wait for may long be there. So each wait
    counts as no longer than it was to be.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = 0.0
        self._now = now

    def next(self, reports: "_Reports[T]") -> tuple[int, T | Exception] | None:
        """What is reported within a beat; None without."""
        begun = self._now()
        try:
            return reports.get(timeout=_BEAT_S)
        except Empty:
            return None
        finally:
            self.seconds += min(self._now() - begun, _BEAT_S)


class Listener:
    """What the thread of one BMC reports, and hears. For one thread each way.

    ``patience`` is how long the BMC may take to be found and reached: what comes after that has limits of its own.
    """

    def __init__(self, patience: float = _NEVER, pulse: Pulse | None = None) -> None:
        self.until = _NEVER
        self.left = False
        self._patience, self._pulse = patience, pulse

    def asking(self) -> None:
        """It is about to be asked for the first time."""
        if self._pulse:
            self.until = self._pulse.seconds + self._patience

    def reached(self) -> None:
        """There is a connection to it."""
        self.until = _NEVER

    def answered(self) -> None:
        """The BMC has given its first answer. `Abandoned` if that was too late."""
        self.require_wanted()
        self.until = _NEVER

    def require_wanted(self) -> None:
        """`Abandoned` if nobody waits any more."""
        if self.left:
            raise Abandoned


def ask_all(
    bmcs: Sequence[Bmc],
    ask: Callable[[Bmc, Listener], T],
    *,
    silent: Callable[[Bmc], T],
    pulse: Pulse | None = None,
) -> list[T]:
    """What ``ask`` returns for each BMC, in their order.

    How long an exchange may take is for ``ask`` to bound. One that is nevertheless not reached long after its
    `Bmc.first_answer` is ``silent``, and what it says later is ignored: name resolution has no limit.
    """
    pulse = pulse or Pulse()
    listeners = [Listener(2 * bmc.first_answer + _RESERVE_S, pulse) for bmc in bmcs]
    waiting = deque(range(len(bmcs)))
    reports: _Reports[T] = SimpleQueue()

    def work() -> None:
        for index in _taken(waiting):
            try:
                reports.put((index, ask(bmcs[index], listeners[index])))
            except Exception as error:  # the caller's to see
                reports.put((index, error))

    count = min(MOST_THREADS, len(bmcs))
    threads = [threading.Thread(target=work, daemon=True, name=f"bmc-{number}") for number in range(count)]
    with ended_cleanly():
        try:
            for thread in threads:
                thread.start()
            results = _collect(reports, listeners, pulse, silent=lambda index: silent(bmcs[index]))
        except BaseException:
            waiting.clear()
            for each in listeners:
                each.left = True
            end = time.monotonic() + _LEAVING_S
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            raise
    return [results[index] for index in range(len(bmcs))]


def ask_one(ask: Callable[[Listener], T]) -> T:
    """What ``ask`` returns, from a thread: so a signal is heard while the BMC is silent, and its session is closed."""
    listener = Listener()
    if threading.current_thread() is not threading.main_thread():
        return ask(listener)
    results: SimpleQueue[T | Exception] = SimpleQueue()

    def work() -> None:
        try:
            results.put(ask(listener))
        except Exception as error:  # the caller's to see
            results.put(error)

    thread = threading.Thread(target=work, daemon=True, name="bmc-one")
    with ended_cleanly():
        try:
            thread.start()
            result = results.get()
        except BaseException:
            listener.left = True
            thread.join(_LEAVING_S)
            raise
    thread.join()
    if isinstance(result, Exception):
        raise result
    return result


def _taken(waiting: deque[int]) -> Iterator[int]:
    """One after the other, until there is none; several threads take from the same."""
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def _collect(
    reports: "_Reports[T]", listeners: list[Listener], pulse: Pulse, *, silent: Callable[[int], T]
) -> dict[int, T]:
    """What each has come to. The error of one that somebody still waits for is raised."""
    results: dict[int, T] = {}
    awaited = dict(enumerate(listeners))
    due = pulse.seconds
    while awaited:
        ended = pulse.next(reports)
        if ended and awaited.pop(ended[0], None):
            index, result = ended
            if isinstance(result, Exception):
                raise result
            results[index] = result
        if pulse.seconds < due:
            continue
        due = pulse.seconds + _BEAT_S
        for index, each in [(index, each) for index, each in awaited.items() if each.until <= pulse.seconds]:
            each.left, results[index] = True, silent(index)
            del awaited[index]
    return results
