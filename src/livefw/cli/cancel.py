# SPDX-License-Identifier: Apache-2.0
"""``livefw cancel``."""

import argparse

from livefw.activation import inventory
from livefw.activation import run as activation
from livefw.activation.select import select
from livefw.cli import results
from livefw.cli.narrator import Narrator
from livefw.cli.session import Session
from livefw.providers.registry import SystemClock


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component."""
    parser.add_argument("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Cancel; 3 if there was nothing to cancel, which is the normal state."""
    providers = session.providers()
    candidate = select(arguments.component, inventory.take(providers).require().candidates)
    result = activation.cancel(candidate, watch=Narrator(session, verb="cancel"), clock=SystemClock())
    return results.answer(session, results.Report([result]), providers, phase="cancel")
