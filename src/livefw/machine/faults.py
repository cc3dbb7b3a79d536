# SPDX-License-Identifier: Apache-2.0
"""Everything that can be made to go wrong, as one table.

A fault sits in a component (the modelled firmware really fails, and its state shows it), in a staged image (it becomes
visible once the image runs), or in the conduit (what the operating system hears differs from what the firmware answers;
works with any firmware).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from livefw import suggest
from livefw.abi import smccc
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, InfoResult, InventoryFlag, LfaStatus, StepResult
from livefw.abi.smccc import WORD, Exit, Held, Registers, Restart, unsigned64
from livefw.abi.version import ComponentVersion
from livefw.errors import UsageError
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults, FirmwareComponent, LoadStatus
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec
from livefw.firmware.state import Preemption
from livefw.machine.injection import InjectionRule, Injector, ReturnWatch, RuleEffect

_MAX_TIMES = 1_000_000
_MAX_MS = 3_600_000


class FaultSite(StrEnum):
    """Where a fault sits."""

    COMPONENT = "component"
    IMAGE = "image"
    CONDUIT = "conduit"
    AGENT = "agent"
    """In the schedule of CPUs inside the agent."""
    BMC = "bmc"
    """In the BMC of the machine (`livefw.machine.catalog`)."""
    SEAM = "seam"
    """In the TDX module or its loader (`livefw.machine.tdx`)."""
    DRIVE = "drive"
    """In an NVMe drive (`livefw.machine.nvme`)."""


class FaultScope(StrEnum):
    """Whether a fault is about one component."""

    ONE = "required"
    ANY = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRequest:
    """A fault as somebody asks for it; what is None has the fault's own default."""

    name: str
    """Name of the fault."""
    component: str | None = None
    """The component it is about: GUID, unique prefix of one, kind or public name."""
    times: int | None = None
    """How often it happens; None: until it is cleared."""
    function: str | None = None
    """The call it concerns, such as PRIME or ACTIVATE."""
    code: str | None = None
    """A status, by name or number."""
    ms: float | None = None
    """A duration in ms."""
    cpu: int | None = None
    """The only CPU that is concerned."""
    count: str | None = None
    """A number, decimal or hexadecimal: TOML and JSON have no 64-bit unsigned ones."""


class Subject(Protocol):
    """The part of a machine that faults need."""

    @property
    def platform(self) -> MemoryPlatform:
        """The agent's platform."""
        ...

    @property
    def agent(self) -> LfaAgent:
        """The agent."""
        ...

    @property
    def injector(self) -> Injector:
        """The conduit in front of the agent."""
        ...

    def find(self, text: str) -> Guid:
        """The component that somebody names; `UsageError` if there is none, or several."""
        ...


class FaultSetting(NamedTuple):
    """A request with everything looked up."""

    subject: Subject
    request: FaultRequest
    guid: Guid | None

    @property
    def component(self) -> FirmwareComponent:
        """The component; only for faults that need one."""
        return self.subject.platform.find(_known(self.guid))

    def code(self, default: int) -> int:
        """The status to answer."""
        return default if self.request.code is None else _status(self.request.code)

    def count(self, default: int) -> int:
        """A number, as a register word."""
        return default & WORD if self.request.count is None else _number("count", self.request.count)

    def function(self, default: Function) -> Function:
        """The call that is concerned."""
        name = self.request.function
        if name is None:
            return default
        try:
            return Function[name.upper().removeprefix("LFA_")]
        except KeyError:
            calls = [each.name for each in Function]
            hint = suggest.hint(name, calls, rest=f"the calls are {', '.join(calls)}")
            raise UsageError(f"there is no call {name[:60]!r}", hint=hint) from None


class Fault(NamedTuple):
    """One row of the table: what it is called, where it sits, what it does."""

    name: str
    where: FaultSite
    target: FaultScope
    template: str
    """What it does, with ``{OPTION=DEFAULT}`` where an option decides."""
    apply: Callable[[FaultSetting], None]
    options: tuple[str, ...] = ()
    """Fields of `FaultRequest` that it looks at, besides component and times."""

    @property
    def text(self) -> str:
        """What it does unless asked for otherwise."""
        return _OPTION.sub(r"\2", self.template)

    def describe(self, request: FaultRequest) -> str:
        """What it does as it was asked for."""

        def chosen(match: re.Match[str]) -> str:
            asked = getattr(request, match[1])
            return match[2] if asked is None else f"{asked:g}" if isinstance(asked, float) else str(asked)

        more = [] if request.cpu is None else [f"on CPU {request.cpu}"]
        more += [] if request.times is None else ["once" if request.times == 1 else f"{request.times} times"]
        return "; ".join([_OPTION.sub(chosen, self.template), *more])


