# SPDX-License-Identifier: Apache-2.0
"""A provider over a tree in memory."""

import pytest

from livefw.providers.lfa.fake import FakeLfa


@pytest.fixture
def bench() -> FakeLfa:
    return FakeLfa()
