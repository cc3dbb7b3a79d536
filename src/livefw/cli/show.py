# SPDX-License-Identifier: Apache-2.0
"""``livefw show``."""

import argparse
from collections.abc import Iterator
from typing import Any

from livefw.activation import inventory
from livefw.activation.select import select
from livefw.cli import document
from livefw.cli.list import state, version
from livefw.cli.session import Session
from livefw.errors import ExitCode
from livefw.providers import ocp
from livefw.providers.base import Component, Reason
from livefw.providers.declaration import Declaration, declaration
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components."""
    parser.add_argument(
        "components", nargs="+", metavar="COMPONENT", help="key, id or a unique beginning of one, or name"
    )


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show each component in full."""
    candidates = inventory.take(session.providers()).require().candidates
    chosen = [select(word, candidates).component for word in arguments.components]
    session.answer(
        lambda: "\n\n".join("\n".join(_lines(item)) for item in chosen),
        lambda: {"components": [_document(item) for item in chosen]},
    )
    return ExitCode.DONE


def _document(item: Component) -> dict[str, Any]:
    shown = document.component(item, details=True)
    if declared := declaration(item.provider):
        shown["mechanism"] = dict(declared.concepts())
        shown["ocp"] = {
            "scope": declared.scope,
            "roles": dict(ocp.roles(declared)),
            "steps": dict(ocp.steps(declared)),
            "requirements": [
                {"id": row.ident, "text": row.text, "source": row.source, "met": answer.met, "by": answer.by}
                for row, answer in ocp.answers(declared)
            ],
        }
    return shown


def _lines(item: Component) -> Iterator[str]:
    yield printable(item.name) or item.id
    pending = "unreadable" if item.pending is None else "yes" if item.pending else "no"
    resets = "unknown" if item.cost.resets_cpu is None else "yes" if item.cost.resets_cpu else "no"
    yield from _aligned(
        ("component", item.key),
        ("state", state(item)),
        ("current version", version(item.current_version)),
        ("image pending", pending),
        ("pending version", version(item.pending_version)),
        ("CPU rendezvous", item.cost.rendezvous or "unknown"),
        ("resets CPUs", resets),
        *((name, "on" if value else "off") for name, value in item.settings),
    )
    for title, reasons in (("cannot be activated now", item.reasons), ("to know", item.notes)):
        if reasons:
            yield f"  {title}:"
            yield from (f"    {_reason(row)}" for row in reasons)
    if item.details:
        yield "  as read:"
        yield from (f"    {name} = {printable(text)}" for name, text in item.details)
    if declared := declaration(item.provider):
        yield from _mechanism(declared)


def _mechanism(declared: Declaration) -> Iterator[str]:
    yield f"  the mechanism, {declared.title}:"
    yield from (f"    {name}: {text}" for name, text in declared.concepts())
    yield "  in the terms of OCP's impactless updates:"
    yield from (f"    {name}: {text}" for name, text in (*ocp.roles(declared), *ocp.steps(declared)))
    yield f"    scope: {declared.scope}"
    yield "  what OCP asks for:"
    for row, answer in ocp.answers(declared):
        yield f"    {row.ident} {answer.met}: {row.text}" + (f" [{answer.by}]" if answer.by else "")


def _aligned(*rows: tuple[str, str]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    return (f"  {name:{width}}  {value}" for name, value in rows)


def _reason(row: Reason) -> str:
    return printable(row.text) + (f" ({printable(row.hint)})" if row.hint else "")
