# SPDX-License-Identifier: Apache-2.0
"""The evidence of one attempt: eleven independent pieces.

The fields of `Evidence` are in order of precedence: versions and measurements show what runs; then come the pending
flag, a log, and the reply. A piece that shows a change outranks the reply.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from livefw.activation.inventory.versions import compare, reliable_text
from livefw.providers.base import (
    Claim,
    Component,
    Course,
    Flag,
    Measured,
    Memory,
    Reply,
    Trust,
    Version,
    Witness,
    dotted,
)


class Boot(StrEnum):
    """Whether the machine was rebooted since the attempt; a reboot also activates a pending image."""

    SAME = "same"
    OTHER = "other"
    NOT_REPORTED = "not-reported"


class Moved(StrEnum):
    """What became of the running version."""

    ARRIVED = "arrived"
    """It is the announced one, and was another before."""
    CHANGED = "changed"
    """It is another than before, and none was announced reliably."""
    ASTRAY = "astray"
    """It is neither the earlier nor the announced one."""
    APPEARED = "appeared"
    """It is the announced one, and no version was reported before: which one ran then is not known."""
    STALE = "stale"
    """It is the same as before, although another was announced."""
    UNMOVED = "unmoved"
    """It is the same as before, and none was announced reliably."""
    SAME = "same"
    """It is the same as before, and the announced one is the same too."""
    NOT_REPORTED = "not-reported"
    """The mechanism reports none, before or after."""


class Pending(StrEnum):
    """What became of the pending image."""

    CLEARED = "cleared"
    STILL = "still"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    """The component itself is gone."""
    NO_FLAG = "no-flag"
    """The mechanism has no pending flag."""


class ObservedReply(StrEnum):
    """The reply of the mechanism: the values of `Reply`, and UNHEARD."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DECLINED = "declined"
    FAILED = "failed"
    LOST = "lost"
    UNHEARD = "unheard"
    """The engine died before the reply. The write has ended since: its child would hold the lock."""


class Evidence(NamedTuple):
    """All pieces. ``complete``: if the mechanism had been asked, its log would show it; ``course``: of the device."""

    boot: Boot
    moved: Moved
    measured: Measured
    pending: Pending
    flag: Flag
    witness: Witness
    complete: bool
    answer: ObservedReply
    trust: Trust
    contradicted: bool = False
    """Whether the management controller of a linked component shows that something else runs."""
    course: Course = Course.CLEAN


def of_attempt(
    before: Component, after: Component | None, claim: Claim, *, announced: str | None, readable: bool = True
) -> Evidence:
    """The evidence of an attempt that was seen to its end; ``readable``: whether the component could be read."""
    return Evidence(
        boot=Boot.SAME,
        moved=moved(_ran(before.current_version), announced, after),
        measured=claim.measured,
        pending=pending(after) if readable else Pending.UNREADABLE,
        # If the new firmware reports versions, it is not one of those whose flag proves nothing.
        flag=Flag.PROVES if after and after.flag is Flag.PROVES else before.flag,
        witness=claim.witness,
        complete=False,
        answer=_ANSWERS[claim.reply],
        trust=claim.trust,
        contradicted=contradicted(before, after),
        course=claim.course,
    )


def contradicted(before: Component, after: Component | None) -> bool:
    """Whether a linked management controller contradicts what the mechanism shows after an attempt.

    It may spell versions otherwise. So only what it reports reliably counts, and only if it still shows the old version
    while the mechanism shows another one than before, or if the two could be compared before and differ now.
    """
    if after is None or not (before.linked and after.linked):
        return False
    was, there = (reliable_text(each.linked.current_version if each.linked else None) for each in (before, after))
    ran, runs = (reliable_text(each.current_version) for each in (before, after))
    if not (there and runs) or _same(there, runs):
        return False
    alike = bool(was and ran and _same(was, ran))
    return alike or (was == there and ran != runs)


def of_remains(body: Mapping[str, Any], after: Component | None, memory: Memory, *, boot_id: str) -> Evidence:
    """The evidence of an attempt whose engine died: its intent, and the component and the mechanism's log of now."""
    announced = body["announced"] if "announced" in body else body.get("pending_version")
    return Evidence(
        boot=_boot(body, boot_id) if memory.by_restart else Boot.SAME,
        moved=moved(body.get("current_version"), announced, after),
        measured=Measured.NOT,
        pending=pending(after),
        flag=after.flag if after else Flag.PROVES_NOTHING,
        witness=memory.witness,
        complete=memory.complete,
        answer=ObservedReply.UNHEARD,
        trust=Trust.FULL,
        course=memory.course,
    )


def moved(old: str | None, announced: str | None, after: Component | None) -> Moved:
    """What became of the running version ``old``; ``announced`` is the pending one. None: not reported reliably.

    An empty ``old`` means that the firmware could have reported a version and reported none. If it reports the
    announced one now, that one has appeared; any other one is astray.
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
    """Whether two texts mean one version: an archive may write 1.9 where the mechanism shows 1.9.0."""
    return compare(Version(announced, dotted(announced)), Version(shown, dotted(shown))) == 0


def pending(after: Component | None) -> Pending:
    """What became of the pending image, from the component as it is now."""
    if after is None:
        return Pending.VANISHED
    if after.flag is Flag.ABSENT:
        return Pending.NO_FLAG
    return {True: Pending.STILL, False: Pending.CLEARED, None: Pending.UNREADABLE}[after.pending]


def _ran(version: Version | None) -> str | None:
    """The version that ran before, in the form that `moved` takes."""
    return reliable_text(version) or (None if version is None or version.reliable else "")


def _boot(body: Mapping[str, Any], boot_id: str) -> Boot:
    then = body.get("boot_id")
    if not (then and boot_id):
        return Boot.NOT_REPORTED
    return Boot.SAME if then == boot_id else Boot.OTHER


_ANSWERS = {reply: ObservedReply(reply.value) for reply in Reply}
