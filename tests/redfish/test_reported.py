# SPDX-License-Identifier: Apache-2.0
"""What people reported of their BMCs, and what the command says to it; by the public report of it.

`test_field` has what the provider claims in each of these cases, and many more.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from .field import ACTIVATE, COLLECTION, MEMBER, TASK, Rule, answer, hold, message, page, run, task
from .served import Step, served

STUCK = answer(202, task("Running", PercentComplete=50))
DENIED = {"error": {"@Message.ExtendedInfo": [message("Base.1.8.InsufficientPrivilege", "There is no right to it.")]}}


class Report(NamedTuple):
    """Where it was reported, how the BMC answers, whether an image waits there, and what is said to commands."""

    source: str
    rules: tuple[Rule, ...]
    steps: tuple[Step, ...]
    waits: bool = False


REPORTS = {
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
    with served(tmp_path, *report.rules) as machine:
        if report.waits:
            hold(machine.bench)
        for step in report.steps:
            machine.run(step)
