# SPDX-License-Identifier: Apache-2.0
"""A program of its own: one small process pinned to each CPU that notes when it did not get to run.

Run by file name, ``python -I -S sampler.py PERIOD_US CPU...``, so that nothing but the interpreter is loaded. It says
``ready``, takes ``mark`` (from now on it counts) and ``stop`` on standard input, and answers with one JSON document.
The end of standard input ends it without an answer, so that it never outlives the engine that started it.

Processes, because threads of one interpreter keep each other waiting. Each sleeps a millisecond at a time, about one
percent of its CPU, and where that is allowed it runs with the lowest real-time priority: other programs cannot delay
it then, only what stops the CPU can.
"""

import json
import mmap
import os
import struct
import sys
import time
from contextlib import suppress

SLOT = struct.Struct("=qqqq")
"""Of each CPU: 1 once it is pinned; longest delay before and after the mark in ns; number of delays noted."""
GAP = struct.Struct("=qq")
"""A delay: from when to when, in ns of the monotonic clock."""
GAPS = 256
"""Delays noted of one CPU; further ones only count for the longest."""
STEP = SLOT.size + GAPS * GAP.size
NOTE_NS = 1_000_000
"""Shortest delay that is noted with its place in time: an ordinary scheduler's tick is not worth it."""
RUNNING, MARKED, STOPPED = 0, 1, 2


def worker(memory: mmap.mmap, offset: int, cpu: int, period_ns: int, parent: int) -> None:
    """Sleep, look how late it is, and note it, until told to stop."""
    os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):  # then other programs may delay us as well; the baseline shows how much
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    longest = [0, 0]
    count = 0
    SLOT.pack_into(memory, offset, 1, 0, 0, 0)
    due = time.monotonic_ns() + period_ns
    while memory[0] != STOPPED and os.getppid() == parent:
        time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
        now = time.monotonic_ns()
        late = now - due
        marked = memory[0] == MARKED  # as it is now: what began before the mark and went on after it counts
        longest[marked] = max(longest[marked], late)
        if late >= NOTE_NS and count < GAPS:
            GAP.pack_into(memory, offset + SLOT.size + count * GAP.size, due, now)
            count += 1
        SLOT.pack_into(memory, offset, 1, *longest, count)
        due = now + period_ns


def main(words: list[str]) -> int:
    """Start the workers, listen, answer."""
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
        elif line == "stop\n":
            answer = json.dumps([row(memory, 8 + index * STEP, cpu) for index, cpu in enumerate(cpus)])
            break
    memory[0] = STOPPED
    if answer:
        say(answer)
    return 0


def say(line: str) -> None:
    """One line to the engine."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def ended(child: int, memory: mmap.mmap, offset: int) -> bool:
    """Whether a worker is at its post, or has given up because its CPU is not to be had."""
    return bool(SLOT.unpack_from(memory, offset)[0]) or os.waitpid(child, os.WNOHANG)[0] == child


def row(memory: mmap.mmap, offset: int, cpu: int) -> dict[str, object] | None:
    """What one worker noted; None if it could not be pinned."""
    pinned, before, longest, count = SLOT.unpack_from(memory, offset)
    gaps = [GAP.unpack_from(memory, offset + SLOT.size + index * GAP.size) for index in range(count)]
    return {"cpu": cpu, "baseline_ns": before, "longest_ns": longest, "gaps": gaps} if pinned else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
