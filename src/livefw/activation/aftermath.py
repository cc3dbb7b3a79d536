# SPDX-License-Identifier: Apache-2.0
"""What earlier attempts since the last boot have left behind.

That is a dead component, a version that may be out of date, or a component list that may be out of order. Each outcome
in the history records it anew. A reboot clears it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from livefw.activation.history.cache import RowSource
from livefw.activation.history.journal import RowKind
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.outcome import Outcome
from livefw.providers.base import Component, Memory, Reason

_IN_DOUBT = Reason(
    "list-in-doubt",
    "{components_are} no longer listed since the last activation: what is listed may be a different component",
)
_LOOKED_AT = 20
"""How many earlier attempts on one component are read."""


class Missing(NamedTuple):
    """Keys that disappeared during an activation, and the position of the mechanism's log at that time.

    A component that is listed under one of the remaining names may be a different one since then.
    """

    keys: tuple[str, ...]
    mark: str


class Aftermath(NamedTuple):
    """The state after the last attempt: missing keys by mechanism, and versions that may be out of date by key."""

    missing: Mapping[str, Missing] = {}
    old: Mapping[str, str] = {}

    def document(self) -> dict[str, Any]:
        """The JSON form for the history; empty if there is nothing to record."""
        missing = {name: {"keys": list(each.keys), "mark": each.mark} for name, each in self.missing.items()}
        return ({"missing": missing} if missing else {}) | ({"old": dict(self.old)} if self.old else {})

    def after(
        self,
        provider: str,
        listed: Iterable[str],
        found: Inventory,
        outcome: Outcome,
        *,
        mark: str,
        old: Component | None,
    ) -> "Aftermath":
        """The state after one more attempt.

        ``listed`` are the mechanism's keys before the attempt, ``found`` is the inventory after it. After a success the
        mechanism has read its list and all versions anew. ``old`` is a component whose version may be out of date.
        """
        success = outcome is Outcome.ACTIVATED
        gone = {key for key in listed if found.find(key) is None}
        if not success and (earlier := self.missing.get(provider)):
            gone |= {key for key in earlier.keys if found.find(key) is None}
        missing = {name: each for name, each in self.missing.items() if name != provider}
        if gone:
            missing[provider] = Missing(tuple(sorted(gone)), mark)
        kept = {key: text for key, text in self.old.items() if not (success and key.startswith(f"{provider}:"))}
        if old and old.current_version:
            kept[old.key] = old.current_version.text
        return Aftermath(missing, kept)


def latest(rows: RowSource | None, boot_id: str) -> Aftermath:
    """The state that the last outcome since the boot recorded; empty if there is none."""
    last = rows.latest(RowKind.OUTCOME) if rows and boot_id else None
    kept = last.body.get("aftermath") if last and last.body.get("boot_id") == boot_id else None
    if not isinstance(kept, dict):
        return Aftermath()
    missing = {
        str(name): Missing(tuple(map(str, each.get("keys", ()))), str(each.get("mark", "")))
        for name, each in kept.get("missing", {}).items()
    }
    return Aftermath(missing, {str(key): str(text) for key, text in kept.get("old", {}).items()})


def in_doubt(held: Aftermath, component: Component, found: Inventory, recall: Callable[[str], Memory]) -> Reason | None:
    """Why a component may not be the one that its name says; None if there is no doubt.

    ``recall`` returns what the mechanism's log contains since a position.
    """
    missing = held.missing.get(component.provider)
    gone = [key for key in missing.keys if found.find(key) is None] if missing else []
    if missing is None or not gone or not component.listed_anew_by or recall(missing.mark).listed_anew:
        return None
    return _IN_DOUBT._replace(hint=component.listed_anew_by).fill(components_are=_several(gone))


def lasting(rows: RowSource, component: Component, boot_id: str) -> Reason | None:
    """The lasting damage that a failure since the boot did to a component; None if there is none."""
    for entry in rows.recent(component.key, RowKind.OUTCOME, limit=_LOOKED_AT) if boot_id else ():
        left = entry.body.get("lasting")
        if entry.body.get("boot_id") == boot_id and isinstance(left, dict):
            since = f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"
            return Reason(str(left.get("code")), f"{left.get('text')} (since {since})", str(left.get("hint")))
    return None


def noted(rows: RowSource, candidate: Candidate, boot_id: str) -> Candidate:
    """The candidate with the result of `lasting` added to the notes of its component."""
    component = candidate.component
    why = lasting(rows, component, boot_id)
    return candidate._replace(component=component._replace(notes=(*component.notes, why))) if why else candidate


def listed(provider: str, found: Inventory) -> list[str]:
    """The keys of all components of one mechanism on this machine.

    None of other hosts: they may be silent, and their mechanisms list them by name.
    """
    return [c.component.key for c in found.candidates if c.component.provider == provider and not c.component.host]


def _several(keys: list[str]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more} {'is' if len(keys) == 1 else 'are'}"
