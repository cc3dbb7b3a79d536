# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a modelled BMC: one row each; the command, its help and the tests follow from it.

A BMC can be wrong in each direction: it tells of a success that was none, or of a failure although it obeyed. Three
rows are no faults, but what most BMCs of today lack: ``no-measurements``, ``one-bank`` and ``active-untold``.
"""

from typing import NamedTuple

FAULTS = {
    "verify-fails": "the component rejects the image as not authentic",
    "activate-fails": "the activation ends with ActivateFailed, and the old version keeps running",
    "activate-hangs": "the task of an activation never continues",
    "reset-after-all": "the task completes with ResetRequired, and the old version keeps running",
    "waits-for-reset": "the task of an activation stays Pending, with ResetRequired",
    "task-suspends": "the task of an activation is suspended for a while, then continues",
    "false-success": "the task completes with UpdateSuccessful, but the old version keeps running",
    "false-success-cleared": "as false-success, and the image is no longer staged",
    "false-failure": "the task ends with ActivateFailed, and the new version runs",
    "failure-cleared": "as activate-fails, and the image is no longer staged",
    "completed-critical": "the task is Completed and Critical, and the old version keeps running",
    "completed-warning": "the task is Completed with a Warning, and the new version runs",
    "answers-204": "an activation is answered with 204, and nothing is done",
    "answers-text": "an activation is answered with 200 and a text, and is done",
    "refused-but-done": "an activation is answered with 400, and is done",
    "unauthorized-but-done": "an activation is answered with 401, and is done",
    "error-but-done": "an activation is answered with 500, and is done",
    "gateway-but-done": "an activation is answered with a page and 504, and is done",
    "dropped-but-done": "the connection breaks upon an activation, which is done",
    "false-staging": "the task completes, and nothing is staged",
    "refused-but-staged": "a push is answered with 400, and the image is staged",
    "dropped-but-staged": "the connection breaks upon a push, and the image is staged",
    "installs-at-once": "an image that should be staged is installed immediately",
    "too-large": "a push is answered with a page and 413",
    "false-cancel": "a cancellation is answered with 204, and the image stays",
    "monitor-vanishes": "the monitor of a running task answers 404, and so does the task",
    "monitor-once": "a monitor answers 204 once when the task has ended, and 404 afterwards",
    "monitor-breaks": "monitor and task answer 500, but the task continues",
    "monitor-unauthorized": "monitor and task answer 401 to every request",
    "monitor-pages": "a monitor answers with pages and 502 until the task has ended",
    "task-deleted": "a task is deleted right after its end",
    "task-deleted-page": "a task is deleted right after its end, and 404 is a page",
    "no-location": "an answer of 202 has a Task for its body and no Location",
    "unfollowable": "an answer of 202 has neither a body nor a Location",
    "session-expires": "the session ends at the first query of a running task",
    "locked-out": "as session-expires, and all later logins fail",
    "busy": "actions are answered with 503",
    "busy-page": "actions are answered with a page and 503",
    "inventory-busy": "the inventory answers 503 for a while after an activation",
    "inventory-gone": "the inventory answers 404 for a while after an activation",
    "member-busy": "members of the inventory answer 503 for a while after an activation",
    "paged": "the inventory comes in pages of two members",
    "member-page": "one member of the inventory answers 404 with a page",
    "optional-page": "the services of tasks and of measurements answer 503 with a page",
    "reboots": "the BMC drops the connection upon an activation, and forgets sessions and tasks",
    "foreign-work": "another client has queued an update of another component",
    "measurement-stays": "an activation changes no measurement",
    "measurement-replayed": "every signed measurement repeats the first one",
    "measurement-forged": "signatures of measurements are wrong",
    "no-measurements": "there is no ComponentIntegrity",
    "one-bank": "every component has one member of the inventory",
    "active-untold": "no member reports Active, and Version is what was received last",
}


SHARED_FAULTS = {
    "unreachable": "every connection is broken off",
    "staged-aside": "an image is shown as staged, and is not where the machine looks for it",
    "inventory-stays": "the inventory keeps the version that ran before an activation in band",
}
"""The same, for a BMC that shares its images with a machine (`livefw.machine.joined`)."""


class Ending(NamedTuple):
    """How the task of an activation ends, and what is true of it: whether the new version runs, and the image waits."""

    state: str = "Completed"
    message: str = "UpdateSuccessful"
    status: str = "OK"
    runs: bool = False
    waits: bool = True


ENDINGS = {
    "activate-fails": Ending("Exception", "ActivateFailed", "Critical"),
    "reset-after-all": Ending(message="ResetRequired"),
    "false-success": Ending(),
    "false-success-cleared": Ending(waits=False),
    "false-failure": Ending("Exception", "ActivateFailed", "Critical", runs=True),
    "failure-cleared": Ending("Exception", "ActivateFailed", "Critical", waits=False),
    "completed-critical": Ending(message="OneOfTwo", status="Critical"),
    "completed-warning": Ending(message="OneOfTwo", status="Warning", runs=True),
}


class FaultyReply(NamedTuple):
    """How a request is answered without a task, and whether it is done all the same; status 0 breaks the connection.

    ``page`` is the body, if it is no JSON.
    """

    action: str
    status: int
    done: bool
    page: str = ""


def page(text: str) -> str:
    """What a web server in front of the service says."""
    return f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"


ACTIVATE, STAGE, ANY = "activate", "stage", ""
REPLIES = {
    "answers-204": FaultyReply(ACTIVATE, 204, done=False),
    "answers-text": FaultyReply(ACTIVATE, 200, done=True, page="OK"),
    "refused-but-done": FaultyReply(ACTIVATE, 400, done=True),
    "unauthorized-but-done": FaultyReply(ACTIVATE, 401, done=True),
    "error-but-done": FaultyReply(ACTIVATE, 500, done=True),
    "gateway-but-done": FaultyReply(ACTIVATE, 504, done=True, page=page("504 Gateway Timeout")),
    "dropped-but-done": FaultyReply(ACTIVATE, 0, done=True),
    "refused-but-staged": FaultyReply(STAGE, 400, done=True),
    "dropped-but-staged": FaultyReply(STAGE, 0, done=True),
    "too-large": FaultyReply(STAGE, 413, done=False, page=page("413 Request Entity Too Large")),
    "busy": FaultyReply(ANY, 503, done=False),
    "busy-page": FaultyReply(ANY, 503, done=False, page=page("503 Service Unavailable")),
}

PAGE_MEMBERS = 2
LOOKS = {"inventory-busy": 503, "inventory-gone": 404, "member-busy": 503}
"""Statuses of the inventory for a while after an activation."""
TASK_STATUSES = {"monitor-breaks": 500, "monitor-unauthorized": 401}
"""Statuses of tasks and their monitors, with which nothing else is wrong."""
