# SPDX-License-Identifier: Apache-2.0
"""What real shells offer for an unfinished command line."""

import os
import pty
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ANSWER_S = 60.0
"""Seconds in which a shell has answered, however busy the machine is."""


def bash(scripts: Path, line: str, environment: Mapping[str, str]) -> list[str]:
    """What bash offers: the function is called as readline calls it."""
    words = [*shlex.split(line.rstrip()), ""] if line.endswith(" ") else shlex.split(line)
    given = " ".join(map(shlex.quote, words))
    script = (
        f"source {shlex.quote(str(scripts / 'livefw.bash'))}; COMP_WORDS=({given}); COMP_CWORD={len(words) - 1};"
        " declare -F _shtab_livefw >/dev/null || exit 9; complete -p livefw >/dev/null || exit 8; _shtab_livefw;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, check=True, timeout=ANSWER_S
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def fish(scripts: Path, line: str, environment: Mapping[str, str]) -> list[str]:
    """What fish offers, without the descriptions."""
    script = f"source {shlex.quote(str(scripts / 'livefw.fish'))}; complete -C {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=ANSWER_S,
    )
    assert done.stderr == ""
    return [each.partition("\t")[0] for each in done.stdout.split("\n")[:-1]]


_ZSH = r"""
PS1= PS2= RPS1=; unsetopt beep zle_bracketed_paste 2>/dev/null; setopt rc_expand_param
fpath=({scripts} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
  local -a hits
  if [[ " ${{@[1,(i)(-|--)]}} " == *" -"[a-zA-Z]#[OAD]" "* ]]; then builtin compadd "$@"; return; fi
  builtin compadd -A hits "$@"
  print -rl -- $hits >>{answer}
  builtin compadd "$@"
}}
asked() {{ zle -I 2>/dev/null; _main_complete "$@"; print -r -- {end} >>{answer}; compstate[insert]= compstate[list]= }}
zle -C asked complete-word asked
bindkey '^I' asked
print -r -- {end} >>{answer}
"""
_END = "end-of-the-answer"


def zsh(scripts: Path, line: str, environment: Mapping[str, str]) -> list[str]:
    """What zsh's completion system offers on a terminal, where it adds what it is given with ``compadd``."""
    place = Path(environment["ZDOTDIR"])
    answer = place / "answer"
    answer.write_text("")
    (place / ".zshrc").write_text(_ZSH.format(scripts=scripts, answer=answer, end=_END))
    end, other = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-i"], env=dict(environment), stdin=other, stdout=other, stderr=other, start_new_session=True
    ) as process:
        os.close(other)
        try:
            _until(end, lambda: answer.read_text().count(_END) == 1)
            answer.write_text("")
            os.write(end, f"{line}\t".encode())
            _until(end, lambda: _END in answer.read_text())
        finally:
            process.kill()
            os.close(end)
    return answer.read_text().partition(_END)[0].split("\n")[:-1]


def _until(terminal: int, over: Callable[[], bool]) -> None:
    """Read what is written to a terminal, which nobody needs, until something is the case."""
    ends = time.monotonic() + ANSWER_S
    while not over():
        assert time.monotonic() < ends, "the shell does not answer"
        if select.select([terminal], [], [], 0.02)[0]:
            os.read(terminal, 65536)


SHELLS: Mapping[str, Callable[[Path, str, Mapping[str, str]], list[str]]] = {"bash": bash, "fish": fish, "zsh": zsh}
