# SPDX-License-Identifier: Apache-2.0
"""What the documents quote exists."""

import argparse
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.cli.main import main
from livefw.cli.verbs import VERBS, Verb

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(CHECKOUT.glob("*.md")), *sorted(CHECKOUT.glob("docs/**/*.md"))]

_BLOCK = re.compile(r"^```[^\n`]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONTINUED = re.compile(r"\\\n> +")
_COMMAND = re.compile(r"^ *\$ (?:sudo )?(livefw .*)$", re.MULTILINE)
_FENCED = re.compile(r"^ *(`{3,})[^\n]*\n.*?^ *\1`* *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_TARGET = re.compile(r"`make ([a-z-]+)")


class Dry(NamedTuple):
    """A verb that takes its arguments and does nothing."""

    module: Any

    @property
    def MANUAL(self) -> Any:  # noqa: N802 - a constant of the module
        return self.module.MANUAL

    def configure(self, parser: argparse.ArgumentParser) -> None:
        self.module.configure(parser)

    def run(self, session: object, arguments: argparse.Namespace) -> int:
        return 0


def _commands() -> Iterator[str]:
    for document in DOCUMENTS:
        for block in _BLOCK.findall(document.read_text(encoding="utf-8")):
            yield from _COMMAND.findall(_CONTINUED.sub("", block))


def _words(command: str) -> list[str]:
    """The arguments of a command line of the shell, up to a pipe, a redirection or a background."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: not set(word) <= set("|&;<>()"), lexer))[1:]


def test_quoted_commands_parse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    load = Verb.load
    monkeypatch.setattr(Verb, "load", lambda verb: Dry(load(verb)))
    commands = set(_commands())
    assert len(commands) > 5
    refused = {}
    for command in sorted(commands):
        if main(_words(command)):
            refused[command] = capsys.readouterr().err
    assert refused == {}


def test_readme_names_every_command() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert [name for name in VERBS if f"`livefw {name}`" not in readme] == []


def _prose(document: Path) -> str:
    """A document without its blocks of code."""
    return _FENCED.sub("", document.read_text(encoding="utf-8"))


def _anchors(document: Path) -> set[str]:
    """What GitHub and MyST make of its headings."""
    anchors: set[str] = set()
    for heading in _HEADING.findall(_prose(document)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        anchors.add(next(each for each in (slug, *(f"{slug}-{n}" for n in range(1, 99))) if each not in anchors))
    return anchors


def _broken(document: Path) -> Iterator[str]:
    for link in _LINK.findall(_prose(document)):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    assert list(_broken(document)) == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](other.md)", []),
        ("[a](other.md#a-heading-with-code)", []),
        ("[a](#here)\n\n# Here", []),
        ("[a](#there)\n\n# Here", ["#there"]),
        ("[a](nowhere.md)", ["nowhere.md"]),
        ("[a](other.md#nowhere)", ["other.md#nowhere"]),
        ("```text\n[a](nowhere.md)\n```", []),
    ],
)
def test_a_broken_link_is_seen(text: str, broken: list[str], tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading, with `code`\n", encoding="utf-8")
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert list(_broken(tmp_path / "page.md")) == broken


def test_every_page_is_in_the_index() -> None:
    index = CHECKOUT / "docs/index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(_prose(index))}
    assert {path for path in DOCUMENTS if index.parent in path.parents} - linked == {index}


def test_quoted_targets_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    quoted = {target for document in DOCUMENTS for target in _TARGET.findall(document.read_text(encoding="utf-8"))}
    assert quoted <= targets
