# SPDX-License-Identifier: Apache-2.0
"""Lists of any length, and lists of which a part cannot be read: what there is is shown, the rest is counted."""

from typing import Any

import pytest

from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import ImagePackage, Reply

from .field import MEMBER, Field, Rule, answer, page

ROOT = "/redfish/v1"
SERVICE = f"{ROOT}/UpdateService"
INVENTORY = f"{SERVICE}/FirmwareInventory"
TASKS = f"{ROOT}/TaskService/Tasks"


def paged(place: str, rows: list[dict[str, Any]], size: int, following: str = "{place}/page{number}") -> list[Rule]:
    """A collection in pages (ansible-collections/community.general#7011: 61 members in pages of 50)."""
    rules = []
    for number, start in enumerate(range(0, len(rows), size)):
        body: dict[str, Any] = {"Members": rows[start : start + size]}
        if start + size < len(rows):
            body["Members@odata.nextLink"] = following.format(place=place, number=number + 1)
        rules.append(Rule(f"GET {place}" if number == 0 else f"GET {place}/page{number}", answer(200, body)))
    return rules


def members(count: int) -> list[dict[str, Any]]:
    return [{"@odata.id": f"{INVENTORY}/fw{n:03}", "Name": f"Firmware {n}", "Version": "1"} for n in range(count)]


