# SPDX-License-Identifier: Apache-2.0
"""Events of outcomes, from the rows of the history after a cursor."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from livefw.activation.history.journal import HistoryRow, Journal, RowKind
from livefw.activation.notify.notice import Notice
from livefw.activation.outcome import Outcome
from livefw.activation.policy.notification import NotifyEvent
from livefw.providers.base import Component, Cost

_MOST_ROWS = 1000
"""Rows that are read at once; a history of which more are new is read on the next occasion."""
_MOST_INTENTS = 50
_EVENTS = {
    Outcome.ACTIVATED: NotifyEvent.ACTIVATED,
    Outcome.FAILED: NotifyEvent.FAILED,
    Outcome.UNKNOWN: NotifyEvent.UNKNOWN,
}


def since(journal: Journal, cursor: int) -> tuple[list[Notice], int]:
    """The events of the rows after a sequence, oldest first, and the sequence of the last row that was read.

    Raises:
        TransportError, Damaged: the history cannot be read.
    """
    after = cursor if cursor <= journal.head().sequence else 0  # the history was replaced by an empty one
    rows = [*islice(journal.rows(after=after), _MOST_ROWS)]
    return [*_notices(journal, rows)], rows[-1].sequence if rows else after


def _notices(journal: Journal, rows: list[HistoryRow]) -> Iterator[Notice]:
    for row in rows:
        if row.kind is RowKind.OUTCOME and (event := _event(row)):
            yield _notice(row, event, _intent(journal, row))


def _event(row: HistoryRow) -> NotifyEvent | None:
    outcome = row.body.get("outcome")
    event = next((event for each, event in _EVENTS.items() if each == outcome), None)
    if event is NotifyEvent.ACTIVATED and row.body.get("confirmed") is False:
        return NotifyEvent.UNCONFIRMED
    return event or (NotifyEvent.SETTLED if row.body.get("reconciled") is True else None)


def _intent(journal: Journal, row: HistoryRow) -> HistoryRow | None:
    found = journal.recent(row.component, RowKind.INTENT, limit=_MOST_INTENTS)
    return next((each for each in found if each.activation == row.activation), None)


def _notice(row: HistoryRow, event: NotifyEvent, intent: HistoryRow | None) -> Notice:
    before = intent.body if intent else {}
    component = like(row.component, before)
    outcome = str(row.body.get("outcome"))
    was, runs = before.get("current_version"), row.body.get("current_version")
    versions = (
        f", {was} -> {runs}" if event in (NotifyEvent.ACTIVATED, NotifyEvent.UNCONFIRMED) and was and runs else ""
    )
    actor = before.get("actor") or {}
    return Notice(
        event,
        row.component,
        f"{component.label}: {outcome}{versions}: {row.body.get('text') or row.body.get('code') or ''}",
        component,
        name=component.name,
        current_version=runs,
        pending_version=before.get("pending_version"),
        outcome=outcome,
        code=row.body.get("code"),
        by=actor.get("user"),
        reason=before.get("reason"),
        activation=row.activation,
        head=f"{row.sequence}:{row.hash}",
        settled=row.body.get("reconciled") is True,
    )


def like(key: str, body: Mapping[str, Any]) -> Component:
    """A component of which only the key and what a row says of it are known, for patterns and texts."""
    provider, _, ident = key.partition(":")
    name, host = str(body.get("name") or ""), str(body.get("host") or "")
    return Component(provider, ident, name, None, None, None, Cost(None, None), host=host)
