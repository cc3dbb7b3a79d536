# SPDX-License-Identifier: Apache-2.0
"""The monitor below the test guest: PSCI and SMCCC, the conformance suite, and what goes wrong on the way."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.abi.lfa import Function, LfaStatus, status
from livefw.abi.smccc import WORD, Registers
from livefw.conformance.caller import AgentCaller
from livefw.conformance.platform import COMPONENTS
from livefw.conformance.report import ConformanceReport
from livefw.conformance.run import run
from livefw.errors import MechanismFailed
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.frames import Frame, Type
from livefw.machine.qemu.guest import ENTRY_POINT, GuestMachine

Start = Callable[..., GuestMachine]

PSCI = [
    ((0x8400_0000,), 0x1_0001, "PSCI_VERSION 1.1"),
    ((0x8400_000A, 0xC400_0003), 0, "PSCI_FEATURES: CPU_ON"),
    ((0x8400_000A, 0x8000_0000), 0, "PSCI_FEATURES: SMCCC_VERSION, or the LFA driver never calls"),
    ((0x8400_000A, 0xC400_0001), -1, "PSCI_FEATURES: CPU_SUSPEND is not there"),
    ((0x8400_0006,), 2, "MIGRATE_INFO_TYPE: no trusted OS"),
    ((0x8000_0000,), 0x1_0002, "SMCCC_VERSION 1.2"),
    ((0xC400_0003, 1, ENTRY_POINT, 0), -4, "CPU_ON: already on"),
    ((0xC400_0003, 2, ENTRY_POINT, 0), -2, "CPU_ON: no such CPU"),
    ((0xC400_0003, 1 << 8, ENTRY_POINT, 0), -2, "CPU_ON: no such affinity"),
    ((0xC400_0003, WORD, ENTRY_POINT, 0), -2, "CPU_ON: all ones"),
    ((0xC400_0003, 1, 0x0E00_0000, 0), -9, "CPU_ON: secure memory"),
    ((0xC400_0004, 1, 0), 0, "AFFINITY_INFO: on"),
    ((0xC400_0004, 1, 1), -2, "AFFINITY_INFO: no such level"),
    ((0xC400_0004, 2, 0), -2, "AFFINITY_INFO: no such CPU"),
    ((0xC400_02E7,), -1, "unknown"),
    ((0x3200_0000,), -1, "unknown"),
    ((WORD,) * 8, -1, "unknown"),
]
"""Arm DEN0022 and DEN0028: a call, x0 of its answer."""


@pytest.mark.parametrize("el2", [False, True])
def test_power_and_standard_calls(start: Start, *, el2: bool) -> None:
    machine = start(cpus=2, el2=el2)
    caller = machine.caller
    for words, x0, what in PSCI:
        answer = caller.call(1, *words, *range(0x100, 0x100 + 18 - len(words)))
        assert status(answer) == x0, what
        assert answer[1:] == (*words, *range(0x100, 0x100 + 18 - len(words)))[1:], what
    for _ in range(5):
        caller.turn_off(1)
        caller.turn_on(1)
        # An LFA call travels behind the news that its CPU is on.
        assert caller.call(1, Function.VERSION)[0] == 0x1_0000
    assert machine.bridge.online == (0, 1)
    caller.switch_off()
    assert machine.qemu.wait(20)
    assert machine.bridge.problems == []


@pytest.mark.parametrize(("cpus", "profile"), [(1, "tfa-2.14"), (2, "tfa-2.15"), (2, "bet1"), (4, "tfa-2026")])
def test_conformance_is_the_same_as_in_process(start: Start, cpus: int, profile: str) -> None:
    inside = ConformanceReport(
        profile, cpus, tuple(run(AgentCaller(COMPONENTS, PROFILES[profile], cpus=cpus), profile=profile))
    )
    machine = start(profile, cpus=cpus)
    below = ConformanceReport(profile, cpus, tuple(run(machine.caller, profile=profile)))
    assert below.text() == inside.text()
    assert machine.bridge.problems == []


def test_cpus_that_go_off_inside_a_rendezvous(start: Start) -> None:
    """CPUs 1 and 2 wait for CPU 3; when that one goes off, they and CPU 0 are all there is."""
    machine = start(cpus=4)
    caller = machine.caller
    rmm = 2
    caller.call(0, Function.GET_INVENTORY, rmm)
    assert status(caller.call(0, Function.PRIME, rmm)) == 0
    for cpu in (0, 1, 2):
        caller.begin(cpu, Registers(Function.ACTIVATE, rmm))
        assert caller.stays(cpu)
    caller.begin(3, Registers(0x8400_0002))
    for cpu in (0, 1, 2):
        answer = caller.outcome(cpu, patience=20)
        assert isinstance(answer, Registers)
        assert status(answer) == 0


def test_calls_from_all_cpus_at_once(start: Start) -> None:
    """Every CPU reads the inventory as fast as it can; none is lost or mistaken for another's."""
    machine = start(cpus=4)
    caller = machine.caller
    for cpu in range(4):
        caller.begin(cpu, Registers(Function.GET_INVENTORY, cpu, *range(2, 18)), times=200)
    guids = set()
    for cpu in range(4):
        answer = caller.outcome(cpu, patience=60)
        assert isinstance(answer, Registers)
        assert status(answer) == 0
        guids.add(answer[1:3])
        assert answer[6:] == tuple(range(6, 18))
    assert len(guids) == 4
    assert machine.bridge.problems == []


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_cpus_that_wait_in_the_monitor_sleep(start: Start) -> None:
    """The timers of the guest's CPUs expire meanwhile, and their interrupts stay pending: no reason to spin."""
    machine = start(cpus=4)
    caller = machine.caller
    caller.call(0, Function.GET_INVENTORY, 2)
    caller.call(0, Function.PRIME, 2)
    for cpu in (1, 2, 3):
        caller.begin(cpu, Registers(Function.ACTIVATE, 2))
        assert caller.stays(cpu)
    before, began = _processor_seconds(machine.qemu.pid), time.monotonic()
    assert caller.outcome(1, patience=1) is None
    assert _processor_seconds(machine.qemu.pid) - before < 0.5 * (time.monotonic() - began)


