# SPDX-License-Identifier: Apache-2.0
"""A modelled machine in virtual time with an engine on it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Attempt, Engine, Host
from livefw.activation.events import Begun, Control, Event, Finished, Progressed, Steps, StillRunning
from livefw.activation.history.journal import Journal
from livefw.activation.history.writer import Announcement
from livefw.activation.measure.meter import ModelMeter
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.providers.registry import providers

from ..in_memory import tmp_path
from .signing import Signing

__all__ = ["tmp_path"]


class Quiet:
    """Follows a request, remembers, and leaves when ``patience`` (seconds) is at an end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: list[Attempt] = []
        self.patience = float("inf")
        self.on_begun: Callable[[Begun], object] = lambda _: None
        self.on_ended: Callable[[Attempt], object] = lambda _: None

    def follow(self, steps: Steps[Finished], control: Control) -> Finished:
        """To the end. Whatever the methods below raise ends it, as it does for every program that follows a request."""
        (finished,) = [event for event in self.hear(steps, control) if isinstance(event, Finished)]
        return finished

    def hear(self, steps: Steps[Finished], control: Control) -> Iterator[Event]:
        """Each event, after it was heard."""
        with closing(steps):
            for event in steps:
                match event:
                    case Begun():
                        self.begins(event)
                    case Progressed():
                        self.progress(event)
                    case StillRunning(seconds=seconds):
                        if not self.tick(seconds):
                            control.detach()
                    case Attempt():
                        self.ended(event)
                yield event

    def begins(self, event: Begun) -> None:
        self.begun.append(event.component.key)
        self.on_begun(event)

    def progress(self, event: Progressed) -> None: ...

    def tick(self, seconds: float) -> bool:
        return seconds < self.patience

    def ended(self, attempt: Attempt) -> None:
        self.ends.append(attempt)
        self.on_ended(attempt)


@dataclass
class Bench:
    """One machine, its history, and engines that come and go."""

    machine: Machine
    paths: Paths
    announced: list[Announcement] = field(default_factory=list)
    watch: Quiet = field(default_factory=Quiet)
    settings: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    opened: list[Journal] = field(default_factory=list)

    def restart(self) -> None:
        """Pull the plug and switch on again."""
        config = self.machine.config
        self.machine.close()
        self.machine = Machine(config)
        self.machine.boot()

    def host(self) -> Host:
        files, clock = MachineFiles(self.machine), MachineClock(self.machine)
        found = providers(files, clock)
        policy = parse(self.settings.encode())
        host = Host(files, found, clock, self.paths, policy, Actor("root", "alice", "test"))
        host = host._replace(announce=self.announced.append, meter=lambda: ModelMeter(files))
        return host._replace(**self.changes)

    def engine(self) -> Engine:
        return Engine(self.host())

    def run(self, *words: str, **order: Any) -> list[Attempt]:
        """One engine that activates what is named, or everything, and ends."""
        control = Control()
        steps = self.engine().activate(ActivationRequest(words or None, **order), control=control)
        return list(self.watch.follow(steps, control).attempts)

    def cancel(self, word: str, *, reason: str = "") -> Attempt:
        """One engine that cancels, and ends."""
        control = Control()
        (attempt,) = self.watch.follow(self.engine().cancel(word, reason=reason, control=control), control).attempts
        return attempt

    def one(self, *words: str, **order: Any) -> Attempt:
        (attempt,) = self.run(*words, **order)
        return attempt

    @property
    def journal(self) -> Journal:
        """The history as it stands; closed when the test ends."""
        journal = Journal.open_to_read(self.paths.state)
        assert journal
        self.opened.append(journal)
        return journal


Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterable[Make]:
    made: list[Bench] = []

    def build(platform: str | MachineConfig = "vera", *, faults: Iterable[FaultRequest] = (), **changes: Any) -> Bench:
        config = load(platform) if isinstance(platform, str) else platform
        machine = Machine(replace(config, **changes))
        machine.boot()
        for fault in faults:
            machine.inject(fault)
        base = tmp_path / f"machine-{len(made)}"
        paths = Paths(str(base / "state"), str(base / "run/lock"), str(base / "etc"), str(base))
        made.append(Bench(machine, paths))
        return made[-1]

    yield build
    for bench in made:
        bench.machine.close()
        for journal in bench.opened:
            journal.close()


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    """Keys that sign, and those that are trusted."""
    return Signing(tmp_path_factory.mktemp("signing"))
