# SPDX-License-Identifier: Apache-2.0
"""Asks any number of BMCs side by side, each in a thread, and gives up those that do not answer at all in time.

Threads are daemon threads of our own and none of `concurrent.futures`: an interpreter that ends waits for those, and a
resolver that does not answer holds one for half a minute.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from livefw.providers.redfish.ending import ended_cleanly
from livefw.providers.redfish.settings import Bmc

MOST_THREADS = 64
"""BMCs that are asked at a time. A silent one holds its thread for its patience, and no longer."""
_RESERVE_S = 2.0
"""Seconds that this machine itself may lose between two steps."""
_LEAVING_S = 2.0
"""How long an interrupted caller waits for sessions to be closed."""

_NEVER = float("inf")

T = TypeVar("T")
_Reports = SimpleQueue[tuple[int, T | Exception] | None]
"""What threads report: which BMC, and what came of it; None where a patience has begun."""


class Abandoned(Exception):  # noqa: N818 - no error: nobody waits any more
    """Nobody waits for the answer of this BMC any more: nothing further is to be asked of it."""


class Listener:
    """What the thread of one BMC reports, and hears. For one thread each way."""

    def __init__(self) -> None:
        self.until = _NEVER
        self.heard = False
        self.left = False

    @property
    def is_late(self) -> bool:
        """Whether its first answer has not come in time."""
        return not self.heard and time.monotonic() >= self.until

    def answered(self) -> None:
        """The BMC has given its first answer. `Abandoned` if that was too late."""
        self.require_wanted()
        self.heard = True

    def require_wanted(self) -> None:
        """`Abandoned` if nobody waits any more."""
        if self.left:
            raise Abandoned


def ask_all(
    bmcs: Sequence[Bmc],
    ask: Callable[[Bmc, Listener], T],
    *,
    silent: Callable[[Bmc], T],
) -> list[T]:
    """What ``ask`` returns for each BMC, in their order.

    How long an exchange may take is for ``ask`` to bound. One that has nevertheless not called `Listener.answered` long
    after its `Bmc.first_answer` is ``silent``, and what it says later is ignored: name resolution has no limit.
    """
    listeners = [Listener() for _ in bmcs]
    waiting = deque(range(len(bmcs)))
    reports: _Reports[T] = SimpleQueue()

    def work() -> None:
        for index in _taken(waiting):
            listeners[index].until = time.monotonic() + 2 * bmcs[index].first_answer + _RESERVE_S
            reports.put(None)  # its patience has begun
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
            results = _collect(reports, listeners, silent=lambda index: silent(bmcs[index]))
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


def _collect(reports: "_Reports[T]", listeners: list[Listener], *, silent: Callable[[int], T]) -> dict[int, T]:
    """What each has come to. The error of one that somebody still waits for is raised."""
    results: dict[int, T] = {}
    while len(results) < len(listeners):
        awaited = {index: each for index, each in enumerate(listeners) if index not in results}
        ended = _next(reports, awaited.values())
        if ended and ended[0] in awaited:
            index, result = ended
            if isinstance(result, Exception):
                raise result
            results[index] = result
            del awaited[index]
        for index, each in awaited.items():
            if each.is_late:
                each.left, results[index] = True, silent(index)
    return results


def _next(reports: "_Reports[T]", awaited: Iterable[Listener]) -> tuple[int, T | Exception] | None:
    """The next that ended; None if something else has changed, or a patience is over."""
    soonest = min((each.until for each in awaited if not each.heard), default=_NEVER)
    try:
        return reports.get(timeout=None if soonest == _NEVER else max(0.0, soonest - time.monotonic()))
    except Empty:
        return None
