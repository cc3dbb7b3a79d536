# SPDX-License-Identifier: Apache-2.0
"""Firmware that answers from a script: for tests of whatever stands above it, and for answers that no agent gives."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from livefw.abi.lfa import Function, InfoResult, InventoryRequest, InventoryResult, LfaStatus, StepResult
from livefw.abi.smccc import CpuRelease, Exit, Held, Registers, Restart
from livefw.abi.version import LFA_1_0

DONE = StepResult(call_again=False).encode()
AGAIN = StepResult(call_again=True).encode()


class Working(NamedTuple):
    """An answer that takes a time: the CPU is held for ``ns`` and then leaves with ``words``."""

    ns: int
    words: tuple[int, ...] = DONE


class ScriptedCall(NamedTuple):
    """An SMC as it arrived."""

    cpu: int
    registers: Registers


Answer = tuple[int, ...] | LfaStatus | Working | Held | Restart | Callable[[Registers], tuple[int, ...]]
"""Result words from x0 on, a status alone, a result that takes time, a CPU held or reset, or a function of the inputs.

What the words do not cover keeps the caller's inputs.
"""


class ScriptedFirmware:
    """A conduit. Reports ``components`` as long as nothing else is scripted, and lets every other call succeed."""

    def __init__(self, components: Iterable[InventoryResult] = ()) -> None:
        self.components = list(components)
        self.calls: list[ScriptedCall] = []
        self._scripts: dict[int, list[Answer]] = {}
        self._working: dict[int, tuple[int, ...]] = {}
        self._inputs: dict[int, Registers] = {}
        self._released: list[CpuRelease] = []

    def script(self, function: int, *answers: Answer) -> None:
        """Answer calls of ``function`` with these, in order; the last one stays."""
        self._scripts[function] = list(answers)

    def count(self, function: int) -> int:
        """Calls of a function so far."""
        return sum(call.registers[0] == function for call in self.calls)

    def release(self, cpu: int, *words: int) -> None:
        """Let a CPU go that a scripted `Held` keeps; it leaves at the next event."""
        self._released.append(CpuRelease(cpu, self._inputs[cpu].returning(*words)))

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Conduit: the next answer of the script."""
        self.calls.append(ScriptedCall(cpu, registers))
        self._inputs[cpu] = registers
        answer = self._next(registers)
        if isinstance(answer, Working):
            self._working[cpu] = answer.words
            return Held(answer.ns)
        if isinstance(answer, Held | Restart):
            return answer
        if isinstance(answer, LfaStatus):
            return registers.returning(answer.word)
        return registers.returning(*(answer(registers) if callable(answer) else answer))

    def complete(self, cpu: int) -> Exit | Held:
        """Conduit: the time of a `Working` answer is over."""
        return self._inputs[cpu].returning(*self._working.pop(cpu))

    def released(self) -> list[CpuRelease]:
        """Conduit: what `release` has let go."""
        released, self._released = self._released, []
        return released

    def cpu_on(self, cpu: int) -> None:
        """Conduit: of no interest here."""

    def cpu_off(self, cpu: int) -> None:
        """Conduit: of no interest here."""

    def _next(self, registers: Registers) -> Answer:
        script = self._scripts.get(registers[0])
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        match registers[0]:
            case Function.VERSION:
                return (LFA_1_0.encode(),)
            case Function.GET_INFO:
                return InfoResult(len(self.components)).encode()
            case Function.GET_INVENTORY:
                seq_id = InventoryRequest.decode(registers).fw_seq_id
                if seq_id >= len(self.components):
                    return LfaStatus.INVALID_PARAMETERS
                return self.components[seq_id].encode()
            case Function.PRIME | Function.ACTIVATE | Function.CANCEL:
                return DONE
        return LfaStatus.NOT_SUPPORTED
