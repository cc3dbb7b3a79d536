# SPDX-License-Identifier: Apache-2.0
"""A drive as a component: what runs, what waits in which slot, and what prevents its activation."""

import errno
from collections.abc import Iterator
from typing import NamedTuple

from livefw.abi.nvme import ControllerIdentity, CriticalWarning, FirmwareUpdates, SlotLog
from livefw.files.protocol import Files
from livefw.providers.base import Component, Cost, Flag, Reading, Reason, RestartScope, Version, dotted
from livefw.providers.nvme import uses
from livefw.providers.nvme.copies import Tool, no_tool
from livefw.providers.nvme.drives import LIVE, Drive, error_text, namespaces

AT_RESET = "at_reset"
"""The setting that arms the staged slot for the next reset."""

_NOT_PENDING = Reason("not-pending", "no image is staged", "livefw stage COMPONENT FILE")
_NOT_LIVE = Reason("not-ready", "the controller {name} is {state}")
_DENIED = Reason("no-permission", "{node} does not report its firmware: {error}", "run it as root")
_UNREADABLE = Reason("unreadable", "{node} does not report its firmware: {error}")
_OTHER_DRIVE = Reason("unreadable", "{node} reports another drive than the kernel shows: {model} {serial}")
NO_COMMANDS = Reason("no-firmware-commands", "the drive has no commands for firmware")
_ONLY_AT_RESET = Reason("reset-required", "the drive activates firmware only with a reset: not live")
_ARMED = Reason(
    "reset-required",
    "slot {slot} takes effect at the next reset",
    "livefw cancel COMPONENT keeps the running firmware; then it can be staged again",
)
_EMPTIED = Reason("slot-changed", "slot {slot} holds {found} now, and {staged} was staged there", "stage it again")
_LEFT_OVER = Reason("slot-holds", "slot {slot} holds {version}, which livefw did not stage")
_UNCONFIRMED = Reason("version-not-reported", "the drive reports no version")


class StagedSlot(NamedTuple):
    """A slot that livefw staged, and the version that it had then; as it is kept in `Claim.holds`."""

    slot: int
    version: str

    def __str__(self) -> str:
        return f"{self.slot}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> "StagedSlot | None":
        """From its text; None for any other."""
        slot, colon, version = text.partition(":")
        return cls(int(slot), version) if colon and version and slot in tuple("1234567") else None


def pending_slot(slots: SlotLog, running: str, held: StagedSlot | None) -> int:
    """The slot whose image waits: the one that is armed for the next reset, or the one that livefw staged; 0 for none.

    Another slot with another version proves nothing: most drives keep the firmware that ran before in one.
    """
    if armed(slots):
        return slots.at_reset
    if held and held.slot != slots.running and slots.version(held.slot) == held.version != running:
        return held.slot
    return 0


def armed(slots: SlotLog) -> bool:
    """Whether another slot than the running one takes effect at the next reset."""
    return slots.at_reset not in (0, slots.running)


def component(files: Files, drive: Drive, held: StagedSlot | None, tool: Tool | None = no_tool) -> Component:
    """Everything about a drive at this moment. ``tool`` as in `uses.hazards`."""
    first, told, slots = drive.controllers[0], drive.identity, drive.slots
    known = told is not None and slots is not None and drive.knows_itself
    running = told.firmware if told and known else first.firmware
    slot = pending_slot(slots, running, held) if slots and known else 0
    waits = slots.version(slot) if slots and slot else ""
    reasons = [_unknown(drive)] if not (told and slots and known) else _reasons(told, slots, held, slot)
    return Component(
        provider="nvme",
        id=drive.ident,
        name=first.model or first.name,
        current_version=Version(running, dotted(running), reliable=known) if running else None,
        pending=bool(slot) if known else None,
        pending_version=Version(waits, dotted(waits)) if waits else None,
        cost=Cost(None, None, RestartScope.PAUSE),
        reasons=tuple(reasons),
        settings=((AT_RESET, bool(slots and armed(slots))),) if slot else (),
        notes=tuple(_left_over(slots, running, slot)) if slots and known else (),
        details=tuple(_details(drive)),
        unconfirmed=None if running else _UNCONFIRMED,
        flag=Flag.PROVES_NOTHING,
        hazards=(*_health(drive), *uses.hazards(files, drive, tool)),
        models=models(drive),
        kin=f"nvme:{first.kin}" if first.kin else "",
        readings=tuple(_readings(files, drive)),
        probe=next((f"/dev/{path.rpartition('/')[2]}" for path in namespaces(files, drive)), ""),
    )


def models(drive: Drive) -> tuple[str, ...]:
    """The names by which archives of the LVFS mean a model (fwupd, nvme plugin)."""
    first = drive.controllers[0]
    vendor, device = first.pci
    pci = (f"NVME\\VEN_{vendor}&DEV_{device}", f"NVME\\VEN_{vendor}&DEV_{device}&VER_{first.firmware}")
    return (*(pci if vendor and device else ()), *((first.model,) if first.model else ()))


