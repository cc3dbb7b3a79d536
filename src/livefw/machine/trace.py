# SPDX-License-Identifier: Apache-2.0
"""Every SMC of a machine: a bounded record that a person can read and that can be replayed against an agent.

Names, arguments and results come from the definitions in `livefw.abi`; nothing about a call is written down twice.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from livefw.abi import lfa
from livefw.abi.lfa import Function, LfaStatus
from livefw.abi.smccc import SMCCC_ARCH_FEATURES, SMCCC_VERSION, CpuRelease, Exit, Held, Registers, Restart
from livefw.abi.version import InterfaceVersion
from livefw.kernel.conduit import Conduit

CAPACITY = 65_536
"""Calls kept. An agent that wants to be called again without end makes hundreds of thousands in seconds."""


class _Meaning(NamedTuple):
    """How to read one function's registers."""

    name: str
    request: Callable[[Registers], Any] | None = None
    result: Callable[[Registers], Any] | None = None


_MEANINGS: dict[int, _Meaning] = {
    SMCCC_VERSION: _Meaning("SMCCC_VERSION"),
    SMCCC_ARCH_FEATURES: _Meaning("SMCCC_ARCH_FEATURES", lfa.FeaturesRequest.decode),
    Function.VERSION: _Meaning("LFA_VERSION"),
    Function.FEATURES: _Meaning("LFA_FEATURES", lfa.FeaturesRequest.decode),
    Function.GET_INFO: _Meaning("LFA_GET_INFO", lfa.InfoRequest.decode, lfa.InfoResult.decode),
    Function.GET_INVENTORY: _Meaning("LFA_GET_INVENTORY", lfa.InventoryRequest.decode, lfa.InventoryResult.decode),
    Function.PRIME: _Meaning("LFA_PRIME", lfa.PrimeRequest.decode, lfa.StepResult.decode),
    Function.ACTIVATE: _Meaning("LFA_ACTIVATE", lfa.ActivateRequest.decode, lfa.StepResult.decode),
    Function.CANCEL: _Meaning("LFA_CANCEL", lfa.CancelRequest.decode),
}


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One SMC from its issue to its end; times in nanoseconds since boot.

    ``outcome`` is None while the CPU is inside. ``began`` and ``completions`` number the events of the conduit, in
    the one order in which they happened.
    """

    sequence: int
    cpu: int
    registers: Registers
    start_ns: int
    end_ns: int
    outcome: Exit | None
    began: int
    completions: tuple[int, ...]

    @property
    def name(self) -> str:
        """The function's name, or its number."""
        meaning = _MEANINGS.get(self.registers[0])
        return meaning.name if meaning else f"{self.registers[0]:#x}"

    @property
    def text(self) -> str:
        """Such as ``cpu3 LFA_PRIME(fw_seq_id=2) -> SUCCESS call_again``."""
        outcome = "still inside" if self.outcome is None else _outcome(self.registers, self.outcome)
        return f"cpu{self.cpu} {self.name}({_request(self.registers)}) -> {outcome}"

    @property
    def line(self) -> str:
        """The text with the time of the call and, if it took any, how long it held the CPU."""
        seconds, rest = divmod(self.start_ns // 1000, 1_000_000)
        held = self.end_ns - self.start_ns
        return f"[{seconds:5d}.{rest:06d}] {self.text}" + (f"  ({held / 1e6:.3f} ms)" if held >= 100_000 else "")

    def document(self) -> dict[str, Any]:
        """The call for JSON, from which `replay` can make it again."""
        outcome: Any = None
        if isinstance(self.outcome, Restart):
            outcome = {"entry_point": self.outcome.entry_point, "context_id": self.outcome.context_id}
        elif self.outcome is not None:
            outcome = {"registers": _words(self.outcome)}
        return {
            "sequence": self.sequence,
            "cpu": self.cpu,
            "function": self.name,
            "text": self.text,
            "registers": _words(self.registers),
            "outcome": outcome,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "began": self.began,
            "completions": list(self.completions),
        }


def _words(registers: Registers) -> list[str]:
    last = max((index for index, word in enumerate(registers) if word), default=0)
    return [f"{word:#x}" for word in registers[: last + 1]]


def _request(registers: Registers) -> str:
    meaning = _MEANINGS.get(registers[0])
    if meaning is None:
        return ", ".join(f"x{index}={word:#x}" for index, word in enumerate(registers) if index and word)
    return "" if meaning.request is None else _fields(meaning.request(registers))


def _fields(values: Any) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in zip(values._fields, values, strict=True))


def _value(value: Any) -> str:
    if isinstance(value, IntFlag):
        return "|".join(flag.name or "" for flag in value) + _rest(value) or "0"
    if isinstance(value, int) and (value > 0xFFFF or isinstance(value, IntEnum)):
        meaning = _MEANINGS.get(value)
        return meaning.name if meaning else f"{value:#x}"
    return str(value)


def _rest(value: IntFlag) -> str:
    """Bits that have no name, as a number."""
    rest = int(value) & ~sum(int(flag) for flag in type(value))
    return f"|{rest:#x}" if rest else ""


