# SPDX-License-Identifier: Apache-2.0
"""Documents about events: what an executable in notify.d reads, and what ``livefw notify`` prints."""

from typing import TypedDict

from livefw.activation.outcome import Outcome
from livefw.activation.policy.notification import NotifyEvent


class EventDocument(TypedDict):
    """What an executable in notify.d reads from standard input. Every text is one printable line."""

    event: NotifyEvent
    """What happened."""
    id: str
    """Id of the event; an event that comes twice has the same."""
    time: str
    """When it was found: ISO 8601 in UTC."""
    host: str
    """Name of the host that livefw runs on."""
    root: str
    """Root of the files of the machine; `/` for the host itself."""
    key: str | None
    """Key of the component; null if it is about none."""
    bmc: str | None
    """Name of the management controller in the settings; null if it is about none."""
    name: str | None
    """Name of the component or of the management controller, if it has one."""
    text: str
    """What happened, for a person."""
    current_version: str | None
    """Version that runs, if it is known."""
    pending_version: str | None
    """Version of the pending image, or of the image that was to be activated, if it is known."""
    outcome: Outcome | None
    """How an activation ended."""
    code: str | None
    """Code of the reason, for `livefw explain`."""
    by: str | None
    """User who asked for the activation."""
    reason: str | None
    """Why, as that user said."""
    activation: str | None
    """Id of the activation in the history."""
    head: str | None
    """Its row in the history: SEQUENCE:HASH."""
    settled: bool
    """Whether the outcome was found out after the program that asked for it had ended."""
    suppressed: int
    """Number of events of this kind before it that were not sent because of the rate."""


class NotifyHookDocument(TypedDict):
    """An executable in notify.d."""

    name: str
    """Its name."""
    path: str
    """Its path."""
    problem: str | None
    """Why it is not run; null if it is."""
    events: list[NotifyEvent]
    """Events that it gets."""
    components: list[str]
    """Patterns of the components whose events it gets."""
    waiting: int
    """Number of events that wait for it."""
    taken: int
    """Number of events that it has taken."""
    given_up: int
    """Number of events that it has not taken, and that were given up."""
    last_taken: str | None
    """When it last took one: ISO 8601 in UTC."""
    last_failed: str | None
    """When it last failed."""
    last_error: str | None
    """Why it last failed."""
    next_try: str | None
    """When it is tried again, if it failed."""


class NotifyDocument(TypedDict):
    """`livefw notify`."""

    directory: str | None
    """Path of notify.d; null if there are no settings here."""
    hooks: list[NotifyHookDocument]
    """All files in it."""
    absent: list[str]
    """Names in the settings without a file."""
    suppressed: dict[str, int]
    """Events that the rate has stopped since the last that was sent, by kind."""


class NotifyTriedDocument(TypedDict):
    """How an executable took the test event."""

    name: str
    """Its name."""
    error: str | None
    """Why it did not take it; null if it did."""
    output: list[str]
    """Lines that it printed."""


class NotifyTestDocument(TypedDict):
    """`livefw notify --test`."""

    tested: list[NotifyTriedDocument]
    """All that were tried."""
