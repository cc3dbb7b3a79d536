# SPDX-License-Identifier: Apache-2.0
"""The machine as the engine has it, what can be wanted of it, and what came of that."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from livefw.activation.actor import Actor
from livefw.activation.checks.table import Problem
from livefw.activation.history.journal import HistoryRow
from livefw.activation.history.writer import Announcement, RowStatus
from livefw.activation.lock import machine_lock
from livefw.activation.measure.meter import Measurement, Meter, NoMeter
from livefw.activation.outcome import Outcome, Result
from livefw.activation.paths import Paths
from livefw.activation.policy.document import Policy
from livefw.clock import Clock
from livefw.files.protocol import Files
from livefw.providers.base import Provider, Reason


class Point(StrEnum):
    """Places in the course of an activation or a staging at which an engine may die, in their order."""

    LOCKED = "locked"
    SETTLED = "settled"
    CHECKED = "checked"
    INTENDED = "intended"
    """The intent is on disk, and nothing has been asked."""
    ASKED = "asked"
    """The mechanism is at work."""
    ANSWERED = "answered"
    JUDGED = "judged"
    """What became of it is known, and nowhere written."""
    RECORDED = "recorded"
    ANNOUNCED = "announced"


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

    def holder(self) -> machine_lock.LockHolder | None:
        """Who has the machine now; None if nobody does, or if there is no telling."""
        return machine_lock.holder(self.paths.lock, self.paths.root)


class Attempt(NamedTuple):
    """One component's turn: the result, what spoke against it, what it cost, who else changed, and the record.

    ``mishaps`` is what failed beside it after the mechanism had been asked, and has not changed the outcome.
    """

    result: Result
    problems: tuple[Problem, ...]
    measurement: Measurement | None
    others: tuple[Reason, ...]
    row: RowStatus
    mishaps: tuple[Reason, ...] = ()


class SettledIntent(NamedTuple):
    """An intent that an earlier engine left without an outcome, and the outcome that was found for it.

    ``outcome`` None: what would tell cannot be looked at now, and the intent stays open. ``error`` is why the outcome
    is not written down, if it is not; ``mishaps`` as in `Attempt`.
    """

    intent: HistoryRow
    outcome: Outcome | None
    why: Reason
    firmware_code: str | None = None
    error: str = ""
    mishaps: tuple[Reason, ...] = ()
