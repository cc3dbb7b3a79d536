# SPDX-License-Identifier: Apache-2.0
"""The checkout, and programs run on it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
"""Run an argument list and return its standard output; if it does not end with 0, fail with everything it said."""


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
