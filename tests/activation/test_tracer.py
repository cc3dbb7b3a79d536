# SPDX-License-Identifier: Apache-2.0
"""Measuring by the kernel's tracer, on a modelled tracefs: a folder with the files and texts that the kernel documents.

Texts: Documentation/trace/osnoise-tracer.rst, timerlat-tracer.rst; include/trace/events/osnoise.h (``interferences``
until Linux 6.4 or so, ``interference`` since).
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livefw.activation.measure import tracer
from livefw.activation.measure.meter import Measurement, SamplingMeter, TracingMeter, meter
from livefw.activation.measure.sampler import GAPS
from livefw.activation.measure.tracer import OSNOISE, TIMERLAT, Instance, offered
from livefw.activation.policy.document import Measuring
from livefw.files.host import HostFiles
from livefw.render.attempt import cost_text

SETTINGS = Measuring(enabled=True, cpus=1, baseline=0.01)
ONLINE = frozenset({0, 1, 2, 8})
HEAD = """\
# tracer: osnoise
#
#    TASK-PID      CPU# |||||   TIMESTAMP    IN US
#       | |         |   |||||      |           |
"""
MARK = " livefw-4711    [001] .....   100.000000: tracing_mark_write: livefw: the activation begins\n"
OSNOISE_TEXT = f"""{HEAD}\
 osnoise/0-961 [000] .....    99.900001: sample_threshold: start 99.899900000 duration 100000 ns interferences 1
 osnoise/0-961 [000] .....    99.950001: sample_threshold: start 99.949930000 duration 70000 ns interferences 0
 <...>-859 [000] .....    99.999000: 1000000        190  99.98100       9     18      0   1007     18      1
{MARK}\
 osnoise/8-969 [008] .....   100.010000: sample_threshold: start 99.999500000 duration 10500000 ns interference 0
 osnoise/1-962 [001] .....   100.050000: sample_threshold: start 100.002000500 duration 47999500 ns interference 2
 osnoise/7-968 [007] .....   100.050000: sample_threshold: start 100.002000500 duration 99999999 ns interference 2
"""
TIMERLAT_TEXT = f"""{HEAD}\
 <idle>-0   [000] d.h1.    99.999001: #7     context    irq timer_latency       932 ns
 timerlat/0-867 [000] .....    99.999010: #7     context thread timer_latency     11700 ns
{MARK}\
 timerlat/0-867 [000] .....   100.000020: #8     context thread timer_latency     20000 ns
 <idle>-0   [000] d.h1.   100.026000: #9     context    irq timer_latency  25000000 ns
 timerlat/0-867 [000] .....   100.026000: #9     context thread timer_latency  25000123 ns
 timerlat/0-867 [000] .....   100.027000: #10    context   user timer_latency  99000123 ns
"""


class Tracefs:
    """What the kernel shows in ``/sys/kernel/tracing``, as far as it matters here."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.refused: tuple[str, ...] = ()
        self.error = errno.EBUSY
        self.seen: dict[str, str] = {}
        self.put("available_tracers", "timerlat osnoise hwlat blk nop\n")
        for name, text in (
            ("cpus", "0-2,8\n"),
            ("period_us", "1000000\n"),
            ("runtime_us", "1000000\n"),
            ("timerlat_period_us", "1000\n"),
            ("options", "NO_PANIC_ON_STOP OSNOISE_WORKLOAD\n"),
        ):
            self.put(f"osnoise/{name}", text)
        (base / "instances").mkdir()

    def put(self, name: str, text: str) -> None:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @property
    def shared(self) -> dict[str, str]:
        """Everything that is not an instance's."""
        files = (path for path in self.base.rglob("*") if path.is_file() and "instances" not in path.parts)
        return {str(path): path.read_text() for path in files}

    @property
    def instances(self) -> list[Path]:
        return list((self.base / "instances").iterdir())

    def make(self, folder: str) -> None:
        """What mkdir does there."""
        os.mkdir(folder)
        name = os.path.relpath(folder, self.base)
        event = "events/osnoise/sample_threshold"
        files = ("current_tracer", "tracing_on", "trace", "trace_marker", "buffer_size_kb")
        for file in (*files, f"{event}/enable", f"{event}/filter"):
            self.put(f"{name}/{file}", "")
        for cpu in ONLINE:
            self.put(f"{name}/per_cpu/cpu{cpu}/stats", "entries: 3\noverrun: 0\ncommit overrun: 0\n")

    def remove(self, folder: str) -> None:
        """What rmdir does there; what the files held is kept for the test."""
        for path in Path(folder).rglob("*"):
            if path.is_file():
                self.seen[str(path.relative_to(folder))] = path.read_text()
        shutil.rmtree(folder)

    def instance(self, base: str) -> Instance:
        refused, error = self.refused, self.error

        class Refusing(Instance):
            def _write(self, name: str, text: str) -> None:
                if name == "current_tracer" and text in refused:
                    raise OSError(error, os.strerror(error))
                super()._write(name, text)

        return Refusing(base, make=self.make, remove=self.remove)

    def meter(self) -> TracingMeter:
        return TracingMeter(str(self.base), ONLINE, SETTINGS, new=self.instance)

    def measure(self, text: str) -> Measurement | None:
        """One measurement, in the course of which the kernel traced this."""
        watching = self.meter()
        watching.start()
        (folder,) = self.instances
        begun = time.monotonic()
        watching.mark()
        (folder / "trace").write_text(text)
        found = watching.stop()
        assert found is None or 0 <= found.seconds <= time.monotonic() - begun
        assert self.instances == []
        return found


