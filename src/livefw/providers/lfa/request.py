# SPDX-License-Identifier: Apache-2.0
"""One write to ``activate`` or ``cancel``, from the first attempt to what can be said about it.

The written text means nothing to the driver: any write acts. The write returns when the driver has finished, which may
take tens of seconds, and cannot be interrupted. Its errno tells little, so the kernel log is heard as well.
"""

import errno
from enum import StrEnum
from typing import NamedTuple

from livefw.clock import Clock
from livefw.files import kmsg
from livefw.files.protocol import LOST, Files, Write
from livefw.providers.base import Claim, Observer, Phase, Progress, Reason, Reply, Trust, Witness
from livefw.providers.lfa import agents, last_error, log, tree
from livefw.providers.opening import not_asked

_TRIGGER = b"1\n"
_BUSY_SECONDS = 60.0
"""How long to stand back from a driver that says EBUSY; more than one whole activation of such a driver (40 s)."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Action(StrEnum):
    """The file that is written."""

    ACTIVATE = "activate"
    CANCEL = "cancel"


class WriteRequest(NamedTuple):
    """What is asked for; ``trust``, ``patience`` (seconds) and ``failures`` (errno) as the driver has them.

    ``others`` are the components that are listed beside it, ``agent`` is the one in the firmware. ``in_parts``: each
    CPU activates it by itself. ``repeats_wrongly``: the driver's second call to the firmware may be invalid.
    ``keeps_last_error``: a file has the firmware's code.
    """

    action: Action
    guid: str
    trust: Trust = Trust.FULL
    trust_reason: str = ""
    patience: float = 120.0
    failures: frozenset[int] = frozenset({errno.ECANCELED})
    others: frozenset[str] = frozenset()
    agent: agents.AgentRow = agents.NOT_STATED
    in_parts: bool = False
    repeats_wrongly: bool = False
    keeps_last_error: bool = False


class ErrnoRow(NamedTuple):
    """What an errno of one action means."""

    reply: Reply
    reason: Reason


_VANISHED = ErrnoRow(Reply.REFUSED, Reason("vanished", "the component no longer exists", "livefw list"))
_DENIED = ErrnoRow(Reply.REFUSED, Reason("no-permission", "this user may not write to the file", "run it as root"))
_READ_ONLY = ErrnoRow(
    Reply.REFUSED, Reason("read-only", "sysfs is mounted read-only", "run it on the host, not in a container")
)
_BUSY = ErrnoRow(
    Reply.REFUSED, Reason("busy", "another activation, or the cleanup after one, is in progress", "try again later")
)
_GONE_AWAY = ErrnoRow(
    Reply.LOST,
    Reason(
        "lost",
        "the connection to the kernel was lost; the activation may still be running",
        "see livefw show COMPONENT and dmesg",
    ),
)
_ACTIVATION_FAILED = ErrnoRow(Reply.FAILED, Reason("activation-failed", "the kernel aborted the activation"))
_CPU_RESET = ErrnoRow(
    Reply.DECLINED,
    Reason("resets-cpu", "activating it may reset CPUs, which Linux does not support", "a reboot is required"),
)
_DRIVER_ENDS = ErrnoRow(
    Reply.FAILED,
    Reason(
        "driver-ends",
        "the driver ended the activation, or refused it: it is being unloaded, or the machine goes down or to sleep",
        "try again afterwards",
    ),
)
_NOTHING_TO_CANCEL = ErrnoRow(
    Reply.REFUSED,
    Reason(
        "nothing-to-cancel",
        "there is no activation of this component to cancel",
        "LFA cannot un-stage an image; to keep it from being activated: deny or pin in livefw.toml",
    ),
)
_UNEXPECTED = ErrnoRow(
    Reply.FAILED, Reason("unexpected-errno", "the kernel returned {error}, which is unexpected here")
)
_NOT_A_TRIGGER = ErrnoRow(Reply.REFUSED, Reason("not-a-trigger", "the path is not a writable file"))

OPENING: dict[int, ErrnoRow] = {
    errno.ENOENT: _VANISHED,
    errno.ENODEV: _VANISHED,
    errno.ENOTDIR: _VANISHED,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.ELOOP: _NOT_A_TRIGGER,
    errno.EISDIR: _NOT_A_TRIGGER,
}
"""What each errno of opening the file means where there is more to say than that nothing was asked."""

_ANY_ACTION: dict[int, ErrnoRow] = {error: row._replace(reply=Reply.DECLINED) for error, row in OPENING.items()} | {
    errno.EBUSY: _BUSY,
    errno.ENOTCONN: _GONE_AWAY,
    errno.ECONNABORTED: _GONE_AWAY,
    errno.EINTR: _GONE_AWAY,
    LOST: _GONE_AWAY,
}

ERRORS: dict[Action, dict[int, ErrnoRow]] = {
    Action.ACTIVATE: _ANY_ACTION
    | {
        errno.ECANCELED: _ACTIVATION_FAILED,
        errno.EIO: _GONE_AWAY,  # unless it is this driver's way to say that it failed
        errno.EINVAL: _CPU_RESET,  # the first two postings
        errno.EOPNOTSUPP: _CPU_RESET,  # livefw's own
        errno.ESHUTDOWN: _DRIVER_ENDS,
    },
    Action.CANCEL: _ANY_ACTION
    | {
        errno.EINVAL: _NOTHING_TO_CANCEL,
        errno.EIO: _NOTHING_TO_CANCEL,  # the first posting
    },
}
"""What each errno of a write means (Linux, ``drivers/firmware/smccc/lfa_fw.c`` in all its postings; dkms/)."""


def meaning(order: WriteRequest, error: int, *, opened: bool = True) -> ErrnoRow:
    """The row of `OPENING` or `ERRORS`; of another errno, that nothing was asked, or a failure that says which."""
    if not opened:
        return OPENING.get(error) or ErrnoRow(Reply.REFUSED, not_asked(error))
    if order.action is Action.ACTIVATE and error in order.failures:
        return _ACTIVATION_FAILED
    row = ERRORS[order.action].get(error)
    if row is None:
        name = errno.errorcode.get(error, str(error))
        row = _UNEXPECTED._replace(reason=_UNEXPECTED.reason.fill(error=name))
    return row


_HELD = (
    "another component may be primed; livefw help cancel shows how to cancel it. If it is no longer listed, reload the"
    " driver (modprobe -r lfa_fw; modprobe lfa_fw) and then cancel it, or reboot"
)
FIRMWARE: dict[str, Reason] = {
    "NOT_SUPPORTED": Reason(
        "not-supported",
        "the firmware does not support the call, or cannot activate this component live",
        "livefw doctor",
    ),
    "BUSY": Reason("firmware-busy", "the firmware was busy", "try again"),
    "AUTH_ERROR": Reason(
        "auth-failed",
        "the new image failed authentication",
        "its signature is not valid, or its rollback counter is too low; livefw help image verify shows how to tell",
    ),
    "NO_MEMORY": Reason("no-memory", "the firmware ran out of memory"),
    "CRITICAL_ERROR": Reason(
        "critical-error",
        "the firmware reported an unrecoverable error; the component may no longer work",
        "do not try again; plan a reset of the machine",
    ),
    "DEVICE_ERROR": Reason(
        "device-error",
        "the firmware could not load the image, or the kernel's time limit expired; the kernel logs both the same way",
        "check the image store, then try again",
    ),
    "WRONG_STATE": Reason(
        "wrong-state", "the firmware had nothing to prime, or another component was being primed", _HELD
    ),
    "INVALID_PARAMETERS": Reason("invalid-parameters", "the firmware did not accept the request", _HELD),
    "COMPONENT_WRONG_STATE": Reason("component-wrong-state", "the firmware had no primed or pending image"),
    "INVALID_ADDRESS": Reason("invalid-address", "the firmware did not accept the entry point"),
    "ACTIVATION_FAILED": Reason("firmware-activation-failed", "the firmware tried the activation and it failed"),
    "TIMED_OUT": Reason("timed-out", "the kernel's time limit for the firmware expired", "try again"),
}
"""What a firmware's own codes mean for an administrator (DEN0147 v1.0).

