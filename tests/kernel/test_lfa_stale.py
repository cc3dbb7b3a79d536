# SPDX-License-Identifier: Apache-2.0
"""What the driver remembers, when it asks anew, and what becomes of a directory whose sequence id is wrong.

Sources: lfa_fw.c of each version: update_fw_images_tree (called by probe and by a successful activate_fw_image, and by
nothing else), set_image_flags, the show functions. No show function compares the GUID of an answer with its own.
"""

import errno
from collections.abc import Callable

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import FVP_SP1, RMM, SCP_BL2U, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import Registers
from livefw.abi.version import ComponentVersion
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.scripted import ScriptedFirmware
from livefw.machine.injection import InjectionRule, Injector, RuleEffect
from livefw.testing.driver import ModelDriver

LISTENING = [name for name in ALL if VERSIONS[name].notified]
A, B, C = (str(known.guid) for known in (FVP_SP1, SCP_BL2U, RMM))


def row(guid: str, current: str, pending: str = "9.9", flags: int = 0b1011) -> InventoryResult:
    versions = ComponentVersion.parse(current), ComponentVersion.parse(pending)
    return InventoryResult(Guid.parse(guid), InventoryFlag(flags), *versions)


RIGHT = [row(A, "1.0"), row(B, "2.0"), row(C, "3.0", "3.1")]
TWICE = [row(A, "1.0"), row(B, "2.0"), row(B, "3.0", "3.1")]
"""The GUID of B is reported a second time, in the place of C."""


def loaded(version: str) -> tuple[ModelDriver, ScriptedFirmware]:
    """Three components whose activations take one CPU."""
    firmware = ScriptedFirmware(RIGHT)
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    for guid in (A, B, C):
        bench.write(guid, "force_cpu_rendezvous", b"0")
    return bench, firmware


def misled(version: str) -> tuple[ModelDriver, ScriptedFirmware]:
    """As `loaded`, after the rescan that followed an activation of A met the GUID of B twice; all is well since."""
    bench, firmware = loaded(version)
    firmware.components = TWICE
    assert bench.write(A, "activate") == 0
    firmware.components = RIGHT
    bench.settle()
    firmware.calls.clear()
    return bench, firmware


def ids(firmware: ScriptedFirmware, function: Function) -> list[int]:
    """Sequence ids that a function was called with."""
    return [call.registers[1] for call in firmware.calls if call.registers[0] == function]


CACHED = ("name", "activation_capable", "may_reset_cpu", "cpu_rendezvous", "force_cpu_rendezvous", "current_version")
ASKED = ("activation_pending", "pending_version")


@pytest.mark.parametrize("version", ALL)
def test_which_files_ask_the_firmware(version: str) -> None:
    bench, firmware = loaded(version)
    for attribute, calls in (*((name, 0) for name in CACHED), *((name, 1) for name in ASKED)):
        firmware.calls.clear()
        bench.read(A, attribute)
        assert firmware.count(Function.GET_INVENTORY) == len(firmware.calls) == calls, attribute


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("fails", [Function.PRIME, Function.ACTIVATE])
def test_a_failed_activation_leaves_the_current_version_as_it_was_read_last(version: str, fails: Function) -> None:
    """Whatever runs now: a CPU that reports failure does not undo what another one did."""
    bench, firmware = loaded(version)
    firmware.script(Function.CANCEL, LfaStatus.INVALID_PARAMETERS)
    firmware.script(fails, LfaStatus.ACTIVATION_FAILED)
    firmware.components = [row(A, "1.1", "0.0", 0b1001), *RIGHT[1:]]
    assert bench.write(A, "activate") == errno.ECANCELED
    bench.settle()
    assert bench.read(A, "current_version") == "1.0\n"
    assert bench.read(A, "activation_pending") == "0\n", "this one is asked for"


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("function", [Function.GET_INFO, Function.GET_INVENTORY])
def test_what_is_left_of_an_inventory_that_cannot_be_read_after_an_activation(version: str, function: Function) -> None:
    """GET_INFO fails: v1 has forgotten everything before, the others go on with what they had. GET_INVENTORY: gone."""
    bench, firmware = loaded(version)
    firmware.script(function, LfaStatus.DEVICE_ERROR)
    assert bench.write(A, "activate") == 0
    bench.settle()
    if function is Function.GET_INVENTORY or VERSIONS[version].forgets_before_count:
        assert bench.guids() == ()
    else:
        assert [bench.read(guid, "current_version") for guid in (A, B, C)] == ["1.0\n", "2.0\n", "3.0\n"]


