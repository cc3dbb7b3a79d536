# SPDX-License-Identifier: Apache-2.0
"""What a request reports while it is carried out: one stream of events, and how whoever follows it ends it.

A request is a generator of events. `Reached` names each step of the procedure; `Begun`, `Progressed` and
`StillRunning` tell of the mechanism's own work; an `Attempt` is the end of one component, and `Finished`, always the
last event, sums up the request. Faces translate these events and add none.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from livefw.activation.checks.table import Problem
from livefw.activation.history.journal import HistoryRow
from livefw.activation.history.writer import RowStatus
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.measure.meter import Measurement
from livefw.activation.outcome import Outcome, Result
from livefw.activation.plan import PlanStep
from livefw.errors import Interrupted
from livefw.providers.base import Component, Phase, Reason

if TYPE_CHECKING:
    from livefw.activation.setting_changes import UnmetSetting

T = TypeVar("T")


class Point(StrEnum):
    """The steps of an activation or a staging, in their order; an engine may die at any of them."""

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


class Reached(NamedTuple):
    """A step of the procedure was reached; ``component`` is None where the step is about the whole machine."""

    point: Point
    component: Component | None = None


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


class Chosen(NamedTuple):
    """The keys of the components that the request means, and the patterns of the settings that match nothing here."""

    components: tuple[str, ...]
    unmatched: tuple[UnmatchedPattern, ...] = ()


class SettingsApplied(NamedTuple):
    """The settings were compared with the policy, and changed where they could be; ``unmet`` are those that differ."""

    unmet: "tuple[UnmetSetting, ...]"


class Begun(NamedTuple):
    """A component's turn: its mechanism is asked next, and has not been asked yet.

    ``step`` is the plan for it; None for a staging and a cancellation.
    """

    component: Component
    step: PlanStep | None = None


class Progressed(NamedTuple):
    """The mechanism reports where it is; ``percent`` is from 0 to 100, None where it does not tell."""

    component: Component
    phase: Phase
    text: str = ""
    percent: int | None = None


class StillRunning(NamedTuple):
    """The request has been under way for so many seconds; comes about four times a second."""

    component: Component
    seconds: float


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


class Finished(NamedTuple):
    """The end of a request: its attempts in their request, and the keys of the components that were not started."""

    attempts: tuple[Attempt, ...]
    not_started: tuple[str, ...] = ()


Event = Reached | SettledIntent | Chosen | SettingsApplied | Begun | Progressed | StillRunning | Attempt | Finished
Steps = Generator[Event, None, T]


class Control:
    """How whoever follows a request ends it early. Both methods only set a flag: a signal handler, and any thread, may
    call them.
    """

    def __init__(self) -> None:
        self.stopped = False
        """Whether nothing more is to be asked of any mechanism."""
        self.detached = False
        """Whether what was asked is not followed either."""

    def stop(self) -> None:
        """Ask nothing more. What was asked is followed to its end."""
        self.stopped = True

    def detach(self) -> None:
        """Ask nothing more, and follow nothing to its end. What was asked goes on by itself."""
        self.stopped = self.detached = True

    def require_wanted(self) -> None:
        """Called before a mechanism is asked. `Interrupted` if that is not wanted any more."""
        if self.stopped:
            raise Interrupted("interrupted; nothing more was started")


Hear = Callable[[Event, Control], None]
"""Is called with each event of a request, and may end the request early."""


def unheard(event: Event, control: Control) -> None:
    """Nobody listens."""


def to_the_end(steps: Steps[T], control: Control) -> Steps[T]:
    """The steps, each of which is taken even if nobody follows them any more.

    To close this generator, or to throw an exception into it, is to detach: what was not asked is withdrawn, what was
    asked is recorded as far as it is known, and then the exception is raised again.
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
    """Take all steps, and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
