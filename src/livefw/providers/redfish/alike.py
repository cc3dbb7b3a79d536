# SPDX-License-Identifier: Apache-2.0
"""What many BMCs show alike, kept once: a thousand of one model have one inventory, but for the ids."""

from typing import TypeVar

from livefw.providers.component import Component
from livefw.providers.redfish.resources import Seen

T = TypeVar("T")


class Alike:
    """What the BMCs of one look have shown so far. Of use for as long as the look takes: later ones show other things.

    Several threads may use it: two of them may keep the same value twice, and that is all.
    """

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}

    def component(self, found: Component) -> Component:
        """The same, with what others have as well."""
        return found._replace(
            current_version=self._one(found.current_version),
            pending_version=self._one(found.pending_version),
            cost=self._one(found.cost),
            reasons=self._one(found.reasons),
            notes=self._one(found.notes),
            details=self._one(found.details),
        )

    def seen(self, found: Seen) -> Seen:
        """The same, with what others have as well."""
        return found._replace(images=self._one(tuple(map(self._one, found.images))))

    def _one(self, value: T) -> T:
        kept: T = self._kept.setdefault((type(value), value), value)  # type: ignore[assignment]
        return kept
