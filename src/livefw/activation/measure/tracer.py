# SPDX-License-Identifier: Apache-2.0
"""Measuring by the kernel's own tracers, ``osnoise`` or else ``timerlat``, in a tracefs instance of our own.

Formats and files: the kernel's Documentation/trace/osnoise-tracer.rst and timerlat-tracer.rst, and
include/trace/events/osnoise.h. ``hwlat`` is left out: it keeps CPUs to itself with interrupts off, and its own
documentation forbids it in production. What all instances share, such as the tracers' periods, is read and never
written.

Run by file name, ``python -I -S tracer.py INSTANCE``, this is the instance's keeper: when its standard input ends, so
has the engine, and it takes the instance away. ``osnoise`` keeps all CPUs busy, and must not be left behind.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
"""Where it is mounted, today and in older systems."""
NOTE_NS = 50_000
"""Shortest stop that is traced: what is shorter is the daily life of a kernel, and would fill the buffer."""
_PREFIX = "livefw-"
_MARK = "livefw: the activation begins"
_EVENT = "events/osnoise/sample_threshold"
_MARKED = re.compile(rf" (?P<time>\d+\.\d+): tracing_mark_write: {_MARK}")


class Tracer(NamedTuple):
    """A tracer: buffer of each CPU in KiB, files to set first, and how to read a line of it."""

    name: str
    buffer_kb: int
    setup: tuple[tuple[str, str], ...]
    line: re.Pattern[str]


OSNOISE = Tracer(
    "osnoise",
    128,
    ((f"{_EVENT}/filter", f"duration >= {NOTE_NS}"), (f"{_EVENT}/enable", "1")),
    re.compile(r"\[(?P<cpu>\d+)\] .* sample_threshold: start (?P<start>\d+\.\d+) duration (?P<ns>\d+) ns"),
)
"""Tells each stop as soon as it is over; its own summary would come a second later."""
TIMERLAT = Tracer(
    "timerlat",
    1024,
    (),
    re.compile(r"\[(?P<cpu>\d+)\] .* (?P<end>\d+\.\d+): #\d+ +context thread timer_latency +(?P<ns>\d+) ns"),
)
"""Tells of each millisecond how late a real-time thread ran: 1 MiB is about twelve seconds of it."""
TRACERS = (OSNOISE, TIMERLAT)
"""In the order of preference; the second is for when somebody uses it already, for then the first is refused."""


class Gap(NamedTuple):
    """A CPU was away: from when to when in ns; before the activation began, both are negative."""

    cpu: int
    start_ns: int
    end_ns: int


Folder = Callable[[str], None]


class Instance:
    """One tracefs instance; every method may raise OSError. ``make`` and ``remove`` are for a modelled tracefs."""

    def __init__(self, base: str, *, make: Folder = os.mkdir, remove: Folder = os.rmdir) -> None:
        self._remove = remove
        self._folder = f"{base}/instances/{_PREFIX}{os.getpid()}-{_born(os.getpid())}"
        for left in _left_behind(base):
            take_away(left, remove)
        make(self._folder)
        keeper = [sys.executable, "-I", "-S", __file__, self._folder]
        try:
            self._keeper = subprocess.Popen(keeper, stdin=subprocess.PIPE, start_new_session=True)
        except OSError:
            take_away(self._folder, remove)
            raise

    def begin(self, tracer: Tracer) -> None:
        """Let the tracer run. OSError, for instance EBUSY if somebody uses another one of this family."""
        self._write("buffer_size_kb", str(tracer.buffer_kb))
        for name, text in tracer.setup:
            self._write(name, text)
        self._write("current_tracer", tracer.name)
        self._write("tracing_on", "1")

    def mark(self) -> None:
        """Put the beginning of the activation into the trace, by the trace's own clock."""
        self._write("trace_marker", _MARK)

    def end(self, tracer: Tracer) -> list[Gap]:
        """Stop, and tell what was traced; ValueError if the mark is not in it any more."""
        self._write("tracing_on", "0")
        begin, found = None, []
        with open(os.path.join(self._folder, "trace"), encoding="utf-8", errors="replace") as file:
            for line in file:
                if told := tracer.line.search(line):
                    length, known = int(told["ns"]), told.groupdict()
                    start = _ns(known["start"]) if "start" in known else _ns(known["end"]) - length
                    found.append((int(told["cpu"]), start, start + length))
                elif marked := _MARKED.search(line):
                    begin = _ns(marked["time"])
        if begin is None:
            raise ValueError("the beginning of the activation is not in the trace")
        return [Gap(cpu, start - begin, end - begin) for cpu, start, end in found]

    def lost(self, cpu: int) -> bool:
        """Whether the buffer of a CPU was too small."""
        return re.search(r"^overrun: *[1-9]", _read(f"{self._folder}/per_cpu/cpu{cpu}/stats"), re.MULTILINE) is not None

    def close(self) -> None:
        """Take it away; never raises."""
        take_away(self._folder, self._remove)
        self._keeper.kill()
        self._keeper.communicate()

    def give_up(self) -> None:
        """Leave it to the keeper, and ask nothing of a kernel that may hang.

        A child that still writes holds the keeper's input as well, so it waits for that.
        """
        with suppress(subprocess.TimeoutExpired):
            self._keeper.communicate(timeout=1.0)

    def _write(self, name: str, text: str) -> None:
        write(os.path.join(self._folder, name), text)


def offered(base: str) -> list[Tracer]:
    """Tracers that this kernel has and that would run all the time, by what somebody may have set for all instances."""
    available = _read(os.path.join(base, "available_tracers")).split()
    if "NO_OSNOISE_WORKLOAD" in _read(os.path.join(base, "osnoise/options")).split():
        return []
    period, runtime = (_read(os.path.join(base, f"osnoise/{name}_us")).strip() for name in ("period", "runtime"))
    return [each for each in TRACERS if each.name in available and (each is not OSNOISE or period == runtime)]


def place() -> str | None:
    """Where tracefs is to be found and has a tracer for us; None where it has not, or is not for us to use."""
    return next((base for base in TRACEFS if offered(base) and os.access(f"{base}/instances", os.W_OK)), None)


def watched(base: str) -> str:
    """CPUs that the tracers watch, as a list such as ``0-3``; empty if that is not told."""
    return _read(os.path.join(base, "osnoise/cpus")).strip()


def take_away(folder: str, remove: Folder = os.rmdir) -> None:
    """End the tracer of an instance, and the instance; where a reader keeps that, at least nothing is traced."""
    with suppress(OSError):
        write(os.path.join(folder, "current_tracer"), "nop")
    with suppress(OSError):
        remove(folder)


def write(path: str, text: str) -> None:
    """Write to a file that is there already. OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "wb", buffering=0) as file:
        file.write(text.encode())


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""


def _ns(seconds: str) -> int:
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0")[:9])


def _born(pid: int) -> str:
    """When a process began (proc(5), stat field 22), which tells it from a later one with its number; empty if gone."""
    return (_read(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""] * 20)[19]


def _left_behind(base: str) -> Iterator[str]:
    """Instances of livefw whose process has ended; our own number with another birth is one of them."""
    with suppress(OSError):
        for name in os.listdir(os.path.join(base, "instances")):
            pid, _, born = name.removeprefix(_PREFIX).partition("-")
            if name.startswith(_PREFIX) and pid.isdecimal() and _born(int(pid)) != born:
                yield os.path.join(base, "instances", name)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    take_away(sys.argv[1])
