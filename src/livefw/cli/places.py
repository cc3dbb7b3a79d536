# SPDX-License-Identifier: Apache-2.0
"""Where things are, as the command line says: for what needs no engine."""

import argparse

from livefw.activation.places import STATE_VARIABLE, Places, places
from livefw.cli.session import Session


def configure_state(parser: argparse.ArgumentParser) -> None:
    """Where the history is."""
    default = f"${STATE_VARIABLE}, then /var/lib/livefw"
    parser.add_argument("--state", metavar="DIR", help=f"directory of the history ({default})")


def where(session: Session, arguments: argparse.Namespace) -> Places:
    """Where they are."""
    return places(session.root, state=arguments.state, settings=session.settings)
