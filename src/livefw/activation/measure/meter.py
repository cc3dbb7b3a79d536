# SPDX-License-Identifier: Apache-2.0
"""What an activation cost the machine: for each CPU the longest time during which no program could run.

The machine that livefw runs on is measured by the kernel's tracer (`livefw.activation.measure.tracer`) or by sampling
(`livefw.activation.measure.sampler`), compared with a baseline taken just before. A modelled machine has other CPUs;
its own figures are read, and marked as the model's.
"""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from livefw.activation.checks.facts import cpu_list
from livefw.activation.measure import tracer
from livefw.activation.measure.device import DeviceProbe, DeviceStop
from livefw.activation.measure.program import MeasuringProgram
from livefw.activation.measure.sampler import GAPS, NOTE_NS
from livefw.activation.policy.document import Measuring
from livefw.files.protocol import Files
from livefw.text import decode

PERIOD_US = 1000
STALLS = "/run/livefw-model/stalls"
"""The file in which a modelled machine shows how long its firmware held its CPUs.

First line: ``NOW``, ns since boot; then ``START END CPUS`` for each of the last stalls, oldest first, CPUS as a list
such as ``0-3``. A read returns at most a page, so that the earliest may be missing.
"""
STALLS_SHOWN = 64
"""How many stalls it shows at most."""
OF_DEVICE = "device"
"""The source of a measurement in which no CPU was watched."""
_LONGEST_S = 1e9
"""As long as an activation may take in the history (`livefw.activation.history.rows`)."""


class CpuRow(NamedTuple):
    """CPUs with the same figures: ``cpus`` is a list such as ``0-3``; gaps are in ns since the activation began."""

    cpus: str
    longest_ns: int
    baseline_ns: int | None
    gaps: tuple[tuple[int, int], ...]

    @property
    def cpu_count(self) -> int:
        """The number of CPUs."""
        return len(cpu_list(self.cpus) or ())


class Measurement(NamedTuple):
    """``source`` is ``sampled``, ``model``, the name of the kernel's tracer, or `OF_DEVICE`.

    ``note`` says what is missing.
    ``device`` is about the device that was activated, where it is one that can be read.
    """

    source: str
    seconds: float
    rows: tuple[CpuRow, ...]
    note: str = ""
    device: DeviceStop | None = None

    @property
    def longest_ns(self) -> int:
        """The longest gap of any CPU."""
        return max((row.longest_ns for row in self.rows), default=0)

    @property
    def baseline_ns(self) -> int | None:
        """The longest gap of any CPU before the activation; None if there is no baseline."""
        known = [row.baseline_ns for row in self.rows if row.baseline_ns is not None]
        return max(known, default=None)

    @property
    def cpus(self) -> int:
        """The number of CPUs that were measured; rows of a model overlap."""
        return len(frozenset[int]().union(*(cpu_list(row.cpus) or () for row in self.rows)))

    def document(self) -> dict[str, Any]:
        """The form for the history and for JSON."""
        found = self._asdict() | {"rows": [row._asdict() for row in self.rows]}
        device = found.pop("device")
        return found | ({"device": device._asdict()} if device else {})

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Measurement":
        """Read what `document` made. ValueError, KeyError or TypeError for anything else."""
        rows = tuple(
            CpuRow(
                str(row["cpus"]),
                int(row["longest_ns"]),
                None if row["baseline_ns"] is None else int(row["baseline_ns"]),
                tuple((int(start), int(end)) for start, end in row["gaps"]),
            )
            for row in document["rows"]
        )
        seconds = float(document["seconds"])
        if not 0 <= seconds < _LONGEST_S:  # JSON as Python reads it has NaN and Infinity
            raise ValueError(f"{seconds} seconds cannot have been measured")
        device = document.get("device")
        known = DeviceStop.from_document(device) if device else None
        return cls(str(document["source"]), seconds, rows, str(document["note"]), known)


class Meter(Protocol):
    """Measures one activation. No method raises: a failure to measure must not prevent an activation."""

    def start(self) -> None:
        """Take the baseline; returns when that is done."""
        ...

    def mark(self) -> None:
        """The activation begins."""
        ...

    def stop(self) -> Measurement | None:
        """The activation has ended; returns the measurement, or None."""
        ...

    def close(self) -> None:
        """Give up a measurement that was not stopped, without reading from a machine that may hang."""
        ...