@pytest.mark.parametrize("version", ALL)
def test_a_guid_reported_twice_puts_another_component_behind_its_directory(version: str) -> None:
    bench, firmware = misled(version)
    assert sorted(bench.guids()) == sorted((A, B))
    assert bench.read(B, "current_version") == "3.0\n", "C's"
    assert bench.read(B, "activation_pending") == "1\n"
    if version != "v1":
        assert bench.read(B, "pending_version") == "3.1\n", "C's"
        assert ids(firmware, Function.GET_INVENTORY) == [2, 2]
    assert bench.write(B, "cancel") == 0
    assert bench.write(B, "activate") == 0
    assert ids(firmware, Function.CANCEL) == ids(firmware, Function.PRIME) == ids(firmware, Function.ACTIVATE) == [2]


Act = Callable[[ModelDriver, ScriptedFirmware], object]


def _failing(function: Function) -> Act:
    def act(bench: ModelDriver, firmware: ScriptedFirmware) -> None:
        firmware.script(Function.CANCEL, LfaStatus.INVALID_PARAMETERS)
        firmware.script(function, LfaStatus.ACTIVATION_FAILED)
        assert bench.write(A, "activate") == errno.ECANCELED

    return act


def _reading(bench: ModelDriver, _: ScriptedFirmware) -> None:
    for guid in (A, B):
        for attribute in (*CACHED, *ASKED):
            bench.read(guid, attribute)


def _automatic(bench: ModelDriver, firmware: ScriptedFirmware) -> None:
    bench.write(A, "auto_activate", b"1")
    firmware.script(Function.ACTIVATE, lambda _: _activated(firmware))
    bench.run(bench.driver.notify())


def _activated(firmware: ScriptedFirmware) -> tuple[int, ...]:
    """A's image runs, so that the notification's handler comes to an end."""
    firmware.components = [row(A, "1.1", "0.0", 0b1001), *RIGHT[1:]]
    return (0, 0)


def _reloading(bench: ModelDriver, _: ScriptedFirmware) -> None:
    bench.run(bench.driver.remove())
    assert bench.load()


LASTS: dict[str, Act] = {
    "reading every file": _reading,
    "cancel": lambda bench, _: bench.write(B, "cancel"),
    "settings": lambda bench, _: bench.write(B, "force_cpu_rendezvous", b"1"),
    "failed PRIME": _failing(Function.PRIME),
    "failed ACTIVATE": _failing(Function.ACTIVATE),
    "notification": lambda bench, _: bench.run(bench.driver.notify()),
}
ENDS: dict[str, Act] = {
    "activation of another": lambda bench, _: bench.write(A, "activate"),
    "activation of the wrong one": lambda bench, _: bench.write(B, "activate"),
    "automatic activation": _automatic,
    "reload": _reloading,
}


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("act", LASTS)
def test_what_does_not_make_the_inventory_right_again(version: str, act: str) -> None:
    bench, firmware = misled(version)
    LASTS[act](bench, firmware)
    bench.settle()
    assert sorted(bench.guids()) == sorted((A, B))
    assert bench.read(B, "current_version") == "3.0\n"


@pytest.mark.parametrize(
    ("version", "act"),
    [(version, act) for version in ALL for act in ENDS if act != "automatic activation" or version in LISTENING],
)
def test_what_makes_the_inventory_right_again(version: str, act: str) -> None:
    bench, firmware = misled(version)
    ENDS[act](bench, firmware)
    bench.settle()
    assert sorted(bench.guids()) == sorted((A, B, C))
    assert [bench.read(guid, "current_version") for guid in (B, C)] == ["2.0\n", "3.0\n"]
    firmware.calls.clear()
    assert bench.write(B, "activate") == 0
    assert ids(firmware, Function.PRIME) == [1]


