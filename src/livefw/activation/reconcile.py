# SPDX-License-Identifier: Apache-2.0
"""What became of an act whose engine died in the middle: found by looking at the machine, never by guessing.

Whoever asks holds the lock, so no write of ours is under way any more: the child that made it would hold it too.
"""

from typing import Any, NamedTuple

from livefw.activation.outcome import Outcome
from livefw.activation.verdict import Moved, Pending, moved, pending, sure
from livefw.providers.base import Component, Memory, Reason, Witness


class Sight(NamedTuple):
    """What is known of an intent without an outcome.

    ``same_boot``: the machine has not been restarted since, for certain. ``complete``: had the request been made and
    ended since, the mechanism's own record would show it.
    """

    same_boot: bool
    pending: Pending
    moved: Moved
    witness: Witness
    complete: bool


class Row(NamedTuple):
    """A line of the table: it applies where every set holds what was seen; an empty set holds anything."""

    outcome: Outcome
    code: str
    text: str
    same_boot: frozenset[bool] = frozenset()
    pending: frozenset[Pending] = frozenset()
    moved: frozenset[Moved] = frozenset()
    witness: frozenset[Witness] = frozenset()
    complete: frozenset[bool] = frozenset()

    def applies(self, seen: Sight) -> bool:
        """Whether this line is about what was seen."""
        sets: tuple[frozenset[Any], ...] = self[3:]
        return all(not allowed or value in allowed for allowed, value in zip(sets, seen, strict=True))


_SAME = frozenset({True})
_UNMOVED = frozenset({Moved.SAME, Moved.STALE, Moved.UNTOLD})

TABLE: tuple[Row, ...] = (
    Row(
        Outcome.UNKNOWN,
        "restarted",
        "the machine has been restarted since, which brings a staged image in as well: nothing here tells them apart",
        same_boot=frozenset({False}),
    ),
    Row(
        Outcome.ACTIVATED,
        "log-tells-success",
        "the kernel log tells of its success",
        same_boot=_SAME,
        witness=frozenset({Witness.SUCCEEDED}),
    ),
    Row(
        Outcome.ACTIVATED,
        "version-arrived",
        "the announced version is running",
        same_boot=_SAME,
        moved=frozenset({Moved.ARRIVED}),
    ),
    Row(
        Outcome.FAILED,
        "log-tells-failure",
        "the kernel log tells of its failure",
        same_boot=_SAME,
        witness=frozenset({Witness.FAILED}),
    ),
    Row(
        Outcome.FAILED,
        "given-up",
        "the kernel gave it up, and the image is still pending",
        same_boot=_SAME,
        pending=frozenset({Pending.STILL}),
        moved=_UNMOVED,
        witness=frozenset({Witness.MAY_GO_ON}),
    ),
    Row(
        Outcome.CANCELLED,
        "not-asked",
        "the image is still pending and the kernel log has no trace of an attempt: it ended before anything was asked",
        same_boot=_SAME,
        pending=frozenset({Pending.STILL}),
        moved=_UNMOVED,
        witness=frozenset({Witness.NONE}),
        complete=frozenset({True}),
    ),
    Row(Outcome.UNKNOWN, "no-evidence", "what the machine shows does not tell whether it was activated"),
)
"""The first row that applies decides; the last one always does."""


def judge(body: dict[str, Any], after: Component | None, memory: Memory, *, boot_id: str) -> tuple[Outcome, Reason]:
    """The outcome of an intent with this body, from the component as it is now and the mechanism's own record."""
    same_boot = bool(boot_id) and body.get("boot_id") == boot_id
    # The intent wrote down versions where they were sure.
    change = moved(body.get("current_version"), body.get("pending_version"), after)
    seen = Sight(same_boot, pending(after), change, memory.witness, memory.complete)
    row = next(row for row in TABLE if row.applies(seen))
    hint = "livefw show, and the kernel log" if row.outcome is Outcome.UNKNOWN else ""
    return row.outcome, Reason(row.code, row.text, hint)


def judge_staging(body: dict[str, Any], after: Component | None) -> tuple[Outcome, Reason]:
    """The outcome of a staging, whose intent has this body, from the component as it is now.

    That nothing is pending proves nothing: a management controller may still be at work on what it was sent.
    """
    announced, before = body.get("version"), body.get("pending_version")
    waiting = sure(after.pending_version if after else None)
    if after and after.pending and announced is not None and announced == waiting != before:
        return Outcome.STAGED, Reason("version-waits", "the version of the image is pending, and was not before")
    if after and after.pending and body.get("pending") is False and (announced is None or waiting is None):
        return Outcome.STAGED, Reason("waits", "an image is pending, and none was before")
    text = "what the component shows does not tell whether the image was staged"
    return Outcome.UNKNOWN, Reason("no-evidence", text, "livefw show, and the mechanism's own log")
