# SPDX-License-Identifier: Apache-2.0
"""What the checks need to know of a machine, read through the same files as everything else.

What cannot be read is None or empty: a missing file must neither block an activation nor count as good news. Paths and
formats are the kernel's (Documentation/ABI/testing and Documentation/admin-guide).
"""

from collections.abc import Mapping
from hashlib import sha1
from types import MappingProxyType
from typing import NamedTuple

from livefw.activation.inventory.old_versions import BOOT_ID
from livefw.files.protocol import Files
from livefw.text import decode

CPUS = "/sys/devices/system/cpu"
_CPU_LIMIT = 1 << 16
"""CPU numbers must be below this, twice what a kernel can be configured for: ``0-99999999999`` must not fill the
memory."""

_DMI = "/sys/class/dmi/id"
_DMI_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "manufacturer": "sys_vendor",
        "kind": "chassis_type",
        "family": "product_family",
        "product": "product_name",
        "sku": "product_sku",
        "vendor": "bios_vendor",
        "version": "bios_version",
        "board-manufacturer": "board_vendor",
        "board": "board_name",
    }
)
_HARDWARE_IDS = (
    "manufacturer family product sku vendor version major minor",
    "manufacturer family product vendor version major minor",
    "manufacturer product vendor version major minor",
    "manufacturer family product sku board-manufacturer board",
    "manufacturer family product sku",
    "manufacturer family product",
    "manufacturer sku board-manufacturer board",
    "manufacturer sku",
    "manufacturer product board-manufacturer board",
    "manufacturer product",
    "manufacturer family board-manufacturer board",
    "manufacturer family",
    "manufacturer kind",
    "manufacturer board-manufacturer board",
    "manufacturer",
    # fwupd's own
    "manufacturer family product sku vendor",
    "manufacturer family product vendor",
    "manufacturer vendor",
)
"""The fields of each, HardwareID-0 first (Microsoft, "Specifying hardware IDs for a computer")."""
_HARDWARE_NAMESPACE = bytes.fromhex("70ffd8124c7f4c7d0000000000000000")


class Watchdog(NamedTuple):
    """An armed watchdog and its timeout in seconds."""

    name: str
    seconds: int


class Guests(NamedTuple):
    """Running virtual machines, and how many of them are confidential; None if the kernel does not report it."""

    machines: int | None
    confidential: int | None


class MachineFacts(NamedTuple):
    """The state of the machine at one time."""

    offline: frozenset[int]
    moving: tuple[int, ...]
    load: float | None
    watchdogs: tuple[Watchdog, ...]
    lockdown: str | None
    guests: Guests


class Facts:
    """Reads the machine behind ``files``, anew with each call. Never raises."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def snapshot(self) -> MachineFacts:
        """Everything that the checks need."""
        present, online = self.cpus("present"), self.cpus("online")
        return MachineFacts(
            frozenset() if present is None or online is None else present - online,
            tuple(self._moving(present or frozenset())),
            self._load(len(online or ())),
            tuple(self.watchdogs()),
            self.lockdown(),
            self.guests(),
        )

    def cpus(self, which: str) -> frozenset[int] | None:
        """The ``online``, ``present`` or ``possible`` CPUs; None if unknown."""
        text = self._text(f"{CPUS}/{which}")
        return None if text is None else cpu_list(text)

    def _moving(self, cpus: frozenset[int]) -> list[int]:
        """CPUs that are changing their hotplug state.

        Before Linux 6.2 the target of the boot CPU is always 0, although its state is the last one.
        """
        moving, standing = [], (self._text(f"{CPUS}/hotplug/states") or "").rpartition("\n")[2].partition(":")[0]
        for cpu in sorted(cpus):
            state, target = (self._text(f"{CPUS}/cpu{cpu}/hotplug/{name}") for name in ("state", "target"))
            if state is None or target is None:
                break  # a kernel without CPU hotplug has none of these files
            if state not in (target, standing.strip()):
                moving.append(cpu)
        return moving

    def _load(self, cpus: int) -> float | None:
        """The one-minute load average divided by the number of CPUs."""
        words = (self._text("/proc/loadavg") or "").split()
        try:
            return float(words[0]) / cpus if words and cpus else None
        except ValueError:
            return None

    def watchdogs(self) -> list[Watchdog]:
        """The armed watchdogs."""
        armed = []
        for name in self._names("/sys/class/watchdog") or ():
            # The class directory consists of symbolic links to the virtual devices.
            for place in (f"/sys/devices/virtual/watchdog/{name}", f"/sys/class/watchdog/{name}"):
                state, seconds = self._text(f"{place}/state"), self._text(f"{place}/timeout")
                if state == "active" and seconds is not None and seconds.isdecimal():
                    armed.append(Watchdog(name, int(seconds)))
                    break
        return armed

    def lockdown(self) -> str | None:
        """The kernel's lockdown mode; None if it is ``none`` or unknown."""
        text = self._text("/sys/kernel/security/lockdown") or ""
        mode = text.partition("[")[2].partition("]")[0]
        return mode if mode not in ("", "none") else None

    def guests(self) -> Guests:
        """The virtual machines, from KVM's debug directory (``PID-FD`` each) and the misc cgroup controller."""
        names = self._names("/sys/kernel/debug/kvm")
        machines = None if names is None else sum(pid.isdigit() and fd.isdigit() for pid, fd in map(_split, names))
        current = self._text("/sys/fs/cgroup/misc.current")
        if current is None:
            return Guests(machines, None)
        counts = [line.split() for line in current.splitlines()]
        return Guests(machines, sum(int(row[1]) for row in counts if len(row) == 2 and row[1].isdecimal()))

    def kernel_release(self) -> str:
        """The release of the kernel; empty if the machine has none."""
        return self._text("/proc/sys/kernel/osrelease") or ""

    def hardware_ids(self) -> frozenset[str]:
        """The hardware IDs (CHID) of this machine, by which archives name models; none where it shows no manufacturer.

        UUIDv5 of some of its DMI fields, as Microsoft specifies them and fwupd makes them of the kernel's files.
        """
        import uuid  # slow to import, and only few archives need it

        values = {name: self._text(f"{_DMI}/{file}") for name, file in _DMI_FIELDS.items()}
        if release := self._text(f"{_DMI}/bios_release"):
            major, _, minor = release.partition(".")
            if major.isdecimal() and minor.isdecimal() and len(release) < 12:
                values |= {"major": f"{int(major):02x}", "minor": f"{int(minor):02x}"}
        found = set()
        for names in _HARDWARE_IDS:
            parts = [values.get(name) for name in names.split()]
            if all(parts):
                text = "&".join(filter(None, parts)).encode("utf-16-le")
                # uuid5 takes no bytes before Python 3.12
                digest = sha1(_HARDWARE_NAMESPACE + text, usedforsecurity=False).digest()
                found.add(str(uuid.UUID(bytes=digest[:16], version=5)))
        return frozenset(found)

    def boot_id(self) -> str:
        """The boot id; empty if the machine has none."""
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
    """The CPUs of a list such as ``0-3,8``; None if the text is not a list."""
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
