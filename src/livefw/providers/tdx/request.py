# SPDX-License-Identifier: Apache-2.0
"""One update from the first write to what can be said about it, and the way back before the point of no return.

A write that succeeds proves nothing here: the kernel swallows what comes at the wrong time, ``cancel`` is accepted and
ignored, and one error word stands for "nothing happened" and for "all TDs are lost". So every step is looked at after
it was made, and the verdict comes from ``error``, ``version`` and the slots together (Linux ``sysfs_upload.c``,
``tdx-host.c``; ABI ``testing/sysfs-class-firmware``).
"""

import errno
import os
from collections.abc import Generator
from enum import StrEnum
from typing import NamedTuple

from livefw.abi.tdx import TdxVersion
from livefw.clock import Clock
from livefw.files import kmsg
from livefw.files.protocol import LOST, Files, Write
from livefw.providers.base import Claim, Observer, Phase, Progress, Reason, Reply, Witness
from livefw.providers.opening import not_asked
from livefw.providers.steps import Steps
from livefw.providers.tdx import log
from livefw.providers.tdx.platform import NODE, read_platform
from livefw.providers.tdx.select import TdxPlatform, objections

_PATIENCE = 120.0
"""Seconds until an upload that is not over is given up as unknown. Nobody has published how long one takes."""
_BUSY_PATIENCE = 60.0
_TAKING_BACK_S = 10.0
"""How long to wait for a write that is in the kernel, and for the one that takes the image back, when given up."""
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5

_TAKEN_S = 1.0
"""How long to wait, when given up, for the kernel to take the image: the write only queues the update."""


class UpdateRequest(NamedTuple):
    """What is to be loaded, and what the machine looked like when that was decided."""

    image: bytes
    version: TdxVersion
    before: TdxPlatform


class ReportedError(StrEnum):
    """What the file ``error`` says."""

    NOTHING = "nothing"
    BUSY = "busy"
    FAILURE = "failure"


class Runs(StrEnum):
    """Which module runs afterwards."""

    TARGET = "target"
    BEFORE = "before"
    OTHER = "other"
    NONE = "none"
    UNTOLD = "untold"


class Slots(StrEnum):
    """What became of the update slots."""

    ONE_LESS = "one-less"
    SAME = "same"
    UNTOLD = "untold"


class UploadState(NamedTuple):
    """All that can be seen of an upload that is over."""

    told: ReportedError
    runs: Runs
    slots: Slots


class UploadVerdict(NamedTuple):
    """A row: it applies where each of the first three is what was seen; None is anything."""

    told: ReportedError | None
    runs: Runs | None
    slots: Slots | None
    reply: Reply
    reason: Reason | None
    witness: Witness = Witness.NONE


_LOST = Reason(
    "module-lost",
    "the update failed after the running module was shut down: no module is left, and all TDs are lost",
    "reboot the machine; nothing else restores TDX, and another attempt would fail too",
)
_UNHARMED = Reason(
    "update-refused",
    "the kernel or the module refused the update before it took effect; the old module and all TDs keep running",
    "see the kernel log for the reason",
)
_BUSY = Reason("busy", "a TD is being built; nothing was changed", "stop launching TDs, then try again")
_NOT_STARTED = Reason(
    "not-started",
    "the kernel accepted the image but did not start the update; the old module keeps running",
    "find what else uses the upload node",
)
_MISLABELLED = Reason(
    "mislabelled",
    "a module was installed, but its version is not the one in the image's file name",
    "do not use that image; see livefw show COMPONENT for the running version",
)
_CONTRADICTION = Reason(
    "contradiction",
    "the state that the kernel shows after the update is inconsistent",
    "see livefw show COMPONENT and dmesg",
)

