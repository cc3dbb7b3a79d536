# SPDX-License-Identifier: Apache-2.0
"""The components of a machine, in a table and in JSON."""

from __future__ import annotations

from livefw.activation.status import ComponentStatus, of_component
from livefw.errors import ExitCode, NothingHere, NotInstalled, TransportError, kind_of
from livefw.render import columns, document
from livefw.render.answer import Answer
from livefw.render.listing import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from livefw.activation.inventory.discovery import Inventory
    from livefw.providers.component import Component, Reason


def answer(found: Inventory, statuses: Mapping[str, ComponentStatus] | None = None) -> Answer:
    """What `livefw list` answers; where nothing can be activated live, the document says why.

    ``statuses`` are states by key; None if the mechanisms report all that there is to know.
    """
    known = statuses or {}
    try:
        shown = [
            (each.component, known.get(each.component.key) or of_component(each.component))
            for each in found.require().candidates
        ]
    except (NothingHere, NotInstalled, TransportError) as nothing:
        why = document.error(nothing)
        return Answer(str, lambda: {"components": [], "error": why}, kind_of(nothing).exit_code)
    return Answer.of(LISTING, lambda: _document(shown, found.notes), ExitCode.DONE)


def _document(shown: list[tuple[Component, ComponentStatus]], notes: tuple[Reason, ...]) -> dict[str, Any]:
    noted = {"notes": [document.reason(note) for note in notes]} if notes else {}
    return {"components": [document.component(*each) for each in shown]} | noted


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
        columns.ID,
        columns.HOST,
        columns.PROVIDER,
        columns.COMPONENT,
    ),
    name=columns.key_of,
    notes=lambda document: columns.legend(document["components"]),
)
