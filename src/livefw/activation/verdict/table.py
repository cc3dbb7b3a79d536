# SPDX-License-Identifier: Apache-2.0
"""From evidence to an outcome, by one table.

The reply of a mechanism proves nothing by itself. Some firmware never clears its pending flag, some drivers report a
failure as success, and some inventories change during an activation. So what runs decides first, then the pending flag,
then a log, and last the reply.

The same rows judge an attempt that an engine saw to its end and one whose engine died; the reply of the second is
`ObservedReply.UNHEARD`.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from livefw.activation.outcome import Outcome
from livefw.activation.verdict.evidence import Boot, Evidence, Moved, ObservedReply, Pending
from livefw.providers.base import Course, Flag, Measured, Trust, Witness

UNCONFIRMED = "unconfirmed"
"""The code of a success that only the mechanism's reply shows."""
ACCEPTED_UNCONFIRMED = "accepted-unconfirmed"
"""The same, if the settings accept that."""

DAMAGED = "arrived-with-damage"
"""The code of a success after which the device itself is not well."""


class VerdictRow(NamedTuple):
    """A row of the table. It applies if every set contains the value seen; an empty set contains all values.

    ``copy``: the version that is shown may be out of date. ``advice`` is for `livefw explain`.
    """

    outcome: Outcome
    code: str
    text: str
    hint: str = ""
    advice: str = ""
    boot: frozenset[Boot] = frozenset()
    moved: frozenset[Moved] = frozenset()
    measured: frozenset[Measured] = frozenset()
    pending: frozenset[Pending] = frozenset()
    flag: frozenset[Flag] = frozenset()
    witness: frozenset[Witness] = frozenset()
    complete: frozenset[bool] = frozenset()
    answer: frozenset[ObservedReply] = frozenset()
    trust: frozenset[Trust] = frozenset()
    contradicted: frozenset[bool] = frozenset()
    course: frozenset[Course] = frozenset()
    copy: bool = False

    def applies(self, seen: Evidence) -> bool:
        """Whether this row applies to the evidence."""
        return all(
            not (allowed := getattr(self, piece)) or value in allowed
            for piece, value in zip(Evidence._fields, seen, strict=True)
        )


def _row(outcome: Outcome, code: str, text: str, *, hint: str = "", advice: str = "", **pieces: Any) -> VerdictRow:
    """A row from single values or sets."""
    copy = bool(pieces.pop("copy", False))
    sets = {name: value if isinstance(value, frozenset) else frozenset({value}) for name, value in pieces.items()}
    return VerdictRow(outcome, code, text, hint, advice, copy=copy, **sets)


def _but(kind: type[StrEnum], *left_out: StrEnum) -> frozenset[Any]:
    """All members of an enumeration except these."""
    return frozenset(kind) - frozenset(left_out)


_LOOK = "see livefw show COMPONENT and the kernel log"
_UNKNOWN, _ACTIVATED, _FAILED, _REFUSED = Outcome.UNKNOWN, Outcome.ACTIVATED, Outcome.FAILED, Outcome.REFUSED
_NO_WORD = frozenset({Moved.SAME, Moved.NOT_REPORTED})
"""Versions decide nothing: none is reported, or the announced one already ran before."""
_TOLD_FAILURE = frozenset({Witness.FAILED, Witness.MAY_GO_ON})

