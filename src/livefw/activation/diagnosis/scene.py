# SPDX-License-Identifier: Apache-2.0
"""What a diagnosis looks at."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from livefw.activation.inventory.discovery import Inventory
from livefw.activation.paths import Paths
from livefw.activation.pending.known import PendingPlace
from livefw.activation.policy.survey import SettingsSurvey
from livefw.clock import Clock
from livefw.files.host_facts import SystemFacts
from livefw.files.protocol import Files


class Scene(NamedTuple):
    """One machine and where its things are.

    ``survey`` reads the settings and ``inventory`` lists the components; both raise `livefw.errors.LivefwError`.
    ``pending`` is where it is known since when images are pending. ``unused`` says that the tree has
    settings which are not used. ``socket`` is that of the daemon, empty if none belongs to this machine; ``named`` if
    the user says which. ``version`` is ours; ``now`` is the wall clock with a zone.
    """

    files: Files
    facts: SystemFacts
    clock: Clock
    paths: Paths
    survey: Callable[[], SettingsSurvey]
    inventory: Callable[[], Inventory]
    pending: PendingPlace
    unused: str
    socket: str
    named: bool
    version: str
    euid: int
    now: datetime

    @property
    def own(self) -> bool:
        """Whether it is the machine that livefw runs on."""
        return self.paths.root == "/"
