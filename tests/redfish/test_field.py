# SPDX-License-Identifier: Apache-2.0
"""What BMCs did to people, by the public report of it: each claim says what is known, and no more."""

from typing import NamedTuple

import pytest

from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Measured, Reply, Trust
from livefw.providers.redfish.exchange import plain_text

from .field import (
    ACTIVATE,
    CANCEL,
    MEMBER,
    MONITOR,
    PUSH,
    TASK,
    Field,
    Rule,
    answer,
    drop_image,
    forget,
    hold,
    message,
    page,
    run,
    task,
)


class Case(NamedTuple):
    """What was reported, what is done, and what is to be known of it then."""

    source: str
    act: str
    rules: tuple[Rule, ...]
    reply: Reply
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
        Reply.FAILED,
        "task-failed",
        "No progress.",
        waits=True,
    ),
    "Completed and Critical, without MessageId": Case(
        "dell/iDRAC-Redfish-Scripting#4",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", {"Message": "device rejected image"}, **CRITICAL))),),
        Reply.FAILED,
        "task-failed",
        "device rejected image",
        waits=True,
    ),
    "Completed and Critical, with texts for messages": Case(
        "dell/iDRAC-Redfish-Scripting#4",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", "started", "device rejected image", **CRITICAL))),),
        Reply.FAILED,
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
        Reply.ACCEPTED,
        None,
        "TaskStatus: Warning",
        runs="2.0.0",
    ),
    "the session ends in mid-task": Case(
        "bb-Ricardo/check_redfish#90, dell/iDRAC-Redfish-Scripting#231",
        "activate",
        (Rule(MONITOR, last=1, effect=forget),),
        Reply.ACCEPTED,
        runs="2.0.0",
    ),
    "the session ends again and again": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(MONITOR, last=5, effect=forget),),
        Reply.ACCEPTED,
        runs="2.0.0",
    ),
    "the session ends while an image is staged": Case(
        "dell/iDRAC-Redfish-Scripting#231",
        "stage",
        (Rule(MONITOR, last=1, effect=forget),),
        Reply.ACCEPTED,
        waits=True,
    ),
    "the session ends just before the activation": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(ACTIVATE, last=1, effect=forget),),
        Reply.ACCEPTED,
        runs="2.0.0",
        asked=2,  # the first was turned away at the door, and everything was still as it had been
    ),
    "the session ends just before the push": Case(
        "bb-Ricardo/check_redfish#90",
        "stage",
        (Rule(PUSH, last=1, effect=forget),),
        Reply.ACCEPTED,
        waits=True,
        asked=2,
    ),
    "the session ends just before the cancellation": Case(
        "bb-Ricardo/check_redfish#90", "cancel", (Rule(CANCEL, last=1, effect=forget),), Reply.ACCEPTED, asked=2
    ),
    "the session ends in the look before": Case(
        "bb-Ricardo/check_redfish#90", "activate", (Rule(MEMBER, last=1, effect=forget),), Reply.ACCEPTED, runs="2.0.0"
    ),
    "401, and done": Case(
        "dell/iDRAC-Redfish-Scripting#231, the other way round",
        "activate",
        (Rule(ACTIVATE, answer(401), effect=run),),
        Reply.DECLINED,
        "not-permitted",
        runs="2.0.0",
    ),
    "the session ends, and nobody is let in": Case(
        "bb-Ricardo/check_redfish#90",
        "activate",
        (Rule(MONITOR, last=1, effect=forget), Rule(r"POST .*/Sessions", answer(401), first=2)),
        Reply.LOST,
        "locked-out",
        runs="2.0.0",
        at_work=True,
    ),
    "the task is deleted after its end": Case(
        "dell/iDRAC-Redfish-Scripting#160",
        "activate",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(TASK, answer(404, {"error": {}}), last=9, effect=run)),
        Reply.LOST,
        "monitor-gone",
        runs="2.0.0",
    ),
    "the task is deleted after its end, and 404 is a page": Case(
        "fwupd#7593",
        "activate",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(TASK, page(404, "Not Found"), last=9, effect=run)),
        Reply.LOST,
        "monitor-gone",
        runs="2.0.0",
    ),
    "the task of a push is deleted after its end": Case(
        "dell/iDRAC-Redfish-Scripting#160",
        "stage",
        (Rule(TASK, answer(202, STUCK), last=1), Rule(MONITOR, answer(410), last=1, effect=hold)),
        Reply.ACCEPTED,
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
        Reply.ACCEPTED,
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
        Reply.ACCEPTED,
        runs="2.0.0",
        asked=2,  # and the first was only shown the way
    ),
    "a page says 503": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, page(503, Retry_After="30")),),
        Reply.DECLINED,
        "busy",
        "503 Service Unavailable",
        waits=True,
    ),
    "a page says 413": Case(
        "openbmc/bmcweb#301",
        "stage",
        (Rule(PUSH, page(413, "Too Large")),),
        Reply.DECLINED,
        "too-large",
        "413 Too Large",
    ),
    "pages in the middle of a task": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(MONITOR, page(502), last=2), Rule(MONITOR, page(503), first=3, last=3)),
        Reply.ACCEPTED,
        runs="2.0.0",
        within=60,
    ),
    "a page says 500, and it is done": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, page(500, "Internal Server Error"), effect=run),),
        Reply.LOST,
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
        Reply.ACCEPTED,
        None,
        "PR19: Job done.",
        runs="2.0.0",
    ),
    "200 and a word": Case(
        "openbmc/bmcweb#301",
        "activate",
        (Rule(ACTIVATE, WebReply(200, {"Content-Type": "text/plain"}, b"OK"), effect=run),),
        Reply.ACCEPTED,
        runs="2.0.0",
    ),
    "400 although it was staged": Case(
        "openbmc/bmcweb#60",
        "stage",
        (Rule(PUSH, answer(400, {"data": {"description": "Version already exists"}, "status": "error"}), effect=hold),),
        Reply.ACCEPTED,
        None,
        "Version already exists",
        waits=True,
    ),
    "400, and nothing was staged": Case(
        "openbmc/bmcweb#60",
        "stage",
        (Rule(PUSH, answer(400, {"data": {"description": "Version already exists"}, "status": "error"})),),
        Reply.DECLINED,
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
        Reply.ACCEPTED,
        runs="2.0.0",
    ),
    "progress that is none": Case(
        "DSP0268, Task.PercentComplete",
        "activate",
        tuple(
            Rule(MONITOR, answer(202, task("running", PercentComplete=each)), first=n, last=n)
            for n, each in enumerate((None, "50", 50.5, 300), 1)
        ),
        Reply.ACCEPTED,
        runs="2.0.0",
    ),
    "Retry-After of a quarter of an hour": Case(
        "RFC 9110, 10.2.3",
        "activate",
        (Rule(MONITOR, answer(202, STUCK, Retry_After="900"), last=1),),
        Reply.ACCEPTED,
        runs="2.0.0",
        within=70,
    ),
    "the connection breaks in the push, and it is staged": Case(
        "Intel-BMC/openbmc#42, openbmc/bmcweb#112",
        "stage",
        (Rule(PUSH, effect=hold, dropped=True),),
        Reply.ACCEPTED,
        waits=True,
    ),
    "the connection breaks in the push, and nobody knows": Case(
        "Intel-BMC/openbmc#42, openbmc/bmcweb#112",
        "stage",
        (Rule(PUSH, dropped=True),),
        Reply.LOST,
        "broken",
        at_work=True,
    ),
    "204 to anything": Case(
        "DMTF Redfish-Mockup-Server", "activate", (Rule(ACTIVATE, answer(204)),), Reply.ACCEPTED, waits=True
    ),
    "204 to anything, to a cancellation": Case(
        "DMTF Redfish-Mockup-Server",
        "cancel",
        (Rule(CANCEL, answer(204)),),
        Reply.FAILED,
        "still-waits",
        waits=True,
    ),
    "200 and a message to a cancellation": Case(
        "DSP0266, success responses",
        "cancel",
        (Rule(CANCEL, answer(200, {"@Message.ExtendedInfo": [message("Base.1.8.Success")]}), effect=drop_image),),
        Reply.ACCEPTED,
    ),
    "500 to a cancellation that is done": Case(
        "openbmc/bmcweb#60", "cancel", (Rule(CANCEL, answer(500), effect=drop_image),), Reply.LOST, "overtaken"
    ),
    "204 to a cancellation of what was activated meanwhile": Case(
        "openbmc/bmcweb#60", "cancel", (Rule(CANCEL, answer(204), effect=run),), Reply.LOST, "overtaken", runs="2.0.0"
    ),
    "Completed, and nothing changed": Case(
        "fwupd#6879",
        "activate",
        (Rule(MONITOR, answer(200, task("Completed", DONE, TaskStatus="OK"))),),
        Reply.ACCEPTED,
        waits=True,
    ),
    "Pending until a reset": Case(
        "dell/iDRAC-Redfish-Scripting#32, community.general#5580",
        "activate",
        (Rule(MONITOR, answer(202, task("Pending", RESET, PercentComplete=0))),),
        Reply.FAILED,
        "reset-required",
        "ResetRequired",
        waits=True,
        within=2,
    ),
    "Suspended": Case(
        "community.general#5580",
        "activate",
        (Rule(MONITOR, answer(202, task("Suspended"))),),
        Reply.LOST,
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
    assert (claim.reply, claim.reason and claim.reason.code, claim.at_work) == (case.reply, case.code, case.at_work)
    assert case.words in " ".join([claim.reason.text if claim.reason else "", *claim.log])
    # What the provider itself has seen in the inventory takes no trust.
    proved = case.act != "activate" and case.reply is Reply.ACCEPTED
    trust = Trust.FULL if proved else Trust.DOUBTFUL
    assert (claim.trust, claim.measured) == (trust, Measured.NOT)
    assert bool(claim.trust_reason) != proved
    firmware = bench.model.firmware[0]
    assert bench.asked(case.act) == case.asked
    assert bench.web.sessions == 0
    if case.code != "locked-out":
        bench.rules = ()
        seen = bench.component("mcu")
        assert seen.current_version
        assert (seen.current_version.text, seen.pending) == (case.runs, case.waits)
        assert (firmware.running, firmware.staged is not None) == (case.runs, case.waits)


def test_a_warning_is_told_with_the_success() -> None:
    """A task that is Completed with a Warning: what it warns of is shown to whoever activated."""
    claim = Field(*CASES["Completed, with a Warning"].rules).do("activate")
    assert claim.warning == "the BMC warns: One of two."


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html><head><title>503 Busy</title></head><body><h1>503 Busy</h1></body></html>", "503 Busy"),
        (b"<html><head><title>503 Busy</title></head><body></body></html>", "503 Busy"),
        (b"<script>x</script> later", "later"),
        (b" OK\r\n", "OK"),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"<" * 100_000, "<" * 500),
        (b"<script>" * 20_000, ""),
    ],
)
def test_a_page_is_read_as_a_person_would(body: bytes, text: str) -> None:
    assert plain_text(body) == text
