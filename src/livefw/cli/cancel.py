# SPDX-License-Identifier: Apache-2.0
"""``livefw cancel``: a client of the engine."""

import argparse
from collections.abc import Generator

from livefw.activation.events import Event, Finished
from livefw.api import ConnectedHost
from livefw.cli.invocation import paths, several
from livefw.cli.invocation.progress import ProgressDisplay
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual

MANUAL = Manual(
    description=(
        (
            "Cancel an activation that was begun and not completed, so that the component can be activated again, or "
            "remove an image that is staged behind a management controller (un-stage it). "
            'What "cancel" means depends on the mechanism: Arm LFA has a call for it, others end a task of the '
            "management controller or remove what it holds, and some cannot cancel anything. The exit status is 3 if "
            "there is nothing to cancel, with every mechanism. The result is written to the history."
        ),
    ),
    examples=(
        ("livefw cancel tf-rmm", "Cancel the activation of one component."),
        ("livefw cancel 'redfish:*/pmfw-a'", "Cancel it on every BMC."),
        ("livefw cancel rack1/bios", "Remove an image that is staged behind a BMC."),
    ),
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
    chosen = several.selected(assembled, arguments.component)
    for line in chosen.warnings:
        session.say(line)
    progress = ProgressDisplay(session, verb="cancel", several=len(chosen.words) > 1)

    def request(word: str) -> Generator[Event, None, Finished]:
        return host.cancel(word, reason=arguments.reason)

    report = several.follow_each(host, chosen, request, progress, phase="cancel", to_the_end=True)
    session.report(report.text, lambda: report.fields(assembled.providers))
    return several.exit_code(report)
