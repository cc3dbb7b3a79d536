# SPDX-License-Identifier: Apache-2.0
"""Activations of other programs on a watched machine, from the rows of the history."""

import os
from contextlib import closing, suppress
from typing import NamedTuple

from livefw.activation.history.journal import FILE, Journal, RowKind
from livefw.activation.paths import Paths
from livefw.errors import LivefwError
from livefw.files.stamp import Stamp, stamp

_MOST_ROWS = 1000
_MOST_INTENTS = 20


class OtherActivation(NamedTuple):
    """An outcome that another program has recorded: the component, the outcome and why, and who asked for it."""

    component: str
    outcome: str
    text: str
    user: str

    @property
    def sentence(self) -> str:
        """One line for a person."""
        return f"{self.outcome}{f' by {self.user}' if self.user else ''}: {self.text}"


class OtherActivations:
    """Reads the history only if its files have changed since."""

    def __init__(self, paths: Paths) -> None:
        self._state, self._root = paths.state, paths.root
        self._seen: tuple[Stamp, ...] | None = None
        self._after: int | None = None

    def new(self) -> list[OtherActivation]:
        """The outcomes since the last call, oldest first; none at the first call, or if they cannot be read."""
        now = tuple(_stamp(os.path.join(self._state, f"{FILE}{end}")) for end in ("", "-wal"))
        if now == self._seen:
            return []
        self._seen = now
        with suppress(LivefwError, OSError):
            if journal := Journal.open_to_read(self._state, self._root):
                with closing(journal):
                    return self._read(journal)
            self._after = 0
        return []

    def skip(self) -> None:
        """Leave out what was recorded until now: it was this program."""
        self.new()

    def _read(self, journal: Journal) -> list[OtherActivation]:
        head = journal.head().sequence
        after, self._after = self._after, head
        if after is None or not 0 < head - after <= _MOST_ROWS:
            return []
        return [
            OtherActivation(
                row.component,
                str(row.body.get("outcome")),
                str(row.body.get("text") or row.body.get("code") or ""),
                _user(journal, row.component, row.activation),
            )
            for row in journal.rows(after=after)
            if row.kind is RowKind.OUTCOME and journal.is_own(row)
        ]


def _user(journal: Journal, component: str, activation: str) -> str:
    """Who asked for an activation; empty if that is not known."""
    for row in journal.recent(component, RowKind.INTENT, limit=_MOST_INTENTS):
        if row.activation == activation:
            return str((row.body.get("actor") or {}).get("user") or "")
    return ""


def _stamp(path: str) -> Stamp:
    try:
        return stamp(os.stat(path))
    except OSError as error:
        return (error.errno or 0,)
