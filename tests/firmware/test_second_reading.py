# SPDX-License-Identifier: Apache-2.0
"""The agent against a second reading of TF-A: any CPU calls at any time, hooks fail, CPUs go off and come on."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.abi import guid
from livefw.abi.lfa import Function
from livefw.abi.smccc import Exit, Held, Registers, Restart, signed64
from livefw.abi.version import ComponentVersion
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import FFA_TO_LFA, FfaError, FirmwareComponent, LoadStatus, StagedImage, build
from livefw.firmware.platform import Load
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec, CpuRendezvous

from .second_reading import Event, Firmware, Hooks

ENTRY = 0x8800_0000
VERSIONS = {"tfa-2.14": "2.14", "tfa-2.15": "2.15", "tfa-2026": "2026"}
"""bet1 is tfa-2026 with versions, which no TF-A has."""
KINDS = {
    "bl31": ComponentKind.BL31,
    "rmm": ComponentKind.RMM,
    "sp": ComponentKind.SP,
    "gen": ComponentKind.CONTROLLER,
    "none": ComponentKind.BL33,
}
GUIDS = (guid.BL31, guid.RMM, guid.FVP_SP1, guid.FVP_SP2, guid.BL33)
LOADS = {
    "ok": Load(),
    "again": Load(again=True),
    "auth": Load(LoadStatus.AUTH),
    "memory": Load(LoadStatus.NO_MEMORY),
    "device": Load(LoadStatus.DEVICE),
}
FUNCTIONS = {
    "inventory": Function.GET_INVENTORY,
    "prime": Function.PRIME,
    "activate": Function.ACTIVATE,
    "cancel": Function.CANCEL,
}
DENIALS: dict[int, FfaError] = {code: error for error, code in FFA_TO_LFA.items() if error is not FfaError.ABORTED}
"""An aborted partition is dead, which scripted hooks do not remember."""


class Scripted:
    """A platform that answers what `Hooks` say, and whose images are always there."""

    def __init__(self, hooks: Sequence[Hooks]) -> None:
        self.hooks = {}
        for known, each in zip(GUIDS, hooks, strict=False):
            free = each.kind == "gen"
            need = CpuRendezvous.OPTIONAL if each.optional else CpuRendezvous.REQUIRED
            spec = ComponentSpec(
                str(known.guid),
                KINDS[each.kind],
                prime_steps=1,
                activate_steps=1,
                activate_ms=0,
                cpu_rendezvous=need if free else None,
            )
            self.hooks[build(spec)] = each
        self.image = StagedImage(ComponentVersion(1, 1))

    def follow(self) -> None:
        for component, hooks in self.hooks.items():
            component.traits = replace(component.traits, activate_ns=hooks.act_ns)
            component.faults = replace(
                component.faults,
                prime_code=hooks.prime,
                activate_code=hooks.act,
                endless_activate=hooks.again,
                ffa_error=DENIALS[hooks.denied] if hooks.denied else None,
            )

    def components(self) -> list[FirmwareComponent]:
        return list(self.hooks)

    def is_activation_pending(self, component: FirmwareComponent) -> bool:
        return self.hooks[component].staged

    def image_info(self, component: FirmwareComponent) -> tuple[int, int]:
        return 0, 0

    def load_auth_image(self, component: FirmwareComponent) -> Load:
        return LOADS[self.hooks[component].load]._replace(work_ns=self.hooks[component].load_ns)

    def loaded(self, component: FirmwareComponent) -> StagedImage | None:
        return self.image

    def notify_activate(self, component: FirmwareComponent) -> bool:
        return not self.hooks[component].notify

    def commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        pass

    def cancel(self, component: FirmwareComponent) -> bool:
        return not self.hooks[component].cancel

    def is_entry_point(self, address: int) -> bool:
        return bool(address) and address % 4 == 0


class Walk:
    """One event after the other, to both; what is likely is what TF-A's corners are made of."""

    def __init__(self, seed: int, profile: str) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        # BL31 is a stub in releases, and an RMM is on a machine once, as the pen is.
        kinds = ["rmm", *choose([["sp"], ["gen"], ["sp", "sp"], ["sp", "gen"], ["gen", "none"], ["gen"], []])]
        if profile == "tfa-2026":
            kinds.append("bl31")
        self.random.shuffle(kinds)
        self.hooks = [Hooks(kind, staged=True, act_ns=choose([0, 9])) for kind in kinds]
        for hooks in self.hooks:
            if hooks.kind == "gen":
                hooks.optional, hooks.again = choose([True, False]), choose([True, False])
        self.cpus = choose([1, 2, 2, 3, 4])
        self.platform = Scripted(self.hooks)
        self.theirs = Firmware(self.hooks, version=VERSIONS[profile], cpus=self.cpus)
        self.agent = LfaAgent(self.platform, profile=PROFILES[profile], cpus=self.cpus)
        self.working: set[int] = set()
        self.inside: set[int] = set()
        self.history: list[object] = [kinds]
        self.seen: Counter[str] = Counter()

    def go(self, steps: int) -> None:
        for part in range(len(self.hooks)):
            self.call("inventory", part)
        events = [self.activate, self.activate_all, self.prime, self.cancel, self.inventory, self.work, self.power]
        for _ in range(steps):
            self.random.choices([*events, self.script], weights=[10, 5, 6, 4, 2, 8, 2, 6])[0]()

    def compare(self, theirs: list[Event], ours: list[Event]) -> None:
        assert sorted(ours) == theirs, self.history
        for event in theirs:
            self.seen[event.kind if event.kind != "ret" else str(event.first)] += 1
            self.working.discard(event.cpu)
            if event.kind == "work":
                self.working.add(event.cpu)
            else:
                self.inside.discard(event.cpu)

    def told(self, cpu: int, outcome: Exit | Held) -> list[Event]:
        events = [(cpu, outcome), *((each.cpu, each.exit) for each in self.agent.released())]
        told = []
        for who, what in events:
            if isinstance(what, Restart):
                told.append(Event(who, "restart", what.entry_point, what.context_id))
            elif isinstance(what, Registers):
                told.append(Event(who, "ret", signed64(what[0]), what[1]))
            elif what.work_ns is not None:
                told.append(Event(who, "work", what.work_ns))
        return told

    def call(self, name: str, part: int, flags: int = 0, entry: int = ENTRY, cpu: int | None = None) -> None:
        free = sorted(self.theirs.on - self.inside)
        if not free or (cpu is not None and cpu not in free):
            return
        cpu = self.random.choice(free) if cpu is None else cpu
        self.history.append((name, cpu, part, flags, entry))
        self.platform.follow()
        self.inside.add(cpu)
        theirs = self.theirs.call(cpu, name, part, flags, entry)
        ours = self.told(cpu, self.agent.call(cpu, Registers(FUNCTIONS[name], part, flags, entry, cpu)))
        if name == "inventory":  # x1 is a GUID after a success
            ours = [each._replace(second=0) if each.first == 0 else each for each in ours]
        self.compare(theirs, ours)

    def part(self) -> int:
        """Mostly the one that is selected."""
        current = self.theirs.current
        likely = current is not None and self.random.random() < 0.8
        return current if likely and current is not None else self.random.randrange(len(self.hooks) + 1)

    def inventory(self) -> None:
        self.call("inventory", self.random.randrange(len(self.hooks) + 1))

    def prime(self) -> None:
        part = self.random.randrange(len(self.hooks) + 1)
        if self.random.random() < 0.7:
            self.call("inventory", part)
        self.call("prime", part)

    def activate(self) -> None:
        entry = ENTRY if self.random.random() < 0.85 else 0
        self.call("activate", self.part(), int(self.random.random() < 0.3), entry)

    def activate_all(self) -> None:
        part, but = self.part(), self.random.randrange(-1, self.cpus)
        for cpu in range(self.cpus):
            if cpu != but:
                self.call("activate", part, 0, ENTRY if self.random.random() < 0.85 else 0, cpu=cpu)

    def cancel(self) -> None:
        self.call("cancel", self.part())

    def work(self) -> None:
        if self.working:
            cpu = self.random.choice(sorted(self.working))
            self.history.append(("work is done", cpu))
            self.platform.follow()
            self.compare(self.theirs.go(cpu), self.told(cpu, self.agent.complete(cpu)))

    def power(self) -> None:
        """None goes off while CPUs wait in the pen: there the model counts again, and TF-A waits for ever."""
        off = sorted(set(range(self.cpus)) - self.theirs.on)
        outside = sorted(self.theirs.on - self.inside)
        if off and self.random.random() < 0.7:
            self.history.append(("on", off[0]))
            self.theirs.on.add(off[0])
            self.agent.cpu_on(off[0])
        elif outside and not self.theirs.gate.held:
            self.history.append(("off", outside[0]))
            self.theirs.on.discard(outside[0])
            self.agent.cpu_off(outside[0])

    def script(self) -> None:
        """Let something fail, take its time, or behave."""
        hooks, choose = self.random.choice(self.hooks), self.random.choice
        name = choose(["load", "load_ns", "staged", "prime", "notify", "cancel", "act", "act_ns", "again", "denied"])
        values: dict[str, list[object]] = {
            "load": ["ok", "ok", *LOADS],
            "load_ns": [0, 5],
            "staged": [True, True, False],
            "act": [0, 0, -22, -11, -77],
            "act_ns": [0, 9],
            "again": [hooks.kind == "gen", False],
            "denied": [0, *DENIALS],
        }
        value = choose(values.get(name, [0, 0, -1]))
        setattr(hooks, name, value)
        self.history.append((hooks.kind, name, value))


@given(seed=st.integers(0, 1 << 32), profile=st.sampled_from(list(VERSIONS)))
@settings(max_examples=10 * settings().max_examples)
def test_both_answer_alike(seed: int, profile: str) -> None:
    Walk(seed, profile).go(60)


def test_walks_come_to_all_that_can_be_answered() -> None:
    seen: Counter[str] = Counter()
    for seed in range(200):
        walk = Walk(seed, list(VERSIONS)[seed % 3])
        walk.go(60)
        seen += walk.seen
    wanted = {"restart", "work", *(str(code) for code in (0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -11, -22, -35, -77))}
    assert {each for each in wanted if seen[each] < 5} == set(), seen
