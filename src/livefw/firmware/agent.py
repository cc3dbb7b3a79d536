# SPDX-License-Identifier: Apache-2.0
"""The LFA agent: EL3's answers to the calls of Arm DEN0147, in the order of checks of TF-A's lfa_main.c.

No method blocks. A call that takes time or has to wait *holds* its CPU: it comes back as `Held`, and the CPU leaves the
agent by a later `LfaAgent.complete`, or because of what other CPUs do, which `LfaAgent.released` tells.
"""

from collections.abc import Callable, Generator

from livefw.abi import lfa
from livefw.abi.lfa import ActivateFlag, Function, InventoryFlag, LfaStatus
from livefw.abi.rmi import RMI_1_0, RMI_VERSION
from livefw.abi.smccc import (
    SMCCC_1_2,
    SMCCC_ARCH_FEATURES,
    SMCCC_VERSION,
    SVE_HINT,
    CpuRelease,
    Exit,
    Held,
    Registers,
    Restart,
)
from livefw.abi.version import LFA_1_0
from livefw.firmware.component import LoadStatus, StagedImage
from livefw.firmware.cpus import Cpus, Steps
from livefw.firmware.platform import Platform
from livefw.firmware.profile import Profile
from livefw.firmware.spec import ComponentKind, CpuRendezvous
from livefw.firmware.state import AgentState, Preemption, PrimeState
from livefw.firmware.variables import EAGAIN, AgentLock, CpuResult, CurrentActivation, InventoryEntry, Pen

_PENDING = int(InventoryFlag.ACTIVATION_PENDING)
_FUNCTIONS = range(min(Function), max(Function) + 1)
_ARCH_CALLS = (SMCCC_VERSION, SMCCC_ARCH_FEATURES)
_FUNCTION_BITS = 0xFFFF_FFFF & ~SVE_HINT
_Part = Generator[int | None, bool | None, CpuResult]
"""A part of a call in progress that comes to a result."""
_Work = Generator[int | None, bool | None, StagedImage | int]