_OPTION = re.compile(r"\{(\w+)=([^}]*)\}")


def _known(guid: Guid | None) -> Guid:
    if guid is None:
        raise ValueError("this fault needs a component")
    return guid


def _status(text: str) -> int:
    name = text.upper().removeprefix("LFA_")
    if name in LfaStatus.__members__:
        return LfaStatus[name]
    try:
        return smccc.signed64(_number("code", text))
    except UsageError as error:
        names = [each.name for each in LfaStatus]
        error.hint = suggest.hint(name, names, rest=f"the statuses are {', '.join(names)}")
        raise


def _number(option: str, text: str) -> int:
    try:
        return unsigned64(int(text, 0))
    except ValueError:
        raise UsageError(f"{option}: {text!r} is not a 64-bit number") from None


# Faults of components.


def _component(
    function: Function, change: Callable[[FaultSetting], Mapping[str, Any]]
) -> Callable[[FaultSetting], None]:
    """Sets fields of the component's `Faults`; takes them back after so many calls of ``function``."""

    def apply(setting: FaultSetting) -> None:
        component, fields = setting.component, change(setting)
        component.faults = replace(component.faults, **fields)
        if setting.request.times is not None:

            def restore() -> None:
                component.faults = replace(component.faults, **{name: getattr(Faults(), name) for name in fields})

            setting.subject.injector.watches.append(
                ReturnWatch(function, component.guid, setting.request.times, restore)
            )

    return apply


# Faults of the image that is staged.


def _restage(setting: FaultSetting, **changes: Any) -> None:
    platform, guid = setting.subject.platform, _known(setting.guid)
    _, pending = platform.image_info(setting.component)
    if not platform.is_activation_pending(setting.component):
        raise UsageError("nothing is staged for this component", hint="livefw machine stage COMPONENT")
    platform.stage(guid, ComponentVersion.decode(pending), **changes)


def _after(make: Callable[[FaultSetting], AfterActivation]) -> Callable[[FaultSetting], None]:
    return lambda setting: _restage(setting, after=make(setting))


_NEWCOMER = "11111111-2222-4333-8444-555555555555"
"""A GUID that no firmware has."""


def _appears(_: FaultSetting) -> AfterActivation:
    return AfterActivation(
        appears=(ComponentSpec(guid=_NEWCOMER, kind=ComponentKind.CONTROLLER, current_version="1.0"),)
    )


def _vanishes(setting: FaultSetting) -> AfterActivation:
    return AfterActivation(vanishes=(str(_known(setting.guid)),))


def _reordered(setting: FaultSetting) -> AfterActivation:
    guids = [str(component.guid) for component in setting.subject.platform.components()]
    return AfterActivation(order=tuple(reversed(guids)))


# Faults of the conduit.


def _rule(setting: FaultSetting, effect: RuleEffect, *functions: Function, **fields: Any) -> None:
    rule = InjectionRule(effect, frozenset(functions), setting.guid, setting.request.times, **fields)
    setting.subject.injector.rules.append(rule)


def _answers(
    default: Function, words: Callable[[FaultSetting, Registers], Exit | Held]
) -> Callable[[FaultSetting], None]:
    def apply(setting: FaultSetting) -> None:
        _rule(setting, RuleEffect.ANSWER, setting.function(default), answer=lambda registers: words(setting, registers))

    return apply


def _alters(
    function: Function, change: Callable[[FaultSetting, Registers, Registers], Registers]
) -> Callable[[FaultSetting], None]:
    def apply(setting: FaultSetting) -> None:
        _rule(setting, RuleEffect.ALTER, function, alter=lambda request, result: change(setting, request, result))

    return apply


def _all(answer: int) -> Callable[[FaultSetting], None]:
    return lambda setting: _rule(
        setting, RuleEffect.ANSWER, *Function, answer=lambda registers: registers.returning(answer)
    )


def _flags(change: Callable[[int, int], int]) -> Callable[[FaultSetting], None]:
    """Changes x3 of GET_INVENTORY; ``change`` also gets how many times it was called."""

    def apply(setting: FaultSetting) -> None:
        calls = 0

        def alter(_: Registers, result: Registers) -> Registers:
            nonlocal calls
            if result[0]:
                return result
            calls += 1
            return result.returning(*result[:3], change(result[3], calls) & WORD)

        _rule(setting, RuleEffect.ALTER, Function.GET_INVENTORY, alter=alter)

    return apply


