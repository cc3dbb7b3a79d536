# SPDX-License-Identifier: Apache-2.0
"""The components of a machine, in a table and in JSON."""

from __future__ import annotations

from livefw.activation.status import ComponentStatus, of_component
from livefw.errors import ExitCode, NothingHere, NotInstalled, kind_of
from livefw.render import document
from livefw.render.answer import Answer
from livefw.render.component import cpu_stop, label, version
from livefw.text import printable, table

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
    except (NothingHere, NotInstalled) as nothing:
        why = document.error(nothing)
        return Answer(str, lambda: {"components": [], "error": why}, kind_of(nothing).exit_code)
    return Answer(lambda: _text(shown), lambda: _document(shown, found.notes), ExitCode.DONE)


def _document(shown: list[tuple[Component, ComponentStatus]], notes: tuple[Reason, ...]) -> dict[str, Any]:
    noted = {"notes": [document.reason(note) for note in notes]} if notes else {}
    return {"components": [document.component(*each) for each in shown]} | noted


_HEADING = ("NAME", "CURRENT", "PENDING", "STOPS CPUS", "STATE", "COMPONENT")


def _text(shown: list[tuple[Component, ComponentStatus]]) -> str:
    return table([_HEADING, *(_row(*each) for each in shown)])


def _row(item: Component, status: ComponentStatus) -> tuple[str, ...]:
    return (
        label(item) if item.name or item.host else "-",
        version(item.current_version),
        version(item.pending_version) if item.pending_version else "yes" if item.pending else "-",
        cpu_stop(item).short,
        printable(status.text),
        item.key,
    )
