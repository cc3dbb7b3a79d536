# SPDX-License-Identifier: Apache-2.0
"""All components of all mechanisms of one machine, read anew with each call."""

from __future__ import annotations

from livefw.activation.inventory.short_ids import short_ids
from livefw.errors import KINDS, NothingHere, NotInstalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NamedTuple

    from livefw.providers.base import Component, Discovery, Provider, Reason
else:
    from livefw.light_tuple import NamedTuple


class Candidate(NamedTuple):
    """A component and its provider."""

    provider: Provider
    component: Component


class Inventory(NamedTuple):
    """The components found, sorted by key, and why a mechanism has none."""

    candidates: tuple[Candidate, ...]
    absent: tuple[Reason, ...]
    notes: tuple[Reason, ...] = ()
    """Remarks of mechanisms that are not about one component, such as a part that could not be read."""

    def find(self, key: str) -> Component | None:
        """The component with this key; None if it is not there."""
        return next((each.component for each in self.candidates if each.component.key == key), None)

    def require(self) -> Inventory:
        """Return the inventory itself.

        Raises:
            NothingHere: there is no component.
            NotInstalled: there is no component, and a missing package may be the reason.
        """
        if not self.candidates:
            raise nothing_found(self.absent)
        return self


def nothing_found(absent: tuple[Reason, ...]) -> NothingHere | NotInstalled:
    """The error for a machine without components, with the reasons."""
    for reason in absent:
        if reason.code == KINDS[NotInstalled].name:
            return NotInstalled(reason.text, hint=reason.hint)
    reasons = "; ".join(reason.text for reason in absent)
    return NothingHere(f"nothing to activate here: {reasons}", hint=absent[0].hint if absent else "")


def with_aliases(provider: Provider, component: Component) -> Component:
    """The component with the other spellings of its id, which settings may use."""
    return component._replace(aliases=tuple(provider.aliases(component.id)))


def take_inventory(
    providers: Sequence[Provider], *, discover: Callable[[Provider], Discovery] | None = None
) -> Inventory:
    """Ask every provider for its components. ``discover`` replaces the call of `Provider.discover`.

    Raises:
        TransportError: the files of a mechanism cannot be read.
    """
    found = [(provider, discover(provider) if discover else provider.discover()) for provider in providers]
    candidates = [
        Candidate(provider, with_aliases(provider, item))
        for provider, discovery in found
        for item in discovery.components
    ]
    candidates.sort(key=lambda candidate: candidate.component.key)
    short = short_ids([candidate.component for candidate in candidates])
    candidates = [
        each._replace(component=each.component._replace(short=short[each.component.key])) for each in candidates
    ]
    absent = tuple(discovery.absent for _, discovery in found if discovery.absent)
    return Inventory(tuple(candidates), absent, tuple(note for _, discovery in found for note in discovery.notes))
