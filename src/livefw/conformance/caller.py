# SPDX-License-Identifier: Apache-2.0
"""The caller's side of an agent: what a suite needs to have CPUs issue calls, wherever they run."""

from collections.abc import Callable
from typing import Protocol

from livefw.abi.smccc import CpuRelease, Exit, Held, Registers
from livefw.firmware.agent import LfaAgent
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


class Callee(Protocol):
    """An agent in this process: our own, or one of somebody else's."""

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Let ``cpu`` issue an SMC; `Held` if the CPU stays inside."""
        ...

    def complete(self, cpu: int) -> Exit | Held:
        """Continue the call of a CPU that was held for work, after the time it asked for."""
        ...

    def released(self) -> list[CpuRelease]:
        """Take the other CPUs that left the agent because of the last event."""
        ...


class CalleeCaller:
    """An agent in this process. Work takes no time, but ends only when somebody waits for the end.

    ``make`` makes an agent that nobody has called yet, at each cold boot; once only, if it ``stays_on``.
    """

    def __init__(self, make: Callable[[], Callee], *, cpus: int, stays_on: bool = False) -> None:
        self.cpus = cpus
        self.entry_point = ENTRY_POINT
        self._make = make
        self._stays_on = stays_on
        self._agent = make()
        self._last: dict[int, Exit | Held] = {}

    def fresh(self) -> bool:
        """A new agent."""
        if self._stays_on:
            return False
        self._agent = self._make()
        self._last = {}
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
            working = [each for each, held in sorted(self._last.items()) if _works(held)]
            if not working:
                return None
            self._complete(cpu if _works(last) else working[0])
        return last

    def _complete(self, cpu: int) -> None:
        self._note(cpu, self._agent.complete(cpu))

    def _note(self, cpu: int, outcome: Exit | Held) -> None:
        self._last[cpu] = outcome
        for release in self._agent.released():
            self._last[release.cpu] = release.exit


def _works(outcome: Exit | Held) -> bool:
    return isinstance(outcome, Held) and outcome.work_ns is not None


class AgentCaller(CalleeCaller):
    """Our own agent, on components in memory."""

    _agent: LfaAgent  # which tests look into

    def __init__(self, specs: tuple[ComponentSpec, ...], profile: Profile, *, cpus: int) -> None:
        self._profile = profile
        super().__init__(lambda: LfaAgent(MemoryPlatform(specs), profile=profile, cpus=cpus), cpus=cpus)
