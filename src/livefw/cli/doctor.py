# SPDX-License-Identifier: Apache-2.0
"""``livefw doctor``."""

import argparse
from functools import cache

from livefw import __version__, assemble
from livefw.activation.diagnosis import blocks, bounded
from livefw.cli.invocation.paths import configure_state
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import doctor as rendered
from livefw.render.lead import MachinePlace

_ALL = "all"

MANUAL = Manual(
    description=(
        (
            "Examine this machine and explain what was found: which mechanisms it has or what they lack, and the state "
            "of the settings, the history, a running activation, the daemon and the metrics. Nothing is changed."
        ),
        (
            "Each line begins with ok, warning, error, or - for what is not here. An error is something that livefw "
            "needs here and that is broken; the exit status is 1 then, and otherwise 0. A machine without any "
            "mechanism is no error. Below a line stands the next command, if there is one."
        ),
        (
            "Each block is examined for at most ten seconds, and those that ask BMCs for two minutes. A block that "
            "hangs, for example at a file system whose server is dead, is reported as an error."
        ),
    ),
    examples=(
        ("livefw doctor", "Examine this machine."),
        ("livefw doctor lfa history", "Examine one mechanism and the history."),
        ("livefw --json doctor", "The same as one JSON document."),
    ),
    see_also=("list", "explain"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """What to examine."""
    parser.add_argument(
        "blocks",
        nargs="*",
        metavar="BLOCK",
        choices=(*blocks.BLOCKS, _ALL),
        default=_ALL,
        help=f"only these: {', '.join(blocks.BLOCKS)}; all of them without a name",
    )
    configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Examine every block, in a child process, and tell what was found."""
    files = session.files()
    where = assemble.Where(session.root, arguments.state, session.settings)
    names = [name for name in blocks.BLOCKS if _ALL in arguments.blocks or name in arguments.blocks]
    scene = cache(lambda: assemble.scene(where, files, version=__version__))  # made in the child, for it looks at files
    found = bounded.examine(names, lambda name: blocks.examine(scene(), name), debug=session.debug)
    place = MachinePlace(session.root if session.root != "/" else None, session.settings, arguments.state)
    return session.show(rendered.answer([each for each in found if each.lines], place=place))
