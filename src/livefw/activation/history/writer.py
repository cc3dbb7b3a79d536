# SPDX-License-Identifier: Apache-2.0
"""What an engine writes to the history and announces."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from livefw.activation.history.damaged import SetAside
from livefw.activation.history.journal import ENDINGS, Head, HistoryRow, Journal, RowKind
from livefw.activation.history.rows import new_id
from livefw.activation.mishaps import NOT_ANNOUNCED, Mishaps, error_text
from livefw.activation.outcome import Outcome, Result
from livefw.providers.base import Reason

Body = Callable[[], dict[str, Any]]
"""Makes the fields of a row."""

_DAMAGED = Reason("history-damaged", "{what_is_damaged_and_where_it_is_kept}", "livefw history --verify")


class RowStatus(NamedTuple):
    """Where an outcome is recorded; ``head`` is None if it is not.

    Then ``error`` says why, or the intent is still ``open``, and the next engine that takes the lock settles it.
    """

    activation: str
    head: Head | None
    error: str = ""
    open: bool = False
    set_aside: str = ""
    """The damaged history that was found meanwhile, for a person."""


class Announcement(NamedTuple):
    """An outcome, as it is announced; ``kind`` is that of its row, ``state`` the directory of its history.

    ``outcome`` is None if it is about the history itself.
    """

    component: str
    outcome: Outcome | None
    why: Reason
    firmware_code: str | None
    row: RowStatus
    kind: RowKind = RowKind.OUTCOME
    state: str = ""
    mishaps: tuple[Reason, ...] = ()


class HistoryWriter:
    """The history of one engine. ``journal`` is None if none is wanted.

    `begin` raises errors, because nothing was asked yet; later methods report them in their result.
    """

    def __init__(self, journal: Journal | None, announce: Callable[[Announcement], None]) -> None:
        self.journal = journal
        self._announce = announce
        self._state = os.path.realpath(os.path.dirname(journal.path)) if journal else ""
        self._told: SetAside | None = None
        self._tell_set_aside()

    @property
    def set_aside(self) -> SetAside | None:
        """The damaged history that was set aside meanwhile; None if there was none."""
        return self._told

    def close(self) -> None:
        """Close the journal."""
        if self.journal:
            with suppress(Exception, KeyboardInterrupt):  # the outcome is recorded already, and must not be lost
                self.journal.close()
            self.journal = None

    def unfinished(self) -> list[HistoryRow]:
        """Intents that an earlier engine left without an outcome."""
        return self.journal.unfinished() if self.journal else []

    def begin(self, kind: RowKind, component: str, body: dict[str, Any]) -> str:
        """Write an intent of this kind; returns the id of the activation.

        Raises:
            JournalUnavailable: the row cannot be written.
        """
        return self.journal.begin(component, body, kind=kind) if self.journal else ""

    def end(
        self, kind: RowKind, activation: str, component: str, body: Body, mishaps: Mishaps, *, seen: bool = True
    ) -> RowStatus:
        """Write the outcome of an intent of this kind.

        If nobody has ``seen`` it, the intent stays open, as after the death of an engine, and the next engine settles
        it.
        """
        if not seen and self.journal:
            return RowStatus(activation, None, open=True)
        ending = ENDINGS[kind]
        row = self._written(lambda journal: journal.end(activation, component, body(), kind=ending), mishaps)
        return row._replace(activation=activation)

    def note(self, kind: RowKind, component: str, body: Body, mishaps: Mishaps) -> RowStatus:
        """Write a row that stands alone."""
        activation = new_id()
        row = self._written(lambda journal: journal.note(kind, component, body(), activation=activation), mishaps)
        return row._replace(activation=activation if row.head else "")

    def announce(self, kind: RowKind, result: Result, row: RowStatus, mishaps: Mishaps) -> None:
        """Announce a result."""
        code = result.claim.firmware_code if result.claim else None
        self.tell(Announcement(result.before.key, result.outcome, result.why, code, row, kind), mishaps)

    def tell(self, announcement: Announcement, mishaps: Mishaps) -> None:
        """Announce something that has no result."""
        mishaps.spared(NOT_ANNOUNCED, self._tell_set_aside, None)
        whole = announcement._replace(state=self._state, mishaps=mishaps.found)
        mishaps.spared(NOT_ANNOUNCED, lambda: self._announce(whole), None)

    def _tell_set_aside(self) -> None:
        """Announce a damaged history once: an administrator has to examine it, and it may be an attack."""
        found = self.journal.set_aside if self.journal else None
        if self.journal is None or found is None or found == self._told:
            return
        self._told = found
        why = _DAMAGED.fill(what_is_damaged_and_where_it_is_kept=found.text)
        row = RowStatus("", self.journal.head())
        self._announce(Announcement("", None, why, None, row, RowKind.SET_ASIDE, self._state))

    def _written(self, write: Callable[[Journal], Head], mishaps: Mishaps) -> RowStatus:
        """Write an outcome. An error is reported in the status, and does not change the outcome."""
        if self.journal is None:
            return RowStatus("", None, "not recorded, as was asked")
        head: Head | None = None
        text = ""
        try:
            head = write(self.journal)
        except (Exception, KeyboardInterrupt) as error:
            mishaps.heed(error)
            text = error_text(error)
        mishaps.spared(NOT_ANNOUNCED, self._tell_set_aside, None)
        return RowStatus("", head, text, set_aside=self._told.text if self._told else "")
