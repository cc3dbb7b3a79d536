# SPDX-License-Identifier: Apache-2.0
"""Requests to a BMC, each from the last look before it to its claim."""

import json
from collections.abc import Callable, Generator
from typing import NamedTuple

from livefw.providers.base import Claim, Clock, Observer, Package, Phase, Progress, Reason, Said, Trust, Witness
from livefw.providers.redfish import attest, components, tasks
from livefw.providers.redfish.attest import Attestation
from livefw.providers.redfish.client import Client
from livefw.providers.redfish.components import Part
from livefw.providers.redfish.exchange import Answer, ExchangeError
from livefw.providers.redfish.resources import Seen, look
from livefw.providers.redfish.settings import Bmc
from livefw.providers.redfish.tasks import End, Outcome
from livefw.providers.steps import Steps

Enter = Callable[[], Client]


class Place(NamedTuple):
    """What every request needs: which component of which BMC, how to get there, and who watches."""

    bmc: Bmc
    ident: str
    enter: Enter
    clock: Clock
    observer: Observer


_SAID = {
    End.DONE: Said.ACCEPTED,
    End.FAILED: Said.FAILED,
    End.CANCELLED: Said.FAILED,
    End.WAITS: Said.FAILED,
    End.REFUSED: Said.REFUSED,
    End.LOST: Said.LOST,
}
_VANISHED = Reason("vanished", "the BMC does not list it any more", "livefw list")
_NOT_WATCHED = Reason("not-watched", "nobody watches any more; the BMC goes on by itself", "livefw show")
_NOT_ASKED = Reason("given-up", "given up before anything was asked of the BMC")
_HINT = "livefw show, and the BMC's own log; do not repeat it blindly"


class Job:
    """One request. Subclasses say what to do once the BMC is there."""

    def __init__(self, place: Place) -> None:
        self.touched = False
        self._place = place
        self._client: Client | None = None

    def steps(self) -> Steps:
        """See `livefw.providers.steps.Work`."""
        try:
            self._client = self._place.enter()
            seen = look(self._client)
            part = next((each for each in components.parts(seen) if each.ident == self._place.ident), None)
            if part is None:
                return Claim(Said.REFUSED, reason=_VANISHED)
            return (yield from self._work(self._client, part, seen))
        except ExchangeError as error:
            lost = self.touched and error.sent
            reason = Reason(error.code, error.text, _HINT if lost else "")
            return Claim(Said.LOST if lost else Said.REFUSED, reason=reason, at_work=lost)
        finally:
            if self._client is not None:
                self._client.close()

    def abandoned(self) -> Claim:
        """See `livefw.providers.steps.Work`."""
        if self.touched:
            return Claim(Said.LOST, reason=_NOT_WATCHED, at_work=True)
        return Claim(Said.REFUSED, reason=_NOT_ASKED)

    def _work(self, client: Client, part: Part, seen: Seen) -> Steps:
        raise NotImplementedError

    def _ask(self, client: Client, text: str, send: Callable[[], Answer]) -> Generator[float, None, Outcome]:
        """One request that changes something, and its task until the end."""
        self._place.observer(Progress(Phase.RUNNING, text))
        self.touched = True
        answer = send()
        place = self._place
        return (
            yield from tasks.follow(
                client, answer, clock=place.clock, observer=place.observer, patience=place.bmc.patience
            )
        )


def _claim(outcome: Outcome) -> Claim:
    return Claim(
        _SAID[outcome.end],
        witness=Witness.MAY_GO_ON if outcome.end is End.FAILED and outcome.code is None else Witness.NONE,
        firmware_code=outcome.code if outcome.end is not End.DONE else None,
        reason=outcome.reason,
        log=outcome.log,
        log_of="the BMC",
        at_work=outcome.end is End.LOST,
    )


class Activate(Job):
    """Activate what is staged, with a measurement before and after where there is one."""

    def _work(self, client: Client, part: Part, seen: Seen) -> Steps:
        way = components.way(part, seen)
        if against := components.reasons(part, seen, self._place.bmc):
            return Claim(Said.REFUSED, reason=against[0])
        if way is None:
            return Claim(Said.REFUSED, reason=_VANISHED)
        action = components.attesting(part, seen)
        before = self._attest(client, action)
        outcome = yield from self._ask(client, way.name, lambda: client.post(way.uri, way.body))
        claim = _claim(outcome)
        if outcome.end is not End.DONE:
            return claim
        told = attest.compare(before, self._attest(client, action))
        if told.changed is None:
            return claim._replace(log=(*claim.log, *filter(None, [told.text])))
        return claim._replace(
            witness=Witness.SUCCEEDED if told.changed else Witness.NONE,
            trust=Trust.FULL if told.changed else Trust.DOUBTFUL,
            trust_reason="" if told.changed else told.text,
            log=(*claim.log, told.text),
        )

    def _attest(self, client: Client, action: str | None) -> Attestation | None:
        return attest.attest(client, action) if action else None


