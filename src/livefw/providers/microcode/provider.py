# SPDX-License-Identifier: Apache-2.0
"""The microcode provider: late loading, where the kernel was built to allow it.

Sources: Linux ``Documentation/arch/x86/microcode.rst``, ``Documentation/ABI/testing/sysfs-devices-system-cpu``.

What would be loaded is known for Intel, whose files name their CPUs; AMD's files are packed differently, and the
kernel finds out by itself. All CPUs are stopped; nothing can be taken back; after a reboot the platform's own microcode
runs again.
"""

import os
from typing import NamedTuple

from livefw.abi.microcode import Patch, patches
from livefw.files.protocol import LOST, Files, Write
from livefw.providers.base import (
    Claim,
    Component,
    Cost,
    Flag,
    Observer,
    Reason,
    Rendezvous,
    Reply,
    Version,
    Witness,
)
from livefw.providers.inband import OneCall, SingleProvider
from livefw.providers.opening import not_asked
from livefw.providers.steps import Work
from livefw.text import decode

CPUS = "/sys/devices/system/cpu"
RELOAD = f"{CPUS}/microcode/reload"
IDENT = "cpu"
_FOLDERS = ("/usr/lib/firmware/intel-ucode", "/lib/firmware/intel-ucode")
_MOST_CPUS = 8192
_MOST_BYTES = 16 << 20
"""Largest microcode file that is read; the largest of Intel has 1 MiB."""

ABSENT = Reason("no-late-loading", f"there is no {RELOAD}", "requires a kernel with CONFIG_MICROCODE_LATE_LOADING")
_NO_CANCEL = Reason("no-cancel", "loaded microcode stays until the next reboot")


class CpuModel(NamedTuple):
    """What the CPUs are: vendor, family, model, stepping as in ``/proc/cpuinfo``."""

    vendor: str
    family: int
    model: int
    stepping: int

    @property
    def signature(self) -> int:
        """CPUID.1:EAX (Intel SDM vol. 2, CPUID)."""
        base, extended = (self.family, 0) if self.family < 15 else (15, self.family - 15)
        return extended << 20 | self.model >> 4 << 16 | base << 8 | (self.model & 15) << 4 | self.stepping

    @property
    def file(self) -> str:
        """The name that the kernel looks for."""
        return f"{self.family:02x}-{self.model:02x}-{self.stepping:02x}"


class MicrocodeProvider(SingleProvider):
    """The component ``microcode:cpu``: all CPUs together, as the kernel loads them."""

    name = "microcode"
    ident = IDENT
    absent = ABSENT
    diagnoses_notes = True
    no_cancel = _NO_CANCEL

    def inspect(self, ident: str) -> Component | None:
        """See `livefw.providers.base.Provider`."""
        if ident != IDENT or not self._files.exists(RELOAD):
            return None
        revisions = self._revisions()
        cpu = self._cpu()
        patch, trouble = self._patch(cpu)
        running = max(revisions, default=None)
        later = patch is not None and running is not None and patch.revision > running
        pending = later if patch or (cpu and cpu.vendor == "GenuineIntel") else None
        notes = [_VOLATILE, *([_TAINTS] if later and patch and not patch.minimum else [])]
        if len(revisions) > 1:
            notes.append(_UNEVEN)
        return Component(
            provider="microcode",
            id=IDENT,
            name="CPU microcode",
            current_version=None
            if running is None
            else Version(f"{running:#x}", (running,), reliable=len(revisions) == 1),
            pending=pending,
            pending_version=Version(f"{patch.revision:#x}", (patch.revision,)) if later and patch else None,
            cost=Cost(Rendezvous.REQUIRED, resets_cpu=False),
            reasons=tuple(_reasons(cpu, patch, trouble, running, later=later)),
            notes=tuple(notes),
            details=_details(cpu, patch),
            flag=Flag.ABSENT,
        )

    def work(self, ident: str, observer: Observer) -> Work:  # noqa: ARG002 - there is one component
        """The one write."""
        return _Load(self._files, observer)

    def replay(self, ident: str, action: str) -> str:  # noqa: ARG002 - there is one action
        """See `livefw.providers.base.Provider`."""
        return f"echo 1 > {RELOAD}"

    def _revisions(self) -> set[int]:
        """Every revision that a CPU runs."""
        found: set[int] = set()
        try:
            names = self._files.names(CPUS)
        except OSError:
            return found
        for name in [name for name in names if name.startswith("cpu") and name[3:].isdecimal()][:_MOST_CPUS]:
            text = self._text(f"{CPUS}/{name}/microcode/version")
            try:
                found.add(int(text, 16))
            except ValueError:
                continue
        return found

    def _cpu(self) -> CpuModel | None:
        record = self._text("/proc/cpuinfo", 1 << 16).split("\n\n")[0]
        pairs = (line.partition(":") for line in record.split("\n"))
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        try:
            numbers = [int(fields[name]) for name in ("cpu family", "model", "stepping")]
        except (KeyError, ValueError):
            return None
        return CpuModel(fields.get("vendor_id", ""), *numbers)

    def _patch(self, cpu: CpuModel | None) -> tuple[Patch | None, Reason | None]:
        """The latest update for this CPU in the file that the kernel would take; None if there is none."""
        if cpu is None or cpu.vendor != "GenuineIntel":
            return None, None
        try:
            flags = int(self._text(f"{CPUS}/cpu0/microcode/processor_flags"), 16)
        except ValueError:
            flags = 0
        for folder in _FOLDERS:
            try:
                data = self._files.read(f"{folder}/{cpu.file}", _MOST_BYTES)
                fitting = [patch for patch in patches(data) if patch.fits(cpu.signature, flags)]
            except OSError:
                continue
            except ValueError as error:
                return None, _UNUSABLE.fill(path=f"{folder}/{cpu.file}", error=error)
            return max(fitting, key=lambda patch: patch.revision, default=None), None
        return None, None

    def _text(self, path: str, limit: int = 4096) -> str:
        try:
            return decode(self._files.read(path, limit)).strip()
        except OSError:
            return ""


