# SPDX-License-Identifier: Apache-2.0
"""Everything that is known of components, in text and in JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from livefw.activation.images.releases import Release, Releases
from livefw.activation.queries import ComponentDetails
from livefw.activation.status import ComponentStatus
from livefw.errors import ExitCode
from livefw.providers import ocp
from livefw.providers.base import Component, Reason
from livefw.providers.declaration import Declaration, declaration
from livefw.render import document
from livefw.render.age import pending_span
from livefw.render.answer import Answer
from livefw.render.component import cpu_stop, label, version
from livefw.text import printable


def answer(shown: Sequence[ComponentDetails]) -> Answer:
    """What `livefw show` answers about components."""
    return Answer(
        lambda: "\n\n".join("\n".join(_lines(*each)) for each in shown),
        lambda: {"components": [_document(*each) for each in shown]},
        ExitCode.DONE,
    )


def _document(item: Component, images: Releases, status: ComponentStatus) -> dict[str, Any]:
    shown = document.component(item, status, details=True)
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


def _lines(item: Component, images: Releases, status: ComponentStatus) -> Iterator[str]:
    yield label(item)
    pending = "unreadable" if item.pending is None else "yes" if item.pending else "no"
    resets = "unknown" if item.cost.resets_cpu is None else "yes" if item.cost.resets_cpu else "no"
    yield from _aligned(
        ("component", item.key),
        ("state", printable(status.text)),
        ("current version", version(item.current_version)),
        ("image pending", f"{pending}, {span}" if (span := pending_span(item)) else pending),
        ("pending version", version(item.pending_version)),
        ("cost", cpu_stop(item).text),
        ("resets CPUs", resets),
        *((name, "on" if value else "off") for name, value in item.settings),
        *([("as stated", item.stated)] if item.stated else []),
    )
    for title, reasons in (("cannot be activated now", status.reasons), ("to know", item.notes)):
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
