# SPDX-License-Identifier: Apache-2.0
"""The machine as the engine has it, and what can be wanted of it."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from livefw.activation.actor import Actor
from livefw.activation.events import Point, Reached
from livefw.activation.history.writer import Announcement
from livefw.activation.lock import machine_lock
from livefw.activation.measure.meter import Meter, NoMeter
from livefw.activation.paths import Paths
from livefw.activation.policy.document import Policy
from livefw.clock import Clock
from livefw.files.protocol import Files
from livefw.providers.base import Component, Provider


class OnFailure(StrEnum):
    """What to do with further components after one has failed or was refused."""

    STOP = "stop"
    CONTINUE = "continue"
    """Go on with those that do not have to wait for it."""


class ActivationRequest(NamedTuple):
    """What somebody wants done. ``words`` None: everything that is pending. ``automatic``: the policy has named it."""

    words: tuple[str, ...] | None = None
    reason: str = ""
    ignore: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.STOP
    automatic: bool = False


def nowhere(_: object) -> None:
    """Nobody listens."""


class Host(NamedTuple):
    """The machine, and everything that the engine takes from outside.

    ``now`` is the wall clock, for windows only. ``announce`` tells the world an outcome. ``at`` is called at each
    `Point`; tests die there. ``images`` is the directory of images that can be staged, empty for none.
    """

    files: Files
    providers: Sequence[Provider]
    clock: Clock
    paths: Paths
    policy: Policy
    actor: Actor
    privileged: bool = True
    meter: Callable[[], Meter] = NoMeter
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wall_ns: Callable[[], int] = time.time_ns
    announce: Callable[[Announcement], None] = nowhere
    at: Callable[[Point], None] = nowhere
    without_journal: bool = False
    images: str = ""

    def reach(self, point: Point, component: Component | None = None) -> Reached:
        """A step is reached: the event that says so."""
        self.at(point)
        return Reached(point, component)

    def holder(self) -> machine_lock.LockHolder | None:
        """Who has the machine now; None if nobody does, or if there is no telling."""
        return machine_lock.holder(self.paths.lock, self.paths.root)
