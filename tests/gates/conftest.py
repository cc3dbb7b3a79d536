# SPDX-License-Identifier: Apache-2.0
"""The checkout, and programs run on it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
"""Run an argument list and return its standard output; if it does not end with 0, fail with everything it said."""


def source_files(checkout: Path, scratch: Path) -> set[str]:
    """Every file of the sources that exists: those below the top that git would not ignore.

    An empty repository in ``scratch`` is asked, because an unpacked source archive has none of its own.
    """
    if shutil.which("git") is None:
        pytest.skip("git is missing, which knows what belongs to the sources; on Debian: apt-get install git")
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as empty:
        asked = ["git", f"--git-dir={empty}/.git", f"--work-tree={checkout}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        said = ""
        for words in (["git", "init", "-q", empty], [*asked, "ls-files", "-z", "--others", "--exclude-standard"]):
            done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            said = done.stdout
    return set(filter(None, said.split("\0"))) - {".git", "PKG-INFO"}


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Top of the source tree."""
    return Path(__file__).parents[2]


@pytest.fixture
def run(checkout: Path) -> Run:
    """See `Run`; the working directory is the checkout unless ``cwd`` says otherwise."""

    def _run(*arguments: str | Path, cwd: Path = checkout, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            arguments, cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.fail(f"{arguments[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout

    return _run