class NoMeter:
    """Measures nothing."""

    def start(self) -> None:
        """See `Meter`."""

    def mark(self) -> None:
        """See `Meter`."""

    def stop(self) -> Measurement | None:
        """See `Meter`."""
        return None

    def close(self) -> None:
        """See `Meter`."""


class DeviceMeter:
    """What another meter measures, and how long a device stood still."""

    def __init__(self, meter: Meter, probe: DeviceProbe) -> None:
        self._meter = meter
        self._probe = probe
        self._marked_s = 0.0

    def start(self) -> None:
        """See `Meter`."""
        self._probe.start()
        self._meter.start()

    def mark(self) -> None:
        """See `Meter`."""
        self._meter.mark()
        self._probe.mark()
        self._marked_s = time.monotonic()

    def stop(self) -> Measurement | None:
        """See `Meter`."""
        device = self._probe.stop()
        measured = self._meter.stop()
        if device is None:
            return measured
        alone = Measurement(OF_DEVICE, time.monotonic() - self._marked_s, ())
        return (measured or alone)._replace(device=device)

    def close(self) -> None:
        """See `Meter`."""
        try:
            self._probe.close()
        finally:
            self._meter.close()


class ModelMeter:
    """Reads the figures of a modelled machine."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._begin: int | None = None

    def start(self) -> None:
        """See `Meter`; a model needs no baseline."""

    def mark(self) -> None:
        """See `Meter`."""
        shown = _read_stalls(self._files)
        self._begin = shown[0] if shown else None

    def stop(self) -> Measurement | None:
        """See `Meter`."""
        shown = _read_stalls(self._files)
        if shown is None or self._begin is None:
            return None
        now, stalls = shown
        begin, self._begin = self._begin, None
        by_cpus: dict[str, list[tuple[int, int]]] = {}
        for start, end, cpus in stalls:
            if start >= begin:
                by_cpus.setdefault(cpus, []).append((start - begin, end - begin))
        rows = [
            CpuRow(cpus, max(end - start for start, end in gaps), None, tuple(gaps)) for cpus, gaps in by_cpus.items()
        ]
        cut = len(stalls) == STALLS_SHOWN and stalls[0][0] >= begin
        note = "of many stalls only the last ones are shown" if cut else ""
        return Measurement("model", (now - begin) / 1e9, tuple(rows), note)

    def close(self) -> None:
        """See `Meter`."""


NewInstance = Callable[[str], tracer.Instance]


class SamplingMeter:
    """Samples the CPUs of the machine that livefw runs on."""

    def __init__(self, online: frozenset[int], settings: Measuring) -> None:
        self._online = sorted(online & os.sched_getaffinity(0))
        self._settings = settings
        cpus = spread(self._online, settings.cpus)
        self._program = MeasuringProgram("sampler.py", str(PERIOD_US), *map(str, cpus))
        self._marked_ns = 0

    def start(self) -> None:
        """See `Meter`."""
        if self._program.start():
            time.sleep(self._settings.baseline)

    def mark(self) -> None:
        """See `Meter`."""
        self._marked_ns = time.monotonic_ns() if self._program.mark() else 0

    def stop(self) -> Measurement | None:
        """See `Meter`."""
        now = time.monotonic_ns()
        rows = self._program.stop() if self._marked_ns else None
        self.close()
        if rows is None:
            return None
        return self._measurement([row for row in rows if row], (now - self._marked_ns) / 1e9)

    def _measurement(self, rows: list[dict[str, Any]], seconds: float) -> Measurement:
        found = []
        for row in rows:
            gaps = [(start - self._marked_ns, end - self._marked_ns) for start, end in row["gaps"]]
            found.append(CpuRow(str(row["cpu"]), row["longest_ns"], row["baseline_ns"], tuple(gaps)))
        missing = len(self._online) - len(found)
        note = f"{len(found)} of {len(self._online)} CPUs were watched" if missing else ""
        return Measurement("sampled", seconds, tuple(found), note)

    def close(self) -> None:
        """See `Meter`; the workers end when the sampler is gone."""
        self._program.close()


class TracingMeter:
    """Uses the kernel's tracer; if that fails, samples the CPUs and says so."""

    def __init__(
        self, base: str | None, online: frozenset[int], settings: Measuring, *, new: NewInstance = tracer.Instance
    ) -> None:
        """``base`` is the mount point of tracefs; None if there is none."""
        self._base = base
        self._online = online
        self._settings = settings
        self._new = new
        self._instance: tracer.Instance | None = None
        self._tracer = tracer.OSNOISE
        self._marked_ns = 0
        self._why = "this kernel has no usable tracer"
        self._instead: SamplingMeter | None = None

    def start(self) -> None:
        """See `Meter`."""
        for each in tracer.offered(self._base) if self._base else ():
            try:
                self._instance = self._new(self._base or "")
                self._instance.begin(each)
            except OSError as error:
                self._why = f"the kernel's tracer could not be used: {error.strerror}"
                self._end()
                if error.errno != errno.EBUSY:  # nobody runs the next one either
                    break
                continue
            self._tracer = each
            time.sleep(self._settings.baseline)
            return
        self._instead = SamplingMeter(self._online, self._settings)
        self._instead.start()

    def mark(self) -> None:
        """See `Meter`."""
        if self._instead:
            return self._instead.mark()
        self._marked_ns = time.monotonic_ns()
        if self._instance:
            with suppress(OSError):  # without the mark in the trace there is no measurement
                self._instance.mark()
        return None

    def stop(self) -> Measurement | None:
        """See `Meter`."""
        if self._instead:
            sampled = self._instead.stop()
            return sampled and sampled._replace(note="; ".join(filter(None, (self._why, sampled.note))))
        if self._instance is None or not self._marked_ns:
            return None
        seconds = (time.monotonic_ns() - self._marked_ns) / 1e9
        try:
            return self._measurement(self._instance, seconds)
        except (OSError, ValueError):
            return None
        finally:
            self._end()

    def _measurement(self, instance: tracer.Instance, seconds: float) -> Measurement:
        cpus = sorted(self._online & (cpu_list(tracer.watched(self._base or "")) or self._online))
        longest = {cpu: [0, 0] for cpu in cpus}
        gaps: dict[int, list[tuple[int, int]]] = {cpu: [] for cpu in cpus}
        for gap in instance.end(self._tracer):
            if gap.cpu not in longest:
                continue
            marked = gap.end_ns >= 0  # a gap that began before the mark and ended after it counts
            longest[gap.cpu][marked] = max(longest[gap.cpu][marked], gap.end_ns - gap.start_ns)
            if gap.end_ns - gap.start_ns >= NOTE_NS:
                gaps[gap.cpu].append((gap.start_ns, gap.end_ns))
        lost = set(filter(instance.lost, cpus))
        rows = tuple(
            # What was lost is the oldest: without any from before, nothing is known of that time.
            CpuRow(str(cpu), after, None if cpu in lost and not before else before, _longest(gaps[cpu]))
            for cpu, (before, after) in longest.items()
        )
        notes = [f"stops below {tracer.NOTE_NS // 1000} us do not count"] if self._tracer is tracer.OSNOISE else []
        if lost:
            notes.append("the kernel's buffer was too small for all of them")
        if len(cpus) < len(self._online):
            notes.append(f"{len(cpus)} of {len(self._online)} CPUs were watched")
        return Measurement(self._tracer.name, seconds, rows, "; ".join(notes))

    def close(self) -> None:
        """See `Meter`."""
        if self._instead:
            self._instead.close()
        if self._instance:
            self._instance.give_up()
            self._instance = None

    def _end(self) -> None:
        if self._instance:
            self._instance.close()
            self._instance = None


