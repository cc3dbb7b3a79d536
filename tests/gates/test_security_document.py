# SPDX-License-Identifier: Apache-2.0
"""SECURITY.md promises what tests hold."""

import re
from pathlib import Path

import pytest

_ROW = re.compile(r"^\| [^|\n]+ \| [^|\n]+ \| [^|\n]+ \| `(tests/[^`:]+)::(test_\w+)` \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def document(checkout: Path) -> str:
    """The document."""
    return (checkout / "SECURITY.md").read_text(encoding="utf-8")


def test_every_attack_names_a_test_that_there_is(document: str, checkout: Path) -> None:
    table = document.partition("## Attacks that were tried")[2]
    named = _ROW.findall(table)
    assert len(named) == table.count("\n| ") - 1  # all rows but the head
    missing = [
        (file, test)
        for file, test in named
        if not re.search(rf"^def {test}\(", (checkout / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_the_packages_that_read_foreign_bytes_are_there(document: str, checkout: Path) -> None:
    table = document.partition("Which package reads bytes")[2].partition("Which process")[0]
    for name in re.findall(r"^\| `([a-z/.]+)`", table, re.MULTILINE):
        assert (checkout / "src/livefw" / name).exists(), name


def test_a_placeholder_says_that_it_is_one(document: str) -> None:
    for address in re.findall(r"[\w.]+@[\w.]+", document):
        assert not address.endswith(".invalid") or "is a placeholder" in document, address
