# SPDX-License-Identifier: Apache-2.0
"""TF-A's LFA service once more, read on its own and written as its code goes: globals, spin locks, CPUs that run.

It knows nothing of the model and has no images: what components and the platform answer is scripted by `Hooks`. Where
the two differ, one of them has read TF-A wrongly.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

SUCCESS, NOT_SUPPORTED, BUSY, AUTH, MEMORY, CRITICAL, DEVICE, STATE, INVALID, OTHER, FAILED = (
    *(-number for number in range(10)),
    -11,
)
AGAIN = -35
LOADS = {"ok": 0, "again": AGAIN, "auth": AUTH, "memory": MEMORY, "device": DEVICE}


class Event(NamedTuple):
    """What became of a CPU: it ``ret``urned x0 and x1, it ``restart``s, or it ``work``s."""

    cpu: int
    kind: str
    first: int
    second: int = 0


Run = Generator[int | None, None, Event]
"""A CPU inside: nanoseconds of work, or None while it spins."""


@dataclass
class Hooks:
    """One component, and what it and the platform answer for it."""

    kind: str
    optional: bool = True
    staged: bool = False
    load: str = "ok"
    load_ns: int = 0
    prime: int = 0
    notify: int = 0
    cancel: int = 0
    act: int = 0
    act_ns: int = 0
    again: bool = False
    denied: int = 0
    """What the SPMC's error to a START comes to."""
    pending: bool = False
    workers: set[int] = field(default_factory=set)

    @property
    def needs_all(self) -> bool:
        return self.kind in ("bl31", "rmm") or not self.optional


class Spin:
    """A spin lock that is handed over in the order of asking."""

    def __init__(self) -> None:
        self.held = False
        self.queue: deque[int] = deque()


