# SPDX-License-Identifier: Apache-2.0
"""A Python program that activates by `livefw.connect`, against machines that fail, in virtual time."""

import pytest

import livefw
from livefw.testing import ModelMachine


def roll_out(host: livefw.ConnectedHost) -> dict[str, str]:
    """Activate everything that is pending, and give the outcome of each component by name."""
    done: dict[str, str] = {}
    for event in host.activate():
        if isinstance(event, livefw.Finished):
            done = {each.result.before.name: str(each.result.outcome) for each in event.attempts}
    return done


@pytest.mark.livefw(driver=["v2", "v3", "nv3"])
def test_it_activates(livefw_machine: ModelMachine) -> None:
    with livefw_machine.connect() as host:
        assert roll_out(host) == {"TF-RMM": "activated"}
        assert len(host.history().activations) == 1


@pytest.mark.livefw(driver="v3", faults=[{"name": "endless-prime", "component": "rmm"}])
def test_it_gives_up_after_the_time_limit_of_the_driver(livefw_machine: ModelMachine) -> None:
    with livefw_machine.connect() as host:
        assert roll_out(host) == {"TF-RMM": "failed"}
    assert livefw_machine.clock.now() > 30
