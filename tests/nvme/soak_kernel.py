# SPDX-License-Identifier: Apache-2.0
"""Every fault of a drive, and SIGKILL at every moment, on Debian's kernel; test_kernel.py has one of each kind. And a
mirror on the newest kernel."""

from pathlib import Path

import pytest

from ..daemon.conftest import package, packages
from ..daemon.newest_kernel import newest
from ..daemon.virtual_machine import BOOT_S, PATIENCE_S, Told, story
from . import ends, kernel_checks, kernel_ends
from .test_kernel import payload
from .test_kernel_newest import newest_payload

EVERY_S = 4 * BOOT_S
"""For all rows: 49 of them took 23 min on a machine with five programs for each CPU."""
pytestmark = pytest.mark.timeout(EVERY_S + PATIENCE_S)

__all__ = ["package", "packages"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Told:
    """The story of one machine, which finds a file `every`."""
    files = {**payload(package), "every": Path(ends.__file__)}
    return story(tmp_path_factory, "nvme-every", "tests.nvme.kernel_checks", lambda: files, within_s=EVERY_S)


@pytest.mark.parametrize("name", kernel_ends.EVERY)
def test_on_a_real_kernel(name: str, told: Told) -> None:
    told.require(name)


def test_mirror_on_the_newest_kernel(tmp_path_factory: pytest.TempPathFactory, package: Path) -> None:
    files = {**newest_payload(package), "every": Path(ends.__file__)}
    told = story(tmp_path_factory, "newest-every", "tests.nvme.newest_checks", lambda: files, kernel=newest)
    told.require(kernel_checks.mirror_is_updated_under_load.__name__)
