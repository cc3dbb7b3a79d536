# SPDX-License-Identifier: Apache-2.0
"""EL3's own dispatcher: which service gets a call is decided by its function identifier (DEN0028)."""

from livefw.abi.lfa import Function
from livefw.abi.smccc import CpuRelease, Exit, Held, Registers
from livefw.kernel.conduit import Conduit

_LFA = range(min(Function), max(Function) + 1)


class ConduitDispatcher:
    """A conduit that hands LFA's calls to ``lfa`` and has all others answered by ``rest``, which holds no CPU.

    So the agent's trace has LFA's calls and no others, as below a real kernel: ``monitor/`` answers the rest itself.
    """

    def __init__(self, lfa: Conduit, *, rest: Conduit) -> None:
        self._lfa = lfa
        self._rest = rest

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Conduit."""
        service = self._lfa if registers[0] & 0xFFFF_FFFF in _LFA else self._rest
        return service.call(cpu, registers)

    def complete(self, cpu: int) -> Exit | Held:
        """Conduit."""
        return self._lfa.complete(cpu)

    def released(self) -> list[CpuRelease]:
        """Conduit."""
        return self._lfa.released()

    def cpu_on(self, cpu: int) -> None:
        """Conduit."""
        self._lfa.cpu_on(cpu)

    def cpu_off(self, cpu: int) -> None:
        """Conduit."""
        self._lfa.cpu_off(cpu)
