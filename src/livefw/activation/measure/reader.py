# SPDX-License-Identifier: Apache-2.0
"""A separate program: it reads one block of a device again and again, and notes how long each read takes.

Run by file name, ``python -I -S reader.py PATH PERIOD_US``, so that nothing but the interpreter is loaded. It prints
``ready``, reads ``mark`` and ``stop`` from standard input, and prints ``marked`` (it measures now) and one JSON
document, or ``null`` if there was no read. At the end of standard input it ends without output.

The reads are those of a child, past the cache of the kernel (O_DIRECT). A read of a device that stands still cannot be
interrupted, not even by SIGKILL. So nobody waits for the child: what it notes lies in shared memory, and a read that is
still under way counts with the time that it has taken so far.
"""

import json
import mmap
import os
import signal
import struct
import sys
import time

SLOT = struct.Struct("=qqqqqq")
"""1 once the device is open; begin of the read under way, 0 for none; longest read before and after the mark, in ns;
number of reads that failed; number of reads stored."""
READ = struct.Struct("=qq")
"""A long read: begin and end in ns of the monotonic clock."""
READS = 256
"""Long reads stored at most: the longest. On a busy machine so many come before the activation."""
BLOCK = 4096
"""A multiple of the logical block size of every drive."""
NOTE_NS = 10_000_000
"""The shortest read that is stored; an idle drive takes far less."""
RUNNING, MARKED, STOPPED = 0, 1, 2
OFFSET = 8
SIZE = OFFSET + SLOT.size + READS * READ.size
_OPEN_S = 1.0
"""How long to wait for the device to be opened."""


def worker(memory: mmap.mmap, path: str, period_ns: int, parent: int) -> None:
    """Read, note, sleep, until told to stop."""
    device = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    block = mmap.mmap(-1, BLOCK)  # page-aligned, as O_DIRECT requires
    longest, failed = [0, 0], 0
    stored: list[int] = []  # how long each took, by its place
    while memory[0] != STOPPED and os.getppid() == parent:
        begin = time.monotonic_ns()
        SLOT.pack_into(memory, OFFSET, 1, begin, *longest, failed, len(stored))
        try:
            os.preadv(device, [block], 0)
        except OSError:
            failed += memory[0] == MARKED
        end = time.monotonic_ns()
        marked = memory[0] == MARKED  # read now: a read that began before the mark and ended after it counts
        longest[marked] = max(longest[marked], end - begin)
        if end - begin >= NOTE_NS and (place := placed(stored, end - begin)) is not None:
            READ.pack_into(memory, OFFSET + SLOT.size + place * READ.size, begin, end)
        SLOT.pack_into(memory, OFFSET, 1, 0, *longest, failed, len(stored))
        time.sleep(period_ns / 1e9)


def placed(stored: list[int], length: int) -> int | None:
    """Where to store a read: instead of the shortest if there is no place left; None if that one is longer."""
    if len(stored) < READS:
        stored.append(length)
        return len(stored) - 1
    place = min(range(READS), key=stored.__getitem__)
    if length <= stored[place]:
        return None
    stored[place] = length
    return place


def result(memory: mmap.mmap, now: int) -> dict[str, object] | None:
    """The figures; None if the device was never read."""
    opened, begin, before, longest, failed, count = SLOT.unpack_from(memory, OFFSET)
    reads = [READ.unpack_from(memory, OFFSET + SLOT.size + index * READ.size) for index in range(count)]
    if begin and now - begin >= NOTE_NS:
        reads.append((begin, now))
    longest = max(longest, now - begin if begin else 0)
    return {"baseline_ns": before, "longest_ns": longest, "failed": failed, "gaps": sorted(reads)} if opened else None


def main(words: list[str]) -> int:
    """Start the child, read commands, print the result."""
    path, period_ns = words[0], int(words[1]) * 1000
    memory = mmap.mmap(-1, SIZE)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            worker(memory, path, period_ns, parent)
        finally:
            os._exit(0)
    try:
        return talk(memory, child)
    finally:
        memory[0] = STOPPED
        os.kill(child, signal.SIGKILL)  # it has not been waited for if it is still there; a read under way ends first


def talk(memory: mmap.mmap, child: int) -> int:
    """Answer the commands."""
    deadline = time.monotonic() + _OPEN_S
    while not SLOT.unpack_from(memory, OFFSET)[0] and time.monotonic() < deadline and not is_over(child):
        time.sleep(0.001)
    say("ready")
    for line in sys.stdin:
        if line == "mark\n":
            memory[0] = MARKED
            say("marked")
        elif line == "stop\n":
            say(json.dumps(result(memory, time.monotonic_ns())))
            break
    return 0


def is_over(child: int) -> bool:
    """Whether the child has ended; it stays a zombie, so that its number is not given to another process."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
