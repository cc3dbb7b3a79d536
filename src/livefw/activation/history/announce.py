# SPDX-License-Identifier: Apache-2.0
"""Writes every outcome to the system journal, with a stable message id and fields to search by."""

from livefw import systemd
from livefw.activation.actor import Actor
from livefw.activation.history.rows import RowKind, short_id
from livefw.activation.history.writer import Announcement
from livefw.activation.outcome import Outcome

_MESSAGE_IDS = {RowKind.STAGED: systemd.STAGING_MESSAGE_ID, RowKind.SET_ASIDE: systemd.SET_ASIDE_MESSAGE_ID}
_PRIORITIES: dict[Outcome | None, int] = {
    Outcome.ACTIVATED: 5,
    Outcome.STAGED: 5,
    Outcome.CANCELLED: 5,
    Outcome.REFUSED: 4,
    Outcome.FAILED: 3,
    Outcome.UNKNOWN: 3,
}
"""Levels of syslog(3): notice, warning, error."""


class SystemJournal:
    """Sends outcomes to the system journal. Without a system journal it does nothing."""

    def __init__(self, actor: Actor, *, path: str = systemd.JOURNAL_SOCKET) -> None:
        self._actor = actor
        self._path = path

    def __call__(self, announcement: Announcement) -> None:
        """Send one outcome."""
        fields = {
            "MESSAGE_ID": _MESSAGE_IDS.get(announcement.kind, systemd.OUTCOME_MESSAGE_ID),
            "LIVEFW_COMPONENT": announcement.component,
            "LIVEFW_OUTCOME": announcement.outcome or "",
            "LIVEFW_CODE": announcement.why.code,
            "LIVEFW_FIRMWARE_CODE": announcement.firmware_code or "",
            "LIVEFW_ACTIVATION": announcement.row.activation,
            "LIVEFW_HEAD": str(announcement.row.head or ""),
            "LIVEFW_STATE": announcement.state,
            "LIVEFW_NOT_RECORDED": announcement.row.error,
            "LIVEFW_MISHAPS": " ".join(each.code for each in announcement.mishaps),
            "LIVEFW_ACTOR": str(self._actor),
        }
        message = (
            f"{announcement.component}: {announcement.outcome}: {announcement.why.text}"
            if announcement.outcome
            else announcement.why.text
        )
        message += f"; not recorded: {announcement.row.error}" if announcement.row.error else ""
        message += f"; id {short_id(announcement.row.activation)}" if announcement.row.activation else ""
        systemd.log(message, priority=_PRIORITIES.get(announcement.outcome, 3), fields=fields, path=self._path)
