# SPDX-License-Identifier: Apache-2.0
"""Modelled drives and the firmware upload class on the newest kernel that Debian has: a virtual machine is booted once
and makes the checks of newest_checks.py."""

import json
from pathlib import Path

import pytest

from ..daemon.conftest import package, packages
from ..daemon.newest_kernel import newest
from ..daemon.virtual_machine import PATIENCE_S, Told, story
from ..tdx import test_upload_recorded as upload
from . import newest_checks
from .test_kernel import payload

pytestmark = pytest.mark.timeout(PATIENCE_S)

__all__ = ["package", "packages"]


def newest_payload(package: Path) -> dict[str, Path]:
    """What the machine runs."""
    tests = Path(__file__).parents[1]
    names = ("tdx/upload_steps.py", "nvme/newest_checks.py")
    return payload(package) | {f"tests/{name}": tests / name for name in names}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Told:
    """The story of one machine."""
    return story(tmp_path_factory, "newest", "tests.nvme.newest_checks", lambda: newest_payload(package), kernel=newest)


@pytest.mark.parametrize("name", newest_checks.CHECKS)
def test_on_the_newest_kernel(name: str, told: Told) -> None:
    told.require(name)


def test_the_upload_node_answers_as_it_did_and_as_the_model_does(told: Told) -> None:
    lines = told.require(newest_checks.upload_node_answers_each_step.__name__).splitlines()
    kernel = upload.with_steps(map(json.loads, lines))
    assert kernel == upload.recorded(upload.NEWEST)
    assert kernel == upload.modelled(upload.NEWEST)
