# SPDX-License-Identifier: Apache-2.0
"""One request to a mechanism, followed until it has replied."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from livefw.activation.events import Begun, Control, Point, Progressed, Reached, Steps, StillRunning
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.mishaps import REQUEST_FAILED, Mishaps, inspect_noting
from livefw.activation.outcome import Outcome, Result
from livefw.clock import Clock
from livefw.errors import Interrupted, TransportError
from livefw.providers.base import Claim, Component, Observer, Phase, Progress, Reason, Reply, Running

TICK = 0.25
"""Seconds between two checks whether the caller still follows."""

Reach = Callable[[Point, Component], Reached]


class Asked(NamedTuple):
    """The claim of the mechanism, and the seconds from the request to the reply."""

    claim: Claim
    seconds: float


def ask(
    begin: Callable[[Observer], Running],
    component: Component,
    *,
    control: Control,
    clock: Clock,
    mishaps: Mishaps,
    reach: Reach = Reached,
) -> Steps[Asked]:
    """Make a request and follow it until there is a claim.

    If this raises, the mechanism was not asked. Once it was asked, nothing is raised. `Progressed` events come when the
    provider returns from a wait: at most `TICK` late, and before an upload begins (`livefw.providers.steps.Report`).
    During one operation of a provider, such as that upload, there are no events.

    Raises:
        Interrupted: the request was stopped before the mechanism was asked.
        TransportError: it could not be asked.
    """
    heard = _Heard(component, control)
    start = clock.now()
    try:
        running = begin(heard.hear)
    except (Interrupted, TransportError):
        raise  # a provider raises these only if nothing was asked
    except (Exception, KeyboardInterrupt) as error:
        if heard.phase is None:
            raise
        mishaps.note(REQUEST_FAILED, error)
        return Asked(_OUT_OF_SIGHT, _since(clock, start))
    heard.running = running
    try:
        yield reach(Point.ASKED, component)
        while not running.wait(TICK):
            yield from heard.take()
            if control.stopped and heard.phase in (None, Phase.WAITING):
                running.abandon()
                if heard.phase is None:  # still preparing; once it stands back, its own answer says why
                    control.require_wanted()
                continue
            yield StillRunning(component, clock.now() - start)
            if control.detached:
                # Perhaps only since that event. To abandon may take seconds; the caller is shown one more event first.
                yield StillRunning(component, clock.now() - start)
                running.abandon()
        claim = running.claim
    except (Exception, KeyboardInterrupt) as error:
        claim = _given_up(running, error, mishaps)
    yield from heard.take()
    return Asked(claim, _since(clock, start))


def cancel(candidate: Candidate, *, control: Control, clock: Clock, mishaps: Mishaps) -> Steps[Result]:
    """Ask the mechanism to cancel what was begun on a component. Errors are those of `ask`."""
    provider, before = candidate
    yield Begun(before)
    control.require_wanted()
    begin = partial(provider.cancel, before.id)
    claim, seconds = yield from ask(begin, before, control=control, clock=clock, mishaps=mishaps)
    after = None if claim.at_work else inspect_noting(partial(provider.inspect, before.id), mishaps)[0]
    why = (claim.reason or _CANCELLED).about(before.word)
    return Result(before, _CANCEL_OUTCOMES[claim.reply], why, after, claim, seconds)


def _given_up(running: Running, error: BaseException, mishaps: Mishaps) -> Claim:
    """The claim of a request that cannot be followed any more; raises the error if the request was never made."""
    begun = mishaps.spared(REQUEST_FAILED, lambda: running.touched, otherwise=True)
    claim = mishaps.spared(REQUEST_FAILED, running.abandon, _OUT_OF_SIGHT)
    if not begun and claim.reply is Reply.REFUSED:
        raise error
    mishaps.note(REQUEST_FAILED, error)
    return claim


def _since(clock: Clock, start: float) -> float:
    try:
        return clock.now() - start
    except (Exception, KeyboardInterrupt):  # only a figure
        return 0.0


class _Heard:
    """Collects what a provider reports during its own calls, until the stream can continue."""

    def __init__(self, component: Component, control: Control) -> None:
        self._component = component
        self._control = control
        self._reports: list[Progress] = []
        self._last: Progress | None = None
        self.running: Running | None = None
        self.phase: Phase | None = None
        """The last phase that was reported; the mechanism is asked only after it was `Phase.RUNNING`."""

    def hear(self, report: Progress) -> None:
        """An `Observer`. It raises `Interrupted` if the mechanism must not be asked any more."""
        if report is not self._last:  # the same again only asks whether to continue
            self._reports.append(report)
        self._last = report
        if report.phase is Phase.RUNNING and (self.running is None or not self.running.touched):
            self._control.require_wanted()
        self.phase = report.phase

    def take(self) -> Iterator[Progressed]:
        """All reports since the last call."""
        reports, self._reports = self._reports, []
        for report in reports:
            yield Progressed(self._component, *report)


_CANCEL_OUTCOMES = {
    Reply.ACCEPTED: Outcome.CANCELLED,
    Reply.REFUSED: Outcome.REFUSED,
    Reply.DECLINED: Outcome.REFUSED,
    Reply.FAILED: Outcome.FAILED,
    Reply.LOST: Outcome.UNKNOWN,
}
INTERRUPTED = Outcome.CANCELLED, Reason("interrupted", "interrupted before a request was made")
NOT_ASKED = Outcome.REFUSED, Reason("not-asked", "{why_it_could_not_be_asked}")
_CANCELLED = Reason("cancelled", "the mechanism has abandoned it")
VANISHED = Reason("vanished", "the component no longer exists", "livefw list")
_OUT_OF_SIGHT = Claim(
    Reply.LOST,
    reason=Reason(
        "out-of-sight", "the request was lost from sight; the mechanism may still be working", "livefw show COMPONENT"
    ),
    at_work=True,
)
