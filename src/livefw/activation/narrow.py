# SPDX-License-Identifier: Apache-2.0
"""Some components of an inventory, for a list of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from livefw.activation.inventory import hosts
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.select import select_all
from livefw.activation.status import ComponentStatus, of_component
from livefw.errors import NothingToDo
from livefw.providers.base import Component, Provider, is_multi_host


class Narrowing(NamedTuple):
    """What is wanted: words as for `select_all`, a mechanism, a code of `livefw.activation.status_code.StatusCode`, the
    name of a host or of a group of hosts, or a pattern of it, and only what is pending. None and an empty tuple want
    everything."""

    words: tuple[str, ...] = ()
    provider: str | None = None
    state: str | None = None
    host: str | None = None
    pending: bool = False


def hosts_for(wanted: Narrowing, providers: Sequence[Provider]) -> frozenset[str] | None:
    """The hosts that have to be asked for what is wanted; None for all."""
    found = hosts.named(providers, wanted.words) if wanted.words else None
    if wanted.host is not None:
        behind = hosts.matching(providers, wanted.host)
        found = behind if found is None else found & behind
    if wanted.provider is not None:
        of_it = frozenset(
            name for each in providers if each.name == wanted.provider and is_multi_host(each) for name in each.hosts
        )
        found = of_it if found is None else found & of_it
    return found


def narrowed(found: Inventory, wanted: Narrowing, statuses: Mapping[str, ComponentStatus]) -> Inventory:
    """The inventory with the components that are wanted; ``statuses`` are those that differ from `of_component`.

    Raises:
        NothingToDo: there are components, and none of them is wanted.
        NothingHere, NotInstalled: words are given, and there is no component at all.
        NoSuchComponent, AmbiguousComponent, UsageError: a word does not select components.
    """
    with hosts.naming_silent_hosts(found):
        candidates = select_all(wanted.words, found.require().candidates) if wanted.words else list(found.candidates)
    behind = None if wanted.host is None else hosts.matching({each.provider for each in candidates}, wanted.host)
    kept = [each for each in candidates if _is_wanted(each.component, wanted, statuses, behind)]
    if candidates and not kept:
        texts = [f"no component {_asked_for(wanted)}", *hosts.silent_texts(found)]
        from livefw import suggest  # only for errors

        known = {each.component.host for each in found.candidates if each.component.host}
        raise NothingToDo("; ".join(texts), hint=suggest.hint(wanted.host or "", sorted(known), rest="livefw list"))
    return found._replace(candidates=tuple(kept))


def _asked_for(wanted: Narrowing) -> str:
    parts = (
        f"that matches {' or '.join(map(repr, wanted.words))}" if wanted.words else "here",
        "is pending" if wanted.pending else "",
        f"is {wanted.state}" if wanted.state else "",
        f"is behind a BMC {wanted.host!r}" if wanted.host is not None else "",
        f"is one of {wanted.provider}" if wanted.provider else "",
    )
    first, *others = filter(None, parts)
    return f"{first} {' and '.join(others)}"


def _host(component: Component) -> str:
    return component.linked.host if component.linked else component.host


def _is_wanted(
    component: Component,
    wanted: Narrowing,
    statuses: Mapping[str, ComponentStatus],
    behind: frozenset[str] | None,
) -> bool:
    status = statuses.get(component.key) or of_component(component)
    return (
        (not wanted.pending or bool(component.pending))
        and wanted.provider in (None, component.provider)
        and wanted.state in (None, status.code)
        and (behind is None or _host(component) in behind)
    )
