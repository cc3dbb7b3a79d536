# SPDX-License-Identifier: Apache-2.0
"""SMCs and activations by CPUs of QEMU, through the EL3 monitor; nothing where QEMU or the monitor is missing."""

import socket
import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from bench.measure import Aim, Row
from livefw.abi import guid
from livefw.abi.lfa import Function, status
from livefw.abi.smccc import Registers
from livefw.errors import UsageError
from livefw.firmware.agent import Agent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentSpec, Kind
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.frames import Frame, Type
from livefw.machine.qemu.guest import GuestMachine

CALLS, TURNS, ACTIVATIONS = 200, 9, 15
RMM = ComponentSpec(str(guid.RMM.guid), Kind.RMM, pending_never_clears=True, prime_steps=1, prime_ms=0, activate_ms=0)


def rows() -> Iterator[Row]:
    """Wall time of one SMC, by the host's clock, and of an activation; with 2 and with 4 CPUs."""
    yield from _share()
    for cpus in (2, 4):
        try:
            with GuestMachine(lambda cpus=cpus: _agent(cpus), cpus=cpus) as machine:  # type: ignore[misc]  # a default in a lambda has no type
                yield from _measure(machine, cpus)
        except UsageError as error:
            print(f"qemu: {error.message}; {error.hint}", file=sys.stderr)
            return


def _share() -> Iterator[Row]:
    """Frame in, agent, frame out, over a socket pair and with both changes of thread."""
    near, far = socket.socketpair()
    bridge = Bridge(far, _agent(1), cpus=1)
    taken = []
    for number in range(2_000):
        frame = Frame(Type.CALL, 0, number & 0xFF, {0: Function.GET_INFO}).encode()
        start = perf_counter()
        near.sendall(frame)
        near.recv(4096)
        taken.append(1e3 * (perf_counter() - start))
    bridge.close()
    near.close()
    yield Row("the agent's share of one SMC on QEMU", median(taken), "ms", Aim(0.15))


def _agent(cpus: int) -> Agent:
    return Agent(MemoryPlatform([RMM]), profile=PROFILES["tfa-2026"], cpus=cpus)


def _measure(machine: GuestMachine, cpus: int) -> Iterator[Row]:
    aim = Aim(1.0) if cpus == 2 else None
    caller, taken = machine.caller, []
    for _ in range(TURNS):
        start = perf_counter()
        caller.begin(0, Registers(Function.GET_INFO), times=CALLS)
        caller.outcome(0, patience=60)
        taken.append(1e3 * (perf_counter() - start) / CALLS)
    yield Row(f"one SMC on QEMU, {cpus} CPUs", median(taken), "ms", aim)
    taken = []
    for _ in range(ACTIVATIONS):
        start = perf_counter()
        caller.call(0, Function.GET_INVENTORY, 0)
        caller.call(0, Function.PRIME, 0)
        for cpu in range(cpus):
            caller.begin(cpu, Registers(Function.ACTIVATE, 0))
        for cpu in range(cpus):
            answer = caller.outcome(cpu, patience=60)
            if not isinstance(answer, Registers) or status(answer):
                raise RuntimeError(f"the activation failed: {answer}")
        taken.append(1e3 * (perf_counter() - start))
    yield Row(f"inventory, prime, rendezvous on QEMU, {cpus} CPUs", median(taken), "ms")
