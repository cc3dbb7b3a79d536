# SPDX-License-Identifier: Apache-2.0
"""SMCs and activations by CPUs of QEMU, through the EL3 monitor."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import NamedTuple

from bench.measure import Aim, NotHere, Row
from livefw.abi import guid
from livefw.abi.lfa import Function, status
from livefw.abi.smccc import Registers
from livefw.errors import NotInstalled, UsageError
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.frames import Frame, Type
from livefw.machine.qemu.guest import GuestCaller, GuestMachine

_MONITOR = "LIVEFW_MONITOR"
CALLS, TURNS, ACTIVATIONS = 200, 9, 5
RMM = ComponentSpec(
    str(guid.RMM.guid), ComponentKind.RMM, pending_never_clears=True, prime_steps=1, prime_ms=0, activate_ms=0
)
OTHER = "LIVEFW_BENCH_MONITOR"
"""A variable with the folder of another monitor; every row is then measured with it too, in turns."""


class Taken(NamedTuple):
    """What one machine needed: milliseconds of a CPU's call and of an activation, and calls per second by all CPUs."""

    one: float
    rate: float
    activation: float


def rows() -> Iterator[Row]:
    """SMCs by one CPU and by all at once, by the host's clock, and an activation; with 1, 2 and 4 CPUs."""
    yield from _share()
    folders = [os.environ.get(_MONITOR, ""), *filter(None, [os.environ.get(OTHER)])]
    for cpus in (1, 2, 4):
        try:
            taken = [_turn(folders, cpus, turn) for turn in range(TURNS)]
        except (UsageError, NotInstalled) as error:
            raise NotHere(f"{error.message}; {error.hint}") from error
        medians = [Taken(*map(median, zip(*column, strict=True))) for column in zip(*taken, strict=True)]
        yield from _rows(cpus, medians[0])
        for other in medians[1:]:
            for what, value, against in zip(Taken._fields, medians[0], other, strict=True):
                yield Row(
                    f"{what}, {cpus} CPUs, over {OTHER}", value / against, "times", compared_with=f"{against:.4g}"
                )


def _rows(cpus: int, taken: Taken) -> Iterator[Row]:
    yield Row(f"one SMC on QEMU, {cpus} CPUs", taken.one, "ms", Aim(1.0) if cpus == 2 else None)
    rate = Aim(1000, at_least=True) if cpus == 4 else None
    yield Row(f"SMCs on QEMU, {cpus} of {cpus} CPUs at once", taken.rate, "/s", rate)
    yield Row(f"inventory, prime, rendezvous on QEMU, {cpus} CPUs", taken.activation, "ms")


def _turn(folders: list[str], cpus: int, turn: int) -> list[Taken]:
    """One machine after the other, each turn beginning with another one."""
    taken = {}
    for index in range(len(folders)):
        number = (turn + index) % len(folders)
        with _monitor(folders[number]), GuestMachine(lambda: _agent(cpus), cpus=cpus) as machine:
            taken[number] = _measure(machine.caller, cpus)
    return [taken[number] for number in range(len(folders))]


@contextmanager
def _monitor(folder: str) -> Iterator[None]:
    """Let the monitor be that of this folder; where it is empty, the one that livefw finds by itself."""
    before = os.environ.pop(_MONITOR, None)
    if folder:
        os.environ[_MONITOR] = folder
    try:
        yield
    finally:
        os.environ.pop(_MONITOR, None)
        if before is not None:
            os.environ[_MONITOR] = before


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


def _agent(cpus: int) -> LfaAgent:
    return LfaAgent(MemoryPlatform([RMM]), profile=PROFILES["tfa-2026"], cpus=cpus)


def _measure(caller: GuestCaller, cpus: int) -> Taken:
    one = _calls(caller, 1, CALLS)
    every = _calls(caller, cpus, CALLS // cpus)
    start = perf_counter()
    for _ in range(ACTIVATIONS):
        caller.call(0, Function.GET_INVENTORY, 0)
        caller.call(0, Function.PRIME, 0)
        for cpu in range(cpus):
            caller.begin(cpu, Registers(Function.ACTIVATE, 0))
        for cpu in range(cpus):
            answer = caller.outcome(cpu, patience=60)
            if not isinstance(answer, Registers) or status(answer):
                raise RuntimeError(f"the activation failed: {answer}")
    activation = 1e3 * (perf_counter() - start) / ACTIVATIONS
    return Taken(1e3 * one / CALLS, CALLS // cpus * cpus / every, activation)


def _calls(caller: GuestCaller, cpus: int, times: int) -> float:
    """Seconds until so many CPUs have made so many calls each."""
    start = perf_counter()
    for cpu in range(cpus):
        caller.begin(cpu, Registers(Function.GET_INFO), times=times)
    for cpu in range(cpus):
        if caller.outcome(cpu, patience=60) is None:
            raise RuntimeError(f"CPU {cpu} does not come back")
    return perf_counter() - start
