# SPDX-License-Identifier: Apache-2.0
"""All components of all mechanisms of one machine, read anew each time it is asked for."""

from __future__ import annotations

from livefw.errors import NothingHere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from livefw.providers.base import Component, Provider, Reason
else:
    from livefw.record import NamedTuple


class Candidate(NamedTuple):
    """A component and who looks after it."""

    provider: Provider
    component: Component


class Inventory(NamedTuple):
    """What was found, in the order of the keys: a tree's own order means nothing."""

    candidates: tuple[Candidate, ...]
    absent: tuple[Reason, ...]
    notes: tuple[Reason, ...] = ()
    """What a mechanism has to tell beside its components, such as that a part of it could not be asked."""

    def find(self, key: str) -> Component | None:
        """The component with this key, if it is there."""
        return next((each.component for each in self.candidates if each.component.key == key), None)

    def require(self) -> Inventory:
        """Itself; `NothingHere` if there is no component at all."""
        if not self.candidates:
            reasons = "; ".join(reason.text for reason in self.absent)
            raise NothingHere(f"nothing to activate here: {reasons}", hint=self.absent[0].hint if self.absent else "")
        return self


def take(providers: Sequence[Provider]) -> Inventory:
    """Ask every provider. `livefw.errors.TransportError` as from `Provider.discover`."""
    found = [(provider, provider.discover()) for provider in providers]
    candidates = [Candidate(provider, item) for provider, discovery in found for item in discovery.components]
    candidates.sort(key=lambda candidate: candidate.component.key)
    absent = tuple(discovery.absent for _, discovery in found if discovery.absent)
    return Inventory(tuple(candidates), absent, tuple(note for _, discovery in found for note in discovery.notes))
