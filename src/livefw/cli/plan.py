# SPDX-License-Identifier: Apache-2.0
"""``livefw plan``."""

import argparse

from livefw.activation.engine import Plan
from livefw.api import ConnectedHost
from livefw.cli.invocation import listing, paths
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, TransportError
from livefw.render import plan as rendered

MANUAL = Manual(
    description=(
        (
            'Show what "livefw activate" would do now: the components in their order, what each activation costs, '
            "which checks fail, and whether a failed check blocks the activation or only warns. Nothing is changed."
        ),
    ),
    examples=(
        ("livefw plan", "Plan the activation of everything that is pending."),
        ("livefw plan tf-rmm", "Plan the activation of one component."),
        ("livefw --json plan tf-rmm", "The same as one JSON document."),
    ),
    see_also=("activate", "policy", "explain"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components, and what to leave out of account."""
    parser.add_argument("components", nargs="*", metavar="COMPONENT", help="as for activate; without any, all pending")
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 and begin nothing unless every BMC that is asked shows all it has"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="CHECK", help="continue although this check blocks it"
    )
    listing.configure(parser, rendered.LISTING)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show what would be done; 4 if anything blocks a step, 3 if there is nothing to do."""
    host = ConnectedHost(paths.host(session, arguments))
    return show(session, host.plan(*arguments.components, ignore=arguments.ignore), strict=arguments.strict)


def show(session: CommandSession, plan: Plan, *, strict: bool = False) -> int:
    """Show a plan; the exit code. ``strict``: 1 if a BMC did not show all it has."""
    if strict and plan.incomplete and not plan.steps:
        raise TransportError(str(rendered.nothing(plan)), phase="plan")
    if not plan.steps:
        for line in rendered.unmatched_lines(plan.unmatched):
            session.say(f"livefw: {line}")
    code = session.show(rendered.answer(plan))
    return ExitCode.FAILED if strict and plan.incomplete else code