def _nanoseconds(setting: FaultSetting, *, default: float) -> int:
    ms = default if setting.request.ms is None else setting.request.ms
    if not 0 < ms <= _MAX_MS:
        raise UsageError(f"ms: {ms} is not between 0 and {_MAX_MS}")
    return round(ms * 1_000_000)


def _slow(setting: FaultSetting) -> None:
    delay_ns = _nanoseconds(setting, default=1000.0)
    _rule(setting, RuleEffect.DELAY, setting.function(Function.PRIME), delay_ns=delay_ns)


def _hang(setting: FaultSetting) -> None:
    _rule(
        setting,
        RuleEffect.ANSWER,
        setting.function(Function.ACTIVATE),
        answer=lambda _: Held(None),
        cpu=setting.request.cpu,
    )


def _one_cpu(setting: FaultSetting) -> None:
    """Not by `RuleEffect.ANSWER`: the others would wait for this CPU for ever."""
    code = setting.code(LfaStatus.COMPONENT_WRONG_STATE) & WORD
    cpu = 0 if setting.request.cpu is None else setting.request.cpu
    _rule(setting, RuleEffect.ALTER, Function.ACTIVATE, alter=lambda request, _: request.returning(code), cpu=cpu)


# Faults of the schedule.


def _preempted(point: Preemption) -> Callable[[FaultSetting], None]:
    def apply(setting: FaultSetting) -> None:
        if setting.request.times is not None:
            raise UsageError("CPUs lose their time until the fault is cleared", hint="livefw machine fault --clear")
        setting.subject.agent.preempted[point] = _nanoseconds(setting, default=1000.0)

    return apply


def _gone(setting: FaultSetting) -> None:
    """The agent no longer knows the component; its sequence id is a hole."""
    refusal = LfaStatus.INVALID_PARAMETERS.word
    _rule(
        setting,
        RuleEffect.ANSWER,
        Function.PRIME,
        Function.ACTIVATE,
        Function.CANCEL,
        answer=lambda registers: registers.returning(refusal),
    )
    _rule(setting, RuleEffect.ALTER, Function.GET_INVENTORY, alter=lambda request, _: request.returning(refusal))


