# SPDX-License-Identifier: Apache-2.0
"""``livefw explain``."""

import argparse
import textwrap
from collections import Counter
from typing import Any

from livefw.cli.explain.codes import Kind, Meaning, every, meanings, words
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, UsageError
from livefw.text import printable

_WIDTH = 80
_NOT_OURS = "livefw explain lists every word; any other is the firmware's own, and its vendor knows it"


MANUAL = Manual(
    description=(
        (
            "Explain a word that livefw uses or that a firmware answered: an outcome, a reason code, a check, an "
            "exit status or a status code. Without a word all of them are listed."
        ),
    ),
    examples=(
        ("livefw explain unknown", "Explain an outcome and what to do about it."),
        ("livefw explain AUTH_ERROR", "Explain what a firmware answered."),
        ("livefw explain", "List every word."),
    ),
    see_also=("activate", "doctor"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The word."""
    parser.add_argument(
        "word",
        nargs="?",
        metavar="WORD",
        help="an outcome, a code, a check, an exit code, or what a firmware answered; without it, the list of all",
    )


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Tell every meaning of the word, or list them all; the machine is not looked at."""
    word = arguments.word
    found = every() if word is None else meanings(word)
    if not found:
        raise _unknown(word)
    session.answer(
        lambda: "\n\n".join(_text(each) for each in found) if word is not None else _list(found),
        lambda: {"meanings": [_document(each) for each in found]},
    )
    return ExitCode.DONE


def _unknown(word: str) -> UsageError:
    from livefw import suggest  # only for errors

    near = suggest.closest(word, words())
    hint = f"did you mean livefw explain {near}?" if near else _NOT_OURS
    return UsageError(f"livefw never answers with {printable(word[:60])!r}", hint=hint)


def _text(each: Meaning) -> str:
    heading = f"{each.word}: {each.kind}, from {each.source}"
    rows = (
        ("means", each.text),
        ("outcome", each.outcome or ""),
        ("seen", each.evidence),
        ("then", each.state),
        ("do", each.advice),
        ("hint", each.hint),
        ("exit", _exit(each)),
        ("also", ", ".join(each.also)),
    )
    return "\n".join([heading, *(_row(name, text) for name, text in rows if text)])


def _exit(each: Meaning) -> str:
    if each.exit_code is not None:
        return "" if each.kind is Kind.EXIT_CODE else str(int(each.exit_code))
    return "that of the outcome beside it" if each.kind in (Kind.REASON, Kind.FIRMWARE) else ""


def _row(name: str, text: str) -> str:
    return textwrap.fill(
        printable(text),
        _WIDTH,
        initial_indent=f"  {name:9}",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _list(found: tuple[Meaning, ...]) -> str:
    return "\n\n".join(_listed(kind, [each for each in found if each.kind is kind]) for kind in Kind)


def _listed(kind: Kind, found: list[Meaning]) -> str:
    """One line a word, with the first of what it means."""
    width = max(len(each.word) for each in found)
    first = {each.word: each.text for each in reversed(found)}
    lines = [kind.upper()]
    for word, count in Counter(each.word for each in found).items():
        several = f"({count} meanings) " if count > 1 else ""
        lines.append(_cut(f"  {word:{width}}  {several}{first[word]}"))
    return "\n".join(lines)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 4].rpartition(" ")[0] + " ..."


def _document(each: Meaning) -> dict[str, Any]:
    return each._asdict() | {"exit_code": None if each.exit_code is None else int(each.exit_code)}
