# SPDX-License-Identifier: Apache-2.0
"""Hands one image over to its mechanism, from the intent to the outcome."""

from functools import partial

from livefw.activation import row_bodies
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import Problem, examine_staging
from livefw.activation.events import Attempt, Begun, Point, Steps
from livefw.activation.execution.attempt import Context, not_asked, stopped_by
from livefw.activation.execution.mechanism import VANISHED, ask
from livefw.activation.history.journal import RowKind
from livefw.activation.images.target import StagingRequest, StagingTarget, find_against
from livefw.activation.inventory.versions import compare, of_image
from livefw.activation.mishaps import Mishaps, inspect_noting
from livefw.activation.outcome import Outcome, Result
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
    Reason("not-pending", "the mechanism accepted it, but nothing is pending", "livefw show COMPONENT"),
)
_OTHER_WAITS = Reason(
    "other-waits",
    "the mechanism accepted it, but version {pending} is pending, and the image is {expected}",
    "livefw show COMPONENT",
)
_NOT_SEEN = Reason("unseen", "the mechanism accepted it, and the component can no longer be read", "livefw list")
_STAGED = Reason("staged", "it waits for its activation", "livefw activate COMPONENT")


def hand_over(context: Context, target: StagingTarget, request: StagingRequest) -> Steps[Attempt]:
    """Hand the image over, and wait for the reply; what was accepted is compared with what the component shows.

    Until the mechanism is asked, every error is raised; an interruption as `Interrupted`.
    """
    host, history, mishaps = context.host, context.history, Mishaps(target.component.word)
    before, provider = target.component, target.provider
    ignore = (*request.ignore, *host.policy.ignore)
    image = find_against(target, Facts(host.files), host.policy, host.image_keys)
    problems = examine_staging(
        before, target.version, host.policy, privileged=host.privileged, ignore=ignore, image=image
    )
    yield host.reach(Point.CHECKED, before)
    if why := context.unsettled(before.key) or stopped_by(problems):
        return _refused(context, target, request, why, problems)
    context.control.require_wanted()
    activation = history.begin(RowKind.STAGING, before.key, row_bodies.staging(target, request, host.actor))
    caught: Exception | KeyboardInterrupt | None = None
    try:
        yield host.reach(Point.INTENDED, before)
        yield Begun(before)
        context.control.require_wanted()
        begin = partial(provider.stage, before.id, target.package)
        claim, seconds = yield from ask(
            begin, before, control=context.control, clock=host.clock, mishaps=mishaps, reach=host.reach
        )
    except (Exception, KeyboardInterrupt) as error:
        result, caught = not_asked(before, error), error
    else:
        yield host.reach(Point.ANSWERED, before)
        result = _judged(target, claim, mishaps)._replace(seconds=seconds)
        yield host.reach(Point.JUDGED, before)
    row = history.end(
        RowKind.STAGING,
        activation,
        before.key,
        lambda: row_bodies.staged(result, mishaps.found),
        mishaps,
        seen=not (result.claim and result.claim.at_work),
    )
    yield host.reach(Point.RECORDED, before)
    history.announce(RowKind.STAGED, result, row, mishaps)
    yield host.reach(Point.ANNOUNCED, before)
    if isinstance(caught, KeyboardInterrupt | Interrupted):
        raise Interrupted("interrupted; nothing was handed over") from caught
    if caught:
        raise caught
    return Attempt(result, problems, None, (), row, mishaps.found)


def _refused(
    context: Context, target: StagingTarget, request: StagingRequest, why: Reason, problems: tuple[Problem, ...]
) -> Attempt:
    """Record a refusal; nothing is handed over."""
    host, history, mishaps = context.host, context.history, Mishaps(target.component.word)
    key = target.component.key
    result = Result(target.component, Outcome.REFUSED, why.about(target.component.word))
    row = history.note(
        RowKind.STAGED, key, lambda: row_bodies.staging_refused(target, request, host.actor, result, problems), mishaps
    )
    history.announce(RowKind.STAGED, result, row, mishaps)
    return Attempt(result, problems, None, (), row, mishaps.found)


def _other_waits(target: StagingTarget, after: Component) -> Reason | None:
    """Why the image of a linked component is not what waits in band; None if it is, or they cannot be compared."""
    waits = after.pending_version
    if not (after.linked and target.version and waits and waits.reliable):
        return None
    if compare(of_image(target.version.text, after), of_image(waits.text, after)) in (0, None):
        return None
    return _OTHER_WAITS.fill(pending=waits.text, expected=target.version.text)


def _judged(target: StagingTarget, claim: Claim, mishaps: Mishaps) -> Result:
    """The outcome. An image that was accepted has to be pending; otherwise the mechanism contradicts itself."""
    before, outcome, why = target.component, _OUTCOMES[claim.reply], claim.reason or _STAGED
    if claim.at_work:
        return Result(before, outcome, why.about(before.word), None, claim)
    after, readable = inspect_noting(partial(target.provider.inspect, before.id), mishaps)
    if outcome is Outcome.STAGED and not readable:
        outcome, why = Outcome.UNKNOWN, _NOT_SEEN
    elif outcome is Outcome.STAGED and after is None:
        outcome, why = Outcome.UNKNOWN, VANISHED
    elif outcome is Outcome.STAGED and after and after.pending is False:
        outcome, why = _NOT_PENDING
    elif outcome is Outcome.STAGED and after and (other := _other_waits(target, after)):
        outcome, why = Outcome.UNKNOWN, other
    return Result(before, outcome, why.about(before.word), after, claim)
