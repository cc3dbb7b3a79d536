# SPDX-License-Identifier: Apache-2.0
"""How long the I/O of a device stood still during its activation, beside how long it declares that it may.

One block is read again and again (`livefw.activation.measure.reader`), before and during the activation.
"""

import time
from typing import Any, NamedTuple, Protocol

from livefw.activation.measure.program import MeasuringProgram
from livefw.providers.base import Component, Reading

PERIOD_US = 2000


class DeviceStop(NamedTuple):
    """The longest read of a device, before and during an activation, and what it declares; all in ns.

    ``failed`` are reads that ended with an error; ``gaps`` the long ones, since the activation began.
    """

    device: str
    longest_ns: int
    baseline_ns: int
    declared_ns: int | None
    failed: int
    gaps: tuple[tuple[int, int], ...]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "DeviceStop":
        """Read what `_asdict` made. ValueError, KeyError or TypeError for anything else."""
        declared = document["declared_ns"]
        return cls(
            str(document["device"]),
            int(document["longest_ns"]),
            int(document["baseline_ns"]),
            None if declared is None else int(declared),
            int(document["failed"]),
            tuple((int(start), int(end)) for start, end in document["gaps"]),
        )


class DeviceProbe(Protocol):
    """Measures one device during one activation. No method raises."""

    def start(self) -> None:
        """Take the baseline; returns when that is done."""
        ...

    def mark(self) -> None:
        """The activation begins."""
        ...

    def stop(self) -> DeviceStop | None:
        """The activation has ended; None if the device could not be read."""
        ...

    def close(self) -> None:
        """Give up. It never waits for the device."""
        ...


class ReadingProbe:
    """Reads a device of the machine that livefw runs on; a `DeviceProbe`."""

    def __init__(self, device: str, declared_ns: int | None, baseline_s: float) -> None:
        self._device = device
        self._declared_ns = declared_ns
        self._baseline_s = baseline_s
        self._program = MeasuringProgram("reader.py", device, str(PERIOD_US))
        self._marked_ns = 0

    def start(self) -> None:
        """See `DeviceProbe`."""
        if self._program.start():
            time.sleep(self._baseline_s)

    def mark(self) -> None:
        """See `DeviceProbe`."""
        self._marked_ns = time.monotonic_ns() if self._program.mark() else 0

    def stop(self) -> DeviceStop | None:
        """See `DeviceProbe`."""
        found = self._program.stop()
        if not self._marked_ns or not isinstance(found, dict):
            return None
        gaps = tuple((start - self._marked_ns, end - self._marked_ns) for start, end in found["gaps"])
        return DeviceStop(
            self._device, found["longest_ns"], found["baseline_ns"], self._declared_ns, found["failed"], gaps
        )

    def close(self) -> None:
        """See `DeviceProbe`."""
        self._program.close()


def reading_probe(component: Component, *, baseline_s: float) -> DeviceProbe | None:
    """The probe for a component of this machine; None if it is no device that can be read."""
    if not component.probe:
        return None
    declared_s = dict(component.readings).get(Reading.PAUSE)
    return ReadingProbe(component.probe, None if declared_s is None else round(declared_s * 1e9), baseline_s)
