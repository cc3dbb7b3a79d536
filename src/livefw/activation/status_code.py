# SPDX-License-Identifier: Apache-2.0
"""The states of a component."""

from enum import StrEnum


class StatusCode(StrEnum):
    """The state of a component."""

    READY = "ready"
    """An image is pending, and no check blocks its activation."""
    HELD = "held"
    """An image is pending, and a check blocks its activation."""
    ACTIVATING = "activating"
    """It is being activated."""
    STAGING = "staging"
    """An image is being staged for it."""
    CANCELLING = "cancelling"
    """An activation of it is being cancelled."""
    UNFINISHED = "unfinished"
    """An earlier activation or staging has no outcome in the history yet."""
    UP_TO_DATE = "up-to-date"
    """No image is pending."""
    NEEDS_RESET = "needs-reset"
    """It cannot be activated live: it takes a reset or a reboot."""
    BLOCKED = "blocked"
    """The mechanism cannot activate it now, for another reason."""
    UNREADABLE = "unreadable"
    """It cannot be read whether an image is pending."""