_VOLATILE = Reason("volatile", "the update is lost at reboot, unless it is also loaded at boot")
_TAINTS = Reason("taints", "the file states no minimum base revision: the kernel will be tainted, or refuse to load it")
_UNEVEN = Reason("uneven", "not all CPUs have the same revision")
_UNUSABLE = Reason("image", "{path}: {error}")
_NO_REVISION = Reason("unreadable", "no CPU reports its revision")
_NOT_PENDING = Reason("not-pending", "there is no later microcode for this CPU ({cpu})")
_TOO_FAR = Reason(
    "version-refused", "{revision} must not be loaded while a revision below {minimum} is running", "load it at boot"
)
_LOST = Reason("lost", "the result of the load is unknown", "see livefw show COMPONENT and dmesg")
_LOAD_FAILED = Reason("load-failed", "the kernel did not load it ({error})", "dmesg shows why")


def _reasons(
    cpu: CpuModel | None, patch: Patch | None, trouble: Reason | None, running: int | None, *, later: bool
) -> list[Reason]:
    if trouble:
        return [trouble]
    if running is None:
        return [_NO_REVISION]
    if cpu is None or cpu.vendor != "GenuineIntel":
        return []  # the kernel finds out by itself
    if not later or patch is None:
        return [_NOT_PENDING.fill(cpu=cpu.file)]
    if patch.minimum > running:
        return [_TOO_FAR.fill(revision=f"{patch.revision:#x}", minimum=f"{patch.minimum:#x}")]
    return []


def _details(cpu: CpuModel | None, patch: Patch | None) -> tuple[tuple[str, str], ...]:
    rows = [("cpu", f"{cpu.vendor} {cpu.file}")] if cpu else []
    if patch:
        rows += [("latest in the file", f"{patch.revision:#x}"), ("date", f"{patch.date:08x}")]
        rows += [("lowest revision to load upon", f"{patch.minimum:#x}")]
    return tuple(rows)


class _Load(OneCall):
    def __init__(self, files: Files, observer: Observer) -> None:
        super().__init__(observer, "all CPUs stop while their microcode is loaded")
        self._files = files
        self._write: Write | None = None

    def start(self) -> Write:
        """The trigger."""
        self._write = self._files.start_write(RELOAD, b"1\n")
        return self._write

    def judge(self) -> Claim:
        """By errno; which CPUs took it is for the look afterwards."""
        error = self._write.error if self._write else LOST
        if not error:
            return Claim(Reply.ACCEPTED)
        if self._write and not self._write.opened:
            return Claim(Reply.REFUSED, error=error, reason=not_asked(error))
        if error == LOST:
            return Claim(Reply.LOST, reason=_LOST, at_work=True)
        reason = _LOAD_FAILED.fill(error=os.strerror(error))
        return Claim(Reply.FAILED, witness=Witness.FAILED, error=error, reason=reason)
