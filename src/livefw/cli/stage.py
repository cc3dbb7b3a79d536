# SPDX-License-Identifier: Apache-2.0
"""``livefw stage``: stage an image with a mechanism that keeps it until it is activated."""

import argparse
from collections.abc import Generator
from typing import Any

from livefw.activation.events import Event, Finished
from livefw.activation.inventory.select import is_pattern
from livefw.api import ConnectedHost
from livefw.cli.invocation import paths, several
from livefw.cli.invocation.progress import ProgressDisplay, refused_without_descriptors
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import attempt, document
from livefw.render.request import RequestResult
from livefw.text import printable

MANUAL = Manual(
    description=(
        (
            "Hand an image to a mechanism that keeps it until it is activated, as BMCs (Redfish) do. The image is a "
            "file, a .cab archive, a URI that the mechanism fetches itself, or the version of an image in the image "
            "directory. Without an image, the newest one in the image directory that is newer than the running "
            "version is staged."
        ),
        (
            "A pattern stages the image for each component that it matches, one after the other; the first that does "
            "not take the image is the last. For one that has this version already there is nothing to do; the exit "
            "status is 3 if that is so of all."
        ),
        (
            "A BMC that does not answer is named before anything is begun and again at the end if the pattern may mean "
            "more that it has; the exit status is that of the rest. With --strict nothing is begun then, and the exit "
            "status is 1."
        ),
        (
            "Arm LFA has no staging of its own; how an image becomes pending there depends on the platform. For a "
            "component that a [[link]] in livefw.toml names, the image goes to the BMC of the link, and it is staged "
            "when the agent of this machine reports the same version as pending."
        ),
    ),
    examples=(
        ("livefw stage bmc-bios bios-2.7.cab", "Stage the image of an archive."),
        ("livefw stage bmc-bios 2.7", "Stage a version from the image directory."),
        ("livefw stage bmc-bios", "Stage the newest image from the image directory."),
        ("livefw stage 'redfish:*/pmfw-a' pmfw.cab", "Stage an image for a component of every BMC, one by one."),
    ),
    see_also=("show", "activate", "image"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component, and what."""
    add = parser.add_argument
    add("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="file, .cab archive, URI that the mechanism itself fetches, or version of an image in the image directory;"
        " without it the newest that is newer than what runs",
    )
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--ignore", action="append", default=[], metavar="CHECK", help="continue although this check blocks it")
    add(
        "--strict",
        action="store_true",
        help="exit 1 and begin nothing unless every BMC that is asked shows all it has",
    )
    add("--no-journal", action="store_true", help="continue although no history can be written")
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Stage, and tell how it ended."""
    progress = ProgressDisplay(session, verb="stage", several=is_pattern(arguments.component))
    with refused_without_descriptors(progress):
        return _run(session, arguments, progress)


def _run(session: CommandSession, arguments: argparse.Namespace, progress: ProgressDisplay) -> int:
    assembled = paths.host(session, arguments)
    host = ConnectedHost(assembled, warn=lambda text: session.say(f"livefw: {text}"))
    chosen = several.selected(assembled, arguments.component, strict=arguments.strict)
    words = chosen.words
    for line in chosen.warnings:
        session.say(line)
    if len(words) > 1:
        session.say(printable(f"stage {arguments.image or 'the newest image'} for {', '.join(words)}"))

    def request(word: str) -> Generator[Event, None, Finished]:
        return host.stage(arguments.image, word, reason=arguments.reason, ignore=arguments.ignore)

    made = several.follow_each(host, chosen, request, progress, phase="stage", to_the_end=False)
    session.report(made.text, lambda: _document(made, several=len(words) > 1))
    return several.exit_code(made)


def _document(made: RequestResult, *, several: bool) -> dict[str, Any]:
    fields = [attempt.staging_fields(each) for each in made.attempts]
    if not several:
        return {"staging": fields[0], "notes": made.notes()}
    ended = {"error": document.error(made.error)} if made.error else {}
    return {"stagings": fields, "not_started": [*made.not_started], "notes": made.notes(), **ended}
