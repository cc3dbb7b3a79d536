# SPDX-License-Identifier: Apache-2.0
"""Machines with an engine whose disk fails, and what is to hold of outcome, record and machine afterwards."""

from collections.abc import Callable  # noqa: TC003
from pathlib import Path
from typing import NamedTuple

from livefw.abi.lfa import Function
from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Attempt, Engine, Host, Point
from livefw.activation.events import Finished, Steps, drain
from livefw.activation.history.writer import Announcement
from livefw.activation.images.target import StagingRequest
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.firmware.platform import Commit
from livefw.providers.base import ImagePackage

from ..redfish.conftest import Bench
from ..truth.world import IGNORED, Death, Fault, Setup, Truth, World, _wrongs
from .disk import Disk, PowerCut

SERVED = frozenset({"history.db", "reserve", ".writer"})
"""All that is left in a directory of the state when no engine is at work."""


class Said(NamedTuple):
    """An outcome, and where it was told."""

    component: str
    outcome: str
    where: str


class Scene:
    """One machine, its disk, and engines that come and go; `Lfa` and `Bmc` are what it is a machine of."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk"
        self.disk: Disk | None = None
        self.dies_at: Point | None = None
        self.on_point: Callable[[Point], None] = lambda _: None
        self.attempts: list[Attempt] = []
        self.announced: list[Announcement] = []

    @property
    def paths(self) -> Paths:
        return Paths(*(str(self.root / name) for name in ("state", "run/lock", "etc", "root")))

    def host(self) -> Host:
        raise NotImplementedError

    def engine(self) -> Engine:
        """The next engine."""
        return Engine(self.host()._replace(announce=self._hear, at=self._at))

    def asked(self) -> int:
        """How often the firmware was asked for something since `begins`."""
        raise NotImplementedError

    def took_over(self) -> set[str]:
        """Components in which another image is by now."""
        raise NotImplementedError

    def wrongs(self, said: Said, *, rebooted: bool) -> list[str]:
        """What is untrue of it."""
        raise NotImplementedError

    def begins(self) -> None:
        """What is said from now on has to be true of what happens from now on."""
        self.attempts.clear()
        self.announced.clear()

    def follow(self, steps: Steps[Finished]) -> None:
        """Each attempt is told as soon as it has ended: the engine may die at the next one."""
        self.attempts.extend(event for event in steps if isinstance(event, Attempt))

    def reboot(self) -> None:
        """Switch the machine off and on."""
        raise NotImplementedError

    def settle(self) -> None:
        """Let what goes on by itself come to its end."""

    def works(self) -> None:
        """Whatever was done is done again, and succeeds."""
        raise NotImplementedError

    def close(self) -> None:
        """Switch it off."""

    def _hear(self, announcement: Announcement) -> None:
        if self.disk and self.disk.dead:
            raise PowerCut
        self.announced.append(announcement)

    def _at(self, point: Point) -> None:
        if self.disk and self.disk.dead:
            raise PowerCut
        self.on_point(point)
        if point is self.dies_at:
            raise Death


class _Was(NamedTuple):
    """What had happened when the machine was switched off."""

    asked: int
    commits: list[Commit]


class Lfa(Scene):
    """Components that are activated."""

    def __init__(
        self, folder: Path, *components: str, setup: Setup | None = None, faults: tuple[str, ...] = ()
    ) -> None:
        super().__init__(folder)
        self.world = World(setup or Setup("fvp"), self.root)
        self.components = components
        self._faults = faults
        self._first = self._calls = 0
        self._versions: dict[str, str] = {}
        self._was: _Was | None = None

    def host(self) -> Host:
        return self.world.host()._replace(paths=self.paths)

    def begins(self) -> None:
        super().begins()
        machine = self.world.machine
        for component in self.components:
            self._versions[component] = str(machine.stage(component, "7.7"))
            for fault in self._faults:
                machine.inject(Fault(fault).request(component))
        self._first, self._calls = machine.platform.next_commit, machine.trace.next_sequence

    def activate(self) -> None:
        self.follow(self.engine().activate(ActivationRequest(self.components, ignore=IGNORED)))

    def cancel(self) -> None:
        self.follow(self.engine().cancel(self.components[0], reason=""))

    def asked(self) -> int:
        if self._was is not None:
            return self._was.asked
        calls = self.world.machine.trace.since(self._calls)
        return sum(call.registers[0] in (Function.PRIME, Function.ACTIVATE) for call in calls)

    def _commits(self) -> list[Commit]:
        return self._was.commits if self._was is not None else list(self.world.machine.platform.commits(self._first))

    def took_over(self) -> set[str]:
        return {f"lfa:{each.guid}" for each in self._commits()}

    def wrongs(self, said: Said, *, rebooted: bool) -> list[str]:
        guid = said.component.partition(":")[2]
        truth = Truth(
            seen=tuple(str(each.version) for each in self._commits() if str(each.guid) == guid),
            versions=frozenset(self._versions.values()),
            asked=self.asked(),
            others=len(self.components) > 1,
            rebooted=rebooted,
        )
        return [why for why, wrong in _wrongs(Outcome(said.outcome), truth) if wrong]

    def settle(self) -> None:
        self.world._settle()

    def reboot(self) -> None:
        self._was = _Was(self.asked(), self._commits())
        self.world.reboot()

    def works(self) -> None:
        machine = self.world.machine
        machine.clear_faults()
        machine.stage(self.components[0], "8.8")
        (attempt,) = drain(self.engine().activate(ActivationRequest(self.components[:1], ignore=IGNORED))).attempts
        assert attempt.result.outcome is Outcome.ACTIVATED, attempt
        assert attempt.row.head

    def close(self) -> None:
        self.world.close()


class Bmc(Scene):
    """Images that are staged."""

    KEY = "redfish:rack/pmfw-a"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._bench = Bench()

    def host(self) -> Host:
        bench = self._bench
        return Host(bench.files, (bench.provider,), bench.clock, self.paths, DEFAULT, Actor("root", "", "test"))

    def stage(self) -> None:
        package = ImagePackage("image.bin", b"version=1.9.0")
        self.follow(self.engine().stage(StagingRequest(package, self.KEY)))

    def asked(self) -> int:
        return sum(method == "POST" and "pdate" in path for method, path, _ in self._bench.web.log)

    def took_over(self) -> set[str]:
        return {self.KEY} if self._bench.model.firmware[0].staged else set()

    def wrongs(self, said: Said, *, rebooted: bool) -> list[str]:
        there = self._bench.model.firmware[0].staged == "1.9.0"
        outcome = Outcome(said.outcome)
        wrong = {Outcome.STAGED: not there, Outcome.REFUSED: self.asked() > 0, Outcome.FAILED: there}
        return [f"{outcome}, and it is {'there' if there else 'not there'}"] if wrong.get(outcome) else []

    def begins(self) -> None:
        super().begins()
        self._bench.web.log.clear()

    def reboot(self) -> None:
        """A BMC goes on beside the host."""

    def works(self) -> None:
        self.attempts.clear()
        self.stage()
        (attempt,) = self.attempts
        assert attempt.result.outcome is Outcome.STAGED, attempt
        assert attempt.row.head
