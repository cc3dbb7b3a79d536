# SPDX-License-Identifier: Apache-2.0
"""Requests to a BMC, each from the last look before it to its claim."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from livefw.clock import Clock
from livefw.providers.base import Claim, ImagePackage, Measured, Observer, Phase, Progress, Reason, Reply, Trust
from livefw.providers.redfish import (
    attest,
    components,
    delivery,
    handover,
    image_server,
    parts,
    service_state,
    tasks,
    trust,
    upload,
)
from livefw.providers.redfish.attest import Attestation
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.delivery import EffectTime, ImageDelivery, TransferWay
from livefw.providers.redfish.exchange import AWAY, AWAY_PAUSE_S, AWAY_S, ExchangeError, Response
from livefw.providers.redfish.octets import OctetReservation
from livefw.providers.redfish.parts import Part
from livefw.providers.redfish.registry import AWAITING
from livefw.providers.redfish.resources import Seen, UpdateService
from livefw.providers.redfish.settings import Bmc
from livefw.providers.redfish.tasks import TaskEnd, TaskOutcome
from livefw.providers.redfish.upload import FormField
from livefw.providers.steps import Operation, StepReport, Steps

Enter = Callable[[], RedfishClient]


class Place(NamedTuple):
    """What every request needs: which component of which BMC, how to get there and look at it, and who watches."""

    bmc: Bmc
    ident: str
    enter: Enter
    look: Callable[[RedfishClient], Seen]
    clock: Clock
    observer: Observer
    hold: Callable[[str], None]
    """Hears the task of an image that the BMC holds and does not show; empty when it no longer does."""


Asked = Generator[Operation | float, None, TaskOutcome]
"""The steps of a request that changes something, and how its task ended."""


class Asking(NamedTuple):
    """A request that changes something: what to call it, how to send it, and whether it is to hold an image."""

    text: str
    send: Callable[[], Response]
    staging: bool = False
    for_reset: bool = False
    service: UpdateService | None = None
    """The service that takes an image, which may be all that tells of an update."""


_REPLIES = {
    TaskEnd.DONE: Reply.ACCEPTED,
    TaskEnd.FAILED: Reply.FAILED,
    TaskEnd.CANCELLED: Reply.FAILED,
    TaskEnd.WAITS: Reply.FAILED,
    TaskEnd.REFUSED: Reply.DECLINED,
    TaskEnd.LOST: Reply.LOST,
}
_VANISHED = Reason("vanished", "the BMC no longer lists it", "livefw list")
_UNREAD = Reason("unread", "the BMC does not list it, and part of its inventory cannot be read", "try again later")
_UNSEEN = Reason("unseen", "it can no longer be read", "livefw list")
_STILL_WAITS = Reason(
    "still-waits", "the BMC reported success, but the image is still pending", "livefw show COMPONENT"
)
_OVERTAKEN = Reason("overtaken", "it is no longer pending, and may have been activated", "livefw show COMPONENT")
_NOT_WATCHED = Reason("not-watched", "detached; the request continues on the BMC", "livefw show COMPONENT")
_NOT_ASKED = Reason("given-up", "stopped before a request was sent to the BMC")
_HINT = "see livefw show COMPONENT and the BMC's log before trying again"


_LOST = Claim(Reply.LOST, trust=Trust.DOUBTFUL, log_of="the BMC", at_work=True)


class RedfishJob:
    """One request. Subclasses say what to do once the BMC is there."""

    def __init__(self, place: Place) -> None:
        self.touched = False
        self._place = place
        self._client: RedfishClient | None = None

    def steps(self) -> Steps:
        """See `livefw.providers.steps.Work`."""
        try:
            self._client = self._place.enter()
            seen = self._place.look(self._client)
            part = self._part(seen)
            if part is None:
                return Claim(Reply.REFUSED, reason=_UNREAD if seen.unread else _VANISHED)
            return (yield from self._work(self._client, part, seen))
        except ExchangeError as error:
            lost = self.touched and error.sent
            reason = error.reason._replace(hint=_HINT if lost else "")
            return _LOST._replace(reason=reason) if lost else Claim(Reply.REFUSED, reason=reason)
        finally:
            if self._client is not None:
                self._client.close()

    def abandoned(self) -> Claim:
        """See `livefw.providers.steps.Work`."""
        if self.touched:
            return _LOST._replace(reason=_NOT_WATCHED)
        return Claim(Reply.REFUSED, reason=_NOT_ASKED)

    def _work(self, client: RedfishClient, part: Part, seen: Seen) -> Steps:
        raise NotImplementedError

    def _part(self, seen: Seen) -> Part | None:
        return parts.find(seen, self._place.ident)

    def _ask(self, client: RedfishClient, part: Part, request: Asking) -> Asked:
        """One request that changes something, and its task until the end.

        One that is turned away because the session had ended is made once more, if everything is still as it was.
        """
        place = self._place
        yield StepReport(place.observer, Progress(Phase.RUNNING, request.text))  # an upload may take minutes
        self.touched = True
        try:
            answer = request.send()
        except ExchangeError as error:
            if not error.sent:
                raise
            return TaskOutcome(TaskEnd.LOST, error.reason._replace(hint=_HINT), goes_on=True, bare=True)
        if answer.status == 401:
            try:
                if client.renew() and self._part(place.look(client)) == part:
                    answer = request.send()
            except ExchangeError:
                return TaskOutcome(TaskEnd.LOST, tasks.LOCKED_OUT, goes_on=True, bare=True)
        table = request.service.vendor.update_state if request.service else None
        if request.service and table and answer.good and not tasks.has_task(answer):
            uri, watch = request.service.uri, place.observer
            return (
                yield from service_state.follow(
                    client, uri, table, clock=place.clock, observer=watch, patience=place.bmc.patience
                )
            )
        return (
            yield from tasks.follow(
                client,
                answer,
                clock=place.clock,
                observer=place.observer,
                patience=place.bmc.patience,
                staging=request.staging,
                for_reset=request.for_reset,
            )
        )

    def _again(self, client: RedfishClient) -> Generator[float, None, Part | None]:
        """The component as it is now, once the BMC can be read; None if it cannot be, or is not listed."""
        place = self._place
        until = place.clock.now() + AWAY_S
        while True:
            try:
                seen = place.look(client)
            except ExchangeError as error:
                if error.code not in AWAY or place.clock.now() >= until:
                    return None
                place.observer(Progress(Phase.SETTLING, f"the BMC cannot be read now: {error.text}"))
            else:
                part = self._part(seen)
                if part and _waits(part):
                    return part
                hidden = components.hidden(part, seen)
                if not hidden:
                    return part
                if place.clock.now() >= until or not any(each.passes for each in hidden):
                    return None  # what is not shown may be what waits
            yield AWAY_PAUSE_S

    def _measured(
        self,
        client: RedfishClient,
        part: Part,
        outcome: TaskOutcome,
        before: "SpdmMeasurement",
        *,
        queued: bool = False,
    ) -> Generator[Operation | float, None, Claim]:
        """The claim after an activation, with a measurement to compare with the one before."""
        claim = _claim(outcome, queued=queued)
        if outcome.bare and outcome.goes_on:
            # The answer was lost. Once the BMC has visibly obeyed, there is no more to wait for.
            after = yield from self._again(client)
            claim = claim._replace(at_work=after is None or after == part)
        if claim.at_work:
            return claim
        told = attest.compare(before.taken, self._attest(client, before.action).taken)
        # Where the result is unknown, it may have been measured too early.
        early = claim.reply is Reply.LOST and told.measured is Measured.UNCHANGED
        measured = Measured.NOT if early else told.measured
        return claim._replace(measured=measured, log=(*claim.log, *filter(None, [told.text])))

    def _attest(self, client: RedfishClient, action: str | None) -> "SpdmMeasurement":
        return SpdmMeasurement(action, attest.attest(client, action) if action else None)


class SpdmMeasurement(NamedTuple):
    """A measurement, and the action that takes another; None for both if there is none."""

    action: str | None
    taken: Attestation | None


def _claim(outcome: TaskOutcome, *, queued: bool) -> Claim:
    """All that is known from the answer; a BMC's word alone proves nothing."""
    worth = trust.word(outcome, queued=queued)
    return Claim(
        _REPLIES[outcome.end],
        trust=Trust.DOUBTFUL,
        trust_reason=worth.text,
        firmware_code=outcome.code if outcome.end is not TaskEnd.DONE else None,
        reason=outcome.reason,
        log=outcome.log,
        log_of="the BMC",
        at_work=outcome.goes_on,
        warning=f"the BMC warns: {outcome.warning}" if outcome.warning else "",
    )