TABLE: tuple[VerdictRow, ...] = (
    # The machine was rebooted: that may be the reason for everything that is seen now.
    _row(
        _UNKNOWN,
        "restarted",
        "the machine has been rebooted since, which also activates a staged image: the two cannot be distinguished",
        hint=_LOOK,
        advice="Compare the running version with the one that was to be activated.",
        boot=Boot.OTHER,
    ),
    _row(
        _UNKNOWN,
        "boot-not-reported",
        "whether this machine has been rebooted since is unknown; a reboot also activates a staged image",
        hint=_LOOK,
        advice="Compare the running version with the one that was to be activated.",
        boot=Boot.NOT_REPORTED,
    ),
    # What runs.
    _row(
        _UNKNOWN,
        "inventory-contradicts",
        "in band one version is shown as running, and the BMC that is linked to the component shows another",
        hint="see livefw show COMPONENT, which has both, and the BMC's log",
        advice="One of the two is wrong, or the BMC has not read its inventory anew. Look again later; until both show"
        " the same, rely on neither.",
        answer=_but(ObservedReply, ObservedReply.REFUSED, ObservedReply.DECLINED),
        contradicted=True,
    ),
    _row(
        _UNKNOWN,
        "measurement-contradicts",
        "a different version is shown than before, but a fresh measurement has not changed",
        hint="see livefw show COMPONENT and the mechanism's log",
        advice="One of the two is wrong. Ask the vendor which; until then assume that the old firmware runs.",
        moved=frozenset({Moved.ARRIVED, Moved.CHANGED, Moved.ASTRAY, Moved.APPEARED}),
        measured=Measured.UNCHANGED,
    ),
    _row(
        _ACTIVATED,
        DAMAGED,
        "the announced version is running, and the device reports a fault since",
        hint="see livefw show COMPONENT, and move what it keeps elsewhere; no further device is activated",
        advice="The firmware was activated, and the device is not well: read-only media, for instance. Replace it, and"
        " keep the firmware from its like (`[[forbid]]` in livefw.toml).",
        moved=Moved.ARRIVED,
        course=Course.DAMAGED,
    ),
    _row(
        _ACTIVATED,
        "arrived-by-reset",
        "the announced version is running; the kernel reset the device in the middle, so it was no live activation",
        hint="see the kernel log",
        advice="Look in the logs for I/O errors of that time. The next device of its kind will do the same: lower"
        " limits.pause in livefw.toml, or activate its firmware at a reset.",
        moved=Moved.ARRIVED,
        course=Course.RESET,
    ),
    _row(
        _ACTIVATED,
        "arrived-late",
        "the announced version is running; it took longer than the device says",
        advice="Nothing to do here. What the device says of its own time cannot be relied on: tell its maker.",
        moved=Moved.ARRIVED,
        course=Course.LATE,
    ),
    _row(
        _ACTIVATED,
        "arrived-after-silence",
        "the announced version is running; in the meantime the device did not answer, or as if it were another one",
        advice="Nothing to do. Other programs that asked the device at that time may report it as broken.",
        moved=Moved.ARRIVED,
        course=Course.SILENT,
    ),
    _row(
        _ACTIVATED,
        "version-arrived",
        "the announced version is running",
        moved=Moved.ARRIVED,
        answer=frozenset({ObservedReply.ACCEPTED, ObservedReply.UNHEARD}),
    ),
    _row(
        _ACTIVATED,
        "activated-otherwise",
        "the announced version is running, whatever the reply was",
        advice="Nothing to do. The reply is shown with it; another program may have made the change.",
        moved=Moved.ARRIVED,
    ),
    _row(
        _UNKNOWN,
        "version-astray",
        "a different version is running than before, and it is not the announced one",
        hint="see livefw show COMPONENT for the running version, and find what else stages images here",
        advice="Find out who staged the version that runs. Other components may have been activated instead.",
        moved=Moved.ASTRAY,
    ),
    _row(
        _ACTIVATED,
        "version-arrived",
        "success was reported and the announced version is running",
        moved=Moved.APPEARED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "version-changed",
        "success was reported and a different version is running",
        moved=Moved.CHANGED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "log-tells-success",
        "the announced version is running, and the mechanism's log reports its success",
        moved=Moved.APPEARED,
        answer=ObservedReply.UNHEARD,
        witness=Witness.SUCCEEDED,
    ),
    _row(
        _ACTIVATED,
        "version-changed",
        "a different version is running than before the attempt",
        moved=Moved.CHANGED,
        answer=ObservedReply.UNHEARD,
    ),
    _row(
        _ACTIVATED,
        "version-changed",
        "a different version is running than before and the image is no longer pending; the end was not observed",
        advice="Nothing to do. The reply is shown with it and says why the end was not observed.",
        moved=Moved.CHANGED,
        pending=Pending.CLEARED,
        answer=ObservedReply.LOST,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "a different version is running than before, and the reply does not explain it",
        hint="see livefw show COMPONENT for the running version, and find what else stages images here",
        advice="Another program may have activated it. Check that the running version is the intended one.",
        moved=Moved.CHANGED,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "the announced version is running, the reply does not explain it, and the previous version is unknown",
        hint="see livefw show COMPONENT for the running version, and find what else stages images here",
        advice="It may have been running before. If another program activated it, nothing more has to be done.",
        moved=Moved.APPEARED,
    ),
    _row(
        _UNKNOWN,
        "measurement-contradicts",
        "a fresh measurement has changed, but the old version is shown although another was announced",
        hint="see livefw show COMPONENT and the mechanism's log",
        advice="One of the two is wrong. Ask the vendor which; until then assume that the old firmware runs.",
        moved=Moved.STALE,
        measured=Measured.CHANGED,
    ),
    _row(
        _ACTIVATED,
        "measurement-changed",
        "success was reported, and a fresh measurement has changed",
        measured=Measured.CHANGED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "a fresh measurement has changed, and the reply does not explain it",
        hint="see livefw show COMPONENT and the mechanism's log",
        advice="Another program may have activated it. Check that the running version is the intended one.",
        measured=Measured.CHANGED,
    ),
    _row(
        _FAILED,
        "device-gone",
        "the device has left the machine since the request, or answers nothing any more",
        hint="see the kernel log; only a power cycle may bring it back",
        advice="Take it for dead: what it kept must come from its copies. Whether a power cycle brings it back, and"
        " with which firmware, only shows then. Keep the firmware from its like (`[[forbid]]` in livefw.toml).",
        moved=Moved.NOT_REPORTED,
        measured=_but(Measured, Measured.CHANGED),
        pending=frozenset({Pending.VANISHED, Pending.UNREADABLE}),
        witness=_but(Witness, Witness.MAY_GO_ON),
        answer=_but(ObservedReply, ObservedReply.REFUSED, ObservedReply.DECLINED),
        course=Course.GONE,
    ),
    # What runs has not visibly changed, and the reply is success.
    _row(
        _FAILED,
        "false-success",
        "success was reported, but a fresh measurement is unchanged, the old version still runs and the image is still"
        " pending",
        advice="The old firmware runs. Read the mechanism's log before another attempt.",
        moved=Moved.STALE,
        measured=Measured.UNCHANGED,
        pending=Pending.STILL,
        witness=_but(Witness, Witness.MAY_GO_ON),
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "measurement-unchanged",
        "success was reported, but a fresh measurement has not changed",
        hint="see livefw show COMPONENT and the mechanism's log",
        advice="Most likely the old firmware runs. Do not rely on the new one until its version is shown.",
        measured=Measured.UNCHANGED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "failure-contradicts",
        "success was reported, a log reports a failure, and the image is no longer pending",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        pending=_but(Pending, Pending.STILL),
        witness=_TOLD_FAILURE,
        answer=ObservedReply.ACCEPTED,
        trust=Trust.DOUBTFUL,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "success was reported, but a log reports a failure; the activation may still have completed, wholly or in part",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        pending=Pending.STILL,
        witness=Witness.MAY_GO_ON,
        answer=ObservedReply.ACCEPTED,
        trust=Trust.DOUBTFUL,
        copy=True,
    ),
    _row(
        _FAILED,
        "false-success",
        "success was reported, but a log reports a failure and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's code states the cause.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=ObservedReply.ACCEPTED,
        trust=Trust.DOUBTFUL,
    ),
    _row(
        _FAILED,
        "false-success",
        "success was reported, but the image is still pending and the old version still runs",
        advice="The old firmware runs. Read the mechanism's log before another attempt.",
        moved=Moved.STALE,
        pending=Pending.STILL,
        witness=Witness.NONE,
        answer=ObservedReply.ACCEPTED,
        trust=Trust.DOUBTFUL,
    ),
    _row(
        _UNKNOWN,
        "version-contradicts",
        "success was reported, but the old version is still shown although another was announced",
        hint=_LOOK,
        advice="Most likely the old firmware runs. Do not rely on the new one until its version is shown.",
        moved=Moved.STALE,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "version-unmoved",
        "success was reported, and the version is the same as before; the announced version is not known for certain",
        hint=_LOOK,
        advice="If the same version was activated again, this is correct; otherwise the old firmware runs.",
        moved=Moved.UNMOVED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "activated",
        "success was reported and the image is no longer pending",
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "success was reported, but nothing here can confirm it",
        hint="firmware that reports its versions could confirm it; accept-unconfirmed in livefw.toml accepts the"
        " report",
        advice="Find out by other means what runs. If you know the firmware, set [lfa] agent; accept-unconfirmed"
        " accepts the mechanism's report for the components that it names.",
        answer=ObservedReply.ACCEPTED,
        trust=Trust.FULL,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "success was reported, a log reports the same, but nothing here can confirm it",
        hint="firmware that reports its versions could confirm it; accept-unconfirmed in livefw.toml accepts the"
        " report",
        advice="Find out by other means what runs. If you know the firmware, set [lfa] agent; accept-unconfirmed"
        " accepts the mechanism's report for the components that it names.",
        witness=Witness.SUCCEEDED,
        answer=ObservedReply.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "unproved-success",
        "success was reported, which proves nothing here, and nothing else confirms it",
        hint=_LOOK,
        advice="Find out by other means what runs. This mechanism is known to report failures as successes.",
        answer=ObservedReply.ACCEPTED,
    ),
    # The reply is failure.
    _row(
        _UNKNOWN,
        "failed-but-not-pending",
        "a failure was reported, but the image is no longer pending: a part of it may have been done",
        hint="see livefw show COMPONENT; the version shown may be an earlier one",
        advice="Find out what runs: the version shown may be an outdated copy. A reboot settles it.",
        pending=Pending.CLEARED,
        answer=ObservedReply.FAILED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "failed-and-not-seen",
        "a failure was reported, and the component is not visible now",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        pending=frozenset({Pending.VANISHED, Pending.UNREADABLE}),
        answer=ObservedReply.FAILED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "log-contradicts",
        "a failure was reported, but a log reports a success",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        moved=_NO_WORD,
        witness=Witness.SUCCEEDED,
        answer=ObservedReply.FAILED,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "it was aborted, but may still have completed, wholly or in part",
        hint=_LOOK,
        advice="Check again later: the mechanism may complete what was aborted. The version shown may be outdated.",
        witness=Witness.MAY_GO_ON,
        answer=ObservedReply.FAILED,
        copy=True,
    ),
    _row(
        _FAILED,
        "failed",
        "it was tried and failed",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The reason and the firmware's code state the cause.",
        answer=ObservedReply.FAILED,
    ),
    # The reply is that nothing was done.
    _row(
        _UNKNOWN,
        "refused-but-done",
        "the reply was that nothing was tried, but a log reports a success",
        hint=_LOOK,
        advice="Another program may have activated it. Find out what runs.",
        witness=Witness.SUCCEEDED,
        answer=frozenset({ObservedReply.REFUSED, ObservedReply.DECLINED}),
        copy=True,
    ),
    _row(
        _REFUSED,
        "refused",
        "nothing was tried",
        advice="Nothing has changed. Fix what the reason names, then try again.",
        answer=ObservedReply.REFUSED,
    ),
    _row(
        _UNKNOWN,
        "declined-but-not-pending",
        "the reply was that nothing was tried, but the image is no longer pending or its component is gone",
        hint=_LOOK,
        advice="Another program activated it or withdrew the image. Find out what runs.",
        pending=frozenset({Pending.CLEARED, Pending.VANISHED}),
        answer=ObservedReply.DECLINED,
        copy=True,
    ),
    _row(
        _FAILED,
        "declined-but-tried",
        "the reply was that nothing was tried, but a log reports a failure and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's code states the cause.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=ObservedReply.DECLINED,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "the reply was that nothing was tried, but a log reports a failure; the activation may still have completed",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        witness=Witness.MAY_GO_ON,
        answer=ObservedReply.DECLINED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "declined-but-tried",
        "the reply was that nothing was tried, a log reports a failure, and the component is not visible now",
        hint=_LOOK,
        advice="Find out what runs before trying anything else.",
        witness=Witness.FAILED,
        answer=ObservedReply.DECLINED,
        copy=True,
    ),
    _row(
        _REFUSED,
        "refused",
        "nothing was tried",
        advice="Nothing has changed. Fix what the reason names, then try again.",
        answer=ObservedReply.DECLINED,
    ),
    # There was no reply.
    _row(
        _UNKNOWN,
        "lost",
        "the result is unknown",
        hint=_LOOK,
        advice="The mechanism may still be working. Check again later; the next run of livefw settles it.",
        answer=ObservedReply.LOST,
    ),
    # The engine died before the reply.
    _row(
        _ACTIVATED,
        "log-tells-success",
        "a log reports its success, and the image is no longer pending",
        moved=_NO_WORD,
        measured=Measured.NOT,
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        witness=Witness.SUCCEEDED,
        answer=ObservedReply.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "a log reports its success, but nothing here can confirm it",
        hint="firmware that reports its versions could confirm it; accept-unconfirmed in livefw.toml accepts the"
        " report",
        advice="Find out by other means what runs. If you know the firmware, set [lfa] agent; accept-unconfirmed"
        " accepts the mechanism's report for the components that it names.",
        moved=_NO_WORD,
        witness=Witness.SUCCEEDED,
        answer=ObservedReply.UNHEARD,
    ),
    _row(
        _FAILED,
        "log-tells-failure",
        "the kernel log reports its failure, and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's code states the cause.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=ObservedReply.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "it was aborted, but may still have completed, wholly or in part",
        hint=_LOOK,
        advice="Check again later: the mechanism may complete what was aborted. The version shown may be outdated.",
        witness=Witness.MAY_GO_ON,
        answer=ObservedReply.UNHEARD,
        copy=True,
    ),
    _row(
        Outcome.CANCELLED,
        "not-asked",
        "the image is still pending and the log has no trace of an attempt: it ended before a request was made",
        advice="The old firmware runs. Start it again.",
        pending=Pending.STILL,
        witness=Witness.NONE,
        complete=True,
        answer=ObservedReply.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        "no-evidence",
        "the state of the machine does not show whether it was activated",
        hint=_LOOK,
        advice="Find out by other means what runs.",
        copy=True,
    ),
)
"""The first row that applies decides; the last one always applies."""
