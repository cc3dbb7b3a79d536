# SPDX-License-Identifier: Apache-2.0
"""Parsing of everything but the plainest command lines."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from livefw import __version__
from livefw.cli import manual
from livefw.cli.invocation import listing
from livefw.cli.invocation.groups import COMMON, places
from livefw.cli.parser import CommandParser
from livefw.cli.verbs import VERBS
from livefw.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = "livefw [--root DIR] [--settings DIR] [--json] [--debug] COMMAND ..."
EVERYDAY = ("list", "show", "plan", "activate", "history")
"""The commands that most people need, in the order in which they need them."""


def parse(words: list[str]) -> tuple[str, argparse.Namespace]:
    """The verb and its arguments. `UsageError`; SystemExit after help and ``--version``.

    Help that was not asked for, as for a bare ``livefw machine``, ends with the code of a usage error.
    """
    position = _verb_position(words)
    if position is not None and words[position] == "help":
        if (code := _read_manual(words[position + 1 :])) is not None:
            raise SystemExit(code)
        words = [*words[:position], *words[position + 1 :], "--help"]
        position = _verb_position(words)
    if position is None:
        _parse_without_verb(words)
        raise _incomplete(top(), "a command is missing", words)
    name = words[position]
    if name not in VERBS:
        raise _no_such_verb(name, words, position)
    parser = configured(name)
    arguments, beyond = parser.parse_known_args(listing.joined(words[:position] + words[position + 1 :]))
    chosen = parser.chosen(arguments)
    if beyond:
        raise chosen.unknown(beyond)
    if next(chosen.children(), None):
        raise _incomplete(chosen, f"{chosen.prog}: a command is missing", words)
    arguments.command_line = words
    return name, arguments


def configured(name: str) -> CommandParser:
    """The parser of a verb, with what every command has. KeyError for one that does not exist."""
    verb = VERBS[name]
    module = verb.load()
    parser = _parser(prog=f"livefw {name}", description=verb.summary)
    parser.manual = module.MANUAL
    module.configure(parser)
    for each in (parser, *_nested(parser)):
        _add_common(each)
    return parser


def _nested(parser: CommandParser) -> Iterator[CommandParser]:
    """The parsers of the verb's verbs, to any depth."""
    for _, _, child in parser.children():
        yield child
        yield from _nested(child)


def _read_manual(words: list[str]) -> int | None:
    """Show the manual page of a command; the exit code of man(1), or None where that is not possible."""
    named = [word for word in words if not word.startswith("-")]
    return manual.read(*named) if not named or named[0] in VERBS else None


def _incomplete(parser: CommandParser, message: str, words: list[str]) -> BaseException:
    """What ends the command where it says too little: the help for a person, an error for a program."""
    if "--json" in words:
        return UsageError(message, hint=f"{parser.prog} --help")
    parser.print_help()
    return SystemExit(int(ExitCode.USAGE))


def _no_such_verb(name: str, words: list[str], position: int) -> UsageError:
    from livefw.cli import mistakes  # only for errors

    before = words[:position]
    if before and before[-1].startswith("-") and not top().has(before[-1]):  # the word may be that option's value
        later = next((word for word in words[position:] if word in VERBS), None)
        if later and configured(later).has(before[-1]):
            hint = f"livefw {later} {before[-1]} {name}"
            return UsageError(f"{before[-1]} is an option of livefw {later}, and stands behind it", hint=hint)
    _parse_without_verb(before)
    return mistakes.no_such_verb(name, configured)


def _verb_position(words: list[str]) -> int | None:
    """Where the verb is: the first word that is no option and not the value of one that says where things are."""
    value_follows = False
    for position, word in enumerate(words):
        if not value_follows and not word.startswith("-"):
            return position
        value_follows = word in ("--root", "--settings", "--state", "--color") and not value_follows
    return None


def _parse_without_verb(words: list[str]) -> None:
    """Serve ``--help`` and ``--version``, and refuse options that no command has."""
    parser = top()
    _, beyond = parser.parse_known_args(words)
    if beyond:
        raise parser.unknown(beyond)


def top() -> CommandParser:
    """The parser where no verb is given: it has the commands in its description."""
    parser = _parser(prog="livefw", description="Activate firmware while the machine runs.", usage=USAGE)
    others = [name for name in VERBS if name not in EVERYDAY]
    width = max(map(len, VERBS))
    for title, names in (("everyday commands", EVERYDAY), ("other commands", others)):
        listed = "\n".join(f"  {name:{width}}  {VERBS[name].summary}" for name in names)
        parser.description = f"{parser.description}\n\n{title}:\n{listed}"
    version = f"livefw {__version__}"
    parser.add_argument("-V", "--version", action="version", version=version, help="show the version and exit")
    _add_common(parser)
    parser.epilog = "livefw help COMMAND shows the options and examples of a command."
    return parser


def _parser(*, prog: str, description: str, usage: str | None = None) -> CommandParser:
    parser = CommandParser(prog=prog, usage=usage, description=description)
    parser.set_defaults(root="/", settings=None, json=False, debug=False, color="auto")
    return parser


def _add_common(parser: CommandParser) -> None:
    """What every command has. Without defaults: a verb's verb must not take back what was said before it."""
    none = argparse.SUPPRESS
    where = places(parser)
    where.add_argument("--root", metavar="DIR", default=none, help="look at the machine whose files are below DIR")
    settings = "directory of livefw.toml and checks.d (/etc/livefw, and none with --root)"
    where.add_argument("--settings", metavar="DIR", default=none, help=settings)
    group = parser.add_argument_group(COMMON)
    group.add_argument("--json", action="store_true", default=none, help="answer with one JSON document")
    group.add_argument("--debug", action="store_true", default=none, help="show each file operation, and tracebacks")
    colors = "when to use colour (auto: at a terminal that has it, unless NO_COLOR is set)"
    group.add_argument("--color", choices=["auto", "always", "never"], default=none, help=colors)