def _inventory_error(setting: FaultSetting) -> None:
    """Without a component: the one in the middle."""
    components = setting.subject.platform.components()
    guid = setting.guid or components[len(components) // 2].guid
    code = setting.code(LfaStatus.DEVICE_ERROR) & WORD
    _rule(
        setting._replace(guid=guid),
        RuleEffect.ALTER,
        Function.GET_INVENTORY,
        alter=lambda request, _: request.returning(code),
    )


def _duplicate(setting: FaultSetting) -> None:
    """The component appears a second time, in the place of the last one, or of the first if it is the last."""
    components = setting.subject.platform.components()
    if len(components) < 2:
        raise UsageError("a machine with one component cannot have a second one with the same GUID")
    victim = components[-1] if components[-1].guid != setting.guid else components[0]
    words = _known(setting.guid).to_registers()
    _rule(
        setting._replace(guid=victim.guid),
        RuleEffect.ALTER,
        Function.GET_INVENTORY,
        alter=lambda _, result: result if result[0] else result.returning(0, *words),
    )


def _word(code: int) -> int:
    return code & WORD


def _absurd_count(setting: FaultSetting, request: Registers, _: Registers) -> Registers:
    return request.returning(*InfoResult(setting.count(1 << 63)).encode())


def _garbage_versions(_: FaultSetting, __: Registers, result: Registers) -> Registers:
    return result if result[0] else result.returning(*result[:4], 0xDEAD_BEEF_CAFE_F00D, 0xFFFF_FFFF_0BAD_C0DE)


_AGAIN = StepResult(call_again=True).encode()
_PENDING = int(InventoryFlag.ACTIVATION_PENDING)
_RESERVED = WORD & ~sum(InventoryFlag)

_C, _I, _W, _A = FaultSite.COMPONENT, FaultSite.IMAGE, FaultSite.CONDUIT, FaultSite.AGENT
_ONE, _ANY, _NONE = FaultScope.ONE, FaultScope.ANY, FaultScope.NONE

_ROWS = (
    Fault("auth-error", _C, _ONE, "the staged image fails authentication: PRIME answers AUTH_ERROR",
          _component(Function.PRIME, lambda _: {"load": LoadStatus.AUTH})),
    Fault("no-memory", _C, _ONE, "the agent has no memory for the image: PRIME answers NO_MEMORY",
          _component(Function.PRIME, lambda _: {"load": LoadStatus.NO_MEMORY})),
    Fault("device-error", _C, _ONE, "the image store fails: PRIME answers DEVICE_ERROR",
          _component(Function.PRIME, lambda _: {"load": LoadStatus.DEVICE})),
    Fault("prime-code", _C, _ONE, "the component's own PRIME callback fails with a code ({code=ACTIVATION_FAILED})",
          _component(Function.PRIME, lambda s: {"prime_code": s.code(LfaStatus.ACTIVATION_FAILED)}), ("code",)),
    Fault("activation-failed", _C, _ONE,
          "the activation fails with a code ({code=ACTIVATION_FAILED}); BL31 has one; an RMM is not set up and"
          " unusable",
          _component(Function.ACTIVATE, lambda s: {"activate_code": s.code(LfaStatus.ACTIVATION_FAILED)}), ("code",)),
    Fault("critical-error", _C, _ONE, "the activation destroys the component: CRITICAL_ERROR (RMM: ACTIVATION_FAILED)",
          _component(Function.ACTIVATE, lambda _: {"activate_code": LfaStatus.CRITICAL_ERROR})),
    Fault("rmm-refuses", _C, _ONE,
          "the new RMM refuses to boot on the CPU that leads: it is dead, and TF-A v2.14 answers SUCCESS",
          _component(Function.ACTIVATE, lambda _: {"refuses": True})),
    Fault("secondary-refuses", _C, _ONE,
          "the new RMM refuses to boot on a second CPU: it is dead, and ACTIVATE answers SUCCESS",
          _component(Function.ACTIVATE, lambda _: {"secondary_refuses": True})),
    Fault("notify-refused", _C, _ONE,
          "the platform refuses the start of the activation, to all CPUs alike: ACTIVATION_FAILED",
          _component(Function.ACTIVATE, lambda _: {"refuse_notify": True})),
    Fault("cancel-refused", _C, _ONE, "the component refuses to be cancelled: BUSY",
          _component(Function.CANCEL, lambda _: {"refuse_cancel": True})),
    Fault("endless-prime", _C, _ONE, "PRIME never completes: call again, for ever",
          _component(Function.PRIME, lambda _: {"endless_prime": True})),
    Fault("endless-activate", _C, _ONE, "ACTIVATE never completes: call again, for ever",
          _component(Function.ACTIVATE, lambda _: {"endless_activate": True})),
    Fault("lost-realms", _I, _ONE, "the staged RMM cannot take over: it refuses to boot, and all Realms are lost",
          lambda s: _restage(s, takes_over=False)),
    Fault("bad-signature", _I, _ONE, "the staged image is not authentic; another one would be",
          lambda s: _restage(s, authentic=False)),
    Fault("vanish-after", _I, _ONE, "the component is gone once the staged image runs", _after(_vanishes)),
    Fault("appear-after", _I, _ONE, "another component appears once the staged image runs", _after(_appears)),
    Fault("reorder-after", _I, _ONE, "all sequence ids change once the staged image runs", _after(_reordered)),
    Fault("busy", _W, _ANY, "a call answers BUSY ({function=ACTIVATE})",
          _answers(Function.ACTIVATE, lambda _, r: r.returning(LfaStatus.BUSY.word)), ("function",)),
    Fault("call-again", _W, _ANY, "a call asks to be called again before it does anything ({function=PRIME})",
          _answers(Function.PRIME, lambda _, r: r.returning(*_AGAIN)), ("function",)),
    Fault("unknown-status", _W, _ANY,
          "a call answers a code that no specification names ({function=ACTIVATE}, {code=-99})",
          _answers(Function.ACTIVATE, lambda s, r: r.returning(_word(s.code(-99)))), ("function", "code")),
    Fault("one-cpu", _W, _ANY,
          "one CPU gets another answer to ACTIVATE than the firmware gave it, and all others theirs"
          " ({code=COMPONENT_WRONG_STATE}, by default CPU 0)", _one_cpu, ("code", "cpu")),
    Fault("slow", _W, _ANY,
          "a call takes longer ({function=PRIME}, by {ms=1000} ms); PRIME and ACTIVATE at work, with the agent's locks",
          _slow, ("function", "ms")),
    Fault("hang", _W, _ANY,
          "a call never returns, on one CPU or on each ({function=ACTIVATE})", _hang, ("function", "cpu")),
    Fault("reset", _W, _ANY, "a CPU is reset instead of returning ({function=ACTIVATE})",
          _answers(Function.ACTIVATE, lambda _s, _r: Restart(0x8000_0000, 0)), ("function",)),
    Fault("vanish", _W, _ONE, "the agent no longer knows the component, without any activation", _gone),
    Fault("pending-flips", _W, _ANY, "activation_pending changes each time it is read",
          _flags(lambda flags, calls: flags ^ (_PENDING if calls % 2 else 0))),
    Fault("reserved-bits", _W, _ANY, "all reserved flag bits are set", _flags(lambda flags, _: flags | _RESERVED)),
    Fault("absurd-count", _W, _NONE, "the agent claims an absurd number of components ({count=2**63})",
          _alters(Function.GET_INFO, _absurd_count), ("count",)),
    Fault("inventory-error", _W, _ANY,
          "GET_INVENTORY fails for one component, by default in the middle ({code=DEVICE_ERROR})",
          _inventory_error, ("code",)),
    Fault("duplicate-guid", _W, _ONE, "the component is reported twice", _duplicate),
    Fault("garbage-versions", _W, _ANY, "component versions are garbage",
          _alters(Function.GET_INVENTORY, _garbage_versions)),
    Fault("garbage-interface", _W, _NONE, "LFA_VERSION is garbage ({count=0x7fffffff})",
          _answers(Function.VERSION, lambda s, r: r.returning(s.count(0x7FFF_FFFF))), ("count",)),
    Fault("preempted-checked", _A, _NONE,
          "a CPU loses its time in ACTIVATE, between the agent's checks and the component (for {ms=1000} ms)",
          _preempted(Preemption.CHECKED), ("ms",)),
    Fault("preempted-arrived", _A, _NONE,
          "a CPU loses its time in the holding pen, between being counted and the gate (for {ms=1000} ms)",
          _preempted(Preemption.ARRIVED), ("ms",)),
    Fault("preempted-released", _A, _NONE,
          "the CPU that leads the RMM's activation loses its time after it opened the pen (for {ms=1000} ms)",
          _preempted(Preemption.RELEASED), ("ms",)),
    Fault("agent-gone", _W, _NONE, "no call is answered any more: -1 in 64 bits", _all(LfaStatus.NOT_SUPPORTED.word)),
    Fault("agent-gone-32", _W, _NONE, "no call is answered any more: -1 in 32 bits", _all(0xFFFF_FFFF)),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = MappingProxyType({row.name: row for row in _ROWS})
"""All faults by name."""


def inject(subject: Subject, request: FaultRequest) -> Fault:
    """Inject a fault from now on; `UsageError` if the request is invalid."""
    fault = FAULTS.get(request.name)
    if fault is None:
        hint = suggest.hint(request.name, FAULTS, rest="livefw machine fault --list")
        raise UsageError(f"there is no fault {request.name[:60]!r}", hint=hint)
    if fault.target is FaultScope.ONE and request.component is None:
        hint = "livefw machine show lists the components"
        raise UsageError(f"the fault {fault.name} needs a component", hint=hint)
    if fault.target is FaultScope.NONE and request.component is not None:
        raise UsageError(f"the fault {fault.name} does not take a component")
    for option in ("function", "code", "ms", "cpu", "count"):
        if getattr(request, option) is not None and option not in fault.options:
            takes = ", ".join(f"--{each}" for each in ("times", *fault.options))
            raise UsageError(f"the fault {fault.name} has no option {option}", hint=f"it takes {takes}")
    if request.times is not None and not 1 <= request.times <= _MAX_TIMES:
        raise UsageError(f"times: {request.times} is not between 1 and {_MAX_TIMES}")
    if request.cpu is not None and not 0 <= request.cpu < subject.injector.cpus:
        raise UsageError(f"there is no CPU {request.cpu}; there are 0 to {subject.injector.cpus - 1}")
    if request.code is not None:
        _status(request.code)  # now, and not when the call comes
    if request.count is not None:
        _number("count", request.count)
    guid = None if request.component is None else subject.find(request.component)
    fault.apply(FaultSetting(subject, request, guid))
    return fault


def clear(subject: Subject) -> None:
    """Let everything behave from now on. Staged images stay as they are, and a CPU that hangs, hangs."""
    subject.injector.rules.clear()
    subject.injector.watches.clear()
    subject.agent.preempted.clear()
    for component in subject.platform.components():
        component.faults = Faults()