def _unknown(drive: Drive) -> Reason:
    """Why it is not known what runs and what waits."""
    asked, told = drive.asked, drive.identity
    if asked.state != LIVE:
        return _NOT_LIVE.fill(name=asked.name, state=asked.state or "in no known state")
    if told and not drive.knows_itself:
        return _OTHER_DRIVE.fill(node=asked.node, model=told.model, serial=told.serial)
    why = _DENIED if drive.error in (errno.EACCES, errno.EPERM) else _UNREADABLE
    return why.fill(node=asked.node, error=error_text(drive))


def _reasons(told: ControllerIdentity, slots: SlotLog, held: StagedSlot | None, slot: int) -> list[Reason]:
    if not told.has_firmware_commands:
        return [NO_COMMANDS]
    if not slot:
        found = held and slots.version(held.slot)
        if held and found != held.version and held.version != told.firmware:
            return [_NOT_PENDING, _EMPTIED.fill(slot=held.slot, found=found or "nothing", staged=held.version)]
        return [_NOT_PENDING]
    if armed(slots):
        return [_ARMED.fill(slot=slot)]
    if FirmwareUpdates.WITHOUT_RESET not in told.updates:
        return [_ONLY_AT_RESET]
    return []


def _left_over(slots: SlotLog, running: str, pending: int) -> list[Reason]:
    others = [(at, text) for at, text in enumerate(slots.versions, 1) if text and at not in (slots.running, pending)]
    return [_LEFT_OVER.fill(slot=at, version=text) for at, text in others if text != running]


_WARNINGS = {
    CriticalWarning.SPARE_LOW: "the spare is below its threshold",
    CriticalWarning.TEMPERATURE: "its temperature is out of bounds",
    CriticalWarning.UNRELIABLE: "its media have become unreliable",
    CriticalWarning.READ_ONLY: "its media are read-only",
    CriticalWarning.BACKUP_FAILED: "its volatile memory backup has failed",
    CriticalWarning.MEMORY_READ_ONLY: "its persistent memory is read-only",
}


def warnings(drive: Drive) -> frozenset[str]:
    """What the drive warns of, in words."""
    told = drive.health.warning if drive.health else CriticalWarning(0)
    return frozenset(text for flag, text in _WARNINGS.items() if flag in told)


_UNHEALTHY = Reason("health", "the drive warns: {warnings}", "replace it; a drive in this state may not survive it")
_HEALTH_UNKNOWN = Reason("health", "the drive does not report its health")


_HOT = Reason(
    "temperature",
    "it has {degrees} degrees C, and calls itself too hot from {limit} on (WCTEMP)",
    "wait until it is cooler",
)


def _readings(files: Files, drive: Drive) -> Iterator[tuple[Reading, float]]:
    """What a site may limit; what the drive does not report is left out."""
    if drive.identity and drive.identity.mtfa:
        yield Reading.PAUSE, drive.identity.mtfa_s
    if drive.health:
        yield Reading.WEAR, drive.health.used
        if drive.health.temperature:
            yield Reading.TEMPERATURE, celsius(drive.health.temperature)
    if (requests := uses.in_flight(files, drive)) is not None:
        yield Reading.REQUESTS, requests


def celsius(kelvin: int) -> int:
    """Whole degrees, as drives report them."""
    return kelvin - 273


def _health(drive: Drive) -> list[Reason]:
    if drive.health is None:
        return [_HEALTH_UNKNOWN] if drive.slots else []
    found = sorted(warnings(drive))
    unwell = [_UNHEALTHY.fill(warnings=", ".join(found))] if found else []
    limit = drive.identity.wctemp if drive.identity else 0
    if limit and drive.health.temperature >= limit:
        unwell.append(_HOT.fill(degrees=celsius(drive.health.temperature), limit=celsius(limit)))
    return unwell


def _details(drive: Drive) -> list[tuple[str, str]]:
    first, told, slots = drive.controllers[0], drive.identity, drive.slots
    rows = [("device", ", ".join(each.name for each in drive.controllers)), ("serial number", first.serial)]
    rows += [("controller", f"{first.state}, {first.transport}"), ("version in sysfs", first.firmware)]
    if told and slots:
        shown = (f"{at} {text or 'empty'}" for at, text in enumerate(slots.versions[: told.slots], 1))
        rows.append(("slots", f"{', '.join(shown)}; running: {slots.running}"))
        rows.append(("longest activation (MTFA)", f"{told.mtfa_s:g} s" if told.mtfa else "not reported"))
    if health := drive.health:
        degrees = celsius(health.temperature)
        rows.append(("health", f"spare {health.spare} %, used {health.used} %, {degrees} degrees C"))
    return [(name, text) for name, text in rows if text]
