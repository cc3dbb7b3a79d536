# SPDX-License-Identifier: Apache-2.0
"""A script that reads the driver's files, with each version of the driver, and with an agent that misbehaves."""

from pathlib import Path

import pytest

from livefw.testing import MountedMachine

SCRIPT = Path(__file__).with_name("pending.sh")
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"

pytestmark = pytest.mark.livefw(platform="vera", driver=["v1", "v2", "v3", "nv3"], mount=True)


def test_it_finds_what_is_pending(livefw_machine: MountedMachine) -> None:
    assert livefw_machine.run([SCRIPT, livefw_machine.root]).stdout == f"{RMM}\n"
    livefw_machine.stage("0509b633")
    found = livefw_machine.run([SCRIPT, livefw_machine.root]).stdout.split()
    assert found == ["0509b633-5734-422f-a681-6096e932d93a", RMM]


@pytest.mark.livefw(faults=["agent-gone"])
def test_it_finds_nothing_where_no_agent_answers(livefw_machine: MountedMachine) -> None:
    done = livefw_machine.run([SCRIPT, livefw_machine.root])
    assert done.stdout == ""
    assert done.returncode == 0
