# SPDX-License-Identifier: Apache-2.0
"""How long a device stood still: what is noted, by a clock of the test and with a file; nobody waits for the device."""

import json
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw.activation.measure import reader
from livefw.activation.measure.device import DeviceStop, ReadingProbe, reading_probe
from livefw.activation.measure.meter import DeviceMeter, Measurement, NoMeter
from livefw.activation.measure.plot import svg
from livefw.providers.base import Component, Cost, Reading
from livefw.render.attempt import cost_text

MS = 1_000_000
START = 1_000 * MS
STOP = DeviceStop("/dev/nvme0n1", 870 * MS, 12 * MS, 1000 * MS, 0, ((5 * MS, 875 * MS),))


class Time:
    """Stands in for the module: each read takes as long as is said, and the mark comes after so many."""

    def __init__(self, memory: mmap.mmap, reads: list[int | OSError], mark_after: int) -> None:
        self.now, self.done = START, 0
        self._memory, self._reads, self._mark_after = memory, reads, mark_after

    def monotonic_ns(self) -> int:
        return self.now

    def preadv(self, *_: object) -> int:
        took = self._reads[self.done]
        self.done += 1
        if self.done == self._mark_after:
            self._memory[0] = reader.MARKED
        if isinstance(took, OSError):
            raise took
        self.now += took
        return reader.BLOCK

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)
        if self.done == len(self._reads):
            self._memory[0] = reader.STOPPED


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    with mmap.mmap(-1, reader.SIZE) as made:
        yield made


def noted(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reads: list[int | OSError], mark_after: int
) -> Time:
    (tmp_path / "device").write_bytes(bytes(reader.BLOCK))
    monkeypatch.setattr(os, "O_DIRECT", 0)
    clock = Time(memory, reads, mark_after)
    monkeypatch.setattr(reader, "time", clock)
    monkeypatch.setattr(os, "preadv", clock.preadv)
    reader.worker(memory, str(tmp_path / "device"), MS, os.getppid())
    return clock


def test_longest_read_before_and_during_is_noted(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = noted(memory, monkeypatch, tmp_path, [2 * MS, 12 * MS, 3 * MS, 870 * MS, MS], mark_after=3)
    found = reader.result(memory, clock.now)
    assert found is not None
    assert (found["baseline_ns"], found["longest_ns"], found["failed"]) == (12 * MS, 870 * MS, 0)
    assert [end - start for start, end in found["gaps"]] == [12 * MS, 870 * MS]  # type: ignore[attr-defined]


def test_longest_reads_are_kept_where_more_are_long(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = [(12 + index % 2) * MS for index in range(2 * reader.READS)]
    clock = noted(memory, monkeypatch, tmp_path, [*before, 870 * MS, 11 * MS], mark_after=len(before))
    found = reader.result(memory, clock.now)
    assert found is not None
    gaps: list[tuple[int, int]] = found["gaps"]  # type: ignore[assignment]
    assert gaps == sorted(gaps)
    took = [end - start for start, end in gaps]
    assert (len(took), took[-1], set(took[:-1])) == (reader.READS, 870 * MS, {13 * MS})


def test_read_that_has_not_returned_counts_with_the_time_so_far(memory: mmap.mmap) -> None:
    memory[0] = reader.MARKED
    reader.SLOT.pack_into(memory, reader.OFFSET, 1, START, MS, 2 * MS, 0, 0)
    found = reader.result(memory, START + 5000 * MS)
    assert found is not None
    assert (found["longest_ns"], found["gaps"]) == (5000 * MS, [(START, START + 5000 * MS)])


def test_read_that_fails_is_counted(memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = noted(memory, monkeypatch, tmp_path, [MS, MS, OSError(5, "gone"), OSError(5, "gone")], mark_after=2)
    found = reader.result(memory, clock.now)
    assert found is not None
    assert found["failed"] == 2


def test_device_that_was_never_opened_was_not_measured(memory: mmap.mmap) -> None:
    assert reader.result(memory, START) is None


def takes_direct(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:  # a tmpfs of an older kernel
        return False
    return True


def test_file_is_really_read_past_the_cache(tmp_path: Path) -> None:
    (tmp_path / "block").write_bytes(os.urandom(reader.BLOCK))
    whole = next(each for each in (tmp_path / "block", Path(__file__)) if takes_direct(each))
    probe = ReadingProbe(str(whole), 10**9, 0.05)
    probe.start()
    probe.mark()
    deadline = time.monotonic() + 30
    found = probe.stop()
    assert time.monotonic() < deadline
    assert found is not None
    assert (found.device, found.declared_ns, found.failed) == (str(whole), 10**9, 0)
    assert found.baseline_ns > 0


def test_device_that_does_not_answer_holds_up_nobody(tmp_path: Path) -> None:
    """To open a fifo waits for a writer, as a read waits for a drive that stands still."""
    os.mkfifo(tmp_path / "stuck")
    probe = ReadingProbe(str(tmp_path / "stuck"), None, 0.0)
    probe.start()
    probe.mark()
    began = time.monotonic()
    assert probe.stop() is None
    assert time.monotonic() - began < 30
    probe.close()


@pytest.mark.parametrize("path", ["/no/such/device", "/"])
def test_device_that_cannot_be_read_gives_no_measurement(path: str) -> None:
    probe = ReadingProbe(path, None, 0.0)
    probe.start()
    probe.mark()
    assert probe.stop() is None


def test_probe_is_for_a_device_only() -> None:
    component = Component("p", "i", "n", None, None, None, Cost(None, None))
    assert reading_probe(component, baseline_s=0) is None
    drive = component._replace(probe="/dev/nvme0n1", readings=((Reading.PAUSE, 1.5),))
    assert reading_probe(drive, baseline_s=0) is not None


class Told:
    """A probe that measured something, or nothing."""

    def __init__(self, found: DeviceStop | None) -> None:
        self._found = found
        self.closed = False

    def start(self) -> None: ...

    def mark(self) -> None: ...

    def stop(self) -> DeviceStop | None:
        return self._found

    def close(self) -> None:
        self.closed = True


def test_device_is_measured_beside_the_cpus_and_alone() -> None:
    probe = Told(STOP)
    meter = DeviceMeter(NoMeter(), probe)
    meter.start()
    meter.mark()
    found = meter.stop()
    meter.close()
    assert found is not None
    assert (found.device, found.source, probe.closed) == (STOP, "device", True)
    assert DeviceMeter(NoMeter(), Told(None)).stop() is None


def test_device_is_in_the_record_the_line_and_the_plot() -> None:
    measured = Measurement("sampled", 1.0, (), device=STOP)
    document = json.loads(json.dumps(measured.document()))
    assert Measurement.from_document(document) == measured
    assert "device" not in Measurement("sampled", 1.0, ()).document()
    about = "I/O to /dev/nvme0n1 stood still for 870 ms, 12 ms just before; it declares up to 1 s"
    assert cost_text(measured) == f"no CPU was away; {about}"
    assert cost_text(measured._replace(source="device")) == about
    failed = measured._replace(source="device", device=STOP._replace(failed=3, declared_ns=None))
    assert cost_text(failed).endswith("12 ms just before; 3 reads failed")
    drawn = svg(measured, title="drive")
    assert "/dev/nvme0n1: 870 ms" in drawn
    assert about in drawn.replace("\n", " ") or "stood still for 870 ms" in drawn
