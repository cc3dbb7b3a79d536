# SPDX-License-Identifier: Apache-2.0
"""Thousands of activations with random faults and dying engines; the history is compared with what the model did.

In virtual time and in process, on ``grid`` machines of every driver version. `make test` runs a few hundred; with
``LIVEFW_SOAK=10000`` it is that many, from a fresh seed that is printed.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from livefw.abi.lfa import Function
from livefw.activation.engine import OnFailure, Order, Point
from livefw.activation.journal import Kind
from livefw.errors import LivefwError
from livefw.firmware.component import Faults as ComponentFaults
from livefw.firmware.spec import Kind as ComponentKind
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import Grid, MachineConfig
from livefw.machine.faults import FaultRequest

Bench = Any
ATTEMPTS = int(os.environ.get("LIVEFW_SOAK", "400"))
SEED = int(os.environ.get("LIVEFW_SEED", random.SystemRandom().getrandbits(32) if "LIVEFW_SOAK" in os.environ else 1))
PER_MACHINE = 40


class FaultKind(NamedTuple):
    """A fault of the machine, with options; ``for_one`` if it is about one component, ``again`` if it can be often."""

    name: str
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    for_one: bool = True
    again: bool = True


FAULTS = (
    FaultKind("auth-error"),
    FaultKind("no-memory"),
    FaultKind("device-error"),
    FaultKind("prime-code"),
    FaultKind("activation-failed"),
    FaultKind("notify-refused"),
    FaultKind("cancel-refused"),
    FaultKind("busy"),
    FaultKind("busy", {"function": "PRIME"}),
    FaultKind("call-again"),
    FaultKind("unknown-status"),
    FaultKind("unknown-status", {"function": "PRIME"}),
    FaultKind("slow", {"ms": 500.0}),
    FaultKind("bad-signature", again=False),
    FaultKind("appear-after", again=False),
    FaultKind("reorder-after", again=False),
    FaultKind("vanish-after", again=False),
    FaultKind("reserved-bits", for_one=False),
)


class Death(BaseException):
    """The engine dies here. As with SIGKILL, nothing of it runs on; unlike there, its memory is still to be cleared."""


class Truth(NamedTuple):
    """What the model did for one intent: images that took over, and calls that could have brought one in."""

    activation: str
    component: str
    commits: int
    requests: int


class World:
    """A machine, what it really did, and engines on it."""

    def __init__(self, bench: Bench, rng: random.Random) -> None:
        self.bench = bench
        self.rng = rng
        self._earlier: list[str] = []
        self.dies_at: Point | None = None
        self.open: tuple[str, int, int] | None = None
        self.truths: list[Truth] = []
        bench.changes = {"at": self._at}
        bench.settings = "[component.'*']\nsettings = {force_cpu_rendezvous = false}\n"

    @property
    def commits(self) -> list[str]:
        """What took over, over all boots."""
        return self._earlier + [str(commit.guid) for commit in self.bench.machine.platform.commits()]

    def _at(self, point: Point) -> None:
        if point is Point.INTENDED:
            self.open = self._mark()
        if point is self.dies_at:
            raise Death

    def _mark(self) -> tuple[str, int, int]:
        entry = self.bench.journal.unfinished()[-1]
        return entry.activation, len(self.commits), self.bench.machine.trace.next_sequence

    def close_the_books(self) -> None:
        """The intent that was open has its outcome now: note what is true of it."""
        if self.open is None:
            return
        activation, commits, calls = self.open
        entry = next(e for e in self.bench.journal.entries() if e.activation == activation)
        guid = entry.component.partition(":")[2]
        asked = [
            c for c in self.bench.machine.trace.since(calls) if c.registers[0] in (Function.PRIME, Function.ACTIVATE)
        ]
        self.truths.append(Truth(activation, entry.component, self.commits[commits:].count(guid), len(asked)))
        self.open = None

    def turn(self) -> None:
        """One engine with one order, after something has happened to the machine."""
        machine, rng = self.bench.machine, self.rng
        guids = [str(component.guid) for component in machine.platform.components()]
        listed = self.bench.host().files.names("/sys/firmware/lfa")
        guid = rng.choice([g for g in guids if g in listed] or listed)
        with_image = rng.random() < 0.9 and guid in guids
        if with_image:
            machine.stage(guid)
        if rng.random() < 0.4 and with_image:
            fault = rng.choice(FAULTS)
            times = rng.choice((1, 1, 2, 3, 4)) if fault.again else None
            one = guid if fault.for_one else None
            machine.inject(FaultRequest(name=fault.name, component=one, times=times, **fault.options))
        self.dies_at = rng.choice(list(Point)) if rng.random() < 0.3 else None
        try:
            self._order(guid)
        except Death:
            self._after_death()
        except LivefwError:
            self.dies_at = None
        self.close_the_books()
        self._tidy()

    def _after_death(self) -> None:
        """The next engine settles what is open: at once, or after a power cut."""
        self.dies_at = None
        self.bench.machine.runner.settle()  # what the kernel does goes on, and the lock would be held until then
        if self.rng.random() < 0.1 or self._hangs:
            self._reboot()
        self.bench.engine().open().close()

    @property
    def _hangs(self) -> bool:
        """Whether a CPU will never come out of the firmware again: a rendezvous that one of them has left too early."""
        os = self.bench.machine.os
        return os.panic is not None or os._stopped is not None or bool(os._stops)

    def _reboot(self) -> None:
        """Images that were staged are gone and all versions are the first ones again; the history is not."""
        self._earlier = self.commits
        self.bench.restart()

    def _order(self, guid: str) -> None:
        with self.bench.engine().open() as run:
            for _ in run.activate(Order((guid,), on_failure=OnFailure.CONTINUE), watch=self.bench.watch):
                self.close_the_books()

    def _tidy(self) -> None:
        # A dead RMM says success to whatever comes next, so what it says then is no news.
        if self._hangs or any(component.dead for component in self.bench.machine.platform.components()):
            self._reboot()
        machine = self.bench.machine
        machine.clear_faults()
        for component in machine.platform.components():
            component.faults = ComponentFaults()
        if self.rng.random() < 0.1:
            machine.unload()
            machine.boot()
        machine.runner.settle()


RIGHT: dict[str, Callable[[Truth], bool]] = {
    "unknown": lambda truth: True,
    "activated": lambda truth: truth.commits > 0,
    "failed": lambda truth: truth.commits == 0,
    "cancelled": lambda truth: truth.commits == 0 and truth.requests == 0,
    "refused": lambda truth: truth.commits == 0 and truth.requests == 0,
}
"""What has to be true for each outcome. ``unknown`` is always true, and is counted."""


def compare(bench: Bench, truths: list[Truth], told: Counter[str]) -> list[str]:
    """Every intent of the history against the model, entry by entry; the disagreements."""
    journal = bench.journal
    assert not journal.verify()
    assert not journal.unfinished()
    activations = {each.entry.activation: each for each in journal.activations() if each.intent}
    assert list(activations) == [truth.activation for truth in truths]
    wrong = []
    for truth in truths:
        ending = activations[truth.activation].ending
        assert ending
        assert ending.kind is Kind.OUTCOME
        body = ending.body
        told[f"{body['outcome']} ({body['code']})" if body["outcome"] == "unknown" else body["outcome"]] += 1
        told["settled by the next engine"] += bool(body.get("reconciled"))
        if not RIGHT[body["outcome"]](truth):
            wrong.append(f"{bench.machine.config.driver}: {truth} told as {body}")
    return wrong


@pytest.mark.timeout(0 if ATTEMPTS > 1000 else 120)
def test_the_history_says_what_the_model_did(make: Any) -> None:
    rng = random.Random(SEED)
    told: Counter[str] = Counter()
    wrong: list[str] = []
    done = 0
    kinds = (ComponentKind.RMM, ComponentKind.RMM, ComponentKind.CONTROLLER)
    while done < ATTEMPTS:
        driver, profile = rng.choice(list(VERSIONS)), rng.choice(("bet1", "tfa-2026"))
        components = Grid(count=4, kind=rng.choice(kinds), pending_every=0)
        config = MachineConfig(name="grid", cpus=3, agent=profile, driver=driver, grid=components)
        bench = make(replace(config, components=()))
        world = World(bench, rng)
        for _ in range(PER_MACHINE):
            world.turn()
        wrong += compare(bench, world.truths, told)
        done += len(world.truths)
        bench.machine.close()
    print(f"seed {SEED}: {done} intents; {dict(told.most_common())}")
    assert wrong == [], f"seed {SEED}: {len(wrong)} of {done} disagree"
    unknown = sum(count for name, count in told.items() if name.startswith("unknown"))
    assert unknown < done / 4, "an engine that says it does not know is no help"
