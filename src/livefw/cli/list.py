# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

from livefw.cli import document
from livefw.errors import ExitCode, NothingHere
from livefw.providers.component import Component, Discovery, Rendezvous, Version
from livefw.text import printable, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from livefw.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: Session, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """List the components of every mechanism; 3 if there is none."""
    found = [provider.discover() for provider in session.providers()]
    components = [component for discovery in found for component in discovery.components]
    if not components:
        session.answer(lambda: "", lambda: {"components": [], "error": document.error(nothing_here(found))})
        if not session.json:
            raise nothing_here(found)
        return ExitCode.NOTHING_TO_DO
    session.answer(lambda: _text(components), lambda: _document(components))
    return ExitCode.DONE


def nothing_here(found: list[Discovery]) -> NothingHere:
    """Why there is no component at all."""
    absent = [discovery.absent for discovery in found if discovery.absent]
    reasons = "; ".join(reason.text for reason in absent)
    return NothingHere(f"nothing to activate here: {reasons}", hint=absent[0].hint if absent else "")


def _document(components: list[Component]) -> dict[str, Any]:
    return {"components": [document.component(component) for component in components]}


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


def version(value: Version | None) -> str:
    """A version for a person; with a question mark where the report is not sure."""
    return "-" if value is None else printable(value.text) + ("" if value.sure else "?")


def state(item: Component) -> str:
    """What can be done with it, in a word or two."""
    codes = [reason.code for reason in item.reasons]
    if not codes:
        return "ready"
    return "up to date" if codes == ["not-pending"] else ", ".join(code for code in codes if code != "not-pending")
