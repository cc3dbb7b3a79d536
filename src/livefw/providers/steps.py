# SPDX-License-Identifier: Apache-2.0
"""A request as a generator of steps: what every mechanism needs that works in more than one step.

The generator yields what has to happen before it continues, seconds to pass or an operation that was started, and
returns the claim. Between two steps somebody can give up, and the work itself says what that means.
"""

from collections.abc import Generator
from typing import Protocol

from livefw.clock import Clock
from livefw.providers.base import Claim, Observer, Progress, Reason, Reply


class Operation(Protocol):
    """An operation that was started; a `livefw.files.protocol.Write` is one."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended, at most so long; whether it has."""
        ...


Steps = Generator[Operation | float, None, Claim]


class Work(Protocol):
    """What a mechanism does for one request."""

    @property
    def touched(self) -> bool:
        """See `livefw.providers.base.Running`."""
        ...

    def steps(self) -> Steps:
        """The work, step by step."""
        ...

    def abandoned(self) -> Claim:
        """What to say if it is given up now, or has gone wrong; it takes back what can be, within seconds."""
        ...


class StepReport:
    """A report that is passed on before the work continues, for work whose next step takes long; an `Operation`.

    A bounded wait returns once, so that its caller can pass the report on. Then the observer is called again with the
    same report, and may still end the request.
    """

    def __init__(self, observer: Observer, report: Progress) -> None:
        self._observer = observer
        self._report = report
        self._passed_on = False

    def wait(self, seconds: float | None) -> bool:
        """See `Operation`. It raises what the observer raises."""
        again, self._passed_on = self._passed_on, True
        self._observer(self._report)
        return again or seconds is None


class RunningSteps:
    """Work under way; a `livefw.providers.base.Running`. Nothing is done before the first `wait`."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._steps = work.steps()
        self._pending: Operation | None = None
        self._resume_at: float | None = None
        self._claim: Claim | None = None

    @property
    def touched(self) -> bool:
        """See `Running`."""
        return self._work.touched

    @property
    def claim(self) -> Claim:
        """See `Running`."""
        if self._claim is None:
            raise ValueError("the request has not ended")
        return self._claim

    def wait(self, seconds: float | None) -> bool:
        """See `Running`."""
        deadline = None if seconds is None else self._clock.now() + seconds
        while self._claim is None:
            if not self._passed(deadline):
                return False
            try:
                step = next(self._steps)
            except StopIteration as stop:
                self._claim = stop.value
            except (Exception, KeyboardInterrupt):  # no step can follow: what has been begun is given up
                self.abandon()
                raise
            else:
                self._pending = None if isinstance(step, float) else step
                self._resume_at = self._clock.now() + step if isinstance(step, float) else None
        return True

    def abandon(self) -> Claim:
        """See `Running`."""
        if self._claim is None:
            self._steps.close()
            self._claim = self._work.abandoned()
        return self._claim

    def _passed(self, deadline: float | None) -> bool:
        """Wait for what the last step asked for; False if that takes longer than until ``deadline``."""
        if self._pending is not None:
            return self._pending.wait(None if deadline is None else max(deadline - self._clock.now(), 0.0))
        if self._resume_at is None:
            return True
        first = deadline is not None and deadline < self._resume_at
        until = deadline if first and deadline is not None else self._resume_at
        if (left := until - self._clock.now()) > 0:
            self._clock.sleep(left)
        return not first  # and no look at the clock, whose sleep may be short by its rounding


class Refusal:
    """A request of which nothing is done; a `Work`."""

    touched = False

    def __init__(self, reason: Reason) -> None:
        self._claim = Claim(Reply.REFUSED, reason=reason)

    def steps(self) -> Steps:
        """The claim."""
        yield from ()
        return self._claim

    def abandoned(self) -> Claim:
        """The same."""
        return self._claim
