# SPDX-License-Identifier: Apache-2.0
"""What real shells offer for unfinished command lines. To start a shell takes longer than to ask it fifty times."""

import os
import pty
import select
import shlex
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ANSWER_S = 300.0
"""Seconds in which a shell has answered everything, however busy the machine is."""
_END = "end-of-the-answer"
_KILL_LINE = "\x15"


def bash(scripts: Path, lines: Sequence[str], environment: Mapping[str, str]) -> list[list[str]]:
    """What bash offers for each line: the function is called as readline calls it."""
    script = [
        f"source {shlex.quote(str(scripts / 'livefw.bash'))}",
        "declare -F _shtab_livefw >/dev/null || exit 9",
        "complete -p livefw >/dev/null || exit 8",
    ]
    for line in lines:
        words = [*shlex.split(line.rstrip()), ""] if line.endswith(" ") else shlex.split(line)
        given = " ".join(map(shlex.quote, words))
        script.append(f"COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); _shtab_livefw")
        script.append(f'printf "%s\\n" "${{COMPREPLY[@]}}" {_END}')
    return _answers(["bash", "--norc", "-c", "\n".join(script)], environment)


def fish(scripts: Path, lines: Sequence[str], environment: Mapping[str, str]) -> list[list[str]]:
    """What fish offers for each line, without the descriptions."""
    script = [f"source {shlex.quote(str(scripts / 'livefw.fish'))}"]
    script += [f"complete -C {shlex.quote(line)}; echo {_END}" for line in lines]
    found = _answers(["fish", "--no-config", "-c", "\n".join(script)], environment)
    return [[each.partition("\t")[0] for each in words] for words in found]


def _answers(command: Sequence[str], environment: Mapping[str, str]) -> list[list[str]]:
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=environment["HOME"], check=True, timeout=ANSWER_S
    )
    assert done.stderr == ""
    return _parted(done.stdout)


def _parted(text: str) -> list[list[str]]:
    """The words of each answer; each has its end behind it."""
    *answers, rest = text.split(f"{_END}\n")
    assert rest == ""
    return [each.split("\n")[:-1] for each in answers]


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


def zsh(scripts: Path, lines: Sequence[str], environment: Mapping[str, str]) -> list[list[str]]:
    """What zsh's completion system offers for each line on a terminal, where it adds what it gets by ``compadd``."""
    place = Path(environment["ZDOTDIR"])
    answer = place / "answer"
    answer.write_text("")
    found: list[list[str]] = []

    def has_answered() -> bool:
        return answer.read_text().endswith(f"{_END}\n")

    (place / ".zshrc").write_text(_ZSH.format(scripts=scripts, answer=answer, end=_END))
    end, other = pty.openpty()
    # While zsh works, the terminal edits lines: it would take the key that is meant for zsh, whose line would stay.
    modes = termios.tcgetattr(other)
    modes[6][termios.VKILL] = b"\0"
    termios.tcsetattr(other, termios.TCSANOW, modes)
    with subprocess.Popen(
        ["zsh", "-i"],
        env=dict(environment),
        cwd=environment["HOME"],
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    ) as process:
        os.close(other)
        try:
            _until(end, has_answered)
            for line in lines:
                answer.write_text("")
                os.write(end, f"{_KILL_LINE}{line}\t".encode())
                _until(end, has_answered)
                found += _parted(answer.read_text())
        finally:
            process.kill()
            os.close(end)
    return found


def _until(terminal: int, over: Callable[[], bool]) -> None:
    """Read what is written to a terminal, which nobody needs, until something is the case."""
    ends = time.monotonic() + ANSWER_S
    while not over():
        assert time.monotonic() < ends, "the shell does not answer"
        if select.select([terminal], [], [], 0.02)[0]:
            os.read(terminal, 65536)


Shell = Callable[[Path, Sequence[str], Mapping[str, str]], list[list[str]]]
SHELLS: Mapping[str, Shell] = {"bash": bash, "fish": fish, "zsh": zsh}
