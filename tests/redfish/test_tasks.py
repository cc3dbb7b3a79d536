# SPDX-License-Identifier: Apache-2.0
"""Following a task: every way in which services answer, scripted, in virtual time."""

from typing import Any, NamedTuple

import pytest

from livefw.providers.base import Progress, Reason
from livefw.providers.fake import FakeClock
from livefw.providers.redfish import tasks
from livefw.providers.redfish.exchange import ExchangeError, Response
from livefw.providers.redfish.registry import REGISTRY, STANDARD
from livefw.providers.redfish.tasks import TaskEnd

MONITOR, TASK = "/redfish/v1/TaskService/TaskMonitors/1", "/redfish/v1/TaskService/Tasks/1"
BROKEN = ExchangeError(Reason("broken", "gone"), sent=True)
Step = Response | ExchangeError


class Scripted:
    """A BMC that gives these answers, the last one for ever."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.asked: list[str] = []

    def get(self, path: str) -> Response:
        self.asked.append(path)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, ExchangeError):
            raise step
        return step


class Followed(NamedTuple):
    outcome: tasks.TaskOutcome
    seconds: float
    pauses: list[float]
    told: list[Progress]
    asked: list[str]


def follow(first: Response, *steps: Step, patience: float = 600.0, staging: bool = False) -> Followed:
    bmc, clock = Scripted(*steps or (first,)), FakeClock()
    pauses: list[float] = []
    told: list[Progress] = []
    client: Any = bmc
    running = tasks.follow(client, first, clock=clock, observer=told.append, patience=patience, staging=staging)
    while True:
        try:
            pauses.append(next(running))
        except StopIteration as stop:
            return Followed(stop.value, clock.passed, pauses, told, bmc.asked)
        clock.sleep(pauses[-1])


def task(state: str, *keys: str, status: int = 200, percent: int = 50) -> Response:
    rows = [{"MessageId": f"Update.1.2.{key}", "Message": f"This is {key}."} for key in keys]
    body = {"@odata.id": TASK, "TaskState": state, "PercentComplete": percent, "Messages": rows}
    return Response(status, {}, body)


def plain(status: int, **body: Any) -> Response:
    return Response(status, {}, body)


def page(status: int, text: str = "<html> Service Unavailable </html>") -> Response:
    return Response(status, {}, {}, text)


ACCEPTED = Response(202, {"location": MONITOR}, {})
RUNNING = plain(202)

ENDS: dict[str, tuple[Response, tuple[Step, ...], TaskEnd, str | None]] = {
    "DSP0266: 202, then the answer": (ACCEPTED, (RUNNING, plain(200)), TaskEnd.DONE, None),
    "DSP0266: 202, then the answer is an error": (ACCEPTED, (RUNNING, plain(400)), TaskEnd.FAILED, "task-failed"),
    "DSP0266: location is absolute": (
        Response(202, {"location": f"https://bmc.example{MONITOR}"}, {}),
        (plain(204),),
        TaskEnd.DONE,
        None,
    ),
    "location under another name of the BMC": (
        Response(202, {"location": "http://its-own-name:8443/x"}, {}),
        (task("Completed"),),
        TaskEnd.DONE,
        None,
    ),
    "location that is no address": (Response(202, {"location": "ftp://evil/x"}, {}), (), TaskEnd.LOST, "no-monitor"),
    "monitor gives 200 with a task that runs": (ACCEPTED, (task("Running"), task("Completed")), TaskEnd.DONE, None),
    "monitor gives 202 with a task that failed": (
        ACCEPTED,
        (task("Exception", status=202),),
        TaskEnd.FAILED,
        "task-failed",
    ),
    "no location, task in the body": (
        task("New", status=202),
        (task("Running"), task("Completed")),
        TaskEnd.DONE,
        None,
    ),
    "no location, task in the body is over": (task("Completed"), (), TaskEnd.DONE, None),
    "sushy-tools: 204 with the task as location": (
        Response(204, {"location": TASK}, {}),
        (task("Completed"),),
        TaskEnd.DONE,
        None,
    ),
    "no task at all": (plain(204), (), TaskEnd.DONE, None),
    "bmcweb: staged until the next reset": (
        ACCEPTED,
        (task("Running"), task("Stopping", "TaskPaused")),
        TaskEnd.WAITS,
        "reset-required",
    ),
    "stopping without a pause goes on": (ACCEPTED, (task("Stopping"), task("Completed")), TaskEnd.DONE, None),
    "monitor is gone": (ACCEPTED, (RUNNING, plain(404)), TaskEnd.LOST, "monitor-gone"),
    "monitor is gone, the task is there": (
        Response(202, {"location": MONITOR}, {"@odata.id": TASK, "TaskState": "New"}),
        (plain(404), task("Completed")),
        TaskEnd.DONE,
        None,
    ),
    "killed": (ACCEPTED, (task("Killed"),), TaskEnd.FAILED, "task-failed"),
    "cancelled": (ACCEPTED, (task("Cancelled", "TaskCancelled"),), TaskEnd.CANCELLED, "task-cancelled"),
    "completed, with ResetRequired": (ACCEPTED, (task("Completed", "ResetRequired"),), TaskEnd.WAITS, "reset-required"),
    "completed, critical": (
        ACCEPTED,
        (plain(200, TaskState="Completed", TaskStatus="Critical"),),
        TaskEnd.FAILED,
        "task-failed",
    ),
    "completed, passed over": (
        ACCEPTED,
        (task("Completed", "UpdateSkippedSameVersion"),),
        TaskEnd.FAILED,
        "version-refused",
    ),
    "failure told while running": (
        ACCEPTED,
        (task("Running", "VerificationFailed"), task("Exception")),
        TaskEnd.FAILED,
        "auth-failed",
    ),
    "restart of the BMC is survived": (ACCEPTED, (BROKEN, BROKEN, BROKEN, task("Completed")), TaskEnd.DONE, None),
    "busy for a while": (ACCEPTED, (plain(503), plain(503), task("Completed")), TaskEnd.DONE, None),
    "lost from sight": (ACCEPTED, (BROKEN,), TaskEnd.LOST, "no-contact"),
    "never ends": (ACCEPTED, (task("Running"),), TaskEnd.LOST, "no-end"),
    "refused": (
        plain(400, error={"code": "Base.1.0.GeneralError", "message": "no"}),
        (),
        TaskEnd.REFUSED,
        "bad-request",
    ),
    "not allowed": (plain(403), (), TaskEnd.REFUSED, "not-permitted"),
    "busy": (plain(503), (), TaskEnd.REFUSED, "busy"),
    "refused by a message": (
        plain(400, error={"@Message.ExtendedInfo": [{"MessageId": "Update.1.0.UpdateNotApplicable"}]}),
        (),
        TaskEnd.REFUSED,
        "version-refused",
    ),
    "too large, a page": (page(413), (), TaskEnd.REFUSED, "too-large"),
    "busy, a page": (page(503), (), TaskEnd.REFUSED, "busy"),
    "too many requests": (plain(429), (), TaskEnd.REFUSED, "busy"),
    "no such action": (plain(501), (), TaskEnd.REFUSED, "bad-request"),
    "no such action, a page": (page(405), (), TaskEnd.REFUSED, "bad-request"),
    "another status of the client's": (plain(418), (), TaskEnd.REFUSED, "unexpected-status"),
    "broke over it: it may have begun": (plain(500), (), TaskEnd.LOST, "service-broke"),
    "broke over it, a page": (page(500), (), TaskEnd.LOST, "service-broke"),
    "broke over it, and says how": (
        plain(500, error={"@Message.ExtendedInfo": [{"MessageId": "Update.1.0.ActivateFailed"}]}),
        (),
        TaskEnd.FAILED,
        "activation-failed",
    ),
    "passed on, and not answered in time": (page(504), (), TaskEnd.LOST, "service-broke"),
    "accepted in a word": (page(200, "OK"), (), TaskEnd.DONE, None),
    "accepted, and no place": (plain(202), (), TaskEnd.LOST, "no-monitor"),
    "monitor is gone, a page": (ACCEPTED, (RUNNING, page(404)), TaskEnd.LOST, "monitor-gone"),
    "monitor is gone for good": (ACCEPTED, (RUNNING, plain(410)), TaskEnd.LOST, "monitor-gone"),
    "monitor is gone, and so is the task": (
        Response(202, {"location": MONITOR}, {"@odata.id": TASK, "TaskState": "New"}),
        (plain(404), page(404)),
        TaskEnd.LOST,
        "monitor-gone",
    ),
    "monitor is not for us": (ACCEPTED, (RUNNING, plain(403)), TaskEnd.LOST, "monitor-hidden"),
    "monitor says 401, whoever asks": (ACCEPTED, (RUNNING, plain(401)), TaskEnd.LOST, "monitor-hidden"),
    "monitor says 401 once": (ACCEPTED, (plain(401), RUNNING, task("Completed")), TaskEnd.DONE, None),
    "nobody is let in any more": (
        ACCEPTED,
        (RUNNING, ExchangeError(Reason("locked-out", "no"), sent=True)),
        TaskEnd.LOST,
        "locked-out",
    ),
    "logins are refused": (
        ACCEPTED,
        (RUNNING, ExchangeError(Reason("login", "no"), sent=False)),
        TaskEnd.LOST,
        "locked-out",
    ),
    "service breaks once": (ACCEPTED, (plain(500), RUNNING, task("Completed")), TaskEnd.DONE, None),
    "service breaks each time": (ACCEPTED, (RUNNING, plain(500)), TaskEnd.LOST, "service-broke"),
    "pages in between": (ACCEPTED, (page(502), page(503), page(200), task("Completed")), TaskEnd.DONE, None),
    "nothing but pages": (ACCEPTED, (page(200),), TaskEnd.LOST, "malformed"),
    "state in lower case": (ACCEPTED, (task("running"), task("completed")), TaskEnd.DONE, None),
    "scheduled until a reset": (ACCEPTED, (task("Pending", "ResetRequired"),), TaskEnd.WAITS, "reset-required"),
    "suspended until a reset": (ACCEPTED, (task("Suspended", "ResetRequired"),), TaskEnd.WAITS, "reset-required"),
    "suspended": (ACCEPTED, (task("Suspended"),), TaskEnd.LOST, "task-stopped"),
    "runs as a service": (ACCEPTED, (task("Service"),), TaskEnd.LOST, "task-stopped"),
    "pending, and then goes on": (ACCEPTED, (task("Pending"), task("Running"), task("Completed")), TaskEnd.DONE, None),
    "was queued, and is started": (
        ACCEPTED,
        (task("Pending", "AwaitToUpdate"), task("Running", "AwaitToUpdate"), task("Completed", "AwaitToUpdate")),
        TaskEnd.DONE,
        None,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_end(name: str) -> None:
    first, steps, end, code = ENDS[name]
    outcome = follow(first, *steps).outcome
    assert (outcome.end, outcome.reason and outcome.reason.code) == (end, code)


PROGRESS = (
    "TargetDetermined",
    "AllTargetsDetermined",
    "TransferringToComponent",
    "VerifyingAtComponent",
    "InstallingOnComponent",
    "ApplyingOnComponent",
    "AwaitToUpdate",
    "AwaitToActivate",
    "UpdateInProgress",
    "OperationTransitionedToJob",
    "UpdateSuccessful",
    "TaskStarted",
    "TaskProgressChanged",
    "TaskPaused",
    "TaskResumed",
    "TaskCompletedOK",
    "TaskCompletedWarning",
)
FAILURES = {
    "TransferFailed": "transfer-failed",
    "VerificationFailed": "auth-failed",
    "ApplyFailed": "apply-failed",
    "ActivateFailed": "activation-failed",
    "NoTargetsDetermined": "version-refused",
    "UpdateNotApplicable": "version-refused",
    "UpdateSkipped": "version-refused",
    "UpdateSkippedSameVersion": "version-refused",
    "ResetRequired": "reset-required",
    "TaskAborted": "activation-failed",
    "TaskCancelled": "task-cancelled",
    "TaskRemoved": "task-cancelled",
}
MESSAGES = dict.fromkeys(PROGRESS, "task-failed") | FAILURES
"""DSP8011, registries Update 1.2.0, TaskEvent and Base: what a task that ends badly has failed of, if it says this."""
OEM_PROGRESS = (
    "JCP001",
    "RED001",
    "RED002",
    "RED030",
    "OemSimpleupdateAcceptedMessage",
    "UpdateAssignment",
    "UpdateVerifyInProgress",
    "PayloadApplyInProgress",
    "PayloadApplyCompleted",
)
OEM_FAILURES = {
    "RED007": "auth-failed",
    "SystemResetRequired": "reset-required",
    "OemFirmwareAlreadyInUpdateMode": "busy",
    "OemLicenseNotPassed": "no-licence",
    "UpdateVerifyFailed": "auth-failed",
}
OEM = dict.fromkeys(OEM_PROGRESS, "task-failed") | OEM_FAILURES
"""The same of vendors' registries; where each is from stands in livefw.providers.redfish.vendors."""


