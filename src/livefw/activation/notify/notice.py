# SPDX-License-Identifier: Apache-2.0
"""One event, and the document of it that an executable in notify.d reads."""

import os
from datetime import UTC, datetime
from typing import Any, NamedTuple

from livefw.activation.policy.notification import NotifyEvent
from livefw.providers.base import Component
from livefw.text import printable

_TEXT_LIMIT = 1000
"""Characters of one text: names and versions are the firmware's, and reasons are those of users."""


class Notice(NamedTuple):
    """An event. ``subject`` is the key of a component or the name of a BMC, ``text`` one line for a person.

    ``by`` and ``reason`` are who asked for an activation and why, ``activation`` and ``head`` its id and its row in the
    history. ``settled``: the outcome was found out afterwards.
    """

    event: NotifyEvent
    subject: str
    text: str
    component: Component | None = None
    name: str = ""
    current_version: str | None = None
    pending_version: str | None = None
    outcome: str | None = None
    code: str | None = None
    by: str | None = None
    reason: str | None = None
    activation: str | None = None
    head: str | None = None
    settled: bool = False

    @property
    def kinds(self) -> frozenset[NotifyEvent]:
        """By what it can be selected."""
        return frozenset({self.event, NotifyEvent.SETTLED} if self.settled else {self.event})

    def document(self, *, id: str, time_s: float, root: str, suppressed: int = 0) -> dict[str, Any]:  # noqa: A002 - the field's name
        """The document. ``suppressed`` are events of this kind that were not sent before it, because of the rate.

        Every text is one printable line: an executable may put it into the header of a mail.
        """
        texts = {
            "key": self.subject if self.component else None,
            "bmc": self.component.host if self.component else self.subject,
            "name": self.name,
            "text": self.text,
            "current_version": self.current_version,
            "pending_version": self.pending_version,
            "outcome": self.outcome,
            "code": self.code,
            "by": self.by,
            "reason": self.reason,
            "activation": self.activation,
            "head": self.head,
        }
        return {
            "schema": "livefw/1",
            "event": self.event,
            "id": id,
            "time": datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds"),
            "host": printable(os.uname().nodename),
            "root": printable(root),
            **{field: _line(text) for field, text in texts.items()},
            "settled": self.settled,
            "suppressed": suppressed,
        }


def _line(text: str | None) -> str | None:
    line = printable(text[:_TEXT_LIMIT]) if text else text
    return line[:_TEXT_LIMIT] if line else None
