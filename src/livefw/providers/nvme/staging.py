# SPDX-License-Identifier: Apache-2.0
"""Staging: the image goes down in pieces, is committed to a slot that does not run, and is read back.

Until the commit nothing has changed: a drive forgets pieces that are not committed. The commit (action 0) changes one
slot, and neither what runs nor what runs after the next reset.
"""

from collections.abc import Iterator
from itertools import islice

from livefw.abi import nvme
from livefw.abi.nvme import CommitAction, ControllerIdentity, FirmwareUpdates, SlotLog
from livefw.files.protocol import DeviceCall, DeviceCalls, Files
from livefw.providers.base import Claim, ImagePackage, Observer, Phase, Progress, Reason, Reply
from livefw.providers.nvme import drives
from livefw.providers.nvme.component import StagedSlot, armed
from livefw.providers.nvme.drives import Drive
from livefw.providers.nvme.statuses import row_of_errno, row_of_status
from livefw.providers.opening import not_asked
from livefw.providers.steps import Steps

MOST_BYTES = 64 << 20
"""Largest image that is handed over; real ones have 1 to 8 MiB."""
_BATCH = 64
"""Pieces that one child sends; a request can be stopped between two batches."""
_COMMIT_MS = 120_000
"""A drive may write its flash for longer than the kernel's minute for an admin command."""

_GIVEN_UP = Reason("given-up", "stopped before the image was committed; the drive forgets it")
_COMMITTING = Reason("not-watched", "detached; the drive still commits the image", "livefw show COMPONENT")
_NOT_A_FILE = Reason("no-transfer", "a drive takes an image from a file, and fetches none", "download it first")
_BAD_SIZE = Reason("image", "the image has {size} bytes, and a drive takes multiples of 4 up to {most}")
_NO_SLOT = Reason("no-slot", "the drive has no slot to stage into: each runs, is armed, or is read-only")
_NOT_READ = Reason("unreadable", "{node} does not report its slots: {error}")
_NOTHING_STAGED = Reason("nothing-staged", "the drive accepted the image, and slot {slot} is empty")
_SAME = Reason("already-installed", "slot {slot} holds {version} now, which is running")


def choose_slot(told: ControllerIdentity, slots: SlotLog, held: StagedSlot | None) -> int:
    """The slot for an image, never the running or the armed one: that of an earlier image, an empty one, or the next.

    0 if there is none.
    """
    locked = {slots.running, slots.at_reset if armed(slots) else 0}
    if FirmwareUpdates.SLOT_1_READ_ONLY in told.updates:
        locked.add(1)
    after = [(slots.running + step - 1) % told.slots + 1 for step in range(1, told.slots + 1)]
    free = [slot for slot in after if slot not in locked]
    if held and held.slot in free:
        return held.slot
    return next((slot for slot in free if not slots.version(slot)), free[0] if free else 0)


class Staging:
    """A `livefw.providers.steps.Work`."""

    def __init__(
        self, files: Files, drive: Drive, package: ImagePackage, held: StagedSlot | None, observer: Observer
    ) -> None:
        self.touched = False
        self._files = files
        self._drive = drive
        self._package = package
        self._held = held
        self._observer = observer
        self._committing = False

    def steps(self) -> Steps:
        """Download, commit, read back."""
        drive, size = self._drive, self._package.size
        if self._package.uri:
            return Claim(Reply.REFUSED, reason=_NOT_A_FILE)
        if not size or size % 4 or size > MOST_BYTES:
            return Claim(Reply.REFUSED, reason=_BAD_SIZE.fill(size=size, most=MOST_BYTES))
        if drive.identity is None or drive.slots is None:
            return Claim(Reply.REFUSED, reason=_NOT_READ.fill(node=drive.asked.node, error=drives.error_text(drive)))
        slot = choose_slot(drive.identity, drive.slots, self._held)
        if not slot:
            return Claim(Reply.REFUSED, reason=_NO_SLOT)
        self._observer(Progress(Phase.WAITING, f"slot {slot} takes the image", 0))
        pieces, done = pieces_of(self._package, drive.identity.piece_bytes), 0
        while batch := list(islice(pieces, _BATCH)):
            self.touched = True
            calls = self._files.start_calls(drive.asked.node, list(_downloads(batch, done)))
            yield calls
            if stop := _failure(calls):
                return stop
            done += sum(map(len, batch))
            self._observer(Progress(Phase.WAITING, "handing the image over", done * 100 // size))
        self._observer(Progress(Phase.RUNNING, f"committing the image to slot {slot}"))
        self._committing = True
        commit = nvme.firmware_commit(slot, CommitAction.REPLACE, timeout_ms=_COMMIT_MS)
        calls = self._files.start_calls(drive.asked.node, [drives.command(commit)])
        yield calls
        return _failure(calls) or self._read_back(slot)

    def abandoned(self) -> Claim:
        """Only a commit that was begun changes anything."""
        if self._committing:
            return Claim(Reply.LOST, reason=_COMMITTING, at_work=True)
        return Claim(Reply.REFUSED, reason=_GIVEN_UP)

    def _read_back(self, slot: int) -> Claim:
        after = drives.ask(self._files, self._drive.controllers)
        if after.slots is None or after.identity is None:
            error = drives.error_text(after)
            return Claim(Reply.LOST, reason=_NOT_READ.fill(node=after.asked.node, error=error))
        version = after.slots.version(slot)
        if not version:
            return Claim(Reply.FAILED, reason=_NOTHING_STAGED.fill(slot=slot))
        if version == after.identity.firmware:
            return Claim(Reply.DECLINED, reason=_SAME.fill(slot=slot, version=version))
        return Claim(Reply.ACCEPTED, holds=str(StagedSlot(slot, version)))


def pieces_of(package: ImagePackage, size: int) -> Iterator[bytes]:
    """An image in pieces of this size, the last of which may be shorter. `UnusableImage`."""
    rest = b""
    for piece in package.pieces():
        rest += piece
        whole = len(rest) - len(rest) % size
        yield from (rest[at : at + size] for at in range(0, whole, size))
        rest = rest[whole:]
    if rest:
        yield rest


def _downloads(batch: list[bytes], offset: int) -> Iterator[DeviceCall]:
    for piece in batch:
        yield drives.command(nvme.firmware_download(offset, len(piece)), piece, returned=False)
        offset += len(piece)


def _failure(calls: DeviceCalls) -> Claim | None:
    """The claim of calls of which the last failed; None if none did."""
    last = calls.answers[-1]
    if not calls.opened:
        return Claim(Reply.REFUSED, error=last.error, reason=not_asked(last.error))
    if status := nvme.status_of(last.value):
        row = row_of_status(status)
        return Claim(row.reply, firmware_code=nvme.status_name(status), reason=row.reason)
    if last.error:
        row = row_of_errno(last.error)
        return Claim(row.reply, error=max(last.error, 0), reason=row.reason)
    return None
