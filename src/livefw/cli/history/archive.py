# SPDX-License-Identifier: Apache-2.0
"""``livefw history --archive``: older rows move into a file of their own."""

import argparse

from livefw.activation.engine import Engine
from livefw.activation.history.archive import Archived, Cut
from livefw.activation.history.journal import KEEP
from livefw.activation.queries import history, when
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode
from livefw.render.attempt import settled_text
from livefw.text import printable


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Take the machine, so that no engine writes meanwhile, and move what is old enough."""
    since = when(arguments.older, option="--older") if arguments.older else None
    cut = Cut(KEEP if arguments.keep is None else arguments.keep, since)
    history(paths.where(session, arguments)).close()  # without one there is nothing to archive
    with Engine(paths.host(session, arguments)).open() as running:
        for settled in running.settled:
            session.say(settled_text(settled))
        if running.set_aside:
            session.say(running.set_aside.text)
        made = running.archive(cut, file=arguments.archive[0] or None)
    session.answer(lambda: _text(made), lambda: {"archived": _document(made)})
    return ExitCode.DONE


def _text(made: Archived) -> str:
    rows = f"rows {made.first} to {made.last.sequence} are in {printable(made.file)} now"
    beside = f"{made.kept} of them stay here as well, for the checks that look back"
    return f"{rows}; {beside}\nlivefw history --file {printable(made.file)} shows them"


def _document(made: Archived) -> dict[str, object]:
    return {
        "file": made.file,
        "first": made.first,
        "last": made.last.sequence,
        "head": str(made.last),
        "kept": made.kept,
    }
