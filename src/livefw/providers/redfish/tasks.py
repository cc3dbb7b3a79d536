# SPDX-License-Identifier: Apache-2.0
"""Following a task to its end: what each answer of its monitor means, and when to ask again.

DSP0266 (asynchronous operations): a monitor answers 202 while the task runs, afterwards with the answer of the original
operation, and may then vanish. In the field it also answers 200 with a Task that still runs, 204 once and then 404
(OpenBMC bmcweb), or is no monitor at all but the Task itself (sushy-tools).
"""

from collections.abc import Generator
from enum import StrEnum
from typing import NamedTuple

from livefw.clock import Clock
from livefw.providers.base import Observer, Phase, Progress, Reason
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import (
    AWAY_S,
    NOT_NOW,
    ExchangeError,
    RegistryMessage,
    Response,
    local_path,
    retry_after,
)
from livefw.providers.redfish.job import as_task
from livefw.providers.redfish.registry import AWAITING, REGISTRY
from livefw.providers.redfish.vendors.table import SCHEDULED
from livefw.providers.redfish.vendors.vendor import MessageRow
from livefw.text import whole

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
"""Seconds between two looks; a Retry-After is believed up to `_LONGEST_RETRY`."""
_LONGEST_RETRY = 60.0
_MOST_LINES = 64
"""Different messages of one task that are kept."""
_MOST_STATE = 40
"""Characters of a state that are shown; the longest of the schema has 11."""
_MOST_BREAKS = 3
"""Looks at a task in a row that the service breaks over or turns away, before it is given up."""


