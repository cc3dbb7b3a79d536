# SPDX-License-Identifier: Apache-2.0
"""The agent's variables, where TF-A has its own: one for the firmware, not one for each activation or CPU."""

from collections import deque
from typing import NamedTuple

from livefw.abi.lfa import InventoryFlag, LfaStatus
from livefw.firmware.component import FirmwareComponent, RmmFailure, StagedImage
from livefw.firmware.profile import Profile
from livefw.firmware.spec import ComponentKind, CpuRendezvous
from livefw.firmware.state import PrimeState

EAGAIN = -35
"""A component asks to be called again. The number is that of TF-A's own C library."""


class InventoryEntry:
    """A component in the agent's inventory, with the parts of GET_INVENTORY's answer that do not change."""

    __slots__ = ("activator", "component", "flags", "pending", "resets", "statuses", "stub", "x1", "x2")

    def __init__(self, component: FirmwareComponent, profile: Profile) -> None:
        traits = component.traits
        self.component = component
        self.pending = False
        """Latched: TF-A asks the platform in GET_INVENTORY, and nowhere else."""
        self.stub = component.kind in profile.stubs
        self.activator = traits.capable and component.kind not in profile.without_activator
        self.resets = traits.may_reset_cpu and not self.stub
        self.statuses: dict[int, int] = {}
        """What this agent makes of a component's own code, where it does not hand it on."""
        if component.kind is ComponentKind.RMM:
            self.statuses = {RmmFailure.SET_UP: profile.rmm_not_set_up, RmmFailure.REFUSED: profile.rmm_refused}
        self.x1, self.x2 = component.guid.to_registers()
        flags = InventoryFlag(0)
        if self.activator:
            flags |= InventoryFlag.ACTIVATION_CAPABLE
            if self.resets:
                flags |= InventoryFlag.MAY_RESET_CPU
            if traits.cpu_rendezvous is CpuRendezvous.OPTIONAL:
                flags |= InventoryFlag.CPU_RENDEZVOUS_OPTIONAL
        self.flags = int(flags)


class CpuResult(NamedTuple):
    """The result of a component's activation on one CPU."""

    code: int = LfaStatus.SUCCESS
    resets: bool = False
    """The CPU does not return."""

    @property
    def again(self) -> bool:
        """Whether there is more to do."""
        return self.code == EAGAIN


class CurrentActivation:
    """``current_activation`` and what stands beside it in lfa_main.c.

    There is one. A CPU that comes back from an activation which CANCEL or the RMM's leader has wiped meanwhile counts
    itself out of whatever is here then.
    """

    __slots__ = (
        "applied",
        "cancel_locked",
        "entry",
        "failed",
        "in_progress",
        "prime",
        "progress",
        "rendezvous",
        "reset",
        "skip",
        "users",
    )

    def __init__(self) -> None:
        self.reset = False
        """Whether CPUs restart: the word of the last PRIME that came to its end, whichever component that was for."""
        self.wipe()

    def wipe(self) -> None:
        """TF-A's ``lfa_reset_activation``, which leaves ``reset`` alone."""
        self.entry: InventoryEntry | None = None
        self.prime = PrimeState.NONE
        self.rendezvous = False
        self.failed = False
        self.users = 0
        self.end_round()

    def end_round(self) -> None:
        """The last CPU has left."""
        self.in_progress = False
        self.skip = False
        self.cancel_locked = False
        self.progress: dict[tuple[FirmwareComponent, int | None], int] = {}
        """Steps done, by CPU where each does the work itself, else under None."""
        self.applied: dict[FirmwareComponent, StagedImage] = {}
        """The image that the first CPU has put in place."""


class AgentLock:
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


class Pen:
    """The holding pen (TF-A lfa_holding_pen.c): one counter, one gate and one status for all components."""

    __slots__ = ("_counts_out", "count", "left_behind", "shut", "status", "waiting")

    def __init__(self, *, counts_out: bool) -> None:
        self.count = 0
        """CPUs that arrived. `release` sets it to 0; an agent that counts CPUs out as well gets below that."""
        self.shut = False
        self.status: int = LfaStatus.SUCCESS
        self.waiting: list[int] = []
        """CPUs at the gate, in order of arrival."""
        self.left_behind = 0
        """How many of them, from the first on, came for an activation that was cancelled; TF-A does not know."""
        self._counts_out = counts_out

    def arrive(self, running: int) -> bool:
        """Count a CPU in; whether it is the last of ``running``, and leads."""
        if self.count == 0:
            self.shut = True
        self.count += 1
        return self.count == running

    def leave(self) -> int:
        """A CPU passed the gate: what it returns."""
        if self._counts_out:
            self.count -= 1
        return self.status

    def release(self, status: int) -> list[int]:
        """Open the gate, with the result for every CPU that passes; the CPUs that do so now."""
        self.count, self.status, self.shut = 0, status, False
        self.left_behind = 0
        waiting, self.waiting = self.waiting, []
        return waiting