class Firmware:
    """One machine. ``version`` is 2.14, 2.15 or 2026."""

    def __init__(self, components: list[Hooks], *, version: str, cpus: int) -> None:
        self.parts, self.serial, self.first = components, version == "2026", version == "2.14"
        self.on = set(range(cpus))
        self.lock, self.gate = Spin(), Spin()
        self.current: int | None = None
        self.primed = self.reset = self.meet = False
        self.started = False
        self.progress = self.skip = self.failed = self.full = False
        self.users = self.count = self.word = 0
        self.inside: dict[int, Run] = {}
        self.ready: deque[int] = deque()
        self.events: list[Event] = []

    # How CPUs run.

    def call(self, cpu: int, name: str, part: int, flags: int, entry: int) -> list[Event]:
        calls = {"inventory": self.inventory, "prime": self.prime, "activate": self.activate, "cancel": self.cancel}
        self.inside[cpu] = calls[name](cpu, part, flags, entry)
        return self.go(cpu)

    def go(self, cpu: int) -> list[Event]:
        self.events, self.ready = [], deque([cpu])
        while self.ready:
            each = self.ready.popleft()
            try:
                held = next(self.inside[each])
                if held is not None:
                    self.events.append(Event(each, "work", held))
            except StopIteration as end:
                del self.inside[each]
                self.events.append(end.value)
        return sorted(self.events)

    def take(self, spin: Spin, cpu: int) -> Generator[int | None, None, None]:
        if spin.held:
            spin.queue.append(cpu)
            yield None
        spin.held = True

    def free(self, spin: Spin) -> None:
        spin.held = bool(spin.queue)
        if spin.queue:
            self.ready.append(spin.queue.popleft())

    # The calls.

    def inventory(self, cpu: int, part: int, flags: int, entry: int) -> Run:
        yield from ()
        if part >= len(self.parts):
            return Event(cpu, "ret", INVALID, part)
        self.parts[part].pending = self.parts[part].staged
        return Event(cpu, "ret", SUCCESS)

    def wipe(self) -> None:
        self.current, self.primed, self.started, self.meet = None, False, False, False
        self.progress = self.skip = self.failed = self.full = False
        self.users = 0

    def prime(self, cpu: int, part: int, flags: int, entry: int) -> Run:
        if self.lock.held:
            return Event(cpu, "ret", BUSY, part)
        code = self.refuses_prime(part)
        if code:
            return Event(cpu, "ret", code, part)
        self.lock.held = True
        hooks = self.parts[part]
        if not self.started and not self.primed:
            self.current, self.started = part, True
        load = hooks.load
        if hooks.load_ns:
            yield hooks.load_ns
        code = LOADS[load]
        if code == SUCCESS:
            code = hooks.prime
            if code == SUCCESS:
                self.meet, self.primed, self.started, self.reset = True, True, False, hooks.kind == "bl31"
        elif code == AGAIN:
            self.free(self.lock)
            return Event(cpu, "ret", SUCCESS, 1)
        self.free(self.lock)
        return Event(cpu, "ret", code, 0 if code == SUCCESS else part)

    def refuses_prime(self, part: int) -> int:
        if part >= len(self.parts):
            return STATE if self.first else INVALID
        if not self.parts[part].pending:
            return STATE
        if self.parts[part].kind == "none" or (self.first and self.parts[part].kind == "sp"):
            return NOT_SUPPORTED
        return STATE if self.started and self.current != part else SUCCESS

    def cancel(self, cpu: int, part: int, flags: int, entry: int) -> Run:
        yield from ()
        return Event(cpu, "ret", self.cancels(part), part)

    def cancels(self, part: int) -> int:
        if self.serial and self.lock.held:
            return BUSY
        if part >= len(self.parts) or part != self.current:
            return INVALID
        hooks = self.parts[part]
        if self.serial:
            if self.progress and (self.full or self.skip):
                return BUSY
            if hooks.kind == "gen" and hooks.workers:
                return BUSY
            if hooks.kind == "bl31":
                self.open(FAILED)
        if hooks.cancel:
            return BUSY
        self.wipe()
        return SUCCESS

    def activate(self, cpu: int, part: int, flags: int, entry: int) -> Run:
        if not self.serial:
            return (yield from self.activate_of_releases(cpu, part, flags, entry))
        skips = bool(flags & 1)
        if skips:
            if self.lock.held:
                return Event(cpu, "ret", BUSY, part)
            self.lock.held = True
        else:
            yield from self.take(self.lock, cpu)
            if self.skip:
                self.free(self.lock)
                return Event(cpu, "ret", BUSY, part)
        code = self.prepare(part, skips)
        keeps = code == SUCCESS and self.skip
        if not keeps:
            self.free(self.lock)
        if code:
            return Event(cpu, "ret", code)
        code = yield from self.work(cpu, part, skips, entry)
        if code == 1:
            if keeps:
                self.free(self.lock)
            return Event(cpu, "restart", entry, cpu)
        if not keeps:
            yield from self.take(self.lock, cpu)
        self.finish(part, code)
        self.free(self.lock)
        return Event(cpu, "ret", SUCCESS, 1) if code == AGAIN else Event(cpu, "ret", code)

    def finish(self, part: int, code: int) -> None:
        self.users = max(self.users - 1, 0)
        if code not in (SUCCESS, AGAIN):
            self.failed = True
        if code != AGAIN and self.users == 0:
            self.progress = self.skip = self.full = False
            if not self.failed:
                self.parts[part].pending = False

    def prepare(self, part: int, skips: bool) -> int:
        leads = not self.progress
        if part >= len(self.parts) or self.current != part:
            return INVALID
        hooks = self.parts[part]
        if not hooks.pending or not self.primed:
            return OTHER
        if leads:
            self.failed = self.skip = False
            self.meet = hooks.needs_all or not skips
        if skips and hooks.needs_all:
            return INVALID
        if skips and not leads and not self.skip:
            return BUSY
        if skips:
            self.meet, self.skip = False, True
        if leads and hooks.notify:
            return FAILED
        self.progress = True
        self.users += 1
        if self.users >= len(self.on):
            self.full = True
        return SUCCESS

    def activate_of_releases(self, cpu: int, part: int, flags: int, entry: int) -> Run:
        if part >= len(self.parts) or not self.parts[part].pending or not self.primed:
            return Event(cpu, "ret", OTHER)
        if self.current != part:
            return Event(cpu, "ret", INVALID)
        hooks = self.parts[part]
        if hooks.notify:
            return Event(cpu, "ret", FAILED)
        if flags & 1 and hooks.needs_all:
            return Event(cpu, "ret", INVALID)
        code = yield from self.work(cpu, part, bool(flags & 1), entry)
        if self.first or code == SUCCESS:
            hooks.pending = False
        return Event(cpu, "ret", code)

    # The components. 1 stands for a CPU that does not come back.

    def work(self, cpu: int, part: int, skips: bool, entry: int) -> Generator[int | None, None, int]:
        hooks = self.parts[part]
        if hooks.kind == "bl31":
            return (yield from self.bl31(cpu, hooks, entry))
        if hooks.kind == "rmm":
            return (yield from self.rmm(cpu, hooks))
        if hooks.kind == "sp":
            if hooks.workers:
                return OTHER
            if any(each.workers for each in self.parts if each.kind == "sp"):
                return BUSY
        yield from self.spend(cpu, hooks)
        if hooks.kind == "sp" and hooks.denied:
            return hooks.denied
        return hooks.act or (AGAIN if hooks.again else SUCCESS)

    def spend(self, cpu: int, hooks: Hooks) -> Generator[int | None, None, None]:
        hooks.workers.add(cpu)
        if hooks.act_ns:
            yield hooks.act_ns
        hooks.workers.discard(cpu)

    def enter(self, cpu: int) -> Generator[int | None, None, bool]:
        if self.count == 0:
            yield from self.take(self.gate, cpu)
        self.count += 1
        return self.count == len(self.on)

    def wait(self, cpu: int) -> Generator[int | None, None, int]:
        yield from self.take(self.gate, cpu)
        if self.first:
            self.count -= 1
        self.free(self.gate)
        return self.word

    def open(self, word: int) -> None:
        self.count, self.word = 0, word
        self.free(self.gate)

    def rmm(self, cpu: int, hooks: Hooks) -> Generator[int | None, None, int]:
        if not (yield from self.enter(cpu)):
            return (yield from self.wait(cpu))
        yield from self.spend(cpu, hooks)
        code = SUCCESS if not hooks.act else BUSY if self.first else FAILED
        self.open(code)
        self.wipe()
        return code

    def bl31(self, cpu: int, hooks: Hooks, entry: int) -> Generator[int | None, None, int]:
        bad = entry % 4 or not entry
        if not (yield from self.enter(cpu)):
            code = yield from self.wait(cpu)
            return code if code or not self.reset else CRITICAL if bad else 1
        yield from self.spend(cpu, hooks)
        self.open(SUCCESS)
        if self.reset and bad:
            return CRITICAL
        return CRITICAL if hooks.act else int(self.reset)