class ActivateJob(RedfishJob):
    """Activate what is staged, with a measurement before and after where there is one."""

    def _work(self, client: RedfishClient, part: Part, seen: Seen) -> Steps:
        against, way = components.reasons(part, seen, self._place.bmc), components.way(part, seen)
        if against or way is None:
            return Claim(Reply.REFUSED, reason=against[0] if against else _VANISHED)
        before = self._attest(client, components.attesting(part, seen))
        request = Asking(way.name, lambda: client.post(way.uri, way.body))
        outcome = yield from self._ask(client, part, request)
        if outcome.end is not TaskEnd.REFUSED:
            self._place.hold("")
        return (yield from self._measured(client, part, outcome, before, queued=part.staged is None))


class CancelJob(RedfishJob):
    """Take a staged image, or a queued task, out of the way of activation."""

    def _work(self, client: RedfishClient, part: Part, seen: Seen) -> Steps:
        del seen
        staged = part.staged
        if staged and (uri := staged.cancel):
            request = Asking("SoftwareInventory.Cancel", lambda: client.post(uri, {}))
            return (yield from self._cancel(client, part, request))
        for task in part.queued:
            if monitor := task.monitor:
                request = Asking("DELETE of the task", partial(client.delete, monitor))
                return (yield from self._cancel(client, part, request))
        return Claim(Reply.REFUSED, reason=_NO_CANCEL if staged or part.queued else _NOTHING_STAGED)

    def _cancel(self, client: RedfishClient, part: Part, request: Asking) -> Steps:
        """Ask, and look whether the image still waits, whatever the answer says."""
        claim = _claim((yield from self._ask(client, part, request)), queued=part.staged is None)
        after = yield from self._again(client)
        accepted = claim.reply is Reply.ACCEPTED
        if after is None:
            return claim._replace(reply=Reply.LOST, reason=_UNSEEN) if accepted else claim
        gone = bool(_waits(part) - _waits(after))
        if _version(after) != _version(part) or (gone and not accepted):
            return claim._replace(reply=Reply.LOST, reason=_OVERTAKEN, at_work=False)
        if gone:
            return claim._replace(trust=Trust.FULL, trust_reason="")
        return claim._replace(reply=Reply.FAILED, reason=_STILL_WAITS) if accepted else claim


