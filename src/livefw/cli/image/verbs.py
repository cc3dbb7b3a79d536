# SPDX-License-Identifier: Apache-2.0
"""``livefw image``: firmware packages and certificates in files."""

import argparse

from livefw.cli.image import build as image_build
from livefw.cli.image import cab as image_cab
from livefw.cli.image import info as image_info
from livefw.cli.image import store as image_store
from livefw.cli.invocation.session import CommandSession
from livefw.cli.parser import Below, add_below
from livefw.cli.verbs import Manual

BUILD = (
    "livefw image build new.fip --image rmm-fw=rmm.bin --version rmm-fw=1.1 --keys keys --new-keys p256",
    "Make a signed package for tests, with new keys.",
)
INFO = ("livefw image info new.fip", "Show what is in a package.")
VERIFY = (
    "livefw image verify new.fip --trust keys/trust.toml",
    "Tell whether a machine with this root of trust would take it.",
)
CAB = (
    "livefw image cab rmm.cab --image rmm.bin --component lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9 --version 1.1",
    'Make an archive for "livefw stage" and fwupd.',
)


def _manual(*description: str, examples: tuple[tuple[str, str], ...]) -> Manual:
    return Manual(description, examples, ("image",))


_VERBS = {
    "info": Below(
        image_info.configure_info,
        image_info.run_info,
        "show what is in a package, certificate or image",
        _manual(
            "Show the images and certificates of a firmware image package, or one certificate. With --trust or --store "
            "the package is also verified.",
            examples=(INFO, ("livefw image info new.fip --trust keys/trust.toml", "Verify it too.")),
        ),
    ),
    "verify": Below(
        image_info.configure_verify,
        image_info.run_verify,
        "tell whether a machine would take a package",
        _manual(
            "Verify a package as the firmware would: chain of trust, signatures, hashes and counters. The first rule "
            "that it breaks is named.",
            examples=(
                VERIFY,
                ("livefw image verify new.fip --store flash", "Use the root of trust and the counters of a store."),
            ),
        ),
    ),
    "build": Below(
        image_build.configure,
        image_build.run,
        "make a package with its chain of trust, for tests",
        _manual(
            "Make a firmware image package of images, with certificates for each. The keys in the directory of --keys "
            "are used; --new-keys makes them.",
            examples=(BUILD,),
        ),
    ),
    "cab": Below(
        image_cab.configure,
        image_cab.run,
        "make or show an archive as fwupd takes it",
        _manual(
            "With --image an archive is made; without it the archive is shown.",
            examples=(CAB, ("livefw image cab rmm.cab", "Show what is in the archive.")),
        ),
    ),
    "store": Below(
        image_store.configure,
        image_store.run,
        "fill, stage, accept and roll back a store of two banks",
        _manual(
            "A store is a directory that stands for the flash of a machine; a modelled machine boots from it with "
            '"livefw machine run --store".',
            examples=image_store.EXAMPLES,
        ),
    ),
}


MANUAL = Manual(
    description=(
        (
            "Work with firmware packages: Arm's firmware image packages (FIP) with their chain of trust, .cab "
            "archives as fwupd uses them, and the store of two banks from which a modelled machine boots."
        ),
    ),
    examples=(BUILD, INFO, VERIFY, CAB),
    see_also=("machine", "stage"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One parser for each verb."""
    add_below(parser, "image_verb", _VERBS)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Hand over to the verb."""
    return _VERBS[arguments.image_verb].run(session, arguments)
