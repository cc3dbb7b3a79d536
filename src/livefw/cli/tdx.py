# SPDX-License-Identifier: Apache-2.0
"""``livefw tdx``: what is particular to Intel's TDX module."""

import argparse

from livefw.cli.invocation import listing
from livefw.cli.invocation.session import CommandSession
from livefw.cli.parser import Below, add_below
from livefw.cli.verbs import Manual
from livefw.clock import SystemClock
from livefw.errors import NothingHere, TransportError
from livefw.providers.tdx.provider import ABSENT, TdxProvider
from livefw.providers.tdx.settings import KEYS, on_host, read_settings
from livefw.render import tdx as rendered

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
    listing.configure(parser, rendered.LISTING)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the candidates; 3 if there is no TDX, or nothing that can be loaded."""
    files = session.files()
    session.tell_unused_settings()
    settings = read_settings(files)
    if arguments.images is not None:
        settings = on_host(settings, arguments.images)
    seen = TdxProvider(files, SystemClock(), settings).look(every=True)
    if seen is None:
        raise NothingHere(ABSENT.text, hint=ABSENT.hint, mechanism="tdx", phase="discover")
    if seen.trouble:
        raise TransportError(seen.trouble.text, hint=seen.trouble.hint, mechanism="tdx", phase="discover")
    return session.show(rendered.answer(seen))
