# SPDX-License-Identifier: Apache-2.0
"""Jobs that a service gives in place of a task, and tasks whose job says more than they do, as tasks."""

from typing import Any

from livefw.providers.redfish.exchange import Response
from livefw.providers.redfish.vendors.table import JOB_PLACES, JOB_STATES
from livefw.providers.redfish.vendors.vendor import text_at


def as_task(answer: Response) -> Response:
    """The answer, as a Task if it is a Job (Job 1.2, JobState); a job that failed is no task that completed."""
    body = answer.body
    if "TaskState" not in body and (state := _state(text_at(body, ("JobState",)))):
        return answer._replace(body=body | {"TaskState": state} | _messages(body))
    for place in JOB_PLACES:
        state = _state(text_at(body, (*place, "JobState")))
        if state == "Exception" and body.get("TaskState") == "Completed":
            return answer._replace(body=body | {"TaskState": state})
    return answer


def _state(job_state: str) -> str:
    return JOB_STATES.get(job_state, job_state)


def _messages(body: dict[str, Any]) -> dict[str, Any]:
    """The message of a job whose messages are no list."""
    said = {name: body[name] for name in ("MessageId", "Message") if isinstance(body.get(name), str)}
    return {"Messages": [said]} if said and "Messages" not in body else {}
