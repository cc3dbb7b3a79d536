# SPDX-License-Identifier: Apache-2.0
"""``livefw image``: firmware packages and certificates in files."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from livefw.cli.image import build as image_build
from livefw.cli.image import cab as image_cab
from livefw.cli.image import info as image_info
from livefw.cli.image import store as image_store
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual


class _Verb(NamedTuple):
    """A verb below ``image``."""

    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[CommandSession, argparse.Namespace], int]
    summary: str


_VERBS = {
    "info": _Verb(image_info.configure_info, image_info.run_info, "what is in a package, certificate or image"),
    "verify": _Verb(image_info.configure_verify, image_info.run_verify, "whether a machine would take a package"),
    "build": _Verb(image_build.configure, image_build.run, "make a package with its chain of trust, for tests"),
    "cab": _Verb(image_cab.configure, image_cab.run, "an archive as fwupd takes it: make one, look into one"),
    "store": _Verb(image_store.configure, image_store.run, "a store of two banks: fill, stage, accept, roll back"),
}


MANUAL = Manual(
    description=(
        (
            "Work with firmware packages: Arm's firmware image packages (FIP) with their chain of trust, .cab "
            "archives as fwupd uses them, and the store of two banks from which a modelled machine boots."
        ),
    ),
    examples=(
        (
            "livefw image build new.fip --image rmm-fw=rmm.bin --version rmm-fw=1.1 --keys keys --new-keys p256",
            "Make a signed package for tests, with new keys.",
        ),
        ("livefw image info new.fip", "Show what is in a package."),
        (
            "livefw image verify new.fip --trust keys/trust.toml",
            "Tell whether a machine with this root of trust would take it.",
        ),
        (
            (
                "livefw image cab rmm.cab --image rmm.bin --component lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9 "
                "--version 1.1"
            ),
            'Make an archive for "livefw stage" and fwupd.',
        ),
    ),
    see_also=("machine", "stage"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One parser for each verb."""
    verbs = parser.add_subparsers(dest="image_verb", metavar="VERB", required=True)
    for name, verb in _VERBS.items():
        verb.configure(verbs.add_parser(name, help=verb.summary, description=verb.summary, allow_abbrev=False))


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Hand over to the verb."""
    return _VERBS[arguments.image_verb].run(session, arguments)
