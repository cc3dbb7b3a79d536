# SPDX-License-Identifier: Apache-2.0
"""The engine and the LFA provider on modelled machines: every driver version, every fault, and what really happened.

What really happened is asked of the model's platform, which no program on such a machine could do.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from livefw.abi.guid import RMM
from livefw.abi.version import ComponentVersion
from livefw.activation import run
from livefw.activation.inventory import Candidate
from livefw.activation.outcome import Outcome, Result
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FAULTS, FaultRequest, Target
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.providers.base import Component, Progress, Severity
from livefw.providers.lfa.provider import LfaProvider

GUID = str(RMM.guid)
STAGED = ComponentVersion(7, 7)

FIRMWARE = {
    # agent profile, and whether the pending flag clears after an activation
    "tells all": ("bet1", True),
    "never clears": ("bet1", False),
    "tells nothing": ("tfa-2026", False),  # TF-A on FVP: no versions, always pending
    "released": ("tfa-2.15", True),
}


class Onlooker:
    def __init__(self) -> None:
        self.stop_after = float("inf")

    def begins(self, component: Component) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def tick(self, seconds: float) -> bool:
        return seconds < self.stop_after

    def ended(self, result: Result) -> None: ...


class Modelled:
    """A booted machine with a staged RMM, and the product looking at it."""

    def __init__(self, driver: str, firmware: str = "tells all") -> None:
        agent, clears = FIRMWARE[firmware]
        self.machine = Machine(_config(driver, agent, clears=clears))
        self.machine.boot()
        self.machine.stage(GUID, str(STAGED))
        self.clock = MachineClock(self.machine)
        self.files = MachineFiles(self.machine)
        self.provider = LfaProvider(self.files, self.clock)
        self.watch = Onlooker()

    def fault(self, name: str) -> None:
        about = None if FAULTS[name].target is Target.NONE else GUID
        self.machine.inject(FaultRequest(name=name, component=about))

    def activate(self) -> Result:
        component = self.provider.inspect(GUID)
        assert component
        return run.activate(Candidate(self.provider, component), watch=self.watch, clock=self.clock)

    @property
    def activated(self) -> bool:
        """The truth."""
        guids = {each.guid for each in self.machine.platform.components()}
        return RMM.guid not in guids or self.machine.platform.version(RMM.guid) == STAGED

    def asked(self) -> Iterator[str]:
        """Calls that the firmware got which could have done something."""
        return (call.name for call in self.machine.trace if call.name in ("LFA_PRIME", "LFA_ACTIVATE"))


def _config(driver: str, agent: str, *, clears: bool) -> MachineConfig:
    fvp = load("fvp")
    components = tuple(replace(each, pending_never_clears=not clears and each.pending_never_clears)
                       for each in fvp.components)  # fmt: skip
    return replace(fvp, driver=driver, agent=agent, components=components, cpus=4)


OPEN = {
    "hang": "a call into the firmware never returns",
    "reset": "the kernel is dead",
    "absurd-count": "the driver cannot read its inventory again, and goes on showing the old version",
}
"""Faults that may leave the outcome open, and why nothing better can be said."""

UNDETECTABLE = {("agent-gone-32", driver) for driver in ("v2", "v3", "nv3")}
"""These versions take a 32-bit -1 in a 64-bit register for success, and what they show then is what TF-A's FVP shows
after a real one."""


@pytest.mark.parametrize("fault", [None, *FAULTS])
@pytest.mark.parametrize("driver", VERSIONS)
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_the_truth_is_told(firmware: str, driver: str, fault: str | None) -> None:
    modelled = Modelled(driver, firmware)
    if fault:
        modelled.fault(fault)
    result = modelled.activate()
    if (fault, driver) in UNDETECTABLE:
        assert not modelled.activated
        return
    match result.outcome:
        case Outcome.ACTIVATED:
            assert modelled.activated
        case Outcome.FAILED:
            assert not modelled.activated
        case Outcome.REFUSED:
            assert list(modelled.asked()) == []
        case Outcome.UNKNOWN:
            assert fault in OPEN
        case Outcome.CANCELLED:
            pytest.fail("nobody cancelled")


@pytest.mark.parametrize("driver", VERSIONS)
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_without_a_kernel_log_nothing_false_is_told(
    firmware: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dmesg_restrict, a container: the verdict may stay open, and may not be wrong."""
    for fault in ("notify-refused", "busy", "activation-failed", None):
        modelled = Modelled(driver, firmware)
        monkeypatch.setattr(modelled.files, "records", _denied)
        if fault:
            modelled.fault(fault)
        outcome = modelled.activate().outcome
        assert outcome in ({Outcome.ACTIVATED, Outcome.UNKNOWN} if modelled.activated else
                           {Outcome.FAILED, Outcome.UNKNOWN})  # fmt: skip


def _denied(path: str) -> list[bytes]:
    raise PermissionError(1, "Operation not permitted", path)


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
    modelled = Modelled(driver)
    modelled.fault(fault)
    claim = modelled.activate().claim
    assert claim
    assert claim.firmware_code == code


def test_watching_can_stop_while_the_firmware_works() -> None:
    modelled = Modelled("v3")
    modelled.fault("slow")
    modelled.watch.stop_after = 0.5
    result = modelled.activate()
    assert (result.outcome, result.why.code) == (Outcome.UNKNOWN, "not-watched")
    modelled.clock.sleep(30)
    assert modelled.activated


@pytest.mark.parametrize("driver", VERSIONS)
def test_cancel_finds_nothing_to_cancel(driver: str) -> None:
    modelled = Modelled(driver)
    component = modelled.provider.inspect(GUID)
    assert component
    result = run.cancel(Candidate(modelled.provider, component), watch=modelled.watch, clock=modelled.clock)
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, "nothing-to-cancel")


@pytest.mark.parametrize("driver", VERSIONS)
def test_the_driver_is_recognised(driver: str) -> None:
    """FVP names every component, so that v2 and v3 differ by their device, v3 and NVIDIA's by nothing."""
    modelled = Modelled(driver)
    findings = {finding.code: finding for finding in modelled.provider.diagnose()}
    assert driver in findings["driver-version"].text.replace("nv1", "")
    assert ("driver-trust" in findings) is (driver == "v1")
    assert all(finding.severity is not Severity.ERROR for finding in findings.values())


@pytest.mark.parametrize(
    ("driver", "fault", "code"),
    [("v2", "agent-gone", "no-agent"), ("v3", "agent-gone", "no-driver"), ("v3", "absurd-count", "no-inventory")],
)
def test_doctor_says_why_there_is_nothing(driver: str, fault: str, code: str) -> None:
    config = replace(_config(driver, "bet1", clears=True), faults=(FaultRequest(name=fault),))
    machine = Machine(config)
    machine.boot()
    provider = LfaProvider(MachineFiles(machine), MachineClock(machine))
    assert provider.discover().components == ()
    assert code in [finding.code for finding in provider.diagnose()]
