# SPDX-License-Identifier: Apache-2.0
"""All components of all mechanisms of one machine, read anew with each call."""

from __future__ import annotations

from livefw.activation.inventory.short_ids import short_ids
from livefw.errors import KINDS, NothingHere, NotInstalled, PermissionDenied, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, NamedTuple

    from livefw.providers.base import Component, Discovery, Provider, Reason, Source
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
    sources: tuple[Source, ...] = ()
    """The hosts other than this machine that were asked, and which of them did not show all they have."""
    narrowed: bool = False
    """Whether there are hosts that were not asked."""

    @property
    def incomplete(self) -> tuple[Source, ...]:
        """The hosts that did not show all they have."""
        return tuple(source for source in self.sources if source.trouble)

    def find(self, key: str) -> Component | None:
        """The component with this key; None if it is not there."""
        return next((each.component for each in self.candidates if each.component.key == key), None)

    def require(self) -> Inventory:
        """Return the inventory itself.

        Raises:
            NothingHere: there is no component.
            NotInstalled: there is no component, and a missing package may be the reason.
            TransportError: there is no component, and a host that did not answer may be the reason.
        """
        if not self.candidates:
            raise nothing_found(self.absent)
        return self


_NOT_SEEN = frozenset({"silent", "unreachable"})
"""Codes of a host that did not answer."""


_OWN_KINDS = {KINDS[kind].name: kind for kind in (NotInstalled, PermissionDenied)}
"""The kinds of errors that have a code of their own, in order of precedence."""


def unseen(reason: Reason) -> NotInstalled | TransportError:
    """The error for a named host that showed nothing, for this reason."""
    kind = _OWN_KINDS.get(reason.code, TransportError)
    return kind(reason.text, hint=reason.hint, phase="discover")


def nothing_found(absent: tuple[Reason, ...]) -> NothingHere | NotInstalled | TransportError:
    """The error for a machine without components, with the reasons."""
    for code in _OWN_KINDS:
        for reason in absent:
            if reason.code == code:
                return unseen(reason)
    reasons = "; ".join(reason.text for reason in absent)
    for reason in absent:
        if reason.code in _NOT_SEEN:
            return TransportError(f"nothing was found to activate: {reasons}", hint=reason.hint, phase="discover")
    return NothingHere(f"nothing to activate here: {reasons}", hint=absent[0].hint if absent else "")


def with_aliases(provider: Provider, component: Component) -> Component:
    """The component with the other spellings of its id, which settings may use."""
    return component._replace(aliases=tuple(provider.aliases(component.id)))


def _named(component: Component, short: str) -> Component:
    """The component with its short id, also in its hints."""
    reasons = tuple([each.about(short) for each in component.reasons])
    # Many components have the same reasons, and keep them together.
    return component._replace(short=short, reasons=component.reasons if reasons == component.reasons else reasons)


def take_inventory(
    providers: Sequence[Provider],
    *,
    hosts: Collection[str] | None = None,
    discover: Callable[[Provider], Discovery] | None = None,
) -> Inventory:
    """Ask every provider for its components. ``discover`` replaces the call of `Provider.discover`.

    ``hosts`` are the names of those to ask besides this machine; None for all.

    Raises:
        TransportError: the files of a mechanism cannot be read.
    """

    def ask(provider: Provider) -> Discovery:
        several: Callable[..., Discovery] = provider.discover
        return provider.discover() if _hosts(provider) is None else several(hosts)

    found = _joined([(provider, (discover or ask)(provider)) for provider in providers])
    candidates = [
        Candidate(provider, with_aliases(provider, item))
        for provider, discovery in found
        for item in discovery.components
    ]
    candidates.sort(key=lambda candidate: candidate.component.key)
    short = short_ids([candidate.component for candidate in candidates])
    candidates = [each._replace(component=_named(each.component, short[each.component.key])) for each in candidates]
    return Inventory(
        tuple(candidates),
        absent=tuple(discovery.absent for _, discovery in found if discovery.absent),
        notes=tuple(note for _, discovery in found for note in discovery.notes),
        sources=tuple(source for _, discovery in found for source in discovery.sources),
        narrowed=hosts is not None and any(set(_hosts(each) or ()) - set(hosts) for each in providers),
    )


def _joined(found: list[tuple[Provider, Discovery]]) -> list[tuple[Provider, Discovery]]:
    """With one component for each link instead of two. As `livefw.providers.base.is_linker`, as in `_hosts`."""
    linkers: list[Any] = [provider for provider, _ in found if hasattr(provider, "linked_hosts")]
    for linker in linkers:
        discoveries = linker.joined([discovery for _, discovery in found])
        found = [(provider, discovery) for (provider, _), discovery in zip(found, discoveries, strict=True)]
    return found


def _with_ways(before: Inventory, after: Inventory) -> Inventory:
    """The later inventory with what was known of the other way of components, where nobody asked now."""
    known = {each.component.key: each.component.linked for each in before.candidates if each.component.linked}
    if not known:
        return after

    def same(each: Candidate) -> Candidate:
        linked, earlier = each.component.linked, known.get(each.component.key)
        old = linked is not None and not linked.asked and earlier is not None and earlier.key == linked.key
        return each._replace(component=each.component._replace(linked=earlier)) if old else each

    return after._replace(candidates=tuple(map(same, after.candidates)))


def _hosts(provider: Provider) -> Sequence[str] | None:
    """As `livefw.providers.base.MultiHost`, whose module takes longer to import than a machine without to list."""
    names: Sequence[str] | None = getattr(provider, "hosts", None)
    return names


def carried(before: Inventory, after: Inventory) -> tuple[Candidate, ...]:
    """What was found before, and is not known to be gone: its host was not asked now, or did not show all it has."""
    listed = {each.component.key for each in after.candidates}
    asked = {source.host: source.trouble for source in after.sources}
    return tuple(
        each
        for each in before.candidates
        if (host := each.component.host)
        and each.component.key not in listed
        and (asked[host] is not None if host in asked else after.narrowed)
    )


def in_sight(before: Inventory, after: Inventory) -> Inventory:
    """The later inventory with what is not known to be gone since the earlier one; nothing of it can be activated."""
    troubles = {source.host: source.trouble for source in after.sources}
    kept = []
    for each in carried(before, after):
        component, why = each.component, troubles.get(each.component.host)
        against = [why] if why and why not in component.reasons else []
        kept.append(each._replace(component=component._replace(reasons=(*against, *component.reasons))))
    return after._replace(candidates=tuple(sorted((*after.candidates, *kept), key=lambda each: each.component.key)))


def look_again(before: Inventory, providers: Sequence[Provider], *, host: str) -> Inventory:
    """The inventory with what is on this machine, and on the host unless it is empty, read anew.

    Raises:
        TransportError: the files of a mechanism cannot be read.
    """
    after = _with_ways(before, take_inventory(providers, hosts=(host,) if host else ()))
    candidates = sorted((*after.candidates, *carried(before, after)), key=lambda each: each.component.key)
    return after._replace(candidates=tuple(candidates), narrowed=before.narrowed)
