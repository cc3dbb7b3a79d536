# SPDX-License-Identifier: Apache-2.0
"""A directory in memory, for folders of tests that write a history again and again.

Each row of a history is synced, and most of such a test is waiting for the disk, which all processes of the tests
share. The calls are the same ones. What a disk may lose or refuse is tested where that is made: tests/faults and
tests/cli/test_dead_disks.py.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = "/dev/shm"
_LEAST = 1 << 30
"""Bytes that have to be free: containers often have 64 MiB. A test leaves some hundred kilobytes, until it ends."""


def _serves() -> bool:
    """Whether it is there, has space, and runs the checks and hooks that tests put there."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _LEAST and not found.f_flag & os.ST_NOEXEC


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """The directory of the test, in memory where that serves."""
    if not _serves():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="livefw-", dir=_MEMORY) as directory:
        yield Path(directory)
