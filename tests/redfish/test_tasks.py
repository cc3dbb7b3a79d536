# SPDX-License-Identifier: Apache-2.0
"""Following a task: every way in which services answer, scripted, in virtual time."""

from typing import Any, NamedTuple

import pytest

from livefw.providers.base import Progress
from livefw.providers.fake import FakeClock
from livefw.providers.redfish import tasks
from livefw.providers.redfish.exchange import Answer, ExchangeError
from livefw.providers.redfish.tasks import REGISTRY, End

MONITOR, TASK = "/redfish/v1/TaskService/TaskMonitors/1", "/redfish/v1/TaskService/Tasks/1"
BROKEN = ExchangeError("broken", "gone", sent=True)
Step = Answer | ExchangeError


class Scripted:
    """A BMC that gives these answers, the last one for ever."""

    origin = "https://bmc.example"

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.asked: list[str] = []

    def get(self, path: str) -> Answer:
        self.asked.append(path)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, ExchangeError):
            raise step
        return step


class Followed(NamedTuple):
    outcome: tasks.Outcome
    seconds: float
    pauses: list[float]
    told: list[Progress]
    asked: list[str]


def follow(first: Answer, *steps: Step, patience: float = 600.0) -> Followed:
    bmc, clock = Scripted(*steps), FakeClock()
    pauses: list[float] = []
    told: list[Progress] = []
    client: Any = bmc
    running = tasks.follow(client, first, clock=clock, observer=told.append, patience=patience)
    while True:
        try:
            pauses.append(next(running))
        except StopIteration as stop:
            return Followed(stop.value, clock.now(), pauses, told, bmc.asked)
        clock.sleep(pauses[-1])


def task(state: str, *keys: str, status: int = 200, percent: int = 50) -> Answer:
    rows = [{"MessageId": f"Update.1.2.{key}", "Message": f"This is {key}."} for key in keys]
    body = {"@odata.id": TASK, "TaskState": state, "PercentComplete": percent, "Messages": rows}
    return Answer(status, {}, body)


def plain(status: int, **body: Any) -> Answer:
    return Answer(status, {}, body)


ACCEPTED = Answer(202, {"location": MONITOR}, {})
RUNNING = plain(202)

ENDS: dict[str, tuple[Answer, tuple[Step, ...], End, str | None]] = {
    "DSP0266: 202, then the answer": (ACCEPTED, (RUNNING, plain(200)), End.DONE, None),
    "DSP0266: 202, then the answer is an error": (ACCEPTED, (RUNNING, plain(400)), End.FAILED, "task-failed"),
    "DSP0266: location is absolute": (
        Answer(202, {"location": f"https://bmc.example{MONITOR}"}, {}),
        (plain(204),),
        End.DONE,
        None,
    ),
    "location of another host: not followed": (
        Answer(202, {"location": "https://evil/x"}, {}),
        (plain(500),),
        End.LOST,
        "no-monitor",
    ),
    "monitor gives 200 with a task that runs": (ACCEPTED, (task("Running"), task("Completed")), End.DONE, None),
    "monitor gives 202 with a task that failed": (
        ACCEPTED,
        (task("Exception", status=202),),
        End.FAILED,
        "task-failed",
    ),
    "no location, task in the body": (task("New", status=202), (task("Running"), task("Completed")), End.DONE, None),
    "no location, task in the body is over": (task("Completed"), (), End.DONE, None),
    "sushy-tools: 204 with the task as location": (
        Answer(204, {"location": TASK}, {}),
        (task("Completed"),),
        End.DONE,
        None,
    ),
    "no task at all": (plain(204), (), End.DONE, None),
    "bmcweb: staged until the next reset": (
        ACCEPTED,
        (task("Running"), task("Stopping", "TaskPaused")),
        End.WAITS,
        "reset-required",
    ),
    "stopping without a pause goes on": (ACCEPTED, (task("Stopping"), task("Completed")), End.DONE, None),
    "monitor is gone": (ACCEPTED, (RUNNING, plain(404)), End.LOST, "monitor-gone"),
    "monitor is gone, the task is there": (
        Answer(202, {"location": MONITOR}, {"@odata.id": TASK, "TaskState": "New"}),
        (plain(404), task("Completed")),
        End.DONE,
        None,
    ),
    "killed": (ACCEPTED, (task("Killed"),), End.FAILED, "task-failed"),
    "cancelled": (ACCEPTED, (task("Cancelled", "TaskCancelled"),), End.CANCELLED, "task-cancelled"),
    "completed, with ResetRequired": (ACCEPTED, (task("Completed", "ResetRequired"),), End.WAITS, "reset-required"),
    "completed, critical": (
        ACCEPTED,
        (plain(200, TaskState="Completed", TaskStatus="Critical"),),
        End.FAILED,
        "task-failed",
    ),
    "completed, passed over": (
        ACCEPTED,
        (task("Completed", "UpdateSkippedSameVersion"),),
        End.FAILED,
        "version-refused",
    ),
    "failure told while running": (
        ACCEPTED,
        (task("Running", "VerificationFailed"), task("Exception")),
        End.FAILED,
        "auth-failed",
    ),
    "restart of the BMC is survived": (ACCEPTED, (BROKEN, BROKEN, BROKEN, task("Completed")), End.DONE, None),
    "busy for a while": (ACCEPTED, (plain(503), plain(503), task("Completed")), End.DONE, None),
    "out of sight": (ACCEPTED, (BROKEN,), End.LOST, "no-contact"),
    "never ends": (ACCEPTED, (task("Running"),), End.LOST, "no-end"),
    "refused": (plain(400, error={"code": "Base.1.0.GeneralError", "message": "no"}), (), End.REFUSED, "bad-request"),
    "not allowed": (plain(403), (), End.REFUSED, "not-permitted"),
    "busy": (plain(503), (), End.REFUSED, "busy"),
    "refused by a message": (
        plain(400, error={"@Message.ExtendedInfo": [{"MessageId": "Update.1.0.UpdateNotApplicable"}]}),
        (),
        End.REFUSED,
        "version-refused",
    ),
    "broke over it": (plain(500), (), End.FAILED, "unexpected-status"),
}


@pytest.mark.parametrize("name", ENDS)
def test_end(name: str) -> None:
    first, steps, end, code = ENDS[name]
    outcome = follow(first, *steps).outcome
    assert (outcome.end, outcome.reason and outcome.reason.code) == (end, code)


@pytest.mark.parametrize("key", [key for key, row in REGISTRY.items() if row.failure])
def test_every_failure_of_the_registry_is_the_reason(key: str) -> None:
    outcome = follow(ACCEPTED, task("Exception", key)).outcome
    assert outcome.reason
    assert (outcome.reason.code, outcome.code) == (REGISTRY[key].failure, key)


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
    assert follow(ACCEPTED, Answer(200, {}, body)).outcome.end in (End.DONE, End.FAILED)
