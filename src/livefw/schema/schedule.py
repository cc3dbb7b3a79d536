# SPDX-License-Identifier: Apache-2.0
"""Documents about activations that are scheduled."""

from typing import TypedDict


class ScheduledComponentDocument(TypedDict):
    """A component, and what was pending for it when the activation was scheduled."""

    key: str
    """Its key."""
    name: str
    """Its name, or empty."""
    current_version: str | None
    """Version that ran."""
    pending_version: str | None
    """Version that was pending, the only one that will be activated."""


class ScheduledActivationDocument(TypedDict):
    """An activation that was scheduled."""

    at: str
    """When: ISO 8601 with its zone."""
    unit: str
    """The timer of systemd; to stop it cancels the activation."""
    components: list[ScheduledComponentDocument]
    """What will be activated."""


class ScheduleDocument(TypedDict):
    """`livefw activate --at`."""

    scheduled: ScheduledActivationDocument
    """What was scheduled."""


class TimerDocument(TypedDict):
    """A timer of systemd for an activation."""

    unit: str
    """Its unit."""
    text: str
    """What it is for, for a person."""
    at: str
    """When it elapses, as systemd shows it."""


class ScheduledDocument(TypedDict):
    """`livefw activate --scheduled`."""

    timers: list[TimerDocument]
    """All timers that have not elapsed."""
