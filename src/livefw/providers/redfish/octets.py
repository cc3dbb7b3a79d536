# SPDX-License-Identifier: Apache-2.0
"""Target and apply time of a push to ``HttpPushUri``: properties that all clients of a BMC share.

They are set before the push, together with the flags that tell other clients that they are in use, read again, and
given back after it (UpdateService 1.4 to 1.14; as fwupd does, plugins/redfish/fu-redfish-legacy-device.c).
"""

from contextlib import suppress
from typing import Any

from livefw.providers.component import Reason
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.delivery import ImageDelivery
from livefw.providers.redfish.exchange import ExchangeError
from livefw.providers.redfish.resources import OctetPush, UpdateService
from livefw.providers.redfish.vendors.vendor import Body, at

BUSY = Reason("busy", "another client has reserved HttpPushUri of this BMC", "try again when its update is done")
_NOT_SET = Reason("not-prepared", "the BMC did not take the {what} of the push ({status}); no image was sent")
_TIME = ("HttpPushUriOptions", "HttpPushUriApplyTime", "ApplyTime")


class OctetReservation:
    """The properties of one push, from `reserve` to `release`."""

    def __init__(self, client: RedfishClient, service: UpdateService, delivery: ImageDelivery, target: str) -> None:
        self._client = client
        self._service = service
        self._delivery = delivery
        self._target = target
        self._taken = False

    def reserve(self) -> Reason | None:
        """Set them; why they could not be set, in which case no image may be sent."""
        offered = self._service.octets
        if offered is None:
            return None
        wanted = _wanted(offered, self._target, self._delivery.apply_time)
        if not wanted:
            return None
        self._taken = True
        answer = self._client.patch(self._service.uri, wanted, self._service.etag)
        if not answer.good:
            return _NOT_SET.fill(what="target and apply time", status=answer.status)
        now = self._client.resource(self._service.uri)
        if self._delivery.apply_time and at(now, _TIME) != self._delivery.apply_time:
            return _NOT_SET.fill(what="apply time", status=answer.status)
        if offered.targets and now.get("HttpPushUriTargets") != [self._target]:
            return _NOT_SET.fill(what="target", status=answer.status)
        return None

    def release(self) -> None:
        """Give them back, if that can be done."""
        offered = self._service.octets
        if not self._taken or offered is None:
            return
        with suppress(ExchangeError):
            now = self._client.get(self._service.uri).body.get("@odata.etag")
            before = _before(offered, self._delivery.apply_time)
            self._client.patch(self._service.uri, before, now if isinstance(now, str) else "")


def _wanted(offered: OctetPush, target: str, apply_time: str) -> dict[str, Any]:
    found: dict[str, Any] = {"HttpPushUriTargets": [target]} if offered.targets else {}
    found |= {"HttpPushUriTargetsBusy": True} if offered.targets and offered.reserves_targets else {}
    found |= _applied(apply_time)
    return found | ({"HttpPushUriOptionsBusy": True} if apply_time and offered.reserves_options else {})


def _before(offered: OctetPush, apply_time: str) -> dict[str, Any]:
    found: dict[str, Any] = {"HttpPushUriTargets": []} if offered.targets else {}
    found |= {"HttpPushUriTargetsBusy": False} if offered.targets and offered.reserves_targets else {}
    found |= _applied(offered.apply_time or "") if apply_time else {}
    return found | ({"HttpPushUriOptionsBusy": False} if apply_time and offered.reserves_options else {})


def _applied(time: str) -> Body:
    return {"HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": time}}} if time else {}