def _longest(gaps: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """As many as are kept, in their order: on a busy machine the first would fill the list before the activation."""
    return tuple(sorted(sorted(gaps, key=lambda gap: gap[1] - gap[0])[-GAPS:]))


def spread(cpus: list[int], limit: int) -> list[int]:
    """At most ``limit`` of the CPUs, evenly distributed."""
    if len(cpus) <= limit:
        return cpus
    return [cpus[index * len(cpus) // limit] for index in range(limit)]


def meter(files: Files, online: frozenset[int] | None, settings: Measuring, *, own_machine: bool) -> Meter:
    """The meter for a machine: the model's figures if it has some, else the tracer or sampler on the machine livefw
    runs on."""
    if not settings.enabled:
        return NoMeter()
    if files.exists(STALLS):
        return ModelMeter(files)
    if not own_machine or not online:
        return NoMeter()
    base = None if settings.by == "sampler" else tracer.place()
    if base is None and settings.by != "tracer":
        return SamplingMeter(online, settings)
    return TracingMeter(base, online, settings)


def _read_stalls(files: Files) -> tuple[int, list[tuple[int, int, str]]] | None:
    try:
        first, *lines = decode(files.read(STALLS)).splitlines()
        return int(first), [(int(start), int(end), cpus) for start, end, cpus in map(str.split, lines)]
    except (OSError, ValueError):
        return None
