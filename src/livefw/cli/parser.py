# SPDX-License-Identifier: Apache-2.0
"""The parser of a command: its errors are ours, its help fits the width, and its commands have manuals."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from livefw.cli.invocation.groups import COMMON, PLACES
from livefw.cli.invocation.session import show
from livefw.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from livefw.cli.verbs import Manual

_ELSEWHERE = {
    "-q": "--json",
    "-v": "--debug",
    "--assume-yes": "--yes",
    "--force": "--ignore",
    "--name": "--machine",
    "--no-history": "--no-journal",
    "--no-measure": "--measure off",
    "--quiet": "--json",
    "--simulate": "--dry-run",
    "--verbose": "--debug",
}
"""What other tools, or earlier versions of this one, call an option of ours."""


class CommandParser(argparse.ArgumentParser):
    """Raises where argparse would exit, so that a wrong option is an error like any other."""

    manual: Manual | None = None
    """What the help and the manual page say beside the options."""

    def __init__(self, **options: Any) -> None:
        given: dict[str, Any] = {"formatter_class": _Help, "allow_abbrev": False} | options
        super().__init__(**given)

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`."""
        raise UsageError(message.removeprefix("argument "), hint=f"{self.prog} --help")

    def unknown(self, words: list[str]) -> UsageError:
        """The error for words that are no argument of this command."""
        subject, more = self.prog.removeprefix("livefw ").removeprefix("livefw"), f"{self.prog} --help"
        given = next((word for word in words if word.startswith("-")), None)
        if given is None:
            return UsageError(f"{subject}: unexpected argument {words[0][:60]!r}", hint=more)
        from livefw import suggest  # only for errors

        name, own = given.partition("=")[0][:60], [each for each in self._option_string_actions if each != "--help"]
        other = _ELSEWHERE.get(name, "")
        if name in ("-V", "--version"):
            hint = "livefw --version"
        elif other.partition(" ")[0] in own:
            hint = f"did you mean {other}? {more}"
        else:
            hint = suggest.hint(name, (each for each in own if each.startswith("--")), rest=more)
        return UsageError(f"{subject or 'livefw'} has no option {name!r}", hint=hint)

    def has(self, option: str) -> bool:
        """Whether there is such an option."""
        return option in self._option_string_actions

    def arrange(self) -> None:
        """Put the groups of options in their order: its own, what goes for every command, and where things are."""
        last = {COMMON: 1, PLACES: 2}
        self._action_groups.sort(key=lambda group: last.get(str(group.title), 0))

    def children(self) -> Iterator[tuple[str, str, CommandParser]]:
        """Its own commands: name, summary, parser."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other way to them
                summaries = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
                for name, child in action.choices.items():
                    yield name, summaries[name], child

    def chosen(self, arguments: argparse.Namespace) -> CommandParser:
        """The parser of the command below this one that the arguments name, to any depth, or this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                name = getattr(arguments, action.dest)
                return self if name is None else action.choices[name].chosen(arguments)
        return self

    def format_help(self) -> str:
        """As argparse, with the examples, in lines that fit."""
        self.arrange()
        from livefw.render.fold import fold  # only for help

        text = super().format_help().rstrip("\n")
        if self.manual and self.manual.examples:
            text += "\n\nexamples:\n" + "\n".join(_example(*each) for each in self.manual.examples)
        return fold(text, shutil.get_terminal_size().columns) + "\n"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Where argparse lists all choices in one line."""
        if action.choices is None or value in action.choices:
            return
        from livefw import suggest  # only for errors

        choices = [str(each) for each in action.choices]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            known = f"the commands of {self.prog} are {', '.join(choices)}"
            hint = suggest.hint(str(value), choices, form=self.prog + " {}") or known
            raise UsageError(f"there is no command {f'{self.prog} {value[:60]}'!r}", hint=hint)
        name = action.option_strings[-1] if action.option_strings else self.prog.removeprefix("livefw ")
        known = f"choices: {suggest.listed(choices)}"
        raise UsageError(f"{name}: there is no {str(value)[:60]!r}", hint=suggest.hint(str(value), choices, rest=known))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Where argparse ignores lines of ours that are too wide, and an output that cannot be written."""
        show(file or sys.stderr, message.rstrip("\n"))


class _Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written; options with the short spelling first and their value once."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def _example(command: str, about: str) -> str:
    """A command line, which can be copied where it is more than one line, and what it does."""
    lines, width = [""], shutil.get_terminal_size().columns - 10
    for word in re.findall(r"(?:'[^']*'|\"[^\"]*\"|\S)+", command):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "  " + " \\\n      ".join(lines) + f"\n          {about}"


class Below(NamedTuple):
    """A command below a verb: what adds its arguments, what runs it, and its manual; its summary is the first line."""

    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[..., int]
    summary: str
    manual: Manual


def add_below(parser: argparse.ArgumentParser, dest: str, table: Mapping[str, Below]) -> None:
    """A parser for each command below a verb; which one is given is in ``dest`` of the arguments, or None."""
    verbs = parser.add_subparsers(dest=dest, metavar="VERB")
    for name, below in table.items():
        child = verbs.add_parser(name, help=below.summary, description=below.summary)
        child.manual = below.manual  # type: ignore[attr-defined]  # the reference's own parser has no use for it
        below.configure(child)
