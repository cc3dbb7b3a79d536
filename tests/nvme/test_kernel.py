# SPDX-License-Identifier: Apache-2.0
"""Modelled drives on Debian's kernel: a virtual machine is booted once and makes the checks of kernel_checks.py."""

from pathlib import Path

import pytest

from ..daemon.conftest import package, packages
from ..daemon.virtual_machine import PATIENCE_S, Told, story
from . import kernel_checks

pytestmark = pytest.mark.timeout(PATIENCE_S)

__all__ = ["package", "packages"]


def payload(package: Path) -> dict[str, Path]:
    """What the machine runs."""
    tests = Path(__file__).parents[1]
    names = ["daemon/systemd_guest.py", "nvme/ends.py"]
    names += [f"nvme/kernel_{name}.py" for name in ("guest", "process", "ends", "checks")]
    return {"livefw.deb": package, **{f"tests/{name}": tests / name for name in names}}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Told:
    """The story of one machine."""
    return story(tmp_path_factory, "nvme", "tests.nvme.kernel_checks", lambda: payload(package))


@pytest.mark.parametrize("name", kernel_checks.CHECKS)
def test_on_a_real_kernel(name: str, told: Told) -> None:
    told.require(name)
