# SPDX-License-Identifier: Apache-2.0
"""Processes that run tests, each in its own copy of the checkout."""

import fcntl
import os
import resource
import signal
from collections.abc import Iterable, Iterator
from ctypes import CDLL
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .place import Clean, Place, Verdict


class Task(NamedTuple):
    """See `Place.judge`."""

    path: str
    mutated: bytes
    batches: list[list[str]]
    clean: dict[str, Clean]


Name = TypeVar("Name")

_PR_SET_PDEATHSIG = 1
_MOST_MEMORY = 8 << 30
"""Bytes of address space of a process. A fault can make a loop that fills the memory."""


def _work(folder: Path, end: Connection) -> None:
    try:
        # With the main process goes this one. A shell starts what it puts in the background with SIGINT ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        place = Place(folder)
        while True:
            end.send(place.judge(*end.recv()))
    except (KeyboardInterrupt, EOFError):  # told to stop, or left alone: the place has cleared up
        return


class Workers:
    """``count`` of them, below ``folder``; `BlockingIOError` if others are at work there."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The workers hold it too: while one of an earlier run is still clearing up, its copy is not taken from it.
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        context = get_context("fork")
        self._ends: list[Connection] = []
        for number in range(count):
            here, there = context.Pipe()
            context.Process(target=_work, args=(folder / str(number), there), daemon=True).start()
            there.close()
            self._ends.append(here)

    def answers(self, tasks: Iterable[tuple[Name, Task]]) -> Iterator[tuple[Name, tuple[Verdict, dict[str, Clean]]]]:
        """Do named tasks, and tell each name with its answer as soon as there is one."""
        left, idle = iter(tasks), list(self._ends)
        running: dict[object, Any] = {}
        while True:
            while idle and (task := next(left, None)):
                end = idle.pop()
                running[end], work = task
                end.send(work)
            if not running:
                return
            ready = wait([end for end in self._ends if end in running])
            for end in (end for end in self._ends if end in ready):
                yield running.pop(end), end.recv()
                idle.append(end)