class Cancel(Job):
    """Take a staged image, or a queued task, out of the way of activation."""

    def _work(self, client: Client, part: Part, seen: Seen) -> Steps:
        del seen
        staged = part.staged
        if staged and (uri := staged.cancel):
            return _claim((yield from self._ask(client, "SoftwareInventory.Cancel", lambda: client.post(uri, {}))))
        for task in part.queued:
            if monitor := task.monitor:
                return _claim((yield from self._ask(client, "DELETE of the task", lambda: client.delete(monitor))))
        code = "no-cancel" if staged or part.queued else "nothing-staged"
        text = "the BMC offers no way to cancel it" if staged or part.queued else "nothing is staged"
        return Claim(Said.REFUSED, reason=Reason(code, text))


_NO_STAGING = Reason("no-staging", "the BMC can only install an image at once, and not hold it until it is wanted")


class Stage(Job):
    """Hand an image over so that it waits for its activation, by the best way that the BMC has."""

    def __init__(self, place: Place, package: Package) -> None:
        super().__init__(place)
        self._package = package

    def _work(self, client: Client, part: Part, seen: Seen) -> Steps:
        if against := self._objection(part, seen):
            return Claim(Said.REFUSED, reason=against)
        if not (wish := _wish(part, seen)):
            return Claim(Said.REFUSED, reason=_NO_STAGING)
        target = _target(part, seen)
        if self._package.uri:
            uri = seen.service.simple or ""
            body = {"ImageURI": self._package.uri, "Targets": [target], **wish}
            outcome = yield from self._ask(client, "SimpleUpdate", lambda: client.post(uri, body))
        else:
            form = json.dumps({"Targets": [target], **wish}).encode()
            parts = [
                ("UpdateParameters", (None, form, "application/json")),
                ("UpdateFile", (self._package.name, self._package.data, "application/octet-stream")),
            ]
            push = seen.service.push or ""
            outcome = yield from self._ask(client, "multipart push", lambda: client.push(push, parts))
        claim = _claim(outcome)
        if outcome.end is End.DONE or "AwaitToUpdate" in outcome.log or "AwaitToActivate" in outcome.log:
            return self._proved(client, claim)
        return claim

    def _proved(self, client: Client, claim: Claim) -> Claim:
        """A task that completed proves nothing: look whether it is there."""
        part = next((each for each in components.parts(look(client)) if each.ident == self._place.ident), None)
        if part and (part.staged or part.queued):
            return claim._replace(said=Said.ACCEPTED, reason=None)
        reason = Reason("not-staged", "the BMC reported success, and lists no staged image")
        return claim._replace(said=Said.FAILED, reason=claim.reason or reason)

    def _objection(self, part: Part, seen: Seen) -> Reason | None:
        service, size = seen.service, len(self._package.data)
        offered = service.simple if self._package.uri else service.push
        capable = service.staging if service.staging is not None else service.targets
        if service.enabled is False:
            return Reason("service-disabled", "the update service of this BMC is switched off")
        if offered is None:
            return Reason(
                "no-transfer", f"the BMC offers no {'SimpleUpdate' if self._package.uri else 'multipart push'}"
            )
        if service.most_bytes is not None and size > service.most_bytes:
            return Reason("too-large", f"the image has {size} bytes, and the BMC takes {service.most_bytes}")
        if any(image.updateable is False for image in part.images) or any(image.protected for image in part.images):
            return Reason("not-updateable", "the BMC does not let it be updated")
        if capable is not None and not part.uris & capable:
            return Reason("not-stageable", "the BMC does not list it among what can be staged")
        return None


def _target(part: Part, seen: Seen) -> str:
    """The member to name: the one that may be staged, or else the one that does not run."""
    capable = seen.service.staging or part.uris
    listed = [image for image in part.images if image.uri in capable] or list(part.images)
    return next((image.uri for image in listed if not image.active), listed[0].uri)


def _wish(part: Part, seen: Seen) -> dict[str, object]:
    """How to say that the image is to wait; empty if there is no way to say it.

    A service that has an action to activate knows ``Stage`` (both came with 2025.2); one that has StartUpdate knows
    ``OnStartUpdateRequest``. To one that has neither nothing is sent: it would ignore what it does not know, and begin.
    """
    if seen.service.activate or any(image.activate for image in part.images):
        return {"Stage": True}
    if seen.service.start:
        return {"@Redfish.OperationApplyTime": "OnStartUpdateRequest"}
    return {}
