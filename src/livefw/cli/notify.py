# SPDX-License-Identifier: Apache-2.0
"""``livefw notify``."""

import argparse

from livefw import assemble
from livefw.activation.notify import overview
from livefw.cli.invocation.paths import configure_state, where
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode
from livefw.render import notify

MANUAL = Manual(
    description=(
        (
            "Executables in notify.d beside livefw.toml are sent events: each is run with one JSON document on its "
            "standard input, and takes the event by ending with exit status 0. Events are: an image is pending, an "
            "activation is held, activated, failed, unknown, unconfirmed or unfinished, and a BMC is silent or answers "
            "again. The table [notify] in livefw.toml selects among them."
        ),
        (
            "Events are found by every activation, by livefw watch and by livefwd, and are sent by a process of its "
            "own. One that is not taken is tried again later. The same rules as for checks.d hold: only root and the "
            "calling user may be able to change a file, and its name contains only letters, digits, - and _."
        ),
    ),
    examples=(
        ("livefw notify", "List the executables, and what waits for them."),
        ("livefw notify --test", "Send a test event to each, and show what it prints."),
        ("livefw notify --send", "Send now what waits and is due."),
    ),
    see_also=("watch", "livefw.toml(5)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--list", action="store_true", help="list the executables and what waits for them (default)")
    one.add_argument(
        "--test", nargs="?", const="", metavar="NAME", help="send a test event to one executable, or to each"
    )
    one.add_argument("--send", action="store_true", help="send what waits and is due; 1 if something still waits")
    configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """List, test or send."""
    places = where(session, arguments)
    whole = overview.send(places) if arguments.send else True
    if arguments.test is not None:
        return session.show(notify.tested(overview.test(places, arguments.test)))
    shown = notify.overview(overview.overview(places, assemble.policy(places).notify))
    return session.show(shown if whole else shown._replace(exit_code=ExitCode.FAILED))
