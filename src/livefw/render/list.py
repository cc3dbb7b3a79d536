# SPDX-License-Identifier: Apache-2.0
"""The components of a machine, in a table and in JSON."""

from __future__ import annotations

from livefw.activation.status import of_component
from livefw.errors import ExitCode, NothingHere, NotInstalled, TransportError, kind_of
from livefw.render import columns, document
from livefw.render.answer import Answer
from livefw.render.listing import Listing
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.status import ComponentStatus
    from livefw.providers.component import Component


def answer(found: Inventory, statuses: Mapping[str, ComponentStatus] | None = None) -> Answer:
    """What `livefw list` answers; where nothing can be activated live, the document says why.

    ``statuses`` are states by key; None if the mechanisms report all that there is to know.
    """
    known = statuses or {}
    try:
        shown = [each.component for each in found.require().candidates]
    except (NothingHere, NotInstalled, TransportError) as nothing:
        why = document.error(nothing)
        return Answer(str, lambda: {"components": [], "error": why}, kind_of(nothing).exit_code)
    return Answer.of(LISTING, lambda: _document(shown, known, found), ExitCode.DONE)


def _document(shown: list[Component], known: Mapping[str, ComponentStatus], found: Inventory) -> dict[str, Any]:
    behind = {component.host for component in shown}
    able = [
        {"host": each.host, "ability": each.ability} for each in found.sources if each.ability and each.host in behind
    ]
    noted = {"notes": [document.reason(note) for note in found.notes]} if found.notes else {}
    listed = {"bmcs": able} if able else {}
    stated = ((each, known.get(each.key) or of_component(each)) for each in shown)
    return {"components": document.components(stated)} | listed | noted


def _notes(found: dict[str, Any]) -> list[str]:
    """What is not obvious in the columns, and what BMCs can do: a line for all that can do the same."""
    lines = columns.legend(found["components"])
    alike: dict[str, list[str]] = {}
    for each in found.get("bmcs", ()):
        alike.setdefault(each["ability"], []).append(each["host"])
    return [*lines, *(f"BMC {_some(names)}: {printable(text)}" for text, names in alike.items())]


def _some(names: list[str]) -> str:
    shown = ", ".join(map(printable, names[:_MOST_NAMES]))
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown


_MOST_NAMES = 3


LISTING = Listing(
    field="components",
    item="component",
    columns=(
        columns.NAME,
        columns.CURRENT,
        columns.PENDING,
        columns.STOPS_CPUS,
        columns.AGE,
        columns.STATE,
        columns.LINKED,
        columns.ID,
        columns.HOST,
        columns.PROVIDER,
        columns.COMPONENT,
    ),
    name=columns.key_of,
    notes=_notes,
)
