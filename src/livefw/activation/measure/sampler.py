# SPDX-License-Identifier: Apache-2.0
"""A separate program: one small process pinned to each CPU that notes when it could not run.

Run by file name, ``python -I -S sampler.py PERIOD_US CPU...``, so that nothing but the interpreter is loaded. It prints
``ready``, reads ``mark`` and ``stop`` from standard input, and prints ``marked`` (it measures now) and one JSON
document. At the end of standard input it ends without output, so that it does not outlive the engine.

Processes are used because threads of one interpreter block each other. Each sleeps for a millisecond at a time, which
takes about one percent of its CPU. If permitted it runs with the lowest real-time priority: other programs cannot delay
it then, only what stops the CPU can.
"""

import heapq
import json
import mmap
import os
import struct
import sys
import time
from contextlib import suppress

SLOT = struct.Struct("=qqqq")
"""For each CPU: 1 once it is pinned; longest delay before and after the mark in ns; number of delays stored."""
GAP = struct.Struct("=qq")
"""A delay: begin and end in ns of the monotonic clock."""
GAPS = 256
"""Delays stored for one CPU at most: the longest. On a busy machine so many come before the activation."""
STEP = SLOT.size + GAPS * GAP.size
NOTE_NS = 1_000_000
"""The shortest delay that is stored; the tick of an ordinary scheduler is shorter."""
RUNNING, MARKED, STOPPED = 0, 1, 2


def worker(memory: mmap.mmap, offset: int, cpu: int, period_ns: int, parent: int) -> None:
    """Sleep, measure the delay, and store it, until told to stop."""
    os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):  # other programs may delay it as well; the baseline shows how much
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    longest = [0, 0]
    stored: list[tuple[int, int]] = []  # a heap: length, place
    SLOT.pack_into(memory, offset, 1, 0, 0, 0)
    due = time.monotonic_ns() + period_ns
    while memory[0] != STOPPED and os.getppid() == parent:
        time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
        now = time.monotonic_ns()
        late = now - due
        marked = memory[0] == MARKED  # read now: a delay that began before the mark and ended after it counts
        longest[marked] = max(longest[marked], late)
        if late >= NOTE_NS and (place := placed(stored, late)) is not None:
            GAP.pack_into(memory, offset + SLOT.size + place * GAP.size, due, now)
        SLOT.pack_into(memory, offset, 1, *longest, len(stored))
        due = now + period_ns


def placed(stored: list[tuple[int, int]], length: int) -> int | None:
    """Where to store a delay: instead of the shortest if there is no place left; None if that one is longer."""
    if len(stored) < GAPS:
        place = len(stored)
        heapq.heappush(stored, (length, place))
    elif length > stored[0][0]:
        place = stored[0][1]
        heapq.heapreplace(stored, (length, place))
    else:
        return None
    return place


def main(words: list[str]) -> int:
    """Start the workers, read commands, print the result."""
    period_ns, cpus = int(words[0]) * 1000, [int(word) for word in words[1:]]
    memory = mmap.mmap(-1, 8 + len(cpus) * STEP)
    parent = os.getpid()
    children = []
    for index, cpu in enumerate(cpus):
        child = os.fork()
        if child == 0:
            try:
                worker(memory, 8 + index * STEP, cpu, period_ns, parent)
            finally:
                os._exit(0)
        children.append(child)
    while not all(ended(child, memory, 8 + index * STEP) for index, child in enumerate(children)):
        time.sleep(0.001)
    say("ready")
    answer = ""
    for line in sys.stdin:
        if line == "mark\n":
            memory[0] = MARKED
            say("marked")
        elif line == "stop\n":
            answer = json.dumps([row(memory, 8 + index * STEP, cpu) for index, cpu in enumerate(cpus)])
            break
    memory[0] = STOPPED
    if answer:
        say(answer)
    return 0


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def ended(child: int, memory: mmap.mmap, offset: int) -> bool:
    """Whether a worker is pinned, or has given up because it cannot use its CPU."""
    return bool(SLOT.unpack_from(memory, offset)[0]) or os.waitpid(child, os.WNOHANG)[0] == child


def row(memory: mmap.mmap, offset: int, cpu: int) -> dict[str, object] | None:
    """The figures of one worker; None if it could not be pinned."""
    pinned, before, longest, count = SLOT.unpack_from(memory, offset)
    gaps = [GAP.unpack_from(memory, offset + SLOT.size + index * GAP.size) for index in range(count)]
    return {"cpu": cpu, "baseline_ns": before, "longest_ns": longest, "gaps": sorted(gaps)} if pinned else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
