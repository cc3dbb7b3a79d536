# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

from livefw.activation.inventory import discovery, old_versions
from livefw.errors import ExitCode, NothingHere, NotInstalled, kind_of
from livefw.providers.component import Component, Reason, Rendezvous
from livefw.render import document
from livefw.render.component import state, version
from livefw.text import printable, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from livefw.cli.invocation.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: Session, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """List the components of every mechanism; 3 if there is none."""
    found = old_versions.marked(discovery.take_inventory(session.providers()), session.root, session.files())
    try:
        components = [candidate.component for candidate in found.require().candidates]
    except (NothingHere, NotInstalled) as nothing:
        if not session.json:
            raise
        why = document.error(nothing)
        session.answer(str, lambda: {"components": [], "error": why})
        return kind_of(nothing).exit_code
    session.answer(lambda: _text(components), lambda: _document(components, found.notes))
    if not session.json:
        for note in found.notes:
            session.say(f"livefw: {printable(note.text)}")
    return ExitCode.DONE


def _document(components: list[Component], notes: tuple[Reason, ...]) -> dict[str, Any]:
    told = {"notes": [document.reason(note) for note in notes]} if notes else {}
    return {"components": [document.component(component) for component in components]} | told


_HEADING = ("NAME", "CURRENT", "PENDING", "STOPS CPUS", "STATE", "COMPONENT")
_CPUS = {Rendezvous.REQUIRED: "all", Rendezvous.FORCED: "all (forced)", Rendezvous.OPTIONAL: "no", None: "?"}


def _text(components: list[Component]) -> str:
    return table([_HEADING, *map(_row, components)])


def _row(item: Component) -> tuple[str, ...]:
    return (
        printable(item.name) or "-",
        version(item.current_version),
        version(item.pending_version) if item.pending_version else "yes" if item.pending else "-",
        _CPUS[item.cost.rendezvous],
        state(item),
        item.key,
    )
