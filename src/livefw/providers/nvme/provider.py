# SPDX-License-Identifier: Apache-2.0
"""The NVMe provider: a component for each drive, whatever number of controllers it has."""

import os
from collections.abc import Sequence

from livefw.clock import Clock
from livefw.errors import TransportError, UsageError
from livefw.files.host import HostFiles
from livefw.files.protocol import Files
from livefw.providers.base import (
    Claim,
    Component,
    Discovery,
    Finding,
    Held,
    ImagePackage,
    Memory,
    Observer,
    Reason,
    Reply,
    Running,
    Severity,
)
from livefw.providers.inband import NOTHING_TO_CANCEL, InbandProvider, severity_of
from livefw.providers.nvme import component, drives, record
from livefw.providers.nvme.activation import Arming, DriveActivation
from livefw.providers.nvme.component import AT_RESET, NO_COMMANDS, StagedSlot, armed, pending_slot
from livefw.providers.nvme.copies import Tool, no_tool, system_tool
from livefw.providers.nvme.drives import Drive
from livefw.providers.nvme.requirements import ABSENT
from livefw.providers.nvme.staging import Staging
from livefw.providers.steps import Refusal, RunningSteps, Steps, Work

_NOT_THERE = Reason("vanished", "the drive is no longer there", "livefw list")
_READY = Reason("ready", "an image waits for its activation")
_STAYS = Reason("slot-stays", "slot {slot} keeps its image, and is not pending any more")


def _nothing_held(_: Sequence[str]) -> dict[str, str]:
    return {}