def _version(part: Part) -> tuple[str, str | None] | None:
    """What runs for certain: a service without ``Active`` may show what it has received."""
    running = part.running
    return (running.uri, running.version) if running and running.active else None


def _shown(part: Part) -> frozenset[tuple[str, str | None]]:
    """Every version that is shown, whether it runs for certain or not."""
    return frozenset((image.uri, image.version) for image in part.images)


def _waits(part: Part) -> frozenset[tuple[str, str | None]]:
    """All that waits of a component: staged images with their versions, and queued tasks."""
    staged = {(image.uri, image.staged_version or image.version) for image in part.images if image.staged}
    return frozenset(staged | {(task.uri, None) for task in part.queued})


_NO_CANCEL = Reason("no-cancel", "the BMC does not support cancelling it")
_NOTHING_STAGED = Reason("nothing-staged", "nothing is staged")
_NOT_STAGED = Reason("not-staged", "the BMC reported success, but lists no staged image")
_NOT_HELD = Reason(
    "not-held", "the BMC did not keep the image pending: a different version is running now", "livefw show COMPONENT"
)
_STAGED_ALL_THE_SAME = Reason(
    "staged-otherwise", "the BMC reported a failure, but lists a new staged image", "livefw show COMPONENT"
)


_INSTALLED = Reason("already-installed", "the BMC skipped it: this version is installed already")
_SAME = "UpdateSkippedSameVersion"


class StageJob(RedfishJob):
    """Hand an image over so that it waits for its activation, by the best way that the BMC has."""

    def __init__(self, place: Place, package: ImagePackage) -> None:
        super().__init__(place)
        self._package = package

    effects: tuple[EffectTime, ...] = (EffectTime.ACTIVATION, EffectTime.RESET)
    """What a staging may choose: never that the image takes effect at once."""

    def _work(self, client: RedfishClient, part: Part, seen: Seen) -> Steps:
        chosen = self._choose(part, seen)
        if isinstance(chosen, Reason):
            return Claim(Reply.REFUSED, reason=chosen)
        outcome = yield from self._hand_over(client, part, seen, chosen)
        if isinstance(outcome, Reason):
            return Claim(Reply.REFUSED, reason=outcome)
        claim = _claim(outcome, queued=False)
        if outcome.goes_on and not outcome.bare:
            return claim  # there is a task, and it is still at it
        held = outcome.task if chosen.name == delivery.START and _is_silent_end(outcome) else ""
        if held:
            self._place.hold(held)
        after = yield from self._again(client)
        if held and after and _shown(after) != _shown(part):
            self._place.hold("")  # it was not held for certain: another version is shown already
            after = after._replace(queued=tuple(each for each in after.queued if each.uri != held))
        proved = _proved(part, after, outcome, claim, for_reset=chosen.effect is EffectTime.RESET)
        if held and after and proved.reply is Reply.ACCEPTED and (held, None) in _waits(after):
            return proved._replace(holds=held, trust=Trust.DOUBTFUL, trust_reason=_ONLY_HELD)
        return proved

    def _protocol(self, uri: str) -> dict[str, str]:
        """How to fetch what is served here; a URI of somebody else's says it itself."""
        return {} if self._package.uri else {"TransferProtocol": uri.partition("://")[0].upper()}

    def _choose(self, part: Part, seen: Seen) -> ImageDelivery | Reason:
        """How to hand the image over, or why it must not be."""
        bmc = self._place.bmc
        chosen = delivery.best(part, seen, *self.effects, ways=handover.ways_for(self._package, bmc))
        return handover.objection(part, seen, bmc, self._package, chosen) or chosen or handover.NO_STAGING

    def _hand_over(
        self, client: RedfishClient, part: Part, seen: Seen, chosen: ImageDelivery
    ) -> Generator[Operation | float, None, TaskOutcome | Reason]:
        """Hand it over, and follow its task to the end; a reason if nothing was sent."""
        target = delivery.target(part, seen)
        reservation = OctetReservation(client, seen.service, chosen, target)
        serving = ExitStack()
        try:
            uri = self._package.uri
            if chosen.way is TransferWay.PULL and not uri:
                uri = serving.enter_context(image_server.served(self._package, self._place.bmc))
            if chosen.way is TransferWay.OCTETS and (against := reservation.reserve()):
                return against
            send = partial(self._send, client, chosen, target, uri)
            for_reset = chosen.effect is EffectTime.RESET
            staging = chosen.effect is not EffectTime.AT_ONCE
            return (yield from self._ask(client, part, Asking(chosen.way, send, staging, for_reset, seen.service)))
        finally:
            serving.close()
            reservation.release()

    def _send(self, client: RedfishClient, chosen: ImageDelivery, target: str, uri: str) -> Response:
        package, parameters = self._package, {"Targets": [target], **chosen.parameters}
        if chosen.way is TransferWay.PULL:
            return client.post(chosen.uri, {"ImageURI": uri, **self._protocol(uri), **parameters})
        if chosen.way is TransferWay.OCTETS:
            return client.push(chosen.uri, upload.raw(package))
        return client.push(
            chosen.uri, upload.form(package, FormField("UpdateParameters", json.dumps(parameters).encode()))
        )


