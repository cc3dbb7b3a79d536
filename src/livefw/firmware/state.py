# SPDX-License-Identifier: Apache-2.0
"""What can be seen of an agent from outside, and the mistakes its user can make."""

from dataclasses import dataclass
from enum import StrEnum

from livefw.abi.guid import Guid
from livefw.abi.smccc import Held


class PrimeState(StrEnum):
    """How far the current component's PRIME has come."""

    NONE = "none"
    STARTED = "started"
    COMPLETE = "complete"


class Preemption(StrEnum):
    """Where a CPU can be made to lose its time, after TF-A has let a lock go; nothing of it happens by itself."""

    CHECKED = "checked"
    """In ACTIVATE, between its checks and the component."""
    ARRIVED = "arrived"
    """In the holding pen, between being counted and standing at the gate."""
    RELEASED = "released"
    """The RMM's leader, between opening the pen and wiping the activation."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """The agent's variables at one moment; the names are those of TF-A's ``current_activation`` where it has them."""

    component: Guid | None
    """The component that was primed; everything but a further GET_INVENTORY is about it."""
    prime: PrimeState
    reset: bool
    """Whether CPUs will restart, as the last PRIME has left it, also of another component."""
    in_progress: bool
    skip: bool
    users: int
    """CPUs inside the current activation."""
    failed: bool
    cancel_locked: bool
    pending: tuple[Guid, ...]
    """Components whose pending flag was up at their last GET_INVENTORY."""
    lock_holder: int | None
    held: tuple[tuple[int, Held], ...]
    """CPUs inside the agent, in ascending order, and what holds them."""
    online: frozenset[int]


class AgentMisuseError(RuntimeError):
    """The program that runs the agent did something that no CPU can do. Never caused by a caller's registers."""

    def __init__(self, cpu: int, problem: str) -> None:
        super().__init__(f"CPU {cpu} {problem}")
        self.cpu = cpu


class NoSuchCpuError(AgentMisuseError):
    """The machine does not have this CPU."""


class CpuOffError(AgentMisuseError):
    """The CPU is off, so it cannot make a call or be turned off."""


class CpuOnError(AgentMisuseError):
    """The CPU is on, so it cannot be turned on."""


class CpuHeldError(AgentMisuseError):
    """The CPU is inside the agent, so it cannot make a call or be turned off."""


class CpuNotWorkingError(AgentMisuseError):
    """The CPU is not inside work with a duration, so there is nothing to complete."""
