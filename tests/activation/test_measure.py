# SPDX-License-Identifier: Apache-2.0
"""Measuring: what the model tells is what is told; what is sampled is a CPU that was away; nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from livefw.activation.measure import sampler
from livefw.activation.measure.meter import (
    STALLS,
    STALLS_SHOWN,
    CpuRow,
    Measurement,
    ModelMeter,
    NoMeter,
    SamplingMeter,
    meter,
    spread,
)
from livefw.activation.measure.plot import duration, svg
from livefw.activation.policy.document import Measuring
from livefw.files.host import HostFiles
from livefw.machine import stalls
from livefw.machine.config import load
from livefw.machine.files import MachineFiles
from livefw.machine.machine import Machine

SHORT = Measuring(enabled=True, cpus=2, baseline=0.01)
ONLINE = frozenset(os.sched_getaffinity(0))


def test_the_model_is_asked_and_named() -> None:
    machine = Machine(load("vera"))
    machine.boot()
    files = MachineFiles(machine)
    watching = meter(files, frozenset(range(88)), SHORT, own_machine=False)
    assert isinstance(watching, ModelMeter)
    watching.mark()
    files.start_write(f"/sys/firmware/lfa/{machine.find('rmm')}/activate", b"1").wait(None)
    found = watching.stop()
    assert found
    assert found.source == "model"
    rendezvous = next(row for row in found.rows if row.cpus == "0-87")
    assert [(end - start) for start, end in rendezvous.gaps] == [s.end_ns - s.start_ns for s in machine.os.stalls]
    # Each step of PRIME kept the one CPU that it ran on: 12 of 60 ms, by the platform's description.
    assert sum(len(row.gaps) for row in found.rows if row is not rendezvous) == 12
    assert {end - start for row in found.rows if row is not rendezvous for start, end in row.gaps} == {60_000_000}
    assert found.baseline_ns is None
    assert Measurement.from_document(found.document()) == found
    assert STALLS_SHOWN == stalls.SHOWN


@pytest.mark.parametrize("text", ["", "x", "1\n2 3\n", "1\n2 3 4 5\n", "\xff"])
def test_stalls_that_make_no_sense_are_no_measurement(tmp_path: Path, text: str) -> None:
    (tmp_path / STALLS[1:]).parent.mkdir(parents=True)
    (tmp_path / STALLS[1:]).write_text(text)
    watching = ModelMeter(HostFiles(str(tmp_path)))
    watching.mark()
    assert watching.stop() is None


def test_another_machine_than_our_own_is_not_sampled(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    for own, enabled, kind in ((False, True, NoMeter), (True, True, SamplingMeter), (True, False, NoMeter)):
        found = meter(files, ONLINE, SHORT._replace(enabled=enabled), own_machine=own)
        assert type(found) is kind
        found.start()
        assert len(children()) == (kind is SamplingMeter)
        found.close()
        assert children() == []


def children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(word) for word in listed.split()]


def turns(process: int) -> int:
    """How often it was given a CPU."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[2])


def test_sampling_finds_a_process_that_kept_a_cpu_for_itself() -> None:
    cpu = max(ONLINE)
    watching = SamplingMeter(frozenset({cpu}), SHORT)
    watching.start()
    assert len(children()) == 1
    watching.mark()
    # The worker itself is stopped, which is all that it can see of a CPU that is away.
    (worker,) = (int(w) for w in Path(f"/proc/{children()[0]}/task/{children()[0]}/children").read_text().split())
    os.kill(worker, signal.SIGSTOP)
    stopped = time.monotonic_ns()
    while b"T (stopped)" not in Path(f"/proc/{worker}/status").read_bytes():
        pass
    while time.monotonic_ns() - stopped < 30_000_000:
        pass
    os.kill(worker, signal.SIGCONT)
    begun = turns(worker)
    while turns(worker) < begun + 3:  # once it has slept again, what it saw is noted
        pass
    found = watching.stop()
    assert found
    assert found.source == "sampled"
    assert [row.cpus for row in found.rows] == [str(cpu)]
    assert found.longest_ns >= 29_000_000
    assert any(end - start >= 29_000_000 for start, end in found.rows[0].gaps)
    assert children() == []


def test_a_meter_that_is_given_up_leaves_nothing() -> None:
    watching = SamplingMeter(ONLINE, SHORT)
    watching.start()
    assert watching.stop() is None
    assert children() == []


def test_the_sampler_ends_with_its_engine() -> None:
    program = [sys.executable, "-I", "-S", sampler.__file__, "1000", "0"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        # The worker holds the same pipe: its end is seen when it is gone too.
        assert process.stdout.read() == b""
        assert process.wait() == 0


SAYS = """#!{python}
import sys
print("ready", flush=True)
for line in sys.stdin:
    if line == "stop\\n":
        print(" " * ({size} - 3) + "[]", flush=True)
"""


@pytest.mark.parametrize(("size", "taken"), [(1 << 24, True), ((1 << 24) + (1 << 16), False)])
def test_a_sampler_that_says_too_much_is_not_heard_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, taken: bool
) -> None:
    """16 MiB, and what is read at once."""
    program = tmp_path / "python"
    program.write_text(SAYS.format(python=sys.executable, size=size))
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    watching = SamplingMeter(ONLINE, SHORT)
    watching.start()
    watching.mark()
    assert (watching.stop() is not None) is taken
    assert children() == []


def test_a_cpu_that_is_not_to_be_had_is_left_out() -> None:
    program = [sys.executable, "-I", "-S", sampler.__file__, "1000", "0", "60000"]
    done = subprocess.run(program, input=b"mark\nstop\n", capture_output=True, check=True)
    ready, answer = done.stdout.splitlines()
    assert ready == b"ready"
    assert answer.endswith(b", null]")


@pytest.mark.parametrize(
    ("count", "limit", "expected"),
    [(2, 64, [0, 1]), (8, 4, [0, 2, 4, 6]), (5, 2, [0, 2]), (0, 4, [])],
)
def test_many_cpus_are_watched_in_part_and_evenly(count: int, limit: int, expected: list[int]) -> None:
    assert spread(list(range(count)), limit) == expected


def test_the_picture_is_well_formed_whatever_the_title_says() -> None:
    rows = tuple(CpuRow(str(cpu), 5_000_000, 1000, ((0, 5_000_000), (6_000_000, 6_000_001))) for cpu in range(300))
    text = svg(Measurement("sampled", 0.01, rows, "a & b"), title="<script>&\"'")
    root = ElementTree.fromstring(text)
    bars = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.get("fill") == "#c33"]
    assert len(bars) == 600
    ElementTree.fromstring(svg(Measurement("model", 0.0, ()), title=""))


def test_the_picture_has_its_time_below_it() -> None:
    """From the first gap, or the mark, to the end."""
    gaps = ((-6_000_000, 1_000_000),)
    root = ElementTree.fromstring(svg(Measurement("sampled", 0.012, (CpuRow("0", 7_000_000, 1000, gaps),)), title=""))
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[-7:] == [f"{moment} ms" for moment in (-6, -3, 0, 3, 6, 9, 12)]


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1500, "1.5 us"), (2_500_000, "2.5 ms"), (61_000_000_000, "61 s")],
)
def test_lengths_of_time(ns: int, text: str) -> None:
    assert duration(ns) == text
