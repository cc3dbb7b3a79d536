# SPDX-License-Identifier: Apache-2.0
"""What needs a person: activations without a known end, failures whose image is still pending, silent controllers,
and settings that match nothing.

Each kind has one sentence and one command that shows more. For those who show a machine as a whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from livefw.activation.history.cache import RowSource
from livefw.activation.history.rows import HistoryRow, RowKind
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.inventory.versions import reliable_text
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.outcome import Outcome
from livefw.providers.base import Component


class AttentionKind(StrEnum):
    """Why a person is needed, the most urgent first."""

    UNKNOWN = "unknown"
    UNFINISHED = "unfinished"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    UNREACHABLE = "unreachable"
    SETTINGS = "settings"


class Attention(NamedTuple):
    """One matter. ``component`` is None if it is about the machine; ``since`` is None if that is not known."""

    kind: AttentionKind
    text: str
    command: str
    component: Component | None = None
    since: datetime | None = None


_TEXTS = {
    AttentionKind.UNKNOWN: "the outcome of the last activation is unknown",
    AttentionKind.UNFINISHED: "an activation has no outcome yet; the next activation finds out what became of it",
    AttentionKind.FAILED: "the last activation failed, and the image is still pending",
    AttentionKind.UNCONFIRMED: "the last activation was reported as successful, and nothing confirms it",
}


def find(
    found: Inventory,
    *,
    rows: RowSource | None,
    unfinished: Sequence[HistoryRow] = (),
    holder: LockHolder | None = None,
    unmatched: Iterable[UnmatchedPattern] = (),
) -> tuple[Attention, ...]:
    """Everything of an inventory that needs a person, the most urgent first.

    ``rows`` is the history, None if there is none or it cannot be read. While somebody holds the lock, the intent of
    the component that is at work is not unfinished.
    """
    matters = [
        *_unfinished(found, unfinished, holder),
        *(_of_last_outcome(found, rows) if rows else ()),
        *(
            Attention(AttentionKind.UNREACHABLE, note.text, "livefw doctor")
            for note in found.notes
            if note.code == AttentionKind.UNREACHABLE
        ),
        *(Attention(AttentionKind.SETTINGS, str(each), "livefw policy") for each in unmatched),
    ]
    urgency = list(AttentionKind)
    return tuple(sorted(matters, key=lambda each: urgency.index(each.kind)))


def _unfinished(found: Inventory, intents: Iterable[HistoryRow], holder: LockHolder | None) -> Iterator[Attention]:
    for intent in intents:
        if holder and holder.component in ("", intent.component):
            continue
        component = found.find(intent.component)
        text = _TEXTS[AttentionKind.UNFINISHED] if component else f"{intent.component}: not here any more, unfinished"
        yield _about(AttentionKind.UNFINISHED, intent, component, text)


def _of_last_outcome(found: Inventory, rows: RowSource) -> Iterator[Attention]:
    for candidate in found.candidates:
        component = candidate.component
        last = next(iter(rows.recent(component.key, RowKind.OUTCOME, limit=1)), None)
        if last and (kind := _kind_of(last, component)):
            yield _about(kind, last, component, _TEXTS[kind])


def _kind_of(last: HistoryRow, component: Component) -> AttentionKind | None:
    """What the last outcome leaves to a person; None if nothing, or if what it was about is over."""
    if _is_over(last, component):
        return None
    match last.body.get("outcome"):
        case Outcome.UNKNOWN:
            return AttentionKind.UNKNOWN
        case Outcome.FAILED if component.pending:
            return AttentionKind.FAILED
        case Outcome.ACTIVATED if last.body.get("confirmed") is False:
            return AttentionKind.UNCONFIRMED
    return None


def _is_over(last: HistoryRow, component: Component) -> bool:
    """Whether another version runs now than the one that the row saw at its end: then something came after it."""
    then, now = last.body.get("current_version"), reliable_text(component.current_version)
    return then is not None and now is not None and then != now


def _about(kind: AttentionKind, row: HistoryRow, component: Component | None, text: str) -> Attention:
    command = f"livefw history {component.key}" if component else "livefw history"
    return Attention(kind, text, command, component, datetime.fromtimestamp(row.time_ns / 1e9, UTC))
