# SPDX-License-Identifier: Apache-2.0
"""One word for one thing: retired words and phrases appear nowhere, and their terms are in the glossary."""

import ast
import io
import os
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .. import starting

CHECKOUT = Path(__file__).parents[2]
PLACES = ("messages", "documents", "comments", "identifiers", "class names")
TEXTS = ("messages", "documents", "comments")


class Retired(NamedTuple):
    """A row of glossary.toml, whose head says what its fields are."""

    expression: re.Pattern[str]
    say: str
    why: str
    places: tuple[str, ...]
    correct: re.Pattern[str] | None
    term: str


class Line(NamedTuple):
    """A piece of text, and where it stands."""

    place: str
    where: str
    text: str


def _row(row: dict[str, object]) -> Retired:
    correct, places = row.get("but"), row.get("in", TEXTS)
    assert isinstance(places, list | tuple)
    assert set(places) <= set(PLACES), row
    return Retired(
        re.compile(str(row["expression"]), 0 if "class names" in places else re.IGNORECASE),
        str(row["say"]),
        str(row["why"]),
        tuple(places),
        re.compile(str(correct), re.IGNORECASE) if correct else None,
        str(row.get("term", "")),
    )


_TABLE = tomllib.loads((Path(__file__).parent / "glossary.toml").read_text(encoding="utf-8"))
RETIRED = [_row(row) for row in _TABLE["retired"]]


def found(lines: Iterator[Line]) -> list[str]:
    """Every use of a retired word, with what to say instead."""
    return [
        f"{line.where}: {hit[0]!r} ({row.say})"
        for line in lines
        for row in RETIRED
        if line.place in row.places
        if (hit := row.expression.search(row.correct.sub("", line.text) if row.correct else line.text))
    ]


def of_source(name: str, source: str) -> Iterator[Line]:
    """Messages, docstrings, comments and names of a Python file."""
    nodes = [*ast.walk(ast.parse(source))]
    docstrings = {
        id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            place = "comments" if id(node) in docstrings else "messages"
            yield Line(place, f"{name}:{node.lineno}", " ".join(node.value.split()))
        elif isinstance(node, ast.ClassDef):
            yield Line("class names", f"{name}:{node.lineno}", node.name)
            yield Line("identifiers", f"{name}:{node.lineno}", node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Line("identifiers", f"{name}:{node.lineno}", node.name.replace("_", " "))
    yield Line("identifiers", name, " ".join(Path(name).with_suffix("").parts).replace("_", " "))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Line("comments", f"{name}:{token.start[0]}", token.string)


def of_text(name: str, text: str, place: str) -> Iterator[Line]:
    """The lines of a file; each with the next one, because phrases are broken."""
    lines = [re.sub(r"^\s*(//|#|<!--|\.\\\")?\s*", "", line) for line in text.splitlines()]
    for number, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True), 1):
        words = after.split()[:3]
        yield Line(place, f"{name}:{number}", " ".join([line, *words]))


def _sources() -> Iterator[Line]:
    for path in sorted((CHECKOUT / "src").rglob("*.py")):
        yield from of_source(str(path.relative_to(CHECKOUT)), path.read_text(encoding="utf-8"))


def _documents() -> Iterator[Line]:
    for path in [*CHECKOUT.glob("*.md"), *sorted((CHECKOUT / "docs").rglob("*.md"))]:
        if path.name != "CHANGELOG.md":
            yield from of_text(str(path.relative_to(CHECKOUT)), path.read_text(encoding="utf-8"), "documents")


def _shipped() -> Iterator[Line]:
    files = [path for folder in ("packaging", "monitor") for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    files += [path for path in (CHECKOUT / "src").rglob("*") if path.suffix in {".toml", ".xml", ".json"}]
    for path in sorted(files):
        if "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            place = "comments" if path.suffix in {".c", ".h", ".S", ".py"} else "messages"
            yield from of_text(str(path.relative_to(CHECKOUT)), text, place)


def _help() -> Iterator[Line]:
    """Help of each command, which is put together from several texts."""
    from livefw.cli.verbs import VERBS

    for words in ([], *([name] for name in VERBS)):
        done = starting.run([*words, "--help"], environment=os.environ | {"COLUMNS": "80"})
        assert done.returncode == 0, done.stderr
        yield from of_text(" ".join(["livefw", *words, "--help"]), done.stdout, "messages")


@pytest.mark.parametrize("lines", [_sources, _documents, _shipped, _help])
def test_retired_words_are_nowhere(lines: object) -> None:
    assert callable(lines)
    assert found(lines()) == []


@pytest.mark.parametrize("row", RETIRED, ids=lambda row: row.expression.pattern)
def test_a_rule_says_what_to_write_and_why(row: Retired) -> None:
    assert row.say
    assert row.why
    glossary = (CHECKOUT / "docs/glossary.md").read_text(encoding="utf-8")
    assert not row.term or f"| {row.term}" in glossary


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("X = 'nothing speaks against it'\n", "messages"),
        ('"""It goes\non by itself."""\n', "comments"),
        ("# whoever asks\n", "comments"),
        ("class Said: ...\n", "class names"),
        ("def _narrator(): ...\n", "identifiers"),
    ],
)
def test_a_retired_word_is_found(source: str, place: str) -> None:
    assert found(line for line in of_source("new.py", source) if line.place == place)


@pytest.mark.parametrize("text", ["a component made up of images", "it keeps running", "the record of what was done"])
def test_a_correct_use_passes(text: str) -> None:
    assert found(of_text("new.md", text, "documents")) == []


def test_a_public_class_name_is_that_of_one_class() -> None:
    """A stack trace names the class and not its module."""
    places: dict[str, list[str]] = {}
    for path in sorted((CHECKOUT / "src").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(CHECKOUT)))
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
