# SPDX-License-Identifier: Apache-2.0
"""An agent of somebody's own, as little of it as there is, in the shape of a whole conduit."""

from typing import Any, Protocol

from livefw.abi.smccc import CpuRelease, Exit, Held, Registers, Restart


class AgentLike(Protocol):
    """The least that an agent needs. One that holds CPUs also has the other methods of `livefw.testing.Conduit`."""

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Answer the SMC of a CPU."""
        ...


class WholeAgent:
    """A `livefw.testing.Conduit` around an agent; what the agent returns is checked before it is used."""

    def __init__(self, agent: AgentLike) -> None:
        self._agent: Any = agent

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """The agent's answer. TypeError if it is none."""
        return _checked(self._agent.call(cpu, registers), "call")

    def complete(self, cpu: int) -> Exit | Held:
        """The agent's. TypeError if it has none."""
        if not hasattr(self._agent, "complete"):
            raise TypeError("an agent that returns Held with a time needs complete(cpu) and released()")
        return _checked(self._agent.complete(cpu), "complete")

    def released(self) -> list[CpuRelease]:
        """The agent's; no CPU if it has none."""
        found: list[CpuRelease] = self._agent.released() if hasattr(self._agent, "released") else []
        return found

    def cpu_on(self, cpu: int) -> None:
        """Tell the agent, if it wants to know."""
        if hasattr(self._agent, "cpu_on"):
            self._agent.cpu_on(cpu)

    def cpu_off(self, cpu: int) -> None:
        """Tell the agent, if it wants to know."""
        if hasattr(self._agent, "cpu_off"):
            self._agent.cpu_off(cpu)


def _checked(outcome: object, method: str) -> Exit | Held:
    if not isinstance(outcome, (Registers, Restart, Held)):
        raise TypeError(f"{method}() returned {outcome!r}; expected Registers, Restart or Held")
    return outcome
