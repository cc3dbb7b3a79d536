# SPDX-License-Identifier: Apache-2.0
"""What is done on a disk that fails."""

import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

from bench.records import age, fill, tamper

from livefw.activation.engine import Point
from livefw.activation.history.archive import Cut

from ..truth.world import PLATFORMS, RMM_GUID, Death, Setup
from .scene import Bmc, Lfa, Scene
from .trial import Case


def fresh(scene: Scene) -> None:
    """Nothing was ever done here."""
    scene.begins()


def used(scene: Scene) -> None:
    """There is a history."""
    fill(Path(scene.paths.state), 4)
    scene.begins()


def damaged(scene: Scene) -> None:
    used(scene)
    tamper(Path(scene.paths.state), "DELETE FROM head")


def older(scene: Scene) -> None:
    used(scene)
    age(Path(scene.paths.state), 2)


def killed(point: Point, scene: Scene) -> None:
    """An engine was killed: its intent has no outcome, and its log is not played in."""
    used(scene)
    state, kept = Path(scene.paths.state), scene.root / "kept"

    def copy(at: Point) -> None:
        if at is point:
            shutil.copytree(state, kept)

    scene.dies_at, scene.on_point = point, copy
    with suppress(Death):
        WORK[type(scene)](scene)
    scene.dies_at, scene.on_point = None, lambda _: None
    shutil.rmtree(state)
    kept.rename(state)
    scene.settle()


def activate(scene: Scene) -> None:
    assert isinstance(scene, Lfa)
    scene.activate()


def stage(scene: Scene) -> None:
    assert isinstance(scene, Bmc)
    scene.stage()


def cancel(scene: Scene) -> None:
    assert isinstance(scene, Lfa)
    scene.cancel()


def settle(scene: Scene) -> None:
    scene.engine().open().close()


def archive(scene: Scene) -> None:
    with scene.engine().open() as run:
        run.archive(Cut(1))


WORK = {Lfa: activate, Bmc: stage}


def rmm(folder: Path) -> Scene:
    return Lfa(folder, RMM_GUID)


def refused(folder: Path) -> Scene:
    return Lfa(folder, RMM_GUID, faults=("auth-error",))


def two(folder: Path) -> Scene:
    return Lfa(folder, *PLATFORMS["vera"], setup=Setup("vera"))


CASES = (
    Case("the first activation", rmm, fresh, activate),
    Case("an activation", rmm, used, activate),
    Case("one that fails", refused, used, activate),
    Case("two components", two, used, activate),
    Case("settling what was asked", rmm, partial(killed, Point.ANSWERED), settle),
    Case("settling what was not asked", rmm, partial(killed, Point.INTENDED), settle),
    Case("settling, then activating", refused, partial(killed, Point.ANSWERED), activate),
    Case("a cancellation", rmm, used, cancel),
    Case("an archive", rmm, used, archive, again=archive),
    Case("a damaged history", rmm, damaged, activate, damaged=True),
    Case("an older history", rmm, older, activate),
    Case("a staging", Bmc, used, stage),
    Case("settling a staging", Bmc, partial(killed, Point.ANSWERED), settle),
)