def test_the_registry_is_known() -> None:
    assert STANDARD.keys() == MESSAGES.keys()
    assert REGISTRY.keys() == MESSAGES.keys() | OEM.keys()


@pytest.mark.parametrize("key", [*MESSAGES, *OEM])
def test_every_message_of_the_registry_is_told_in_words_and_is_the_reason_if_it_is_a_failure(key: str) -> None:
    followed = follow(ACCEPTED, task("Running", key), task("Exception", key))
    outcome, (text, *more) = followed.outcome, [each.text for each in followed.told if each.text]
    assert more == []
    assert text[:1].islower()
    assert text != f"This is {key}."
    assert outcome.reason
    assert (outcome.reason.code, outcome.code) == ((MESSAGES | OEM)[key], key)
    assert (outcome.reason.text == text) is (key in FAILURES | OEM_FAILURES)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, tasks.FIRST_PAUSE),
        ({"retry-after": "99999"}, 60.0),
        ({"retry-after": "-1"}, tasks.FIRST_PAUSE),
        ({"retry-after": "soon"}, tasks.FIRST_PAUSE),
        ({"retry-after": "9" * 400}, tasks.FIRST_PAUSE),
        ({"date": "Mon, 23 Nov 2026 06:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 06:00:09 GMT"}, 9.0),
        ({"date": "Mon, 23 Nov 2026 06:00:00 GMT", "retry-after": "Mon, 23 Nov 2020 06:00:09 GMT"}, tasks.FIRST_PAUSE),
        ({"date": "today", "retry-after": "Mon, 23 Nov 2026 06:00:09 GMT"}, tasks.FIRST_PAUSE),
    ],
)
def test_retry_after_is_kept_within_reason(headers: dict[str, str], pause: float) -> None:
    first = task("New", status=202)
    first = first._replace(headers={"location": MONITOR} | headers)
    assert follow(first, task("Completed")).pauses == [pause]


