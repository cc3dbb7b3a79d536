# SPDX-License-Identifier: Apache-2.0
"""Every command that a hint names is a complete command line: those in the sources, and those of real errors."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import livefw
from livefw.cli.arguments import parse
from livefw.cli.explain.codes import every
from livefw.cli.verbs import VERBS
from livefw.errors import ExitCode, LivefwError

SOURCES = Path(livefw.__file__).parent
_COMMAND = re.compile(r"""(?<![\w`/.$("-])livefw((?: (?:--?[\w-]+|[^\s;,()"`?]+))+)""")
_PROSE = {
    "and",
    "as",
    "for",
    "has",
    "in",
    "lists",
    "may",
    "or",
    "says",
    "shows",
    "tells",
    "with",
    "itself",
    "activates",
}
"""Words at which a sentence continues."""


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstrings, with x for what is filled in."""
    nodes = [*ast.walk(tree)]
    documents = {
        id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (str(p.value) if isinstance(p, ast.Constant) else "x" for p in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents | inside:
            yield node.lineno, node.value


def commands_in(text: str) -> Iterator[list[str]]:
    """The command lines that a text names, each with the words behind it."""
    for match in _COMMAND.finditer(text):
        words = [word.rstrip(".:?!") for word in takewhile(lambda word: word not in _PROSE, match[1].split())]
        at = next((at for at, word in enumerate(words) if not word.startswith("-")), None)
        if at is not None and words[at] in VERBS:
            yield words


def complete(words: list[str]) -> list[str] | None:
    """The longest command line that these words begin with; None if there is none."""
    for end in range(len(words), 0, -1):
        try:
            verb, arguments = parse([word.strip("'") for word in words[:end]])
        except LivefwError:
            continue
        except SystemExit as help_shown:
            if help_shown.code:
                continue
            return words[:end]
        if verb == "activate" and not (arguments.components or arguments.all or arguments.scheduled):
            continue
        return words[:end]
    return None


def _in_sources() -> Iterator[tuple[str, list[str]]]:
    for path in sorted(SOURCES.rglob("*.py")):
        if path.parts[len(SOURCES.parts)] == "schema":
            continue  # titles of documents
        for line, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            for words in commands_in(text):
                yield f"{path.relative_to(SOURCES)}:{line}", words


def test_commands_in_the_texts_of_the_program_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(_in_sources())
    assert len(found) > 100
    assert [(place, " ".join(words)) for place, words in found if complete(words) is None] == []


def test_commands_in_the_tables_of_codes_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """What `livefw explain` shows comes from the tables of all mechanisms."""
    texts = [text for each in every() for text in (each.hint, each.advice)]
    found = [words for text in texts for words in commands_in(text)]
    assert len(found) > 30
    assert [" ".join(words) for words in found if complete(words) is None] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("livefw show", [None]),
        ("see livefw show and dmesg", [None]),
        ("livefw show --help", [["show", "--help"]]),
        ("livefw activate", [None]),
        ("livefw activate --all", [["activate", "--all"]]),
        ("livefw show COMPONENT; start no other", [["show", "COMPONENT"]]),
        ("wait for it; livefw history shows how it ended", [["history"]]),
        ("did you mean livefw list? livefw help lists the commands", [["list"]]),
        ("livefw machine run --platform vera", [["machine", "run", "--platform", "vera"]]),
        ("livefw machine", [None]),
        ("livefw lists firmware", []),
    ],
)
def test_how_commands_are_found(text: str, found: list[list[str] | None], capsys: pytest.CaptureFixture[str]) -> None:
    assert [complete(words) for words in commands_in(text)] == found


def test_no_hint_is_an_option_alone() -> None:
    """A hint is a sentence or a command."""
    wrong = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                wrong += [f"{path}:{line}" for line, text in _texts(node.value) if text.startswith("-")]
    assert wrong == []


REAL = [
    # A command that ends with a hint, and the code that the command in the hint ends with.
    ("show nosuch", ExitCode.DONE),
    ("show", ExitCode.DONE),
    ("activate", ExitCode.DONE),
    ("activate nosuch", ExitCode.DONE),
    ("lst", ExitCode.DONE),
    ("status", ExitCode.DONE),
    ("list --jsno", ExitCode.DONE),
    ("plan --ignore", ExitCode.DONE),
    ("history", ExitCode.DONE),
    ("machine show", None),
    ("machine run", ExitCode.DONE),
    ("machine fault", ExitCode.DONE),
    ("machine fault auth-eror", ExitCode.DONE),
    ("machine run --platform vear", ExitCode.DONE),
    ("explain activatd", ExitCode.DONE),
]


@pytest.mark.parametrize(("line", "code"), REAL)
def test_the_command_in_a_hint_works(ready: Any, line: str, code: ExitCode | None) -> None:
    done = ready.run("--json", *line.split())
    assert done.code not in (ExitCode.DONE, ExitCode.FAILED), done
    hint = done.json["error"]["hint"]
    assert "COMPONENT" not in hint
    found = [complete(words) for words in commands_in(hint)] + [
        ["help", *match.split()] for match in re.findall(r"livefw help((?: (?!lists)[a-z]+)?)", hint)
    ]
    assert found, hint
    for words in found:
        assert words, hint
        if code is not None:
            shown = ready.run(*words)
            assert shown.code == code, (words, shown)


@pytest.mark.fuse
def test_hints_of_activations_name_the_component(vera: Any) -> None:
    """One that fails, one that is refused, one that leaves nothing to cancel: each hint is run as it stands."""
    vera.machine.stage("rmm", "1.4", authentic=False)
    hints = []
    for line in ("activate tf-rmm --yes", "activate 0509b633 --yes", "cancel tf-rmm"):
        done = vera.run("--json", *line.split())
        text = vera.run(*line.split())
        hints += re.findall(r'"hint": "(.*?)"', done.out) + re.findall(r"hint: (.*)", text.out + text.err)
    assert hints
    for hint in hints:
        assert "COMPONENT" not in hint
        for words in commands_in(hint):
            command = complete(words)
            assert command is not None, hint
            assert vera.run(*command).code != ExitCode.USAGE, hint


def test_a_hint_can_be_given_to_a_shell(ready: Any) -> None:
    """An identifier with a blank is quoted."""
    from livefw.providers.component import Reason

    why = Reason("code", "text", "livefw show COMPONENT").about("rack 1/a;b")
    asked = subprocess.run(["bash", "-c", f"printf '%s\\n' {why.hint}"], capture_output=True, text=True, check=True)
    assert asked.stdout.split("\n")[:3] == ["livefw", "show", "rack 1/a;b"]
    assert shlex.split(why.hint) == ["livefw", "show", "rack 1/a;b"]
