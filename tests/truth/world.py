# SPDX-License-Identifier: Apache-2.0
"""A history of a modelled machine, played through the engine, and what was told of it beside what is true.

True is what `MemoryPlatform.commits` says: what really took over, which no program on such a machine could ask for.
"""

import os
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from livefw.abi.guid import RMM
from livefw.abi.lfa import Function
from livefw.abi.version import ComponentVersion
from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Attempt, Engine, Host, Point
from livefw.activation.events import drain
from livefw.activation.history.journal import HistoryRow, Journal, RowKind
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.errors import LivefwError
from livefw.firmware.component import Faults
from livefw.firmware.platform import Commit
from livefw.firmware.spec import ComponentKind as ComponentKind
from livefw.kernel.clock import MS
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.os import KernelPanic
from livefw.kernel.virtual import Deadlock
from livefw.machine.config import Grid, MachineConfig, load
from livefw.machine.faults import FAULTS, FaultRequest, FaultScope
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.host import VirtualRunner
from livefw.machine.machine import Machine
from livefw.providers.registry import providers

T = TypeVar("T")
RMM_GUID = str(RMM.guid)
SCP_GUID = "65922703-2f74-e644-8dff-579ac1ff0610"
STAGED = "7.7"
IGNORED = ("downgrade", "cpus-offline", "failed-this-boot")
"""Checks that would keep the engine from asking at all; what it says then is easily true."""

FIRMWARE = {
    # agent profile, and whether the pending flag clears after an activation
    "tells all": ("bet1", True),
    "never clears": ("bet1", False),
    "tells nothing": ("tfa-2026", False),  # TF-A on FVP: no versions, always pending
    "released": ("tfa-2.15", True),
    "old": ("tfa-2.14", True),  # a failed RMM is answered with success, and its flag clears
}
MEETINGS = [
    (firmware, driver)
    for firmware in FIRMWARE
    for driver, version in VERSIONS.items()
    if not version.own or firmware == "tells all"
]
"""Each posted driver on each firmware. That of dkms/ costs as much, and stands or falls with one: its code is ours."""


def in_turn(items: Sequence[T], meeting: tuple[str, str], place: int, *, of: int) -> Sequence[T]:
    """What of it is played at one of ``of`` places: all in `make soak`, and else a share that no other place has.

    Each item is so played once with each meeting, and at each place with some of them; always the same.
    """
    if "LIVEFW_SOAK" in os.environ:
        return items
    return Random("/".join(meeting)).sample(items, len(items))[place::of]


TELLS_VERSIONS = ("tells all", "never clears")
NOBODY_LIVES = ("hang", "reset")
"""Faults after which nobody is left who could look: the kernel waits for ever, or is dead."""


GRID = MachineConfig(name="grid", grid=Grid(count=4, kind=ComponentKind.CONTROLLER, pending_every=0))
"""Components that no version of the driver has a name for."""
PLATFORMS = {
    "fvp": (RMM_GUID,),
    "vera": (RMM_GUID, SCP_GUID),
    "grid": tuple(spec.guid for spec in GRID.all_components),
}
"""Machines, and components on them that can be activated."""


class Setup(NamedTuple):
    """A machine. ``platform`` is a key of `PLATFORMS`, ``firmware`` of `FIRMWARE`.

    ``together``: all CPUs are to go into the firmware together, also where the component does not demand it.
    """

    platform: str = "vera"
    driver: str = "v3"
    firmware: str = "tells all"
    together: bool = True

    @cache  # noqa: B019 - of some hundred setups, each of which is played hundreds of times
    def config(self) -> MachineConfig:
        """Its description."""
        agent, clears = FIRMWARE[self.firmware]
        config = GRID if self.platform == "grid" else load(self.platform)
        components = tuple(
            # Histories activate one image again and again, which FVP's one bank for the RMM does not survive.
            replace(
                each,
                pending_never_clears=not clears and (each.pending_never_clears or self.platform != "fvp"),
                one_bank=False,
            )
            for each in config.all_components
        )
        config = replace(config, grid=None, components=components)
        return replace(config, driver=self.driver, agent=agent, cpus=4)

    def boot(self) -> Machine:
        """One of its kind in virtual time, with the driver loaded."""
        machine = Machine(self.config())
        machine.boot()
        return machine


