# SPDX-License-Identifier: Apache-2.0
"""Everything that is known of components, in text and in JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Flag, auto
from typing import Any

from livefw.activation.images.releases import Release
from livefw.activation.queries import ComponentDetails
from livefw.errors import ExitCode
from livefw.providers import ocp
from livefw.providers.declaration import declaration
from livefw.render import attestation, columns, document, history
from livefw.render.age import instant_ns, span
from livefw.render.answer import Answer
from livefw.render.cost import forecast, past_fields
from livefw.render.linked import linked
from livefw.text import printable

Item = Mapping[str, Any]


class ShownPart(Flag):
    """What is shown besides the lines that everybody needs."""

    NONE = 0
    DETAILS = auto()
    """Settings, and the mechanism's own fields as they were read."""
    MECHANISM = auto()
    OCP = auto()
    ALL = DETAILS | MECHANISM | OCP


def answer(shown: Sequence[ComponentDetails]) -> Answer:
    """What `livefw show` answers about components."""
    made = {"components": [_document(each) for each in shown]}
    return Answer(lambda: text(made), lambda: made, ExitCode.DONE)


def text(shown: Item, parts: ShownPart = ShownPart.NONE) -> str:
    """The components of a document, for a person."""
    return "\n\n".join("\n".join(_lines(each, parts)) for each in shown["components"])


def _document(found: ComponentDetails) -> dict[str, Any]:
    item = found.component
    shown = document.component(item, found.status, details=True)
    shown["images"] = [
        {
            "version": each.version.text,
            "path": each.path,
            "verdict": _verdict(each),
            "reasons": [document.reason(reason) for reason in each.against],
        }
        for each in found.releases
    ]
    shown["past"] = past_fields(found.past)
    shown["last"] = history.document(found.last) if found.last else None
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


def _verdict(image: Release) -> str:
    """What an image is for this component, in a word."""
    if image.pending or image.step == 0:
        return "pending" if image.pending else "running"
    return "blocked" if image.against else _STEPS[image.step]


_STEPS = {1: "newer", -1: "older", None: "other"}


def _lines(item: Item, parts: ShownPart) -> Iterator[str]:
    name = columns.name_of(item)
    yield printable(item["id"]) if name == "-" else name
    yield from _aligned(
        [
            ("component", columns.key_of(item)),
            ("state", columns.state_of(item)),
            ("running", columns.current_of(item)),
            ("pending", _pending(item)),
            *([("linked", linked(item["linked"]))] if "linked" in item else []),
            ("cost", forecast(item, item["past"])),
            *attestation.lines(item),
            ("last", _last(item)),
            *_folded("image", [_image(each) for each in item["images"]]),
            *_folded(
                "blocked by", [_reason(each) for each in item["state"]["reasons"] if each["code"] != "not-pending"]
            ),
            *_folded("note", [_reason(each) for each in item["notes"]]),
            *_folded("next", filter(None, [_next(item)])),
        ]
    )
    if ShownPart.DETAILS in parts:
        yield from _details(item)
    if ShownPart.MECHANISM in parts and "mechanism" in item:
        yield "  the mechanism:"
        yield from (f"    {name}: {text}" for name, text in item["mechanism"].items())
    if ShownPart.OCP in parts and "ocp" in item:
        yield from _ocp(item["ocp"])


def _pending(item: Item) -> str:
    if item["pending"] is None:
        return "cannot be read"
    if not item["pending"]:
        return "no"
    since = item["pending_since"] and span(instant_ns(item["pending_since"]))
    return ", ".join(filter(None, (columns.pending_of(item), since)))


def _last(item: Item) -> str:
    if item["last"]:
        return history.summary(item["last"])
    return "nothing was done here yet" if item["past"]["tried"] is not None else "the history cannot be read"


def _image(each: Item) -> str:
    why = "; ".join(_reason(reason) for reason in each["reasons"])
    return f"{printable(each['version'])} {each['verdict']}: {printable(each['path'])}" + (f" ({why})" if why else "")


def _next(item: Item) -> str:
    """The command that leads on."""
    code, word = item["state"]["code"], printable(item["short_id"])
    if code == "up-to-date":
        return f"livefw stage {word}" if any(each["verdict"] == "newer" for each in item["images"]) else ""
    reasons = item["state"]["reasons"]
    return _NEXT.get(code, "").format(word=word, reason=reasons[0]["code"] if reasons else "")


_NEXT = {
    "ready": "livefw activate {word}",
    "held": "livefw plan {word}",
    "unfinished": "livefw plan {word}",
    "activating": "livefw watch",
    "staging": "livefw watch",
    "cancelling": "livefw watch",
    "blocked": "livefw explain {reason}",
    "needs-reset": "livefw explain {reason}",
    "unreadable": "livefw doctor",
}
"""By the code of the state."""


def _details(item: Item) -> Iterator[str]:
    resets = item["cost"]["resets_cpu"]
    yield "  settings and cost, as the mechanism has them:"
    yield from (f"    {name}: {'on' if value else 'off'}" for name, value in item["settings"].items())
    yield f"    CPU rendezvous: {item['cost']['rendezvous'] or 'unknown'}"
    yield from [f"    restarts: {item['cost']['restart']}"] if "restart" in item["cost"] else []
    yield f"    resets CPUs: {'unknown' if resets is None else 'yes' if resets else 'no'}"
    if item["stated"]:
        yield f"    as stated: {printable(item['stated'])}"
    if item["details"]:
        yield "  as read:"
        yield from (f"    {printable(name)} = {printable(text)}" for name, text in item["details"].items())


def _ocp(declared: Item) -> Iterator[str]:
    yield "  in the terms of OCP's impactless updates:"
    yield from (f"    {name}: {text}" for part in ("roles", "steps") for name, text in declared[part].items())
    yield f"    scope: {declared['scope']}"
    yield "  what OCP asks for:"
    for row in declared["requirements"]:
        yield f"    {row['id']} {row['met']}: {row['text']}" + (f" [{row['by']}]" if row["by"] else "")


def _folded(label: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The label at the first of several lines only."""
    return (("" if number else label, text) for number, text in enumerate(texts))


def _aligned(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max(len(label) for label, _ in rows)
    return (f"  {label:{width}}  {text}" for label, text in rows)


def _reason(row: Item) -> str:
    return printable(row["text"]) + (f" ({printable(row['hint'])})" if row["hint"] else "")
