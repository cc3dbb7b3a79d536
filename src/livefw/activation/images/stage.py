# SPDX-License-Identifier: Apache-2.0
"""One image handed over to its mechanism, from the intent to the verdict."""

from collections.abc import Callable
from functools import partial

from livefw.activation.images.target import StagingTarget
from livefw.activation.mishaps import Mishaps, inspect_noting
from livefw.activation.outcome import Outcome, Result
from livefw.activation.run import VANISHED, Watch, ask
from livefw.clock import Clock
from livefw.errors import Interrupted
from livefw.providers.base import Claim, Component, Reason, Reply

_OUTCOMES = {
    Reply.ACCEPTED: Outcome.STAGED,
    Reply.REFUSED: Outcome.REFUSED,
    Reply.DECLINED: Outcome.REFUSED,
    Reply.FAILED: Outcome.FAILED,
    Reply.LOST: Outcome.UNKNOWN,
}
_NOT_PENDING = (
    Outcome.UNKNOWN,
    Reason("not-pending", "the mechanism has taken it, and nothing is pending", "livefw show"),
)
_NOT_SEEN = Reason("unseen", "the mechanism has taken it, and it cannot be looked at any more", "livefw show")
_STAGED = Reason("staged", "it waits for its activation", "livefw activate")


def hand_over(
    target: StagingTarget,
    *,
    watch: Watch,
    clock: Clock,
    mishaps: Mishaps,
    asked: Callable[[], None],
    answered: Callable[[], None],
) -> Result:
    """Hand the image over and stay until the mechanism has answered; two callbacks tell where it is.

    Whatever it raises, nothing was asked of the mechanism, as for `livefw.activation.run.ask`.
    """
    before, provider = target.component, target.provider
    try:
        watch.begins(before)
        begin = partial(provider.stage, before.id, target.package)
        claim, seconds = ask(begin, watch=watch, clock=clock, mishaps=mishaps, asked=asked)
    except (KeyboardInterrupt, Interrupted) as error:
        raise Interrupted("interrupted; nothing was handed over") from error
    answered()
    outcome, why, after = _judged(target, claim, mishaps)
    return Result(before, outcome, why, after, claim, seconds)


def _judged(target: StagingTarget, claim: Claim, mishaps: Mishaps) -> tuple[Outcome, Reason, Component | None]:
    """What was accepted has to be there: a mechanism that shows nothing pending contradicts itself."""
    outcome, why = _OUTCOMES[claim.reply], claim.reason or _STAGED
    if claim.at_work:
        return outcome, why, None
    look = partial(target.provider.inspect, target.component.id)
    after, readable = inspect_noting(look, mishaps)
    if outcome is Outcome.STAGED and not readable:
        return Outcome.UNKNOWN, _NOT_SEEN, None
    if outcome is Outcome.STAGED and after is None:
        return Outcome.UNKNOWN, VANISHED, None
    if outcome is Outcome.STAGED and after and after.pending is False:
        return *_NOT_PENDING, after
    return outcome, why, after