class Fault(NamedTuple):
    """A row of `livefw.machine.faults.FAULTS`, how often it happens, and at which call if not at its own."""

    name: str
    times: int | None = None
    function: str | None = None
    ms: float | None = None

    def request(self, guid: str) -> FaultRequest:
        """It, for this component where it is about one."""
        about = None if FAULTS[self.name].target is FaultScope.NONE else guid
        return FaultRequest(name=self.name, component=about, times=self.times, function=self.function, ms=self.ms)


class Act(NamedTuple):
    """What somebody else does, ``ms`` after the engine has come to a point. ``what`` is a key of `ACTS`."""

    what: str
    ms: int = 0
    point: Point = Point.INTENDED


class Turn(NamedTuple):
    """An image is staged, faults are set, and one engine is told to activate it.

    It may die at a point; the next one settles what it left, ``rebooted`` after the machine was switched off and on.
    ``driver_anew``: the driver is loaded again afterwards.
    """

    component: str = RMM_GUID
    version: str | None = STAGED
    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()
    dies_at: Point | None = None
    rebooted: bool = False
    driver_anew: bool = False


class History(NamedTuple):
    """A machine and what happens to it. Its text can be pasted into a test."""

    setup: Setup
    turns: tuple[Turn, ...]


class Truth(NamedTuple):
    """What the machine did for one component, from the intent on.

    ``seen`` is what had taken over when the engine began to look, ``later`` what came after that. ``versions`` were
    staged. ``asked`` counts calls that could have activated something. ``busy``: somebody else wrote to ``activate``
    of this component meanwhile, ``others``: somebody else did anything at all. ``rebooted``: the machine was switched
    off before the outcome was found.
    """

    seen: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    versions: frozenset[str] = frozenset()
    asked: int = 0
    dead: bool = False
    busy: bool = False
    others: bool = False
    rebooted: bool = False


NOT_TOLD = "not told"
"""The engine itself could not go on: it waits in the kernel, as would any program there."""


class Told(NamedTuple):
    """What was told of one turn, and what is true. ``evidence`` is for people, all that the engine had."""

    outcome: str
    code: str
    truth: Truth
    evidence: str = ""
    settled: bool = False

    @property
    def untrue(self) -> str:
        """What is wrong with it; empty for nothing."""
        if self.outcome == NOT_TOLD:
            return ""
        return ", ".join(why for why, wrong in _wrongs(Outcome(self.outcome), self.truth) if wrong)


def _wrongs(outcome: Outcome, truth: Truth) -> Iterator[tuple[str, bool]]:
    """Each thing that would be untrue, and whether it is."""
    took_over = truth.seen + truth.later
    if outcome is Outcome.ACTIVATED:
        yield "activated, and nothing has taken over", not took_over
        yield "activated, and it was another image", bool(took_over) and not truth.versions & {*took_over}
        yield "activated, and the component is dead", truth.dead
    elif outcome in (Outcome.FAILED, Outcome.CANCELLED):
        # Whoever brought it in: these words promise that the old image runs. What comes later is no answer to a look.
        yield f"{outcome}, and another image has taken over", bool(truth.seen if truth.busy else took_over)
    elif outcome is Outcome.REFUSED:
        # Of the attempt it is true where somebody else did the work.
        yield "refused, and another image has taken over", bool(took_over) and not truth.busy
    if outcome in (Outcome.REFUSED, Outcome.CANCELLED):
        yield f"{outcome}, and the firmware was asked", truth.asked > 0 and not truth.others
    if outcome is not Outcome.UNKNOWN:
        yield f"{outcome}, and the machine was switched off meanwhile", truth.rebooted


class Death(BaseException):
    """The engine dies here. As with SIGKILL nothing of it runs on; unlike there, its memory is still to be cleared."""


