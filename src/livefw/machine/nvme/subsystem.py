# SPDX-License-Identifier: Apache-2.0
"""The firmware of a modelled NVMe subsystem, which all its controllers share. It is sans-IO: the clock is given."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livefw.abi import nvme
from livefw.abi.nvme import (
    ActivationRecord,
    CommitAction,
    ControllerIdentity,
    CriticalWarning,
    FirmwareUpdates,
    NvmeStatus,
)
from livefw.machine.nvme.faults import FAULTS, STATUS_FAULTS, DriveFault

MAGIC = b"livefw modelled NVMe firmware\0\0\0"
_MOST_IMAGE_BYTES = 16 << 20
"""Bytes of an image that are taken; real ones have 1 to 8 MiB."""
_ODD_VERSION = "ODD"
ARMED_BY = frozenset(
    {NvmeStatus.NEEDS_CONVENTIONAL_RESET, NvmeStatus.NEEDS_SUBSYSTEM_RESET, NvmeStatus.NEEDS_CONTROLLER_RESET}
)
"""Statuses that say that the image takes effect at a reset (Base Specification, Firmware Commit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveSpec:
    """What a drive is: ``mtfa`` in units of 100 ms, ``fwug`` and ``mdts`` as Identify has them, times in
    seconds, temperatures in kelvin.

    ``versions`` are what the slots hold, of which there are as many; empty for an empty one.
    """

    model: str = "livefw modelled NVMe"
    serial: str = "LFW0001"
    versions: tuple[str, ...] = ("1.0", "")
    running: int = 1
    slot_1_read_only: bool = False
    without_reset: bool = True
    overlap_detected: bool = True
    has_firmware_commands: bool = True
    mtfa: int = 10
    fwug: int = 1
    mdts: int = 5
    activation_s: float = 0.5
    controllers: int = 1
    announces: bool = True
    ocp: bool = True
    temperature: int = 309
    used: int = 4
    wctemp: int = 343
    vendor: int = 0x1B36
    subnqn: str = "nqn.2026-11.org.livefw:drive"

    def image(self, version: str, *, model: str | None = None, size: int = 8192) -> bytes:
        """An image for this drive, or of another model; 80 bytes of it are its header."""
        head = MAGIC + (model or self.model).encode().ljust(40) + version.encode().ljust(8)
        return head.ljust(size, b"\xa5")


@dataclass(slots=True)
class _Activation:
    slot: int
    ends_at: float


class Subsystem:
    """Slots, the image that is being downloaded, and a running activation.

    ``now`` gives seconds on any clock that only goes forward. Nothing happens between two calls; `advance` catches up.
    """

    def __init__(self, spec: DriveSpec, now: Callable[[], float], faults: Iterable[str] = ()) -> None:
        """ValueError for a fault that there is not."""
        self.spec = spec
        self.now = now
        self.faults = frozenset(faults)
        if unknown := self.faults - FAULTS.keys():
            raise ValueError(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
        self.slots = list(spec.versions)
        self.running = spec.running
        self.firmware = self.slots[spec.running - 1]
        self.armed = 0
        self.dead = False
        self.read_only = False
        self.history: list[ActivationRecord] = []
        self.commits: list[tuple[int, int]] = []
        """Slot and action of each commit that arrived."""
        self.on_activation: list[Callable[[], None]] = []
        """Is called when an activation begins."""
        self.blocks: dict[int, bytes] = {}
        """Blocks of the one namespace that were written."""
        self._pieces: dict[int, bytes] = {}
        self._activation: _Activation | None = None

    @property
    def nguid(self) -> bytes:
        """Of the one namespace. Linux refuses a namespace whose identifier one of another subsystem has."""
        return hashlib.sha256(f"{self.spec.subnqn} {self.spec.serial}".encode()).digest()[:16]

    @property
    def paused(self) -> bool:
        """CSTS.PP: an activation is under way, and no I/O is processed."""
        self.advance()
        return self._activation is not None

    @property
    def resumes_at(self) -> float | None:
        """When the running activation ends; None if there is none."""
        return self._activation.ends_at if self._activation else None

    def advance(self) -> None:
        """Bring an activation to where the clock says it is."""
        if self._activation and self.now() >= self._activation.ends_at:
            self._finish(self._activation.slot)

    def reset(self) -> None:
        """A controller level reset: what is being activated or is armed takes effect."""
        if self._activation:
            self._finish(self._activation.slot)
        elif self.armed and self.slots[self.armed - 1]:
            self._run(self.armed)
        self.armed = 0
        self._pieces.clear()

    def clear_faults(self) -> None:
        """Let it behave from now on. One that was dead or read-only is as after a power cycle."""
        self.advance()
        self.faults = frozenset()
        if self.dead:
            self.reset()
        self.dead = self.read_only = False

    def identity(self, cntlid: int) -> ControllerIdentity:
        """What Identify Controller says now."""
        self.advance()
        spec = self.spec
        updates = (
            FirmwareUpdates.SLOT_1_READ_ONLY * spec.slot_1_read_only
            | FirmwareUpdates.WITHOUT_RESET * spec.without_reset
            | FirmwareUpdates.OVERLAP_DETECTED * spec.overlap_detected
        )
        odd = self._activation is not None and DriveFault.IDENTIFY_WRONG in self.faults
        return ControllerIdentity(
            vendor=spec.vendor,
            serial="0" if odd else spec.serial,
            model="SafeMode" if odd else spec.model,
            firmware="" if odd else self.firmware,
            mdts=spec.mdts,
            cntlid=cntlid,
            oaes=nvme.OAES_ACTIVATION * self.announces,
            oacs=nvme.OACS_FIRMWARE * spec.has_firmware_commands,
            frmw=updates | len(self.slots) << 1,
            mtfa=spec.mtfa,
            fwug=spec.fwug,
            cmic=nvme.CMIC_CONTROLLERS * (spec.controllers > 1),
            subnqn=spec.subnqn,
            wctemp=spec.wctemp,
        )

    @property
    def announces(self) -> bool:
        """Whether an event tells the host of an activation."""
        return self.spec.announces and DriveFault.NO_EVENT not in self.faults

    @property
    def identify_fails(self) -> bool:
        """Whether Identify fails now."""
        return DriveFault.IDENTIFY_FAILS in self.faults and self.paused

    def slot_log(self) -> nvme.SlotLog:
        """Log page 03h."""
        self.advance()
        versions = (*self.slots, *[""] * (nvme.MOST_SLOTS - len(self.slots)))
        return nvme.SlotLog(self.running, self.armed, versions)

    def health(self) -> nvme.HealthLog:
        """Log page 02h."""
        self.advance()
        sick, spec = DriveFault.UNHEALTHY in self.faults, self.spec
        warning = CriticalWarning.READ_ONLY * self.read_only
        warning |= (CriticalWarning.SPARE_LOW | CriticalWarning.UNRELIABLE) * sick
        return nvme.HealthLog(
            CriticalWarning(warning), spec.temperature, 3 if sick else 100, 10, 99 if sick else spec.used
        )

    def download(self, offset: int, data: bytes) -> NvmeStatus:
        """Firmware Image Download of a piece."""
        unit = nvme.PAGE_BYTES * self.spec.fwug if 0 < self.spec.fwug < 0xFF else 4
        if offset % unit or not data or offset + len(data) > _MOST_IMAGE_BYTES:
            return NvmeStatus.INVALID_FIELD
        overlaps = any(at < offset + len(data) and offset < at + len(piece) for at, piece in self._pieces.items())
        if offset and overlaps and self.spec.overlap_detected:
            return NvmeStatus.OVERLAPPING_RANGE
        if not offset:  # an image begins anew
            self._pieces.clear()
        self._pieces[offset] = data
        return NvmeStatus.SUCCESS

    def commit(self, slot: int, action: int) -> NvmeStatus:
        """Firmware Commit. An activation without reset is under way when it returns."""
        self.advance()
        self.commits.append((slot, action))
        slot = slot or self.running % len(self.slots) + 1
        image, self._pieces = self._pieces, {}
        if action not in set(CommitAction) or self._activation:
            return NvmeStatus.COMMAND_SEQUENCE_ERROR if self._activation else NvmeStatus.INVALID_FIELD
        if slot > len(self.slots):
            return NvmeStatus.INVALID_FIRMWARE_SLOT
        if action == CommitAction.ACTIVATE and (fault := self._commit_fault()):
            self.armed = slot if fault in ARMED_BY else self.armed
            self._record(slot, action, fault)
            return fault
        replaces = image or action in (CommitAction.REPLACE, CommitAction.REPLACE_AND_ARM)
        if replaces and (status := self._replace(slot, image)):
            return status
        if not self.slots[slot - 1]:
            return NvmeStatus.INVALID_FIRMWARE_SLOT
        if action in (CommitAction.REPLACE_AND_ARM, CommitAction.ARM):
            self.armed = slot
        elif action == CommitAction.ACTIVATE:
            return self._activate(slot)
        return NvmeStatus.SUCCESS

    def _commit_fault(self) -> NvmeStatus | None:
        return next((STATUS_FAULTS[name] for name in self.faults if name in STATUS_FAULTS), None)

    def _replace(self, slot: int, pieces: dict[int, bytes]) -> NvmeStatus:
        """Verify what was downloaded, and put it into a slot."""
        whole = b""
        for offset, piece in sorted(pieces.items()):
            if offset != len(whole):
                return NvmeStatus.INVALID_FIRMWARE_IMAGE  # a gap
            whole += piece
        head = MAGIC + self.spec.model.encode().ljust(40)
        if not whole.startswith(head) or len(whole) < len(head) + 8 or b"forged" in whole:
            return NvmeStatus.INVALID_FIRMWARE_IMAGE
        if slot == 1 and self.spec.slot_1_read_only:
            return NvmeStatus.INVALID_FIRMWARE_SLOT
        self.slots[slot - 1] = nvme.text_of(whole[len(head) :][:8])
        return NvmeStatus.SUCCESS

    def _activate(self, slot: int) -> NvmeStatus:
        if not self.spec.without_reset:
            self.armed = slot
            self._record(slot, CommitAction.ACTIVATE, NvmeStatus.NEEDS_CONTROLLER_RESET)
            return NvmeStatus.NEEDS_CONTROLLER_RESET
        if DriveFault.DIES in self.faults:
            self.dead = True
            return NvmeStatus.SUCCESS
        slow = 3 * self.spec.mtfa / 10 if DriveFault.TOO_SLOW in self.faults else self.spec.activation_s
        self._activation = _Activation(slot, self.now() + slow)
        for announce in self.on_activation:
            announce()
        return NvmeStatus.SUCCESS

    def _finish(self, slot: int) -> None:
        """An activation ends, in its way."""
        self._activation = None
        before = self.firmware
        if DriveFault.DAMAGES_SLOT in self.faults:
            self.slots[slot - 1] = ""
        elif DriveFault.CHANGES_NOTHING not in self.faults:
            self._run(slot)
            if DriveFault.OTHER_VERSION in self.faults:
                self.firmware = self.slots[slot - 1] = _ODD_VERSION
            self.read_only = DriveFault.READ_ONLY in self.faults
        self._record(slot, CommitAction.ACTIVATE, NvmeStatus.SUCCESS, before=before)

    def _run(self, slot: int) -> None:
        self.running, self.firmware = slot, self.slots[slot - 1]
        self.armed = 0

    def _record(self, slot: int, action: int, result: int, *, before: str | None = None) -> None:
        number, stamp = len(self.history) + 1, int(self.now() * 1000) & 0xFFFFFFFFFFFF
        old = self.firmware if before is None else before
        self.history.append(ActivationRecord(number, stamp, 1, old, self.slots[slot - 1], slot, action, result))
