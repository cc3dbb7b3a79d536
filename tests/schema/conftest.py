# SPDX-License-Identifier: Apache-2.0
"""Where something can be mounted."""

import os

import pytest


@pytest.fixture
def mountable() -> None:
    """Skip where nothing can be mounted, and say why."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