@pytest.fixture
def tracefs(tmp_path: Path) -> Tracefs:
    return Tracefs(tmp_path / "tracing")


def test_osnoise_tells_each_stop_by_the_clock_of_the_mark(tracefs: Tracefs) -> None:
    before = tracefs.shared
    found = tracefs.measure(OSNOISE_TEXT)
    assert found
    assert (found.source, found.cpus, found.note) == ("osnoise", 4, "stops below 50 us do not count")
    assert [(row.cpus, row.longest_ns, row.baseline_ns, row.gaps) for row in found.rows] == [
        ("0", 0, 100_000, ()),
        ("1", 47_999_500, 0, ((2_000_500, 50_000_000),)),
        ("2", 0, 0, ()),
        ("8", 10_500_000, 0, ((-500_000, 10_000_000),)),  # it began before the mark and went on after it
    ]
    assert "measured on 4 CPUs by the kernel's osnoise tracer" in cost_text(found)
    assert Measurement.from_document(found.document()) == found
    assert tracefs.shared == before
    event = "events/osnoise/sample_threshold"
    written = (tracefs.seen[f"{event}/filter"], tracefs.seen[f"{event}/enable"], tracefs.seen["tracing_on"])
    assert written == ("duration >= 50000", "1", "0")
    assert tracefs.seen["current_tracer"] == "nop"
    assert tracefs.seen["trace_marker"] in MARK


def test_timerlat_where_somebody_keeps_osnoise_out(tracefs: Tracefs) -> None:
    tracefs.refused = ("osnoise",)
    found = tracefs.measure(TIMERLAT_TEXT)
    assert found
    assert (found.source, found.note) == ("timerlat", "")
    assert found.rows[0][1:] == (25_000_123, 11_700, ((999_877, 26_000_000),))
    assert [row.longest_ns for row in found.rows[1:]] == [0, 0, 0]


def test_timerlat_that_was_stopped_in_its_turn(tracefs: Tracefs) -> None:
    """Its thread goes on behind the stop, skips the turns that it has missed, and is in time for the next one."""
    tracefs.refused = ("osnoise",)
    line = " timerlat/0-867 [000] .....   100.{:06}: #{}    context thread timer_latency     20000 ns\n"
    found = tracefs.measure(HEAD + MARK + "".join(line.format(turn * 1000 + 20, turn) for turn in (1, 2, 62, 63)))
    assert found
    assert found.rows[0][1:] == (59_000_000, 0, ((3_020_000, 62_020_000),))


@pytest.mark.parametrize("text", ["", HEAD, OSNOISE_TEXT.replace(MARK, ""), "\x00\xff [000] sample_threshold:\n"])
def test_without_its_mark_a_trace_tells_nothing(tracefs: Tracefs, text: str) -> None:
    assert tracefs.measure(text) is None


def test_of_many_stops_the_longest_are_kept(tracefs: Tracefs) -> None:
    """On a busy machine each turn of another program counts as a stop."""
    line = " osnoise/1-962 [001] ..... 1: sample_threshold: start {}.{:09} duration {} ns interference 0\n"
    turns = "".join(line.format(100, 3_000_000 * number, 2_000_000) for number in range(300))
    found = tracefs.measure(HEAD + MARK + turns + line.format(101, 0, 50_000_000))
    assert found
    (row,) = (row for row in found.rows if row.cpus == "1")
    assert (len(row.gaps), row.gaps[-1], row.longest_ns) == (GAPS, (1_000_000_000, 1_050_000_000), 50_000_000)
    assert list(row.gaps) == sorted(row.gaps)


