# SPDX-License-Identifier: Apache-2.0
"""Each fault of a drive, and an engine that dies at each moment: the rows of `ends`, in process."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livefw.activation import fake
from livefw.activation.actor import Actor
from livefw.activation.diagnosis import mechanism
from livefw.activation.engine import ActivationRequest, Engine, Host, Point
from livefw.activation.events import Event
from livefw.activation.history.held import held_in
from livefw.activation.history.journal import Activation, Journal
from livefw.activation.images.target import StagingRequest
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.machine.nvme.faults import FAULTS
from livefw.machine.nvme.subsystem import DriveSpec
from livefw.providers.base import ImagePackage
from livefw.providers.registry import providers

from .drive import Machine
from .ends import DEATHS, ENDS, STAGING_DEATHS, Remains, WatchedFiles, watched

IMAGE = DriveSpec().image("2.0", size=400 << 10)
"""Of more pieces than one child sends."""


def test_each_fault_has_its_row() -> None:
    assert ENDS.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", ENDS)
def test_fault_ends_as_its_row_says(fault: str) -> None:
    machine = Machine(faults=[fault]).staged()
    result = machine.activate()
    assert (result.outcome, result.why.code, machine.drives[0].firmware) == ENDS[fault]


class Death(BaseException):
    """The engine dies here; what it sent is carried out."""


class Site:
    """A machine with one drive, and engines that come and go over one history."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine()
        self.machine.files.tree["/proc/sys/kernel/random/boot_id"] = b"boot-1\n"
        self.paths = Paths(str(folder), str(folder / "lock"), str(folder / "etc"), str(folder))
        self.key = f"nvme:{self.machine.ident}"

    def engine(self, reached: Callable[[str], None] = lambda _: None) -> Engine:
        """A new one, which knows of earlier ones what is in the history."""
        machine = self.machine
        held = held_in(self.paths.state, self.paths.root)
        files: Any = WatchedFiles(machine.files, reached)
        found = [each for each in providers(files, machine.clock, held=held) if each.name == "nvme"]
        host = Host(files, found, machine.clock, self.paths, DEFAULT, Actor("root", "", "test"))
        return Engine(watched(host, reached))

    def stage(self, engine: Engine) -> Iterator[Event]:
        """Of an engine, the events of a staging."""
        return engine.stage(StagingRequest(ImagePackage("2.0.bin", IMAGE), self.key, ignore=fake.IGNORABLE))

    def activate(self, engine: Engine) -> Iterator[Event]:
        """Of an engine, the events of an activation."""
        return engine.activate(ActivationRequest((self.key,), ignore=fake.IGNORABLE))

    def dies(self, at: str, begin: Callable[[Engine], Iterator[Event]]) -> None:
        """Let an engine die."""

        def reached(now: str) -> None:
            if now == at:
                raise Death

        with pytest.raises(Death):
            list(begin(self.engine(reached)))

    def last(self) -> Activation | None:
        """The newest of the history."""
        opened = Journal.open_to_read(self.paths.state)
        assert opened
        with closing(opened) as journal:
            return next(iter(reversed(journal.activations())), None)

    def require(self, remains: Remains, before: Activation | None) -> None:
        """What the dead engine left is what the row says, and what the next one finds."""
        left = self.last()
        begun = bool(remains.left or remains.settled)
        assert (left is not None and left != before) == begun
        if begun:
            assert left
            assert (left.ending.body["outcome"] if left.ending else None) == remains.left
        with self.engine().open() as session:
            found = [(each.outcome, each.why.code) for each in session.settled]
        assert found == ([remains.settled] if remains.settled else [])
        assert ((after := self.last()) and after.ending is not None) == (before is not None or begun)


def test_each_point_of_an_engine_has_its_row() -> None:
    assert set(Point) == DEATHS.keys() & set(Point)
    assert {*Point} - {Point.LOCKED, Point.SETTLED, Point.CHECKED} == STAGING_DEATHS.keys() & set(Point)


@pytest.mark.parametrize("at", DEATHS)
def test_what_is_told_of_a_killed_activation_is_true(tmp_path: Path, at: str) -> None:
    site, row = Site(tmp_path), DEATHS[at]
    list(site.stage(site.engine()))
    before = site.last()
    site.dies(at, site.activate)
    site.require(row, before)
    list(site.activate(site.engine()))
    assert site.machine.drives[0].firmware == "2.0"
    assert [action for _, action in site.machine.drives[0].commits] == [0, 3]


@pytest.mark.parametrize("at", STAGING_DEATHS)
def test_what_is_told_of_a_killed_staging_is_true(tmp_path: Path, at: str) -> None:
    site, row = Site(tmp_path), STAGING_DEATHS[at]
    site.dies(at, site.stage)
    site.require(row, None)
    assert site.machine.drives[0].slots == ["1.0", "2.0" if row.done else ""]
    list(site.stage(site.engine()))
    list(site.activate(site.engine()))
    assert site.machine.drives[0].firmware == "2.0"


def test_diagnosis_knows_what_an_earlier_engine_staged(tmp_path: Path) -> None:
    """As the plan does: a slot alone tells of no image that waits."""
    site = Site(tmp_path)
    list(site.stage(site.engine()))
    scene: Any = SimpleNamespace(files=site.machine.files, clock=site.machine.clock, paths=site.paths)
    assert [each.text for each in mechanism.look(scene, "nvme")] == ["nvme0: an image waits for its activation"]
