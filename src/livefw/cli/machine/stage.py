# SPDX-License-Identifier: Apache-2.0
"""``livefw machine stage``: an image that the model makes up, or a package for a machine with a store."""

import argparse
from typing import Any

from livefw import reading
from livefw.abi.version import ComponentVersion
from livefw.cli.image.store import images
from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine.control import ask, chosen, configure_machine
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.store import Store
from livefw.text import printable


def configure_stage(parser: argparse.ArgumentParser) -> None:
    """What to stage."""
    configure_machine(parser)
    parser.add_argument(
        "what",
        metavar="COMPONENT|FILE",
        help="GUID, prefix of one, name, or kind such as rmm; or a package: a path with a slash, or ending in .fip",
    )
    parser.add_argument("version", metavar="VERSION", nargs="?", help="major.minor (the next minor one)")
    parser.add_argument("--forged", action="store_true", help="an image that does not authenticate")


def run_stage(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Stage an image, or a package."""
    if "/" in arguments.what or arguments.what.endswith(".fip"):
        return _stage_package(session, arguments)
    _require_version(arguments.version)
    return ask(
        session,
        arguments,
        lambda result: f"staged {result['version']} for {result['name'] or 'component'} ({result['component']})",
        "stage",
        component=arguments.what,
        version=arguments.version,
        authentic=not arguments.forged,
    )


def _require_version(text: str | None) -> None:
    try:
        ComponentVersion.parse(text or "0.0")
    except ValueError:
        hint = "a version is MAJOR.MINOR, such as 1.2; without one it is the next minor one"
        raise UsageError(f"machine stage: {text!r} is not a version", hint=hint) from None


def _stage_package(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Put a package into the update bank, as an updater on the machine would; LFA_PRIME judges it, and not this."""
    if arguments.version or arguments.forged:
        raise UsageError(
            "a package brings its own versions and signatures", hint="livefw help image build shows how to make one"
        )
    machine = chosen(arguments)
    if not machine.store:
        raise UsageError(
            f"the machine {machine.name} has no store; its images are in memory",
            hint="livefw machine stage COMPONENT stages an image in memory; livefw help machine run describes --store",
        )
    document = stage(Store(Folder(machine.store)), arguments.what)
    session.report(lambda: staged_text(document), lambda: {"stage": {"machine": machine.name} | document})
    return ExitCode.DONE


def stage(store: Store, path: str) -> dict[str, Any]:
    """Stage the package in a file, and tell what that makes pending; ImageError, OSError."""
    with reading.opened(path) as file:
        bank = store.stage(file)
    return {"file": path, "bank": bank, "images": images(store, store.metadata(), bank)}


def staged_text(document: dict[str, Any]) -> str:
    """What `stage` tells, for a person."""
    fresh = [f"{row['name']} {row['version'] or '(no version)'}" for row in document["images"] if row["differs"]]
    what = f"{', '.join(fresh)}, declared, not verified until PRIME" if fresh else "nothing but what boots already"
    return printable(f"staged {document['file']} in bank {document['bank']}: {what}")