class NvmeProvider(InbandProvider):
    """Components ``MODEL_SERIAL``, as in ``/dev/disk/by-id``; the names of the controllers are other spellings."""

    name = "nvme"
    absent = ABSENT

    def __init__(self, files: Files, clock: Clock) -> None:
        super().__init__(files, clock)
        self.held: Held = _nothing_held
        """Asks for the slots that livefw staged; `livefw.providers.registry.providers` fills it in."""
        self.tool: Tool = system_tool if isinstance(files, HostFiles) and files.is_own else no_tool
        """Asks a program of the machine, where it is this one."""
        self._staged: dict[str, str] = {}
        """The same of this process, by key: the history has it only when the staging has ended."""
        self._names: dict[str, tuple[str, ...]] = {}
        """Names of the controllers of each drive, from the last look."""

    def discover(self) -> Discovery:
        """See `livefw.providers.base.Provider`."""
        found = drives.look(self._files)
        held = self._held([each.ident for each in found])
        for each in found:
            self._names[each.ident] = tuple(one.name for one in each.controllers)
        # Tools and other drives take their time: they are asked where something may be activated.
        components = tuple(
            component.component(self._files, each, held.get(each.ident), self.tool if self._waits(each, held) else None)
            for each in found
        )
        return Discovery(components, absent=None if found else ABSENT)

    def inspect(self, ident: str) -> Component | None:
        """See `livefw.providers.base.Provider`; other drives are not asked."""
        drive = self._drive(ident)
        return component.component(self._files, drive, self._held_of(ident), self.tool) if drive else None

    def diagnose(self) -> list[Finding]:
        """See `livefw.providers.base.Provider`: drives by what is to be said of them, for a server has dozens."""
        found = self.discover()
        alike: dict[Reason, list[str]] = {}
        for each in found.components:
            for why in each.reasons or (_READY,):
                alike.setdefault(why, []).extend(self.aliases(each.id))
        if found.absent or alike.keys() == {NO_COMMANDS}:
            why = found.absent or NO_COMMANDS
            return [Finding(Severity.INFO, *why, lacks="an NVMe drive with firmware commands")]
        return [
            Finding(severity_of(why), why.code, f"{', '.join(names)}: {why.text}", why.hint)
            for why, names in alike.items()
        ]

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The names of its controllers, which change from boot to boot."""
        return self._names.get(ident, ())

    def work(self, ident: str, observer: Observer) -> Work:
        """Action 3 on the slot that waits."""
        drive = self._drive(ident)
        if drive is None or drive.slots is None or drive.identity is None:
            return Refusal(_NOT_THERE)
        slot = pending_slot(drive.slots, drive.identity.firmware, self._held_of(ident))
        return DriveActivation(self._files, self._clock, drive, slot, observer)

    def stage(self, ident: str, package: ImagePackage, observer: Observer) -> Running:
        """See `livefw.providers.base.Stager`."""
        drive = self._drive(ident)
        if drive is None:
            return self._refusal(_NOT_THERE)
        seen = component.component(self._files, drive, None)
        if seen.pending is None or any(reason.code == "no-firmware-commands" for reason in seen.reasons):
            return self._refusal(seen.reasons[0])
        work = Staging(self._files, drive, package, self._held_of(ident), observer)
        return RunningSteps(_Noting(work, self._staged, f"{self.name}:{ident}"), self._clock)

    def cancel(self, ident: str, observer: Observer) -> Running:
        """See `livefw.providers.base.Provider`: disarm, or leave the image in its slot without a meaning."""
        drive = self._drive(ident)
        if drive is None or drive.slots is None or drive.identity is None:
            return self._refusal(_NOT_THERE)
        slot = pending_slot(drive.slots, drive.identity.firmware, self._held_of(ident))
        if not slot:
            return self._refusal(NOTHING_TO_CANCEL)
        self._staged[f"{self.name}:{ident}"] = ""
        if armed(drive.slots):
            return RunningSteps(Arming(self._files, drive, drive.slots.running, observer), self._clock)
        return RunningSteps(_Done(Claim(Reply.ACCEPTED, reason=_STAYS.fill(slot=slot))), self._clock)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:
        """See `livefw.providers.base.Provider`: ``at_reset`` has the staged slot run after the next reset."""
        if setting != AT_RESET:
            raise UsageError(f"{self.name}:{ident} has no setting {setting}", mechanism=self.name)
        drive = self._drive(ident)
        slots = drive.slots if drive else None
        if drive is None or slots is None or drive.identity is None:
            raise TransportError(_NOT_THERE.text, mechanism=self.name, component=f"{self.name}:{ident}")
        slot = pending_slot(slots, drive.identity.firmware, self._held_of(ident)) if on else slots.running
        running = RunningSteps(Arming(self._files, drive, slot, lambda _: None), self._clock)
        running.wait(None)
        claim = running.claim
        if claim.reply is not Reply.ACCEPTED:
            why = claim.reason.text if claim.reason else os.strerror(claim.error)
            raise TransportError(why, mechanism=self.name, component=f"{self.name}:{ident}", errno=claim.error)

    def mark(self) -> str:
        """See `livefw.providers.base.Provider`: the kernel log, and the histories of drives that keep one."""
        return str(record.mark(self._files, drives.controllers(self._files)))

    def recall(self, ident: str, mark: str) -> Memory:
        """See `livefw.providers.base.Provider`."""
        return record.recall(self._files, self._clock, ident, mark)

    def replay(self, ident: str, action: str) -> str:
        """See `livefw.providers.base.Provider`: with nvme-cli."""
        drive = self._drive(ident)
        node = drive.asked.node if drive else "/dev/nvmeN"
        slot = "SLOT"
        if drive and drive.slots and drive.identity:
            waits = pending_slot(drive.slots, drive.identity.firmware, self._held_of(ident))
            slot = str(drive.slots.running if action == "cancel" else waits or slot)
        return f"nvme fw-commit {node} --slot={slot} --action={2 if action == 'cancel' else 3}"

    @staticmethod
    def _waits(drive: Drive, held: dict[str, StagedSlot]) -> bool:
        told = drive.identity
        return bool(told and drive.slots and pending_slot(drive.slots, told.firmware, held.get(drive.ident)))

    def _drive(self, ident: str) -> Drive | None:
        return next(iter(drives.look(self._files, ident)), None)

    def _held_of(self, ident: str) -> StagedSlot | None:
        return self._held([ident]).get(ident)

    def _held(self, idents: list[str]) -> dict[str, StagedSlot]:
        keys = {f"{self.name}:{ident}": ident for ident in idents}
        held = (self.held(list(keys)) if keys else {}) | {key: self._staged[key] for key in keys if key in self._staged}
        return {keys[key]: slot for key, text in held.items() if (slot := StagedSlot.parse(text))}


class _Noting:
    """Staging whose slot is remembered, so that this process sees it as pending; a `Work`."""

    def __init__(self, work: Staging, staged: dict[str, str], key: str) -> None:
        self._work = work
        self._staged = staged
        self._key = key

    @property
    def touched(self) -> bool:
        """See `Work`."""
        return self._work.touched

    def steps(self) -> Steps:
        """See `Work`."""
        claim = yield from self._work.steps()
        if claim.holds:
            self._staged[self._key] = claim.holds
        return claim

    def abandoned(self) -> Claim:
        """See `Work`."""
        return self._work.abandoned()


class _Done:
    """Nothing has to be done; a `Work`."""

    touched = False

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def steps(self) -> Steps:
        """The claim."""
        yield from ()
        return self._claim

    def abandoned(self) -> Claim:
        """The same."""
        return self._claim