def test_a_buffer_that_was_too_small_is_told(tracefs: Tracefs) -> None:
    watching = tracefs.meter()
    watching.start()
    (folder,) = tracefs.instances
    watching.mark()
    (folder / "trace").write_text(OSNOISE_TEXT)
    (folder / "per_cpu/cpu8/stats").write_text("entries: 3\noverrun: 20\ncommit overrun: 0\n")
    found = watching.stop()
    assert found
    assert "too small" in found.note
    assert [row.baseline_ns for row in found.rows] == [100_000, 0, 0, None]


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (("osnoise", "timerlat"), errno.EBUSY),
        (("osnoise",), errno.ENOMEM),  # nobody else runs timerlat, and livefw does not begin
    ],
)
def test_where_no_tracer_will_the_sampler_measures_and_says_why(
    tracefs: Tracefs, refused: tuple[str, ...], error: int
) -> None:
    tracefs.refused, tracefs.error = refused, error
    online = frozenset(os.sched_getaffinity(0))
    watching = TracingMeter(str(tracefs.base), online, SETTINGS, new=tracefs.instance)
    watching.start()
    watching.mark()
    found = watching.stop()
    assert found
    assert found.source == "sampled"
    assert found.note.startswith(f"the kernel's tracer could not be used: {os.strerror(error)}")
    assert tracefs.instances == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("available_tracers", "hwlat nop", []),
        ("available_tracers", "osnoise nop", [OSNOISE]),
        ("available_tracers", "timerlat nop", []),
        ("osnoise/runtime_us", "500000", []),  # half of each second nobody would look
        ("osnoise/timerlat_period_us", "1001", [OSNOISE]),  # a stop of a millisecond could fall between two turns
        ("osnoise/timerlat_period_us", "100", [OSNOISE, TIMERLAT]),
        ("osnoise/options", "NO_OSNOISE_WORKLOAD", []),  # there are no threads then that could be late
        ("osnoise/cpus", "0", [OSNOISE, TIMERLAT]),
    ],
)
def test_what_is_offered(tracefs: Tracefs, name: str, text: str, expected: list[tracer.Tracer]) -> None:
    tracefs.put(name, text)
    assert offered(str(tracefs.base)) == expected


def test_it_is_chosen_where_there_is_one(tracefs: Tracefs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(by: str, *, own: bool = True) -> type:
        return type(meter(HostFiles(str(tmp_path)), ONLINE, SETTINGS._replace(by=by), own_machine=own))

    monkeypatch.setattr(tracer, "TRACEFS", (str(tmp_path / "nowhere"), str(tracefs.base)))
    assert [chosen(by) for by in ("auto", "tracer", "sampler")] == [TracingMeter, TracingMeter, SamplingMeter]
    assert not issubclass(chosen("tracer", own=False), TracingMeter)
    monkeypatch.setattr(tracer, "TRACEFS", (str(tmp_path / "nowhere"),))
    assert [chosen(by) for by in ("auto", "tracer", "sampler")] == [SamplingMeter, TracingMeter, SamplingMeter]


def test_the_next_one_takes_away_what_the_dead_left(tracefs: Tracefs) -> None:
    own = f"livefw-{os.getpid()}-"
    kept = {"livefw-1-" + tracer._born(1), "somebody-else", "livefw-x"}
    for name in (f"{own}17", "livefw-999999999-5", *kept):
        tracefs.make(str(tracefs.base / "instances" / name))
    instance = tracefs.instance(str(tracefs.base))
    assert {path.name for path in tracefs.instances} == kept | {own + tracer._born(os.getpid())}
    instance.close()
    assert {path.name for path in tracefs.instances} == kept


CRASH = (
    "import sys, time; from livefw.activation.measure.tracer import Instance;"
    " i = Instance(sys.argv[1]); print(i, flush=True)"
)


@pytest.mark.parametrize("ends", ["", "; i.give_up()", "; time.sleep(600)"], ids=["exit", "given-up", "killed"])
def test_the_keeper_takes_it_away_when_the_engine_is_gone(tmp_path: Path, ends: str) -> None:
    (tmp_path / "instances").mkdir()
    with subprocess.Popen([sys.executable, "-c", CRASH + ends, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        if "sleep" in ends:
            assert len(os.listdir(tmp_path / "instances")) == 1
            process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == b""  # the keeper has the same standard output: it is gone too
    assert os.listdir(tmp_path / "instances") == []
