# SPDX-License-Identifier: Apache-2.0
"""``livefw show``."""

import argparse
from functools import reduce
from operator import or_

from livefw.activation import queries
from livefw.activation.images.directory import ImageDirectory
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import show

MANUAL = Manual(
    description=(
        (
            "Show components: state, versions, since when an image is pending, what activation costs, what was done "
            "last, images that can be staged, what blocks the activation, and the command that leads on. --all adds "
            "the settings, the attributes as the kernel gives them, and what the mechanism can do."
        ),
    ),
    examples=(
        ("livefw show tf-rmm", "Show a component by its name, without regard to case."),
        ("livefw show 'tf-*'", "Show every component whose name or identifier matches."),
        ("livefw show tf-rmm --all", "Show everything that is known of it."),
        ("livefw show 6c0762a6", "Show a component by a unique beginning of its identifier."),
    ),
    see_also=("list", "stage"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components."""
    parser.add_argument(
        "components", nargs="+", metavar="COMPONENT", help="key, id or a unique beginning of one, or name"
    )
    add = parser.add_argument
    add("--mechanism", action="store_true", help="also what the mechanism can do, in the words of all mechanisms")
    add("--ocp", action="store_true", help="also what OCP's impactless updates ask for, and how far it is met")
    add("--all", action="store_true", help="everything: also settings, and the attributes as the kernel gives them")
    paths.configure_state(parser)
    paths.configure_images(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show each component in full.

    Mistakes in the settings are reported, and hide only what the policy has against an image.
    """
    host = paths.host(session, arguments, lenient=True)
    images = ImageDirectory(lambda text: session.say(f"livefw: {text}")).images(host.images, host.metadata_keys)
    answer = show.answer(queries.details(host, arguments.components, images))
    return session.show(answer._replace(text=lambda: show.text(answer.document(), parts(arguments))))


def parts(arguments: argparse.Namespace) -> show.ShownPart:
    """What was asked for."""
    wanted = {
        show.ShownPart.MECHANISM: arguments.mechanism,
        show.ShownPart.OCP: arguments.ocp,
        show.ShownPart.ALL: arguments.all,
    }
    return reduce(or_, (part for part, asked in wanted.items() if asked), show.ShownPart.NONE)
