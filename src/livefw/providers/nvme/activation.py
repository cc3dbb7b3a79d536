# SPDX-License-Identifier: Apache-2.0
"""Activation (Firmware Commit, action 3), and arming a slot for the next reset or disarming it (action 2).

A status of success means that the drive took the request, and no more. So the drive is watched until it runs another
version, or its own time for an activation (MTFA) is over: first the state in sysfs, and Identify only while the
controller is live. What runs then is for the engine to compare; what is said here is how far the drive can be believed.
"""

from typing import NamedTuple

from livefw.abi import nvme
from livefw.abi.nvme import CommitAction
from livefw.clock import Clock
from livefw.files.protocol import DeviceReply, Files
from livefw.providers.base import Claim, Course, Observer, Phase, Progress, Reason, Reply, Trust, Witness
from livefw.providers.nvme import drives, record
from livefw.providers.nvme.component import warnings
from livefw.providers.nvme.drives import LIVE, Drive
from livefw.providers.nvme.statuses import row_of_errno, row_of_status
from livefw.providers.opening import not_asked
from livefw.providers.steps import Steps

_UNREPORTED_MTFA_S = 60.0
"""What is waited for where the drive does not say how long it takes: as long as the kernel's admin commands may."""
_GRACE_S = 10.0
"""For the kernel: it resets the controller after MTFA, and a controller has seconds to become ready."""
_MOST_S = 600.0
"""MTFA can say almost two hours; nobody's drive needs ten minutes."""
_LOOK_S = 0.25

_GIVEN_UP = Reason("given-up", "stopped before the request was made")
_NOT_WATCHED = Reason("not-watched", "detached; the drive continues the activation", "livefw show COMPONENT")
_SILENT = Reason("no-identify", "the drive does not tell what runs: {error}", "livefw show COMPONENT")
_NOT_ITSELF = Reason("no-identify", "the drive reports the model {model!r} now", "livefw show COMPONENT")
_ONLY_STATUS = "a drive's status of success tells that it took the request, and not what runs"
_NEW_WARNING = "the drive warns since the activation: {warnings}"
_EMPTIED = "slot {slot} is empty since the activation"
_KERNEL_RESET = "the kernel reset the controller, because the activation took longer than the drive's MTFA"
_LATE = "the activation took {seconds:.1f} s or more, and the drive's MTFA is {mtfa:g} s"
_LOG_OF = "log of kernel and drive"


class _Seen(NamedTuple):
    """How it looks: the drive, if it is there, and whether that is final."""

    drive: Drive | None
    settled: bool


