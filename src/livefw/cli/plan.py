# SPDX-License-Identifier: Apache-2.0
"""``livefw plan``."""

import argparse

from livefw.activation.engine import Plan
from livefw.api import ConnectedHost
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import Session
from livefw.render import plan as rendered


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components, and what to leave out of account."""
    parser.add_argument("components", nargs="*", metavar="COMPONENT", help="as for activate; without any, all pending")
    parser.add_argument("--ignore", action="append", default=[], metavar="CHECK", help="as for activate")
    paths.configure_state(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show what would be done; 4 if anything stands against a step."""
    host = ConnectedHost(paths.host(session, arguments))
    return show(session, host.plan(*arguments.components, ignore=arguments.ignore))


def show(session: Session, plan: Plan) -> int:
    """Show a plan; the exit code."""
    if not plan.steps:
        for line in rendered.unmatched_lines(plan.unmatched):
            session.say(f"livefw: {line}")
    return session.show(rendered.answer(plan))
