# SPDX-License-Identifier: Apache-2.0
"""An engine is killed by SIGKILL at every named point, on every driver version; the next one tells the truth.

The machine lives in this process and is mounted, the engine is a process of its own: what survives of it is what is on
disk, the lock, and the child that writes.
"""

import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Engine, Host, Point
from livefw.activation.history.journal import Journal
from livefw.activation.history.verify import verify_chain
from livefw.activation.lock.machine_lock import Busy
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.clock import SystemClock
from livefw.files.host import HostFiles
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.providers.registry import providers

pytestmark = pytest.mark.fuse

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"

ENGINE = """
import os, signal, sys
from livefw.activation.actor import Actor
from livefw.activation.engine import Engine, Host, ActivationRequest, Point
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.files.host import HostFiles
from livefw.providers.registry import SystemClock, providers

root, state, lock = sys.argv[1:]

def engine(last):
    def at(point):
        if point is last:
            os.kill(os.getpid(), signal.SIGKILL)

    files, clock = HostFiles(root), SystemClock()
    paths = Paths(state, lock, state, root)
    host = Host(files, providers(files, clock), clock, paths, DEFAULT, Actor("root", "", "test"), at=at)
    list(Engine(host).activate(ActivationRequest(("tf-rmm",), reason="to be killed")))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            engine(Point(line.strip()))
        finally:
            os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class World(NamedTuple):
    """A mounted machine, and where its engines keep their things."""

    machine: Machine
    root: Path
    paths: Paths
    nursery: "subprocess.Popen[str]"
    """A process that makes an engine for each point it is told: loading Python anew for each would take the time."""
    opened: list[Journal]

    def die_at(self, point: Point) -> None:
        """Start an engine that is killed at this point."""
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.nursery.stdin.write(f"{point}\n")
        self.nursery.stdin.flush()
        assert int(self.nursery.stdout.readline()) == -signal.SIGKILL

    def engine(self) -> Engine:
        """The next engine."""
        files, clock = HostFiles(str(self.root)), SystemClock()
        return Engine(Host(files, providers(files, clock), clock, self.paths, DEFAULT, Actor("root", "", "next")))

    def wait_for_the_lock(self) -> None:
        """Return when nobody holds it: the writing child of the dead engine has ended."""
        descriptor = os.open(self.paths.lock, os.O_RDONLY)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, struct.pack("@hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        os.close(descriptor)

    def journal(self) -> Journal:
        """The history as it stands; closed when the test ends."""
        found = Journal.open_to_read(self.paths.state)
        assert found
        self.opened.append(found)
        return found


@pytest.fixture(params=VERSIONS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    config = load("vera")
    components = tuple(replace(each, prime_steps=1, prime_ms=1.0) for each in config.components)
    machine = Machine(replace(config, driver=request.param, cpus=2, components=components), real_time=True)
    machine.boot()
    root = tmp_path / "mount"
    root.mkdir()
    tree = MountedTree(machine.tree, machine.runner, directory=str(root))
    paths = Paths(str(tmp_path / "state"), str(tmp_path / "run/lock"), str(tmp_path / "etc"), str(root))
    command = [sys.executable, "-c", ENGINE, str(root), paths.state, paths.lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        made = World(machine, root, paths, nursery, [])
        yield made
    for journal in made.opened:
        journal.close()
    tree.close()
    machine.close()


BEFORE = (Point.LOCKED, Point.SETTLED, Point.CHECKED)
AFTER = (Point.RECORDED, Point.ANNOUNCED)
OPEN = {
    Point.INTENDED: (Outcome.CANCELLED, Outcome.CANCELLED),
    Point.ASKED: (Outcome.ACTIVATED, Outcome.FAILED),
    Point.ANSWERED: (Outcome.ACTIVATED, Outcome.FAILED),
    Point.JUDGED: (Outcome.ACTIVATED, Outcome.FAILED),
}
"""What the next engine finds out, where the firmware is in order and where it refuses the image."""


def test_every_point_is_covered() -> None:
    assert {*BEFORE, *AFTER, *OPEN} == set(Point)


@pytest.mark.parametrize("faulty", [False, True], ids=["good", "bad-image"])
def test_killed_at_every_point(world: World, faulty: bool) -> None:
    if faulty:
        world.machine.inject(FaultRequest(name="auth-error", component=RMM))
    ends = Outcome.FAILED if faulty else Outcome.ACTIVATED
    intents = 0
    for point in Point:
        if not faulty:
            world.machine.stage("rmm")
        world.die_at(point)
        world.wait_for_the_lock()
        rows = 0 if point is Point.LOCKED else world.journal().head().sequence
        intents += point not in BEFORE
        with world.engine().open() as run:
            settled = [(each.outcome, each.firmware_code) for each in run.settled]
        if point in OPEN:
            expected = OPEN[point][faulty]
            assert settled == [(expected, "AUTH_ERROR" if expected is Outcome.FAILED else None)], point
            assert world.journal().head().sequence == rows + 1
        else:
            assert settled == [], point
        if point in AFTER:
            assert world.journal().activations()[-1].ending is not None
            assert world.journal().activations()[-1].first_row.body["reason"] == "to be killed"
        with world.engine().open() as run:
            assert run.settled == []
    found = world.journal()
    assert not verify_chain(found).flaws
    assert not found.unfinished()
    endings = [each.ending.body["outcome"] for each in found.activations() if each.ending]
    assert endings == [Outcome.CANCELLED, *[ends] * (intents - 1)]


def test_while_the_kernel_goes_on_the_next_engine_is_kept_out(world: World) -> None:
    world.machine.inject(FaultRequest(name="slow", component=RMM, ms=3000.0, function="PRIME", times=1))
    world.die_at(Point.ASKED)
    with pytest.raises(Busy, match="6c0762a6"):
        world.engine().open()
    problems = world.engine().plan(ActivationRequest()).steps[0].problems
    assert [problem.check for problem in problems if problem.stops] == ["busy"]
    world.wait_for_the_lock()
    with world.engine().open() as run:
        assert [each.outcome for each in run.settled] == [Outcome.ACTIVATED]


def test_a_machine_that_was_restarted_since_leaves_it_unknown(world: World) -> None:
    world.die_at(Point.INTENDED)
    directory = world.machine.tree.lookup("/proc/sys/kernel/random")
    directory.remove("boot_id")  # type: ignore[union-attr]
    world.machine._add_text("/proc/sys/kernel/random/boot_id", "another\n")
    with world.engine().open() as run:
        assert [(each.outcome, each.why.code) for each in run.settled] == [(Outcome.UNKNOWN, "restarted")]
