# SPDX-License-Identifier: Apache-2.0
"""``livefw policy``."""

import argparse

from livefw import assemble
from livefw.cli.invocation.paths import configure_state, where
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render import policy as rendered

MANUAL = Manual(
    description=(
        (
            "Show the settings that hold here: each key of livefw.toml that is set, with its value and its line, "
            "what its patterns match now, when the maintenance windows open and close by the clock of this machine, "
            "and the executables in checks.d. --all adds the keys that are not set, with their defaults."
        ),
        (
            "Mistakes in the file are shown all at once, with what can be read in spite of them; the exit status is 0 "
            "then, too. With --check, only the state of the file is shown, and the exit status is 0 if it is in "
            "order, 2 if there is a mistake in it, 3 if there is no component to compare its patterns with, and 4 if "
            "a pattern in it matches no component."
        ),
        "--keys lists every key that there is, and every check.",
    ),
    examples=(
        ("livefw policy", "Show what is set here, and what it matches."),
        ("livefw policy --keys", "List every key and every check."),
        ("livefw policy --check", "Check the file, for example after a change."),
    ),
    see_also=("livefw.toml(5)", "plan"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Where the settings are, and what is wanted to know of them."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="show the keys that are not set, too")
    what.add_argument("--keys", action="store_true", help="list every key and every check, and look at nothing here")
    what.add_argument(
        "--check", action="store_true", help="say only whether the settings are right; 4 if a pattern matches nothing"
    )
    configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the settings, and what is wrong with them."""
    if arguments.keys:
        return session.show(rendered.reference())
    found = assemble.effective_policy(where(session, arguments), session.providers, check=arguments.check)
    return session.show(rendered.check(found) if arguments.check else rendered.answer(found, every_key=arguments.all))
