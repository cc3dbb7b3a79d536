# SPDX-License-Identifier: Apache-2.0
"""What the engine adds to an activation, and where: all but the kernel's own write and the measurement."""

import os
import tempfile
from collections.abc import Iterator
from importlib import resources
from statistics import median
from time import perf_counter

from bench.measure import Aim, Row, affinity
from bench.mounted import machine
from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Engine, Host, Point
from livefw.activation.events import drain
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.clock import SystemClock
from livefw.files.host import HostFiles
from livefw.providers.registry import providers

ROUNDS = 30
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"

POLICY = parse(f"accept-unconfirmed = ['{RMM}']".encode())
"""This RMM has no version and its flag never clears, so that nothing confirms an activation."""

PARTS = {
    Point.LOCKED: "take the lock",
    Point.SETTLED: "open the journal, look for unfinished intents",
    Point.CHECKED: "inventory and checks",
    Point.INTENDED: "look again, mark the log, intent on disk",
    Point.ASKED: "begin the write in a child",
    Point.JUDGED: "inventory and verdict",
    Point.RECORDED: "outcome on disk",
    Point.ANNOUNCED: "tell it",
}
"""What was done when a point is reached. `Point.ANSWERED` is the kernel's time and not the engine's."""


def rows() -> Iterator[Row]:
    """On a mounted FVP, with the journal on this disk. Its RMM is one that can be activated again and again."""
    with (
        tempfile.TemporaryDirectory(prefix="livefw-bench-", dir=os.getcwd()) as folder,
        machine(_fvp(folder)) as mounted,
    ):
        # On one CPU, for the tree of a real kernel is read without handing over to another program at all.
        one = {min(os.sched_getaffinity(0))}
        with affinity(one, mounted.process, one):
            rounds = [_activate(mounted.root, folder) for _ in range(ROUNDS + 1)][1:]
    own = [sum(taken.values()) - taken[Point.ANSWERED] for taken in rounds]
    yield Row("engine's part of an activation", median(own) * 1e3, "ms", Aim(20))
    for point, what in PARTS.items():
        yield Row(f"  of that: {what}", median(taken[point] for taken in rounds) * 1e3, "ms")
    yield Row("kernel's part of it (write, modelled)", median(taken[Point.ANSWERED] for taken in rounds) * 1e3, "ms")


def _fvp(folder: str) -> str:
    """A description of FVP with a bank that need not be loaded again before each activation; its path."""
    shipped = resources.files("livefw.machine").joinpath("platforms/fvp.toml").read_text(encoding="utf-8")
    path = os.path.join(folder, "fvp.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(shipped.replace("one_bank = true\n", ""))
    return path


def _activate(root: str, folder: str) -> dict[Point, float]:
    """Seconds up to each point since the one before."""
    taken: dict[Point, float] = {}
    last = perf_counter()

    def at(point: Point) -> None:
        nonlocal last
        now = perf_counter()
        taken[point], last = now - last, now

    files, clock = HostFiles(root), SystemClock()
    paths = Paths(folder, os.path.join(folder, "lock"), folder, root)
    host = Host(files, providers(files, clock), clock, paths, POLICY, Actor("root", "", "bench"), at=at)
    (attempt,) = drain(Engine(host).activate(ActivationRequest((RMM,)))).attempts
    files.close()
    if attempt.result.outcome is not Outcome.ACTIVATED:
        raise RuntimeError(f"the activation ended as {attempt.result.outcome}: {attempt.result.why.text}")
    return taken
