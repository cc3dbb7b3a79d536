# SPDX-License-Identifier: Apache-2.0
"""What is known of one attempt, piece by piece, each piece independent of the others.

The fields of `Evidence` stand in the order in which they count: what runs is shown by versions and measurements, then
comes the pending flag, then a log, and last the answer. A piece that shows movement beats a word.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from livefw.activation.inventory.versions import compare
from livefw.providers.base import Claim, Component, Flag, Measured, Memory, Reply, Trust, Version, Witness, dotted


class Boot(StrEnum):
    """Whether the machine still runs since the attempt; a restart brings a pending image in as well."""

    SAME = "same"
    OTHER = "other"
    NOT_REPORTED = "not-reported"


class Moved(StrEnum):
    """What became of the running version."""

    ARRIVED = "arrived"
    """It is now the one that was announced, and was another before."""
    CHANGED = "changed"
    """It is another than before, and none had been announced for certain."""
    ASTRAY = "astray"
    """It is neither what it was nor what was announced."""
    APPEARED = "appeared"
    """It is the one that was announced, and none was reported before: which one ran then is not known."""
    STALE = "stale"
    """It is the same as before, although another was announced."""
    UNMOVED = "unmoved"
    """It is the same as before, and none had been announced for certain."""
    SAME = "same"
    """It is the same as before, which is the one that was announced."""
    NOT_REPORTED = "not-reported"
    """The mechanism does not say, before or after."""


class Pending(StrEnum):
    """What became of the pending image."""

    CLEARED = "cleared"
    STILL = "still"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    """The component itself is gone."""
    NO_FLAG = "no-flag"
    """The mechanism has no flag that could say."""


class Answer(StrEnum):
    """What was answered: `Reply`, and one more."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DECLINED = "declined"
    FAILED = "failed"
    LOST = "lost"
    UNHEARD = "unheard"
    """Whoever asked did not live to hear it. It has ended since: its writer would hold the lock."""


class Evidence(NamedTuple):
    """All pieces. ``complete``: had the mechanism been asked, its own log would show it."""

    boot: Boot
    moved: Moved
    measured: Measured
    pending: Pending
    flag: Flag
    witness: Witness
    complete: bool
    answer: Answer
    trust: Trust


def of_attempt(
    before: Component, after: Component | None, claim: Claim, *, announced: str | None, readable: bool = True
) -> Evidence:
    """What an engine has that saw its attempt to the end; not ``readable``: the component could not be looked at."""
    return Evidence(
        boot=Boot.SAME,
        moved=moved(_ran(before.current_version), announced, after),
        measured=claim.measured,
        pending=pending(after) if readable else Pending.UNREADABLE,
        # Firmware that begins to report versions with its new image is none of those whose flag proves nothing.
        flag=Flag.PROVES if after and after.flag is Flag.PROVES else before.flag,
        witness=claim.witness,
        complete=False,
        answer=_ANSWERS[claim.reply],
        trust=claim.trust,
    )


def of_remains(body: Mapping[str, Any], after: Component | None, memory: Memory, *, boot_id: str) -> Evidence:
    """What is left of an attempt whose intent has this body, from the component and the mechanism's log as they are."""
    announced = body["announced"] if "announced" in body else body.get("pending_version")
    return Evidence(
        boot=_boot(body, boot_id) if memory.by_restart else Boot.SAME,
        moved=moved(body.get("current_version"), announced, after),
        measured=Measured.NOT,
        pending=pending(after),
        flag=after.flag if after else Flag.PROVES_NOTHING,
        witness=memory.witness,
        complete=memory.complete,
        answer=Answer.UNHEARD,
        trust=Trust.FULL,
    )


def moved(old: str | None, announced: str | None, after: Component | None) -> Moved:
    """What became of a version that once ran, where another may have been announced; None for what was not sure.

    An empty ``old`` is that of a firmware which could have said its version and reported none: where it reports the
    announced one now, that one has appeared; any other is astray, whatever ran before.
    """
    new = reliable_text(after.current_version if after else None)
    if new and old == "" and announced:
        return Moved.APPEARED if _same(announced, new) else Moved.ASTRAY
    if not new or not old:
        return Moved.NOT_REPORTED
    if new == old:
        return Moved.UNMOVED if announced is None else Moved.SAME if _same(announced, old) else Moved.STALE
    return Moved.CHANGED if announced is None else Moved.ARRIVED if _same(announced, new) else Moved.ASTRAY


def _same(announced: str, shown: str) -> bool:
    """Whether two texts stand for one version: an archive may write 1.9 where the mechanism shows 1.9.0."""
    return compare(Version(announced, dotted(announced)), Version(shown, dotted(shown))) == 0


def pending(after: Component | None) -> Pending:
    """What became of the pending image of a component that is now like this."""
    if after is None:
        return Pending.VANISHED
    if after.flag is Flag.ABSENT:
        return Pending.NO_FLAG
    return {True: Pending.STILL, False: Pending.CLEARED, None: Pending.UNREADABLE}[after.pending]


def reliable_text(version: Version | None) -> str | None:
    """The text of a version that can be relied on."""
    return version.text if version and version.reliable else None


def _ran(version: Version | None) -> str | None:
    """The version that ran before, as `moved` wants it."""
    return reliable_text(version) or (None if version is None or version.reliable else "")


def _boot(body: Mapping[str, Any], boot_id: str) -> Boot:
    then = body.get("boot_id")
    if not (then and boot_id):
        return Boot.NOT_REPORTED
    return Boot.SAME if then == boot_id else Boot.OTHER


_ANSWERS = {said: Answer(said.value) for said in Reply}
