# SPDX-License-Identifier: Apache-2.0
"""Parsing of everything but the plainest command lines."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from livefw import __version__
from livefw.cli import manual
from livefw.cli.invocation.session import show
from livefw.cli.verbs import VERBS
from livefw.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON = "for every command"
"""The title of the options that every command has."""
USAGE = "livefw [--root DIR] [--settings DIR] [--json] [--debug] COMMAND ..."


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would exit, so that a wrong option is an error like any other."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=" ".join(self.format_usage().split()))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Where argparse ignores lines of ours that are too wide, and an output that cannot be written."""
        show(file or sys.stderr, message.rstrip("\n"))


def parse(words: list[str]) -> tuple[str, argparse.Namespace]:
    """The verb and its arguments. `UsageError`; SystemExit after ``--help`` and ``--version``."""
    position = _verb_position(words)
    if position is not None and words[position] == "help":
        words = [*words[position + 1 :], "--help"]
        position = _verb_position(words)
        verb = None if position is None else words[position]
        if (verb is None or verb in VERBS) and (code := manual.read(verb)) is not None:
            raise SystemExit(code)
    if position is None:
        _parse_without_verb(words)
        raise UsageError("a command is missing", hint=f"usage: {USAGE}, see livefw --help")
    name = words[position]
    if name not in VERBS:
        _parse_without_verb(words[:position])  # it may be the value of an option that does not exist
        raise _no_such_verb(name)
    parser = configured(name)
    arguments, beyond = parser.parse_known_args(words[:position] + words[position + 1 :])
    if beyond:
        _innermost(parser, arguments).error(f"unrecognized arguments: {' '.join(beyond)}")
    return name, arguments


def configured(name: str) -> argparse.ArgumentParser:
    """The parser of a verb, with what every command has. KeyError for one that does not exist."""
    verb = VERBS[name]
    module = verb.load()
    parser = _parser(prog=f"livefw {name}", description=verb.summary)
    module.configure(parser)
    for nested in _nested(parser):
        _add_common(nested)
    examples = "\n".join(f"  {command}\n      {about}" for command, about in module.MANUAL.examples)
    parser.epilog = "\n\n".join(filter(None, (parser.epilog, f"examples:\n{examples}")))
    return parser


def _innermost(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> argparse.ArgumentParser:
    """The parser of the verb's verb, if it has any: its usage is the one that helps."""
    for action in _subparsers(parser):
        return _innermost(action.choices[getattr(arguments, action.dest)], arguments)
    return parser


def _nested(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of the verb's verbs, to any depth."""
    for action in _subparsers(parser):
        for child in action.choices.values():
            yield child
            yield from _nested(child)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[Any]:
    found = parser._actions  # noqa: SLF001 - argparse has no other way to them
    return (action for action in found if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001


def _no_such_verb(name: str) -> UsageError:
    from difflib import get_close_matches  # only for errors

    commands = ", ".join(VERBS)
    suggestions = " or ".join(f"livefw {verb}" for verb in get_close_matches(name, VERBS))
    hint = f"{suggestions}?" if suggestions else f"usage: {USAGE}"
    return UsageError(f"there is no command {name!r}; commands are {commands}", hint=hint)


def _verb_position(words: list[str]) -> int | None:
    """Where the verb is: the first word that is no option and not the value of ``--root``."""
    value_follows = False
    for position, word in enumerate(words):
        if not value_follows and not word.startswith("-"):
            return position
        value_follows = word in ("--root", "--settings") and not value_follows
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
    _add_common(parser)
    parser.set_defaults(root="/", settings=None, json=False, debug=False)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """What every command has. Without defaults: a verb's verb must not take back what was said before it."""
    group = parser.add_argument_group(COMMON)
    none = argparse.SUPPRESS
    group.add_argument("--root", metavar="DIR", default=none, help="look at the machine whose files are below DIR")
    settings = "directory of livefw.toml and checks.d (/etc/livefw, and none with --root)"
    group.add_argument("--settings", metavar="DIR", default=none, help=settings)
    group.add_argument("--json", action="store_true", default=none, help="answer with one JSON document")
    group.add_argument("--debug", action="store_true", default=none, help="show each file operation, and tracebacks")
