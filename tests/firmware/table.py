# SPDX-License-Identifier: Apache-2.0
"""The shape of a row in the tables of the agent's behaviour."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from livefw.abi.lfa import status
from livefw.abi.smccc import Registers
from livefw.firmware.profile import PROFILES
from livefw.firmware.state import AgentState
from livefw.testing.agent import AgentRequest, ModelAgent

KEEPS = None
"""x1 of a result that writes x0 only: what the caller had there."""
ZERO = 0
AGAIN = 1


def _lasting(state: AgentState) -> AgentState:
    """What of the variables means something: that a CPU has failed counts as long as an activation is in progress."""
    return replace(state, failed=state.failed and state.in_progress)


class Case(NamedTuple):
    """One row of a table of an agent's behaviour: a situation, a call on CPU 0, and what is known of its answer."""

    title: str
    source: str
    arrange: Callable[[ModelAgent], object]
    request: AgentRequest
    x0: int
    x1: int | None = KEEPS
    profiles: tuple[str, ...] = tuple(PROFILES)
    unchanged: bool = True
    """Whether `Agent.state` is the same before and after."""

    def play(self, agent: ModelAgent) -> list[str]:
        """Bring the situation about and make the call; what was not as it should be."""
        self.arrange(agent)
        before = agent.agent.state
        words = self.request.encode()
        outcome = agent.run(0, words)
        if not isinstance(outcome, Registers):
            return [f"did not return: {outcome}"]
        wrong = []
        if status(outcome) != self.x0:
            wrong.append(f"x0 is {status(outcome)}, not {self.x0}")
        if outcome[1:] != (words[1] if self.x1 is None else self.x1, *words[2:]):
            wrong.append(f"x1 and up: {outcome} to {words}")
        after = agent.agent.state
        if (_lasting(after) == _lasting(before)) != self.unchanged:
            wrong.append(f"state before: {before}; after: {after}")
        return wrong

    def __str__(self) -> str:
        return self.title
