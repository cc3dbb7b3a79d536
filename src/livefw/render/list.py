# SPDX-License-Identifier: Apache-2.0
"""The components of a machine, in a table and in JSON."""

from __future__ import annotations

from livefw.errors import ExitCode, NothingHere, NotInstalled, kind_of
from livefw.render import document
from livefw.render.answer import Answer
from livefw.render.component import cpu_stop, state, version
from livefw.text import printable, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from livefw.activation.inventory.discovery import Inventory
    from livefw.providers.component import Component, Reason


def answer(found: Inventory) -> Answer:
    """What `livefw list` answers; where nothing can be activated live, the document says why."""
    try:
        components = [candidate.component for candidate in found.require().candidates]
    except (NothingHere, NotInstalled) as nothing:
        why = document.error(nothing)
        return Answer(str, lambda: {"components": [], "error": why}, kind_of(nothing).exit_code)
    return Answer(lambda: _text(components), lambda: _document(components, found.notes), ExitCode.DONE)


def _document(components: list[Component], notes: tuple[Reason, ...]) -> dict[str, Any]:
    shown = {"notes": [document.reason(note) for note in notes]} if notes else {}
    return {"components": [document.component(component) for component in components]} | shown


_HEADING = ("NAME", "CURRENT", "PENDING", "STOPS CPUS", "STATE", "COMPONENT")


def _text(components: list[Component]) -> str:
    return table([_HEADING, *map(_row, components)])


def _row(item: Component) -> tuple[str, ...]:
    return (
        printable(item.name) or "-",
        version(item.current_version),
        version(item.pending_version) if item.pending_version else "yes" if item.pending else "-",
        cpu_stop(item).short,
        state(item),
        item.key,
    )