def _outcome(request: Registers, outcome: Exit) -> str:
    if isinstance(outcome, Restart):
        return f"restarts at {outcome.entry_point:#x} with {outcome.context_id:#x}"
    if request[0] == Function.VERSION and not outcome[0] >> 31:
        return f"version {InterfaceVersion.decode(outcome[0])}"
    if request[0] == SMCCC_VERSION and not outcome[0] >> 31:
        return f"version {InterfaceVersion.decode(outcome[0])}"
    code = lfa.status(outcome)
    if code:
        return LfaStatus(code).name if code in LfaStatus._value2member_map_ else f"{code}, a status without a name"
    meaning = _MEANINGS.get(request[0])
    if meaning is None or meaning.result is None:
        return "SUCCESS"
    result = meaning.result(outcome)
    if isinstance(result, lfa.StepResult):
        return "SUCCESS call_again" if result.call_again else "SUCCESS"
    return f"SUCCESS {_fields(result)}"


class CallTrace:
    """A conduit around a conduit that keeps every call, once, when it ends. Calls under way are in `inside`."""

    def __init__(self, inner: Conduit, now: Callable[[], int]) -> None:
        self._inner = inner
        self._now = now
        self._finished: deque[TracedCall] = deque(maxlen=CAPACITY)
        self._inside: dict[int, tuple[Registers, int, int, tuple[int, ...]]] = {}
        self._next = 0
        self._events = 0

    @property
    def next_sequence(self) -> int:
        """Number that the next call to end will get; also how many have ended."""
        return self._next

    def since(self, sequence: int) -> Iterator[TracedCall]:
        """Calls that ended, from ``sequence`` on as far as they are kept."""
        first = self._finished[0].sequence if self._finished else self._next
        for index in range(max(sequence - first, 0), len(self._finished)):
            yield self._finished[index]

    def __iter__(self) -> Iterator[TracedCall]:
        return self.since(0)

    @property
    def inside(self) -> tuple[TracedCall, ...]:
        """Calls that have not ended."""
        now = self._now()
        return tuple(
            TracedCall(-1, cpu, registers, start, now, None, began, completions)
            for cpu, (registers, start, began, completions) in self._inside.items()
        )

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Conduit."""
        self._inside[cpu] = (registers, self._now(), self._event(), ())
        return self._left(cpu, self._inner.call(cpu, registers))

    def complete(self, cpu: int) -> Exit | Held:
        """Conduit."""
        registers, start, began, completions = self._inside[cpu]
        self._inside[cpu] = (registers, start, began, (*completions, self._event()))
        return self._left(cpu, self._inner.complete(cpu))

    def released(self) -> list[CpuRelease]:
        """Conduit."""
        released = self._inner.released()
        for release in released:
            self._left(release.cpu, release.exit)
        return released

    def cpu_on(self, cpu: int) -> None:
        """Conduit."""
        self._inner.cpu_on(cpu)

    def cpu_off(self, cpu: int) -> None:
        """Conduit."""
        self._inner.cpu_off(cpu)

    def _event(self) -> int:
        self._events += 1
        return self._events

    def _left(self, cpu: int, outcome: Exit | Held) -> Exit | Held:
        if not isinstance(outcome, Held):
            registers, start, began, completions = self._inside.pop(cpu)
            self._finished.append(
                TracedCall(self._next, cpu, registers, start, self._now(), outcome, began, completions)
            )
            self._next += 1
        return outcome


class Difference(NamedTuple):
    """A replayed call that ended differently; ``actual`` is None where it did not end."""

    recorded: dict[str, Any]
    actual: str | None


def replay(calls: list[dict[str, Any]], conduit: Conduit) -> list[Difference]:
    """Issue recorded calls (`TracedCall.document`) again, in their order, and tell which ended differently.

    The conduit must start in the state that the recorded machine started in, and see nothing else: what was staged or
    injected in between, and CPUs that came and went, are not part of a record.
    """
    events = [(call["began"], False, call) for call in calls]
    events += [(number, True, call) for call in calls for number in call["completions"]]
    replayed = CallTrace(conduit, lambda: 0)
    by_cpu: dict[int, list[TracedCall]] = {}
    for _, completes, call in sorted(events, key=lambda event: event[0]):
        if completes:
            replayed.complete(call["cpu"])
        else:
            replayed.call(call["cpu"], Registers(*(int(word, 16) for word in call["registers"])))
        replayed.released()
    for again in replayed:
        by_cpu.setdefault(again.cpu, []).append(again)
    return list(_compare(calls, by_cpu))


def _compare(recorded: list[dict[str, Any]], by_cpu: dict[int, list[TracedCall]]) -> Iterator[Difference]:
    """A CPU makes one call after the other, so the n-th of a CPU is the n-th again."""
    for call in recorded:
        if call["outcome"] is None:
            continue
        calls = by_cpu.get(call["cpu"], [])
        again = calls.pop(0) if calls else None
        if again is None or again.document()["outcome"] != call["outcome"]:
            yield Difference(call, again.text if again else None)
