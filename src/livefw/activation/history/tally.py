# SPDX-License-Identifier: Apache-2.0
"""Counts the outcomes of a history, those of rows that were archived included.

An archive takes rows out of the file. The row about it (kind ``archived``) holds what was counted until then, so that a
count never falls.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

from livefw.activation.history.rows import ROWS, HistoryRow, RowKind, history_row
from livefw.activation.outcome import Outcome

BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the stalls that are counted together: from what nobody notices to what a watchdog does."""
UNCONFIRMED = "activated-unconfirmed"
"""The label of a success that nothing confirms but the mechanism's own reply."""
_MOST = 256
"""Components in the row about an archive at most: the most recent ones. A row has 64 KiB."""
_KINDS = (RowKind.OUTCOME, RowKind.REFUSAL)


class Stalls(NamedTuple):
    """The longest stops of a CPU in the measured activations: how many are in each bucket and above all, and their
    sum in seconds."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    sum_s: float = 0.0

    def plus(self, other: Self) -> Self:
        """Both together."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return self._replace(counts=counts, sum_s=self.sum_s + other.sum_s)

    @classmethod
    def of(cls, seconds: float) -> Self:
        """One of them."""
        place = bisect_left(BUCKETS_S, seconds)
        return cls(tuple(int(index == place) for index in range(len(BUCKETS_S) + 1)), seconds)


class Tally(NamedTuple):
    """How often each component had each outcome, and the stalls by mechanism."""

    outcomes: Mapping[tuple[str, str], int]
    stalls: Mapping[str, Stalls]

    def document(self) -> dict[str, Any]:
        """For the row about an archive."""
        names = list(dict.fromkeys(component for component, _ in self.outcomes))[-_MOST:]
        counted = {name: {} for name in names}  # type: dict[str, dict[str, int]]
        for (component, outcome), count in self.outcomes.items():
            if component in counted:
                counted[component][outcome] = count
        return {"outcomes": counted, "stalls": {name: [*each.counts, each.sum_s] for name, each in self.stalls.items()}}

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read what `document` made; nothing is counted of a row that has something else."""
        try:
            outcomes = {
                (str(name), str(outcome)): int(count)
                for name, counted in document["outcomes"].items()  # type: ignore[index]  # errors are caught
                for outcome, count in counted.items()
            }
            stalls = {
                str(name): Stalls(tuple(map(int, counts)), float(total))
                for name, (*counts, total) in document["stalls"].items()  # type: ignore[index]
            }
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return cls({}, {})
        whole = all(len(each.counts) == len(BUCKETS_S) + 1 and each.sum_s >= 0 for each in stalls.values())
        return cls(outcomes, stalls if whole else {})

    def plus(self, rows: Iterable[HistoryRow]) -> Self:
        """With some rows more."""
        outcomes, stalls = dict(self.outcomes), dict(self.stalls)
        for row in rows:
            if outcome := outcome_label(row):
                # The components that had an outcome last are the last ones.
                outcomes[row.component, outcome] = outcomes.pop((row.component, outcome), 0) + 1
            if (seconds := stall_s(row)) is not None:
                mechanism = row.component.partition(":")[0]
                stalls[mechanism] = stalls.get(mechanism, Stalls()).plus(Stalls.of(seconds))
        return self._replace(outcomes=outcomes, stalls=stalls)


def every_row(_: HistoryRow) -> bool:
    """Every row is to be counted."""
    return True


def tally(
    connection: sqlite3.Connection,
    *,
    base: int,
    last: int | None = None,
    is_own: Callable[[HistoryRow], bool] = every_row,
) -> Tally:
    """Count the rows after the archived ones (``base``), up to one, and what the archives had. `sqlite3.Error`.

    Only rows that ``is_own`` selects count. What one machine archived tells nothing of another that shares the
    directory, whose counts begin anew then.
    """
    query = f"{ROWS} WHERE kind = ? AND sequence > ? ORDER BY sequence DESC LIMIT 1"
    # Its archive may have been followed by a damaged file: then nobody knows what was counted before.
    archived = connection.execute(query, (RowKind.ARCHIVED, base)).fetchone() if base else None
    row = history_row(archived) if archived else None
    before = Tally.from_document(row.body.get("totals") if row and is_own(row) else None)
    query = f"{ROWS} WHERE kind IN (?, ?) AND sequence > ? AND sequence <= ? ORDER BY sequence"
    rows = connection.execute(query, (*_KINDS, base, 2**63 - 1 if last is None else last))
    return before.plus(filter(is_own, map(history_row, rows)))


def outcome_label(row: HistoryRow) -> str:
    """The outcome of a row, for a label; empty if it has none that counts."""
    outcome = row.body.get("outcome")
    if row.kind not in _KINDS or outcome not in tuple(Outcome):
        return ""
    return UNCONFIRMED if outcome == Outcome.ACTIVATED and row.body.get("confirmed") is False else str(outcome)


def stall_s(row: HistoryRow) -> float | None:
    """The longest stop of a CPU in an activation, in seconds; None if it was not measured."""
    cost = row.body.get("cost")
    try:
        return max((int(each["longest_ns"]) for each in cost["rows"]), default=0) / 1e9 if cost else None
    except (KeyError, TypeError, ValueError):
        return None
