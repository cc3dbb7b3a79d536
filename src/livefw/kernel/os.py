# SPDX-License-Identifier: Apache-2.0
"""The part of an operating system that a driver needs: tasks, time, CPUs, SMCs, stop_machine, workqueue, log.

Kernel code is written as ``async def`` and awaits what would block. One thread runs all of it, deterministically, and
never sleeps: `Os.step` runs whatever can run now, `Os.deadline` says when there will be more to do. The driver of
the machine owns time, so a 30-second budget is tested in virtual time and a mounted machine lives in real time, with
the same code.
"""

import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from inspect import CORO_CREATED, getcoroutinestate
from types import coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from livefw.abi.smccc import Exit, Held, Registers, Restart
from livefw.kernel.clock import SECOND, US, KernelClock
from livefw.kernel.conduit import Conduit
from livefw.kernel.log import KernelLog, Level

T = TypeVar("T")

RCU_PATIENCE_NS = 21 * SECOND
"""CONFIG_RCU_CPU_STALL_TIMEOUT: a CPU that is silent for so long is reported in the log by another CPU."""

Smc = Callable[[Registers], Awaitable[Registers]]
"""An SMC issued on one particular CPU."""

StopFunction = Callable[[int, Smc], Coroutine[Any, Any, int]]
"""What stop_machine runs on each CPU: given the CPU and its SMC, returns 0 or an error."""


class KernelPanic(Exception):  # noqa: N818 - the field's own word, and not an error of the caller
    """The modelled kernel is dead; nothing that waits in it will ever return."""


@dataclass(frozen=True, slots=True)
class Uevent:
    """One kernel object event; ``environment`` without ACTION and DEVPATH."""

    time_ns: int
    action: str
    devpath: str
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stall:
    """One stop_machine: from ``start_ns`` to ``end_ns`` no CPU ran anything else."""

    start_ns: int
    end_ns: int
    cpus: int


class KernelTask(Generic[T]):
    """One thread of the kernel; ``result()`` once ``done``."""

    __slots__ = ("_error", "_result", "coroutine", "detached", "done", "name", "stopper_of")

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], *, name: str, stopper_of: "_Stop | None" = None, detached: bool = False
    ) -> None:
        self.coroutine = coroutine
        self.name = name
        self.done = False
        self.stopper_of = stopper_of
        self.detached = detached
        self._result: T | None = None
        self._error: BaseException | None = None

    def finish(self, result: T | None, error: BaseException | None) -> None:
        """Record how the task ended."""
        self.done, self._result, self._error = True, result, error

    def result(self) -> T:
        """What the task returned, or what it raised."""
        if not self.done:
            raise RuntimeError(f"task {self.name} has not finished")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # None only where T admits it


@dataclass(slots=True)
class _Stop:
    """A stop_machine, waiting or running."""

    function: StopFunction
    caller: KernelTask[Any]
    start_ns: int = 0
    running: set[int] = field(default_factory=set)
    error: int = 0


class _Smc(NamedTuple):
    registers: Registers
    cpu: int | None


class _Sleep(NamedTuple):
    until: int


class _Park(NamedTuple):
    queue: deque[KernelTask[Any]]


class _StopMachine(NamedTuple):
    function: StopFunction


_Request = _Smc | _Sleep | _Park | _StopMachine


@coroutine
def _ask(request: _Request) -> Generator[_Request, Any, Any]:
    return (yield request)


