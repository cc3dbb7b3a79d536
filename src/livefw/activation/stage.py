# SPDX-License-Identifier: Apache-2.0
"""One image handed over to its mechanism, from the intent to the verdict."""

from collections.abc import Callable

from livefw.activation.outcome import Outcome, Result
from livefw.activation.run import VANISHED, Watch, follow
from livefw.activation.target import Target
from livefw.errors import Interrupted, TransportError
from livefw.providers.base import Claim, Clock, Component, Reason, Running, Said

_OUTCOMES = {
    Said.ACCEPTED: Outcome.STAGED,
    Said.REFUSED: Outcome.REFUSED,
    Said.DECLINED: Outcome.REFUSED,
    Said.FAILED: Outcome.FAILED,
    Said.LOST: Outcome.UNKNOWN,
}
_NOT_PENDING = (
    Outcome.UNKNOWN,
    Reason("not-pending", "the mechanism has taken it, and nothing is pending", "livefw show"),
)
_UNSEEN = Reason("unseen", "it cannot be looked at any more: {error}")
_STAGED = Reason("staged", "it waits for its activation", "livefw activate")


def hand_over(
    target: Target, *, watch: Watch, clock: Clock, asked: Callable[[], None], answered: Callable[[], None]
) -> Result:
    """Hand the image over and stay until the mechanism has answered; two callbacks tell where it is.

    `Interrupted`, and `livefw.errors.TransportError`, if nothing was asked of the mechanism.
    """
    before, start = target.component, clock.now()
    running: Running | None = None
    try:
        watch.begins(before)
        running = target.provider.stage(before.id, target.package, watch.progress)
        asked()
        seconds = follow(running, watch=watch, clock=clock, start=start)
    except (KeyboardInterrupt, Interrupted) as error:
        if running is not None and running.touched:
            raise
        raise Interrupted("interrupted; nothing was handed over") from error
    answered()
    outcome, why, after = _judged(target, running.claim)
    return Result(before, outcome, why, after, running.claim, seconds)


def _judged(target: Target, claim: Claim) -> tuple[Outcome, Reason, Component | None]:
    """What was accepted has to be there: a mechanism that shows nothing pending contradicts itself."""
    outcome, why = _OUTCOMES[claim.said], claim.reason or _STAGED
    if claim.at_work:
        return outcome, why, None
    try:
        after = target.provider.inspect(target.component.id)
    except TransportError as error:
        unseen = _UNSEEN._replace(hint=error.hint).fill(error=error.message)
        return (Outcome.UNKNOWN, unseen, None) if outcome is Outcome.STAGED else (outcome, why, None)
    if outcome is Outcome.STAGED and after is None:
        return Outcome.UNKNOWN, VANISHED, None
    if outcome is Outcome.STAGED and after and after.pending is False:
        return *_NOT_PENDING, after
    return outcome, why, after
