# SPDX-License-Identifier: Apache-2.0
"""A history of ten years: what it takes to show, to verify and to open it, beside a bare interpreter."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.measure import Aim, Row, interleave
from bench.records import fill
from livefw.activation.history.journal import Journal

ACTIVATIONS = 100_000
ROUNDS = 5


def rows() -> Iterator[Row]:
    """Medians of time, and the largest peak of memory."""
    livefw = os.path.join(os.path.dirname(sys.executable), "livefw")
    with tempfile.TemporaryDirectory(prefix="livefw-bench-") as folder:
        fill(Path(folder), ACTIVATIONS)
        asked = {
            "bare interpreter, python -c pass": ([sys.executable, "-c", "pass"], None, None),
            "livefw history, a page": ([livefw, "history", "--state", folder], 150.0, 60.0),
            "livefw history --since, --until": (
                [livefw, "history", "--since", "2023-11-15", "--until", "2023-11-16", "--state", folder],
                150.0,
                60.0,
            ),
            "livefw --json history --limit 50": (
                [livefw, "--json", "history", "--limit", "50", "--state", folder],
                150.0,
                60.0,
            ),
            "livefw history --verify": ([livefw, "history", "--verify", "--state", folder], 5_000.0, 60.0),
        }
        taken: dict[str, list[_Used]] = {name: [] for name in asked}
        for turn in range(ROUNDS + 1):  # the first leaves bytecode and full caches behind
            for name, (words, _, _) in asked.items():
                measured = _run(words)
                taken[name] += [measured] if turn else []
        streamed = _run([livefw, "--json", "history", "--state", folder])
        opened = interleave(
            {"read": lambda: _opened(folder, write=False), "write": lambda: _opened(folder, write=True)}, rounds=60
        )
    for name, (_, time_aim, memory_aim) in asked.items():
        yield Row(name, median(each.wall for each in taken[name]), "ms", Aim(time_aim) if time_aim else None)
        yield Row(f"{name}: CPU", median(each.cpu for each in taken[name]), "ms")
        yield Row(
            f"{name}: peak", max(each.peak for each in taken[name]), "MB", Aim(memory_aim) if memory_aim else None
        )
    yield Row("livefw --json history, all of it", streamed.wall / 1e3, "s")
    yield Row("livefw --json history, all of it: peak", streamed.peak, "MB", Aim(60.0))
    yield Row("open the history to read", opened["read"] * 1e3, "ms", Aim(5.0))
    yield Row("open the history to write", opened["write"] * 1e3, "ms", Aim(5.0))


_LAUNCHER = """
import os, sys, time
actions = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
start = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
used = os.wait4(pid, 0)[2]
wall = time.perf_counter() - start
print(wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3, used.ru_maxrss / 1024)
"""
"""A small parent: the peak of a program begins with that of whoever starts it."""


class _Used(NamedTuple):
    """What one program took: milliseconds by the clock and of a CPU, and its peak in megabytes."""

    wall: float
    cpu: float
    peak: float


def _run(words: list[str]) -> _Used:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _LAUNCHER, *words]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return _Used(*map(float, told.split()))


def _opened(folder: str, *, write: bool) -> None:
    journal = Journal.open(folder) if write else Journal.open_to_read(folder)
    if journal:
        journal.close()
