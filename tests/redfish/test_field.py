# SPDX-License-Identifier: Apache-2.0
"""What BMCs did to people, by the public report of it: each claim says what is known, and no more."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from livefw.errors import TransportError
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.model import Dropped
from livefw.machine.bmc.web import Response
from livefw.providers.base import Claim, Flag, Measured, Said, Trust

from .conftest import Bench

MONITOR = r"GET .*/TaskMonitors/\d+"
TASK = r"GET .*/Task(Monitor)?s/\d+"
ACTIVATE = r"POST .*/SoftwareInventory\.Activate"
CANCEL = r"POST .*/SoftwareInventory\.Cancel"
PUSH = r"POST .*/update-multipart"
COLLECTION = r"GET .*/FirmwareInventory"
MEMBER = r"GET .*/FirmwareInventory/mcu"


def answer(status: int, body: Any = None, **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, fields, b"" if body is None else json.dumps(body).encode())


def page(status: int, text: str = "Service Unavailable", **headers: str) -> Response:
    return Response(status, {"Content-Type": "text/html", **headers}, f"<html><h1>{status} {text}</h1></html>".encode())


def task(state: str, *messages: Any, **more: Any) -> dict[str, Any]:
    place = "/redfish/v1/TaskService/Tasks/2"
    return {"@odata.id": place, "TaskState": state, "Messages": list(messages)} | more


def message(key: str, text: str = "", severity: str = "OK") -> dict[str, str]:
    return {"MessageId": key, "Message": text, "Severity": severity}


Effect = Callable[[Bench], object]


class Rule(NamedTuple):
    """How requests are answered, the ``first`` to the ``last`` of those that fit; None: as the model does.

    ``effect`` comes before the answer, and a ``dropped`` connection instead of it.
    """

    when: str
    response: Response | None = None
    first: int = 1
    last: int = 10**9
    effect: Effect = lambda bench: None
    dropped: bool = False


class Field(Bench):
    """A modelled BMC of the plain kind, with rules in front of it."""

    def __init__(self, *rules: Rule, seconds: float = 4.0, settings: str = "") -> None:
        super().__init__("no-measurements", "one-bank", pattern=Pattern.STAGE, seconds=seconds, settings=settings)
        self.model.firmware[0].ident, self.model.firmware[0].running = "mcu", "1.0.0"
        self._handle = self.web.handle
        self.web.handle = self._filter  # type: ignore[method-assign]
        self.rules = rules
        self._seen = [0] * len(rules)

    def _filter(self, method: str, path: str, headers: Any, body: bytes) -> Response:
        for index, rule in enumerate(self.rules):
            if not re.fullmatch(rule.when, f"{method} {path.rstrip('/')}"):
                continue
            self._seen[index] += 1
            if rule.first <= self._seen[index] <= rule.last:
                self.model.advance()
                rule.effect(self)
                if rule.response is not None:
                    self.web.log.append((method, path, body))
                    return rule.response
                if rule.dropped:
                    self.web.log.append((method, path, body))
                    raise Dropped
        return self._handle(method, path, headers, body)

    def do(self, act: str) -> Claim:
        if act == "stage":
            return self.stage("mcu", b"version=2.0.0")
        self.model.firmware[0].staged = "2.0.0"
        ask = self.provider.activate if act == "activate" else self.provider.cancel
        running = ask("rack/mcu", self.watch.progress)
        assert running.wait(None)
        return running.claim

    def asked(self, act: str) -> int:
        """How often the BMC was asked for the act."""
        when = {"stage": PUSH, "activate": ACTIVATE, "cancel": CANCEL}[act]
        return sum(re.fullmatch(when, f"{method} {path}") is not None for method, path, _ in self.web.log)


def forget(bench: Bench) -> None:
    bench.web._sessions.clear()


def run(bench: Bench) -> None:
    bench.model.firmware[0].activate()


def hold(bench: Bench) -> None:
    bench.model.firmware[0].staged = "2.0.0"


def drop_image(bench: Bench) -> None:
    bench.model.firmware[0].staged = None


class Case(NamedTuple):
    """What was reported, what is done, and what is to be known of it then."""

    source: str
    act: str
    rules: tuple[Rule, ...]
    said: Said
    code: str | None = None
    words: str = ""
    runs: str = "1.0.0"
    waits: bool = False
    at_work: bool = False
    within: float = 20.0
    asked: int = 1


STUCK = task("Running", PercentComplete=50)
DONE = message("Update.1.2.UpdateSuccessful")
CRITICAL = {"TaskStatus": "Critical", "PercentComplete": 100}
RESET = message("Base.1.8.ResetRequired", "In order to complete the operation, a reset is required.")

CASES = {
    "Completed, and Critical": Case(
        "ironcore-dev/metal-operator#453",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", message("IDRAC.2.8.JCP052", "No progress."), **CRITICAL))),),
        Said.FAILED,
        "task-failed",
        "No progress.",
        waits=True,
    ),
    "Completed and Critical, without MessageId": Case(
        "dell/iDRAC-Redfish-Scripting#4",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", {"Message": "device rejected image"}, **CRITICAL))),),
        Said.FAILED,
        "task-failed",
        "device rejected image",
        waits=True,
    ),
    "Completed and Critical, with texts for messages": Case(
        "dell/iDRAC-Redfish-Scripting#4",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", "started", "device rejected image", **CRITICAL))),),
        Said.FAILED,
        "task-failed",
        "device rejected image",
        waits=True,
    ),
    "Completed, with a Warning": Case(
        "ironcore-dev/metal-operator#453",
        "activate",
        (
            Rule(
                MONITOR,
                answer(
                    200, task("Completed", message("Oem.1.0.Partial", "One of two.", "Warning"), TaskStatus="Warning")
                ),
                effect=run,
            ),
        ),
        Said.ACCEPTED,
        None,
        "TaskStatus: Warning",
        runs="2.0.0",
    ),
    "the session ends in mid-task": Case(
        "bb-Ricardo/check_redfish#90, dell/iDRAC-Redfish-Scripting#231",
        "activate",
        (Rule(MONITOR, last=1, effect=forget),),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "the session ends again and again": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(MONITOR, last=5, effect=forget),),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "the session ends while an image is staged": Case(
        "dell/iDRAC-Redfish-Scripting#231",
        "stage",
        (Rule(MONITOR, last=1, effect=forget),),
        Said.ACCEPTED,
        waits=True,
    ),
    "the session ends just before the activation": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(ACTIVATE, last=1, effect=forget),),
        Said.ACCEPTED,
        runs="2.0.0",
        asked=2,  # the first was turned away at the door, and everything was still as it had been
    ),
    "the session ends just before the push": Case(
        "bb-Ricardo/check_redfish#90", "stage", (Rule(PUSH, last=1, effect=forget),), Said.ACCEPTED, waits=True, asked=2
    ),
    "the session ends just before the cancellation": Case(
        "bb-Ricardo/check_redfish#90", "cancel", (Rule(CANCEL, last=1, effect=forget),), Said.ACCEPTED, asked=2
    ),
    "the session ends in the look before": Case(
        "bb-Ricardo/check_redfish#90", "activate", (Rule(MEMBER, last=1, effect=forget),), Said.ACCEPTED, runs="2.0.0"
    ),
    "401, and done": Case(
        "dell/iDRAC-Redfish-Scripting#231, the other way round",
        "activate",
        (Rule(ACTIVATE, answer(401), effect=run),),
        Said.REFUSED,
        "not-permitted",
        runs="2.0.0",
    ),
    "the session ends, and nobody is let in": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(MONITOR, last=1, effect=forget), Rule(r"POST .*/Sessions", answer(401), first=2)),
        Said.LOST,
        "locked-out",
        runs="2.0.0",
        at_work=True,
    ),
    "the task is deleted after its end": Case(
        "dell/iDRAC-Redfish-Scripting#160",
        "activate",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(TASK, answer(404, {"error": {}}), last=9, effect=run)),
        Said.LOST,
        "monitor-gone",
        runs="2.0.0",
    ),
    "the task is deleted after its end, and 404 is a page": Case(
        "fwupd#7593",
        "activate",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(TASK, page(404, "Not Found"), last=9, effect=run)),
        Said.LOST,
        "monitor-gone",
        runs="2.0.0",
    ),
    "the task of a push is deleted after its end": Case(
        "dell/iDRAC-Redfish-Scripting#160",
        "stage",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(MONITOR, answer(410), last=1, effect=hold)),
        Said.ACCEPTED,
        waits=True,
    ),
    "303 to the monitor": Case(
        "DMTF/python-redfish-library#98",
        "activate",
        (
            Rule(ACTIVATE, answer(303, Location="/redfish/v1/TaskService/TaskMonitors/7")),
            Rule(
                r"GET .*/TaskMonitors/7", answer(202, STUCK, Location="/redfish/v1/TaskService/TaskMonitors/7"), last=2
            ),
            Rule(r"GET .*/TaskMonitors/7", answer(200, task("Completed", DONE)), effect=run),
        ),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "308 to a trailing slash": Case(
        "DMTF/python-redfish-library#98",
        "activate",
        (
            Rule(
                ACTIVATE,
                answer(
                    308, Location="/redfish/v1/UpdateService/FirmwareInventory/mcu/Actions/SoftwareInventory.Activate/"
                ),
                last=1,
            ),
        ),
        Said.ACCEPTED,
        runs="2.0.0",
        asked=2,  # and the first was only shown the way
    ),
    "a page says 503": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, page(503, Retry_After="30")),),
        Said.REFUSED,
        "busy",
        "503 Service Unavailable",
        waits=True,
    ),
    "a page says 413": Case(
        "openbmc/bmcweb#301", "stage", (Rule(PUSH, page(413, "Too Large")),), Said.REFUSED, "too-large", "413 Too Large"
    ),
    "pages in the middle of a task": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(MONITOR, page(502), last=2), Rule(MONITOR, page(503), first=3, last=3)),
        Said.ACCEPTED,
        runs="2.0.0",
        within=60,
    ),
    "a page says 500, and it is done": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, page(500, "Internal Server Error"), effect=run),),
        Said.LOST,
        "service-broke",
        runs="2.0.0",
    ),
    "202 without a body, to the task itself": Case(
        "dell/iDRAC-Redfish-Scripting#32",
        "activate",
        (
            Rule(ACTIVATE, answer(202, Location="/redfish/v1/TaskService/Tasks/71")),
            Rule(r"GET .*/Tasks/71", answer(200, task("Running", {"Message": "Downloading"})), last=2),
            Rule(r"GET .*/Tasks/71", answer(200, task("Completed", message("PR19", "Job done."))), effect=run),
        ),
        Said.ACCEPTED,
        None,
        "PR19: Job done.",
        runs="2.0.0",
    ),
    "200 and a word": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, Response(200, {"Content-Type": "text/plain"}, b"OK"), effect=run),),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "400 although it was staged": Case(
        "openbmc/bmcweb#60",
        "stage",
        (Rule(PUSH, answer(400, {"data": {"description": "Version already exists"}, "status": "error"}), effect=hold),),
        Said.ACCEPTED,
        None,
        "Version already exists",
        waits=True,
    ),
    "400, and nothing was staged": Case(
        "openbmc/bmcweb#60",
        "stage",
        (Rule(PUSH, answer(400, {"data": {"description": "Version already exists"}, "status": "error"})),),
        Said.REFUSED,
        "bad-request",
        "Version already exists",
    ),
    "Retry-After as a date of another clock": Case(
        "RFC 9110, 10.2.3",
        "activate",
        (
            Rule(
                MONITOR,
                answer(202, STUCK, Date="Tue, 01 Jan 2019 00:00:00 GMT", Retry_After="Tue, 01 Jan 2019 00:00:02 GMT"),
                last=1,
            ),
        ),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "progress that is none": Case(
        "DSP0268, Task.PercentComplete",
        "activate",
        tuple(
            Rule(MONITOR, answer(202, task("running", PercentComplete=each)), first=n, last=n)
            for n, each in enumerate((None, "50", 50.5, 300), 1)
        ),
        Said.ACCEPTED,
        runs="2.0.0",
    ),
    "Retry-After of a quarter of an hour": Case(
        "RFC 9110, 10.2.3",
        "activate",
        (Rule(MONITOR, answer(202, STUCK, Retry_After="900"), last=1),),
        Said.ACCEPTED,
        runs="2.0.0",
        within=70,
    ),
    "the connection breaks in the push, and it is staged": Case(
        "Intel-BMC/openbmc#42, openbmc/bmcweb#112",
        "stage",
        (Rule(PUSH, effect=hold, dropped=True),),
        Said.ACCEPTED,
        waits=True,
    ),
    "the connection breaks in the push, and nobody knows": Case(
        "Intel-BMC/openbmc#42, openbmc/bmcweb#112",
        "stage",
        (Rule(PUSH, dropped=True),),
        Said.LOST,
        "broken",
        at_work=True,
    ),
    "204 to anything": Case(
        "DMTF Redfish-Mockup-Server", "activate", (Rule(ACTIVATE, answer(204)),), Said.ACCEPTED, waits=True
    ),
    "204 to anything, to a cancellation": Case(
        "DMTF Redfish-Mockup-Server",
        "cancel",
        (Rule(CANCEL, answer(204)),),
        Said.FAILED,
        "still-waits",
        waits=True,
    ),
    "500 to a cancellation that is done": Case(
        "openbmc/bmcweb#60", "cancel", (Rule(CANCEL, answer(500), effect=drop_image),), Said.LOST, "overtaken"
    ),
    "204 to a cancellation of what was activated meanwhile": Case(
        "openbmc/bmcweb#60", "cancel", (Rule(CANCEL, answer(204), effect=run),), Said.LOST, "overtaken", runs="2.0.0"
    ),
    "Completed, and nothing changed": Case(
        "fwupd#6879",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", DONE, TaskStatus="OK"))),),
        Said.ACCEPTED,
        waits=True,
    ),
    "Pending until a reset": Case(
        "dell/iDRAC-Redfish-Scripting#32, community.general#5580",
        "activate",
        (Rule(MONITOR, answer(202, task("Pending", RESET, PercentComplete=0))),),
        Said.FAILED,
        "reset-required",
        "ResetRequired",
        waits=True,
        within=2,
    ),
    "Suspended": Case(
        "community.general#5580",
        "activate",
        (Rule(MONITOR, answer(202, task("Suspended"))),),
        Said.LOST,
        "task-stopped",
        waits=True,
        at_work=True,
        within=2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_claim_says_what_is_known(name: str) -> None:
    case = CASES[name]
    bench = Field(*case.rules, seconds=0.5 if case.at_work else 4.0)
    start = bench.clock.now()
    claim = bench.do(case.act)
    assert bench.clock.now() - start <= case.within or case.at_work
    bench.model.advance()
    assert (claim.said, claim.reason and claim.reason.code, claim.at_work) == (case.said, case.code, case.at_work)
    assert case.words in " ".join([claim.reason.text if claim.reason else "", *claim.log])
    assert (claim.trust, claim.flag, claim.measured) == (Trust.DOUBTFUL, Flag.PROVES_NOTHING, Measured.NOT)
    assert claim.trust_reason
    firmware = bench.model.firmware[0]
    assert bench.asked(case.act) == case.asked
    assert bench.web.sessions == 0
    if case.code != "locked-out":
        bench.rules = ()
        seen = bench.component("mcu")
        assert seen.current_version
        assert (seen.current_version.text, seen.pending) == (case.runs, case.waits)
        assert (firmware.running, firmware.staged is not None) == (case.runs, case.waits)


# What cannot be read is not gone.

ERROR = {"error": {"@Message.ExtendedInfo": [message("Base.1.8.InternalError", "It failed.")]}}
EMPTY = {"@odata.id": "/redfish/v1/UpdateService/FirmwareInventory", "Name": "Firmware"}
SHUT = {
    "ibm-openbmc/dev#358: collection 503": (Rule(COLLECTION, answer(503, Retry_After="3")), True),
    "ibm-openbmc/dev#358: collection 429": (Rule(COLLECTION, answer(429)), True),
    "ibm-openbmc/dev#358: a page, 503": (Rule(COLLECTION, page(503)), True),
    "ibm-openbmc/dev#358: member 503": (Rule(MEMBER, answer(503)), True),
    "openbmc/bmcweb#98: member is a page, 503": (Rule(MEMBER, page(503)), True),
    "UpdateService 503": (Rule(r"GET .*/UpdateService", answer(503)), True),
    "dell/iDRAC-Redfish-Scripting#139: no Members": (Rule(COLLECTION, answer(200, EMPTY)), False),
    "collection 404": (Rule(COLLECTION, answer(404)), False),
    "collection is a page, 404": (Rule(COLLECTION, page(404)), False),
    "collection is an error": (Rule(COLLECTION, answer(200, EMPTY | ERROR)), False),
    "member 500": (Rule(MEMBER, answer(500)), False),
    "member 404": (Rule(MEMBER, answer(404)), False),
    "member is a page, 200": (Rule(MEMBER, page(200)), False),
    "UpdateService 404": (Rule(r"GET .*/UpdateService", answer(404)), False),
}


@pytest.mark.parametrize("name", SHUT)
def test_what_cannot_be_read_is_not_gone(name: str) -> None:
    rule, passes = SHUT[name]
    bench = Field(rule)
    with pytest.raises(TransportError):
        bench.provider.inspect("rack/mcu")
    assert (bench.clock.now() > 0) == passes
    found = bench.provider.discover()
    assert "rack/mcu" not in {each.id for each in found.components}
    assert found.notes
    if not found.components:
        assert found.absent == found.notes[0]
    if passes:
        bench = Field(rule._replace(last=3))
        assert bench.component("mcu").id == "rack/mcu"


def test_what_is_not_there_is_gone() -> None:
    assert Field().provider.inspect("rack/none") is None


def test_an_error_beside_the_members_is_told() -> None:
    """ibm-openbmc/dev#358: 200, with Members, and an InternalError in the same body."""
    bench = Field()
    whole = json.loads(bench._handle("GET", "/redfish/v1/UpdateService/FirmwareInventory", _basic(), b"").body)
    bench.rules = (Rule(COLLECTION, answer(200, whole | ERROR)),)
    bench._seen = [0]
    found = bench.provider.discover()
    assert len(found.components) == 3
    assert "InternalError: It failed." in found.notes[0].text
    assert [each.code for each in bench.provider.diagnose()] == ["reached", "unread"]


