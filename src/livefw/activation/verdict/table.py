# SPDX-License-Identifier: Apache-2.0
"""From evidence to an outcome, by one table.

The reply of a mechanism proves nothing by itself. Some firmware never clears its pending flag, some drivers report a
failure as success, and some inventories change during an activation. So what runs decides first, then the pending flag,
then a log, and last the reply.

The same rows judge an attempt that an engine saw to its end and one whose engine died; the reply of the second is
`Answer.UNHEARD`.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from livefw.activation.outcome import Outcome
from livefw.activation.verdict.evidence import Answer, Boot, Evidence, Moved, Pending
from livefw.providers.base import Flag, Measured, Trust, Witness

UNCONFIRMED = "unconfirmed"
"""The code of a success that only the mechanism's reply shows."""
ACCEPTED_UNCONFIRMED = "accepted-unconfirmed"
"""The same, if the settings accept that."""


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
    answer: frozenset[Answer] = frozenset()
    trust: frozenset[Trust] = frozenset()
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


_LOOK = "livefw show, and the kernel log"
_UNKNOWN, _ACTIVATED, _FAILED, _REFUSED = Outcome.UNKNOWN, Outcome.ACTIVATED, Outcome.FAILED, Outcome.REFUSED
_NO_WORD = frozenset({Moved.SAME, Moved.NOT_REPORTED})
"""Versions decide nothing: none is reported, or the announced one already ran before."""
_TOLD_FAILURE = frozenset({Witness.FAILED, Witness.MAY_GO_ON})

