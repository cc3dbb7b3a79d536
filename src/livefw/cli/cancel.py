# SPDX-License-Identifier: Apache-2.0
"""``livefw cancel``: a client of the engine."""

import argparse

from livefw.api import ConnectedHost
from livefw.cli.invocation import paths
from livefw.cli.invocation.progress import ProgressDisplay
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.render.request import RequestResult

MANUAL = Manual(
    description=(
        (
            "Cancel an activation that was begun and not completed, so that the component can be activated again. "
            'What "cancel" means depends on the mechanism: Arm LFA has a call for it, others end a task of the '
            "management controller or have nothing to cancel. The result is written to the history."
        ),
    ),
    examples=(("livefw cancel tf-rmm", "Cancel the activation of one component."),),
    see_also=("activate", "history"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which component, and why."""
    add = parser.add_argument
    add("component", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--no-journal", action="store_true", help="continue although no history can be written")
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Cancel; 3 if there was nothing to cancel, which is the normal state."""
    # Without the policy: a mistake in the settings must not keep anybody from stopping what goes wrong.
    assembled = paths.host(session, arguments, lenient=True)
    host = ConnectedHost(assembled)
    progress = ProgressDisplay(session, verb="cancel")
    stream = host.cancel(arguments.component, reason=arguments.reason)
    report = RequestResult("cancel", RequestResult.of(progress.follow(host, stream), phase="cancel").attempts)
    session.report(report.text, lambda: report.fields(assembled.providers))
    return report.exit_code
