# SPDX-License-Identifier: Apache-2.0
"""The bridge, with a test in the monitor's place: frames that no monitor would send end well, too."""

import socket
from collections.abc import Iterator

import pytest

from livefw.abi.lfa import Function, LfaStatus
from livefw.abi.smccc import Held
from livefw.conformance.platform import COMPONENTS
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.frames import Decoder, Frame, Type

RMM = 2
FAILED = LfaStatus.DEVICE_ERROR.word


class Monitor:
    """The other end of a bridge for four CPUs."""

    def __init__(self) -> None:
        self.socket, far = socket.socketpair()
        self.socket.settimeout(20)
        self.agent = LfaAgent(MemoryPlatform(COMPONENTS), profile=PROFILES["tfa-2026"], cpus=4)
        self.bridge = Bridge(far, self.agent, cpus=4)
        self._decoder = Decoder()

    def send(self, *frames: Frame) -> None:
        self.socket.sendall(b"".join(frame.encode() for frame in frames))

    def receive(self) -> Frame:
        while True:
            for frame in self._decoder.feed(self.socket.recv(65536)):
                return frame

    def call(self, cpu: int, sequence: int, *words: int) -> Frame:
        self.send(Frame(Type.CALL, cpu, sequence, dict(enumerate(words))))
        return self.receive()


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    yield made
    made.bridge.close()
    made.socket.close()


def test_a_reply_has_only_what_changed(monitor: Monitor) -> None:
    reply = monitor.call(0, 7, Function.GET_INFO)
    assert reply == Frame(Type.REPLY, 0, 7, {0: 0, 1: len(COMPONENTS)})


CASES: list[tuple[str, Frame]] = [
    ("does not exist", Frame(Type.CALL, 9, 1, {0: Function.VERSION})),
    ("does not exist", Frame(Type.ON, 4)),
    ("came on twice", Frame(Type.ON, 0)),
    ("went off twice", Frame(Type.OFF, 3)),
    ("of type REPLY", Frame(Type.REPLY, 0, 1, {0: 0})),
    ("of type RAISE", Frame(Type.RAISE, 0, 1, {0: 40})),
    ("the monitor failed on CPU 2", Frame(Type.PANIC, 2, 0, {0: 1})),
]


@pytest.mark.parametrize(("problem", "frame"), CASES)
def test_what_cannot_be_is_noted_and_ignored(monitor: Monitor, problem: str, frame: Frame) -> None:
    before = monitor.agent.state
    monitor.send(frame)
    assert monitor.call(0, 2, Function.VERSION).words == {0: 0x1_0000}
    assert len(monitor.bridge.problems) == 1
    assert problem in monitor.bridge.problems[0]
    assert monitor.agent.state == before


def test_a_call_of_a_cpu_that_is_off_fails(monitor: Monitor) -> None:
    assert monitor.call(2, 1, Function.VERSION) == Frame(Type.REPLY, 2, 1, {0: FAILED})


def waits(monitor: Monitor, sequence: int) -> None:
    """CPU 1 comes on, and waits in a rendezvous for CPU 0."""
    monitor.send(Frame(Type.ON, 1))
    monitor.call(0, 1, Function.GET_INVENTORY, RMM)
    monitor.call(0, 2, Function.PRIME, RMM)
    monitor.send(Frame(Type.CALL, 1, sequence, {0: Function.ACTIVATE, 1: RMM}))


def test_a_call_twice_is_made_once(monitor: Monitor) -> None:
    waits(monitor, 9)
    waiting = Frame(Type.CALL, 1, 9, {0: Function.ACTIVATE, 1: RMM})
    monitor.send(waiting)
    assert monitor.call(0, 3, Function.VERSION).words == {0: 0x1_0000}
    assert monitor.agent.state.held == ((1, Held(None)),)
    assert monitor.bridge.problems == ["a call of CPU 1 twice"]


def test_a_call_that_the_monitor_gave_up_is_not_mistaken_for_the_next(monitor: Monitor) -> None:
    """To the agent CPU 1 is inside still; its later calls fail until that one has ended."""
    waits(monitor, 9)
    assert monitor.call(1, 10, Function.VERSION) == Frame(Type.REPLY, 1, 10, {0: FAILED})
    assert monitor.call(0, 3, Function.ACTIVATE, RMM).words[0] == 0
    assert monitor.call(1, 11, Function.VERSION).words == {0: 0x1_0000}


def test_a_cpu_that_leaves_and_comes_back_while_its_call_goes_on(monitor: Monitor) -> None:
    waits(monitor, 9)
    monitor.send(Frame(Type.OFF, 1))
    assert monitor.call(0, 3, Function.VERSION).words == {0: 0x1_0000}
    assert monitor.bridge.online == (0,)
    monitor.send(Frame(Type.ON, 1))
    assert monitor.call(0, 4, Function.ACTIVATE, RMM).words[0] == 0
    assert monitor.call(1, 12, Function.VERSION).words == {0: 0x1_0000}


def test_a_new_agent_takes_the_cpus_as_they_are() -> None:
    """The monitor's state, not what a new agent believes, says which CPUs are on."""
    monitor = Monitor()
    monitor.send(Frame(Type.STATE, 0, 0, {0: 0b1101, 1: 4}))
    assert monitor.call(3, 1, Function.VERSION).words == {0: 0x1_0000}
    assert monitor.bridge.online == (0, 2, 3)
    agent = LfaAgent(MemoryPlatform(COMPONENTS), profile=PROFILES["bet1"], cpus=4)
    monitor.bridge.replace(agent)
    assert agent.state.online == {0, 2, 3}
    monitor.bridge.close()
    monitor.socket.close()