# A component that stays primed in TF-A after its own activation, and loses its directory in the rescan that follows.

_FIRST_ONLY = InjectionRule(
    RuleEffect.ALTER, frozenset({Function.GET_INFO}), alter=lambda asked, _: asked.returning(0, 1, 0)
)


def _named_a(_: Registers, answer: Registers) -> Registers:
    return answer.returning(0, *Guid.parse(A).to_registers())


def _second_is_a() -> InjectionRule:
    return InjectionRule(RuleEffect.ALTER, frozenset({Function.GET_INVENTORY}), guid=SCP_BL2U.guid, alter=_named_a)


def stuck(version: str, rule: InjectionRule, *, profile: str = "bet1") -> tuple[ModelDriver, LfaAgent, MemoryPlatform]:
    """B was activated, is still the agent's current component, and has no directory; nothing lies any more."""
    platform = MemoryPlatform(
        [
            ComponentSpec(A, ComponentKind.SP, "1.0", "1.1"),
            ComponentSpec(B, ComponentKind.CONTROLLER, "2.0", "2.1", prime_steps=1, activate_steps=1),
        ]
    )
    agent = LfaAgent(platform, profile=PROFILES[profile], cpus=2)
    injector = Injector(agent, cpus=2)
    bench = ModelDriver(injector, version=version)
    assert bench.load()
    for guid in (A, B):
        assert bench.write(guid, "force_cpu_rendezvous", b"0") == 0
    injector.rules.append(rule)
    assert bench.write(B, "activate") == 0
    bench.settle()
    injector.rules.clear()
    assert bench.guids() == (A,)
    assert agent.state.component == SCP_BL2U.guid
    return bench, agent, platform


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("profile", ["tfa-2.15", "tfa-2026", "bet1"])
def test_nobody_can_cancel_a_component_without_a_directory(version: str, profile: str) -> None:
    """TF-A lfa_main.c: PRIME of another leaves the selection as it is, so its ACTIVATE and CANCEL have the wrong id."""
    bench, agent, platform = stuck(version, _FIRST_ONLY, profile=profile)
    for _ in range(3):
        assert bench.write(A, "activate") == errno.ECANCELED
        assert any("LFA_INVALID_PARAMETERS" in line for line in bench.lines()[-3:])
        assert bench.write(A, "cancel") == errno.EINVAL
    assert agent.state.component == SCP_BL2U.guid
    assert platform.version(FVP_SP1.guid) == ComponentVersion(1, 0)


@pytest.mark.parametrize("version", ALL)
def test_a_reload_of_the_driver_brings_the_directory_back_and_then_cancel_works(version: str) -> None:
    bench, agent, platform = stuck(version, _FIRST_ONLY)
    _reloading(bench, ScriptedFirmware())
    assert bench.guids() == (A, B)
    for guid in (A, B):
        assert bench.read(guid, "force_cpu_rendezvous") == "1\n", "settings are gone with the directories"
        assert bench.write(guid, "force_cpu_rendezvous", b"0") == 0
    assert bench.write(A, "activate") == errno.ECANCELED, "the reload alone frees nothing"
    assert bench.write(B, "cancel") == 0
    assert agent.state.component is None
    assert bench.write(A, "activate") == 0
    assert platform.version(FVP_SP1.guid) == ComponentVersion(1, 1)


@pytest.mark.parametrize("version", ALL)
def test_a_directory_that_carries_the_id_of_the_vanished_one_cancels_it(version: str) -> None:
    """What is wrong about it is the way out: after the CANCEL it can be activated, as the wrong component."""
    bench, agent, _ = stuck(version, _second_is_a())
    assert bench.write(A, "cancel") == 0
    assert agent.state.component is None
