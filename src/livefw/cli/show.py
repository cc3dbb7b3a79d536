# SPDX-License-Identifier: Apache-2.0
"""``livefw show``."""

import argparse

from livefw.activation import queries
from livefw.activation.images.directory import ImageDirectory
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import show

MANUAL = Manual(
    description=(
        (
            "Show everything that is known about components: versions, state, settings, what activation costs, the "
            "attributes as the kernel gives them, images that can be staged, and what the mechanism can do."
        ),
    ),
    examples=(
        ("livefw show tf-rmm", "Show a component by its name, without regard to case."),
        ("livefw show 6c0762a6", "Show a component by a unique beginning of its identifier."),
    ),
    see_also=("list", "stage"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components."""
    parser.add_argument(
        "components", nargs="+", metavar="COMPONENT", help="key, id or a unique beginning of one, or name"
    )
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show each component in full.

    Mistakes in the settings are reported, and hide only what the policy has against an image.
    """
    host = paths.host(session, arguments, lenient=True)
    images = ImageDirectory(lambda text: session.say(f"livefw: {text}")).images(host.images)
    return session.show(show.answer(queries.details(host, arguments.components, images)))
