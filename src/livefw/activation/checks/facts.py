# SPDX-License-Identifier: Apache-2.0
"""What the checks want to know of a machine, read through the same files as everything else.

What cannot be read is None or empty: a missing file must not stop an activation, and must not be taken for good news
either. Paths and formats are those of the kernel (Documentation/ABI/testing and Documentation/admin-guide).
"""

from typing import NamedTuple

from livefw.activation.inventory.old_versions import BOOT_ID
from livefw.files.protocol import Files
from livefw.text import decode

CPUS = "/sys/devices/system/cpu"
_CPU_LIMIT = 1 << 16
"""Highest CPU number believed, twice what any kernel can be configured for: ``0-99999999999`` must not eat memory."""


class Watchdog(NamedTuple):
    """An armed watchdog and the seconds after which it bites."""

    name: str
    seconds: int


class Guests(NamedTuple):
    """Virtual machines that run here, and how many of them are confidential; None where the kernel does not tell."""

    machines: int | None
    confidential: int | None


class Snapshot(NamedTuple):
    """The machine at one moment."""

    offline: frozenset[int]
    moving: tuple[int, ...]
    load: float | None
    watchdogs: tuple[Watchdog, ...]
    lockdown: str | None
    guests: Guests


class Facts:
    """The machine behind ``files``; every call looks anew."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def snapshot(self) -> Snapshot:
        """Everything that the checks look at."""
        present, online = self.cpus("present"), self.cpus("online")
        return Snapshot(
            frozenset() if present is None or online is None else present - online,
            tuple(self._moving(present or frozenset())),
            self._load(len(online or ())),
            tuple(self.watchdogs()),
            self.lockdown(),
            self.guests(),
        )

    def cpus(self, which: str) -> frozenset[int] | None:
        """``online``, ``present`` or ``possible`` CPUs."""
        text = self._text(f"{CPUS}/{which}")
        return None if text is None else cpu_list(text)

    def _moving(self, cpus: frozenset[int]) -> list[int]:
        """CPUs that are on their way to another hotplug state.

        Before Linux 6.2 the CPU that booted has 0 for its target for ever; it stands in the last state and stays there.
        """
        moving, standing = [], (self._text(f"{CPUS}/hotplug/states") or "").rpartition("\n")[2].partition(":")[0]
        for cpu in sorted(cpus):
            state, target = (self._text(f"{CPUS}/cpu{cpu}/hotplug/{name}") for name in ("state", "target"))
            if state is None or target is None:
                break  # a kernel without CPU hotplug, and then none has these files
            if state not in (target, standing.strip()):
                moving.append(cpu)
        return moving

    def _load(self, cpus: int) -> float | None:
        """The one-minute load average for each of so many CPUs."""
        words = (self._text("/proc/loadavg") or "").split()
        try:
            return float(words[0]) / cpus if words and cpus else None
        except ValueError:
            return None

    def watchdogs(self) -> list[Watchdog]:
        """Watchdogs that are armed."""
        armed = []
        for name in self._names("/sys/class/watchdog") or ():
            # The kernel's class directory holds symbolic links; the virtual devices are where they lead.
            for place in (f"/sys/devices/virtual/watchdog/{name}", f"/sys/class/watchdog/{name}"):
                state, seconds = self._text(f"{place}/state"), self._text(f"{place}/timeout")
                if state == "active" and seconds is not None and seconds.isdecimal():
                    armed.append(Watchdog(name, int(seconds)))
                    break
        return armed

    def lockdown(self) -> str | None:
        """The kernel's lockdown mode if it is not ``none``."""
        text = self._text("/sys/kernel/security/lockdown") or ""
        mode = text.partition("[")[2].partition("]")[0]
        return mode if mode not in ("", "none") else None

    def guests(self) -> Guests:
        """Virtual machines, by KVM's debug directory (``PID-FD`` each) and the misc cgroup controller."""
        names = self._names("/sys/kernel/debug/kvm")
        machines = None if names is None else sum(pid.isdigit() and fd.isdigit() for pid, fd in map(_split, names))
        current = self._text("/sys/fs/cgroup/misc.current")
        if current is None:
            return Guests(machines, None)
        counts = [line.split() for line in current.splitlines()]
        return Guests(machines, sum(int(row[1]) for row in counts if len(row) == 2 and row[1].isdecimal()))

    def boot_id(self) -> str:
        """What tells one boot from the next; empty if the machine does not say."""
        return self._text(BOOT_ID) or ""

    def _text(self, path: str) -> str | None:
        try:
            return decode(self._files.read(path)).strip()
        except OSError:
            return None

    def _names(self, path: str) -> list[str] | None:
        try:
            return sorted(self._files.names(path))
        except OSError:
            return None


def cpu_list(text: str) -> frozenset[int] | None:
    """CPUs of a list such as ``0-3,8``; None if it is not one."""
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (not last or last.isdecimal())):
            return None
        begin, end = int(first), int(last or first)
        if not begin <= end < _CPU_LIMIT:
            return None
        cpus.update(range(begin, end + 1))
    return frozenset(cpus)


def _split(name: str) -> tuple[str, str]:
    pid, _, fd = name.partition("-")
    return pid, fd
