# SPDX-License-Identifier: Apache-2.0
"""The agent's bookkeeping: what it knows of a component, one round of an activation, the lock, the holding pen."""

from collections import deque
from typing import NamedTuple

from livefw.abi.lfa import InventoryFlag, Status
from livefw.firmware.component import Component, Image
from livefw.firmware.profile import Profile
from livefw.firmware.spec import Rendezvous


class Entry:
    """A component in the agent's inventory, with the parts of GET_INVENTORY's answer that do not change."""

    __slots__ = ("activator", "component", "flags", "pending", "resets", "stub", "x1", "x2")

    def __init__(self, component: Component, profile: Profile) -> None:
        traits = component.traits
        self.component = component
        self.pending = False
        """Latched: TF-A asks the platform in GET_INVENTORY, and nowhere else."""
        self.stub = component.kind in profile.stubs
        self.activator = traits.capable and component.kind not in profile.without_activator
        self.resets = traits.may_reset_cpu and not self.stub
        self.x1, self.x2 = component.guid.to_registers()
        flags = InventoryFlag(0)
        if self.activator:
            flags |= InventoryFlag.ACTIVATION_CAPABLE
            if self.resets:
                flags |= InventoryFlag.MAY_RESET_CPU
            if traits.cpu_rendezvous is Rendezvous.OPTIONAL:
                flags |= InventoryFlag.CPU_RENDEZVOUS_OPTIONAL
        self.flags = int(flags)


class Result(NamedTuple):
    """How a component's activation went on one CPU, or on the leader for all of them."""

    code: int = Status.SUCCESS
    again: bool = False
    resets: bool = False
    """The CPUs do not return."""


class Round:
    """One activation from its first CPU to its last, over all its call_again repeats.

    CANCEL does not clear a round, it replaces it: CPUs that are still inside keep hold of the old one and can count
    themselves out of it without touching the next.
    """

    __slots__ = ("applied", "cancel_locked", "failed", "in_progress", "progress", "skip", "users")

    def __init__(self) -> None:
        self.in_progress = False
        self.skip = False
        self.users = 0
        self.failed = False
        self.cancel_locked = False
        self.progress: dict[int | None, int] = {}
        """Steps done, by CPU where each does the work itself, else under None."""
        self.applied: Image | None = None
        """The image that a first CPU of this round has put in place."""


class Lock:
    """The agent lock, in the order of asking. Who asks for it while it is held has to wait to be resumed."""

    __slots__ = ("_waiting", "holder")

    def __init__(self) -> None:
        self.holder: int | None = None
        self._waiting: deque[int] = deque()

    def take(self, cpu: int) -> bool:
        """Take it for ``cpu``, or queue it up; True if it is its own now."""
        if self.holder is None:
            self.holder = cpu
            return True
        self._waiting.append(cpu)
        return False

    def drop(self) -> int | None:
        """Let go; the CPU that has it now and must be resumed."""
        self.holder = self._waiting.popleft() if self._waiting else None
        return self.holder


class Waiter(NamedTuple):
    """A CPU in the holding pen."""

    cpu: int
    entry: Entry
    round: Round


class Pen:
    """The holding pen (TF-A lfa_holding_pen.c): one for the agent, because TF-A keeps its counter per file."""

    __slots__ = ("last", "miscounted", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Waiter] = []
        """In order of arrival, so CPUs of a cancelled round come first. The leader is not among them."""
        self.miscounted = False
        self.last = Result()

    def empty(self) -> list[Waiter]:
        """Let everybody out."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def strays(self, current: Round) -> int:
        """CPUs whose round was cancelled, but who were not let out."""
        return sum(waiter.round is not current for waiter in self.waiting)
