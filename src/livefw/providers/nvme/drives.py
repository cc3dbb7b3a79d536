# SPDX-License-Identifier: Apache-2.0
"""The drives of a machine: what sysfs shows of their controllers, and what they tell themselves.

sysfs alone is no witness: its ``firmware_rev`` stays the old one after an activation that no event announced. A
controller is asked only while it is live, for a command to one that resets waits, and some drives fail upon it.
"""

import errno
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from livefw.abi import nvme
from livefw.abi.nvme import ControllerIdentity, HealthLog, LogPage, SlotLog
from livefw.files.links import resolve
from livefw.files.protocol import LOST, CallBuffer, DeviceCall, Files
from livefw.text import decode

CLASS = "/sys/class/nvme"
MOST_CONTROLLERS = 256
"""Controllers that are looked at; servers have up to 64 drives."""
_NAME = re.compile(r"nvme\d{1,5}", re.ASCII)
_PATIENCE_S = 20.0
"""Seconds for which an answer is waited for: `list` must not hang at a drive that does."""
LIVE = "live"


class NvmeController(NamedTuple):
    """A controller as sysfs shows it; ``path`` is its directory, texts are empty where there is no attribute."""

    name: str
    path: str
    model: str
    serial: str
    firmware: str
    state: str
    transport: str
    subsystem: str
    pci: tuple[str, str]
    """Vendor and device, as in ``NVME\\\\VEN_144D&DEV_A80A``."""

    @property
    def node(self) -> str:
        """Its device."""
        return f"/dev/{self.name}"

    @property
    def ident(self) -> str:
        """Model and serial number, as in ``/dev/disk/by-id``; its name where it has no serial number."""
        return _word(f"{self.model}_{self.serial}") if self.serial else self.name

    @property
    def kin(self) -> str:
        """What the ids of all drives of its model begin with; empty where it has no model or serial number."""
        return _word(f"{self.model}_") if self.model and self.serial else ""


class Drive(NamedTuple):
    """A drive: its controllers on this machine, and what the first that is live told; ``error`` is an errno or 0.

    ``status`` is that of a command that failed. What was not told is None.
    """

    controllers: tuple[NvmeController, ...]
    identity: ControllerIdentity | None = None
    slots: SlotLog | None = None
    health: HealthLog | None = None
    error: int = 0
    status: int = 0

    @property
    def ident(self) -> str:
        """The id of its component."""
        return self.controllers[0].ident

    @property
    def asked(self) -> NvmeController:
        """The controller that is asked: the first that is live, or the first."""
        return next((each for each in self.controllers if each.state == LIVE), self.controllers[0])

    @property
    def knows_itself(self) -> bool:
        """Whether Identify told of the drive that sysfs shows, and not of another one."""
        first = self.controllers[0]
        told = self.identity
        return told is not None and (told.model, told.serial) == (first.model, first.serial)


def controllers(files: Files) -> list[NvmeController]:
    """Those of the machine by their numbers; none without such a class. One that is leaving is left out."""
    try:
        names = [name for name in files.names(CLASS) if _NAME.fullmatch(name)]
    except OSError:
        return []
    ordered = sorted(names, key=lambda name: int(name[4:]))[:MOST_CONTROLLERS]
    return [found for name in ordered if (found := _controller(files, name))]


def look(files: Files, ident: str | None = None) -> tuple[Drive, ...]:
    """All drives, or the one with this id, asked anew. Never raises; what cannot be read is missing in them."""
    drives: dict[tuple[str, str], list[NvmeController]] = {}
    for each in controllers(files):
        drives.setdefault((each.ident, each.subsystem), []).append(each)
    return tuple(ask(files, tuple(found)) for (name, _), found in drives.items() if ident in (None, name))


def ask(files: Files, found: tuple[NvmeController, ...]) -> Drive:
    """What a drive tells: Identify, the slot log, health. Each is left out if the one before it fails."""
    drive = Drive(found)
    if drive.asked.state != LIVE:
        return drive
    wanted = (
        nvme.identify_controller(),
        nvme.get_log_page(LogPage.SLOTS, nvme.SLOT_LOG_BYTES),
        nvme.get_log_page(LogPage.HEALTH, nvme.HEALTH_BYTES),
    )
    calls = files.start_calls(drive.asked.node, [command(each, bytes(each.length)) for each in wanted])
    if not calls.wait(_PATIENCE_S):
        return drive._replace(error=errno.ETIMEDOUT)
    last = calls.answers[-1]
    data = [each.buffer for each in calls.answers if not each.error and not each.value]
    identity = ControllerIdentity.decode(data[0]) if data else None
    return drive._replace(
        identity=identity,
        slots=SlotLog.decode(data[1]) if len(data) > 1 else None,
        health=HealthLog.decode(data[2]) if len(data) > 2 else None,
        error=last.error,
        status=nvme.status_of(last.value),
    )


def command(asked: nvme.AdminCommand, data: bytes = b"", *, returned: bool = True) -> DeviceCall:
    """An admin command as an ioctl, with its data."""
    buffer = CallBuffer(nvme.POINTER_AT, data, returned) if data else None
    return DeviceCall(nvme.ADMIN_COMMAND, asked.encode(), buffer)


def error_text(drive: Drive) -> str:
    """Why a drive did not tell all, in words."""
    if drive.status:
        return nvme.status_name(drive.status)
    if drive.error:
        return "no answer" if drive.error == LOST else os.strerror(drive.error)
    return f"its controller is {drive.asked.state or 'in no known state'}"


def namespaces(files: Files, drive: Drive) -> Iterator[str]:
    """Directories of the block devices of a drive: below a controller, or below its subsystem (multipath)."""
    pattern = re.compile(r"nvme\d+n\d+", re.ASCII)
    for folder in (*(each.path for each in drive.controllers), *_subsystems(files, drive)):
        try:
            names = files.names(folder)
        except OSError:
            continue
        yield from (f"{folder}/{name}" for name in sorted(names) if pattern.fullmatch(name))


def _subsystems(files: Files, drive: Drive) -> Iterator[str]:
    parent = "/sys/class/nvme-subsystem"
    try:
        names = files.names(parent)
    except OSError:
        return
    for name in names[:MOST_CONTROLLERS]:
        try:
            path = resolve(files, f"{parent}/{name}")
            if drive.controllers[0].name in files.names(path):
                yield path
        except OSError:
            continue


def _controller(files: Files, name: str) -> NvmeController | None:
    try:
        path = resolve(files, f"{CLASS}/{name}")
    except OSError:
        return None
    device = path.rpartition("/nvme/")[0]  # empty for one over fabrics
    vendor, kind = (_text(files, f"{device}/{each}").removeprefix("0x").upper() for each in ("vendor", "device"))
    return NvmeController(
        name=name,
        path=path,
        model=_text(files, f"{path}/model"),
        serial=_text(files, f"{path}/serial"),
        firmware=_text(files, f"{path}/firmware_rev"),
        state=_text(files, f"{path}/state"),
        transport=_text(files, f"{path}/transport"),
        subsystem=_text(files, f"{path}/subsysnqn"),
        pci=(vendor, kind),
    )


def _word(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII)


def _text(files: Files, path: str) -> str:
    """The text of an attribute; empty if it cannot be read, as those of a controller that resets."""
    try:
        return decode(files.read(path)).strip()
    except OSError:
        return ""
