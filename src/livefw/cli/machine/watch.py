# SPDX-License-Identifier: Apache-2.0
"""``livefw machine log`` and ``trace``: what happened on a running machine, and what happens."""

import argparse
import select
import sys
from collections.abc import Callable
from typing import Any

from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine.control import configure_machine, connected
from livefw.errors import ExitCode, NothingToDo
from livefw.machine.control import ControlClient
from livefw.text import printable_lines

_PERIOD_MS = 100
"""Milliseconds between two looks of --follow: a person sees no difference, and a look costs less than a millisecond."""


def configure_log(parser: argparse.ArgumentParser) -> None:
    """Whether to continue."""
    _configure(parser)


def run_log(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the kernel log."""
    return _watch(session, arguments, command="log", items="records")


def configure_trace(parser: argparse.ArgumentParser) -> None:
    """Whether to continue."""
    _configure(parser)


def run_trace(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the calls."""
    return _watch(session, arguments, command="trace", items="calls")


def _configure(parser: argparse.ArgumentParser) -> None:
    configure_machine(parser)
    parser.add_argument("--follow", action="store_true", help="continue until interrupted; JSON: one document each")


def _watch(session: CommandSession, arguments: argparse.Namespace, *, command: str, items: str) -> int:
    with connected(arguments) as client:
        if arguments.follow:
            _follow(session, client, command, items)
        else:
            found, page = _all(client, command, items)
            inside = page.get("inside", [])
            session.answer(
                lambda: printable_lines([each["line"] for each in found + inside]),
                lambda: {items: found} | ({"inside": inside} if command == "trace" else {}),
            )
    return ExitCode.DONE


def _all(client: ControlClient, command: str, items: str) -> tuple[list[Any], dict[str, Any]]:
    """All that is kept now, and the last page, which has the calls under way."""
    found: list[Any] = []
    page = client.ask(command)
    while page[items]:
        found += page[items]
        page = client.ask(command, since=page["next"])
    return found, page


def _follow(session: CommandSession, client: ControlClient, command: str, items: str) -> None:
    """Until Ctrl-C, the machine's end, or nobody reads any more; none is an error."""
    following = 0
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)  # for what is always told: that the other end of a pipe was closed
    try:
        while True:
            page = client.ask(command, since=following)
            following = page["next"]
            for item in page[items]:
                session.answer(_line(item), _document(item))
            if not page[items] and reader.poll(_PERIOD_MS):
                return
    except (KeyboardInterrupt, NothingToDo):
        return


def _line(item: dict[str, Any]) -> Callable[[], str]:
    return lambda: printable_lines([item["line"]])


def _document(item: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    return lambda: item
