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


def _all_children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(word) for word in listed.split()]


_EARLIER: set[int] = set()


@pytest.fixture(autouse=True)
def _earlier() -> None:
    """Children of tests before this one are not counted."""
    _EARLIER.clear()
    _EARLIER.update(_all_children())


def children() -> list[int]:
    return [each for each in _all_children() if each not in _EARLIER]


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


MARKS = """#!{python}
import pathlib, sys
print("ready", flush=True)
sys.stdin.readline()
pathlib.Path("{path}").touch()
print("{says}", flush=True)
sys.stdin.readline()
print("[]", flush=True)
"""


@pytest.mark.parametrize("says", ["marked", "what?"])
def test_what_follows_a_mark_counts_as_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """Also where the sampler had to wait for a CPU; what has not confirmed the mark has measured nothing."""
    program = tmp_path / "python"
    program.write_text(MARKS.format(python=sys.executable, path=tmp_path / "marked", says=says))
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    watching = SamplingMeter(ONLINE, SHORT)
    watching.start()
    watching.mark()
    assert (tmp_path / "marked").exists()
    assert (watching.stop() is not None) is (says == "marked")
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
    if line == "mark\\n":
        print("marked", flush=True)
    else:
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
    ready, marked, answer = done.stdout.splitlines()
    assert (ready, marked) == (b"ready", b"marked")
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


SVG = "{http://www.w3.org/2000/svg}"
LONG = "W" * 5000, "\u6f22" * 900, "word " * 700, "\x1b[31m\u202e<b>&" * 200, "", "CPU0 power management firmware"


def box(text: ElementTree.Element, *, size: float) -> tuple[float, float]:
    """From where to where a text is at most: one em for each character, and for W and what is wider one and a fifth."""
    wide = sum(1.2 if ord(c) > 0x2000 or c in "MW@%" else 0.8 for c in text.text or "") * size
    x, anchor = float(text.get("x", "")), text.get("text-anchor", "start")
    begin = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    return begin, begin + wide


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.0042, 0.8615, 0.999, 61.4, 86_400.0, 9e8])
@pytest.mark.parametrize("word", LONG, ids=lambda word: repr(word[:6]))
def test_no_text_of_a_picture_is_cut_off_by_its_edge(word: str, seconds: float) -> None:
    """The last tick of the first pictures was."""
    end = int(seconds * 1e9)
    rows = tuple(CpuRow(cpus, end, None, ((0, end),)) for cpus in ("0", "1-3", word, ",".join(map(str, range(512)))))
    drawn = svg(Measurement("sampled", seconds, rows, word), title=word, lines=(word, word))
    root = ElementTree.fromstring(drawn)
    left, top, right, bottom = map(float, root.get("viewBox", "").split())
    texts = [*root.iter(f"{SVG}text")]
    assert len(texts) > 10
    for each in texts:
        begin, end_x = box(each, size=float(each.get("font-size", 11)))
        assert left <= begin, each.text
        assert end_x <= right, each.text
        assert top + 8 <= float(each.get("y", "")) <= bottom - 3
    starts = {(float(each.get("x", "")), float(each.get("y", ""))) for each in texts}
    assert len(starts) == len(texts), "two texts in one place"


@pytest.mark.parametrize(
    ("first_ns", "last_ns", "ticks", "unit"),
    [
        (0, 861_500_000, ["0", "200", "400", "600", "800", "1000"], "ms"),
        (-6_000_000, 12_000_000, ["-10", "-5", "0", "5", "10", "15"], "ms"),
        (0, 12_500_000_000, ["0", "2", "4", "6", "8", "10", "12", "14"], "s"),
        (0, 3_100, ["0", "0.5", "1", "1.5", "2", "2.5", "3", "3.5"], "us"),
        (0, 0, ["0", "0.2", "0.4", "0.6", "0.8", "1"], "us"),
    ],
)
def test_the_time_below_a_picture_is_in_round_numbers(first_ns: int, last_ns: int, ticks: list[str], unit: str) -> None:
    """1, 2 or 5 of a unit that the axis names; the widest are less than a thousand."""
    row = CpuRow("0", last_ns - first_ns, None, ((first_ns, last_ns),))
    root = ElementTree.fromstring(svg(Measurement("sampled", 0.0, (row,)), title="TF-RMM"))
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert texts[-len(ticks) - 1 :] == [f"time since the activation began, in {unit}", *ticks]
    (bar,) = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "stop"]
    lines = [float(each.get("x1", "")) for each in root.iter(f"{SVG}line")]
    assert min(lines) - 0.1 <= float(bar.get("x", "")) <= max(lines)


def test_a_picture_says_without_colours_what_it_shows() -> None:
    """Readers of screens get the texts, and a dark page has its own colours."""
    row = CpuRow("0-3", 72_000_000, 1000, ((0, 72_000_000),))
    drawn = svg(Measurement("osnoise", 0.1, (row,), "a note"), title="TF-RMM: failed", lines=("1.0 -> 1.0",))
    root = ElementTree.fromstring(drawn)
    first = root.find(f"{SVG}title")
    assert (root.get("role"), first is not None and first.text) == (
        "img",
        "TF-RMM: failed. 1.0 -> 1.0. longest 72 ms, just before 1 us; 4 CPUs, osnoise; a note",
    )
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"the CPU ran no program", "it was watched, and ran some", "CPUs", "0-3", "TF-RMM: failed"} <= {*texts}
    assert "prefers-color-scheme: dark" in drawn
    assert "<style" not in svg(Measurement("osnoise", 0.1, (row,)), title="", alone=False)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e10])
def test_a_measurement_of_no_time_is_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot have been measured"):
        Measurement.from_document({"source": "sampled", "seconds": seconds, "rows": [], "note": ""})


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1500, "1.5 us"), (2_500_000, "2.5 ms"), (61_000_000_000, "61 s")],
)
def test_lengths_of_time(ns: int, text: str) -> None:
    assert duration(ns) == text
