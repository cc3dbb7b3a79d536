# SPDX-License-Identifier: Apache-2.0
"""Completions for three shells, from the tables that the command is made of."""

from options import Option, verbs

from livefw.cli.explain.codes import words
from livefw.cli.verbs import VERBS

COMMON = ("--root", "--json", "--debug", "--help")
ARGUMENTS = {"explain": words}
"""Verbs whose argument is one of a list of words."""


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
