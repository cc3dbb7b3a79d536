# SPDX-License-Identifier: Apache-2.0
"""Every outcome in the system journal, with a message id that never changes and fields to search by."""

from livefw.activation import systemd
from livefw.activation.actor import Actor
from livefw.activation.journal import Kind
from livefw.activation.ledger import Announcement
from livefw.activation.outcome import Outcome

_PRIORITIES = {
    Outcome.ACTIVATED: 5,
    Outcome.STAGED: 5,
    Outcome.CANCELLED: 5,
    Outcome.REFUSED: 4,
    Outcome.FAILED: 3,
    Outcome.UNKNOWN: 3,
}
"""Levels of syslog(3): notice, warning, error."""


class SystemJournal:
    """Announces outcomes there. Where no journal runs, nothing is announced, and nothing is missing."""

    def __init__(self, actor: Actor, *, path: str = systemd.JOURNAL_SOCKET) -> None:
        self._actor = actor
        self._path = path

    def __call__(self, told: Announcement) -> None:
        """Send one outcome."""
        fields = {
            "MESSAGE_ID": systemd.STAGING_MESSAGE_ID if told.kind is Kind.STAGED else systemd.OUTCOME_MESSAGE_ID,
            "LIVEFW_COMPONENT": told.component,
            "LIVEFW_OUTCOME": told.outcome,
            "LIVEFW_CODE": told.why.code,
            "LIVEFW_FIRMWARE_CODE": told.firmware_code or "",
            "LIVEFW_ACTIVATION": told.receipt.activation,
            "LIVEFW_HEAD": str(told.receipt.head or ""),
            "LIVEFW_ACTOR": str(self._actor),
        }
        message = f"{told.component}: {told.outcome}: {told.why.text}"
        systemd.log(message, priority=_PRIORITIES[told.outcome], fields=fields, path=self._path)
