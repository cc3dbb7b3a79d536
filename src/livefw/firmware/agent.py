# SPDX-License-Identifier: Apache-2.0
"""The LFA agent: EL3's answers to the calls of Arm DEN0147, in the order of checks of TF-A's lfa_main.c.

No method blocks. A call that takes time or has to wait *holds* its CPU: it comes back as `Held`, and the CPU leaves the
agent by a later `Agent.complete`, or because of what other CPUs do, which `Agent.released` tells.
"""

from collections.abc import Callable, Generator

from livefw.abi import lfa
from livefw.abi.lfa import ActivateFlag, Function, InventoryFlag, Status
from livefw.abi.smccc import SMCCC_1_2, SMCCC_ARCH_FEATURES, SMCCC_VERSION, Exit, Held, Registers, Release, Restart
from livefw.abi.version import LFA_1_0
from livefw.firmware.component import LoadStatus
from livefw.firmware.cpus import Cpus, Steps
from livefw.firmware.platform import Platform
from livefw.firmware.profile import Profile
from livefw.firmware.round import Entry, Lock, Pen, Result, Round, Waiter
from livefw.firmware.spec import Kind, Rendezvous
from livefw.firmware.state import AgentState, Prime

_PENDING = int(InventoryFlag.ACTIVATION_PENDING)
_FUNCTIONS = range(min(Function), max(Function) + 1)
_ARCH_CALLS = (SMCCC_VERSION, SMCCC_ARCH_FEATURES)
_CANCELLED = Result(Status.ACTIVATION_FAILED)

_Part = Generator[int | None, Result | None, Result]
"""A part of a call in progress that comes to a result."""