def test_looks_are_bounded_in_time_and_in_number() -> None:
    followed = follow(ACCEPTED, task("Running"), patience=3600)
    assert followed.seconds <= 3600 + tasks.LONGEST_PAUSE
    assert len(followed.asked) < 400
    assert follow(ACCEPTED, BROKEN).seconds < 200


def test_progress_is_told_once() -> None:
    steps = [task("Running", "VerifyingAtComponent", percent=p) for p in (10, 10, 20, 120, -1)]
    followed = follow(ACCEPTED, *steps, task("Completed", percent=100))
    assert [(each.text, each.percent) for each in followed.told] == [
        ("the component verifies the image", 10),
        ("", 10),
        ("", 20),
        ("", 100),
    ]


@pytest.mark.parametrize(
    "rows", [None, 7, "x", [None], [7], [{}], [{"MessageId": 7}], [{"MessageId": "a.b.C", "Message": 7}]]
)
def test_messages_may_be_anything(rows: Any) -> None:
    body = {"TaskState": "Completed", "Messages": rows, "error": rows, "PercentComplete": rows}
    assert follow(ACCEPTED, Response(200, {}, body)).outcome.end in (TaskEnd.DONE, TaskEnd.FAILED)


def test_a_task_that_waits_to_be_started_has_staged_its_image() -> None:
    """DSP2062: the task of the push is the one that StartUpdate starts; it does not end before."""
    outcome = follow(ACCEPTED, task("Pending", "AwaitToUpdate"), staging=True).outcome
    assert (outcome.end, outcome.reason, outcome.goes_on) == (TaskEnd.WAITS, tasks.AWAITS, False)


