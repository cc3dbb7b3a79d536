# SPDX-License-Identifier: Apache-2.0
"""Settles the intents that an earlier engine left open, from what the machine shows now."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from livefw.activation import row_bodies
from livefw.activation.events import SettledIntent
from livefw.activation.execution.attempt import Context
from livefw.activation.history.journal import ENDINGS, HistoryRow, RowKind
from livefw.activation.history.writer import Announcement
from livefw.activation.inventory import discovery
from livefw.activation.mishaps import NOT_KEPT, Mishaps, error_text
from livefw.activation.outcome import Outcome
from livefw.activation.verdict import evidence, staging
from livefw.activation.verdict.evidence import Boot
from livefw.activation.verdict.judgement import judge
from livefw.providers.base import Provider, Reason, is_multi_host


class _Found(NamedTuple):
    """The outcome of an open intent, and the row that records it."""

    outcome: Outcome
    why: Reason
    body: Callable[[], dict[str, Any]]
    firmware_code: str | None = None


def settle(context: Context) -> Iterator[SettledIntent]:
    """Settle every open intent with the outcome that the machine shows.

    If the machine cannot be read now, the intent stays open; other components are not affected.
    """
    history = context.history
    for entry in history.unfinished():
        name, _, ident = entry.component.partition(":")
        provider = next((p for p in context.host.providers if p.name == name), None)
        if provider is None:
            continue  # an unknown mechanism; another livefw may settle it
        mishaps = Mishaps(entry.component)
        try:
            found = _found_out(context, entry, provider, ident, mishaps)
        except Exception as error:
            yield SettledIntent(entry, None, _NOT_SETTLED.fill(error=error_text(error)))
            continue
        row = history.end(entry.kind, entry.activation, entry.component, found.body, mishaps)
        outcome, why, _, code = found
        why = why.about(entry.component)
        history.tell(Announcement(entry.component, outcome, why, code, row, ENDINGS[entry.kind]), mishaps)
        yield SettledIntent(entry, outcome, why, code, error=row.error, mishaps=mishaps.found)


def _found_out(context: Context, entry: HistoryRow, provider: Provider, ident: str, mishaps: Mishaps) -> _Found:
    """The outcome of an intent. Errors are those of the provider."""
    if entry.kind is RowKind.STAGING:
        after = provider.inspect(ident)
        outcome, why = staging.judge_staging(entry.body, after)
        return _Found(outcome, why, lambda: row_bodies.staging_settled(outcome, why, after))
    remains = context.remains
    memory = provider.recall(ident, str(entry.body.get("mark", "")))
    after = provider.inspect(ident)
    seen = evidence.of_remains(entry.body, after, memory, boot_id=remains.boot_id)
    found = judge(seen, accept=context.accepts(provider, after))
    if seen.boot is Boot.SAME:
        old = after if found.copy and after and after.copied else None
        listed = () if is_multi_host(provider) else entry.body.get("listed", ())
        now = mishaps.spared(NOT_KEPT, lambda: discovery.take_inventory((provider,), hosts=()), None)
        remains.note(provider, listed, now, found.outcome, mishaps, old=old)

    def body() -> dict[str, Any]:
        return row_bodies.settled(found, after, memory, mishaps.found, boot_id=remains.boot_id, held=remains.held)

    return _Found(found.outcome, found.why, body, memory.firmware_code)


_NOT_SETTLED = Reason(
    "not-settled",
    "the result of an earlier request on it cannot be determined now: {error}",
    "the next command tries again; no further request is made for this component until then",
)
