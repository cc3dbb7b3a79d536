# SPDX-License-Identifier: Apache-2.0
"""Lint, format and types of everything that is Python here."""

import sys
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.timeout(600)  # a cold cache of mypy on a slow machine


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_has_nothing_to_say(run: Callable[..., str], arguments: tuple[str, ...]) -> None:
    run(sys.executable, "-m", "ruff", *arguments)


def test_types_hold_strictly(run: Callable[..., str]) -> None:
    run(sys.executable, "-m", "mypy")
