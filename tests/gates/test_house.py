# SPDX-License-Identifier: Apache-2.0
"""Rules of the house that no tool checks."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import livefw

CHECKOUT = Path(__file__).parents[2]
SPDX = "# SPDX-License-Identifier: Apache-2.0"
MOST_LINES = 700


def _sources() -> Iterator[tuple[str, list[str]]]:
    """Name and lines of each file with code or settings that people write here."""
    files = [CHECKOUT / name for name in ("Makefile", "pyproject.toml", ".ci/run")]
    for folder in ("src", "tests", "bench", "examples", "scripts", "ansible"):
        files += sorted(path for path in (CHECKOUT / folder).rglob("*") if path.suffix in {".py", ".sh", ".toml"})
    for path in files:
        yield str(path.relative_to(CHECKOUT)), path.read_text(encoding="utf-8").splitlines()


def test_licence_is_the_only_header() -> None:
    """The first line, or the second below that of an interpreter."""
    assert [name for name, lines in _sources() if SPDX not in lines[:2]] == []


def test_files_stay_small() -> None:
    assert {name: len(lines) for name, lines in _sources() if len(lines) > MOST_LINES} == {}


def test_versions_agree() -> None:
    released = re.search(r"^## (\S+)", (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert released is not None
    assert released[1] == project["version"] == livefw.__version__