class LfaAgent:
    """The LFA agent of a machine whose CPUs 0 to ``cpus`` - 1 are all on.

    Calls with any registers get an answer; `AgentMisuseError` is for an impossible CPU only. TF-A is followed where its
    behaviour is known, and comments say where it is not.
    """

    def __init__(self, platform: Platform, *, profile: Profile, cpus: int) -> None:
        self.profile = profile
        self.extra_ns: dict[int, int] = {}
        """How much longer than its component says a CPU's next work takes; somebody who injects faults sets it."""
        self._platform = platform
        self._cpus = Cpus(cpus)
        self._outside = self._cpus.outside
        self._entries: list[InventoryEntry] = []
        self._activation = CurrentActivation()
        self._lock = AgentLock()
        self._pen = Pen(counts_out=profile.pen_counts_out)
        self.preempted: dict[Preemption, int] = {}
        """For how many nanoseconds a CPU loses its time at a point. For races that calls of one step cannot show."""
        self._at_once: dict[int, Callable[[Registers], Registers]] = {
            SMCCC_VERSION: lambda registers: registers.returning(SMCCC_1_2),
            SMCCC_ARCH_FEATURES: self._arch_features,
            RMI_VERSION: self._rmi_version,
        }
        self._in_steps: dict[int, Callable[[int, Registers], Steps]] = {}
        self._read_inventory()
        if self._entries:
            self._register()

    def _register(self) -> None:
        """Begin to serve LFA. TF-A without components sets up no standard service at all: unknown calls, PSCI too."""
        self._at_once |= {
            Function.VERSION: lambda registers: registers.returning(_VERSION_WORD),
            Function.FEATURES: self._features,
            Function.GET_INFO: self._get_info,
            Function.GET_INVENTORY: self._get_inventory,
            Function.CANCEL: self._cancel_call,
        }
        self._in_steps |= {
            Function.PRIME: self._prime_call,
            Function.ACTIVATE: self._activate if self.profile.serialised else self._activate_unserialised,
        }

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Answer the SMC of a CPU that is outside the agent."""
        if cpu not in self._outside:
            raise self._cpus.misuse(cpu)
        answer = self._at_once.get(registers[0])
        if answer is not None:
            return answer(registers)
        function = registers[0] & _FUNCTION_BITS  # DEN0028: the function identifier is W0, and bit 16 is only a hint
        steps = self._in_steps.get(function)
        if steps is not None:
            return self._cpus.start(cpu, steps(cpu, registers))
        answer = self._at_once.get(function)
        return answer(registers) if answer is not None else registers.returning(LfaStatus.NOT_SUPPORTED.word)

    def complete(self, cpu: int) -> Exit | Held:
        """The work that held ``cpu`` is done: continue its call."""
        return self._cpus.complete(cpu)

    def released(self) -> list[CpuRelease]:
        """Drain what happened to *other* CPUs because of the last calls: each had been held without work before.

        A `CpuRelease` with an `Exit` left the agent. One with a `Held` stopped waiting and works now: complete it.
        """
        return self._cpus.released()

    def cpu_on(self, cpu: int) -> None:
        """PSCI CPU_ON; CPUs in the holding pen wait for this one too from now on."""
        self._cpus.turn_on(cpu)
        for entry in self._entries:
            entry.component.boot(cpu)

    def cpu_off(self, cpu: int) -> None:
        """PSCI CPU_OFF, by a CPU outside the agent.

        TF-A reads the number of CPUs only when one arrives, so CPUs that wait for one that went off would wait for
        ever. Nothing says that this is meant. The conservative reading for a client: the agent counts again, and the
        last that came leads. Of CPUs that a cancelled activation has left behind none can lead: they are sent away.
        """
        self._cpus.turn_off(cpu)
        pen = self._pen
        if pen.waiting and len(pen.waiting) >= len(self._cpus.online):
            self._count_users()
            if len(pen.waiting) > pen.left_behind:
                self._cpus.wake(pen.waiting.pop(), leads=True)
            else:
                self._release(LfaStatus.ACTIVATION_FAILED)
        self._cpus.settle()

    @property
    def state(self) -> AgentState:
        """All variables, frozen."""
        now = self._activation
        return AgentState(
            component=now.entry.component.guid if now.entry else None,
            prime=now.prime,
            reset=now.reset,
            in_progress=now.in_progress,
            skip=now.skip,
            users=now.users,
            failed=now.failed,
            cancel_locked=now.cancel_locked,
            pending=tuple(entry.component.guid for entry in self._entries if entry.pending),
            lock_holder=self._lock.holder,
            held=tuple(self._cpus.states()),
            online=frozenset(self._cpus.online),
        )

    # Calls that are answered at once. They take no lock in TF-A either.

    def _features(self, registers: Registers) -> Registers:
        known = registers[1] in _FUNCTIONS
        return registers.returning(LfaStatus.SUCCESS if known else LfaStatus.NOT_SUPPORTED.word)

    def _arch_features(self, registers: Registers) -> Registers:
        known = registers[1] & 0xFFFF_FFFF in _ARCH_CALLS
        return registers.returning(LfaStatus.SUCCESS if known else LfaStatus.NOT_SUPPORTED.word)

    def _rmi_version(self, registers: Registers) -> Registers:
        """RMI calls go to the RMM; TF-A answers them itself (SMC_UNK) where there is none, or none that lives."""
        lives = any(entry.component.kind is ComponentKind.RMM and not entry.component.dead for entry in self._entries)
        return registers.returning(0, RMI_1_0, RMI_1_0) if lives else registers.returning(LfaStatus.NOT_SUPPORTED.word)

    def _get_info(self, registers: Registers) -> Registers:
        if registers[1]:
            return registers.returning(LfaStatus.INVALID_PARAMETERS.word)
        return registers.returning(0, len(self._entries), 0)

    def _get_inventory(self, registers: Registers) -> Registers:
        fw_seq_id = registers[1] & 0xFFFF_FFFF
        if fw_seq_id >= len(self._entries):
            status = LfaStatus.INVALID_PARAMETERS if self._entries else LfaStatus.WRONG_STATE
            return registers.returning(status.word)
        entry = self._entries[fw_seq_id]
        entry.pending = pending = not entry.stub and self._platform.is_activation_pending(entry.component)
        flags = entry.flags | _PENDING if pending else entry.flags
        if not self.profile.versions:
            return registers.returning(0, entry.x1, entry.x2, flags)
        running, staged = self._platform.image_info(entry.component)
        return registers.returning(0, entry.x1, entry.x2, flags, running, staged if pending else 0)

    # PRIME

    def _prime_call(self, cpu: int, registers: Registers) -> Steps:
        entry = self._entry(lfa.PrimeRequest.decode(registers).fw_seq_id)
        status = self._prime_refusal(entry)
        if status is not None or entry is None:
            return registers.returning((status or self.profile.prime_bad_id).word)
        self._lock.take(cpu)
        now = self._activation
        # While a component is COMPLETE, itself or another, TF-A loads this one and leaves the selection as it is.
        if now.prime is PrimeState.NONE:
            now.entry, now.prime = entry, PrimeState.STARTED
        load = self._platform.load_auth_image(entry.component)
        if work_ns := load.work_ns + self.extra_ns.pop(cpu, 0):
            yield work_ns
        code: int = load.status.value
        if load.status is LoadStatus.OK and not load.again:
            code = entry.component.prime()
            if code == LfaStatus.SUCCESS:
                # Also where the activation was wiped meanwhile, by a CANCEL that takes no lock or the RMM's leader:
                # then no component is COMPLETE, and nothing can be selected any more until a reset.
                now.prime, now.rendezvous, now.reset = PrimeState.COMPLETE, True, entry.resets
        self._unlock()
        if code == LfaStatus.SUCCESS:
            return registers.returning(*lfa.StepResult(load.again).encode())
        return registers.returning(_word(code))

    def _prime_refusal(self, entry: InventoryEntry | None) -> LfaStatus | None:
        if self._lock.holder is not None:
            return LfaStatus.BUSY
        if entry is None:
            return self.profile.prime_bad_id
        if not entry.pending:
            return LfaStatus.WRONG_STATE
        if not entry.activator:
            return LfaStatus.NOT_SUPPORTED
        if self._activation.prime is PrimeState.STARTED and self._activation.entry is not entry:
            return LfaStatus.WRONG_STATE
        return None

    # ACTIVATE

    def _activate(self, cpu: int, registers: Registers) -> Steps:
        request = lfa.ActivateRequest.decode(registers)
        skip = bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS)
        if skip and self._lock.holder is not None:
            return registers.returning(LfaStatus.BUSY.word)
        yield from self._acquire(cpu)
        now = self._activation
        if not skip and now.skip:
            self._unlock()
            return registers.returning(LfaStatus.BUSY.word)
        entry = self._entry(request.fw_seq_id)
        status = self._prepare(entry, skip=skip)
        if status is not None or entry is None:
            self._unlock()
            return registers.returning((status or LfaStatus.INVALID_PARAMETERS).word, 0)
        if not skip:
            self._unlock()
            yield from self._preempt(Preemption.CHECKED)
        result = yield from self._perform(cpu, entry, request)
        if result.resets:  # TF-A never comes back here, so the round is never undone
            if skip:
                self._unlock()
            return Restart(request.entry_point, request.context_id)
        if not skip:
            yield from self._acquire(cpu)
        self._finish(entry, result)
        self._unlock()
        return _progress(registers, result)

    def _prepare(self, entry: InventoryEntry | None, *, skip: bool) -> LfaStatus | None:
        """TF-A's ``lfa_activate_prepare``: refuse, or count a CPU in."""
        now = self._activation
        if entry is None or entry is not now.entry:
            return LfaStatus.INVALID_PARAMETERS
        if not entry.pending or now.prime is not PrimeState.COMPLETE:
            return LfaStatus.COMPONENT_WRONG_STATE
        if not entry.activator:
            return LfaStatus.NOT_SUPPORTED
        first = not now.in_progress
        required = entry.component.traits.cpu_rendezvous is CpuRendezvous.REQUIRED
        if first:
            now.failed = now.skip = False
            now.rendezvous = required or not skip
        if skip:
            if required:
                return LfaStatus.INVALID_PARAMETERS
            if not first and not now.skip:
                return LfaStatus.BUSY
            # It stays so if the platform refuses: everybody who does not skip is BUSY until a CANCEL or a skip.
            now.skip = True
        if first:
            if not self._platform.notify_activate(entry.component):
                return LfaStatus.ACTIVATION_FAILED
            now.in_progress = True
        now.users += 1
        self._count_users()
        return None

    def _finish(self, entry: InventoryEntry, result: CpuResult) -> None:
        """TF-A's ``lfa_activate_finish``: count a CPU out of what is in progress, which may be another activation."""
        now = self._activation
        now.users = max(now.users - 1, 0)
        if result.again:
            return
        now.failed = now.failed or result.code != LfaStatus.SUCCESS
        if now.users:
            return
        now.end_round()
        if not now.failed:
            entry.pending = False
            self._read_inventory()

    def _count_users(self) -> None:
        """Lock CANCEL out once every CPU that is on is inside."""
        now = self._activation
        if now.in_progress and now.users >= len(self._cpus.online):
            now.cancel_locked = True

    def _activate_unserialised(self, cpu: int, registers: Registers) -> Steps:
        """ACTIVATE of TF-A v2.14 and v2.15; each CPU is on its own from the first check to the last."""
        request = lfa.ActivateRequest.decode(registers)
        entry = self._entry(request.fw_seq_id)
        status = self._refusal(entry, skip=bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS))
        if status is not None or entry is None:
            return registers.returning((status or LfaStatus.COMPONENT_WRONG_STATE).word, 0)
        result = yield from self._perform(cpu, entry, request)
        if result.code == LfaStatus.SUCCESS or self.profile.pending_cleared_on_failure:
            entry.pending = False
        if result.code == LfaStatus.SUCCESS:
            self._activation.end_round()
            self._read_inventory()
        if result.resets:
            return Restart(request.entry_point, request.context_id)
        return registers.returning(_word(result.code), 0)

    def _refusal(self, entry: InventoryEntry | None, *, skip: bool) -> LfaStatus | None:
        now = self._activation
        if entry is None or not entry.pending or now.prime is not PrimeState.COMPLETE:
            return LfaStatus.COMPONENT_WRONG_STATE
        if entry is not now.entry:
            return LfaStatus.INVALID_PARAMETERS
        if not entry.activator:
            return LfaStatus.NOT_SUPPORTED
        if not self._platform.notify_activate(entry.component):
            return LfaStatus.ACTIVATION_FAILED
        if skip and entry.component.traits.cpu_rendezvous is CpuRendezvous.REQUIRED:
            return LfaStatus.INVALID_PARAMETERS
        return None

    def _perform(self, cpu: int, entry: InventoryEntry, request: lfa.ActivateRequest) -> _Part:
        """The component's part of ACTIVATE."""
        skip = bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS)
        if entry.component.has_pen and not skip:
            if not self._alone(entry):
                return (yield from self._meet(cpu, entry, request))
            # It patches itself with what lies at address 0, while the other CPUs run in it.
            entry.component.dead = True
            return self._restarting(entry, request)
        # A repeat of a skip-type call may come from another CPU, so its progress belongs to nobody.
        outcome = yield from self._work(cpu, entry, None if skip else cpu)
        return self._ended(entry, self._take_effect(cpu, entry, request, outcome))

    def _meet(self, cpu: int, entry: InventoryEntry, request: lfa.ActivateRequest) -> _Part:
        """Wait in the holding pen; the last CPU to come does the work for all."""
        pen = self._pen
        leads: bool | None = pen.arrive(len(self._cpus.online))
        if not leads:
            yield from self._preempt(Preemption.ARRIVED)
        if not leads and pen.shut:
            pen.waiting.append(cpu)
            leads = yield None
        if not leads:
            # The leader's word is for everybody who gets through the gate, whatever they came for.
            code = pen.leave()
            return self._restarting(entry, request) if code == LfaStatus.SUCCESS else CpuResult(code)
        outcome = yield from self._work(cpu, entry, None)
        if entry.component.opens_pen_first:
            self._release(LfaStatus.SUCCESS if isinstance(outcome, StagedImage) else outcome)
            return self._take_effect(cpu, entry, request, outcome)
        result = self._take_effect(cpu, entry, request, outcome)
        self._release(result.code)
        if entry.component.wipes_activation:
            yield from self._preempt(Preemption.RELEASED)
        return self._ended(entry, result)

    def _alone(self, entry: InventoryEntry) -> bool:
        """BL31 asks once more whether CPUs are to meet, and a CANCEL that came since its checks has cleared that."""
        return entry.component.opens_pen_first and self.profile.serialised and not self._activation.rendezvous

    def _preempt(self, point: Preemption) -> Generator[int | None, bool | None, None]:
        if point in self.preempted:
            yield self.preempted[point]

    def _work(self, cpu: int, entry: InventoryEntry, worker: int | None) -> _Work:
        """One step of a component's activation: the image that is to take over after the last one, else a code."""
        component, now = entry.component, self._activation
        image = self._platform.loaded(component) or now.applied.get(component)
        obstacle = component.obstacle(image, self._platform.components())
        if obstacle or image is None:
            return obstacle
        component.workers.add(cpu)
        if work_ns := component.traits.activate_ns + self.extra_ns.pop(cpu, 0):
            yield work_ns
        while component.crashes(image):
            yield None  # nobody brings this CPU back
        component.workers.discard(cpu)
        failure = component.failure(image, cpu)
        steps, step = component.traits.activate_steps, (component, worker)
        done = now.progress.pop(step, 0) + 1
        if not failure and (component.faults.endless_activate or done < steps):
            now.progress[step] = min(done, steps - 1)
            return EAGAIN
        return failure or image

    def _take_effect(
        self, cpu: int, entry: InventoryEntry, request: lfa.ActivateRequest, outcome: StagedImage | int
    ) -> CpuResult:
        """The image takes over, if the work came to one."""
        if not isinstance(outcome, StagedImage):
            return CpuResult(entry.statuses.get(outcome, outcome))
        result = self._restarting(entry, request)
        if result.code != LfaStatus.SUCCESS:
            return result
        component = entry.component
        inside = frozenset({cpu, *component.workers, *self._pen.waiting})
        code = component.apply(outcome, leader=cpu, inside=inside, online=frozenset(self._cpus.online))
        if code != LfaStatus.SUCCESS:
            return CpuResult(code)
        if not component.dead:
            self._platform.commit(component, outcome)
        if result.resets:
            self._read_inventory()
        else:
            self._activation.applied[component] = outcome
        return result

    def _restarting(self, entry: InventoryEntry, request: lfa.ActivateRequest) -> CpuResult:
        """How a CPU continues after a successful activation: each is judged by its own entry point."""
        if not (self._activation.reset and entry.resets):
            return CpuResult()
        entry_point = self._platform.is_entry_point(request.entry_point)
        return CpuResult(resets=True) if entry_point else CpuResult(LfaStatus.CRITICAL_ERROR)

    def _ended(self, entry: InventoryEntry, result: CpuResult) -> CpuResult:
        if entry.component.wipes_activation and not result.again:
            self._activation.wipe()
        return result

    # CANCEL

    def _cancel_call(self, registers: Registers) -> Registers:
        status = self._cancel(self._entry(lfa.CancelRequest.decode(registers).fw_seq_id))
        self._cpus.settle()
        return registers.returning(status.word)

    def _cancel(self, entry: InventoryEntry | None) -> LfaStatus:
        now, asks = self._activation, self.profile.serialised
        if asks and self._lock.holder is not None:
            return LfaStatus.BUSY
        if not self._entries:
            return LfaStatus.WRONG_STATE
        if entry is None or entry is not now.entry:
            return LfaStatus.INVALID_PARAMETERS
        if asks and now.in_progress and (now.cancel_locked or now.skip):
            return LfaStatus.BUSY
        if asks and not entry.component.cancel():
            return LfaStatus.BUSY
        if asks and entry.component.cancel_opens_pen:
            self._release(LfaStatus.ACTIVATION_FAILED)
        if not self._platform.cancel(entry.component):
            return LfaStatus.BUSY
        now.wipe()
        self._pen.left_behind = len(self._pen.waiting)
        return LfaStatus.SUCCESS

    # Shared parts

    def _entry(self, fw_seq_id: int) -> InventoryEntry | None:
        return self._entries[fw_seq_id] if fw_seq_id < len(self._entries) else None

    def _acquire(self, cpu: int) -> Generator[int | None, bool | None, None]:
        if not self._lock.take(cpu):
            yield None

    def _unlock(self) -> None:
        holder = self._lock.drop()
        if holder is not None:
            self._cpus.wake(holder)

    def _release(self, status: int) -> None:
        self._cpus.wake(*self._pen.release(status))

    def _read_inventory(self) -> None:
        """Number the components anew; what is known of one that stayed is kept (TF-A's own table never changes)."""
        known = {entry.component: entry for entry in self._entries}
        components = self._platform.components()
        self._entries = [known.get(component) or InventoryEntry(component, self.profile) for component in components]
        for entry in self._entries:
            if entry.component not in known:
                for cpu in sorted(self._cpus.online):
                    entry.component.boot(cpu)
        if self._activation.entry is not None and self._activation.entry not in self._entries:
            self._activation.wipe()


_VERSION_WORD = LFA_1_0.encode()


def _word(code: int) -> int:
    return code & 0xFFFF_FFFF_FFFF_FFFF


def _progress(registers: Registers, result: CpuResult) -> Registers:
    """The end of an ACTIVATE that reached the component: x1 is written even where x0 is an error."""
    if result.again:
        return registers.returning(*lfa.StepResult(call_again=True).encode())
    return registers.returning(_word(result.code), 0)
