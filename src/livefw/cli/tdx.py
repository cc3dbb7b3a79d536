# SPDX-License-Identifier: Apache-2.0
"""``livefw tdx``: what is particular to Intel's TDX module."""

import argparse
from typing import Any

from livefw.cli.invocation.session import CommandSession
from livefw.cli.parser import Below, add_below
from livefw.cli.verbs import Manual
from livefw.clock import SystemClock
from livefw.errors import ExitCode, NothingHere, TransportError
from livefw.providers.component import Reason
from livefw.providers.tdx.outlook import Outlook
from livefw.providers.tdx.provider import ABSENT, TdxProvider
from livefw.providers.tdx.select import Judgement, objections
from livefw.providers.tdx.settings import KEYS, on_host, read_settings
from livefw.render import document
from livefw.text import printable, table

MANUAL = Manual(
    description=(
        (
            "Examine images of Intel's TDX module. Each image is compared with the module that runs, by the rules "
            "of Intel's mapping table and of the module itself; the rules that block an image are named."
        ),
    ),
    examples=(
        ("livefw tdx candidates", "List the images and what blocks each."),
        ("livefw tdx candidates --images /srv/tdx-module-binaries", "Use another directory of images."),
    ),
    see_also=("plan", "activate", "livefw.toml(5)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One verb."""
    keys = "\n".join(f"  {name:12} {key.text}" for name, key in KEYS.items())
    parser.epilog = f"keys of [tdx] in livefw.toml:\n{keys}"
    manual = Manual(MANUAL.description, MANUAL.examples, ("tdx", "plan"))
    summary = "list every image, with the rules that block it"
    add_below(parser, "tdx_verb", {"candidates": Below(_configure_candidates, run, summary, manual)})


def _configure_candidates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", metavar="DIR", help="a directory laid out like Intel's repository (that of the settings)"
    )


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the candidates; 3 if there is no TDX, or nothing that can be loaded."""
    files = session.files()
    settings = read_settings(files)
    if arguments.images is not None:
        settings = on_host(settings, arguments.images)
    seen = TdxProvider(files, SystemClock(), settings).look(every=True)
    if seen is None:
        raise NothingHere(ABSENT.text, hint=ABSENT.hint, mechanism="tdx", phase="discover")
    if seen.trouble:
        raise TransportError(seen.trouble.text, hint=seen.trouble.hint, mechanism="tdx", phase="discover")
    session.answer(lambda: _text(seen), lambda: _document(seen))
    return ExitCode.DONE if seen.chosen and not objections(seen.platform) else ExitCode.NOTHING_TO_DO


def _text(seen: Outlook) -> str:
    platform = seen.platform
    running = platform.version or ("lost" if platform.lost else "unreadable")
    lines = [f"running {running}, P-SEAMLDR {platform.seamldr or '?'}, update slots {_or(platform.slots)}"]
    lines += [f"no update can be made now: {_reason(row)}" for row in objections(platform)]
    lines += ["", table([("IMAGE", "VERDICT", "WHY"), *(_row(seen, each) for each in seen.judged)])]
    return "\n".join(lines)


def _row(seen: Outlook, each: Judgement) -> tuple[str, ...]:
    """Every rule by its code, the first one in words; the document has all of them in words."""
    version, codes = str(each.image.version), ", ".join(reason.code for reason in each.reasons)
    if not each.reasons:
        return version, "chosen" if each.image == seen.chosen else "possible", ""
    return version, codes, printable(each.reasons[0].text)


def _document(seen: Outlook) -> dict[str, Any]:
    platform = seen.platform
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
                "reasons": [document.reason(row) for row in each.reasons],
            }
            for each in seen.judged
        ],
    }


def _reason(row: Reason) -> str:
    return printable(row.text) + (f" ({printable(row.hint)})" if row.hint else "")


def _or(value: int | None) -> str:
    return "?" if value is None else str(value)
