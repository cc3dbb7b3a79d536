# SPDX-License-Identifier: Apache-2.0
"""``livefw show``."""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from typing import Any

from livefw.activation import aftermath
from livefw.activation.checks.facts import Facts
from livefw.activation.engine import Host
from livefw.activation.history.journal import Journal
from livefw.activation.images import releases
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.images.releases import Release, Releases
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.select import select
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import Session
from livefw.errors import ExitCode, LivefwError
from livefw.providers import ocp
from livefw.providers.base import Component, Reason
from livefw.providers.declaration import Declaration, declaration
from livefw.render import document
from livefw.render.component import state, version
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components."""
    parser.add_argument(
        "components", nargs="+", metavar="COMPONENT", help="key, id or a unique beginning of one, or name"
    )
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show each component in full."""
    host = _host(session, arguments)
    found = old_versions.marked(
        discovery.take_inventory(host.providers), session.root, host.files, state=arguments.state
    )
    candidates = found.require().candidates
    chosen = _with_aftermath(host, dict.fromkeys(select(word, candidates) for word in arguments.components))
    images = releases.table(
        chosen, ImageDirectory(lambda text: session.say(f"livefw: {text}")).images(host.images), host.policy
    )
    shown = [(each.component, images.get(each.component.key, ())) for each in chosen]
    session.answer(
        lambda: "\n\n".join("\n".join(_lines(*each)) for each in shown),
        lambda: {"components": [_document(*each) for each in shown]},
    )
    return ExitCode.DONE


def _with_aftermath(host: Host, chosen: Iterable[Candidate]) -> list[Candidate]:
    """The same, with what a failure of this boot has left behind, as far as the history may be read."""
    boot_id = Facts(host.files).boot_id()
    with suppress(LivefwError):
        if history := Journal.open_to_read(host.paths.state):
            with closing(history):
                return [aftermath.noted(history, candidate, boot_id) for candidate in chosen]
    return list(chosen)


def _host(session: Session, arguments: argparse.Namespace) -> Host:
    """The machine. Mistakes in the settings are told and hide nothing but what the policy has against an image."""
    try:
        return paths.host(session, arguments)
    except LivefwError:
        return paths.host(session, arguments, lenient=True)


def _document(item: Component, images: Releases) -> dict[str, Any]:
    shown = document.component(item, details=True)
    shown["images"] = [
        {
            "version": each.version.text,
            "path": each.path,
            "verdict": _verdict(each),
            "reasons": [document.reason(reason) for reason in each.against],
        }
        for each in images
    ]
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


def _lines(item: Component, images: Releases) -> Iterator[str]:
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
        *([("as stated", item.stated)] if item.stated else []),
    )
    for title, reasons in (("cannot be activated now", item.reasons), ("to know", item.notes)):
        if reasons:
            yield f"  {title}:"
            yield from (f"    {_reason(row)}" for row in reasons)
    if images:
        yield "  images here:"
        for each in images:
            yield f"    {printable(each.version.text)} {_verdict(each)}: {printable(each.path)}"
            yield from (f"      {_reason(row)}" for row in each.against)
    if item.details:
        yield "  as read:"
        yield from (f"    {name} = {printable(text)}" for name, text in item.details)
    if declared := declaration(item.provider):
        yield from _mechanism(declared)


def _verdict(image: Release) -> str:
    """What an image is for this component, in a word."""
    if image.pending or image.step == 0:
        return "pending" if image.pending else "running"
    return "blocked" if image.against else _STEPS[image.step]


_STEPS = {1: "newer", -1: "older", None: "other"}


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
