# SPDX-License-Identifier: Apache-2.0
"""Who looks on while a mechanism is at work, and one cancellation."""

from typing import Protocol

from livefw.activation.inventory import Candidate
from livefw.activation.outcome import Outcome, Result
from livefw.providers.base import Clock, Component, Progress, Reason, Running, Said

TICK = 0.25
"""Seconds between two looks at whether somebody still watches."""


class Watch(Protocol):
    """Somebody who looks on while it runs."""

    def begins(self, component: Component) -> None:
        """This component is next, and nothing has been asked of the mechanism yet."""
        ...

    def progress(self, progress: Progress) -> None:
        """A step of the request."""
        ...

    def tick(self, seconds: float) -> bool:
        """It has been running for so long; False to stop watching, which stops nothing else."""
        ...

    def ended(self, result: Result) -> None:
        """This is how it ended."""
        ...


def cancel(candidate: Candidate, *, watch: Watch, clock: Clock) -> Result:
    """Ask the mechanism to abandon what was begun on a component."""
    provider, before = candidate
    watch.begins(before)
    start = clock.now()
    running = provider.cancel(before.id, watch.progress)
    seconds = follow(running, watch=watch, clock=clock, start=start)
    claim = running.claim
    after = None if claim.at_work else provider.inspect(before.id)
    why = claim.reason or _CANCELLED
    result = Result(before, _CANCEL_OUTCOMES[claim.said], why, after, claim, seconds)
    watch.ended(result)
    return result


def follow(running: Running, *, watch: Watch, clock: Clock, start: float) -> float:
    """Stay with a request until there is a claim; the seconds since ``start``."""
    while not running.wait(TICK):
        if not watch.tick(clock.now() - start):
            running.abandon()
    return clock.now() - start


_CANCEL_OUTCOMES = {
    Said.ACCEPTED: Outcome.CANCELLED,
    Said.REFUSED: Outcome.REFUSED,
    Said.DECLINED: Outcome.REFUSED,
    Said.FAILED: Outcome.FAILED,
    Said.LOST: Outcome.UNKNOWN,
}


def refused(component: Component, why: Reason, watch: Watch) -> Result:
    """The result for a component of which nothing was asked."""
    result = Result(component, Outcome.REFUSED, why)
    watch.ended(result)
    return result


INTERRUPTED = Outcome.CANCELLED, Reason("interrupted", "interrupted before anything was asked")
NOT_ASKED = Outcome.REFUSED, Reason("not-asked", "{why_it_could_not_be_asked}")
_CANCELLED = Reason("cancelled", "the mechanism has abandoned it")
VANISHED = Reason("vanished", "the component is not there any more", "livefw list")