Nothing is said here of what runs or is pending afterwards: that is seen, and not concluded from a code."""


class RunningWrite:
    """An order under way; see `livefw.providers.base.Running`."""

    def __init__(self, order: WriteRequest, files: Files, clock: Clock, observer: Observer) -> None:
        """Begin the first write."""
        self._order = order
        self._files = files
        self._clock = clock
        self._observer = observer
        self._cursor = kmsg.cursor(files)
        self._pause = _FIRST_PAUSE
        self._busy_until: float | None = None
        self._resume_at = 0.0
        self._claim: Claim | None = None
        self._write: Write | None = None
        self._give_up_at = 0.0
        self._start()

    @property
    def touched(self) -> bool:
        """See `Running`; not while it stands back from a driver that says EBUSY."""
        return self._write is not None

    @property
    def claim(self) -> Claim:
        """See `Running`."""
        if self._claim is None:
            raise ValueError("the request has not ended")
        return self._claim

    def wait(self, seconds: float | None) -> bool:
        """See `Running`."""
        deadline = None if seconds is None else self._clock.now() + seconds
        while self._claim is None:
            until = self._resume_at if self._write is None else self._give_up_at
            # A wait that was cut short returns, whatever the clock shows then: clocks round.
            cut = deadline is not None and deadline < until
            left = max((deadline if cut and deadline is not None else until) - self._clock.now(), 0.0)
            if self._write is None:
                self._clock.sleep(left)
                if cut:
                    return False
                self._try_again()
            elif self._write.wait(left):
                self._ended(self._write)
            elif cut:
                return False
            else:
                self.abandon()
        return True

    def abandon(self) -> Claim:
        """See `Running`."""
        if self._claim is None:
            row = _BUSY if self._write is None else ErrnoRow(Reply.LOST, _NOT_WATCHED)
            self._claim = self._make_claim(row, 0, log.LogEvidence(), at_work=row.reply is Reply.LOST)
        return self._claim

    def _start(self) -> None:
        self._observer(Progress(Phase.RUNNING))
        self._write = self._files.start_write(f"{tree.ROOT}/{self._order.guid}/{self._order.action}", _TRIGGER)
        self._give_up_at = self._clock.now() + self._order.patience

    def _try_again(self) -> None:
        """Write once more after EBUSY, unless what was in the way has done our work."""
        if self._order.action is Action.ACTIVATE:
            entry = tree.read_entry(self._files, self._order.guid, tree.Patience(self._clock))
            if entry is None:
                self._claim = self._make_claim(_VANISHED, errno.EBUSY, log.LogEvidence())
                return
            if entry.flag("activation_pending") is False:
                self._claim = self._make_claim(ErrnoRow(Reply.REFUSED, _OVERTAKEN), errno.EBUSY, log.LogEvidence())
                return
        self._start()

    def _ended(self, write: Write) -> None:
        error = write.error
        if not write.opened:
            self._write = None
            self._claim = self._make_claim(meaning(self._order, error, opened=False), error, log.LogEvidence())
            return
        if error == errno.EBUSY and self._may_try_again():
            self._write = None
            return
        if error == 0 and self._order.action is Action.ACTIVATE:
            self._settle()
        said = log.LogEvidence()
        if self._cursor is not None:
            fresh, order = kmsg.since(self._files, self._cursor), self._order
            said = log.log_evidence(fresh, self._cursor, order.guid, others=order.others, in_parts=order.in_parts)
        if self._order.keeps_last_error and (error in self._order.failures or self._order.action is Action.CANCEL):
            last = last_error.read(self._files, self._order.guid)
            said = last_error.confirmed(said, last, error, in_parts=self._order.in_parts)
        if error == 0:
            self._claim = self._make_claim(None, 0, said)
        elif error == LOST:  # the writer died, and its write may continue without it
            self._claim = self._make_claim(_GONE_AWAY, error, said, at_work=True)
        elif log.LineKind.RESETS_CPU in said.tells:
            self._claim = self._make_claim(_CPU_RESET, error, said)
        else:
            row = meaning(self._order, error)
            if (
                row.reply is Reply.FAILED
                and self._order.in_parts
                and said.witness is Witness.NONE
                and not said.in_prime
            ):
                said = said._replace(witness=Witness.MAY_GO_ON)  # no line says that it failed before any CPU activated
            self._claim = self._make_claim(_explained(self._order, row, said), error, said)

    def _may_try_again(self) -> bool:
        now = self._clock.now()
        if self._busy_until is None:
            self._busy_until = now + _BUSY_SECONDS
        if now >= self._busy_until:
            return False
        self._observer(Progress(Phase.WAITING, _BUSY.reason.text))
        self._resume_at = now + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True

    def _settle(self) -> None:
        """Wait until what the tree shows is the state after the activation.

        The driver reads its inventory again before the write returns, but a component that has left the inventory
        loses its directory only a little later; until then its files read as zeros.
        """
        self._observer(Progress(Phase.SETTLING))
        patience = tree.Patience(self._clock)
        while (entry := tree.read_entry(self._files, self._order.guid, patience)) is not None:
            if entry.flag("activation_capable") is not False or not patience.pause():
                return

    def _make_claim(self, row: ErrnoRow | None, error: int, said: log.LogEvidence, *, at_work: bool = False) -> Claim:
        order = self._order
        deadly = said.code if log.LineKind.ACTIVATE_FAILED in said.tells else None
        return Claim(
            reply=row.reply if row else Reply.ACCEPTED,
            trust=order.trust,
            trust_reason=order.trust_reason,
            witness=said.witness,
            error=max(error, 0),
            firmware_code=said.refusal if order.action is Action.CANCEL else said.code,
            reason=row.reason if row else None,
            log=said.lines,
            at_work=at_work,
            lasting=agents.lasting(order.agent, order.guid, deadly),
        )


def _explained(order: WriteRequest, row: ErrnoRow, said: log.LogEvidence) -> ErrnoRow:
    """The row with the firmware's own code for a reason, where there is one."""
    if row.reply is Reply.FAILED and said.code == "NOT_SUPPORTED" and order.repeats_wrongly:
        return ErrnoRow(row.reply, _SECOND_CALL)
    if row.reply is Reply.FAILED and said.code in FIRMWARE:
        return ErrnoRow(row.reply, FIRMWARE[said.code])
    if row is _NOTHING_TO_CANCEL and said.refusal == "BUSY":
        return ErrnoRow(row.reply, _CANNOT_CANCEL_NOW)
    return row


_SECOND_CALL = Reason(
    "second-call-invalid",
    "the firmware does not support the call; driver v1 makes an invalid one where firmware works in several steps, and"
    " trying again does not help",
    "use a later version of the driver (v2 or newer)",
)
_CANNOT_CANCEL_NOW = Reason("cannot-cancel-now", "the activation has progressed too far to be cancelled")
_NOT_WATCHED = Reason(
    "not-watched",
    "detached; the activation continues in the kernel and cannot be interrupted",
    "see livefw show COMPONENT and dmesg",
)
_OVERTAKEN = Reason(
    "not-pending", "another activation ran first, and no new image is pending now", "livefw show COMPONENT"
)