class World:
    """A machine, its history below a directory, and engines that come and go."""

    def __init__(self, setup: Setup, directory: Path) -> None:
        self.setup = setup
        self.machine = setup.boot()
        self.paths = Paths(*(str(directory / name) for name in ("state", "lock", "etc", "root")))
        self.turn = Turn()
        self._intent = ""
        self._start = self._calls = 0
        self._looked: int | None = None
        self._versions: set[str] = set()
        self._others: list[Coroutine[Any, Any, None]] = []
        self._busy = self._stuck = False

    def host(self) -> Host:
        """What an engine on this machine takes from outside."""
        files, clock = MachineFiles(self.machine), MachineClock(self.machine)
        together = str(self.setup.together).lower()
        policy = parse(f"[component.'*']\nsettings = {{force_cpu_rendezvous = {together}}}\n".encode())
        actor = Actor("root", "", "test")
        return Host(files, providers(files, clock), clock, self.paths, policy, actor, at=self._at)

    def play(self, turn: Turn) -> Told | None:
        """One turn, and what was told; None where the faults cannot be meant."""
        self.turn = turn
        self._intent, self._busy, self._stuck = "", False, False
        self._mark()
        try:
            if turn.version:
                self.machine.stage(turn.component, turn.version)
            for fault in turn.faults:
                self.machine.inject(fault.request(turn.component))
        except LivefwError:
            return None
        self._versions = set(self._waiting())
        try:
            return self._engine()
        except (Deadlock, KernelPanic):
            self._stuck = True
            return Told(NOT_TOLD, "waits", Truth())

    def tidy(self) -> None:
        """Let everything behave again, by a cold boot where nothing less helps."""
        machine = self.machine
        dead = any(component.dead for component in machine.platform.components())
        if dead or self._hangs or self._stuck:
            self.reboot()
            return
        machine.clear_faults()
        for component in machine.platform.components():
            component.faults = Faults()
        self._settle()
        if self.turn.driver_anew:
            machine.unload_driver().wait()
            machine.boot()
            self._settle()

    def reboot(self) -> None:
        """Switch off and on: images that were staged are gone, all versions are the first ones; the history is not."""
        self.close()
        self.machine = self.setup.boot()

    def close(self) -> None:
        """Switch off; what others still wanted to do never ends."""
        self.machine.close()
        while self._others:
            self._others.pop().close()

    @property
    def _hangs(self) -> bool:
        """Whether a CPU will never come out of the firmware again, or the kernel is dead."""
        os = self.machine.os
        return os.panic is not None or os._stopped is not None or bool(os._stops) or bool(os._in_firmware)

    def _settle(self) -> None:
        assert isinstance(self.machine.runner, VirtualRunner)
        self.machine.runner.settle()

    def _engine(self) -> Told:
        turn = self.turn
        try:
            attempts = drain(
                Engine(self.host()).activate(ActivationRequest((turn.component,), ignore=IGNORED))
            ).attempts
        except Death:
            return self._after_death()
        except LivefwError as error:
            return Told(Outcome.REFUSED, type(error).__name__, self._truth())
        attempt = next(each for each in attempts if each.result.before.id == turn.component)
        truth = self._truth()
        return Told(attempt.result.outcome, attempt.result.why.code, truth, _had(attempt))

    def _after_death(self) -> Told:
        """What the kernel does goes on; then the next engine settles what is open, unless it was told already."""
        self.turn = self.turn._replace(dies_at=None)
        self._settle()
        truth = self._truth()
        if self.turn.rebooted or self._hangs:
            self.reboot()
            truth = truth._replace(rebooted=True)
        with Engine(self.host()).open() as run:
            settled = next((each for each in run.settled if each.intent.activation == self._intent), None)
        ending = self._ending()
        if settled is None and ending is None:
            return Told(Outcome.REFUSED, "never begun", truth._replace(rebooted=False))
        # What was written down before the engine died was written before the machine was switched off; what is settled
        # is from a look at all that has happened.
        truth = truth._replace(seen=truth.seen + truth.later, later=()) if settled else truth._replace(rebooted=False)
        assert ending
        had = f"{settled.intent.body} {ending.body}" if settled else str(ending.body)
        return Told(ending.body["outcome"], ending.body["code"], truth, had, settled is not None)

    def _ending(self) -> HistoryRow | None:
        """The row that ends the intent of this turn."""
        journal = Journal.open_to_read(self.paths.state)
        assert journal
        newest = journal.recent(f"lfa:{self.turn.component}", RowKind.OUTCOME, limit=2)  # a second one would be wrong
        entries = [entry for entry in newest if entry.activation == self._intent]
        journal.close()
        assert len(entries) <= 1
        return entries[0] if entries else None

    def _at(self, point: Point) -> None:
        machine = self.machine
        if point is Point.INTENDED:
            self._mark()
            self._intent = self._open_intent()
        if point is Point.ANSWERED:
            self._looked = machine.platform.next_commit
        for act in self.turn.acts:
            if act.point is point:
                self._others.append(self._happens(act))
                machine.runner.start(self._others[-1], name=act.what)
        if point is self.turn.dies_at:
            raise Death

    def _waiting(self) -> Iterator[str]:
        """The version that waits now, where one does."""
        for component in self.machine.platform.components():
            if str(component.guid) == self.turn.component and self.machine.platform.is_activation_pending(component):
                yield str(ComponentVersion.decode(self.machine.platform.image_info(component)[1]))

    def _open_intent(self) -> str:
        if self.turn.dies_at is None:
            return ""
        journal = Journal.open_to_read(self.paths.state)
        assert journal
        activation = journal.unfinished()[-1].activation
        journal.close()
        return activation

    def _mark(self) -> None:
        self._start, self._looked = self.machine.platform.next_commit, None
        self._calls = self.machine.trace.next_sequence

    def _truth(self) -> Truth:
        """All that has happened since the mark, and that still happens by itself."""
        machine, turn = self.machine, self.turn
        looked = machine.platform.next_commit if self._looked is None else self._looked
        self._settle()
        asked = [
            call
            for call in machine.trace.since(self._calls)
            if call.registers[0] in (Function.PRIME, Function.ACTIVATE)
        ]
        dead = any(each.dead for each in machine.platform.components() if str(each.guid) == turn.component)
        return Truth(
            seen=self._versions_of(c for c in machine.platform.commits(self._start) if c.sequence < looked),
            later=self._versions_of(machine.platform.commits(max(looked, self._start))),
            versions=frozenset(self._versions),
            asked=len(asked),
            dead=dead,
            busy=self._busy,
            others=bool(turn.acts),
        )

    def _versions_of(self, commits: Iterator[Commit] | tuple[Commit, ...]) -> tuple[str, ...]:
        return tuple(str(commit.version) for commit in commits if str(commit.guid) == self.turn.component)

    # What somebody else does beside the engine.

    async def _happens(self, act: Act) -> None:
        machine, component = self.machine, self.turn.component
        await machine.os.sleep(act.ms * MS)
        try:
            match act.what:
                case "restage the same":
                    self._stage(STAGED)
                case "restage another":
                    self._stage("8.8")
                case "withdraw":
                    machine.platform.withdraw(machine.find(component))
                case "cancel":
                    await self._write(component, "cancel")
                case "second writer":
                    self._busy = True
                    await self._write(component, "activate")
                case "writer to another":
                    await self._write(self._another(), "activate")
                case "notify":
                    self._busy = True  # some versions activate all that is pending then
                    await machine.driver.notify()
                case "cpu off":
                    machine.cpu_off(3)
                case "cpu on":
                    machine.cpu_on(3)
                case "driver anew":
                    await machine._reload()
                case _:
                    raise AssertionError(act.what)
        except (LivefwError, OSError):
            pass  # it has been told that it cannot have that now

    def _stage(self, version: str) -> None:
        self._versions.add(version)
        self.machine.stage(self.turn.component, version)

    def _another(self) -> str:
        """A component beside this one, with an image that waits."""
        guids = [str(each.guid) for each in self.machine.platform.components()]
        other = next(guid for guid in guids if guid != self.turn.component)
        self.machine.stage(other, "9.9")
        return other

    async def _write(self, component: str, file: str) -> None:
        opened = self.machine.tree.open(f"/sys/firmware/lfa/{component}/{file}", writing=True)
        await opened.write(b"1\n")


ACTS = (
    "restage the same",
    "restage another",
    "withdraw",
    "cancel",
    "second writer",
    "writer to another",
    "notify",
    "cpu off",
    "cpu on",
    "driver anew",
)


def _had(attempt: Attempt) -> str:
    """The evidence that the engine had, in words."""
    result = attempt.result
    claim, after = result.claim, result.after
    if claim is None:
        return "nothing was asked"
    shown = "not seen" if after is None else f"{after.current_version}, pending {after.pending}, flag {after.flag}"
    return (
        f"said {claim.reply}, trust {claim.trust}, witness {claim.witness}, errno {claim.error},"
        f" before {result.before.current_version} -> {result.before.pending_version}, after {shown},"
        f" copy {result.copy}, log {claim.log}"
    )


def play(history: History, directory: Path) -> list[Told]:
    """Every turn that can be played, and at the end the history file itself."""
    world = World(history.setup, directory)
    told: list[Told] = []
    try:
        for turn in history.turns:
            if answer := world.play(turn):
                told.append(answer)
            if len(history.turns) > 1:
                world.tidy()
    finally:
        world.close()
    return told
