# SPDX-License-Identifier: Apache-2.0
"""The events of a request, and how the caller ends it early.

A request is a generator of events. `WaitingForLock` comes before all others. `Reached` names each step of the
procedure. `Begun`, `Progressed` and `StillRunning`
are about the work of the mechanism. An `Attempt` is the end of one component. `Finished`, always the last event, sums
up the request. Faces translate these events and add none.
"""

from collections.abc import Generator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from livefw.activation.checks.table import Problem
from livefw.activation.history.journal import HistoryRow
from livefw.activation.history.writer import RowStatus
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.measure.meter import Measurement
from livefw.activation.outcome import Outcome, Result
from livefw.activation.plan import PlanStep
from livefw.errors import Interrupted
from livefw.providers.base import Component, Phase, Reason, Source

if TYPE_CHECKING:
    from livefw.activation.setting_changes import UnmetSetting

T = TypeVar("T")


class Point(StrEnum):
    """The steps of an activation or a staging, in order; an engine may die at any of them."""

    LOCKED = "locked"
    SETTLED = "settled"
    CHECKED = "checked"
    INTENDED = "intended"
    """The intent is on disk, and nothing has been asked."""
    ASKED = "asked"
    """The mechanism is at work."""
    ANSWERED = "answered"
    JUDGED = "judged"
    """The outcome is known, and not recorded yet."""
    RECORDED = "recorded"
    ANNOUNCED = "announced"


class Reached(NamedTuple):
    """A step of the procedure was reached; ``component`` is None if the step is about the whole machine."""

    point: Point
    component: Component | None = None


class WaitingForLock(NamedTuple):
    """Another program works on this machine, and the request waits for it; ``holder`` is None if it left no note."""

    holder: LockHolder | None


class SettledIntent(NamedTuple):
    """An intent that an earlier engine left open, and the outcome that was found for it.

    ``outcome`` None: the component cannot be read now, and the intent stays open. ``error`` is why the outcome is not
    recorded, if it is not; ``mishaps`` as in `Attempt`.
    """

    intent: HistoryRow
    outcome: Outcome | None
    why: Reason
    firmware_code: str | None = None
    error: str = ""
    mishaps: tuple[Reason, ...] = ()


class Chosen(NamedTuple):
    """The keys of the components of the request, and the patterns of the settings that match nothing.

    ``left_out`` are components that could be activated and that the policy does not allow; they are left out of a
    request for everything. ``missed`` are hosts that did not show all they have, and may have more of what is asked
    for.
    """

    components: tuple[str, ...]
    unmatched: tuple[UnmatchedPattern, ...] = ()
    left_out: tuple[Component, ...] = ()
    missed: tuple[Source, ...] = ()


class SettingsApplied(NamedTuple):
    """The settings were compared with the policy and changed where possible; ``unmet`` are those that still differ."""

    unmet: "tuple[UnmetSetting, ...]"


class Begun(NamedTuple):
    """A component's turn begins; its mechanism has not been asked yet.

    ``step`` is its plan; None for a staging and a cancellation.
    """

    component: Component
    step: PlanStep | None = None


class Progressed(NamedTuple):
    """A report of the mechanism; ``percent`` is from 0 to 100, None if it reports none."""

    component: Component
    phase: Phase
    text: str = ""
    percent: int | None = None


class StillRunning(NamedTuple):
    """The request has been running for so many seconds; comes about four times a second."""

    component: Component
    seconds: float


class Attempt(NamedTuple):
    """The end of one component: result, problems, cost, changes of other components, and its row in the history.

    ``mishaps`` are failures after the mechanism was asked; they have not changed the outcome.
    """

    result: Result
    problems: tuple[Problem, ...]
    measurement: Measurement | None
    others: tuple[Reason, ...]
    row: RowStatus
    mishaps: tuple[Reason, ...] = ()


class Finished(NamedTuple):
    """The end of a request: its attempts in order, and the keys of the components that were not started."""

    attempts: tuple[Attempt, ...]
    not_started: tuple[str, ...] = ()


Event = (
    WaitingForLock
    | Reached
    | SettledIntent
    | Chosen
    | SettingsApplied
    | Begun
    | Progressed
    | StillRunning
    | Attempt
    | Finished
)
Steps = Generator[Event, None, T]


class Control:
    """Ends a request early. Both methods only set a flag: signal handlers and other threads may call them."""

    def __init__(self) -> None:
        self.stopped = False
        """Whether no mechanism is to be asked any more."""
        self.detached = False
        """Whether a request that was made is not to be followed either."""

    def stop(self) -> None:
        """Ask nothing more. A request that was made is followed to its end."""
        self.stopped = True

    def detach(self) -> None:
        """Ask nothing more, and stop following. A request that was made continues by itself."""
        self.stopped = self.detached = True

    def require_wanted(self) -> None:
        """Raise `Interrupted` if no mechanism is to be asked any more."""
        if self.stopped:
            raise Interrupted("interrupted; nothing more was started")


def to_the_end(steps: Steps[T], control: Control) -> Steps[T]:
    """A generator that takes every step even if the caller stops following.

    To close it, or to throw an exception into it, means to detach: what was not asked is withdrawn, what was asked is
    recorded as far as it is known, and then the exception is raised again.
    """
    try:
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield event
    except BaseException:
        control.detach()
        with suppress(Interrupted):
            drain(steps)
        raise


def drain(steps: Steps[T]) -> T:
    """Take all steps, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
