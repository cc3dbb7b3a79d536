# SPDX-License-Identifier: Apache-2.0
"""From what was said and what was seen to an outcome, by one table.

A mechanism's answer alone proves nothing. There are firmwares whose pending flag never clears, drivers that report a
failure as success, and inventories that change under an activation. So an answer is held against the component before
and after, and against a second witness where there is one.
"""

from enum import StrEnum
from typing import NamedTuple

from livefw.activation.outcome import Outcome
from livefw.providers.base import Claim, Component, Reason, Said, Trust, Version, Witness


class Pending(StrEnum):
    """What became of the pending image."""

    CLEARED = "cleared"
    STILL = "still"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    """The component itself is gone."""


class Moved(StrEnum):
    """What became of the running version."""

    ARRIVED = "arrived"
    """It is now the one that was announced, and was another before."""
    CHANGED = "changed"
    """It is another than before, and none had been announced for certain."""
    STALE = "stale"
    """It is the same as before, although another was announced."""
    SAME = "same"
    """It is the same as before, and that may be right."""
    ASTRAY = "astray"
    """It is neither what it was nor what was announced."""
    UNTOLD = "untold"
    """The mechanism does not say, before or after."""


class Sight(NamedTuple):
    """All evidence on one attempt, reduced to what the table looks at."""

    said: Said
    trust: Trust
    witness: Witness
    pending: Pending
    moved: Moved


def sight(before: Component, after: Component | None, claim: Claim) -> Sight:
    """Reduce what was seen and said."""
    old, announced = sure(before.current_version), sure(before.pending_version)
    return Sight(claim.said, claim.trust, claim.witness, pending(after), moved(old, announced, after))


def pending(after: Component | None) -> Pending:
    """What became of the pending image of a component that is now like this."""
    if after is None:
        return Pending.VANISHED
    return {True: Pending.STILL, False: Pending.CLEARED, None: Pending.UNREADABLE}[after.pending]


def moved(old: str | None, announced: str | None, after: Component | None) -> Moved:
    """What became of a version that once ran, where another may have been announced; None for what was not sure."""
    new = sure(after.current_version if after else None)
    if new is None or old is None:
        # A version where there was none before is no change that proves anything.
        return Moved.UNTOLD
    if new == old:
        return Moved.SAME if announced in (None, old) else Moved.STALE
    return Moved.ARRIVED if new == announced else Moved.CHANGED if announced is None else Moved.ASTRAY


def sure(version: Version | None) -> str | None:
    """The text of a version that can be relied on."""
    return version.text if version and version.sure else None


class Row(NamedTuple):
    """A line of the table: it applies where every set holds what was seen; an empty set holds anything."""

    outcome: Outcome
    code: str
    text: str
    hint: str = ""
    said: frozenset[Said] = frozenset()
    trust: frozenset[Trust] = frozenset()
    witness: frozenset[Witness] = frozenset()
    pending: frozenset[Pending] = frozenset()
    moved: frozenset[Moved] = frozenset()

    def applies(self, seen: Sight) -> bool:
        """Whether this line is about what was seen."""
        sets: tuple[frozenset[StrEnum], ...] = self[4:]
        return all(not allowed or value in allowed for allowed, value in zip(sets, seen, strict=True))


_LOOK = "livefw show, and the kernel log"
_ACCEPTED = frozenset({Said.ACCEPTED})
_DOUBTED = frozenset({Trust.DOUBTFUL})
_TRUSTED = frozenset({Trust.FULL})
_FAILURE = frozenset({Witness.FAILED, Witness.MAY_GO_ON})