def test_a_queue_that_cannot_be_read_is_not_empty() -> None:
    bench = Bench(pattern=Pattern.START)
    assert bench.component().pending is False
    bench.model.faults = frozenset({"monitor-breaks"})
    bench.stage()
    assert bench.component().pending is None


def _basic() -> dict[str, str]:
    import base64

    return {"authorization": "Basic " + base64.b64encode(b"admin:a word of passage").decode()}


# Sessions.


def test_no_session_stays_behind_where_the_password_has_to_be_changed() -> None:
    """openbmc/bmcweb#103: a session is made, and says that it cannot be used."""
    bench = Field()
    info = {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PasswordChangeRequired", "MessageArgs": ["/x"]}]}

    def handle(method: str, path: str, headers: Any, body: bytes) -> Response:
        found = bench._handle(method, path, headers, body)
        made = method == "POST" and path.endswith("/Sessions")
        return found._replace(body=json.dumps(json.loads(found.body) | info).encode()) if made else found

    bench.web.handle = handle  # type: ignore[method-assign]
    with pytest.raises(TransportError, match="password has to be changed"):
        bench.provider.inspect("rack/mcu")
    assert bench.web.sessions == 0


def test_a_session_that_only_seemed_to_be_void_is_closed_as_well() -> None:
    bench = Field(Rule(MONITOR, answer(401), last=1))
    assert bench.do("activate").said is Said.ACCEPTED
    assert bench.web.sessions == 0


def test_logins_are_counted() -> None:
    """A BMC locks a user out who is refused too often."""
    bench = Field(Rule(MONITOR, last=1, effect=forget), Rule(r"POST .*/Sessions", answer(401), first=2), seconds=600.0)
    bench.do("activate")
    assert len(bench.posts("/Sessions")) == 3
    bench = Field(*(Rule(MONITOR, first=n, last=n, effect=forget) for n in range(1, 99, 2)), seconds=600.0)
    claim = bench.do("activate")
    assert (claim.said, claim.reason and claim.reason.code) == (Said.LOST, "locked-out")
    assert len(bench.posts("/Sessions")) == 7


def test_basic_credentials_are_tried_once_more_as_well() -> None:
    bench = Field(Rule(MONITOR, answer(401), last=1), settings='auth = "basic"\n')
    assert bench.do("activate").said is Said.ACCEPTED
    assert bench.posts("/Sessions") == []


# What a restart of this machine does to an image on a BMC.


@pytest.mark.parametrize(
    ("ident", "by_restart"), [("mcu", False), ("bios", True), ("none", True)], ids=["a microcontroller", "BIOS", "gone"]
)
def test_a_restart_of_this_machine_brings_in_what_is_firmware_of_it(ident: str, by_restart: bool) -> None:
    memory = Field().provider.recall(f"rack/{ident}", "")
    assert (memory.by_restart, memory.flag, memory.complete) == (by_restart, Flag.PROVES_NOTHING, False)


def test_what_a_restart_does_is_not_known_while_the_bmc_is_away() -> None:
    assert Field(Rule(r"GET .*/UpdateService", answer(503))).provider.recall("rack/mcu", "").by_restart
