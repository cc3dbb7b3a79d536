# SPDX-License-Identifier: Apache-2.0
"""What people reported of their BMCs, and what the command says to it; by the public report of it.

`test_field` has what the provider claims in each of these cases, and many more.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.reply import WebReply

from .conftest import Bench
from .field import ACTIVATE, COLLECTION, MEMBER, PUSH, TASK, Rule, answer, hold, message, page, run, task
from .served import Step, served

MCU = "/redfish/v1/UpdateService/FirmwareInventory/mcu"
STUCK = answer(202, task("Running", PercentComplete=50))
DENIED = {"error": {"@Message.ExtendedInfo": [message("Base.1.8.InsufficientPrivilege", "There is no right to it.")]}}


class Report(NamedTuple):
    """Where it was reported, how the BMC answers, whether an image waits there, and what is said to commands."""

    source: str
    rules: tuple[Rule, ...]
    steps: tuple[Step, ...]
    waits: bool = False
    pattern: Pattern = Pattern.STAGE


def accepted(number: int) -> WebReply:
    """Supermicro's answer: the task is the argument of a message."""
    place = f"/redfish/v1/TaskService/Tasks/{number}"
    info = {"MessageId": "SMC.1.0.OemSimpleupdateAcceptedMessage", "Severity": "Ok", "MessageArgs": [place]}
    return answer(202, {"Accepted": {"code": "Base.v1_4_0.Accepted", "@Message.ExtendedInfo": [info]}})


def supermicro_task(number: int, state: str) -> WebReply:
    """Its tasks: no payload, and a message without any text."""
    place = f"/redfish/v1/TaskService/Tasks/{number}"
    nothing = {"MessageId": "", "Message": "", "MessageArgs": [""], "Severity": ""}
    shown = {"@odata.id": place, "TaskState": state, "TaskStatus": "OK", "HidePayload": True, "Messages": [nothing]}
    return answer(200, shown)


def run_held(bench: Bench) -> None:
    """What the BMC holds, and does not show, takes effect."""
    hold(bench)
    run(bench)


VERIFY, UPDATE = r"GET .*/Tasks/546", r"GET .*/Tasks/547"
IN_UPDATE_MODE = message("SMC.1.0.OemFirmwareAlreadyInUpdateMode", "The firmware update was already in update mode.")
SUPERMICRO = (
    Rule(PUSH, accepted(546), last=1),
    Rule(PUSH, answer(405, {"error": {"@Message.ExtendedInfo": [IN_UPDATE_MODE]}})),
    Rule(VERIFY, supermicro_task(546, "Running"), last=1),
    Rule(VERIFY, supermicro_task(546, "Completed")),
    Rule(r"GET .*/TaskService/Tasks", answer(200, {"Members": [{"@odata.id": "/redfish/v1/TaskService/Tasks/546"}]})),
    Rule(r"POST .*/UpdateService\.StartUpdate", accepted(547), effect=run_held),
    Rule(UPDATE, supermicro_task(547, "Running"), last=1),
    Rule(UPDATE, supermicro_task(547, "Completed")),
)

