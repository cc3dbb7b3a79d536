# SPDX-License-Identifier: Apache-2.0
"""What earlier attempts of this boot left behind: a component that is dead, versions that may be from before, a list
of components that may be out of order. Kept in the history, in each outcome anew; a restart ends all of it.
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
    "{components_are} not listed any more since the last activation: what is listed may be another component",
)
_LOOKED_AT = 20
"""Attempts on one component that are looked at; nobody tries more often on one that is dead."""


class Missing(NamedTuple):
    """Keys that went missing over an activation, and where the mechanism's log ended then.

    What is listed under one name may be another component since.
    """

    keys: tuple[str, ...]
    mark: str


class Aftermath(NamedTuple):
    """What holds after the last attempt: what is missing, by mechanism, and versions that may be old, by key."""

    missing: Mapping[str, Missing] = {}
    old: Mapping[str, str] = {}

    def document(self) -> dict[str, Any]:
        """As the history keeps it; empty if there is nothing to keep."""
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
        """What holds after one more attempt by a mechanism, which had these keys ``listed`` and has ``found`` now.

        A success has had it read its list and every version anew. ``old`` is a component whose version may be old.
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
    """What holds, by the last outcome of this boot."""
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
    """Why a component may not be the one that it is listed as; ``recall`` is what its mechanism's log tells."""
    missing = held.missing.get(component.provider)
    gone = [key for key in missing.keys if found.find(key) is None] if missing else []
    if missing is None or not gone or not component.listed_anew_by or recall(missing.mark).listed_anew:
        return None
    return _IN_DOUBT._replace(hint=component.listed_anew_by).fill(components_are=_several(gone))


def lasting(rows: RowSource, component: Component, boot_id: str) -> Reason | None:
    """What a failure of this boot left behind on this component; None if nothing did."""
    for entry in rows.recent(component.key, RowKind.OUTCOME, limit=_LOOKED_AT) if boot_id else ():
        left = entry.body.get("lasting")
        if entry.body.get("boot_id") == boot_id and isinstance(left, dict):
            since = f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"
            return Reason(str(left.get("code")), f"{left.get('text')} (since {since})", str(left.get("hint")))
    return None


def noted(rows: RowSource, candidate: Candidate, boot_id: str) -> Candidate:
    """The same, with what `lasting` tells of its component among what there is to know of it."""
    component = candidate.component
    why = lasting(rows, component, boot_id)
    return candidate._replace(component=component._replace(notes=(*component.notes, why))) if why else candidate


def listed(provider: str, found: Inventory) -> list[str]:
    """Keys of all components of one mechanism."""
    return [c.component.key for c in found.candidates if c.component.provider == provider]


def _several(keys: list[str]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more} {'is' if len(keys) == 1 else 'are'}"