VERDICTS = (
    UploadVerdict(None, Runs.NONE, None, Reply.FAILED, _LOST, Witness.FAILED),
    UploadVerdict(None, Runs.UNTOLD, None, Reply.LOST, _CONTRADICTION),
    UploadVerdict(ReportedError.BUSY, None, Slots.SAME, Reply.REFUSED, _BUSY),
    UploadVerdict(ReportedError.NOTHING, Runs.TARGET, Slots.ONE_LESS, Reply.ACCEPTED, None, Witness.SUCCEEDED),
    UploadVerdict(ReportedError.NOTHING, Runs.TARGET, Slots.UNTOLD, Reply.ACCEPTED, None),
    UploadVerdict(ReportedError.NOTHING, Runs.OTHER, Slots.ONE_LESS, Reply.FAILED, _MISLABELLED, Witness.FAILED),
    UploadVerdict(ReportedError.NOTHING, Runs.BEFORE, Slots.ONE_LESS, Reply.FAILED, _MISLABELLED, Witness.FAILED),
    UploadVerdict(ReportedError.NOTHING, Runs.BEFORE, Slots.SAME, Reply.FAILED, _NOT_STARTED, Witness.FAILED),
    UploadVerdict(ReportedError.FAILURE, Runs.BEFORE, Slots.SAME, Reply.FAILED, _UNHARMED, Witness.FAILED),
    UploadVerdict(ReportedError.FAILURE, Runs.BEFORE, Slots.UNTOLD, Reply.FAILED, _UNHARMED, Witness.FAILED),
    UploadVerdict(None, None, None, Reply.LOST, _CONTRADICTION),
)
"""What an upload that is over has done; the first row that applies decides, and the last applies to anything."""


def verdict(sight: UploadState) -> UploadVerdict:
    """The row for what was seen."""
    return next(
        row for row in VERDICTS if all(wanted in (None, seen) for wanted, seen in zip(row[:3], sight, strict=True))
    )


_REFUSED_WRITES = {
    errno.EPERM: Reason("no-permission", "the kernel does not permit this process to load firmware", "CAP_SYS_RAWIO"),
    errno.EACCES: Reason("no-permission", "a security module or the file's mode does not permit it", "run it as root"),
    errno.ENODEV: Reason("busy", "another upload is running", "wait for it"),
    errno.EBUSY: Reason("stuck", "the upload node is stuck in an upload that has ended", "reload tdx_host"),
    errno.ENOMEM: Reason("no-memory", "the kernel had no memory for the image", "reload tdx_host, then try again"),
    errno.EROFS: Reason("read-only", "sysfs is mounted read-only", "run it on the host, not in a container"),
    errno.ENOENT: Reason("vanished", "the upload node no longer exists", "livefw doctor"),
}
_UNEXPECTED = Reason("unexpected-errno", "the kernel returned: {error}")
_SWALLOWED = Reason(
    "busy", "the kernel ignored the request: an upload is running, or the node is stuck", "reload tdx_host"
)
_ABANDONED = Reason(
    "not-watched", "detached; the update continues in the kernel and cannot be stopped", "livefw show COMPONENT"
)
_GIVEN_UP = Reason("given-up", "stopped before the image was handed over; nothing was changed")
_LEFT_OPEN = Reason(
    "left-open",
    "the update was not started ({why}) and the old module keeps running, but the upload node could not be closed:"
    " it still accepts an image",
    "livefw cancel tdx:module; if that does not help, reload tdx_host",
)
_MAY_STAY_OPEN = Reason(
    "may-stay-open",
    "stopped while the kernel was using the upload node; no image was handed over, but the node may still be open",
    "livefw show COMPONENT; if it is busy without an update: livefw cancel tdx:module",
)
_CANNOT_TELL = Reason("unreadable", "the upload node can no longer be read", "livefw doctor")
_SLOW = Reason(
    "no-end", "the upload does not end; its result is unknown", "livefw show COMPONENT; start no other upload"
)
_NO_WITNESS = Reason(
    "lost",
    "the connection to the kernel was lost; the update may still be running",
    "see livefw show COMPONENT and dmesg",
)


class UploadWork:
    """A `livefw.providers.steps.Work`: single writes, and the claim if the request is abandoned."""

    def __init__(self, files: Files, clock: Clock, observer: Observer) -> None:
        self.touched = False  # before the image is handed over, all that was done can be undone
        self._files = files
        self._clock = clock
        self._observer = observer
        self._writing: Write | None = None
        """The last write that was started."""

    def steps(self) -> Steps:
        """The work itself."""
        raise NotImplementedError

    def abandoned(self) -> Claim:
        """What to say if it is given up."""
        return Claim(Reply.REFUSED, reason=_GIVEN_UP)

    def _put(self, name: str, data: bytes) -> Generator[Write | float, None, Write]:
        self._writing = write = self._files.start_write(f"{NODE}/{name}", data)
        yield write
        return write

    def _refused(self, write: Write) -> Claim:
        """The claim for a write that ended with an errno before anything could not be undone."""
        error = write.error
        name = "the writer died" if error == LOST else os.strerror(error)
        reason = _REFUSED_WRITES.get(error) or _UNEXPECTED.fill(error=name)
        return Claim(Reply.REFUSED, error=max(error, 0), reason=reason if write.opened else not_asked(error))

    def _text(self, name: str) -> str | None:
        try:
            return self._files.read(f"{NODE}/{name}").decode("ascii", "replace").strip()
        except OSError:
            return None


