# SPDX-License-Identifier: Apache-2.0
"""What earlier attempts of this boot left behind: a version that may be a copy, a component that is dead, a list of
components that may be out of order. Read from the history; a restart ends all of it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from livefw.activation.evidence import sure
from livefw.activation.inventory import Inventory
from livefw.activation.journal import Entry, Kind
from livefw.activation.outcome import Outcome
from livefw.activation.recollection import Rows
from livefw.providers.base import Component, Memory, Reason

_LOOKED_AT = 20
"""Attempts of one boot that are looked at; nobody tries more often on a component that is dead."""


def lasting(rows: Rows, component: Component, boot_id: str) -> Reason | None:
    """What a failure of this boot left behind on this component; None if nothing did."""
    for entry in _of_this_boot(rows, component.key, boot_id):
        left = entry.body.get("lasting")
        if isinstance(left, dict):
            return Reason(str(left.get("code")), f"{left.get('text')} (since {_when(entry)})", str(left.get("hint")))
    return None


def copied(rows: Rows, component: Component, found: Inventory, boot_id: str) -> Reason | None:
    """Why the version that is shown may be one from before; None once somebody has looked anew.

    The mechanism looks anew after each success, of whichever of its components.
    """
    last = next(iter(_of_this_boot(rows, component.key, boot_id)), None)
    if last is None or not last.body.get("copy") or last.body.get("current_version") != sure(component.current_version):
        return None
    for other in (each.component for each in found.candidates):
        if other.provider == component.provider and other.key != component.key:
            later = rows.recent(other.key, Kind.OUTCOME, limit=1)
            if later and later[0].sequence > last.sequence and later[0].body.get("outcome") == Outcome.ACTIVATED:
                return None
    text = f"the version shown may be a copy from before the attempt of {_when(last)}, which ended {_ended(last.body)}"
    return Reason("version-may-be-old", text, "a restart shows what runs")


def mark_copies(rows: Rows | None, found: Inventory, boot_id: str) -> Inventory:
    """The inventory with every version marked as unsure, and noted, that may be one from before."""
    if rows is None or not boot_id:
        return found
    marked = []
    for candidate in found.candidates:
        component = candidate.component
        version = component.current_version
        why = copied(rows, component, found, boot_id) if component.copied and version else None
        if why and version:
            unsure = version._replace(sure=False)
            component = component._replace(current_version=unsure, notes=(*component.notes, why))
        marked.append(candidate._replace(component=component))
    return found._replace(candidates=tuple(marked))


class Doubt(NamedTuple):
    """Why the list of a mechanism's components may be out of order: keys that went missing over an activation.

    What is listed under one name may then be another component. ``mark`` is where the mechanism's log ended.
    """

    gone: tuple[str, ...]
    mark: str

    def document(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {"gone": list(self.gone), "mark": self.mark}


Doubts = Mapping[str, Doubt]
"""By mechanism. Every outcome is written with those that hold after it, so that the last one tells them all."""


def doubts(rows: Rows | None, boot_id: str) -> Doubts:
    """Those that hold, by the last outcome of this boot."""
    last = rows.latest(Kind.OUTCOME) if rows and boot_id else None
    if last is None or last.body.get("boot_id") != boot_id or not isinstance(last.body.get("doubts"), dict):
        return {}
    kept = last.body["doubts"].items()
    return {name: Doubt(tuple(map(str, each.get("gone", ()))), str(each.get("mark", ""))) for name, each in kept}


def doubts_after(
    held: Doubts, provider: str, listed: Iterable[str], after: Inventory, *, mark: str, success: bool
) -> Doubts:
    """Those that hold after an activation by one mechanism, which had these keys listed before.

    A success has had it list its components anew.
    """
    gone = {key for key in listed if after.find(key) is None}
    if not success and (earlier := held.get(provider)):
        gone |= {key for key in earlier.gone if after.find(key) is None}
    rest = {name: doubt for name, doubt in held.items() if name != provider}
    return rest | {provider: Doubt(tuple(sorted(gone)), mark)} if gone else rest


def doubtful(held: Doubts, component: Component, found: Inventory, recall: Callable[[str], Memory]) -> Reason | None:
    """Why a component may not be the one that it is listed as; ``recall`` is what its mechanism's log tells."""
    doubt = held.get(component.provider)
    gone = [key for key in doubt.gone if found.find(key) is None] if doubt else []
    if doubt is None or not gone or not component.listed_anew_by or recall(doubt.mark).listed_anew:
        return None
    text = f"{_several(gone)} not listed any more since the last activation: what is listed may be another component"
    return Reason("list-in-doubt", text, component.listed_anew_by)


def listed(provider: str, found: Inventory) -> list[str]:
    """Keys of all components of one mechanism."""
    return [c.component.key for c in found.candidates if c.component.provider == provider]


def _several(keys: list[str]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more} {'is' if len(keys) == 1 else 'are'}"


def _of_this_boot(rows: Rows, key: str, boot_id: str) -> list[Entry]:
    """Attempts of this boot, the newest first."""
    if not boot_id:
        return []
    endings = rows.recent(key, Kind.OUTCOME, limit=_LOOKED_AT)
    return [entry for entry in endings if entry.body.get("boot_id") == boot_id]


def _when(entry: Entry) -> str:
    return f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"


def _ended(body: dict[str, Any]) -> str:
    return str(body.get("outcome"))
