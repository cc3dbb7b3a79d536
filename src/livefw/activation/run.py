# SPDX-License-Identifier: Apache-2.0
"""One request made of a mechanism, and who looks on while it is at work."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from livefw.activation.inventory.discovery import Candidate
from livefw.activation.mishaps import REQUEST_FAILED, WATCH_FAILED, Mishaps, inspect_noting
from livefw.activation.outcome import Outcome, Result
from livefw.clock import Clock
from livefw.errors import Interrupted, TransportError
from livefw.providers.base import Claim, Component, Observer, Phase, Progress, Reason, Reply, Running

TICK = 0.25
"""Seconds between two looks at whether somebody still watches."""


class Watch(Protocol):
    """Somebody who looks on while it runs."""

    def begins(self, component: Component) -> None:
        """This component is next, and nothing has been asked of the mechanism yet."""
        ...

    def progress(self, progress: Progress) -> None:
        """A step of the request. `Interrupted` keeps the mechanism from being asked, where it has not been yet."""
        ...

    def tick(self, seconds: float) -> bool:
        """It has been running for so long; False to stop watching, which stops nothing else."""
        ...

    def ended(self, result: Result) -> None:
        """This is how it ended."""
        ...


class Asked(NamedTuple):
    """What the mechanism said, and the seconds from asking to the answer."""

    claim: Claim
    seconds: float


def ask(
    begin: Callable[[Observer], Running],
    *,
    watch: Watch,
    clock: Clock,
    mishaps: Mishaps,
    asked: Callable[[], None] = lambda: None,
) -> Asked:
    """Make a request and stay with it until there is a claim; ``asked`` is called in between.

    Whatever it raises, nothing was asked of the mechanism. Once it was, nothing is raised any more.
    """
    eyes = _Eyes(watch, mishaps)
    start = clock.now()
    try:
        running = begin(eyes.progress)
    except (Interrupted, TransportError):
        raise  # a provider raises these only if nothing was asked
    except (Exception, KeyboardInterrupt) as error:
        if not eyes.seen_running:
            raise
        mishaps.note(REQUEST_FAILED, error)
        return Asked(_OUT_OF_SIGHT, _since(clock, start))
    eyes.running = running
    try:
        asked()
        while not running.wait(TICK):
            if not eyes.tick(clock.now() - start):
                running.abandon()
        claim = running.claim
    except (Exception, KeyboardInterrupt) as error:
        claim = _given_up(running, error, mishaps)
    return Asked(claim, _since(clock, start))


def cancel(candidate: Candidate, *, watch: Watch, clock: Clock, mishaps: Mishaps) -> Result:
    """Ask the mechanism to abandon what was begun on a component; what it raises is as for `ask`."""
    provider, before = candidate
    watch.begins(before)
    claim, seconds = ask(partial(provider.cancel, before.id), watch=watch, clock=clock, mishaps=mishaps)
    after = None if claim.at_work else inspect_noting(partial(provider.inspect, before.id), mishaps)[0]
    return Result(before, _CANCEL_OUTCOMES[claim.reply], claim.reason or _CANCELLED, after, claim, seconds)


def _given_up(running: Running, error: BaseException, mishaps: Mishaps) -> Claim:
    """The claim of a request that cannot be watched any more; the error itself if it was never made."""
    begun = mishaps.spared(REQUEST_FAILED, lambda: running.touched, otherwise=True)
    claim = mishaps.spared(REQUEST_FAILED, running.abandon, _OUT_OF_SIGHT)
    if not begun and claim.reply is Reply.REFUSED:
        raise error
    mishaps.note(REQUEST_FAILED, error)
    return claim


def _since(clock: Clock, start: float) -> float:
    try:
        return clock.now() - start
    except (Exception, KeyboardInterrupt):  # a figure, for which nothing is given up
        return 0.0


class _Eyes:
    """A watch whose own troubles are noted, once the mechanism has been asked, and change nothing about the request."""

    def __init__(self, watch: Watch, mishaps: Mishaps) -> None:
        self._watch = watch
        self._mishaps = mishaps
        self.running: Running | None = None
        self.seen_running = False
        """Whether it was told that the mechanism is at work, which is told before it is asked."""

    def progress(self, progress: Progress) -> None:
        """See `Watch`."""
        try:
            self._watch.progress(progress)
        except (Exception, KeyboardInterrupt) as error:
            if self.running is None or not self.running.touched:
                raise
            self._mishaps.heed(error)
            if not isinstance(error, Interrupted):  # which comes too late, and is no trouble
                self._mishaps.note(WATCH_FAILED, error)
        self.seen_running = self.seen_running or progress.phase is Phase.RUNNING

    def tick(self, seconds: float) -> bool:
        """See `Watch`; one that fails goes on, so that the end is seen, and one that is interrupted stops."""
        try:
            return self._watch.tick(seconds)
        except (KeyboardInterrupt, Interrupted) as error:
            self._mishaps.note(WATCH_FAILED, error)
            return False
        except Exception as error:
            self._mishaps.note(WATCH_FAILED, error)
            return True


_CANCEL_OUTCOMES = {
    Reply.ACCEPTED: Outcome.CANCELLED,
    Reply.REFUSED: Outcome.REFUSED,
    Reply.DECLINED: Outcome.REFUSED,
    Reply.FAILED: Outcome.FAILED,
    Reply.LOST: Outcome.UNKNOWN,
}
INTERRUPTED = Outcome.CANCELLED, Reason("interrupted", "interrupted before anything was asked")
NOT_ASKED = Outcome.REFUSED, Reason("not-asked", "{why_it_could_not_be_asked}")
_CANCELLED = Reason("cancelled", "the mechanism has abandoned it")
VANISHED = Reason("vanished", "the component is not there any more", "livefw list")
_OUT_OF_SIGHT = Claim(
    Reply.LOST,
    reason=Reason("out-of-sight", "the request went out of sight; the mechanism may be at work", "livefw show"),
    at_work=True,
)
