# SPDX-License-Identifier: Apache-2.0
"""``livefw image``: firmware packages and certificates in files."""

import argparse

from livefw.cli.image import build as image_build
from livefw.cli.image import cab as image_cab
from livefw.cli.image import capsule as image_capsule
from livefw.cli.image import edit as image_edit
from livefw.cli.image import info as image_info
from livefw.cli.image import metadata as image_metadata
from livefw.cli.image import store as image_store
from livefw.cli.image import trust as image_trust
from livefw.cli.image import verify as image_verify
from livefw.cli.image.formats import table as formats
from livefw.cli.image.formats.base import MOST_HASHED
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


_DISK, _BANK = "6c697665-6677-4d00-8000-62616e6b0000", "{0}2345678-1234-4123-8123-123456789abc"


def _manual(*description: str, examples: tuple[tuple[str, str], ...]) -> Manual:
    return Manual(description, examples, ("image",))


_VERBS = {
    "info": Below(
        image_info.configure,
        image_info.run,
        "tell what a file is, and what is in it",
        _manual(
            f"Recognised are: {formats.titles()}.",
            "With --trust or --store packages are also verified. Images are hashed if together they have at most "
            f"{MOST_HASHED >> 20} MiB, or with --hash.",
            "The exit code is 3 for a file of no known format, and 1 for one that is damaged.",
            examples=(
                INFO,
                ("livefw image info new.fip --trust keys/trust.toml", "Verify it too."),
                ("livefw --json image info flash.bin", "Find the packages in a dump of flash."),
            ),
        ),
    ),
    "verify": Below(
        image_verify.configure,
        image_verify.run,
        "tell whether a machine would take a package",
        _manual(
            "Verify a package as the firmware would: chain of trust, signatures, hashes and counters. The first rule "
            "that it breaks is named.",
            examples=(
                VERIFY,
                ("livefw image verify new.fip --store flash", "Use the root of trust and the counters of a store."),
                (
                    "livefw image verify new.fip --chain-only",
                    "Without a root of trust: tell whether certificates, signatures and hashes fit each other.",
                ),
            ),
        ),
    ),
    "extract": Below(
        image_edit.configure_extract,
        image_edit.run_extract,
        "write the images of a package to files",
        _manual(
            "Write images of a firmware image package, all or those that are named, to files. A file that is there is "
            "not overwritten.",
            examples=(
                ("livefw image extract new.fip --directory parts", "Write all images to parts/NAME.bin."),
                ("livefw image extract new.fip --image rmm-fw=old.bin", "Write one."),
            ),
        ),
    ),
    "replace": Below(
        image_edit.configure_replace,
        image_edit.run_replace,
        "put other images into a package",
        _manual(
            "Write a firmware image package anew with other images in it, as fiptool does. Nothing is signed: a "
            "certificate for the new image has to be replaced too.",
            examples=(
                ("livefw image replace new.fip --image rmm-fw=rmm.bin --output next.fip", "Write it to another file."),
                ("livefw image replace new.fip --plat-toc-flags 0x8001", "Set the platform's flags of the header."),
            ),
        ),
    ),
    "remove": Below(
        image_edit.configure_remove,
        image_edit.run_remove,
        "take images out of a package",
        _manual(
            "Write a firmware image package anew without some of its images, as fiptool does.",
            examples=(("livefw image remove new.fip --image rmm-fw --output less.fip", "Write it to another file."),),
        ),
    ),
    "trust": Below(
        image_trust.configure,
        image_trust.run,
        "make a trust file from keys and certificates",
        _manual(
            "Write a trust file: the chain of trust, the hash of each root key, the secure partitions of the platform, "
            "and names of images.",
            examples=(
                (
                    "livefw image trust trust.toml --root-key rot-key=keys/rot-key.pem",
                    "Trust what is signed by this key, which may be public, private or in a certificate.",
                ),
            ),
        ),
    ),
    "build": Below(
        image_build.configure,
        image_build.run,
        "make a package with its chain of trust, for tests",
        _manual(
            "Make a firmware image package of images, with certificates for each. The keys in the directory of --keys "
            "are used; --new-keys makes them. A file NAME.uri there has the URI (RFC 7512) of a key that stays in a "
            "PKCS #11 token: the program openssl signs with its engine pkcs11. --certificate takes a certificate that "
            "is signed already; its key is then not needed.",
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
    "capsule": Below(
        image_capsule.configure,
        image_capsule.run,
        "make an EFI capsule",
        _manual(
            "Make an EFI capsule of the Firmware Management Protocol with one image, signed with --key, or a plain "
            "one. A machine takes it from the EFI system partition, or by fwupd.",
            examples=(
                (
                    "livefw image capsule rmm.capsule --image rmm.bin --guid 058b7d83-50d5-4c47-a195-60d86ad341c4",
                    "Make one that is not signed.",
                ),
                ("livefw image capsule revert.capsule --revert", "Make one that goes back to the previous bank."),
            ),
        ),
    ),
    "metadata": Below(
        image_metadata.configure,
        image_metadata.run,
        "make firmware update metadata",
        _manual(
            "Make the metadata of PSA firmware update (Arm DEN0118) for the first boot of a machine: which image is "
            "where, in one to four banks.",
            examples=(
                (
                    f"livefw image metadata fwu.bin --image rmm-fw,{_DISK},{_BANK.format(1)},{_BANK.format(2)}",
                    "Describe one image in two banks, of which the first is active.",
                ),
            ),
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
