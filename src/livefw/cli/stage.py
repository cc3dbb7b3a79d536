# SPDX-License-Identifier: Apache-2.0
"""``livefw stage``: stage an image with a mechanism that keeps it until it is activated."""

import argparse

from livefw.api import ConnectedHost
from livefw.cli.invocation import paths
from livefw.cli.invocation.progress import ProgressDisplay, refused_without_descriptors
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import attempt, result
from livefw.render.request import RequestResult

MANUAL = Manual(
    description=(
        (
            "Hand an image to a mechanism that keeps it until it is activated, as BMCs (Redfish) do. The image is a "
            "file, a .cab archive, a URI that the mechanism fetches itself, or the version of an image in the image "
            "directory. Without an image, the newest one in the image directory that is newer than the running "
            "version is staged."
        ),
        "Arm LFA has no staging of its own; how an image becomes pending there depends on the platform.",
    ),
    examples=(
        ("livefw stage bmc-bios bios-2.7.cab", "Stage the image of an archive."),
        ("livefw stage bmc-bios 2.7", "Stage a version from the image directory."),
        ("livefw stage bmc-bios", "Stage the newest image from the image directory."),
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
        help="file, .cab archive, URI that the mechanism itself is to fetch, or version of an image that lies here, as"
        " livefw show has it; without it the newest that is newer than what runs",
    )
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--ignore", action="append", default=[], metavar="CHECK", help="activate although this check blocks it")
    add("--no-journal", action="store_true", help="continue although no history can be written")
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Stage, and tell how it ended."""
    progress = ProgressDisplay(session, verb="stage")
    with refused_without_descriptors(progress):
        return _run(session, arguments, progress)


def _run(session: CommandSession, arguments: argparse.Namespace, progress: ProgressDisplay) -> int:
    host = ConnectedHost(paths.host(session, arguments), warn=lambda text: session.say(f"livefw: {text}"))
    stream = host.stage(arguments.image, arguments.component, reason=arguments.reason, ignore=arguments.ignore)
    (ended,) = RequestResult.of(progress.follow(host, stream), phase="stage").attempts
    session.report(
        lambda: "\n".join([result.text(ended.result), *attempt.lines(ended)]),
        lambda: {"staging": attempt.staging_fields(ended)},
    )
    return result.exit_code(ended.result)
