# SPDX-License-Identifier: Apache-2.0
"""A modelled LFA agent without a machine: its calls one by one, from a single thread."""

from collections.abc import Iterable
from typing import Protocol, Self

from livefw.abi.guid import Guid
from livefw.abi.lfa import InventoryRequest, PrimeRequest, StepResult, status
from livefw.abi.smccc import Exit, Held, Registers
from livefw.conformance.platform import COMPONENTS
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentSpec


class AgentRequest(Protocol):
    """A call of `livefw.abi.lfa`."""

    def encode(self) -> Registers:
        """Registers of the call."""
        ...


class ModelAgent:
    """A platform, an agent, and what has become of each CPU's last call.

    Work takes no time here, but it does not pass by itself: between `send` and `finish` a CPU *is* inside its call.
    """

    def __init__(self, specs: Iterable[ComponentSpec] = COMPONENTS, *, profile: str = "bet1", cpus: int = 4) -> None:
        """Make an agent of ``specs``, by default those of TF-A's FVP port and a controller.

        KeyError for a profile that is not one of `livefw.testing.AGENTS`.
        """
        self.platform = MemoryPlatform(specs)
        self.agent = LfaAgent(self.platform, profile=PROFILES[profile], cpus=cpus)
        self.last: dict[int, Exit | Held] = {}

    def send(self, cpu: int, request: AgentRequest | Registers) -> Exit | Held:
        """Make a call, and take what comes back at once."""
        registers = request if isinstance(request, Registers) else request.encode()
        return self._note(cpu, self.agent.call(cpu, registers))

    def complete(self, cpu: int) -> Exit | Held:
        """Let one CPU's work be done."""
        return self._note(cpu, self.agent.complete(cpu))

    def run(self, cpu: int, request: AgentRequest | Registers) -> Exit | Held:
        """Make a call and let the CPU's work be done; a CPU that waits for others still comes back as `Held`."""
        outcome = self.send(cpu, request)
        while isinstance(outcome, Held) and outcome.work_ns is not None:
            outcome = self.complete(cpu)
        return outcome

    def finish(self) -> None:
        """Let all work be done, in order of CPUs, until nobody works any more."""
        while working := [cpu for cpu, held in self.agent.state.held if held.work_ns is not None]:
            for cpu in working:
                self.complete(cpu)

    def rendezvous(self, cpus: Iterable[int], request: AgentRequest) -> list[Exit | Held]:
        """Let all ``cpus`` make the same call, one close behind the other, and finish; outcomes in the same order."""
        order = list(cpus)
        for cpu in order:
            self.send(cpu, request)
        self.finish()
        return [self.last[cpu] for cpu in order]

    def code(self, cpu: int, request: AgentRequest | Registers) -> int:
        """Make a call that leaves the agent by itself, and read x0."""
        outcome = self.run(cpu, request)
        if not isinstance(outcome, Registers):
            raise ValueError(f"CPU {cpu} did not return: {outcome}")
        return status(outcome)

    def enumerate(self, cpu: int = 0) -> Self:
        """GET_INVENTORY of every component, as a client does before it primes one."""
        for fw_seq_id in range(len(self.platform.components())):
            self.send(cpu, InventoryRequest(fw_seq_id))
        return self

    def prime(self, fw_seq_id: int, cpu: int = 0) -> int:
        """Enumerate, then PRIME one component as often as it asks to be called again; x0 of the last call."""
        self.enumerate(cpu)
        while True:
            outcome = self.run(cpu, PrimeRequest(fw_seq_id))
            if not isinstance(outcome, Registers):
                raise ValueError(f"CPU {cpu} did not return: {outcome}")
            if status(outcome) or not StepResult.decode(outcome).call_again:
                return status(outcome)

    def fault(self, fw_seq_id: int, faults: Faults) -> Self:
        """Tell a component what to do wrong from now on."""
        self.platform.components()[fw_seq_id].faults = faults
        return self

    def id_of(self, guid: Guid) -> int:
        """The sequence id a component has now; KeyError if it has none."""
        return self.platform.components().index(self.platform.find(guid))

    def _note(self, cpu: int, outcome: Exit | Held) -> Exit | Held:
        self.last[cpu] = outcome
        for release in self.agent.released():
            self.last[release.cpu] = release.exit
        return outcome
