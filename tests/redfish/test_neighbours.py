# SPDX-License-Identifier: Apache-2.0
"""The neighbours of what was reported: the same kinds of answers in other places, and other forms of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Reply

from .conftest import Bench
from .field import ACTIVATE, COLLECTION, MEMBER, MONITOR, TASK, Field, Rule, answer, message, run, task

INVENTORY = "/redfish/v1/UpdateService/FirmwareInventory"
TASKS = "/redfish/v1/TaskService/Tasks"
STUCK = task("Running", PercentComplete=50)
DONE = task("Completed", message("Update.1.2.UpdateSuccessful"))


def drop(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in headers.items() if each != name}


def links(*names: str) -> list[dict[str, str]]:
    return [{"@odata.id": f"{INVENTORY}/{name}"} for name in names]


class Shown(NamedTuple):
    """How the inventory is shown, which components there are, and what the note says; empty for none."""

    source: str
    rules: tuple[Rule, ...]
    idents: tuple[str, ...] = ("bios", "mcu", "tmpm")
    note: str = ""


ALL = links("mcu", "tmpm", "bios")
PAGED = {"Members@odata.nextLink": f"{INVENTORY}/page"}
LISTS = {
    "a member twice": Shown(
        "ibm-openbmc/dev#358", (Rule(COLLECTION, answer(200, {"Members": [*ALL, *links("mcu", "mcu/")]})),)
    ),
    "members with a slash at the end": Shown(
        "Cray-HPE/csm-redfish-interface-emulator, XL675d",
        (Rule(COLLECTION, answer(200, {"Members": links("mcu/", "tmpm/", "bios/")})),),
    ),
    "members by an absolute address": Shown(
        "DMTF/Redfish-Service-Validator#199",
        (Rule(COLLECTION, answer(200, {"Members": [{"@odata.id": f"https://bmc.internal{INVENTORY}/mcu"}]})),),
        ("mcu",),
    ),
    "a member that does not say where it is": Shown(
        "DSP0266, 8: @odata.id is required", (Rule(MEMBER, answer(200, {"Name": "Power supply", "Version": "0.9"})),)
    ),
    "no next page, as an empty text": Shown(
        "community.general#7011", (Rule(COLLECTION, answer(200, {"Members": ALL, "Members@odata.nextLink": ""})),)
    ),
    "no next page, as null": Shown(
        "community.general#7011", (Rule(COLLECTION, answer(200, {"Members": ALL, "Members@odata.nextLink": None})),)
    ),
    "rows that are none": Shown(
        "dell/iDRAC-Redfish-Scripting#139",
        (Rule(COLLECTION, answer(200, {"Members": [None, *ALL, 7, {}, {"@odata.id": None}]})),),
        note="4 rows without an address",
    ),
    "rows that are only texts": Shown(
        "dell/iDRAC-Redfish-Scripting#139",
        (Rule(COLLECTION, answer(200, {"Members": [f"{INVENTORY}/mcu", *links("tmpm", "bios")]})),),
        ("bios", "tmpm"),
        note="1 rows without an address",
    ),
    "an array for a member": Shown(
        "DSP0266, 8: a resource is an object", (Rule(MEMBER, answer(200, [1])),), ("bios", "tmpm"), "is no JSON object"
    ),
    "pages in a circle": Shown(
        "community.general#7011",
        (
            Rule(COLLECTION, answer(200, {"Members": links("mcu"), "Members@odata.nextLink": f"{INVENTORY}/page"})),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm"), "Members@odata.nextLink": INVENTORY})),
        ),
        ("mcu", "tmpm"),
        "pages without end",
    ),
    "fewer members than are counted": Shown(
        "DSP0266, Members@odata.count; community.general#7011",
        (Rule(COLLECTION, answer(200, {"Members": ALL, "Members@odata.count": 61})),),
        note="has 61 members, and 58 of them are missing",
    ),
    "fewer members on all pages than are counted": Shown(
        "DSP0266, Members@odata.count; community.general#7011",
        (
            Rule(COLLECTION, answer(200, PAGED | {"Members": links("mcu"), "Members@odata.count": 4})),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm"), "Members@odata.count": 4})),
        ),
        ("mcu", "tmpm"),
        "has 4 members, and 2 of them are missing",
    ),
    "the members of all pages are counted": Shown(
        "DSP0266, Members@odata.count",
        (
            Rule(COLLECTION, answer(200, PAGED | {"Members": links("mcu"), "Members@odata.count": 2})),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm"), "Members@odata.count": 2})),
        ),
        ("mcu", "tmpm"),
    ),
    "the members of each page are counted": Shown(
        "DSP0266, Members@odata.count, as it should not be",
        (
            Rule(COLLECTION, answer(200, PAGED | {"Members": links("mcu"), "Members@odata.count": 1})),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm"), "Members@odata.count": 1})),
        ),
        ("mcu", "tmpm"),
    ),
    "a count that is none": Shown(
        "DSP0266, Members@odata.count", (Rule(COLLECTION, answer(200, {"Members": ALL, "Members@odata.count": "9"})),)
    ),
    "a second page that is busy for a moment": Shown(
        "community.general#7011, ibm-openbmc/dev#358",
        (
            Rule(COLLECTION, answer(200, {"Members": links("mcu"), "Members@odata.nextLink": f"{INVENTORY}/page"})),
            Rule(f"GET {INVENTORY}/page", answer(503, Retry_After="2"), last=1),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm")})),
        ),
        ("mcu", "tmpm"),
    ),
    "a second page of another authority": Shown(
        "DMTF/libredfish#156",
        (
            Rule(
                COLLECTION,
                answer(200, {"Members": links("mcu"), "Members@odata.nextLink": f"//bmc.internal{INVENTORY}/page"}),
            ),
            Rule(f"GET {INVENTORY}/page", answer(200, {"Members": links("tmpm")})),
        ),
        ("mcu", "tmpm"),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_any_form_is_read_or_reported(name: str) -> None:
    case = LISTS[name]
    found = Field(*case.rules).provider.discover()
    assert sorted(each.id for each in found.components) == [f"rack/{ident}" for ident in case.idents]
    assert [case.note in each.text for each in found.notes] == ([True] if case.note else [])


ROOTS = {"the root": r"GET /redfish/v1", "the update service": r"GET .*/UpdateService", "the collection": COLLECTION}


@pytest.mark.parametrize("place", ROOTS)
@pytest.mark.parametrize("reply", [answer(200, [1, 2]), answer(200, None), answer(200, 7), answer(200, "text")])
def test_what_is_no_object_is_an_error_and_no_empty_bmc(place: str, reply: WebReply) -> None:
    found = Field(Rule(ROOTS[place], reply)).provider.discover()
    assert not found.components
    assert len(found.notes) == 1


class Followed(NamedTuple):
    """How the BMC answers to an activation that it carries out, and whether the end is seen."""

    source: str
    rules: tuple[Rule, ...]
    reply: Reply = Reply.ACCEPTED


PLACE = "/redfish/v1/TaskService/Tasks/2"
FOLLOWED = {
    "a state that nobody knows": Followed(
        "DSP0268, Task.TaskState",
        (Rule(MONITOR, answer(200, task("Weird")), last=3), Rule(MONITOR, answer(200, DONE), effect=run)),
    ),
    "a state that is null": Followed(
        "DSP0268, Task.TaskState",
        (
            Rule(MONITOR, answer(200, STUCK | {"TaskState": None}), last=3),
            Rule(MONITOR, answer(200, DONE), effect=run),
        ),
    ),
    "202 with the task alone": Followed(
        "openbmc/bmcweb#301",
        (Rule(ACTIVATE, answer(202, STUCK)), Rule(TASK, answer(200, DONE), effect=run)),
    ),
    "202 with the type of a task, and no state": Followed(
        "openbmc/bmcweb#301",
        (
            Rule(ACTIVATE, answer(202, {"@odata.id": PLACE, "@odata.type": "#Task.v1_7_4.Task"})),
            Rule(TASK, answer(200, DONE), effect=run),
        ),
    ),
    "a Location without a scheme": Followed(
        "DMTF/libredfish#156; RFC 3986, 4.2",
        (
            Rule(ACTIVATE, answer(202, Location=f"//bmc.internal{PLACE}")),
            Rule(TASK, answer(200, DONE), effect=run),
        ),
    ),
    "an array for a task, for a while": Followed(
        "openbmc/bmcweb#301", (Rule(MONITOR, answer(200, [1]), last=2), Rule(MONITOR, answer(200, DONE), effect=run))
    ),
    "429 for a while": Followed(
        "RFC 6585, 4",
        (Rule(MONITOR, answer(429, Retry_After="-1"), last=2), Rule(MONITOR, answer(200, DONE), effect=run)),
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_task_of_any_form_is_followed(name: str) -> None:
    case = FOLLOWED[name]
    bench = Field(*case.rules)
    claim = bench.do("activate")
    assert (claim.reply, bench.running, bench.web.sessions) == (case.reply, "2.0.0", 0), claim
    assert bench.asked("activate") == 1


UNREAD = {
    "the second page": (
        Rule(f"GET {TASKS}", answer(200, {"Members": [], "Members@odata.nextLink": f"{TASKS}/page"})),
        Rule(f"GET {TASKS}/page", answer(500)),
    ),
    "a task": (
        Rule(f"GET {TASKS}", answer(200, {"Members": [{"@odata.id": f"{TASKS}/99"}, {"@odata.id": f"{TASKS}/1"}]})),
        Rule(f"GET {TASKS}/99", answer(500)),
    ),
}


@pytest.mark.parametrize("what", UNREAD)
@pytest.mark.parametrize("start_all", [False, True])
def test_what_may_wait_out_of_sight_is_not_started(what: str, start_all: bool) -> None:
    """DSP2062: StartUpdate starts everything that waits, whoever queued it."""
    bench = Field(settings="start-all = true\n" * start_all, pattern=Pattern.START)
    assert bench.stage("mcu", b"version=2.0.0").reply is Reply.ACCEPTED
    ours = _tasks(bench)
    rules = [_with(rule, ours) for rule in UNREAD[what]]
    bench.rules, bench._seen = tuple(rules), [0] * len(rules)
    component = bench.component("mcu")
    assert component.pending
    assert [why.code for why in component.reasons] == ([] if start_all else ["queue-unread"])


def _tasks(bench: Bench) -> list[dict[str, str]]:
    return [{"@odata.id": f"{TASKS}/{number}"} for number in bench.model.tasks]


def _with(rule: Rule, ours: list[dict[str, str]]) -> Rule:
    """The rule, with the tasks that there are among the members that it shows."""
    import json

    assert rule.response
    shown: Any = json.loads(rule.response.body or b"{}")
    if "Members" not in shown:
        return rule
    return rule._replace(response=answer(200, shown | {"Members": [*ours, *shown["Members"]]}))


SESSIONS = {
    "fwupd, plugins/redfish/tests/redfish.py: 200, a token, and no Location": (200, None),
    "DMTF/libredfish#156: a Location under another name of the BMC": (201, "https://bmc.internal"),
}


@pytest.mark.parametrize("source", SESSIONS)
def test_a_session_is_closed_wherever_it_is_said_to_be(source: str) -> None:
    status, host = SESSIONS[source]
    bench = Field()

    def handle(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        found = bench._handle(method, path, headers, body)
        if method == "POST" and path.endswith("/Sessions"):
            place = {"Location": host + found.headers["Location"]} if host else {}
            return found._replace(status=status, headers=drop(found.headers, "Location") | place)
        return found

    bench.web.handle = handle  # type: ignore[method-assign]
    assert bench.component("mcu").id == "rack/mcu"
    assert bench.web.sessions == 0
