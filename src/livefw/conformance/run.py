# SPDX-License-Identifier: Apache-2.0
"""Carry the checks out on a caller, one by one, and say of each how it went."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from livefw.abi import lfa
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, InventoryFlag
from livefw.abi.smccc import COUNT, Exit, Registers, Restart
from livefw.conformance.caller import Caller
from livefw.conformance.checks import CHECKS, Case
from livefw.conformance.steps import (
    SPARE,
    AllRestart,
    Begin,
    Beyond,
    Discover,
    Ends,
    Expected,
    Smc,
    Step,
    Suitable,
    Together,
    Where,
    WritesVersions,
    code,
)

PATIENCE = 10.0
"""Seconds until a call that should end counts as one that does not."""

_MOST_REPEATS = 1000
"""Calls of one PRIME or ACTIVATE; a component that wants more never ends."""

_MOST_COMPONENTS = 4096
"""More is taken for a wrong answer of GET_INFO, not for work to do."""

_FILL = tuple(range(0x5A00, 0x5A00 + COUNT))
"""What registers hold that are no input: Linux v1 leaves old results there."""

_FIRST_KEPT = 6
"""x6 to x17 are results of no LFA call and come back as they went (DEN0028, section 2.6)."""

_NONE = 0xFFFF_FFFF
"""VERSION without an agent: -1, in 32 bits or in 64 (DEN0028)."""

_SUITABLE = InventoryFlag.ACTIVATION_CAPABLE | InventoryFlag.ACTIVATION_PENDING | InventoryFlag.CPU_RENDEZVOUS_OPTIONAL
_WANTED = _SUITABLE | InventoryFlag.MAY_RESET_CPU
"""Flags of a component that `Suitable` stands for, and those that are looked at."""

_CONTEXT = 0xC0DE_0000
"""Context of CPU 0 for a restart; the others count on from there."""


class CheckVerdict(StrEnum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class CheckResult(NamedTuple):
    """A check with its verdict; ``detail`` says what was wrong, or what was missing."""

    check: Case
    verdict: CheckVerdict
    detail: str = ""


class _Wrong(Exception):  # noqa: N818 - it ends a check, nothing else
    """The firmware did something else than expected."""


class _Missing(Exception):  # noqa: N818
    """What the check needs is not there."""


def run(
    caller: Caller, *, profile: str, checks: Iterable[Case] = CHECKS, dangerous: bool = False
) -> Iterator[CheckResult]:
    """All checks that a profile has, in order, each from a clean state as far as the caller can make one.

    Those that are ``dangerous`` to firmware that is right are left out unless they are asked for.
    """
    suite = _Suite(caller, profile)
    for check in checks:
        if profile in check.profiles and (dangerous or not check.dangerous):
            yield suite.play(check)


class _Suite:
    def __init__(self, caller: Caller, profile: str) -> None:
        self._caller = caller
        self._profile = profile
        self._ids: dict[Guid, int] = {}
        self._suitable: int | None = None
        self._count = 0
        self._absent = False
        self._spoiled = False
        self._stuck: set[int] = set()
        self._requests: dict[int, Registers] = {}

    def play(self, check: Case) -> CheckResult:
        try:
            self._prepare(check)
            for number, step in enumerate(check.steps, 1):
                self._step(number, step, check)
        except _Wrong as wrong:
            self._drain()
            return CheckResult(check, CheckVerdict.FAILED, str(wrong))
        except _Missing as missing:
            return CheckResult(check, CheckVerdict.NOT_APPLICABLE, str(missing))
        except Exception as error:
            error.add_note(f"in the check {check.name!r}")
            raise
        return CheckResult(check, CheckVerdict.PASSED)

    def _prepare(self, check: Case) -> None:
        if check.cpus > self._caller.cpus:
            raise _Missing(f"needs {check.cpus} CPUs")
        fresh = self._boot(check)
        # With another id than the last time there is no way to look around without latching what is pending.
        if not check.cold or not self._ids:
            self._look_around()
            if check.cold:
                self._caller.fresh()
        if not fresh:
            for fw_seq_id in self._ids.values():
                self._finish(0, Registers(Function.CANCEL, fw_seq_id))
        if self._absent and _needs_agent(check):
            raise _Missing("there is no LFA agent: VERSION is not supported")
        for component in check.needs:
            if component not in self._ids and not (isinstance(component, Suitable) and self._suitable is not None):
                raise _Missing(f"needs the component {component}")
        self._spoiled = check.spoils

    def _drain(self) -> None:
        """Let calls end that the check has left behind, so that the next one finds its CPUs."""
        for cpu in sorted(self._stuck):
            if self._caller.outcome(cpu, patience=PATIENCE) is not None:
                self._stuck.discard(cpu)

    def _boot(self, check: Case) -> bool:
        """Whether the firmware is as after a cold boot."""
        if self._caller.fresh():
            self._stuck.clear()
            return True
        if check.cold:
            raise _Missing("needs a cold boot")
        if self._spoiled:
            raise _Missing("needs a cold boot: the previous check left a state that only a cold boot clears")
        if self._stuck:
            raise _Missing(f"CPUs {sorted(self._stuck)} are still inside the firmware")
        return False

    def _look_around(self) -> None:
        info = self._finish(0, Registers(Function.GET_INFO))
        count = info[1] if not lfa.status(info) else 0
        self._absent = bool(lfa.status(info)) and self._finish(0, Registers(Function.VERSION))[0] & _NONE == _NONE
        if count > _MOST_COMPONENTS:
            raise _Wrong(f"GET_INFO reports {count} components")
        self._count, self._ids, self._suitable = count, {}, None
        for fw_seq_id in range(count):
            answer = self._finish(0, Registers(Function.GET_INVENTORY, fw_seq_id))
            if not lfa.status(answer):
                self._ids[Guid.from_registers(answer[1], answer[2])] = fw_seq_id
                if self._suitable is None and answer[3] & _WANTED == _SUITABLE:
                    self._suitable = fw_seq_id

    def _step(self, number: int, step: Step, check: Case) -> None:
        match step:
            case Smc():
                self._call(number, step)
            case Begin(call):
                self._begin(call.cpu, self._registers(call))
                self._must_stay(number, call, check)
            case Ends(cpu, x0):
                self._compare(number, f"CPU {cpu}'s call", self._end(cpu), x0, "x0")
            case Together(call):
                self._together(number, call)
            case AllRestart():
                self._all_restart(number, step)
            case Discover(cpu):
                for fw_seq_id in range(self._count):
                    answer = self._finish(cpu, Registers(Function.GET_INVENTORY, fw_seq_id))
                    self._compare(number, f"GET_INVENTORY({fw_seq_id})", answer, 0, "x0")
            case WritesVersions():
                self._versions(number)

    def _call(self, number: int, call: Smc) -> None:
        registers = self._registers(call)
        title = _title(call)
        cpu = self._caller.cpus - 1 if call.cpu == SPARE else call.cpu
        for _ in range(_MOST_REPEATS):
            answer = self._finish(cpu, registers)
            self._check_answer(number, title, call, answer)
            if not call.until_done or lfa.status(answer) or not answer[1] & 1:
                return
        raise _Wrong(f"step {number}: {title} asks to be called again after {_MOST_REPEATS} times")

    def _must_stay(self, number: int, call: Smc, check: Case) -> None:
        if self._caller.stays(call.cpu):
            return
        ended = self._end(call.cpu)
        if check.slow:
            raise _Missing(f"{_title(call)} ends before another CPU can meet it")
        raise _Wrong(f"step {number}: {_title(call)} returned {_shown(ended)} and did not wait")

    def _together(self, number: int, call: Smc) -> None:
        for cpu in self._order():
            self._begin(cpu, self._registers(call._replace(cpu=cpu)))
        for cpu in self._order():
            self._check_answer(number, f"{_title(call)} on CPU {cpu}", call, self._end(cpu))

    def _all_restart(self, number: int, step: AllRestart) -> None:
        call = step.call
        cpus = [cpu for cpu in self._order() if cpu not in step.but]
        for cpu in cpus:
            self._begin(cpu, self._registers(call._replace(cpu=cpu)))
        if step.last:
            self._call(number, step.last)
        for cpu in cpus:
            ended = self._caller.outcome(cpu, patience=PATIENCE)
            if ended != Restart(self._caller.entry_point, _CONTEXT + cpu):
                raise _Wrong(f"step {number}: {_title(call)} on CPU {cpu}: {_shown(ended)} instead of a restart")
            self._stuck.discard(cpu)

    def _versions(self, number: int) -> None:
        written = self._profile == "bet1"
        request = Registers(Function.GET_INVENTORY, 0, *_FILL[2:])
        answer = self._finish(0, request)
        self._compare(number, "GET_INVENTORY(0)", answer, 0, "x0")
        if (answer[4:6] != request[4:6]) != written:
            raise _Wrong(f"step {number}: x4 and x5 were {'not ' if written else ''}written: {_shown(answer)}")

    def _order(self) -> range:
        """CPU 0 last: in TF-A's pen the last CPU to come does the work."""
        return range(self._caller.cpus - 1, -1, -1)

    def _registers(self, call: Smc) -> Registers:
        words = [call.function, call.argument, *_FILL[2:]]
        if call.where is not None:
            words[1] = self._id(call.where)
        if call.function & 0xFFFF_FFFF == Function.ACTIVATE:
            words[2] = int(call.flags)
            words[3] = self._caller.entry_point if call.entry is None else call.entry
            words[4] = _CONTEXT + call.cpu
        return Registers(*words)

    def _id(self, where: Where) -> int:
        if isinstance(where, Beyond):
            return self._count if where.fixed is None else where.fixed
        if isinstance(where, Suitable):
            return _known(self._suitable)
        return self._ids[where]

    def _begin(self, cpu: int, registers: Registers) -> None:
        self._requests[cpu] = registers
        self._stuck.add(cpu)
        self._caller.begin(cpu, registers)

    def _finish(self, cpu: int, registers: Registers) -> Registers:
        self._begin(cpu, registers)
        return self._end(cpu)

    def _end(self, cpu: int) -> Registers:
        ended = self._caller.outcome(cpu, patience=PATIENCE)
        if ended is None:
            raise _Wrong(f"CPU {cpu} did not return from {_function(self._requests[cpu][0])}")
        self._stuck.discard(cpu)
        if isinstance(ended, Restart):
            raise _Wrong(f"CPU {cpu}: {_shown(ended)}")
        kept = self._requests[cpu][_FIRST_KEPT:]
        if ended[_FIRST_KEPT:] != kept:
            raise _Wrong(f"{_function(self._requests[cpu][0])} changed registers above x5: {_shown(ended)}")
        return ended

    def _check_answer(self, number: int, title: str, call: Smc, answer: Registers) -> None:
        if not call.or_more or lfa.status(answer) < self._wanted(call.x0):
            self._compare(number, title, answer, call.x0, "x0")
        if call.x1 is not None:
            self._compare(number, title, answer, call.x1, "x1")
        if call.x3 is not None:
            self._compare(number, title, answer, call.x3, "x3")

    def _wanted(self, expected: Expected) -> int:
        return expected if isinstance(expected, int) else expected[self._profile]

    def _compare(self, number: int, title: str, answer: Registers, expected: Expected, register: str) -> None:
        wanted = self._wanted(expected)
        word = answer[int(register[1:])]
        got = lfa.status(answer) if register == "x0" else word
        if got != wanted:
            raise _Wrong(f"step {number}: {title}: {register} is {code(got)}, not {code(wanted)}")


def _known(fw_seq_id: int | None) -> int:
    if fw_seq_id is None:
        raise _Missing(f"needs the component {Suitable()}")
    return fw_seq_id


def _needs_agent(check: Case) -> bool:
    """Whether a check asks for more than SMCCC and the agent's version."""
    return any(
        not isinstance(step, Smc) or step.function & 0xFFFF_FFFF in set(Function) - {Function.VERSION}
        for step in check.steps
    )


def _title(call: Smc) -> str:
    return f"{_function(call.function)}({'' if call.where is None else call.where})"


def _function(word: int) -> str:
    return Function(word).name if word in Function._value2member_map_ else f"{word:#x}"


def _shown(ended: Exit | None) -> str:
    return "nothing" if ended is None else repr(ended)
