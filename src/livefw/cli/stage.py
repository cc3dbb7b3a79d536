# SPDX-License-Identifier: Apache-2.0
"""``livefw stage``: hand an image over to a mechanism that keeps it until it is activated."""

import argparse
import os

from livefw import reading
from livefw.activation.engine import Engine, Host
from livefw.activation.images import releases
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory import discovery
from livefw.activation.inventory.select import select
from livefw.cli.invocation import paths
from livefw.cli.invocation.progress import Narrator, refusing_without_room
from livefw.cli.invocation.session import Session
from livefw.errors import UsageError
from livefw.providers.base import ImagePackage
from livefw.render import attempt, result
from livefw.render.report import Report

MOST_BYTES = 512 << 20
"""Largest image that is read; the largest bundles for servers have about 200 MiB."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component, and what."""
    add = parser.add_argument
    add("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="file, .cab archive, URI that the mechanism itself is to fetch, or version of an image that lies here, as"
        " livefw show has it; without it the newest that is newer than what runs",
    )
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--ignore", action="append", default=[], metavar="CHECK", help="go on although this check is against it")
    add("--no-journal", action="store_true", help="go on even if the history cannot be written")
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Stage, and tell how it ended."""
    narrator = Narrator(session, verb="stage")
    with refusing_without_room(narrator):
        return _run(session, arguments, narrator)


def _run(session: Session, arguments: argparse.Namespace, narrator: Narrator) -> int:
    host = paths.host(session, arguments)
    package = _package(_chosen(session, host, arguments))
    staging = StagingRequest(package, arguments.component, arguments.reason, tuple(arguments.ignore))
    steps = Engine(host).stage(staging, control=narrator.control)
    (ended,) = Report.of(narrator.follow(steps), phase="stage").attempts
    session.report(
        lambda: "\n".join([result.text(ended.result), *attempt.lines(ended)]),
        lambda: {"staging": attempt.staging_fields(ended)},
    )
    return result.exit_code(ended.result)


def _chosen(session: Session, host: Host, arguments: argparse.Namespace) -> str:
    """The image that is meant: as it was given, unless that is the version of one that lies here."""
    wanted: str | None = arguments.image
    if wanted is not None and ("://" in wanted or os.path.lexists(wanted)):
        return wanted
    candidate = select(arguments.component, discovery.take_inventory(host.providers).require().candidates)
    images = ImageDirectory(lambda text: session.say(f"livefw: {text}")).images(host.images)
    found = releases.table([candidate], images, host.policy).get(candidate.component.key, ())
    return releases.pick(candidate.component, found, wanted).path


def _package(image: str) -> ImagePackage:
    if "://" in image:
        return ImagePackage(image.partition("?")[0].rpartition("/")[2], uri=image)
    try:
        data = reading.read(image, MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{image}: {error.strerror}", errno=error.errno) from error
    if not data:
        raise UsageError(f"{image} is empty")
    return ImagePackage(os.path.basename(image), data)