class DriveActivation:
    """A `livefw.providers.steps.Work`."""

    def __init__(self, files: Files, clock: Clock, drive: Drive, slot: int, observer: Observer) -> None:
        self.touched = False
        self._files = files
        self._clock = clock
        self._drive = drive
        self._slot = slot
        self._observer = observer
        self._begin = record.mark(files, [drive.asked])
        self._asked_at = 0.0
        self._old_until = 0.0
        """Seconds for which what runs was certainly not the new version."""
        self._silent = False

    def steps(self) -> Steps:
        """Ask, then watch until what runs is at rest."""
        told = self._drive.identity
        mtfa = told.mtfa_s if told else 0.0
        self._observer(Progress(Phase.RUNNING, f"the drive activates slot {self._slot}"))
        self.touched = True
        commit = nvme.firmware_commit(self._slot, CommitAction.ACTIVATE)
        calls = self._files.start_calls(self._drive.asked.node, [drives.command(commit)])
        yield calls
        self._asked_at = self._clock.now()
        answer = calls.answers[-1]
        if not calls.opened:
            return Claim(Reply.REFUSED, error=answer.error, reason=not_asked(answer.error))
        if status := nvme.status_of(answer.value):
            row = row_of_status(status)
            witness = Witness.FAILED if row.reply is Reply.FAILED else Witness.NONE
            return self._claim(row.reply, row.reason, code=nvme.status_name(status))._replace(witness=witness)
        self._observer(Progress(Phase.SETTLING, "waiting until the drive tells what runs"))
        deadline = self._clock.now() + min((mtfa or _UNREPORTED_MTFA_S) + _GRACE_S, _MOST_S)
        while not (seen := self._look()).settled and self._clock.now() < deadline:
            yield _LOOK_S
        return self._judged(answer, seen.drive)

    def abandoned(self) -> Claim:
        """What was asked of the drive cannot be taken back."""
        if not self.touched:
            return Claim(Reply.REFUSED, reason=_GIVEN_UP)
        return Claim(Reply.LOST, reason=_NOT_WATCHED, at_work=True)

    def _look(self) -> _Seen:
        """Another version than before is final; the old one may only be so until MTFA is over."""
        drive = next(iter(drives.look(self._files, self._drive.ident)), None)
        if drive and drive.asked.state == "dead":  # the kernel has given it up
            return _Seen(drive, settled=True)
        self._silent = self._silent or bool(drive and drive.asked.state == LIVE and not drive.knows_itself)
        told, before = drive and drive.knows_itself and drive.identity, self._drive.identity
        if told and before and told.firmware != before.firmware:
            return _Seen(drive, settled=True)
        self._old_until = self._clock.now() - self._asked_at
        return _Seen(drive, settled=False)

    def _judged(self, answer: DeviceReply, drive: Drive | None) -> Claim:
        """What is to be said of a request that the drive took, or that had no answer."""
        if drive is None or drive.asked.state in record.DEAD:
            claim = self._claim(Reply.FAILED, record.GONE)
            return claim._replace(lasting=record.GONE, witness=Witness.FAILED, course=Course.GONE)
        told = drive.identity
        if told is None or drive.asked.state != LIVE:
            why = _SILENT.fill(error=drives.error_text(drive))
            return self._claim(Reply.LOST, why)._replace(at_work=True)
        if not drive.knows_itself:
            return self._claim(Reply.LOST, _NOT_ITSELF.fill(model=told.model))._replace(at_work=True)
        if answer.error:
            row = row_of_errno(answer.error)
            return self._claim(row.reply, row.reason)._replace(error=max(answer.error, 0))
        return self._claim(Reply.ACCEPTED, None, after=drive)._replace(trust=Trust.DOUBTFUL, trust_reason=_ONLY_STATUS)

    def _claim(
        self, reply: Reply, reason: Reason | None, *, code: str | None = None, after: Drive | None = None
    ) -> Claim:
        """With what the kernel log and the drive's own history tell besides."""
        lines, records = record.since(self._files, after or self._drive, self._begin)
        harm = self._harm(after) if after else []
        reset = any(record.RESET_LINE in line for line in lines)
        mtfa = self._drive.identity.mtfa_s if self._drive.identity else 0.0
        late = 0 < mtfa < self._old_until and reply is Reply.ACCEPTED
        told = [_KERNEL_RESET] if reset else [_LATE.format(seconds=self._old_until, mtfa=mtfa)] if late else []
        seen = ((harm, Course.DAMAGED), (reset, Course.RESET), (late, Course.LATE), (self._silent, Course.SILENT))
        return Claim(
            reply,
            firmware_code=code,
            reason=reason,
            log=(*lines, *map(record.described, records or ())),
            log_of=_LOG_OF,
            warning="; ".join((*told, *harm)),
            course=next((course for holds, course in seen if holds), Course.CLEAN),
        )

    def _harm(self, after: Drive) -> list[str]:
        """What the drive has been reporting of its own since."""
        fresh = sorted(warnings(after) - warnings(self._drive))
        emptied = after.slots is not None and not after.slots.version(self._slot)
        return ([_EMPTIED.format(slot=self._slot)] if emptied else []) + (
            [_NEW_WARNING.format(warnings=", ".join(fresh))] if fresh else []
        )


class Arming:
    """Firmware Commit with action 2: what runs after the next reset. A `livefw.providers.steps.Work`."""

    def __init__(self, files: Files, drive: Drive, slot: int, observer: Observer) -> None:
        self.touched = False
        self._files = files
        self._drive = drive
        self._slot = slot
        self._observer = observer

    def steps(self) -> Steps:
        """One command."""
        self._observer(Progress(Phase.RUNNING, f"slot {self._slot} is to run after the next reset"))
        self.touched = True
        commit = nvme.firmware_commit(self._slot, CommitAction.ARM)
        calls = self._files.start_calls(self._drive.asked.node, [drives.command(commit)])
        yield calls
        answer = calls.answers[-1]
        if not calls.opened:
            return Claim(Reply.REFUSED, error=answer.error, reason=not_asked(answer.error))
        if status := nvme.status_of(answer.value):
            row = row_of_status(status)
            return Claim(row.reply, firmware_code=nvme.status_name(status), reason=row.reason)
        if answer.error:
            row = row_of_errno(answer.error)
            return Claim(row.reply, error=max(answer.error, 0), reason=row.reason)
        return Claim(Reply.ACCEPTED)

    def abandoned(self) -> Claim:
        """The command continues."""
        if not self.touched:
            return Claim(Reply.REFUSED, reason=_GIVEN_UP)
        return Claim(Reply.LOST, reason=_NOT_WATCHED, at_work=True)