HOSTILE = [
    b"\0" * 64,
    b"\xa5" * 200,
    Frame(Type.REPLY, 0, 77, {0: 5}).encode(),
    Frame(Type.REPLY, 15, 1, {0: 5}).encode(),
    Frame(Type.RESTART, 1, 9, {0: 5}).encode(),
    Frame(Type.RAISE, 0, 0, {0: 1 << 40}).encode(),
    Frame(Type.RAISE, 0, 0, {0: 5}).encode(),
    Frame(Type.CALL, 0, 0, {0: 0x8400_0008}).encode(),
    Frame(Type.REPLY, 0, 1, {0: 5}).encode()[:-1] + b"\x01",
    bytes(range(256)),
    Frame(Type.PING).encode()[:4],
]


def test_monitor_outlives_what_is_no_frame(start: Start) -> None:
    machine = start(cpus=2)
    link = machine.qemu.agent
    for noise in HOSTILE:
        link.sendall(noise)
    link.sendall(b"\0" * 200)  # whatever frame was begun ends here
    for cpu in (0, 1):
        assert machine.caller.call(cpu, Function.VERSION)[0] == 0x1_0000
    caller_noise = machine.caller.call(0, Function.GET_INFO)
    assert caller_noise[:2] == (0, len(COMPONENTS))


def test_an_agent_that_dies_fails_the_calls_it_had(start: Start) -> None:
    """CPU 1 is inside a PRIME when the agent hangs up: DEVICE_ERROR after the monitor's three seconds."""
    machine = start(cpus=2)
    caller = machine.caller
    caller.call(0, Function.GET_INVENTORY, 5)
    caller.begin(1, Registers(Function.PRIME, 5))
    machine.bridge.close()
    began = time.monotonic()
    answer = caller.outcome(1, patience=30)
    assert isinstance(answer, Registers)
    assert status(answer) == LfaStatus.DEVICE_ERROR
    assert time.monotonic() - began < 15
    link = machine.qemu.connect("agent")
    agent = LfaAgent(MemoryPlatform(COMPONENTS), profile=PROFILES["tfa-2026"], cpus=2)
    machine.bridge = Bridge(link, agent, cpus=2, restarted=True)
    assert caller.call(1, Function.VERSION)[0] == 0x1_0000
    assert machine.bridge.online == (0, 1)
    assert machine.bridge.problems == []


def test_a_new_agent_fails_calls_at_once(start: Start) -> None:
    machine = start(cpus=2)
    caller = machine.caller
    caller.call(0, Function.GET_INVENTORY, 2)
    caller.call(0, Function.PRIME, 2)
    caller.begin(1, Registers(Function.ACTIVATE, 2))
    assert caller.stays(1)
    began = time.monotonic()
    assert caller.fresh()
    answer = caller.outcome(1, patience=1)
    assert isinstance(answer, Registers)
    assert status(answer) == LfaStatus.DEVICE_ERROR
    assert time.monotonic() - began < 2.5


def test_a_machine_that_is_killed_is_told(start: Start) -> None:
    machine = start(cpus=1)
    os.kill(machine.qemu.pid, 9)
    with pytest.raises((MechanismFailed, OSError)):
        machine.caller.call(0, Function.VERSION)
