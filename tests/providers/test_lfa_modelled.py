# SPDX-License-Identifier: Apache-2.0
"""The LFA provider on modelled machines of every driver version: what it recognises, and why there is nothing."""

from dataclasses import replace

import pytest

from livefw.abi.guid import RMM
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.providers.base import Severity
from livefw.providers.lfa.provider import LfaProvider

GUID = str(RMM.guid)


def modelled(driver: str, *faults: FaultRequest) -> tuple[Machine, LfaProvider]:
    """A machine with faults that it was started with, and the provider on it."""
    machine = Machine(replace(load("fvp"), driver=driver, agent="bet1", cpus=4, faults=faults))
    machine.boot()
    return machine, LfaProvider(MachineFiles(machine), MachineClock(machine))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("auth-error", "AUTH_ERROR"),
        ("no-memory", "NO_MEMORY"),
        ("device-error", "DEVICE_ERROR"),
        ("notify-refused", "ACTIVATION_FAILED"),
    ],
)
@pytest.mark.parametrize("driver", VERSIONS)
def test_the_firmwares_own_code_is_found(driver: str, fault: str, code: str) -> None:
    machine, provider = modelled(driver)
    machine.stage(GUID, "7.7")
    machine.inject(FaultRequest(name=fault, component=GUID))
    running = provider.activate(GUID, lambda _: None)
    assert running.wait(None)
    assert running.claim.firmware_code == code


@pytest.mark.parametrize("driver", VERSIONS)
def test_the_driver_is_recognised(driver: str) -> None:
    """FVP names every component, so that v2 and v3 differ by their device, v3 and NVIDIA's by nothing."""
    _, provider = modelled(driver)
    findings = {finding.code: finding for finding in provider.diagnose()}
    assert driver in findings["driver-version"].text.replace("nv1", "")
    assert ("driver-trust" in findings) is (driver == "v1")
    assert all(finding.severity is not Severity.ERROR for finding in findings.values())


@pytest.mark.parametrize(
    ("driver", "fault", "code"),
    [("v2", "agent-gone", "no-agent"), ("v3", "agent-gone", "no-driver"), ("v3", "absurd-count", "no-inventory")],
)
def test_doctor_says_why_there_is_nothing(driver: str, fault: str, code: str) -> None:
    _, provider = modelled(driver, FaultRequest(name=fault))
    assert provider.discover().components == ()
    assert code in [finding.code for finding in provider.diagnose()]
