# SPDX-License-Identifier: Apache-2.0
"""The modelled BMC in the clothes of a vendor: what its service root, UpdateService and members show and take."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from livefw.machine.bmc import form
from livefw.machine.bmc.documents import SERVICE
from livefw.machine.bmc.firmware import INVENTORY, Firmware, Pattern
from livefw.machine.bmc.reply import WebReply
from livefw.machine.bmc.web import Web

from .conftest import Bench

OCTETS = f"{SERVICE}/update"
CONCURRENT = f"{SERVICE}/Actions/Oem/OemUpdateService.ConcurrentUpdate"
Overlay = Mapping[str, Any]
"""What a resource shows besides; None removes a property."""


class Dress(NamedTuple):
    """``slots`` is whether members show NVIDIA's, ``deaf`` whether a PATCH is accepted and ignored."""

    service: Overlay = MappingProxyType({})
    root: Overlay = MappingProxyType({})
    member: Overlay = MappingProxyType({})
    slots: bool = False
    deaf: bool = False


class Dressed:
    """A `Web` whose requests go through a dress. ``wanted`` are the parameters of each push, ``set`` each PATCH."""

    def __init__(self, web: Web, dress: Dress) -> None:
        self._web = web
        self._dress = dress
        self._handle = web.handle
        self._service: dict[str, Any] = dict(dress.service)
        self.wanted: list[dict[str, Any]] = []
        self.set: list[dict[str, Any]] = []
        web.handle = self.handle  # type: ignore[method-assign]

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> WebReply:
        place = path.rstrip("/")
        if method == "PATCH" and place == SERVICE:
            return self._set(path, body, headers)
        if method == "POST" and place in (OCTETS, CONCURRENT):
            return self._push(place, body)
        if method == "POST" and place.endswith("/update-multipart"):
            return self._form(headers, body)
        reply = self._handle(method, path, headers, body)
        if method != "GET" or reply.status != 200:
            return reply
        document = json.loads(reply.body)
        if place in ("/redfish/v1", SERVICE):
            over = self._service if place == SERVICE else self._dress.root
            document = {name: each for name, each in (document | dict(over)).items() if each is not None}
        elif place.startswith(f"{INVENTORY}/"):
            document |= dict(self._dress.member)
            if self._dress.slots:
                document["Oem"] = {"Nvidia": self._slots(place)} | dict(self._dress.member.get("Oem", {}))
        return reply._replace(body=json.dumps(document).encode())

    def _slots(self, place: str) -> dict[str, Any]:
        firmware = self._firmware(place)
        inactive = {"SlotId": 1, "FirmwareState": "Staged" if firmware.staged else "Inactive"}
        return {
            "ActiveFirmwareSlot": {"SlotId": 0, "FirmwareState": "Activated", "Version": firmware.running},
            "InactiveFirmwareSlot": inactive | {"Version": firmware.staged or firmware.other},
        }

    def _firmware(self, place: str) -> Firmware:
        return next(each for each in self._web.model.firmware if place in each.uris())

    def _set(self, path: str, body: bytes, headers: Mapping[str, str]) -> WebReply:
        self._web.log.append(("PATCH", path, body))
        etag = self._service.get("@odata.etag")
        if etag and headers.get("if-match") != etag:
            return WebReply(412, {}, b"")
        wanted = json.loads(body)
        self.set.append(wanted)
        if not self._dress.deaf:
            self._service |= wanted
        return WebReply(204, {}, b"")

    def _push(self, place: str, image: bytes) -> WebReply:
        self._web.log.append(("POST", place, image))
        time = self._service.get("HttpPushUriOptions", {}).get("HttpPushUriApplyTime", {}).get("ApplyTime")
        parameters = {"Targets": self._service.get("HttpPushUriTargets") or None}
        parameters |= {"@Redfish.OperationApplyTime": time} if time else {}
        return self._taken(image, parameters, place)

    def _form(self, headers: Mapping[str, str], body: bytes) -> WebReply:
        parts = form.parts(headers.get("content-type", ""), body)
        self._web.log.append(("POST", f"{SERVICE}/update-multipart", body))
        wanted = json.loads(bytes(parts["UpdateParameters"]))
        return self._taken(bytes(parts["UpdateFile"]), wanted, f"{SERVICE}/update-multipart")

    def _taken(self, image: bytes, parameters: dict[str, Any], place: str) -> WebReply:
        self.wanted.append(parameters)
        option = parameters.get("Oem", {}).get("Nvidia", {}).get("UpdateOption")
        stage = {"Stage": True} if option == "StageOnly" else {}
        task = self._web.model.update(image, parameters | stage, place)
        monitor = f"/redfish/v1/TaskService/TaskMonitors/{task.number}"
        return WebReply(202, {"Location": monitor}, json.dumps(task.document()).encode())


def dressed(dress: Dress, *firmware: Firmware, pattern: Pattern = Pattern.IMMEDIATE, settings: str = "") -> Bench:
    """A BMC, and the product looking at it; its `Dressed` is the ``dress`` of the bench."""
    more = {"firmware": list(firmware)} if firmware else {}
    bench = Bench("no-measurements", "one-bank", pattern=pattern, settings=settings, **more)
    bench.dress = Dressed(bench.web, dress)  # type: ignore[attr-defined]
    return bench
