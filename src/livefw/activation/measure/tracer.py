# SPDX-License-Identifier: Apache-2.0
"""Measures with the kernel's tracers ``osnoise`` or ``timerlat``, in a tracefs instance of its own.

Formats and files: Documentation/trace/osnoise-tracer.rst and timerlat-tracer.rst, and include/trace/events/osnoise.h of
the kernel. ``hwlat`` is not used: it keeps CPUs busy with interrupts off, and its documentation forbids that in
production. Settings that all instances share, such as the periods of the tracers, are read and never written.
``timerlat`` is only read along where another program has started it: its real-time threads run before all programs, and
an emulated kernel did little else than serve them.

Run by file name, ``python -I -S tracer.py INSTANCE``, this is the keeper of the instance: at the end of its standard
input the engine has ended, and it removes the instance. ``osnoise`` keeps all CPUs busy, and must not be left behind.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
"""The mount points of tracefs, today and on older systems."""
NOTE_NS = 50_000
"""The shortest stop that is traced. Shorter ones are normal, and would fill the buffer."""
_PREFIX = "livefw-"
_MARK = "livefw: the activation begins"
_EVENT = "events/osnoise/sample_threshold"
_MARKED = re.compile(rf" (?P<time>\d+\.\d+): tracing_mark_write: {_MARK}")


_BUFFER_KB = 1024
"""Of each CPU: about twelve seconds of `TIMERLAT`, or 20,000 stops. A busy machine has hundreds of these in a second,
and 128 KiB lost the begin of an activation that took seconds.
"""


class Tracer(NamedTuple):
    """A tracer: files to set first, and the expression that reads a line."""

    name: str
    setup: tuple[tuple[str, str], ...]
    line: re.Pattern[str]


OSNOISE = Tracer(
    "osnoise",
    ((f"{_EVENT}/filter", f"duration >= {NOTE_NS}"), (f"{_EVENT}/enable", "1")),
    re.compile(r"\[(?P<cpu>\d+)\] .* sample_threshold: start (?P<start>\d+\.\d+) duration (?P<ns>\d+) ns"),
)
"""Traces each stop as soon as it is over; its own summary would come a second later."""
TIMERLAT = Tracer(
    "timerlat",
    (),
    re.compile(r"\[(?P<cpu>\d+)\] .* (?P<end>\d+\.\d+): #\d+ +context thread timer_latency +(?P<ns>\d+) ns"),
)
"""Traces each turn of a real-time thread, and how late it was."""
TRACERS = (OSNOISE, TIMERLAT)
"""In order of preference. While another program uses the second, the kernel refuses the first with EBUSY."""
_TURN_US = 1000
"""The longest ``timerlat_period_us`` to measure with. A stop is measured up to a period shorter than it was."""


class Gap(NamedTuple):
    """A time during which a CPU was away, begin and end in ns; negative before the activation."""

    cpu: int
    start_ns: int
    end_ns: int


Folder = Callable[[str], None]


class Instance:
    """One tracefs instance; every method may raise OSError. ``make`` and ``remove`` replace those of a modelled
    tracefs."""

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
        """Start the tracer. OSError, for instance EBUSY if another program uses another tracer of this family."""
        self._write("buffer_size_kb", str(_BUFFER_KB))
        for name, text in tracer.setup:
            self._write(name, text)
        self._write("current_tracer", tracer.name)
        self._write("tracing_on", "1")

    def mark(self) -> None:
        """Write the begin of the activation into the trace."""
        self._write("trace_marker", _MARK)

    def end(self, tracer: Tracer) -> list[Gap]:
        """Stop, and return the gaps. ValueError if the mark is not in the trace any more."""
        self._write("tracing_on", "0")
        begin, found = None, []
        turns: dict[int, int] = {}
        with open(os.path.join(self._folder, "trace"), encoding="utf-8", errors="replace") as file:
            for line in file:
                if told := tracer.line.search(line):
                    cpu, length, known = int(told["cpu"]), int(told["ns"]), told.groupdict()
                    if "start" in known:
                        start = _ns(known["start"])
                        found.append((cpu, start, start + length))
                    else:
                        end = _ns(known["end"])
                        # A thread that was stopped in its turn skips those that it missed, and is in time for the next.
                        found.append((cpu, min(end - length, turns.get(cpu, end) + _TURN_US * 1000), end))
                        turns[cpu] = end
                elif marked := _MARKED.search(line):
                    begin = _ns(marked["time"])
        if begin is None:
            raise ValueError("the beginning of the activation is not in the trace")
        return [Gap(cpu, start - begin, end - begin) for cpu, start, end in found]

    def lost(self, cpu: int) -> bool:
        """Whether the buffer of a CPU was too small."""
        return re.search(r"^overrun: *[1-9]", _read(f"{self._folder}/per_cpu/cpu{cpu}/stats"), re.MULTILINE) is not None

    def close(self) -> None:
        """Remove the instance. Never raises."""
        take_away(self._folder, self._remove)
        self._keeper.kill()
        self._keeper.communicate()

    def give_up(self) -> None:
        """Leave the instance to the keeper, because the kernel may hang.

        A child that still writes holds the keeper's input as well, so that the keeper waits for it.
        """
        with suppress(subprocess.TimeoutExpired):
            self._keeper.communicate(timeout=1.0)

    def _write(self, name: str, text: str) -> None:
        write(os.path.join(self._folder, name), text)


def offered(base: str) -> list[Tracer]:
    """The tracers that this kernel has and that would run continuously with the settings that all instances share.

    None without ``osnoise``, because only its refusal tells that another program uses ``timerlat``.
    """
    available = _read(os.path.join(base, "available_tracers")).split()
    if "NO_OSNOISE_WORKLOAD" in _read(os.path.join(base, "osnoise/options")).split():
        return []
    period, runtime, turn = (
        _read(os.path.join(base, f"osnoise/{name}_us")).strip() for name in ("period", "runtime", "timerlat_period")
    )
    if OSNOISE.name not in available or period != runtime:
        return []
    often = TIMERLAT.name in available and turn.isdecimal() and int(turn) <= _TURN_US
    return [OSNOISE, TIMERLAT] if often else [OSNOISE]


def place() -> str | None:
    """The mount point of tracefs if it has a usable tracer; else None."""
    return next((base for base in TRACEFS if offered(base) and os.access(f"{base}/instances", os.W_OK)), None)


def watched(base: str) -> str:
    """The CPUs that the tracers trace, as a list such as ``0-3``; empty if unknown."""
    return _read(os.path.join(base, "osnoise/cpus")).strip()


def take_away(folder: str, remove: Folder = os.rmdir) -> None:
    """Stop the tracer and remove the instance; if a reader holds the instance, at least nothing is traced any more."""
    with suppress(OSError):
        write(os.path.join(folder, "current_tracer"), "nop")
    with suppress(OSError):
        remove(folder)


def write(path: str, text: str) -> None:
    """Write to an existing file. OSError."""
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
    """The start time of a process (proc(5), stat field 22), which distinguishes processes with the same id; empty if
    gone."""
    return (_read(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""] * 20)[19]


def _left_behind(base: str) -> Iterator[str]:
    """Instances of livefw whose process has ended; also one with our process id and another start time."""
    with suppress(OSError):
        for name in os.listdir(os.path.join(base, "instances")):
            pid, _, born = name.removeprefix(_PREFIX).partition("-")
            if name.startswith(_PREFIX) and pid.isdecimal() and _born(int(pid)) != born:
                yield os.path.join(base, "instances", name)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    take_away(sys.argv[1])
