# SPDX-License-Identifier: Apache-2.0
"""``livefw policy``."""

import argparse
import os

from livefw.activation.checks import CHECKS, Weight
from livefw.activation.policy import FILE, KEYS
from livefw.activation.settings import rows
from livefw.cli import engine
from livefw.cli.session import Session
from livefw.errors import ExitCode
from livefw.text import table


def configure(parser: argparse.ArgumentParser) -> None:
    """Where the settings are."""
    engine.configure_state(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Read the settings, so that a mistake in them is told, and list every key and every check."""
    places = engine.where(session, arguments)
    engine.policy(places)
    path = os.path.join(places.settings, FILE) if places.settings else ""
    exists = os.path.exists(path)
    if not path:
        session.tell_unused_settings()
    keys = list(rows(KEYS))
    session.answer(
        lambda: "\n".join(
            [
                f"{path or FILE}: {'in order' if exists else 'not there, so the defaults hold'}\n",
                table([("KEY", "VALUE", "DEFAULT", "WHAT IT DOES"), *(tuple(row) for row in keys)]),
                "",
                table(
                    [("CHECK", "IF NOT", "WHAT IT LOOKS FOR"), *((c.name, _IF_NOT[c.weight], c.about) for c in CHECKS)]
                ),
            ]
        ),
        lambda: {
            "file": path or None,
            "exists": exists,
            "keys": [row._asdict() for row in keys],
            "checks": [{"name": c.name, "weight": c.weight, "about": c.about} for c in CHECKS],
        },
    )
    return ExitCode.DONE


_IF_NOT = {
    Weight.WARNING: "is told",
    Weight.ERROR: "stops it; --ignore",
    Weight.FATAL: "stops it always",
}