class Agent:
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
        self._entries: list[Entry] = []
        self._current: Entry | None = None
        self._prime = Prime.NONE
        self._round = Round()
        self._lock = Lock()
        self._pen = Pen()
        self._at_once: dict[int, Callable[[Registers], Registers]] = {
            Function.VERSION: lambda registers: registers.returning(_VERSION_WORD),
            Function.FEATURES: self._features,
            Function.GET_INFO: self._get_info,
            Function.GET_INVENTORY: self._get_inventory,
            SMCCC_VERSION: lambda registers: registers.returning(SMCCC_1_2),
            SMCCC_ARCH_FEATURES: self._arch_features,
        }
        self._in_steps: dict[int, Callable[[int, Registers], Steps]] = {
            Function.PRIME: self._prime_call,
            Function.ACTIVATE: self._activate if profile.serialised else self._activate_unserialised,
        }
        self._read_inventory()

    def call(self, cpu: int, registers: Registers) -> Exit | Held:
        """Answer the SMC of a CPU that is outside the agent."""
        if cpu not in self._outside:
            raise self._cpus.misuse(cpu)
        answer = self._at_once.get(registers[0])
        if answer is not None:
            return answer(registers)
        function = registers[0] & 0xFFFF_FFFF  # DEN0028: the function identifier is W0
        if function in self._in_steps:
            return self._cpus.start(cpu, self._in_steps[function](cpu, registers))
        if function == Function.CANCEL:
            status = self._cancel(lfa.Cancel.decode(registers).fw_seq_id)
            self._cpus.settle()
            return registers.returning(status.word)
        answer = self._at_once.get(function)
        return answer(registers) if answer is not None else registers.returning(Status.NOT_SUPPORTED.word)

    def complete(self, cpu: int) -> Exit | Held:
        """The work that held ``cpu`` is done: go on with its call."""
        return self._cpus.complete(cpu)

    def released(self) -> list[Release]:
        """Drain what happened to *other* CPUs because of the last calls: each had been held without work before.

        A `Release` with an `Exit` left the agent. One with a `Held` stopped waiting and works now: complete it.
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
        ever. Nothing says that this is meant. The conservative reading for a client: the agent counts again.
        """
        self._cpus.turn_off(cpu)
        self._count_users()
        pen = self._pen
        if pen.waiting and len(pen.waiting) >= len(self._cpus.online):
            if pen.waiting[-1].round is self._round:
                self._cpus.wake(pen.waiting.pop().cpu)
            else:
                self._open_pen(_CANCELLED)
        self._cpus.settle()

    @property
    def state(self) -> AgentState:
        """All variables, frozen."""
        current = self._round
        return AgentState(
            component=self._current.component.guid if self._current else None,
            prime=self._prime,
            in_progress=current.in_progress,
            skip=current.skip,
            users=current.users,
            failed=current.failed,
            cancel_locked=current.cancel_locked,
            pending=tuple(entry.component.guid for entry in self._entries if entry.pending),
            lock_holder=self._lock.holder,
            held=tuple(self._cpus.states()),
            online=frozenset(self._cpus.online),
        )

    # Calls that are answered at once. They take no lock in TF-A either.

    def _features(self, registers: Registers) -> Registers:
        known = registers[1] in _FUNCTIONS
        return registers.returning(Status.SUCCESS if known else Status.NOT_SUPPORTED.word)

    def _arch_features(self, registers: Registers) -> Registers:
        known = registers[1] & 0xFFFF_FFFF in _ARCH_CALLS
        return registers.returning(Status.SUCCESS if known else Status.NOT_SUPPORTED.word)

    def _get_info(self, registers: Registers) -> Registers:
        if registers[1]:
            return registers.returning(Status.INVALID_PARAMETERS.word)
        return registers.returning(0, len(self._entries), 0)

    def _get_inventory(self, registers: Registers) -> Registers:
        fw_seq_id = registers[1] & 0xFFFF_FFFF
        if fw_seq_id >= len(self._entries):
            status = Status.INVALID_PARAMETERS if self._entries else Status.WRONG_STATE
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
        entry = self._entry(lfa.Prime.decode(registers).fw_seq_id)
        status = self._prime_refusal(entry)
        if status is not None or entry is None:
            return registers.returning((status or self.profile.prime_bad_id).word)
        self._lock.take(cpu)
        # While another component is COMPLETE, TF-A loads this one and leaves the selection as it is.
        selects = self._current in (None, entry)
        if selects:
            self._current, self._prime = entry, Prime.STARTED
        load = self._platform.load_auth_image(entry.component)
        if work_ns := load.work_ns + self.extra_ns.pop(cpu, 0):
            yield work_ns
        code: int = load.status.value
        if load.status is LoadStatus.OK and not load.again:
            code = entry.component.prime()
            # A CANCEL that takes no lock may have come in between: then nothing is selected any more.
            if code == Status.SUCCESS and selects and self._current is entry:
                self._prime = Prime.COMPLETE
        self._unlock()
        if code == Status.SUCCESS:
            return registers.returning(*lfa.Progress(load.again).encode())
        return registers.returning(_word(code))

    def _prime_refusal(self, entry: Entry | None) -> Status | None:
        if self._lock.holder is not None:
            return Status.BUSY
        if entry is None:
            return self.profile.prime_bad_id
        if not entry.pending:
            return Status.WRONG_STATE
        if not entry.activator:
            return Status.NOT_SUPPORTED
        if self._prime is Prime.STARTED and self._current is not entry:
            return Status.WRONG_STATE
        return None

    # ACTIVATE

    def _activate(self, cpu: int, registers: Registers) -> Steps:
        request = lfa.Activate.decode(registers)
        skip = bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS)
        if skip and self._lock.holder is not None:
            return registers.returning(Status.BUSY.word)
        yield from self._acquire(cpu)
        current = self._round
        entry = self._entry(request.fw_seq_id)
        status = self._activate_refusal(entry, skip=skip)
        if status is not None or entry is None:
            self._unlock()
            if status is Status.BUSY:
                return registers.returning(Status.BUSY.word)
            return registers.returning((status or Status.INVALID_PARAMETERS).word, 0)
        if not current.in_progress:
            current.in_progress, current.skip = True, skip
        current.users += 1
        self._count_users()
        if not skip:
            self._unlock()
        result = yield from self._perform(cpu, entry, request, current)
        if result.resets:  # TF-A never comes back here, so the round is never undone
            if skip:
                self._unlock()
            return Restart(request.entry_point, request.context_id)
        if not skip:
            yield from self._acquire(cpu)
        self._finish(current, entry, result)
        self._unlock()
        return _progress(registers, result)

    def _activate_unserialised(self, cpu: int, registers: Registers) -> Steps:
        """ACTIVATE of TF-A v2.14 and v2.15; each CPU is on its own from the first check to the last."""
        request = lfa.Activate.decode(registers)
        entry = self._entry(request.fw_seq_id)
        status = self._activate_refusal(entry, skip=bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS))
        if status is not None or entry is None:
            return registers.returning((status or Status.COMPONENT_WRONG_STATE).word, 0)
        current = self._round
        result = yield from self._perform(cpu, entry, request, current)
        if result.again:
            result = Result(Status.ACTIVATION_FAILED)
        elif result.code == Status.SUCCESS and current is self._round:
            self._round = Round()
        if entry.component.kind is Kind.RMM and self.profile.rmm_failure_is_success:
            result = Result()
        if result.code == Status.SUCCESS or self.profile.pending_cleared_on_failure:
            entry.pending = False
        if result.code == Status.SUCCESS:
            self._read_inventory()
        if result.resets:
            return Restart(request.entry_point, request.context_id)
        return _progress(registers, result)

    def _activate_refusal(self, entry: Entry | None, *, skip: bool) -> Status | None:
        current = self._round
        if not skip and current.in_progress and current.skip:
            return Status.BUSY
        unknown = entry is None or entry is not self._current
        if unknown and self.profile.serialised:
            return Status.INVALID_PARAMETERS
        if entry is None or not entry.pending or self._prime is not Prime.COMPLETE:
            return Status.COMPONENT_WRONG_STATE
        if unknown:
            return Status.INVALID_PARAMETERS
        if not entry.activator:
            return Status.NOT_SUPPORTED
        if skip and entry.component.traits.cpu_rendezvous is Rendezvous.REQUIRED:
            return Status.INVALID_PARAMETERS
        if skip and current.in_progress and not current.skip:
            return Status.BUSY
        if not current.in_progress and not self._platform.notify_activate(entry.component):
            return Status.ACTIVATION_FAILED
        return None

    def _perform(self, cpu: int, entry: Entry, request: lfa.Activate, current: Round) -> _Part:
        """The component's part of ACTIVATE."""
        if entry.resets and not self._platform.is_entry_point(request.entry_point):
            return Result(Status.CRITICAL_ERROR)
        skip = bool(request.flags & ActivateFlag.SKIP_CPU_RENDEZVOUS)
        if entry.component.has_pen and not skip:
            return (yield from self._meet(cpu, entry, current))
        # A repeat of a skip-type call may come from another CPU, so its progress belongs to nobody.
        return (yield from self._work(cpu, entry, current, None if skip else cpu))

    def _meet(self, cpu: int, entry: Entry, current: Round) -> _Part:
        """Wait in the holding pen; the last CPU to come does the work for all."""
        pen = self._pen
        if pen.miscounted:
            # The count no longer is zero when the first CPU comes, so nobody closes the pen and nobody finds it full.
            # How this shows on hardware is not on record. The reading that a client must fear most: all CPUs walk
            # through at once with the result of the last rendezvous, and nothing is activated.
            return pen.last
        if len(pen.waiting) + 1 < len(self._cpus.online):
            # A CPU that comes while the leader works was turned on meanwhile. It gets the same result: the leader is
            # on, but no longer in the pen, so there can be no second one.
            pen.waiting.append(Waiter(cpu, entry, current))
            result = yield None
            if result is not None:
                return result
        result = yield from self._work(cpu, entry, current, None)
        pen.last = result
        pen.miscounted = self.profile.pen_miscounts and bool(pen.waiting)
        self._open_pen(result, entry)
        return result

    def _open_pen(self, result: Result, entry: Entry | None = None) -> None:
        """Let all CPUs out with ``result``; those that waited for another component than ``entry`` are told so."""
        for waiter in self._pen.empty():
            self._cpus.wake(waiter.cpu, value=result if entry in (None, waiter.entry) else _CANCELLED)

    def _work(self, cpu: int, entry: Entry, current: Round, key: int | None) -> _Part:
        """One step of a component's activation, and its end when it was the last."""
        component, platform = entry.component, self._platform
        image = platform.loaded(component) or current.applied
        code = component.obstacle(image)
        if code == Status.SUCCESS and image is not None:
            component.working += 1
            if work_ns := component.traits.activate_ns + self.extra_ns.pop(cpu, 0):
                yield work_ns
            component.working -= 1
            code = component.failure(image, cpu)
            done = current.progress.pop(key, 0) + 1
            if code == Status.SUCCESS and (component.faults.endless_activate or done < component.traits.activate_steps):
                current.progress[key] = min(done, component.traits.activate_steps - 1)
                return Result(again=True)
        if component.resets_selection:
            self._select_nothing()
        if code != Status.SUCCESS or image is None:
            return Result(code)
        inside = frozenset({cpu, *(waiter.cpu for waiter in self._pen.waiting)})
        component.apply(image, leader=cpu, inside=inside, online=frozenset(self._cpus.online))
        if not component.dead:
            platform.commit(component, image)
        if entry.resets:
            self._read_inventory()
        else:
            current.applied = image
        return Result(resets=entry.resets)

    def _finish(self, current: Round, entry: Entry, result: Result) -> None:
        current.users -= 1
        if result.again:
            return
        current.failed = current.failed or result.code != Status.SUCCESS
        if current.users:
            return
        if current is self._round:
            self._round = Round()
        if not current.failed:
            entry.pending = False
            self._read_inventory()

    def _count_users(self) -> None:
        """Lock CANCEL out once every CPU that is on is inside; CPUs left behind by a cancelled round count too."""
        current = self._round
        if current.in_progress and current.users + self._pen.strays(current) >= len(self._cpus.online):
            current.cancel_locked = True

    # CANCEL

    def _cancel(self, fw_seq_id: int) -> Status:
        hooks = self.profile.serialised
        if hooks and self._lock.holder is not None:
            return Status.BUSY
        if not self._entries:
            return Status.WRONG_STATE
        entry = self._entry(fw_seq_id)
        if entry is None or entry is not self._current:
            return Status.INVALID_PARAMETERS
        current = self._round
        if hooks and current.in_progress and (current.cancel_locked or current.skip):
            return Status.BUSY
        if hooks and not entry.component.cancel():
            return Status.BUSY
        if not self._platform.cancel(entry.component):
            return Status.BUSY
        self._select_nothing()
        self._round = Round()
        # RMM has no cancel hook in TF-A: its CPUs stay in the pen. They leave with the CPUs of the next rendezvous, or
        # when all CPUs outside have gone off, which is our reading; TF-A does not say.
        if hooks and entry.component.cancel_opens_pen:
            self._open_pen(_CANCELLED)
        return Status.SUCCESS

    # Shared parts

    def _entry(self, fw_seq_id: int) -> Entry | None:
        return self._entries[fw_seq_id] if fw_seq_id < len(self._entries) else None

    def _select_nothing(self) -> None:
        self._current, self._prime = None, Prime.NONE

    def _acquire(self, cpu: int) -> Generator[int | None, Result | None, None]:
        if not self._lock.take(cpu):
            yield None

    def _unlock(self) -> None:
        holder = self._lock.drop()
        if holder is not None:
            self._cpus.wake(holder)

    def _read_inventory(self) -> None:
        """Number the components anew; what is known of one that stayed is kept (TF-A's own table never changes)."""
        known = {entry.component: entry for entry in self._entries}
        components = self._platform.components()
        self._entries = [known.get(component) or Entry(component, self.profile) for component in components]
        for entry in self._entries:
            if entry.component not in known:
                for cpu in sorted(self._cpus.online):
                    entry.component.boot(cpu)
        if self._current is not None and self._current not in self._entries:
            self._select_nothing()
            self._round = Round()


_VERSION_WORD = LFA_1_0.encode()


def _word(code: int) -> int:
    return code & 0xFFFF_FFFF_FFFF_FFFF


def _progress(registers: Registers, result: Result) -> Registers:
    """The end of an ACTIVATE that reached the component: x1 is written even where x0 is an error."""
    return registers.returning(_word(result.code), lfa.Progress(result.again).encode()[1])
