# SPDX-License-Identifier: Apache-2.0
"""The way an SMC travels from the driver to the firmware, as the modelled operating system meets it."""

from typing import Protocol

from livefw.abi.smccc import CpuRelease, Exit, Held, Registers


class Conduit(Protocol):
    """Firmware seen from its callers. Nothing here blocks: a CPU that stays inside its call is reported as `Held`.

    The LFA agent has this shape itself; a trace, a fault injector or a bridge to an emulator wraps one of these.
    """

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Let ``cpu`` issue an SMC."""
        ...

    def complete(self, cpu: int) -> Exit | Held:
        """Continue the call of a CPU that was held for work, after the time it asked for."""
        ...

    def released(self) -> list[CpuRelease]:
        """Take the other CPUs that left the firmware because of the last event."""
        ...

    def cpu_on(self, cpu: int) -> None:
        """Tell that PSCI turned a CPU on."""
        ...

    def cpu_off(self, cpu: int) -> None:
        """Tell that a CPU turned itself off by PSCI."""
        ...
