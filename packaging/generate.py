# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions for three shells, from the command's own tables: ``generate.py DIRECTORY``."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import livefw
from livefw.cli.explain.codes import words
from livefw.cli.verbs import VERBS
from livefw.daemon import service
from livefw.errors import MEANINGS

COMMON = ("--root", "--json", "--debug", "--help")
ARGUMENTS = {"explain": words}
"""Verbs whose argument is one of a list of words."""


class Option(NamedTuple):
    """An option as it is shown: its spelling, the word for its value, its help."""

    name: str
    value: str
    help: str


def options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """The options of a parser; arguments without dashes come with an empty spelling."""
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:  # noqa: SLF001
            continue
        value = "" if action.nargs == 0 else str(action.metavar or action.dest).upper()
        text = str(action.help or "").replace("%%", "%")
        yield Option(action.option_strings[-1] if action.option_strings else "", value, text)


def verbs() -> Iterator[tuple[str, str, list[Option]]]:
    """Every verb with its summary and its own options; a verb with verbs of its own lists those in its help."""
    for name, verb in VERBS.items():
        parser = argparse.ArgumentParser(prog=f"livefw {name}", add_help=False)
        try:
            verb.load().configure(parser)
        except ImportError:  # needs what is not installed where the package is built
            parser = argparse.ArgumentParser(add_help=False)
        yield name, verb.summary, list(options(parser))


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _listed(found: list[Option]) -> Iterator[str]:
    for option in found:
        spelling = f"\\fB{_escape(option.name)}\\fR " if option.name else ""
        value = f"\\fI{_escape(option.value)}\\fR" if option.value else ""
        yield f".TP\n{spelling}{value}".rstrip()
        yield _escape(option.help) or "See the help of the command."


def manual_livefw() -> str:
    """livefw(1)."""
    lines = [
        f'.TH LIVEFW 1 "" "livefw {livefw.__version__}" "User Commands"',
        ".SH NAME\nlivefw \\- activate firmware while the machine runs",
        ".SH SYNOPSIS\n.B livefw",
        "[\\fB\\-\\-root\\fR \\fIDIR\\fR] [\\fB\\-\\-json\\fR] [\\fB\\-\\-debug\\fR] \\fICOMMAND\\fR ...",
        ".SH DESCRIPTION\nLists firmware that can be activated live, says what that costs and what speaks",
        "against it, activates it, proves what happened, and keeps the record.",
        ".SH COMMANDS",
    ]
    for name, summary, found in verbs():
        lines += [f".SS livefw {_escape(name)}", _escape(summary[:1].upper() + summary[1:]) + ".", *_listed(found)]
    lines += [
        ".SH EXIT STATUS",
        *(f".TP\n{int(code)}\n{_escape(text)}" for code, text in MEANINGS.items()),
        ".SH FILES\n.TP\n/etc/livefw/livefw.toml\nThe policy; see \\fBlivefw policy\\fR.",
        ".TP\n/var/lib/livefw/history.db\nThe record.\n.SH SEE ALSO\n.BR livefwd (8),\n.BR fwupdmgr (1)",
    ]
    return "\n".join(lines) + "\n"


def manual_livefwd() -> str:
    """livefwd(8)."""
    lines = [
        f'.TH LIVEFWD 8 "" "livefw {livefw.__version__}" "System Administration"',
        ".SH NAME\nlivefwd \\- serve live firmware activation to fwupd's clients",
        ".SH SYNOPSIS\n.B livefwd\n[\\fIOPTION\\fR]...",
        (
            ".SH DESCRIPTION\nSpeaks the D-Bus interface of fwupd and its own, org.livefw.Livefw1, on a Unix socket."
            "\nUnchanged clients of fwupd use it with FWUPD_DBUS_SOCKET; \\fBlivefw fwupdmgr\\fR sets that."
        ),
        ".SH OPTIONS",
        *_listed(list(options(service.parser()))),
        ".SH SEE ALSO\n.BR livefw (1),\n.BR fwupdmgr (1)",
    ]
    return "\n".join(lines) + "\n"


def bash() -> str:
    """Completion for bash."""
    cases = "\n".join(f'    {name}) words="{" ".join(_offered(name, found))}" ;;' for name, _, found in verbs())
    return f"""# SPDX-License-Identifier: Apache-2.0
_livefw() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} verb= each words
  for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " {" ".join(VERBS)} " in *" $each "*) verb=$each; break ;; esac
  done
  case $verb in
    "") words="{" ".join(VERBS)}" ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$words {" ".join(COMMON)}" -- "$word"))
}}
complete -o default -F _livefw livefw
"""


def zsh() -> str:
    """Completion for zsh."""
    described = "\n".join(f"    '{name}:{_quoted(summary)}'" for name, summary, _ in verbs())
    cases = "\n".join(
        f"    {name}) compadd -- {' '.join([*_offered(name, found), *COMMON])} ;;" for name, _, found in verbs()
    )
    return f"""#compdef livefw
# SPDX-License-Identifier: Apache-2.0
_livefw() {{
  local -a verbs
  verbs=(
{described}
  )
  if (( CURRENT == 2 )); then
    _describe command verbs
    compadd -- {" ".join(COMMON)}
    return
  fi
  case $words[2] in
{cases}
  esac
}}
_livefw "$@"
"""


def fish() -> str:
    """Completion for fish."""
    lines = ["# SPDX-License-Identifier: Apache-2.0", "complete -c livefw -f"]
    for name, summary, found in verbs():
        lines.append(f"complete -c livefw -n __fish_use_subcommand -a {name} -d '{_quoted(summary)}'")
        if offered := ARGUMENTS.get(name):
            lines.append(f"complete -c livefw -n '__fish_seen_subcommand_from {name}' -a '{' '.join(offered())}'")
        for option in found:
            if option.name:
                takes = " -r" if option.value else ""
                seen = f"'__fish_seen_subcommand_from {name}'"
                lines.append(
                    f"complete -c livefw -n {seen} -l {option.name.lstrip('-')}{takes} -d '{_quoted(option.help)}'"
                )
    return "\n".join(lines) + "\n"


def _offered(name: str, found: list[Option]) -> list[str]:
    """What may follow a verb: its options, and the words that its argument is one of."""
    return [*(option.name for option in found if option.name), *ARGUMENTS.get(name, list)()]


def _quoted(text: str) -> str:
    return text.replace("\\", "").replace("'", "").replace(":", " -")


FILES = {
    "livefw.1": manual_livefw,
    "livefwd.8": manual_livefwd,
    "livefw.bash": bash,
    "_livefw": zsh,
    "livefw.fish": fish,
}


def write(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