FOLLOWING = {
    "a path": "{place}/page{number}",
    "an address of the BMC": "https://bmc.example{place}/page{number}",
    "its own name for itself": "http://bmc.internal:8443{place}/page{number}",
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_every_page_is_read(name: str) -> None:
    found = Field(*paged(INVENTORY, members(61), 25, FOLLOWING[name])).provider.discover()
    assert [each.id for each in found.components] == [f"rack/fw{n:03}" for n in range(61)]
    assert found.notes == ()


ENDLESS: dict[str, tuple[dict[str, Any], str]] = {
    "a page that follows itself": ({"Members@odata.nextLink": INVENTORY}, "has pages without end"),
    "a next page that is no address": ({"Members@odata.nextLink": "ftp://evil/x"}, "no address of this BMC"),
    "a next page that is no text": ({"Members@odata.nextLink": {"@odata.id": INVENTORY}}, "no address of this BMC"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_pages_that_lead_nowhere_end(name: str) -> None:
    link, text = ENDLESS[name]
    bench = Field(Rule(f"GET {INVENTORY}", answer(200, {"Members": members(2)} | link)))
    found = bench.provider.discover()
    assert len(found.components) == 2
    assert text in found.notes[0].text
    assert sum(path == INVENTORY for _, path, _ in bench.web.log) == 1


def test_pages_without_end_are_bounded() -> None:
    """Each page leads to another that has not been seen."""
    bench = Field()
    handle, asked = bench.web.handle, [0]

    def endless(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        if not path.startswith(f"{INVENTORY}"):
            return handle(method, path, headers, body)
        asked[0] += 1
        return answer(200, {"Members": [], "Members@odata.nextLink": f"{INVENTORY}/page{asked[0]}"})

    bench.web.handle = endless  # type: ignore[method-assign]
    assert "pages without end" in bench.provider.discover().notes[0].text
    assert asked[0] == 1_000


def test_a_task_on_the_second_page_is_not_started_with_ours() -> None:
    """StartUpdate starts all that is queued: what somebody else has queued must be seen wherever it is listed."""
    old = [{"@odata.id": f"{TASKS}/{n}", "TaskState": "Completed"} for n in range(50)]
    theirs = {
        "@odata.id": f"{TASKS}/99",
        "TaskState": "Pending",
        "Messages": [{"MessageId": "Update.1.2.AwaitToUpdate"}],
        "Payload": {"JsonBody": f'{{"Targets": ["{INVENTORY}/bios"]}}'},
    }
    ours = theirs | {"@odata.id": f"{TASKS}/98", "Payload": {"JsonBody": f'{{"Targets": ["{INVENTORY}/mcu"]}}'}}
    start = {"Actions": {"#UpdateService.StartUpdate": {"target": f"{SERVICE}/Actions/UpdateService.StartUpdate"}}}
    rules = paged(TASKS, [ours, *old, theirs], 50)
    service = {"@odata.id": SERVICE, "FirmwareInventory": {"@odata.id": INVENTORY}} | start
    bench = Field(Rule(f"GET {SERVICE}", answer(200, service)), *rules)
    component = bench.component("mcu")
    assert component.pending
    assert "foreign-work" in [why.code for why in component.reasons]


# One bad answer hides nothing else (ibm-openbmc/dev#358, openbmc/bmcweb#98, dell/iDRAC-Redfish-Scripting#139).

BAD = {
    "404": (answer(404), "answered 404"),
    "500": (answer(500), "answered 500"),
    "503": (answer(503), "answered 503"),
    "a page, 501": (page(501), "answered 501"),
    "a page, 200": (page(200), "is no JSON"),
}
OPTIONAL = {
    "a member": (MEMBER, True),
    "a task": (f"GET {TASKS}/7", True),
    "the TaskService": (f"GET {ROOT}/TaskService", True),
    "the tasks": (f"GET {TASKS}", True),
    "the ComponentIntegrity": (f"GET {ROOT}/ComponentIntegrity", False),
    "the UpdateServiceCapabilities": (f"GET {SERVICE}/Capabilities", False),
}


@pytest.mark.parametrize("what", OPTIONAL)
@pytest.mark.parametrize("how", BAD)
def test_one_bad_answer_hides_nothing_else(what: str, how: str) -> None:
    (place, counted), (reply, text) = OPTIONAL[what], BAD[how]
    links = {"UpdateServiceCapabilities": {"@odata.id": f"{SERVICE}/Capabilities"}}
    rules = [Rule(place, reply)]
    if what == "a task":
        rules.append(Rule(f"GET {TASKS}", answer(200, {"Members": [{"@odata.id": f"{TASKS}/7"}]})))
    if what == "the UpdateServiceCapabilities":
        service = {"@odata.id": SERVICE, "FirmwareInventory": {"@odata.id": INVENTORY}} | links
        rules.append(Rule(f"GET {SERVICE}", answer(200, service)))
    if what == "the ComponentIntegrity":
        root = {
            "UpdateService": {"@odata.id": SERVICE},
            "ComponentIntegrity": {"@odata.id": f"{ROOT}/ComponentIntegrity"},
        }
        rules.append(Rule(f"GET {ROOT}", answer(200, root)))
    found = Field(*rules).provider.discover()
    assert len(found.components) == (2 if what == "a member" else 3)
    expected_away = how == "404" and what in ("a task", "the tasks", "the TaskService")  # deleted meanwhile, or none
    if counted and not expected_away:
        (note,) = found.notes
        assert text in note.text
        assert "1 resource(s)" in note.text
        assert [(source.host, source.trouble, source.silent) for source in found.sources] == [("rack", note, False)]
    else:
        assert found.notes == ()


def test_rows_with_more_than_a_link_are_read() -> None:
    """AMI MegaRAC, iLO: @odata.etag, @odata.type or Name beside @odata.id."""
    more = {
        "@odata.etag": 'W/"1"',
        "@odata.type": "#SoftwareInventory.v1_2_3.SoftwareInventory",
        "Name": "x",
        "Id": "y",
    }
    rows = [{"@odata.id": f"{INVENTORY}/{name}"} | more for name in ("mcu", "tmpm", "bios")]
    found = Field(Rule(f"GET {INVENTORY}", answer(200, {"Members": rows}))).provider.discover()
    assert sorted(each.id for each in found.components) == ["rack/bios", "rack/mcu", "rack/tmpm"]
    assert all(each.current_version for each in found.components)


SPELLINGS = {
    "a slash at the end": f"{INVENTORY}/mcu/",
    "an absolute address": f"https://bmc.example{INVENTORY}/mcu",
    "both, by another name": f"HTTP://BMC:80{INVENTORY}/mcu/",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_what_can_be_staged_is_known_in_every_spelling(name: str) -> None:
    bench = Field()
    service = bench.provider._look(bench.provider.bmcs[0]).service
    assert service.push
    import json

    from .test_unread import _basic

    shown = json.loads(bench._handle("GET", SERVICE, _basic(), b"").body)
    links = {"UpdateServiceCapabilities": {"@odata.id": f"{SERVICE}/Capabilities"}}
    bench.rules = (
        Rule(f"GET {SERVICE}", answer(200, shown | links)),
        Rule(f"GET {SERVICE}/Capabilities", answer(200, {"AllowableStaging": [SPELLINGS[name]]})),
    )
    bench._seen = [0, 0]
    running = bench.provider.stage("rack/mcu", ImagePackage("i.bin", b"version=2.0.0"), bench.watch.progress)
    assert running.wait(None)
    assert running.claim.reply is Reply.ACCEPTED


def test_a_bmc_that_cannot_keep_an_image_says_so_beforehand() -> None:
    """As all captured BMCs: SimpleUpdate or a push only."""
    service = {"@odata.id": SERVICE, "FirmwareInventory": {"@odata.id": INVENTORY}, "MultipartHttpPushUri": "/push"}
    rows = [{"@odata.id": f"{INVENTORY}/a", "Name": "A", "Version": "1"}]
    bench = Field(Rule(f"GET {SERVICE}", answer(200, service)), *paged(INVENTORY, rows, 9))
    assert "no-staging" in [note.code for note in bench.component("a").notes]
    assert "no-staging" not in [note.code for note in Field().component("mcu").notes]


def test_405_with_words_of_its_own_is_no_missing_action() -> None:
    """fwupd's Redfish test service, case "stuck": Supermicro, an image waits already."""
    said = {"MessageId": "SMC.1.0.OemFirmwareAlreadyInUpdateMode", "Message": "The BIOS was already in update mode."}
    bench = Field(Rule(r"POST .*/update-multipart", answer(405, {"error": {"@Message.ExtendedInfo": [said]}})))
    claim = bench.do("stage")
    assert claim.reply is Reply.DECLINED
    assert claim.reason
    assert claim.reason.code == "busy"
    assert "The BIOS was already in update mode." in claim.reason.text
