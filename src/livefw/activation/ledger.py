# SPDX-License-Identifier: Apache-2.0
"""What the engine writes down and tells the world: the journal, and who hears of each outcome."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from livefw.activation.history.damaged import SetAside
from livefw.activation.journal import ENDINGS, Entry, Head, Journal, Kind
from livefw.activation.outcome import Outcome, Result
from livefw.errors import TransportError
from livefw.providers.base import Reason

_DAMAGED = Reason("history-damaged", "{what_is_damaged_and_where_it_is_kept}", "livefw history --verify")


class Receipt(NamedTuple):
    """Where an outcome is written down; ``head`` is None if it is not.

    Then ``trouble`` says why, or the intent is ``open``: whoever takes the machine next finds out what became of it.
    """

    activation: str
    head: Head | None
    trouble: str = ""
    open: bool = False
    set_aside: str = ""
    """What became of a damaged history that was found meanwhile."""


class Announcement(NamedTuple):
    """An outcome, as the world hears of it; ``kind`` is that of its row, ``state`` the directory of its history.

    ``outcome`` is None where it is about the history itself.
    """

    component: str
    outcome: Outcome | None
    why: Reason
    firmware_code: str | None
    receipt: Receipt
    kind: Kind = Kind.OUTCOME
    state: str = ""


class Ledger:
    """One engine's record. ``journal`` is None where none is wanted."""

    def __init__(self, journal: Journal | None, announce: Callable[[Announcement], None]) -> None:
        self.journal = journal
        self._announce = announce
        self._state = os.path.realpath(os.path.dirname(journal.path)) if journal else ""
        self._told: SetAside | None = None
        self._tell_set_aside()

    @property
    def set_aside(self) -> SetAside | None:
        """The damaged history that was set aside meanwhile, if there was one."""
        return self._told

    def close(self) -> None:
        """Release the journal."""
        if self.journal:
            self.journal.close()
            self.journal = None

    def unfinished(self) -> list[Entry]:
        """Intents that an earlier engine left without an outcome."""
        return self.journal.unfinished() if self.journal else []

    def begin(self, kind: Kind, component: str, body: dict[str, Any]) -> str:
        """Write an intent of this kind; the name of the activation. `JournalUnavailable`."""
        return self.journal.begin(component, body, kind=kind) if self.journal else ""

    def end(self, kind: Kind, activation: str, component: str, body: dict[str, Any], *, seen: bool = True) -> Receipt:
        """Write the outcome of an intent of this kind.

        Where nobody has ``seen`` it, the intent stays open, as after the death of an engine: a person who stops
        watching, or whose connection breaks, loses nothing that the machine still tells afterwards.
        """
        if not seen and self.journal:
            return Receipt(activation, None, open=True)
        receipt = self._written(lambda journal: journal.end(activation, component, body, kind=ENDINGS[kind]))
        return receipt._replace(activation=activation)

    def note(self, kind: Kind, component: str, body: dict[str, Any]) -> Receipt:
        """Write a row that stands alone."""
        return self._written(lambda journal: journal.note(kind, component, body))

    def announce(self, kind: Kind, result: Result, receipt: Receipt) -> None:
        """Tell the world."""
        code = result.claim.firmware_code if result.claim else None
        self.tell(Announcement(result.before.key, result.outcome, result.why, code, receipt, kind))

    def tell(self, announcement: Announcement) -> None:
        """As `announce`, where there is no result."""
        self._tell_set_aside()
        self._announce(announcement._replace(state=self._state))

    def _tell_set_aside(self) -> None:
        """Once for each: somebody has to look at it, and it may be what somebody wanted to hide."""
        found = self.journal.set_aside if self.journal else None
        if self.journal is None or found is None or found == self._told:
            return
        self._told = found
        why = _DAMAGED.fill(what_is_damaged_and_where_it_is_kept=found.text)
        receipt = Receipt("", self.journal.head())
        self._announce(Announcement("", None, why, None, receipt, Kind.SET_ASIDE, self._state))

    def _written(self, write: Callable[[Journal], Head]) -> Receipt:
        """Write an outcome. That it cannot be written is told, and changes nothing about what happened."""
        if self.journal is None:
            return Receipt("", None, "not recorded, as was asked")
        try:
            head: Head | None = write(self.journal)
            trouble = ""
        except TransportError as error:
            head, trouble = None, error.message
        self._tell_set_aside()
        return Receipt("", head, trouble, set_aside=self._told.text if self._told else "")
