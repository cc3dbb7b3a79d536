# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC in the shape of a vendor's: what any client finds there. The sources are in each vendor's table."""

import json
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.documents import ROOT, SERVICE, TASKS
from livefw.machine.bmc.faults import FAULTS
from livefw.machine.bmc.firmware import INVENTORY
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.vendors.table import SHAPES
from livefw.machine.bmc.web import Web
from livefw.providers.fake import FakeClock

from .test_bmc import ADMIN, WORD


class Bmc:
    """One with its own clock, and a client that finds its way by links alone."""

    def __init__(self, vendor: str, *faults: str) -> None:
        self.clock = FakeClock()
        self.model = Model(self.clock.now, shape=SHAPES[vendor], faults=faults)
        self.web = Web(self.model, {"admin": WORD})

    def get(self, path: str) -> Any:
        answer = self.web.handle("GET", path, ADMIN, b"")
        assert answer.status in (200, 202), (path, answer)
        return json.loads(answer.body)

    def push(self, parameters: dict[str, Any], image: bytes = b"version=9.9.9") -> tuple[int, Any]:
        """A multipart push, or SimpleUpdate where there is none; its status, and where to ask or the message."""
        service = self.get(SERVICE)
        place = service.get("MultipartHttpPushUri")
        if place is None:
            body = json.dumps(parameters | {"ImageURI": f"https://images.example/{image.decode()}"}).encode()
            return self._post(service["Actions"]["#UpdateService.SimpleUpdate"]["target"], body, {})
        parts = (("UpdateParameters", json.dumps(parameters).encode()), ("UpdateFile", image))
        body = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (n.encode(), c) for n, c in parts
        )
        return self._post(place, body + b"--b--\r\n", {"content-type": "multipart/form-data; boundary=b"})

    def start(self) -> tuple[int, Any]:
        return self._post(self.get(SERVICE)["Actions"]["#UpdateService.StartUpdate"]["target"], b"", {})

    def _post(self, place: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        answer = self.web.handle("POST", place, ADMIN | headers, body)
        told = json.loads(answer.body)
        return answer.status, answer.headers.get("Location") or told["error"]["code"]

    def pass_time(self) -> None:
        self.clock.sleep(10)
        self.model.advance()


class Look(NamedTuple):
    """A vendor, a resource, and where in it is what."""

    vendor: str
    place: str
    path: tuple[str | int, ...]
    value: object


_SOFTWARE = INVENTORY.rpartition("/")[2]
LOOKS = [
    Look("dell", ROOT, ("Vendor",), "Dell"),
    Look("dell", INVENTORY, ("Members", 1, "@odata.id"), f"{INVENTORY}/Installed-159-2.19.1__BIOS.Setup.1-1"),
    Look("dell", f"{ROOT}/Systems", ("Members", 0, "@odata.id"), f"{ROOT}/Systems/System.Embedded.1"),
    Look("dell", SERVICE, ("HttpPushUri",), INVENTORY),
    Look("hpe", ROOT, ("Vendor",), "HPE"),
    Look("hpe", f"{INVENTORY}/1", ("Name",), "iLO 5"),
    Look("hpe", SERVICE, ("HttpPushUri",), "/cgi-bin/uploadFile"),
    Look("hpe", SERVICE, ("Oem", "Hpe", "State"), "Idle"),
    Look("nvidia", f"{INVENTORY}/HGX_FW_GPU_0", ("Oem", "Nvidia", "ActiveFirmwareSlot", "FirmwareState"), "Activated"),
    Look(
        "nvidia",
        SERVICE,
        ("Oem", "Nvidia", "MultipartHttpPushUriOptions", "UpdateOptionSupport"),
        ["StageAndActivate", "StageOnly"],
    ),
    Look("nvidia", f"{ROOT}/ComponentIntegrity", ("Members@odata.count",), 1),
    Look("openbmc", f"{ROOT}/Managers", ("Members", 0, "@odata.id"), f"{ROOT}/Managers/bmc"),
    Look("openbmc", SERVICE, ("HttpPushUri",), f"{SERVICE}/update"),
    Look("supermicro", f"{INVENTORY}/BIOS", ("RelatedItem", 0, "@odata.id"), f"{ROOT}/Systems/1/Bios"),
    Look("supermicro", SERVICE, ("MultipartHttpPushUri",), f"{SERVICE}/upload"),
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.vendor} {look.place} {look.path[0]}")
def test_a_vendor_has_its_names_where_they_are(look: Look) -> None:
    found: Any = Bmc(look.vendor).get(look.place)
    for step in look.path:
        found = found[step]
    assert found == look.value


def test_a_member_of_dell_has_another_address_when_its_version_changes() -> None:
    bmc = Bmc("dell")
    first = bmc.get(INVENTORY)["Members"][0]["@odata.id"]
    status, monitor = bmc.push({"Targets": [first]})
    assert (status, monitor) == (202, f"{ROOT}/TaskService/TaskMonitors/JID_000000000001")
    bmc.pass_time()
    assert bmc.get(f"{TASKS}/JID_000000000001")["Messages"][-1]["MessageId"] == "IDRAC.2.8.RED001"
    assert bmc.get(INVENTORY)["Members"][0]["@odata.id"] == f"{INVENTORY}/Installed-25227-9.9.9__iDRAC.Embedded.1-1"
    assert bmc.web.handle("GET", first, ADMIN, b"").status == 404


def test_a_service_of_hpe_says_itself_how_an_update_goes() -> None:
    bmc = Bmc("hpe")
    assert bmc.push({"Targets": [f"{INVENTORY}/1"]})[0] == 200
    assert bmc.get(SERVICE)["Oem"]["Hpe"]["State"] == "Updating"
    bmc.pass_time()
    told = bmc.get(SERVICE)["Oem"]["Hpe"]
    assert (told["State"], told["FlashProgressPercent"]) == ("Complete", 100)
    assert bmc.get(f"{INVENTORY}/1")["Version"] == "9.9.9"
    assert bmc.get(TASKS)["Members"] == []


def test_a_service_of_hpe_says_that_an_update_failed() -> None:
    bmc = Bmc("hpe", "verify-fails")
    bmc.push({"Targets": [f"{INVENTORY}/1"]})
    bmc.pass_time()
    told = bmc.get(SERVICE)["Oem"]["Hpe"]
    assert (told["State"], told["Result"]["MessageId"]) == ("Error", "Update.1.2.VerificationFailed")


def test_nvidia_stages_by_an_option_and_activates_by_another_push() -> None:
    bmc, target = Bmc("nvidia"), f"{INVENTORY}/HGX_FW_GPU_0"
    bmc.push({"Targets": [target], "Oem": {"Nvidia": {"UpdateOption": "StageOnly"}}})
    bmc.pass_time()
    slots = bmc.get(target)["Oem"]["Nvidia"]
    assert slots["InactiveFirmwareSlot"] == {"FirmwareState": "Staged", "Version": "9.9.9"}
    assert slots["ActiveFirmwareSlot"]["Version"] == "97.0.1"
    bmc.push({"Targets": [target], "Oem": {"Nvidia": {"UpdateOption": "StageAndActivate"}}})
    bmc.pass_time()
    assert bmc.get(target)["Oem"]["Nvidia"]["ActiveFirmwareSlot"]["Version"] == "9.9.9"


def test_supermicro_takes_no_member_as_target() -> None:
    """fwupd/fwupd#4836: Systems/1/Bios, and nothing else."""
    bmc = Bmc("supermicro")
    assert bmc.push({"Targets": [f"{INVENTORY}/BIOS"]})[0] == 400
    assert bmc.push({"Targets": [f"{ROOT}/Systems/1/Bios"]})[0] == 202


def test_no_task_of_supermicro_waits_for_the_start() -> None:
    """A second push is refused until then (fwupd: fu-redfish-smc-device.c)."""
    bmc = Bmc("supermicro")
    parameters = {"Targets": [f"{ROOT}/Managers/1"], "@Redfish.OperationApplyTime": "OnStartUpdateRequest"}
    assert bmc.push(parameters)[0] == 202
    bmc.pass_time()
    (verified,) = (bmc.get(each["@odata.id"]) for each in bmc.get(TASKS)["Members"])
    assert verified["TaskState"] == "Completed"
    assert "AwaitToUpdate" not in str(verified["Messages"])
    assert bmc.push(parameters) == (405, "SMC.1.0.OemFirmwareAlreadyInUpdateMode")
    assert bmc.start()[0] == 202
    bmc.pass_time()
    assert bmc.get(f"{INVENTORY}/BMC")["Version"] == "9.9.9"
    assert bmc.push(parameters)[0] == 202


@pytest.mark.parametrize("vendor", SHAPES)
def test_members_tell_what_those_of_the_vendor_do(vendor: str) -> None:
    """Of 231 members captured from 13 BMCs (Cray-HPE/csm-redfish-interface-emulator and others) none has these."""
    bmc = Bmc(vendor)
    members = [bmc.get(each["@odata.id"]) for each in bmc.get(INVENTORY)["Members"]]
    told = {name for member in members for name in ("Active", "Staged", "ResetRequiredOnUpdate") if name in member}
    assert told == ({"Active", "Staged", "ResetRequiredOnUpdate"} if vendor == "livefw" else set())


@pytest.mark.parametrize("vendor", SHAPES)
def test_every_vendor_has_every_fault_and_its_sources(vendor: str) -> None:
    assert SHAPES[vendor].sources
    for fault in FAULTS:
        bmc = Bmc(vendor, fault)
        assert bmc.web.handle("GET", ROOT, {}, b"").status == 200
        assert bmc.web.handle("GET", SERVICE, ADMIN, b"").status == 200


@pytest.mark.parametrize("vendor", SHAPES)
def test_pages_of_the_inventory_have_all_members(vendor: str) -> None:
    paged = Bmc(vendor, "paged")
    place: str | None = INVENTORY
    pages: list[dict[str, Any]] = []
    while place:
        pages.append(paged.get(place))
        place = pages[-1].get("Members@odata.nextLink")
    assert max(len(page["Members"]) for page in pages) <= 2
    found = [each for page in pages for each in page["Members"]]
    assert found == Bmc(vendor).get(INVENTORY)["Members"]
    assert {page["Members@odata.count"] for page in pages} == {len(found)}


@pytest.mark.parametrize(
    ("fault", "place", "status"),
    [
        ("member-page", f"{INVENTORY}/bios", 404),
        ("optional-page", f"{ROOT}/TaskService", 503),
        ("optional-page", f"{ROOT}/ComponentIntegrity", 503),
    ],
)
def test_a_page_is_no_json(fault: str, place: str, status: int) -> None:
    """As in ibm-openbmc/dev#358 and bmcweb#98."""
    answer = Bmc("livefw", fault).web.handle("GET", place, ADMIN, b"")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.body.startswith(b"<html>")
