# SPDX-License-Identifier: Apache-2.0
"""The test guest's driver: each CPU of the guest issues the SMCs that are requested (``monitor/guest.c``)."""

import socket
import time
from collections.abc import Callable
from typing import Self

from livefw.abi.lfa import status
from livefw.abi.smccc import COUNT, Exit, Registers, Restart
from livefw.errors import MechanismFailed
from livefw.kernel.conduit import Conduit
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.frames import Decoder, Frame, Type
from livefw.machine.qemu.process import Qemu, QemuConfig, firmware

ENTRY_POINT = 0x4020_0000
"""Where our monitor starts the guest."""

PSCI_CPU_ON, PSCI_CPU_OFF, PSCI_AFFINITY_INFO, PSCI_SYSTEM_OFF = 0xC400_0003, 0x8400_0002, 0xC400_0004, 0x8400_0008
_START_S = 20.0
_MOMENT_S = 0.02
_MOST_PRINTED = 1000


class GuestCaller:
    """CPUs 0 to ``cpus`` - 1 of the guest, in the terms of the conformance suite; all are on.

    ``renew`` puts another agent in the place of the one below; without it there is no cold boot.
    """

    def __init__(self, console: socket.socket, *, cpus: int, renew: Callable[[], None] | None = None) -> None:
        """Wait for the guest and turn its CPUs on; `MechanismFailed` if it does not answer."""
        self.cpus = cpus
        self.entry_point = 0
        """Where the guest is, and its CPUs start again."""
        self._console = console
        self._renew = renew
        self._printed = b""
        self._decoder = Decoder()
        self._ended: dict[int, Exit] = {}
        self._inside: set[int] = set()
        self._requests: dict[int, Registers] = {}
        self.ticks: dict[int, int] = {}
        self._inside.add(0)
        self._await_start(0)
        for cpu in range(1, cpus):
            self.turn_on(cpu)

    def fresh(self) -> bool:
        """Another agent, as if the machine had just been switched on."""
        if self._renew is None:
            return False
        self._renew()
        for cpu in list(self._inside):
            if self.outcome(cpu, patience=_START_S) is None:
                raise MechanismFailed(f"CPU {cpu} of the guest does not return")
        return True

    def begin(self, cpu: int, registers: Registers, *, times: int = 1) -> None:
        """Issue a call, or the same one many times over."""
        self._inside.add(cpu)
        self._requests[cpu] = registers
        words = {index: word for index, word in enumerate((*registers, times)) if word}
        self._console.sendall(Frame(Type.CALL, cpu, 0, words).encode())

    def stays(self, cpu: int) -> bool:
        """Whether the CPU is inside still after a moment."""
        return self.outcome(cpu, patience=_MOMENT_S) is None

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:
        """How the CPU's last call ended; None if it has not within so many seconds."""
        deadline = time.monotonic() + patience
        while cpu in self._inside:
            left = deadline - time.monotonic()
            if left <= 0 or not self._receive(left):
                return None
        return self._ended.get(cpu)

    def call(self, cpu: int, *words: int) -> Registers:
        """Issue a call that returns; `MechanismFailed` if it does not."""
        self.begin(cpu, Registers(*words))
        ended = self.outcome(cpu, patience=_START_S)
        if not isinstance(ended, Registers):
            raise MechanismFailed(f"CPU {cpu} of the guest did not return: {ended}")
        return ended

    def turn_on(self, cpu: int) -> None:
        """PSCI CPU_ON, by CPU 0."""
        self._inside.add(cpu)
        answer = status(self.call(0, PSCI_CPU_ON, cpu, self.entry_point, cpu))
        if answer:
            raise MechanismFailed(f"CPU {cpu} of the guest cannot be turned on: CPU_ON returns {answer}")
        self._await_start(cpu)

    def turn_off(self, cpu: int) -> None:
        """PSCI CPU_OFF, by the CPU itself; returns when CPU 0 sees that it is off."""
        self.begin(cpu, Registers(PSCI_CPU_OFF))
        deadline = time.monotonic() + _START_S
        while self.call(0, PSCI_AFFINITY_INFO, cpu)[0] != 1:
            if time.monotonic() > deadline:
                raise MechanismFailed(f"CPU {cpu} of the guest does not turn off")
        self._inside.discard(cpu)

    def switch_off(self) -> None:
        """PSCI SYSTEM_OFF, by CPU 0; does not wait."""
        self.begin(0, Registers(PSCI_SYSTEM_OFF))

    def _await_start(self, cpu: int) -> None:
        if self.outcome(cpu, patience=_START_S) is None:
            printed = self._printed.decode("ascii", "replace").split("\n")
            last = next((line.strip() for line in reversed(printed) if line.strip()), "nothing")
            raise MechanismFailed(f"CPU {cpu} of the guest does not start; the last line on its console: {last}")

    def _receive(self, seconds: float) -> bool:
        self._console.settimeout(seconds)
        try:
            data = self._console.recv(65536)
        except TimeoutError:
            return False
        if not data:
            raise MechanismFailed("the machine has stopped")
        self._printed = (self._printed + data)[-_MOST_PRINTED:]
        for frame in self._decoder.feed(data):
            if frame.type is Type.REPLY:
                self._ended[frame.cpu] = Registers(
                    *(frame.words.get(index, word) for index, word in enumerate(self._requests[frame.cpu]))
                )
                self.ticks[frame.cpu] = frame.words[COUNT]
            elif frame.type is Type.ON:
                self.entry_point = frame.words.get(1, 0)
                self._ended[frame.cpu] = Restart(self.entry_point, frame.words.get(0, 0))
            else:
                continue
            self._inside.discard(frame.cpu)
        return True


class GuestMachine:
    """QEMU, monitor, agent and test guest together; a context manager."""

    def __init__(self, make: Callable[[], Conduit], *, cpus: int, el2: bool = False, gdb: str | None = None) -> None:
        self._qemu = Qemu(QemuConfig(kernel=firmware("guest.bin"), cpus=cpus, memory_mb=256, el2=el2, gdb=gdb))
        try:
            self.bridge = Bridge(self._qemu.agent, make(), cpus=cpus)
        except BaseException:
            self._qemu.close()
            raise
        try:
            self.caller = GuestCaller(self._qemu.console, cpus=cpus, renew=lambda: self.bridge.replace(make()))
        except BaseException:
            self.close()
            raise

    @property
    def qemu(self) -> Qemu:
        """The process."""
        return self._qemu

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        self.bridge.close()
        self._qemu.close()
