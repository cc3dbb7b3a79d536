# SPDX-License-Identifier: Apache-2.0
"""A conduit that lies: wraps any firmware, and answers, alters, delays or keeps calls as its rules say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from livefw.abi import lfa
from livefw.abi.guid import Guid
from livefw.abi.lfa import ActivateFlag, Function, InventoryRequest
from livefw.abi.smccc import CpuRelease, Exit, Held, Registers, Restart
from livefw.kernel.conduit import Conduit

_WITH_ID = frozenset({Function.GET_INVENTORY, Function.PRIME, Function.ACTIVATE, Function.CANCEL})


_WORK = frozenset({Function.PRIME, Function.ACTIVATE})
"""Calls in which components work."""


class RuleEffect(StrEnum):
    """What a rule does to a call."""

    ANSWER = "answer"
    """The firmware is not asked."""
    ALTER = "alter"
    """The firmware's answer is changed on its way back."""
    DELAY = "delay"
    """The call takes longer."""


@dataclass(slots=True)
class InjectionRule:
    """One lie. Of `answer`, `alter` and `delay_ns` the one that ``effect`` names counts.

    ``guid`` limits it to one component. ``left`` is how many more times it happens; None: without end. Where all CPUs
    make an ACTIVATE together that is one time, and all get the same lie: an agent that sent one of them away while
    the others wait for it would be a different fault. ``cpu`` limits it to that CPU, whose calls count then.
    """

    effect: RuleEffect
    functions: frozenset[int]
    guid: Guid | None = None
    left: int | None = None
    answer: Callable[[Registers], Exit | Held] | None = None
    alter: Callable[[Registers, Registers], Registers] | None = None
    delay_ns: int = 0
    cpu: int | None = None
    _round: set[int] = field(default_factory=set)

    def applies(self, cpu: int, registers: Registers, guid: Guid | None, online: frozenset[int]) -> bool:
        """Whether this call is meant; counts it if it is."""
        if (
            registers[0] not in self.functions
            or (self.guid is not None and self.guid != guid)
            or (self.cpu is not None and self.cpu != cpu)
        ):
            return False
        if self.cpu is None and _together(registers):
            if self._round and cpu not in self._round:
                self._round.add(cpu)
                if online <= self._round:
                    self._round.clear()
                return True
            self._round = {cpu} if len(online) > 1 else set()
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    @property
    def spent(self) -> bool:
        """Whether it will not happen again."""
        return self.left is not None and self.left <= 0 and not self._round


def _together(registers: Registers) -> bool:
    if registers[0] != Function.ACTIVATE:
        return False
    return ActivateFlag.SKIP_CPU_RENDEZVOUS not in lfa.ActivateRequest.decode(registers).flags


@dataclass(slots=True)
class ReturnWatch:
    """Calls ``action`` when a component's function has come back ``left`` times.

    Success counts like failure: a failed activation of the RMM may answer it. Where all CPUs make an ACTIVATE together
    that is one time, which ends when the last of them has come back: TF-A asks its platform once for all of them, and
    one that was refused while the next was not would leave that one waiting for ever.
    """

    function: int
    guid: Guid
    left: int
    action: Callable[[], None]
    _round: set[int] = field(default_factory=set)

    def returned(self, cpu: int, registers: Registers, online: frozenset[int]) -> None:
        """A call of the function has come back."""
        if _together(registers):
            broken = cpu in self._round
            self._round = {cpu} if broken else self._round | {cpu}
            if not broken and not online <= self._round:
                return
            if not broken:
                self._round = set()
        self.left -= 1