TABLE: tuple[Row, ...] = (
    # Not answered, or not tried.
    Row(Outcome.REFUSED, "refused", "nothing was tried", said=frozenset({Said.REFUSED, Said.DECLINED})),
    Row(Outcome.UNKNOWN, "lost", "nobody saw how it ended", _LOOK, said=frozenset({Said.LOST})),
    # Answered with failure.
    Row(
        Outcome.ACTIVATED,
        "activated-otherwise",
        "this attempt was answered with failure, but the announced version is running: another one got there",
        said=frozenset({Said.FAILED}),
        moved=frozenset({Moved.ARRIVED}),
    ),
    Row(
        Outcome.UNKNOWN,
        "failed-but-not-pending",
        "it was given up, and yet the image is not pending any more: it may have been completed behind our back",
        _LOOK,
        said=frozenset({Said.FAILED}),
        witness=frozenset({Witness.MAY_GO_ON, Witness.SUCCEEDED, Witness.NONE}),
        pending=frozenset({Pending.CLEARED}),
    ),
    Row(Outcome.FAILED, "failed", "it was tried and failed", said=frozenset({Said.FAILED})),
    # Answered with success.
    Row(
        Outcome.ACTIVATED,
        "version-arrived",
        "the announced version is running",
        said=_ACCEPTED,
        moved=frozenset({Moved.ARRIVED}),
    ),
    Row(
        Outcome.UNKNOWN,
        "cancelled-but-not-pending",
        "it was given up and reported as a success, and the image is not pending any more",
        _LOOK,
        said=_ACCEPTED,
        trust=_DOUBTED,
        witness=frozenset({Witness.MAY_GO_ON}),
        pending=frozenset({Pending.CLEARED}),
    ),
    Row(
        Outcome.FAILED,
        "false-success",
        "the kernel reported success, and its log tells of a failure",
        said=_ACCEPTED,
        trust=_DOUBTED,
        witness=_FAILURE,
    ),
    Row(
        Outcome.UNKNOWN,
        "version-contradicts",
        "success was reported, and the old version still runs although another had been announced",
        _LOOK,
        said=_ACCEPTED,
        trust=_TRUSTED,
        moved=frozenset({Moved.STALE}),
    ),
    Row(
        Outcome.FAILED,
        "false-success",
        "success was reported, but the image is still pending and the old version still runs",
        said=_ACCEPTED,
        trust=_DOUBTED,
        witness=frozenset({Witness.NONE}),
        pending=frozenset({Pending.STILL}),
        moved=frozenset({Moved.STALE}),
    ),
    Row(
        Outcome.ACTIVATED,
        "activated",
        "success was reported and the image is not pending any more",
        said=_ACCEPTED,
        pending=frozenset({Pending.CLEARED}),
    ),
    Row(
        Outcome.ACTIVATED,
        "version-changed",
        "success was reported and another version is running",
        said=_ACCEPTED,
        moved=frozenset({Moved.CHANGED, Moved.ASTRAY}),
    ),
    Row(
        Outcome.ACTIVATED,
        "activated-still-pending",
        "success was reported and can be believed here; an image is still pending: another one was staged, or this"
        " firmware never clears the flag",
        said=_ACCEPTED,
        trust=_TRUSTED,
        pending=frozenset({Pending.STILL}),
    ),
    Row(
        Outcome.ACTIVATED,
        "activated-and-gone",
        "success was reported and can be believed here; the component is not listed any more",
        said=_ACCEPTED,
        trust=_TRUSTED,
        pending=frozenset({Pending.VANISHED}),
    ),
    Row(
        Outcome.ACTIVATED,
        "activated-unseen",
        "success was reported and can be believed here; the component cannot be read now",
        said=_ACCEPTED,
        trust=_TRUSTED,
        pending=frozenset({Pending.UNREADABLE}),
    ),
    Row(
        Outcome.ACTIVATED,
        "log-tells-success",
        "success was reported, and the kernel log tells of no failure",
        said=_ACCEPTED,
        trust=_DOUBTED,
        witness=frozenset({Witness.SUCCEEDED}),
    ),
    Row(
        Outcome.UNKNOWN,
        "unproved-success",
        "success was reported, which proves nothing here, and nothing else shows whether it was one",
        _LOOK,
        said=_ACCEPTED,
    ),
)
"""The first row that applies decides; every combination meets one."""


def judge(before: Component, after: Component | None, claim: Claim) -> tuple[Outcome, Reason]:
    """The outcome, and why: the mechanism's own reason where it gave one and the table has nothing to add."""
    seen = sight(before, after, claim)
    row = next(row for row in TABLE if row.applies(seen))
    if row.code in _PLAIN and claim.reason:
        return row.outcome, claim.reason
    return row.outcome, Reason(row.code, row.text, row.hint)


_PLAIN = frozenset({"refused", "lost", "failed"})
