# SPDX-License-Identifier: Apache-2.0
"""``livefw cancel``: a client of the engine."""

import argparse

from livefw.activation.engine import Engine
from livefw.cli import engine, results
from livefw.cli.narrator import Narrator
from livefw.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component, and why."""
    add = parser.add_argument
    add("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--no-journal", action="store_true", help="go on although no history can be written")
    engine.configure_state(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Cancel; 3 if there was nothing to cancel, which is the normal state."""
    # Without the policy: a mistake in the settings must not keep anybody from stopping what goes wrong.
    host = engine.host(session, arguments, measured=False, without_journal=arguments.no_journal, without_policy=True)
    narrator = Narrator(session, verb="cancel")
    attempt = Engine(host).cancel(arguments.component, reason=arguments.reason, watch=narrator)
    extra = results.Extra([*engine.attempt_lines(attempt)], engine.attempt_document(attempt))
    return results.answer(session, results.Report([attempt.result], extras=[extra]), host.providers, phase="cancel")