@pytest.mark.parametrize(
    "end", ["lost from sight", "never ends", "nobody is let in any more", "suspended", "nothing but pages"]
)
def test_what_may_go_on_is_told(end: str) -> None:
    first, steps, _, _ = ENDS[end]
    outcome = follow(first, *steps).outcome
    assert (outcome.end, outcome.goes_on) == (TaskEnd.LOST, True)


@pytest.mark.parametrize(
    "end",
    ["monitor is gone, a page", "accepted, and no place", "broke over it, a page", "monitor says 401, whoever asks"],
)
def test_what_answers_is_asked_no_longer_than_it_takes(end: str) -> None:
    """It answered each time: that is no silence, and the inventory knows more than the task."""
    first, steps, _, _ = ENDS[end]
    followed = follow(first, *steps)
    assert not followed.outcome.goes_on
    assert followed.seconds < 10


WORDS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "ironcore-dev/metal-operator#453: Completed, and Critical": (
        {"Messages": [{"MessageId": "IDRAC.2.8.JCP052", "Message": "It made no progress.", "Severity": "Critical"}]},
        "It made no progress.",
        ("JCP052: It made no progress.", "TaskStatus: Critical"),
    ),
    "dell/iDRAC-Redfish-Scripting#4: a text without MessageId": (
        {"Messages": [{"Message": "device rejected image"}]},
        "device rejected image",
        ("device rejected image", "TaskStatus: Critical"),
    ),
    "dell/iDRAC-Redfish-Scripting#4: strings": (
        {"Messages": ["one", "two"]},
        "two",
        ("one", "two", "TaskStatus: Critical"),
    ),
    "the worst of several": (
        {"Messages": [{"Message": "rejected", "MessageSeverity": "Critical"}, {"Message": "done", "Severity": "OK"}]},
        "rejected",
        ("rejected", "done", "TaskStatus: Critical"),
    ),
    "fwupd#4836: error.message without code": (
        {"error": {"message": "The image is not for this board."}},
        "The image is not for this board.",
        ("The image is not for this board.", "TaskStatus: Critical"),
    ),
    "error as a text": ({"error": "no space left"}, "no space left", ("no space left", "TaskStatus: Critical")),
    "no word": ({}, "the task ended as Completed", ("TaskStatus: Critical",)),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_bmcs_own_words_are_kept(name: str) -> None:
    body, text, log = WORDS[name]
    ended = Response(200, {}, {"TaskState": "Completed", "TaskStatus": "Critical"} | body)
    outcome = follow(ACCEPTED, ended).outcome
    assert outcome.reason
    assert (outcome.end, outcome.reason.text, outcome.log) == (TaskEnd.FAILED, text, log)


def test_a_warning_is_no_failure_and_is_told() -> None:
    rows = [{"MessageId": "Oem.1.0.Partial", "Message": "One of two.", "Severity": "Warning"}]
    outcome = follow(ACCEPTED, plain(200, TaskState="Completed", TaskStatus="Warning", Messages=rows)).outcome
    assert (outcome.end, outcome.log) == (TaskEnd.DONE, ("Partial: One of two.", "TaskStatus: Warning"))


def test_what_a_refusal_says_is_in_its_reason() -> None:
    outcome = follow(Response(503, {"retry-after": "120"}, {}, "503 Service Unavailable")).outcome
    assert outcome.reason
    assert outcome.reason.text.endswith("(503: 503 Service Unavailable; retry after 120 s)")


def test_words_without_end_are_bounded() -> None:
    """A hostile BMC that says something new at each look."""
    steps = [plain(200, TaskState="Running", Messages=[f"{look} {row}" for row in range(50)]) for look in range(50)]
    assert len(follow(ACCEPTED, *steps, task("Completed")).outcome.log) <= 64
