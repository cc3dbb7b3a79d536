# SPDX-License-Identifier: Apache-2.0
"""The caller's side of an agent: what a suite needs to have CPUs issue calls, wherever they run."""

from typing import Protocol

from livefw.abi.smccc import Exit, Held, Registers
from livefw.firmware.agent import Agent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import Profile
from livefw.firmware.spec import ComponentSpec

ENTRY_POINT = 0x8800_0000
"""Where CPUs of the modelled agent restart: non-secure memory of Arm's FVP."""


class Caller(Protocol):
    """CPUs that can be made to issue an SMC, and firmware below them.

    ``cpus`` are online throughout. A CPU is either outside the firmware or inside one call; `begin` is for one that
    is outside.
    """

    cpus: int
    entry_point: int
    """An address at which a CPU that the firmware resets comes back to the suite."""

    def fresh(self) -> bool:
        """Bring the firmware into its state after a cold boot, and all CPUs out of it; False where nobody can."""
        ...

    def begin(self, cpu: int, registers: Registers) -> None:
        """Let a CPU issue a call, and do not wait for its end."""
        ...

    def stays(self, cpu: int) -> bool:
        """Whether the CPU is inside still, a moment after it began; the other CPUs do nothing meanwhile."""
        ...

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:
        """How the CPU's last call ended; None if it is inside still after about ``patience`` seconds."""
        ...


class AgentCaller:
    """Our agent in this process. Work takes no time, but ends only when somebody waits for the end."""

    def __init__(self, specs: tuple[ComponentSpec, ...], profile: Profile, *, cpus: int) -> None:
        self.cpus = cpus
        self.entry_point = ENTRY_POINT
        self._specs = specs
        self._profile = profile
        self.fresh()

    def fresh(self) -> bool:
        """A new agent on a new platform."""
        self._agent = Agent(MemoryPlatform(self._specs), profile=self._profile, cpus=self.cpus)
        self._last: dict[int, Exit | Held] = {}
        return True

    def begin(self, cpu: int, registers: Registers) -> None:
        """As `Caller`."""
        self._note(cpu, self._agent.call(cpu, registers))

    def stays(self, cpu: int) -> bool:
        """As `Caller`."""
        return isinstance(self._last[cpu], Held)

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:  # noqa: ARG002 - there is nothing to wait for
        """As `Caller`: the CPU's own work first, then everybody's as long as it helps."""
        while isinstance(last := self._last[cpu], Held):
            working = [each for each, held in self._agent.state.held if held.work_ns is not None]
            if not working:
                return None
            self._complete(cpu if last.work_ns is not None else working[0])
        return last

    def _complete(self, cpu: int) -> None:
        self._note(cpu, self._agent.complete(cpu))

    def _note(self, cpu: int, outcome: Exit | Held) -> None:
        self._last[cpu] = outcome
        for release in self._agent.released():
            self._last[release.cpu] = release.exit