class InstallJob(StageJob):
    """Hand an image over that takes effect at once, with a measurement before and after where there is one."""

    effects = (EffectTime.AT_ONCE,)

    def _work(self, client: RedfishClient, part: Part, seen: Seen) -> Steps:
        against = handover.reasons(part, seen, self._place.bmc, self._package)
        chosen = against[0] if against else self._choose(part, seen)
        if isinstance(chosen, Reason):
            return Claim(Reply.REFUSED, reason=chosen)
        before = self._attest(client, components.attesting(part, seen))
        outcome = yield from self._hand_over(client, part, seen, chosen)
        if isinstance(outcome, Reason):
            return Claim(Reply.REFUSED, reason=outcome)
        return (yield from self._measured(client, part, outcome, before))


_ONLY_HELD = "the BMC has verified the image and does not show that it waits; livefw knows that from its history"


def _is_silent_end(outcome: TaskOutcome) -> bool:
    """Whether a task has ended well that does not say of itself that something waits: Supermicro verifies so."""
    return outcome.end is TaskEnd.DONE and AWAITING.isdisjoint(outcome.told)


_FOR_RESET = Reason("staged-for-reset", "it takes effect with the next reset of the host", "schedule a reset")


def _proved(before: Part, after: Part | None, outcome: TaskOutcome, claim: Claim, *, for_reset: bool) -> Claim:
    """What the inventory adds to the answer: neither a success nor a failure that was reported proves anything."""
    done = outcome.end is TaskEnd.DONE or not AWAITING.isdisjoint(outcome.told)
    if for_reset and outcome.end is TaskEnd.WAITS and after and _version(after) == _version(before):
        # A task that waits for the reset is all that most BMCs show of it.
        return claim._replace(reply=Reply.ACCEPTED, reason=_FOR_RESET, trust_reason="")
    if after is None:
        return claim._replace(reply=Reply.LOST, reason=_UNSEEN) if done else claim
    came = _waits(after) - _waits(before)
    if not came and _version(after) != _version(before):
        return claim._replace(reply=Reply.LOST, reason=_NOT_HELD, at_work=False)
    if done and not _waits(after) and outcome.end is not TaskEnd.LOST:
        # Unless it says what runs, it may have installed the image at once.
        return claim._replace(reply=Reply.FAILED if _version(after) else Reply.LOST, reason=claim.reason or _NOT_STAGED)
    if (done and _waits(after)) or (came and outcome.end not in (TaskEnd.FAILED, TaskEnd.CANCELLED)):
        seen = claim._replace(trust=Trust.FULL, trust_reason="")
        return seen._replace(reply=Reply.ACCEPTED, reason=None, at_work=False)
    if not came and _version(after) and outcome.code == _SAME and outcome.end in (TaskEnd.FAILED, TaskEnd.REFUSED):
        return claim._replace(reply=Reply.REFUSED, reason=_INSTALLED)
    if came:
        return claim._replace(reply=Reply.LOST, reason=_STAGED_ALL_THE_SAME)
    return claim
