# SPDX-License-Identifier: Apache-2.0
"""Machines whose metrics are collected, and Prometheus's own tool."""

import os
import shutil
from pathlib import Path

import pytest

from ..cli.conftest import empty as empty
from ..cli.conftest import ready as ready

CHECKOUT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw")


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program that checks metrics and rules."""
    kept = CACHE / "promtool"
    found = str(kept) if kept.exists() else shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing; on Debian: scripts/setup.sh, or apt-get install prometheus")
    return found