class Os:
    """A kernel with ``cpus`` CPUs on a conduit. Not safe for threads: who drives it takes one lock around each use."""

    def __init__(self, *, conduit: Conduit, clock: KernelClock, cpus: int, spin_ns: int = US) -> None:
        self.log = KernelLog(clock.now)
        self.uevents: deque[Uevent] = deque(maxlen=4096)
        self.stalls: deque[Stall] = deque(maxlen=4096)
        self.panic: str | None = None
        self._conduit = conduit
        self._clock = clock
        self._spin_ns = spin_ns
        self._online = list(range(cpus))
        self._ready: deque[tuple[KernelTask[Any], Any]] = deque()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._in_firmware: dict[int, KernelTask[Any]] = {}
        self._waiting_smc: deque[tuple[KernelTask[Any], _Smc]] = deque()
        self._stops: deque[_Stop] = deque()
        self._stopped: _Stop | None = None
        self._next_cpu = 0
        self._interrupted: deque[KernelTask[Any]] = deque()

    # What a driver uses.

    def now(self) -> int:
        """Nanoseconds since boot."""
        return self._clock.now()

    @property
    def online(self) -> tuple[int, ...]:
        """CPUs that are online."""
        return tuple(self._online)

    async def sleep(self, ns: int) -> None:
        """Give the CPU away for a time."""
        await _ask(_Sleep(self.now() + ns))

    async def relax(self) -> None:
        """One turn of a busy loop; also inside stop_machine. Costs ``spin_ns``, so that a spin moves virtual time."""
        await _ask(_Sleep(self.now() + self._spin_ns))

    async def smc(self, registers: Registers) -> Registers:
        """Issue an SMC from process context, on some online CPU that is not in firmware."""
        return await _ask(_Smc(registers, None))  # type: ignore[no-any-return]

    async def stop_machine(self, function: StopFunction) -> int:
        """Run ``function`` on every online CPU at once, with everything else stopped; 0, or an error of one of them."""
        return await _ask(_StopMachine(function))  # type: ignore[no-any-return]

    async def interrupted(self) -> None:
        """Wait until an interrupt reaches its CPU, the first one that is online: not while that is in firmware."""
        while self._online[0] in self._in_firmware:
            await self.park(self._interrupted)

    def queue_work(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run something later in a worker of its own."""
        self._ready.append((KernelTask(work, name=name, detached=True), None))

    def uevent(self, action: str, devpath: str, **environment: str) -> None:
        """Send a kernel object event to all listeners."""
        self.uevents.append(Uevent(self.now(), action, devpath, tuple(environment.items())))

    # What locks use (see livefw.kernel.locks).

    async def park(self, queue: deque[KernelTask[Any]]) -> None:
        """Wait in ``queue`` until somebody takes this task out of it and passes it to `wake`."""
        await _ask(_Park(queue))

    def wake(self, task: KernelTask[Any]) -> None:
        """Let a parked task run again."""
        self._ready.append((task, None))

    # What drives the machine.

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> KernelTask[T]:
        """Make a task; it first runs in the next `step`."""
        task = KernelTask(coroutine, name=name)
        self._ready.append((task, None))
        return task

    def step(self) -> None:
        """Run everything that can run at the present time."""
        if self.panic is None:
            self._fire_timers()
            self._start_waiting()
            while (turn := self._take_ready()) is not None:
                self._resume(*turn)
                self._start_waiting()
        if self.panic is not None:
            self._bury()

    @property
    def stopped(self) -> bool:
        """Whether a stop_machine runs: no CPU does anything else."""
        return self._stopped is not None

    @property
    def hung(self) -> bool:
        """Whether a CPU is in firmware, and time alone will not bring it back."""
        return bool(self._in_firmware) and not self._timers

    def deadline(self) -> int | None:
        """When the next timer is due, or None if only an outside event can bring more work."""
        return self._timers[0][0] if self._timers and self.panic is None else None

    def cpu_on(self, cpu: int) -> None:
        """Bring a CPU online; no effect if it is."""
        if cpu not in self._online:
            self._conduit.cpu_on(cpu)
            self._online.append(cpu)
            self._online.sort()

    def cpu_off(self, cpu: int) -> None:
        """Take a CPU offline; ValueError for the last one, RuntimeError for one that is in firmware."""
        if self._online == [cpu]:
            raise ValueError("the last CPU stays online")
        if cpu in self._in_firmware or self._stopped is not None:
            raise RuntimeError(f"CPU {cpu} is busy")
        if cpu in self._online:
            self._online.remove(cpu)
            self._conduit.cpu_off(cpu)
            self._collect_released()

    # Inside.

    def _take_ready(self) -> tuple[KernelTask[Any], Any] | None:
        """Next task to run. While the machine is stopped only the stoppers run; the rest keep their order."""
        if self.panic is not None:
            return None
        if self._stopped is None:
            return self._ready.popleft() if self._ready else None
        for index, turn in enumerate(self._ready):
            if turn[0].stopper_of is not None:
                del self._ready[index]
                return turn
        return None

    def _bury(self) -> None:
        """Drop tasks that will never run; Python complains of those that never began."""
        for task, _ in self._ready:
            if getcoroutinestate(task.coroutine) == CORO_CREATED:
                task.coroutine.close()
        self._ready.clear()

    def _resume(self, task: KernelTask[Any], value: Any) -> None:
        try:
            request = task.coroutine.send(value)
        except StopIteration as stop:
            task.finish(stop.value, None)
            self._finished(task)
        except Exception as error:
            task.finish(None, error)
            self._finished(task)
        else:
            self._handle(task, request)

    def _handle(self, task: KernelTask[Any], request: _Request) -> None:
        match request:
            case _Sleep(until):
                self._at(until, lambda: self._ready.append((task, None)))
            case _Smc():
                self._waiting_smc.append((task, request))
            case _Park(queue):
                queue.append(task)
            case _StopMachine(function):
                self._stops.append(_Stop(function, task))

    def _start_waiting(self) -> None:
        """Start a stop_machine, or SMCs that waited for a CPU, if that is possible now."""
        if self._stopped is None and self._stops and not self._in_firmware:
            self._begin_stop(self._stops.popleft())
        for _ in range(len(self._waiting_smc)):
            task, request = self._waiting_smc.popleft()
            if (cpu := self._cpu_for(task, request)) is None:
                self._waiting_smc.append((task, request))
            else:
                self._in_firmware[cpu] = task
                self._left(cpu, self._conduit.call(cpu, request.registers))

    def _cpu_for(self, task: KernelTask[Any], request: _Smc) -> int | None:
        if task.stopper_of is not None:
            return request.cpu
        if self._stopped is not None or self._stops:
            return None
        for _ in self._online:
            self._next_cpu = (self._next_cpu + 1) % len(self._online)
            if (cpu := self._online[self._next_cpu]) not in self._in_firmware:
                return cpu
        return None

    def _begin_stop(self, stop: _Stop) -> None:
        self._stopped = stop
        stop.start_ns = self.now()
        stop.running = set(self._online)
        for cpu in self._online:
            self._ready.append((KernelTask(self._stopper(stop, cpu), name=f"migration/{cpu}", stopper_of=stop), None))

    async def _stopper(self, stop: _Stop, cpu: int) -> None:
        async def smc(registers: Registers) -> Registers:
            return await _ask(_Smc(registers, cpu))  # type: ignore[no-any-return]

        error = await stop.function(cpu, smc)
        if error:  # the last failure decides, as in the kernel (kernel/stop_machine.c)
            stop.error = error
        stop.running.discard(cpu)

    def _finished(self, task: KernelTask[Any]) -> None:
        if task.detached or task.stopper_of is not None:
            task.result()  # nobody else will ask, and an exception there is a defect of ours: let it out
        stop = task.stopper_of
        if stop is not None and not stop.running:
            self.stalls.append(Stall(stop.start_ns, self.now(), len(self._online)))
            self._stopped = None
            self._ready.append((stop.caller, stop.error))

    def _left(self, cpu: int, outcome: Exit | Held) -> None:
        """Handle what the firmware returned for a CPU, and for others that it released."""
        self._stopped_at(cpu, outcome)
        self._collect_released()

    def _collect_released(self) -> None:
        for release in self._conduit.released():
            self._stopped_at(release.cpu, release.exit)

    def _stopped_at(self, cpu: int, outcome: Exit | Held) -> None:
        if not isinstance(outcome, Held):
            self._exit(cpu, outcome)
            return
        if self._stopped is None and (outcome.work_ns is None or outcome.work_ns > RCU_PATIENCE_NS):
            task = self._in_firmware[cpu]
            self._at(self.now() + RCU_PATIENCE_NS, lambda: self._tell_stall(cpu, task))
        if outcome.work_ns is not None:
            self._at(self.now() + outcome.work_ns, lambda: self._left(cpu, self._conduit.complete(cpu)))

    def _exit(self, cpu: int, outcome: Exit) -> None:
        task = self._in_firmware.pop(cpu)
        while self._interrupted:
            self.wake(self._interrupted.popleft())
        if isinstance(outcome, Restart):
            if self.panic is not None:
                return
            # No Linux driver version asks for a reset, so none has an entry point to survive one.
            self.panic = f"CPU {cpu} was reset to {outcome.entry_point:#x}, where no kernel is"
            self.log.write(Level.EMERG, f"Kernel panic - not syncing: {self.panic}")
        else:
            self._ready.append((task, outcome))

    def _tell_stall(self, cpu: int, task: KernelTask[Any]) -> None:
        """What RCU says of a CPU that has not come back from firmware, once; a real kernel says it again and again.

        While the machine is stopped nobody looks: interrupts are off on all CPUs.
        """
        if self._stopped is None and self._in_firmware.get(cpu) is task and set(self._online) - set(self._in_firmware):
            self.log.write(Level.ERR, "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:")
            self.log.write(Level.ERR, f"rcu: \t{cpu}-...0:")

    def _at(self, instant: int, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (instant, self._serial, action))

    def _fire_timers(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