class Injector:
    """The conduit with the rules. Sequence ids are distinguished by the GUIDs that GET_INVENTORY returned before."""

    def __init__(self, inner: Conduit, *, cpus: int, extra_ns: dict[int, int] | None = None) -> None:
        """``extra_ns`` is where firmware that can be slowed down from inside looks for it (`Agent.extra_ns`).

        Firmware that works holds its locks meanwhile; a call that is kept on the way holds none.
        """
        self.cpus = cpus
        self.rules: list[InjectionRule] = []
        self.watches: list[ReturnWatch] = []
        self._inner = inner
        self._online = frozenset(range(cpus))
        self._guids: dict[int, Guid] = {}
        self._calls: dict[int, Registers] = {}
        self._delayed: set[int] = set()
        self._extra_ns = extra_ns

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Conduit."""
        if not self.rules and not self.watches:
            outcome = self._inner.call(cpu, registers)
            self._learn(registers, outcome)
            if isinstance(outcome, Held):
                self._calls[cpu] = registers
            return outcome
        self._calls[cpu] = registers
        if (rule := self._find(RuleEffect.ANSWER, cpu, registers)) is not None and rule.answer is not None:
            return rule.answer(registers)
        if (rule := self._find(RuleEffect.DELAY, cpu, registers)) is not None:
            if self._extra_ns is not None and registers[0] in _WORK:
                self._extra_ns[cpu] = rule.delay_ns
                return self._left(cpu, self._inner.call(cpu, registers))
            self._delayed.add(cpu)
            return Held(rule.delay_ns)
        return self._left(cpu, self._inner.call(cpu, registers))

    def complete(self, cpu: int) -> Exit | Held:
        """Conduit."""
        if cpu in self._delayed:
            self._delayed.discard(cpu)
            return self._left(cpu, self._inner.call(cpu, self._calls[cpu]))
        return self._left(cpu, self._inner.complete(cpu))

    def released(self) -> list[CpuRelease]:
        """Conduit."""
        return [CpuRelease(release.cpu, self._left(release.cpu, release.exit)) for release in self._inner.released()]

    def cpu_on(self, cpu: int) -> None:
        """Conduit."""
        self._inner.cpu_on(cpu)
        self._online |= {cpu}

    def cpu_off(self, cpu: int) -> None:
        """Conduit."""
        self._inner.cpu_off(cpu)
        self._online -= {cpu}

    def _find(
        self, effect: RuleEffect, cpu: int, registers: Registers, guid: Guid | None = None
    ) -> InjectionRule | None:
        """The first rule with this effect that means the call."""
        if guid is None and registers[0] in _WITH_ID:
            guid = self._guids.get(InventoryRequest.decode(registers).fw_seq_id)
        for rule in self.rules:
            if rule.effect is effect and rule.applies(cpu, registers, guid, self._online):
                if rule.spent:
                    self.rules.remove(rule)
                return rule
        return None

    def _learn(self, registers: Registers, outcome: Exit | Held) -> Guid | None:
        if registers[0] != Function.GET_INVENTORY or not isinstance(outcome, Registers) or outcome[0]:
            return None
        guid = Guid.from_registers(outcome[1], outcome[2])
        self._guids[InventoryRequest.decode(registers).fw_seq_id] = guid
        return guid

    def _left(self, cpu: int, outcome: Exit | Held) -> Exit | Held:
        """Change what the firmware said."""
        if isinstance(outcome, Held | Restart):
            return outcome
        if self._extra_ns is not None:
            self._extra_ns.pop(cpu, None)  # it did not come to any work
        registers = self._calls[cpu]
        guid = self._learn(registers, outcome)
        self._watch(cpu, registers)
        rule = self._find(RuleEffect.ALTER, cpu, registers, guid)
        return rule.alter(registers, outcome) if rule and rule.alter else outcome

    def _watch(self, cpu: int, registers: Registers) -> None:
        if not self.watches:
            return
        guid = self._guids.get(InventoryRequest.decode(registers).fw_seq_id)
        for watch in [each for each in self.watches if (each.function, each.guid) == (registers[0], guid)]:
            watch.returned(cpu, registers, self._online)
            if watch.left <= 0:
                self.watches.remove(watch)
                watch.action()
