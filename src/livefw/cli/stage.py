# SPDX-License-Identifier: Apache-2.0
"""``livefw stage``: hand an image over to a mechanism that keeps it until it is activated."""

import argparse
import os
from typing import Any

from livefw.activation import inventory
from livefw.activation.run import follow
from livefw.cli import document
from livefw.cli.narrator import Narrator
from livefw.cli.session import Session
from livefw.daemon.staging import target
from livefw.errors import ExitCode, UsageError
from livefw.providers.base import Claim, Component, Package, Said
from livefw.providers.registry import SystemClock
from livefw.text import printable

MOST_BYTES = 512 << 20
"""Largest image that is read; the largest bundles for servers have about 200 MiB."""

_CODES = {
    Said.ACCEPTED: ExitCode.DONE,
    Said.REFUSED: ExitCode.REFUSED,
    Said.FAILED: ExitCode.FAILED,
    Said.LOST: ExitCode.UNKNOWN,
}
_WORDS = {Said.ACCEPTED: "staged", Said.REFUSED: "refused", Said.FAILED: "failed", Said.LOST: "unknown"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component, and what."""
    parser.add_argument("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    parser.add_argument(
        "image", metavar="IMAGE", help="file, .cab archive, or a URI that the mechanism itself is to fetch"
    )


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Stage, and tell how it ended."""
    package = _package(arguments.image)
    (provider, component), package = target(
        arguments.component, inventory.take(session.providers()).require().candidates, package
    )
    narrator, clock = Narrator(session, verb="stage"), SystemClock()
    narrator.begins(component)
    running = provider.stage(component.id, package, narrator.progress)
    follow(running, watch=narrator, clock=clock, start=clock.now())
    claim = running.claim
    session.answer(lambda: _text(component, claim), lambda: {"staging": _document(component, claim)})
    return _CODES[claim.said]


def _package(image: str) -> Package:
    if "://" in image:
        return Package(image.rpartition("/")[2], uri=image)
    try:
        with open(image, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{image}: {os.strerror(error.errno or 0)}", errno=error.errno) from error
    if not data or len(data) > MOST_BYTES:
        raise UsageError(f"{image} is {'empty' if not data else 'too large'}")
    return Package(os.path.basename(image), data)


def _text(component: Component, claim: Claim) -> str:
    lines = [f"{printable(component.name) or component.id} ({component.key}): {_WORDS[claim.said]}"]
    if claim.reason:
        lines.append(f"  {printable(claim.reason.text)}")
        lines += [f"  hint: {printable(claim.reason.hint)}"] if claim.reason.hint else []
    return "\n".join(lines)


def _document(component: Component, claim: Claim) -> dict[str, Any]:
    return {
        "component": component.key,
        "outcome": _WORDS[claim.said],
        "reason": document.reason(claim.reason) if claim.reason else None,
        "firmware_code": claim.firmware_code,
        "log": list(claim.log),
    }
