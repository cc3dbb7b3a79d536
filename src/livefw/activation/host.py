# SPDX-License-Identifier: Apache-2.0
"""The machine and everything that the engine takes from outside, and requests."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from livefw.activation.actor import Actor
from livefw.activation.events import Point, Reached
from livefw.activation.history.origin import Origin
from livefw.activation.history.writer import Announcement
from livefw.activation.identity import origin_of
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.lock import machine_lock
from livefw.activation.measure.device import DeviceProbe
from livefw.activation.measure.meter import Meter, NoMeter
from livefw.activation.paths import Paths
from livefw.activation.policy.document import Policy
from livefw.clock import Clock
from livefw.files.protocol import Files
from livefw.providers.base import Component, ImagePackage, Provider

if TYPE_CHECKING:
    from livefw.activation.notify.notifier import Notifier


class OnFailure(StrEnum):
    """What to do with further components after one has failed or was refused."""

    STOP = "stop"
    CONTINUE = "continue"
    """Continue with those that do not have to wait for it."""


class ActivationRequest(NamedTuple):
    """A request to activate. ``words`` None: everything that is pending. ``automatic``: the policy chose the
    components. ``expected``: for each word the version that has to be pending, empty for an image that shows none; no
    other is activated. ``strict``: nothing is begun unless every host that may have more of it showed all it has.
    ``package``: the image to activate one component with, in one step.
    ``wait_busy_s``: how long to wait for another program that works on this machine.
    """

    words: tuple[str, ...] | None = None
    reason: str = ""
    ignore: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.STOP
    automatic: bool = False
    expected: tuple[str, ...] = ()
    strict: bool = False
    package: ImagePackage | None = None
    wait_busy_s: float = 0.0


def as_found(found: Inventory) -> Inventory:
    """The inventory as it is, for a machine of which nothing is recorded."""
    return found


def no_probe(_: Component) -> DeviceProbe | None:
    """Measure no device, for a machine that is not this one."""
    return None


def nowhere(_: object) -> None:
    """Ignore an event."""


class Host(NamedTuple):
    """The machine, and everything that the engine takes from outside.

    ``probe`` measures the component itself while it is activated, if it is a device that can be read.
    ``now`` is the wall clock, for windows only. ``announce`` publishes an outcome. ``at`` is called at each `Point`;
    tests kill the engine there. ``observe`` adds to each inventory since when an image is pending, and records it if it
    is new (`livefw.activation.pending`). ``images`` is the image directory, empty for none. ``image_keys`` and
    ``metadata_keys`` are the directories of the keys that vouch for images, and for the metadata of a mirror.
    ``notifier`` sends events.
    """

    files: Files
    providers: Sequence[Provider]
    clock: Clock
    paths: Paths
    policy: Policy
    actor: Actor
    privileged: bool = True
    meter: Callable[[], Meter] = NoMeter
    probe: Callable[[Component], DeviceProbe | None] = no_probe
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wall_ns: Callable[[], int] = time.time_ns
    announce: Callable[[Announcement], None] = nowhere
    at: Callable[[Point], None] = nowhere
    observe: Callable[[Inventory], Inventory] = as_found
    without_journal: bool = False
    images: str = ""
    image_keys: str = ""
    metadata_keys: str = ""
    notifier: "Notifier | None" = None

    def reach(self, point: Point, component: Component | None = None) -> Reached:
        """Call ``at``, and return the event for the step."""
        self.at(point)
        return Reached(point, component)

    def origin(self) -> Origin:
        """Which machine it is, for the rows of its history. Never raises."""
        return origin_of(self.files, self.paths.root)

    def holder(self) -> machine_lock.LockHolder | None:
        """The present holder of the lock; None if it is free, or if that cannot be determined."""
        return machine_lock.holder(self.paths.lock, self.paths.root)
