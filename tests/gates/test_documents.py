# SPDX-License-Identifier: Apache-2.0
"""What the documents quote exists."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.cli.main import main
from livefw.cli.verbs import VERBS, Verb

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [*CHECKOUT.glob("*.md"), *sorted(CHECKOUT.glob("docs/*.md"))]

_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:[$#] )?(?:sudo )?(livefw .*)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_TARGET = re.compile(r"`make ([a-z]+)")


class Dry(NamedTuple):
    """A verb that takes its arguments and does nothing."""

    module: Any

    def configure(self, parser: argparse.ArgumentParser) -> None:
        self.module.configure(parser)

    def run(self, session: object, arguments: argparse.Namespace) -> int:
        return 0


def _commands() -> Iterator[str]:
    for document in DOCUMENTS:
        for block in _BLOCK.findall(document.read_text(encoding="utf-8")):
            yield from _COMMAND.findall(block)


def test_quoted_commands_parse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    load = Verb.load
    monkeypatch.setattr(Verb, "load", lambda verb: Dry(load(verb)))
    commands = set(_commands())
    assert len(commands) > 5
    refused = {}
    for command in sorted(commands):
        words = shlex.split(command, comments=True)[1:]
        code = main([word for word in words if word != "&"])
        if code:
            refused[command] = capsys.readouterr().err
    assert refused == {}


def test_readme_names_every_command() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert [name for name in VERBS if f"| `livefw {name}" not in readme] == []


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in _LINK.findall(document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_quoted_targets_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    quoted = {target for document in DOCUMENTS for target in _TARGET.findall(document.read_text(encoding="utf-8"))}
    assert quoted <= targets
