# SPDX-License-Identifier: Apache-2.0
"""One activation, from the look before to the verdict; and one cancellation."""

from collections.abc import Callable
from typing import Protocol

from livefw.activation.inventory import Candidate
from livefw.activation.outcome import Outcome, Result
from livefw.activation.verdict import judge
from livefw.providers.base import Claim, Clock, Component, Progress, Provider, Reason, Running, Said

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


def activate(candidate: Candidate, *, watch: Watch, clock: Clock) -> Result:
    """Activate one component, if it can be.

    Nothing is asked of the mechanism for a component with reasons against it, as seen now and not when it was listed.
    `livefw.errors.TransportError` if the request could not even be made.
    """
    provider, listed = candidate
    before = provider.inspect(listed.id)
    if before is None:
        return refused(listed, VANISHED, watch)
    if before.reasons:
        return refused(before, before.reasons[0], watch)
    return _run(before, provider, provider.activate, _looked_at, watch, clock)


def cancel(candidate: Candidate, *, watch: Watch, clock: Clock) -> Result:
    """Ask the mechanism to abandon what was begun on a component."""
    provider, before = candidate
    return _run(before, provider, provider.cancel, _cancelled, watch, clock)


_Ask = Callable[[str, Callable[[Progress], None]], Running]
_Judge = Callable[[Component, Provider, Running], Result]


def _run(before: Component, provider: Provider, request: _Ask, verdict: _Judge, watch: Watch, clock: Clock) -> Result:
    watch.begins(before)
    start = clock.now()
    running = request(before.id, watch.progress)
    seconds = follow(running, watch=watch, clock=clock, start=start)
    result = verdict(before, provider, running)._replace(seconds=seconds)
    watch.ended(result)
    return result


def follow(running: Running, *, watch: Watch, clock: Clock, start: float) -> float:
    """Stay with a request until there is a claim; the seconds since ``start``."""
    while not running.wait(TICK):
        if not watch.tick(clock.now() - start):
            running.abandon()
    return clock.now() - start


def is_lost(claim: Claim) -> bool:
    """Whether the mechanism may still be at work, so that a look at the component could wait for it."""
    return claim.at_work


def judged(before: Component, after: Component | None, claim: Claim) -> Result:
    """The result of an activation, by the table of verdicts."""
    outcome, why = judge(before, after, claim)
    return Result(before, outcome, why, after, claim)


def _looked_at(before: Component, provider: Provider, running: Running) -> Result:
    after = None if is_lost(running.claim) else provider.inspect(before.id)
    return judged(before, after, running.claim)


def _cancelled(before: Component, provider: Provider, running: Running) -> Result:
    claim = running.claim
    after = None if is_lost(claim) else provider.inspect(before.id)
    why = claim.reason or Reason("cancelled", "the mechanism has abandoned it")
    return Result(before, _CANCEL_OUTCOMES[claim.said], why, after, claim)


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


VANISHED = Reason("vanished", "the component is not there any more", "livefw list")
