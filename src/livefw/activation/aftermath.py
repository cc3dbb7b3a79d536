# SPDX-License-Identifier: Apache-2.0
"""What earlier attempts of this boot left behind: a version that may be a copy, a component that is dead, a list of
components that may be out of order. Read from the history; a restart ends all of it.
"""

from datetime import datetime
from typing import Any

from livefw.activation.evidence import sure
from livefw.activation.inventory import Inventory
from livefw.activation.journal import Entry, Kind
from livefw.activation.outcome import Outcome
from livefw.activation.recollection import Rows
from livefw.providers.base import Component, Reason

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
