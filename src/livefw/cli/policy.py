# SPDX-License-Identifier: Apache-2.0
"""``livefw policy``."""

import argparse
import os

from livefw import assemble
from livefw.activation.checks.table import CHECKS
from livefw.activation.inventory import discovery, unmatched_patterns
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.policy.document import FILE, KEYS, Policy
from livefw.activation.policy.reader import rows
from livefw.cli.invocation.paths import configure_state, where
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, LivefwError
from livefw.render.check import EFFECTS
from livefw.render.plan import unmatched_lines
from livefw.text import printable, table

MANUAL = Manual(
    description=(
        (
            "Show the settings that are used here: each key of livefw.toml with its value, default and meaning, and "
            "each check with what it does if it fails. Errors in the file are reported with their place."
        ),
        (
            "With --check only the state of the file is shown. The exit status is 4 if a pattern in it matches no "
            "component."
        ),
    ),
    examples=(
        ("livefw policy", "Show every key and every check."),
        ("livefw policy --check", "Check the file, for example after a change."),
    ),
    see_also=("livefw.toml(5)", "plan"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Where the settings are, and what is wanted to know of them."""
    add = parser.add_argument
    add("--check", action="store_true", help="say only whether the settings are right; 4 if a pattern matches nothing")
    configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Read the settings and report mistakes in them; list every key and every check."""
    places = where(session, arguments)
    policy = assemble.policy(places)
    path = os.path.join(places.settings, FILE) if places.settings else ""
    exists = os.path.exists(path)
    found, unseen = _unmatched(session, policy, check=arguments.check)
    keys = list(rows(KEYS))
    state = "not there, so the defaults hold" if not exists else "not in order" if found else "in order"
    first = [f"{path or FILE}: {state}", *unmatched_lines(found), *([unseen] if unseen else [])]
    tables = [
        "",
        table([("KEY", "VALUE", "DEFAULT", "WHAT IT DOES"), *(tuple(row) for row in keys)]),
        "",
        table([("CHECK", "IF NOT", "WHAT IT LOOKS FOR"), *((c.name, EFFECTS[c.weight].text, c.about) for c in CHECKS)]),
    ]
    session.answer(
        lambda: "\n".join(first if arguments.check else first + tables),
        lambda: {
            "file": path or None,
            "exists": exists,
            "unmatched": [each._asdict() for each in found],
            "keys": [row._asdict() for row in keys],
            "checks": [{"name": c.name, "weight": c.weight, "about": c.about} for c in CHECKS],
        },
    )
    return ExitCode.REFUSED if arguments.check and found else ExitCode.DONE


def _unmatched(session: CommandSession, policy: Policy, *, check: bool) -> tuple[tuple[UnmatchedPattern, ...], str]:
    """Patterns that match nothing here, or why that cannot be said; an error if it was to be checked."""
    try:
        here = discovery.take_inventory(session.providers())
        if unmatched_patterns.names_something(policy):
            here.require()
    except LivefwError as error:
        if check:
            raise
        return (), f"patterns were compared with nothing: {printable(error.message)}"
    return unmatched_patterns.explain(unmatched_patterns.find(policy, here), here), ""