REPORTS = {
    "a verified image is held, and nothing shows it": Report(
        "fwupd/fwupd#4836; fwupd, plugins/redfish/tests/redfish.py",
        SUPERMICRO,
        (
            Step("activate mcu", 3, ("no image is staged",)),
            Step("stage mcu IMAGE", 0, ("staged", "livefw knows that from its history")),
            Step("list --pending", 0, ("CPU0 power management", "ready")),
            Step("stage mcu IMAGE", 4, ("already in update mode", "is still pending")),
            Step("cancel mcu", 4, ("the BMC does not support cancelling it",)),
            Step("activate mcu", 0, ("activated, 1.0.0 -> 2.0.0",)),
            Step("show mcu", 0, ("2.0.0", "up to date")),
            Step("activate mcu", 3, ("no image is staged",)),
        ),
        pattern=Pattern.START,
    ),
    "a verified image is held, and its activation changes nothing": Report(
        "fwupd/fwupd#4836, as fwupd/fwupd#6879",
        tuple(rule._replace(effect=Rule("").effect) for rule in SUPERMICRO),
        (
            Step("stage mcu IMAGE", 0, ("staged",)),
            Step("activate mcu", 6, ("unknown", "1.0.0 runs")),
            Step("activate mcu", 3, ("no image is staged",)),
        ),
        pattern=Pattern.START,
    ),
    "the task is deleted after its end": Report(
        "dell/iDRAC-Redfish-Scripting#160",
        (Rule(TASK, STUCK, last=1), Rule(TASK, answer(404, {"error": {}}), effect=run)),
        (
            Step("activate mcu", 0, ("activated, 1.0.0 -> 2.0.0", "the end was not observed", "no longer exists")),
            Step("history", 0, ("activated", "1.0.0 -> 2.0.0")),
        ),
        waits=True,
    ),
    "the task is deleted, and its 404 is a page": Report(
        "fwupd/fwupd#7593",
        (Rule(TASK, STUCK, last=1), Rule(TASK, page(404, "Not Found"), effect=run)),
        (Step("activate mcu", 0, ("activated, 1.0.0 -> 2.0.0", "the end was not observed")),),
        waits=True,
    ),
    "the task is deleted, and nothing has changed": Report(
        "dell/iDRAC-Redfish-Scripting#160",
        (
            Rule(ACTIVATE, answer(202, Location="/redfish/v1/TaskService/Tasks/2")),
            Rule(TASK, STUCK, last=1),
            Rule(TASK, answer(404, {"error": {}})),
        ),
        (Step("activate mcu", 6, ("unknown", "no longer exists", "the new image is still pending")),),
        waits=True,
    ),
    "the member is busy in the last look": Report(
        "ibm-openbmc/dev#358",
        (Rule(MEMBER, answer(503, Retry_After="1"), first=2, last=2),),
        (Step("activate mcu", 0, ("activated, 1.0.0 -> 2.0.0",)),),
        waits=True,
    ),
    "the member stays busy": Report(
        "ibm-openbmc/dev#358",
        (Rule(MEMBER, answer(503, Retry_After="60")),),
        (
            Step("activate mcu", 1, ("answered 503",)),
            Step("list", 0, ("Firmware", "1 resource(s) cannot be read", "answered 503")),
        ),
        waits=True,
    ),
    "the account may not read the update service": Report(
        "openbmc/bmcweb#103; Base registry, InsufficientPrivilege",
        (Rule(r"GET .*/UpdateService", answer(403, DENIED)),),
        (
            Step("list", 5, ("UpdateService returned 403 (InsufficientPrivilege: There is no right to it.)",)),
            Step("stage mcu IMAGE", 5, ("There is no right to it.",)),
            Step("doctor", 1, ("There is no right to it.",)),
        ),
    ),
    "the account may not read the inventory": Report(
        "openbmc/bmcweb#103",
        (Rule(COLLECTION, answer(403, DENIED)),),
        (Step("stage mcu IMAGE", 5, ("There is no right to it.",)),),
    ),
    "the account may not activate": Report(
        "Base registry, InsufficientPrivilege",
        (Rule(ACTIVATE, answer(403, DENIED)),),
        (Step("activate mcu", 4, ("refused", "There is no right to it.", "the new image is still pending")),),
        waits=True,
    ),
    "the target is refused, in words without a code": Report(
        "fwupd/fwupd#4836; fwupd, plugins/redfish/tests/redfish.py",
        (Rule(PUSH, answer(400, {"error": {"message": "The id is invalid."}})),),
        (Step("stage mcu IMAGE", 4, ("refused", "The id is invalid.", "no image is pending")),),
        pattern=Pattern.START,
    ),
    "the task is Completed, and the old version runs": Report(
        "fwupd/fwupd#6879",
        (
            Rule(ACTIVATE, answer(202, Location="/redfish/v1/TaskService/Tasks/2")),
            Rule(TASK, answer(200, task("Completed", message("Update.1.2.UpdateSuccessful")))),
        ),
        (
            Step("activate mcu", 6, ("unknown", "1.0.0 runs", "the new image is still pending")),
            Step("history", 0, ("unknown",), ("activated",)),
        ),
        waits=True,
    ),
    "no image can wait": Report(
        "Cray-HPE/csm-redfish-interface-emulator: no captured BMC has Activate or StartUpdate",
        (Rule(COLLECTION, answer(200, {"Members": [{"@odata.id": MCU}]})),),
        (
            Step("list", 0, ("they cannot wait; installed at once by activate --image",)),
            Step("stage mcu IMAGE", 4, ("refused", "it cannot keep it pending", "activate rack/mcu --image IMAGE")),
        ),
        pattern=Pattern.IMMEDIATE,
    ),
    "more members are counted than are listed": Report(
        "ansible-collections/community.general#7011",
        (Rule(COLLECTION, answer(200, {"Members": [{"@odata.id": MCU}], "Members@odata.count": 61})),),
        (Step("list", 0, ("has 61 members, and 60 of them are missing",)),),
    ),
    "a name with control characters": Report(
        "DSP0266, UTF-8; CWE-150",
        (Rule(MEMBER, answer(200, {"Name": "Power \x1b[31msupply\x07 \u202e", "Version": "1"})),),
        (Step("list", 0, ("Power \\x1b[31msupply",), ("\x1b", "\x07", "\u202e")),),
    ),
    "the credentials are refused": Report(
        "openbmc/bmcweb#103",
        (Rule(r"POST .*/Sessions", answer(401)),),
        (Step("list", 5, ("it rejects these credentials",)),),
    ),
    "no session is left": Report(
        "bb-Ricardo/check_redfish#89",
        (Rule(r"POST .*/Sessions", answer(503, {"error": {"message": "Too many sessions."}})),),
        (Step("list", 1, ("it creates no session: HTTP 503: Too many sessions.", 'auth = "basic"')),),
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_command_says_what_is_known(name: str, tmp_path: Path) -> None:
    report = REPORTS[name]
    with served(tmp_path, *report.rules, pattern=report.pattern) as machine:
        if report.waits:
            hold(machine.bench)
        for step in report.steps:
            machine.run(step)


def test_a_held_image_counts_as_long_as_the_bmc_shows_its_task(tmp_path: Path) -> None:
    """fwupd/fwupd#4836: of a BMC that has restarted, nobody knows whether it holds the image still."""
    with served(tmp_path, *SUPERMICRO, pattern=Pattern.START) as machine:
        machine.run(Step("stage mcu IMAGE", 0, ("staged",)))
        machine.run(Step("show mcu", 0, ("ready",)))
        machine.bench.rules, machine.bench._seen = (), []
        machine.run(Step("show mcu", 0, ("up to date",)))
        machine.run(Step("activate mcu", 3, ("no image is staged",)))
