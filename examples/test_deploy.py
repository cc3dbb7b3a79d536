# SPDX-License-Identifier: Apache-2.0
"""A deployment tool against machines whose firmware fails."""

import os
import sys
from pathlib import Path

import pytest

from livefw.testing import MountedMachine

SCRIPT = Path(__file__).with_name("deploy.sh")
ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # finds the command livefw

pytestmark = pytest.mark.livefw(platform="vera", cpus=4, mount=True)


@pytest.mark.livefw(driver=["v2", "v3", "nv3"])
def test_it_activates(livefw_machine: MountedMachine) -> None:
    done = livefw_machine.run([SCRIPT], environment=ENVIRONMENT)
    assert (done.stdout, done.returncode) == ("ok\n", 0)
    assert livefw_machine.running("rmm") == "1.1"


@pytest.mark.livefw(driver=["v1", "v3", "nv3"], faults=["auth-error:rmm"])
def test_it_reports_an_image_that_is_not_authentic(livefw_machine: MountedMachine) -> None:
    done = livefw_machine.run([SCRIPT], environment=ENVIRONMENT)
    assert (done.stdout, done.returncode) == ("failed\n", 1)
    assert livefw_machine.running("rmm") == "1.0"


@pytest.mark.livefw(driver="v3")
def test_it_tries_later_when_nothing_can_be_done_now(livefw_machine: MountedMachine) -> None:
    assert livefw_machine.livefw("activate", "--yes", "TF-RMM").returncode == 0
    done = livefw_machine.run([SCRIPT], environment=ENVIRONMENT)
    assert (done.stdout, done.returncode) == ("later\n", 75)
