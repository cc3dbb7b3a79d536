# SPDX-License-Identifier: Apache-2.0
"""The worked examples, run as somebody would who has copied them: elsewhere, by a pytest that knows nothing of us."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("test_*.py"))
MOST_LINES = 60


def test_there_is_one_for_each_job_and_the_readme_has_them_all() -> None:
    assert len(FILES) >= 4
    linked = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")}
    assert {name: lines for name in FILES if (lines := _lines(EXAMPLES / name)) >= MOST_LINES} == {}


def _lines(path: Path) -> int:
    """Those with something on them."""
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.fuse
@pytest.mark.parametrize("name", FILES)
def test_an_example_passes_outside(tmp_path: Path, name: str, mountable: None) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--strict-markers", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