class UpdateWork(UploadWork):
    """Load an image."""

    def __init__(self, order: UpdateRequest, files: Files, clock: Clock, observer: Observer) -> None:
        super().__init__(files, clock, observer)
        self._order = order
        self._open = False
        """Whether the load may be open by us: from before the write that opens it until it was seen to be closed."""
        self._cursor = kmsg.cursor(files)
        self._old_error = self._text("error")

    def steps(self) -> Steps:
        """From the first write to the claim; as long as the kernel says that a TD is being built, again."""
        until = self._clock.now() + _BUSY_PATIENCE
        pause = _FIRST_PAUSE
        while True:
            claim = yield from self._attempt()
            if claim.reason is not _BUSY or self._clock.now() >= until:
                return claim
            self.touched = False
            self._writing = None
            self._observer(Progress(Phase.WAITING, _BUSY.text))
            yield pause
            pause = min(pause * 2, _LONGEST_PAUSE)

    def abandoned(self) -> Claim:
        """Before the image is handed over it can be taken back; after that nothing can be done, and we say so."""
        if self.touched and not self._was_not_started():
            return self._make_claim(Reply.LOST, _ABANDONED)
        self.touched = False
        given_up = super().abandoned()
        if not self._open:
            return given_up
        if self._writing and not self._writing.wait(_TAKING_BACK_S):
            return self._make_claim(Reply.LOST, _MAY_STAY_OPEN)
        if self._text("loading") != "0":
            discard = self._files.start_write(f"{NODE}/loading", b"-1\n")
            if not discard.wait(_TAKING_BACK_S):
                return self._make_claim(Reply.LOST, _MAY_STAY_OPEN)
        return self._closed(given_up)

    def _was_not_started(self) -> bool:
        """Whether the write that hands the image over has ended, and the kernel did not take it."""
        write = self._writing
        return write is not None and write.wait(_TAKEN_S) and (not write.opened or write.error in _REFUSED_WRITES)

    def _attempt(self) -> Steps:
        self._open = True
        begun = yield from self._put("loading", b"1\n")
        if begun.error == LOST:
            return (yield from self._take_back(self._refused(begun)))
        shown = self._text("loading") if not begun.error else "0"
        if shown is None:
            return (yield from self._take_back(Claim(Reply.REFUSED, reason=_CANNOT_TELL)))
        if shown != "1":  # it is not open, or not by us
            self._open = False
            return self._refused(begun) if begun.error else Claim(Reply.REFUSED, reason=_SWALLOWED)
        self._observer(Progress(Phase.RUNNING, "handing the image over"))
        handed = yield from self._put("data", self._order.image)
        if handed.error:
            return (yield from self._take_back(self._refused(handed)))
        if against := self._objections():
            return (yield from self._take_back(Claim(Reply.REFUSED, reason=against)))
        self._observer(Progress(Phase.RUNNING, "all CPUs stop while the module is replaced"))
        self.touched = True
        started = yield from self._put("loading", b"0\n")
        if started.opened and started.error in (LOST, errno.ENOTCONN, errno.ECONNABORTED, errno.EINTR):
            return self._make_claim(Reply.LOST, _NO_WITNESS)
        if started.error:
            self.touched = False
            return (yield from self._take_back(self._refused(started)))
        self._open = False
        return (yield from self._watch())

    def _watch(self) -> Steps:
        """Until the upload is over; another one is never started from here."""
        until = self._clock.now() + _PATIENCE
        pause = _FIRST_PAUSE
        while self._text("status") != "idle":
            if self._clock.now() >= until:
                return self._make_claim(Reply.LOST, _SLOW)
            yield pause
            pause = min(pause * 2, _LONGEST_PAUSE)
        row = verdict(self._sight())
        return self._make_claim(row.reply, row.reason, row.witness)

    def _take_back(self, claim: Claim) -> Steps:
        """The claim, after a load that may be open by us has been closed, or has been seen not to close."""
        if self._text("loading") != "0":
            yield from self._put("loading", b"-1\n")
        return self._closed(claim)

    def _closed(self, claim: Claim) -> Claim:
        """The claim if the load is closed, which a write that succeeds does not prove; else that it stays open."""
        if self._text("loading") == "0" or not self._files.exists(f"{NODE}/loading"):
            self._open = False
            return claim
        why = claim.reason.code if claim.reason else claim.reply
        return claim._replace(reply=Reply.FAILED, reason=_LEFT_OPEN.fill(why=why))

    def _objections(self) -> Reason | None:
        """The last look before what cannot be undone: the machine is as it was, and the kernel holds our image."""
        before = self._order.before
        now = read_platform(self._files, tds_before=before.tds)
        if now is None:
            return _REFUSED_WRITES[errno.ENOENT]
        found = objections(now._replace(loading="0"))  # the load that is open is ours
        changed = now.version != before.version or now.slots != before.slots
        if found or changed:
            return found[0] if found else _CHANGED
        return None if self._staged() else _NOT_OURS

    def _staged(self) -> bool:
        """Whether the load is open and holds our image, every byte: nobody can be kept from writing there too."""
        try:
            staged = self._files.read(f"{NODE}/data", len(self._order.image) + 1)
        except OSError:
            return False
        return staged == self._order.image and self._text("loading") == "1"

    def _sight(self) -> UploadState:
        before = self._order.before
        error = self._text("error")
        after = read_platform(self._files)
        if after is None or error is None:
            return UploadState(ReportedError.NOTHING, Runs.UNTOLD, Slots.UNTOLD)
        # An upload that was never started leaves the error of an older one, and its count of bytes.
        if error == self._old_error and self._text("remaining_size") != str(len(self._order.image)):
            error = ""
        told = (
            ReportedError.NOTHING
            if not error
            else ReportedError.BUSY
            if error.endswith(":device-busy")
            else ReportedError.FAILURE
        )
        slots = Slots.UNTOLD
        if before.slots is not None and after.slots is not None:
            used = before.slots - after.slots
            slots = {0: Slots.SAME, 1: Slots.ONE_LESS}.get(used, Slots.UNTOLD)
        return UploadState(told, self._runs(after), slots)

    def _runs(self, after: TdxPlatform) -> Runs:
        if after.lost:
            return Runs.NONE
        if after.version is None:
            return Runs.UNTOLD
        if after.version == self._order.version:
            return Runs.TARGET
        return Runs.BEFORE if after.version == self._order.before.version else Runs.OTHER

    def _make_claim(self, said: Reply, reason: Reason | None, witness: Witness = Witness.NONE) -> Claim:
        heard = log.log_evidence(self._files, self._cursor)
        code = heard.code if said is not Reply.ACCEPTED else None
        lost = said is Reply.LOST
        return Claim(said, witness=witness, firmware_code=code, reason=reason, log=heard.lines, at_work=lost)