TABLE: tuple[VerdictRow, ...] = (
    # The machine was rebooted: that may be the reason for everything that is seen now.
    _row(
        _UNKNOWN,
        "restarted",
        "the machine has been restarted since, which brings a staged image in as well: nothing here tells them apart",
        hint=_LOOK,
        advice="Compare the running version with the one that was to be activated.",
        boot=Boot.OTHER,
    ),
    _row(
        _UNKNOWN,
        "boot-not-reported",
        "this machine does not say whether it has been restarted since, which would bring a staged image in as well",
        hint=_LOOK,
        advice="Compare the running version with the one that was to be activated.",
        boot=Boot.NOT_REPORTED,
    ),
    # What runs.
    _row(
        _UNKNOWN,
        "measurement-contradicts",
        "another version is shown than before, and a fresh measurement shows that nothing has changed",
        hint="livefw show, and the mechanism's own log",
        advice="One of the two is wrong. Ask the vendor which; until then take the old firmware for the running one.",
        moved=frozenset({Moved.ARRIVED, Moved.CHANGED, Moved.ASTRAY, Moved.APPEARED}),
        measured=Measured.UNCHANGED,
    ),
    _row(
        _ACTIVATED,
        "version-arrived",
        "the announced version is running",
        moved=Moved.ARRIVED,
        answer=frozenset({Answer.ACCEPTED, Answer.UNHEARD}),
    ),
    _row(
        _ACTIVATED,
        "activated-otherwise",
        "the announced version is running, whatever was answered",
        advice="Nothing to do. The answer is told beside it; another program may have done the work.",
        moved=Moved.ARRIVED,
    ),
    _row(
        _UNKNOWN,
        "version-astray",
        "another version runs than before, and it is not the one that was announced",
        hint="livefw show: what runs, and who else stages images here",
        advice="Find out who staged the version that runs. Other components may have been activated instead.",
        moved=Moved.ASTRAY,
    ),
    _row(
        _ACTIVATED,
        "version-arrived",
        "success was reported and the announced version is running",
        moved=Moved.APPEARED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "version-changed",
        "success was reported and another version is running",
        moved=Moved.CHANGED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "log-tells-success",
        "the announced version is running, and the mechanism's log tells of its success",
        moved=Moved.APPEARED,
        answer=Answer.UNHEARD,
        witness=Witness.SUCCEEDED,
    ),
    _row(
        _ACTIVATED,
        "version-changed",
        "another version is running than before the attempt",
        moved=Moved.CHANGED,
        answer=Answer.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "another version runs than before, and what was answered does not explain it",
        hint="livefw show: what runs, and who else stages images here",
        advice="Another program may have activated it. Check that the version that runs is the wanted one.",
        moved=Moved.CHANGED,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "the announced version is running, what was answered does not explain it, and what ran before is not known",
        hint="livefw show: what runs, and who else stages images here",
        advice="It may have run before. Another program may have activated it; nothing more has to be done then.",
        moved=Moved.APPEARED,
    ),
    _row(
        _UNKNOWN,
        "measurement-contradicts",
        "a fresh measurement has changed, and yet the old version is shown, although another was announced",
        hint="livefw show, and the mechanism's own log",
        advice="One of the two is wrong. Ask the vendor which; until then take the old firmware for the running one.",
        moved=Moved.STALE,
        measured=Measured.CHANGED,
    ),
    _row(
        _ACTIVATED,
        "measurement-changed",
        "success was reported, and a fresh measurement has changed",
        measured=Measured.CHANGED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "changed-otherwise",
        "a fresh measurement has changed, and what was answered does not explain it",
        hint="livefw show, and the mechanism's own log",
        advice="Another program may have activated it. Check that the version that runs is the wanted one.",
        measured=Measured.CHANGED,
    ),
    # What runs has not visibly changed, and the reply is success.
    _row(
        _FAILED,
        "false-success",
        "success was reported, but a fresh measurement is unchanged, the old version still runs and the image is still"
        " pending",
        advice="The old firmware runs. Look at the mechanism's own log before another attempt.",
        moved=Moved.STALE,
        measured=Measured.UNCHANGED,
        pending=Pending.STILL,
        witness=_but(Witness, Witness.MAY_GO_ON),
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "measurement-unchanged",
        "success was reported, and a fresh measurement shows that nothing has changed",
        hint="livefw show, and the mechanism's own log",
        advice="Most likely the old firmware runs. Do not rely on the new one until its version is shown.",
        measured=Measured.UNCHANGED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "failure-contradicts",
        "success was reported, a log tells of a failure, and the image is not pending any more",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        pending=_but(Pending, Pending.STILL),
        witness=_TOLD_FAILURE,
        answer=Answer.ACCEPTED,
        trust=Trust.DOUBTFUL,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "success was reported, but a log tells of a failure, behind which it may have been completed, or in part",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        pending=Pending.STILL,
        witness=Witness.MAY_GO_ON,
        answer=Answer.ACCEPTED,
        trust=Trust.DOUBTFUL,
        copy=True,
    ),
    _row(
        _FAILED,
        "false-success",
        "success was reported, but a log tells of a failure and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's own code says why.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=Answer.ACCEPTED,
        trust=Trust.DOUBTFUL,
    ),
    _row(
        _FAILED,
        "false-success",
        "success was reported, but the image is still pending and the old version still runs",
        advice="The old firmware runs. Look at the mechanism's own log before another attempt.",
        moved=Moved.STALE,
        pending=Pending.STILL,
        witness=Witness.NONE,
        answer=Answer.ACCEPTED,
        trust=Trust.DOUBTFUL,
    ),
    _row(
        _UNKNOWN,
        "version-contradicts",
        "success was reported, and the old version is still shown although another had been announced",
        hint=_LOOK,
        advice="Most likely the old firmware runs. Do not rely on the new one until its version is shown.",
        moved=Moved.STALE,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "version-unmoved",
        "success was reported, and the version is the same as before; which one was to come is not known for certain",
        hint=_LOOK,
        advice="If the same version was activated once more, this is right; else the old firmware runs.",
        moved=Moved.UNMOVED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _ACTIVATED,
        "activated",
        "success was reported and the image is not pending any more",
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "success was reported, and nothing here can confirm it",
        hint="a firmware that reports its versions would; accept-unconfirmed in livefw.toml takes its word",
        advice="Find out by other means what runs. [lfa] agent says which firmware this is, if you know it;"
        " accept-unconfirmed takes the mechanism's word for the components that it names.",
        answer=Answer.ACCEPTED,
        trust=Trust.FULL,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "success was reported, a log says the same, and nothing here can confirm it",
        hint="a firmware that reports its versions would; accept-unconfirmed in livefw.toml takes its word",
        advice="Find out by other means what runs. [lfa] agent says which firmware this is, if you know it;"
        " accept-unconfirmed takes the mechanism's word for the components that it names.",
        witness=Witness.SUCCEEDED,
        answer=Answer.ACCEPTED,
    ),
    _row(
        _UNKNOWN,
        "unproved-success",
        "success was reported, which proves nothing here, and nothing else shows whether it was one",
        hint=_LOOK,
        advice="Find out by other means what runs. This mechanism is known to report failures as successes.",
        answer=Answer.ACCEPTED,
    ),
    # The reply is failure.
    _row(
        _UNKNOWN,
        "failed-but-not-pending",
        "it was answered with failure, and yet the image is not pending any more: a part of it may have been done",
        hint="livefw show; the version shown may be one from before",
        advice="Find out what runs: the version that is shown may be a copy from before. A restart settles it.",
        pending=Pending.CLEARED,
        answer=Answer.FAILED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "failed-and-not-seen",
        "it was answered with failure, and the component cannot be seen now",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        pending=frozenset({Pending.VANISHED, Pending.UNREADABLE}),
        answer=Answer.FAILED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "log-contradicts",
        "it was answered with failure, and a log tells of a success",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        moved=_NO_WORD,
        witness=Witness.SUCCEEDED,
        answer=Answer.FAILED,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "it was given up, and may have been completed all the same, or in part",
        hint=_LOOK,
        advice="Look again later: the mechanism may complete what was given up. The version shown may be an old one.",
        witness=Witness.MAY_GO_ON,
        answer=Answer.FAILED,
        copy=True,
    ),
    _row(
        _FAILED,
        "failed",
        "it was tried and failed",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The reason and the firmware's own code say why.",
        answer=Answer.FAILED,
    ),
    # The reply is that nothing was done.
    _row(
        _UNKNOWN,
        "refused-but-done",
        "it was answered that nothing was tried, and a log tells of a success",
        hint=_LOOK,
        advice="Another program may have activated it. Find out what runs.",
        witness=Witness.SUCCEEDED,
        answer=frozenset({Answer.REFUSED, Answer.DECLINED}),
        copy=True,
    ),
    _row(
        _REFUSED,
        "refused",
        "nothing was tried",
        advice="Everything is as before. Mend what the reason names, then try again.",
        answer=Answer.REFUSED,
    ),
    _row(
        _UNKNOWN,
        "declined-but-not-pending",
        "it was answered that nothing was tried, and yet the image is not pending any more, or its component is gone",
        hint=_LOOK,
        advice="Somebody else activated it or took the image back. Find out what runs.",
        pending=frozenset({Pending.CLEARED, Pending.VANISHED}),
        answer=Answer.DECLINED,
        copy=True,
    ),
    _row(
        _FAILED,
        "declined-but-tried",
        "it was answered that nothing was tried, but a log tells of a failure and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's own code says why.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=Answer.DECLINED,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "it was answered that nothing was tried, but a log tells of a failure, behind which it may have been completed",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        witness=Witness.MAY_GO_ON,
        answer=Answer.DECLINED,
        copy=True,
    ),
    _row(
        _UNKNOWN,
        "declined-but-tried",
        "it was answered that nothing was tried, a log tells of a failure, and the component cannot be seen now",
        hint=_LOOK,
        advice="Find out what runs before anything else is tried.",
        witness=Witness.FAILED,
        answer=Answer.DECLINED,
        copy=True,
    ),
    _row(
        _REFUSED,
        "refused",
        "nothing was tried",
        advice="Everything is as before. Mend what the reason names, then try again.",
        answer=Answer.DECLINED,
    ),
    # There was no reply.
    _row(
        _UNKNOWN,
        "lost",
        "nobody saw how it ended",
        hint=_LOOK,
        advice="The mechanism may still be at work. Look again later; the next run of livefw settles it.",
        answer=Answer.LOST,
    ),
    # The engine died before the reply.
    _row(
        _ACTIVATED,
        "log-tells-success",
        "a log tells of its success, and the image is not pending any more",
        moved=_NO_WORD,
        measured=Measured.NOT,
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        witness=Witness.SUCCEEDED,
        answer=Answer.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        UNCONFIRMED,
        "a log tells of its success, and nothing here can confirm it",
        hint="a firmware that reports its versions would; accept-unconfirmed in livefw.toml takes its word",
        advice="Find out by other means what runs. [lfa] agent says which firmware this is, if you know it;"
        " accept-unconfirmed takes the mechanism's word for the components that it names.",
        moved=_NO_WORD,
        witness=Witness.SUCCEEDED,
        answer=Answer.UNHEARD,
    ),
    _row(
        _FAILED,
        "log-tells-failure",
        "the kernel log tells of its failure, and the image is still pending",
        advice="The old firmware runs, unless livefw plan says failed-this-boot: then the component is dead."
        " The firmware's own code says why.",
        pending=Pending.STILL,
        witness=Witness.FAILED,
        answer=Answer.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        "given-up",
        "it was given up, and may have been completed all the same, or in part",
        hint=_LOOK,
        advice="Look again later: the mechanism may complete what was given up. The version shown may be an old one.",
        witness=Witness.MAY_GO_ON,
        answer=Answer.UNHEARD,
        copy=True,
    ),
    _row(
        Outcome.CANCELLED,
        "not-asked",
        "the image is still pending and the log has no trace of an attempt: it ended before anything was asked",
        advice="The old firmware runs. Start it again.",
        pending=Pending.STILL,
        witness=Witness.NONE,
        complete=True,
        answer=Answer.UNHEARD,
    ),
    _row(
        _UNKNOWN,
        "no-evidence",
        "what the machine shows does not tell whether it was activated",
        hint=_LOOK,
        advice="Find out by other means what runs.",
        copy=True,
    ),
)
"""The first row that applies decides; the last one always applies."""
