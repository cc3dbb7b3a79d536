# SPDX-License-Identifier: Apache-2.0
"""Parsing of everything but the plainest command lines."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from livefw import __version__
from livefw.cli.session import show
from livefw.cli.verbs import VERBS
from livefw.errors import UsageError

if TYPE_CHECKING:
    from livefw.cli.verbs import Module

USAGE = "livefw [--root DIR] [--json] [--debug] COMMAND ..."


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would exit, so that a wrong option is an error like any other."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=" ".join(self.format_usage().split()))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Where argparse ignores lines of ours that are too wide, and an output that cannot be written."""
        show(file or sys.stderr, message.rstrip("\n"))


def parse(words: list[str]) -> tuple[Module, argparse.Namespace]:
    """The verb and its arguments. `UsageError`; SystemExit after ``--help`` and ``--version``."""
    position = _verb_position(words)
    if position is None:
        _parse_without_verb(words)
        raise UsageError("a command is missing", hint=f"usage: {USAGE}, see livefw --help")
    name = words[position]
    if name not in VERBS:
        commands = ", ".join(VERBS)
        raise UsageError(f"there is no command {name!r}; commands are {commands}", hint=f"usage: {USAGE}")
    verb = VERBS[name]
    module = verb.load()
    parser = _parser(prog=f"livefw {name}", description=verb.summary)
    module.configure(parser)
    return module, parser.parse_args(words[:position] + words[position + 1 :])


def _verb_position(words: list[str]) -> int | None:
    """Where the verb is: the first word that is no option and not the value of ``--root``."""
    value_follows = False
    for position, word in enumerate(words):
        if not value_follows and not word.startswith("-"):
            return position
        value_follows = word == "--root" and not value_follows
    return None


def _parse_without_verb(words: list[str]) -> None:
    width = max(map(len, VERBS))
    commands = "\n".join(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items())
    parser = _parser(prog="livefw", description=f"Live firmware activation.\n\ncommands:\n{commands}", usage=USAGE)
    parser.add_argument("--version", action="version", version=f"livefw {__version__}")
    parser.parse_args(words)


def _parser(*, prog: str, description: str, usage: str | None = None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        usage=usage,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_argument_group("for every command")
    group.add_argument("--root", metavar="DIR", default="/", help="look at the machine whose files are below DIR")
    group.add_argument("--json", action="store_true", help="answer with one JSON document")
    group.add_argument("--debug", action="store_true", help="show each file operation, and tracebacks")
    return parser