_NOT_OURS = Reason(
    "busy", "another process uses the upload node: it does not hold the image that was written", "find that process"
)
_CHANGED = Reason("changed", "another update ran in the meantime; this one changed nothing", "livefw show COMPONENT")


class DiscardWork(UploadWork):
    """Take back an image that somebody has begun to load. The node's own ``cancel`` is a no-op that says success."""

    def steps(self) -> Steps:
        """Discard, and look whether it worked."""
        status = self._text("status")
        if status != "idle":
            return Claim(Reply.REFUSED, reason=_TOO_LATE)
        if self._text("loading") != "1":
            return Claim(Reply.REFUSED, reason=_NOTHING)
        return self._answered((yield from self._put("loading", b"-1\n")))

    def abandoned(self) -> Claim:
        """What the write has done, if it has ended; otherwise nobody has seen it."""
        if self._writing is None:
            return Claim(Reply.REFUSED, reason=_NOT_BEGUN)
        if not self._writing.wait(_TAKING_BACK_S):
            return Claim(Reply.LOST, reason=_UNSEEN, at_work=True)
        return self._answered(self._writing)

    def _answered(self, taken_back: Write) -> Claim:
        if taken_back.error == LOST:
            return Claim(Reply.LOST, reason=_UNSEEN, at_work=True)
        if taken_back.error:
            return self._refused(taken_back)
        if self._text("loading") != "0":
            return Claim(Reply.FAILED, reason=_SWALLOWED)
        return Claim(Reply.ACCEPTED)


_NOT_BEGUN = Reason("given-up", "stopped before the request was made")
_UNSEEN = Reason("lost", "whether the kernel discarded the image is unknown", "livefw show COMPONENT")
_TOO_LATE = Reason("cannot-cancel-now", "the update is running, and the kernel cannot stop it", "wait for it")
_NOTHING = Reason("nothing-to-cancel", "no image is being loaded")
