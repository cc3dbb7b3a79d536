# SPDX-License-Identifier: Apache-2.0
"""Images of Intel's TDX module, in a table and in JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

from livefw.activation.status import first_of
from livefw.errors import ExitCode
from livefw.providers.tdx.outlook import Outlook
from livefw.providers.tdx.select import objections
from livefw.render import document
from livefw.render.answer import Answer
from livefw.render.layout import Column
from livefw.render.listing import Listing
from livefw.text import printable

Item = Mapping[str, Any]


def answer(seen: Outlook) -> Answer:
    """What `livefw tdx candidates` answers; nothing to do if no image can be loaded."""
    loadable = seen.chosen and not objections(seen.platform)
    return Answer.of(LISTING, lambda: _document(seen), ExitCode.DONE if loadable else ExitCode.NOTHING_TO_DO)


def _document(seen: Outlook) -> dict[str, Any]:
    platform, accepts = seen.platform, seen.settings.policy.mrseam
    return {
        "platform": {
            "version": platform.version and str(platform.version),
            "lost": platform.lost,
            "seamldr_version": platform.seamldr and str(platform.seamldr),
            "remaining_updates": platform.slots,
            "tds": platform.tds,
        },
        "reasons": [document.reason(row) for row in objections(platform)],
        "candidates": [
            {
                "version": str(each.image.version),
                "path": each.image.path,
                "chosen": each.image == seen.chosen,
                "mrseam": each.image.seamhash or None,
                "accepted": None if accepts is None else each.image.seamhash in accepts,
                "reasons": [document.reason(row) for row in each.reasons],
            }
            for each in seen.judged
        ],
    }


def _above(found: Item) -> Iterator[str]:
    """The module that runs, and why it cannot be updated now."""
    platform = found["platform"]
    running = platform["version"] or ("lost" if platform["lost"] else "unreadable")
    slots = "?" if platform["remaining_updates"] is None else platform["remaining_updates"]
    yield f"running {running}, P-SEAMLDR {platform['seamldr_version'] or '?'}, update slots {slots}"
    for row in found["reasons"]:
        hint = f" ({printable(row['hint'])})" if row["hint"] else ""
        yield f"no update can be made now: {printable(row['text'])}{hint}"
    yield ""


def _verdict(item: Item) -> str:
    """The rule that blocks it, by its code, and how many more there are."""
    return first_of([reason["code"] for reason in item["reasons"]]) if item["reasons"] else _free(item)


def _full_verdict(item: Item) -> str:
    return ", ".join(reason["code"] for reason in item["reasons"]) or _free(item)


def _why(item: Item) -> str:
    """The first rule in words, of which the document has all; and what does not block it."""
    if item["reasons"]:
        return printable(item["reasons"][0]["text"])
    return "its MRSEAM is not in the allow-list" if item["accepted"] is False else "-"


def _free(item: Item) -> str:
    return "chosen" if item["chosen"] else "possible"


LISTING = Listing(
    field="candidates",
    item="candidate",
    columns=(
        Column("IMAGE", lambda item: printable(item["version"])),
        Column("VERDICT", _verdict, full=_full_verdict, style=lambda item: "notable" if item["reasons"] else "good"),
        Column("WHY", _why, rank=1, least=20),
        Column("MRSEAM", lambda item: printable(item["mrseam"] or "?"), wide=True),
        Column("PATH", lambda item: printable(item["path"]), wide=True),
    ),
    name=lambda item: printable(item["version"]),
    above=_above,
)
