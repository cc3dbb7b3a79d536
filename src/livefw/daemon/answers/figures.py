# SPDX-License-Identifier: Apache-2.0
"""What the metrics are made of, counted from where it was counted last."""

import json
from collections import Counter
from contextlib import closing
from typing import Any, NamedTuple, Self

from livefw.activation.engine import Host
from livefw.activation.history.journal import HistoryRow, Journal, RowKind
from livefw.activation.inventory import discovery
from livefw.activation.measure.meter import Measurement
from livefw.activation.outcome import Outcome
from livefw.errors import LivefwError


class Figures(NamedTuple):
    """Components that are pending and those that are not, by key; and what the rows of the history after the one with
    the number ``after``, up to ``last``, say: how often each component had each outcome, the longest stop of a CPU in
    the last activation that was measured (seconds), and when it was last activated (Unix time)."""

    pending: tuple[str, ...]
    idle: tuple[str, ...]
    outcomes: tuple[tuple[str, str, int], ...]
    stall_s: dict[str, float]
    success_s: dict[str, float]
    after: int
    last: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From the bytes that `encode` makes."""
        pending, idle, outcomes, *rest = json.loads(data)
        return cls(tuple(pending), tuple(idle), tuple(map(tuple, outcomes)), *rest)

    def encode(self) -> bytes:
        """As bytes, for another process."""
        return json.dumps(self).encode()

    def following(self, before: Self) -> Self:
        """These after others, with what only those tell of single components."""
        stall, success = before.stall_s | self.stall_s, before.success_s | self.success_s
        return self._replace(stall_s=stall, success_s=success)


def figures(host: Host, after: int) -> Figures:
    """Look and count; all rows if the history is another one by now. Errors as for `inventory.take` and `Journal`."""
    found = [candidate.component for candidate in discovery.take_inventory(host.providers).candidates]
    pending = tuple(each.key for each in found if each.pending)
    idle = tuple(each.key for each in found if not each.pending)
    outcomes: Counter[tuple[str, str]] = Counter()
    stall: dict[str, float] = {}
    success: dict[str, float] = {}
    last = 0
    journal = Journal.open_to_read(host.paths.state)
    if journal is not None:
        with closing(journal):
            after = after if after <= journal.head().sequence else 0
            for entry in journal.rows(after=after):
                last = entry.sequence
                if (outcome := _outcome(entry)) is None:
                    continue
                outcomes[entry.component, outcome] += 1
                if entry.body.get("outcome") == Outcome.ACTIVATED:
                    success[entry.component] = entry.time_ns / 1e9
                if (cost := _cost(entry.body)) is not None:
                    stall[entry.component] = cost
    counted = tuple((*labels, count) for labels, count in outcomes.items())
    return Figures(pending, idle, counted, stall, success, after, max(after, last))


def _outcome(entry: HistoryRow) -> str | None:
    outcome = entry.body.get("outcome")
    counts = entry.kind in (RowKind.OUTCOME, RowKind.REFUSAL) and outcome in tuple(Outcome)
    unconfirmed = outcome == Outcome.ACTIVATED and entry.body.get("confirmed") is False
    return f"{outcome}{'-unconfirmed' if unconfirmed else ''}" if counts else None


def _cost(body: dict[str, Any]) -> float | None:
    try:
        return Measurement.from_document(body["cost"]).longest_ns / 1e9 if body.get("cost") else None
    except (KeyError, ValueError, TypeError, LivefwError):
        return None