class TaskEnd(StrEnum):
    """How a task ended, as far as it told."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITS = "waits"
    """Staged, and waiting for something else: a reset, or an action."""
    REFUSED = "refused"
    """Nothing was begun."""
    LOST = "lost"


class TaskOutcome(NamedTuple):
    """An end, why, the service's own name for a failure, and what it said on the way.

    ``log`` are its messages as they are, ``told`` the ids of those that `REGISTRY` knows, ``warning`` what a success
    is said to lack. ``bare``: the answer itself was all, and there was no task. ``goes_on``: it may still be at work.
    ``task`` is the address of the task, as far as it is known.
    """

    end: TaskEnd
    reason: Reason | None = None
    code: str | None = None
    log: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()
    warning: str = ""
    bare: bool = False
    goes_on: bool = False
    task: str = ""


_TERMINAL = {
    "Completed": TaskEnd.DONE,
    "Exception": TaskEnd.FAILED,
    "Killed": TaskEnd.FAILED,
    "Cancelled": TaskEnd.CANCELLED,
}
_HINT = "see livefw show COMPONENT and the BMC's log"
_FAILED = Reason("task-failed", "the task ended as {state}", _HINT)
UNFOLLOWED = Reason("no-monitor", "the BMC accepted the request, but returned no task to follow", _HINT)
GONE = Reason("monitor-gone", "the task no longer exists, and its result is unknown", _HINT)
HIDDEN = Reason("monitor-hidden", "the BMC does not let this user read the result of the task", _HINT)
BROKE = Reason("service-broke", "the BMC's service fails whenever it is asked for the task", _HINT)
UNREADABLE = Reason("malformed", "the BMC's reply is not Redfish; the task may still be running", _HINT)
SLOW = Reason("no-end", "the task did not end within its time limit", _HINT)
SILENT = Reason("no-contact", "the BMC no longer responds; the task may still be running", _HINT)
LOCKED_OUT = Reason(
    "locked-out", "the BMC has ended the session and accepts no login; the task may still be running", _HINT
)
STOPPED = Reason("task-stopped", "the task is stopped and waits for intervention", _HINT)
RESET = Reason("reset-required", REGISTRY["ResetRequired"].text, "schedule a reset")
AWAITS = Reason("awaits", "the task has ended: the image is pending activation")
_GOES_ON = frozenset({SLOW, SILENT, UNREADABLE, LOCKED_OUT, STOPPED})
"""Those after which it may still be at work."""

_IDLE = frozenset({"New", "Starting", "Pending", "Suspended", "Interrupted", "Service", "Stopping"})


class WaitingRow(NamedTuple):
    """A task that does not end by itself: in one of these states, after one of these messages (empty: after any)."""

    states: frozenset[str]
    keys: frozenset[str]
    end: TaskEnd
    reason: Reason


_STANDING = (
    # How bmcweb shows an image that is in flash and waits for the next reset.
    WaitingRow(frozenset({"Stopping"}), frozenset({"TaskPaused"}), TaskEnd.WAITS, RESET),
    # Dell's scheduled jobs: the message is there from the first answer on, and the state does not change before.
    WaitingRow(_IDLE, frozenset({"ResetRequired"}), TaskEnd.WAITS, RESET),
    # DSP2062: the task that was made by the push is what StartUpdate starts, its messages included.
    WaitingRow(_IDLE, AWAITING, TaskEnd.WAITS, AWAITS),
    WaitingRow(frozenset({"Suspended", "Service"}), frozenset(), TaskEnd.LOST, STOPPED),
)


# What is asked to wait for a reset is scheduled for it; anything else that is scheduled begins by itself.
_SCHEDULED = WaitingRow(_IDLE, SCHEDULED, TaskEnd.WAITS, RESET)


def follow(
    client: RedfishClient,
    first: Response,
    *,
    clock: Clock,
    observer: Observer,
    patience: float,
    staging: bool = False,
    for_reset: bool = False,
) -> Generator[float, None, TaskOutcome]:
    """From the answer of the request to the end of its task. Yields seconds to pass until the next look.

    When ``staging``, a task that waits to be started has done what was asked for; ``for_reset``, one that is scheduled.
    """
    return TaskFollower(client, clock, observer, patience, staging=staging, for_reset=for_reset).follow(first)


def has_task(answer: Response) -> bool:
    """Whether the answer names something to follow."""
    return local_path(answer.headers.get("location")) is not None or "TaskState" in as_task(answer).body


class TaskFollower:
    """One task."""

    def __init__(
        self,
        client: RedfishClient,
        clock: Clock,
        observer: Observer,
        patience: float,
        *,
        staging: bool,
        for_reset: bool = False,
    ) -> None:
        self._client = client
        self._standing = _STANDING if staging else tuple(row for row in _STANDING if row.reason != AWAITS)
        self._standing = (_SCHEDULED, *self._standing) if for_reset else self._standing
        self._clock = clock
        self._observer = observer
        self._patience = patience
        self._told: set[str] = set()
        self._lines: dict[str, None] = {}
        self._percent: int | None = None
        self._worst: RegistryMessage | None = None
        self._breaks = 0
        self._locked = False
        self._task = ""

    def follow(self, first: Response) -> Generator[float, None, TaskOutcome]:
        """See `follow`."""
        first = as_task(first)
        self._listen(first)
        if not first.good:
            return self._refused(first)
        monitor = local_path(first.headers.get("location"))
        task = _task_of(first)
        if monitor is None and (ended := self._ended(first)):
            return ended._replace(bare=task is None)
        places = [place for place in dict.fromkeys((monitor, task)) if place]
        if not places:
            return self._outcome(TaskEnd.LOST, UNFOLLOWED)
        return (yield from self._watched(first, places))

    def _watched(self, answer: Response, places: list[str]) -> Generator[float, None, TaskOutcome]:
        """The end of the task at the first of these places that tells it."""
        start = heard = self._clock.now()
        pause = FIRST_PAUSE
        while True:
            if self._clock.now() - start > self._patience:
                return self._outcome(TaskEnd.LOST, SLOW)
            wish = retry_after(answer.headers)
            yield pause if wish is None else min(max(wish, FIRST_PAUSE), _LONGEST_RETRY)
            pause = min(pause * 1.5, LONGEST_PAUSE)
            answer, mute = self._look(places[0], answer)
            if mute is not None:
                if (mute == LOCKED_OUT and self._locked) or self._clock.now() - heard > AWAY_S:
                    return self._outcome(TaskEnd.LOST, mute)
                continue
            heard = self._clock.now()
            if lost := self._lost(answer):
                if len(places) == 1:
                    return self._outcome(TaskEnd.LOST, lost)
                del places[0]  # a monitor may vanish when the task has ended; the task is kept longer
                continue
            self._listen(answer)
            if answer.status not in NOT_NOW and (ended := self._ended(answer)):
                return ended

    def _look(self, place: str, before: Response) -> tuple[Response, Reason | None]:
        """The answer to another look, and why it tells nothing of the task, so that it is to be asked for again."""
        try:
            answer = as_task(self._client.get(place))
        except ExchangeError as error:
            self._locked = error.code == "locked-out"
            return before, _MUTE.get(error.code, SILENT)
        return answer, _mute(answer)

    def _lost(self, answer: Response) -> Reason | None:
        """Why there is nothing to be learned at this place any more; None if there is."""
        if isinstance(answer.body.get("TaskState"), str) or answer.status in NOT_NOW:
            return None
        if answer.status in _NO_PLACE:
            return _NO_PLACE[answer.status]
        # The client has logged in again already: here nobody is let in, or the service is not itself.
        self._breaks = self._breaks + 1 if answer.status == 401 or answer.status >= 500 else 0
        return (HIDDEN if answer.status == 401 else BROKE) if self._breaks >= _MOST_BREAKS else None

    def _ended(self, answer: Response) -> TaskOutcome | None:
        """The outcome, if this answer is the last."""
        state = answer.body.get("TaskState")
        if isinstance(state, str):
            state = state.capitalize()
            if state in _TERMINAL:
                return self._finished(_TERMINAL[state], answer)
            found = next((row for row in self._standing if self._stands(row, state)), None)
            return self._outcome(found.end, found.reason) if found else None
        if "TaskState" in answer.body:
            return None  # a task that does not say now where it is has not ended
        if answer.status in (202, 401) or answer.status >= 500:
            return None
        return self._finished(TaskEnd.DONE if answer.good else TaskEnd.FAILED, answer)

    def _stands(self, row: WaitingRow, state: str) -> bool:
        return state in row.states and (not row.keys or not row.keys.isdisjoint(self._told))

    def _finished(self, end: TaskEnd, answer: Response) -> TaskOutcome:
        """With the verdict that messages add: a task can complete in that something did not happen."""
        failure = next((key for key in REGISTRY if key in self._told and REGISTRY[key].failure), None)
        status = answer.body.get("TaskStatus")
        if status in ("Warning", "Critical"):
            self._lines[f"TaskStatus: {status}"] = None
        if failure and REGISTRY[failure].failure == RESET.code and end is TaskEnd.DONE:
            return self._outcome(TaskEnd.WAITS, RESET, failure)
        if end is TaskEnd.DONE and status == "Critical":
            end = TaskEnd.FAILED
        if end is TaskEnd.DONE and failure is None:
            said = (self._worst.text or self._worst.key if self._worst else "") or "no reason given"
            return self._outcome(TaskEnd.DONE)._replace(warning=said if status == "Warning" else "")
        row = REGISTRY.get(failure or "", _PLAIN)
        said = self._worst.text if self._worst else ""
        state = answer.body.get("TaskState")
        plain = _FAILED.fill(state=whole(state[:_MOST_STATE]) if isinstance(state, str) and state else answer.status)
        text = row.text if row.failure else said or plain.text
        reason = plain._replace(code=row.failure or plain.code, text=text)
        return self._outcome(TaskEnd.FAILED if end is TaskEnd.DONE else end, reason, failure or self._key())

    def _refused(self, answer: Response) -> TaskOutcome:
        """The request itself was answered with an error: what that says of whether anything was begun."""
        key = self._key()
        row = REGISTRY.get(key or "", _PLAIN)
        known = _STATUS.get(answer.status) or (_BROKEN if answer.status >= 500 else _OTHER)
        wait = retry_after(answer.headers) if known.end is TaskEnd.REFUSED else None
        words = [
            self._worst.text if self._worst else "",
            f"retry after {wait:.0f} s" if wait and wait > 0 else "",
        ]
        said = "; ".join(filter(None, words))
        plain = known.reason
        if answer.status == 405 and key and row is _PLAIN:  # a service with words of its own has the action
            plain = _NOT_NOW_DONE
        text = f"{row.text or plain.text} ({answer.status}{said and f': {said}'})"
        reason = plain._replace(code=row.failure or plain.code, text=text)
        if known.end is TaskEnd.LOST and not row.failure:
            return self._outcome(TaskEnd.LOST, reason._replace(hint=_HINT), key)._replace(bare=True)
        end = TaskEnd.FAILED if known.end is TaskEnd.LOST else TaskEnd.REFUSED
        return self._outcome(end, reason, key)._replace(bare=True)

    def _listen(self, answer: Response) -> None:
        self._task = (_task_of(answer) or self._task).rstrip("/")
        percent = answer.body.get("PercentComplete")
        percent = (
            percent if isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100 else None
        )
        found = answer.messages()
        if found:
            self._worst = max(reversed(found), key=_severity)  # of several, the newest
        for message in found:
            known = REGISTRY.get(message.key)
            if known:
                self._told.add(message.key)
            if message.line not in self._lines and len(self._lines) < _MOST_LINES:
                self._lines[message.line] = None
                self._observer(Progress(Phase.RUNNING, known.text if known else message.text or message.key, percent))
        if percent is not None and percent != self._percent:
            self._percent = percent
            self._observer(Progress(Phase.RUNNING, "", percent))

    def _key(self) -> str | None:
        return (self._worst.key or None) if self._worst else None

    def _outcome(self, end: TaskEnd, reason: Reason | None = None, code: str | None = None) -> TaskOutcome:
        lines, told = tuple(self._lines), frozenset(self._told)
        return TaskOutcome(end, reason, code, lines, told, goes_on=reason in _GOES_ON, task=self._task)


def _task_of(answer: Response) -> str | None:
    """The address of the Task that this answer is, or names; None if it is about none."""
    body = answer.body
    if "TaskState" in body or "#Task." in str(body.get("@odata.type")):
        return local_path(body.get("@odata.id"))
    # Supermicro: the argument of a message (fwupd, plugins/redfish/fu-redfish-smc-device.c).
    places = (local_path(each) for each in answer.arguments())
    return next((each for each in places if each and "/TaskService/" in each), None)


def _severity(message: RegistryMessage) -> int:
    return _SEVERITIES.get(message.severity, 0)


_SEVERITIES = {"Warning": 1, "Critical": 2}
_MUTE = {"login": LOCKED_OUT, "no-session": LOCKED_OUT, "locked-out": LOCKED_OUT}
"""The reason if a BMC remains silent, by the code of the error."""


def _mute(answer: Response) -> Reason | None:
    """Why this answer tells nothing of the task, so that it is asked for again; None if it does."""
    if answer.status in (502, 504):
        return SILENT
    return UNREADABLE if answer.good and answer.plain is not None else None


_NO_PLACE = {404: GONE, 405: GONE, 410: GONE, 501: GONE, 403: HIDDEN}
"""Statuses of a monitor that are no answer of the request that it stands for (DSP0266), and no time to ask again."""


class _Refusal(NamedTuple):
    """What a status of a request that changes something says of it."""

    end: TaskEnd
    reason: Reason


_PLAIN = MessageRow("")
_BROKEN = _Refusal(
    TaskEnd.LOST, Reason("service-broke", "the BMC's service failed on the request, and may have started it")
)
_OTHER = _Refusal(TaskEnd.REFUSED, Reason("unexpected-status", "the BMC returned an error"))
_NO_ACTION = _Refusal(TaskEnd.REFUSED, Reason("bad-request", "the BMC does not have this action"))
_NOT_NOW_DONE = Reason("busy", "the BMC does not do it in its present state")
_NOT_PERMITTED = _Refusal(TaskEnd.REFUSED, Reason("not-permitted", "the BMC does not permit this user to do it"))
_BUSY = _Refusal(TaskEnd.REFUSED, Reason("busy", "the BMC is busy and has started nothing"))
_PASSED_ON = _Refusal(TaskEnd.LOST, Reason("service-broke", "a proxy in front of the BMC's service timed out"))
_STATUS = {
    400: _Refusal(TaskEnd.REFUSED, Reason("bad-request", "the BMC does not understand the request")),
    401: _NOT_PERMITTED,
    403: _NOT_PERMITTED,
    404: _NO_ACTION,
    405: _NO_ACTION,
    408: _BUSY,
    409: _Refusal(TaskEnd.REFUSED, Reason("busy", "the BMC is not in a state to do it")),
    413: _Refusal(TaskEnd.REFUSED, Reason("too-large", "the image is larger than the BMC accepts")),
    415: _Refusal(TaskEnd.REFUSED, Reason("bad-request", "the BMC does not accept a request of this form")),
    423: _BUSY,
    429: _BUSY,
    501: _NO_ACTION,
    502: _PASSED_ON,
    503: _BUSY,
    504: _PASSED_ON,
}
"""By the status alone: the body may be a page of a web server that stands in front."""
