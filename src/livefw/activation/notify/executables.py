# SPDX-License-Identifier: Apache-2.0
"""The executables that get events."""

from livefw.activation.hooks import directory
from livefw.activation.hooks.directory import Hook

DIRECTORY = "notify.d"


def executables(settings: str) -> tuple[Hook, ...]:
    """The executables in a settings directory that get events, sorted by name; none if it has no notify.d."""
    return directory.find(settings, DIRECTORY)
