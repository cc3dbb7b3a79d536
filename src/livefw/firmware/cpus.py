# SPDX-License-Identifier: Apache-2.0
"""Where each CPU is: off, outside the agent, or inside a call that continues later."""

from collections import deque
from collections.abc import Generator, Iterable

from livefw.abi.smccc import CpuRelease, Exit, Held
from livefw.firmware.state import (
    AgentMisuseError,
    CpuHeldError,
    CpuNotWorkingError,
    CpuOffError,
    CpuOnError,
    NoSuchCpuError,
)

Steps = Generator[int | None, bool | None, Exit]
"""A call in progress on one CPU. It yields nanoseconds of work, or None to wait for `Cpus.wake`; see there."""


class Cpus:
    """The CPUs of one machine and the calls they are in."""

    __slots__ = ("_calls", "_ready", "_released", "held", "online", "outside")

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"a machine has at least one CPU, not {count}")
        self.online = set(range(count))
        self.outside = set(self.online)
        """CPUs that can make a call: on, and not inside one."""
        self.held: dict[int, Held | None] = dict.fromkeys(range(count))
        """Every CPU, with what holds it."""
        self._calls: dict[int, Steps] = {}
        self._ready: deque[tuple[int, bool | None]] = deque()
        self._released: list[CpuRelease] = []

    def misuse(self, cpu: int) -> AgentMisuseError:
        """Why this CPU cannot make a call."""
        if cpu not in self.held:
            return NoSuchCpuError(cpu, "does not exist")
        if cpu not in self.online:
            return CpuOffError(cpu, "is off")
        return CpuHeldError(cpu, "is inside the agent")

    def turn_on(self, cpu: int) -> None:
        """PSCI CPU_ON."""
        if cpu not in self.held:
            raise self.misuse(cpu)
        if cpu in self.online:
            raise CpuOnError(cpu, "is on")
        self.online.add(cpu)
        self.outside.add(cpu)

    def turn_off(self, cpu: int) -> None:
        """PSCI CPU_OFF."""
        if cpu not in self.outside:
            raise self.misuse(cpu)
        self.online.discard(cpu)
        self.outside.discard(cpu)

    def start(self, cpu: int, steps: Steps) -> Exit | Held:
        """Begin a call on a CPU that is outside, and run it as far as it goes."""
        self._calls[cpu] = steps
        self.outside.discard(cpu)
        return self._advance(cpu)

    def complete(self, cpu: int) -> Exit | Held:
        """Continue a call whose work is done."""
        held = self.held.get(cpu)
        if held is None or held.work_ns is None:
            raise self.misuse(cpu) if cpu not in self.online else CpuNotWorkingError(cpu, "has no work to complete")
        return self._advance(cpu)

    def wake(self, *cpus: int, leads: bool | None = None) -> None:
        """Continue waiting CPUs once the running CPU has stopped; whether they lead now."""
        self._ready.extend((cpu, leads) for cpu in cpus)

    def settle(self) -> None:
        """Run all CPUs that were woken."""
        while self._ready:
            cpu, leads = self._ready.popleft()
            self._notice(cpu, self._step(cpu, leads=leads))

    def released(self) -> list[CpuRelease]:
        """Drain the CPUs that had been waiting, and left or began to work."""
        released, self._released = self._released, []
        return released

    def states(self) -> Iterable[tuple[int, Held]]:
        """CPUs that are held, in ascending order."""
        return ((cpu, held) for cpu, held in self.held.items() if held is not None)

    def _advance(self, cpu: int) -> Exit | Held:
        outcome = self._step(cpu)
        while self._ready:
            other, leads = self._ready.popleft()
            if other == cpu:
                outcome = self._step(cpu, leads=leads)
            else:
                self._notice(other, self._step(other, leads=leads))
        return outcome

    def _notice(self, cpu: int, outcome: Exit | Held) -> None:
        if not isinstance(outcome, Held) or outcome.work_ns is not None:
            self._released.append(CpuRelease(cpu, outcome))

    def _step(self, cpu: int, *, leads: bool | None = None) -> Exit | Held:
        try:
            held = Held(self._calls[cpu].send(leads))
        except StopIteration as end:
            del self._calls[cpu]
            self.held[cpu] = None
            self.outside.add(cpu)
            outcome: Exit = end.value
            return outcome
        self.held[cpu] = held
        return held
