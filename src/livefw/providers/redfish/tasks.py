# SPDX-License-Identifier: Apache-2.0
"""Following a task to its end: what each answer of its monitor means, and when to ask again.

DSP0266 (asynchronous operations): a monitor answers 202 while the task runs, afterwards with the answer of the original
operation, and may then vanish. In the field it also answers 200 with a Task that still runs, 204 once and then 404
(OpenBMC bmcweb), or is no monitor at all but the Task itself (sushy-tools).
"""

from collections.abc import Generator
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

from livefw.providers.base import Clock, Observer, Phase, Progress, Reason
from livefw.providers.redfish.client import Client
from livefw.providers.redfish.exchange import Answer, ExchangeError, Message, local_path

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
"""Seconds between two looks; a Retry-After is believed up to `_LONGEST_RETRY`."""
_LONGEST_RETRY = 60.0
_OUT_OF_SIGHT = 180.0
"""Seconds without an answer until a BMC is given up: one that restarts itself takes about two minutes."""


class End(StrEnum):
    """How a task ended, as far as it told."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITS = "waits"
    """Staged, and waiting for something else: a reset, or an action."""
    REFUSED = "refused"
    """Nothing was begun."""
    LOST = "lost"


class Outcome(NamedTuple):
    """An end, why, the service's own name for a failure, and what it said on the way."""

    end: End
    reason: Reason | None = None
    code: str | None = None
    log: tuple[str, ...] = ()


class Row(NamedTuple):
    """What a message of the Update, TaskEvent or Base registry means: progress, or the reason for a failure."""

    text: str
    failure: str = ""


REGISTRY = {
    "TargetDetermined": Row("the target is determined"),
    "AllTargetsDetermined": Row("all targets are determined"),
    "TransferringToComponent": Row("the image is on its way to the component"),
    "VerifyingAtComponent": Row("the component verifies the image"),
    "InstallingOnComponent": Row("the image is being installed"),
    "ApplyingOnComponent": Row("the image is being applied"),
    "AwaitToUpdate": Row("the update waits to be started"),
    "AwaitToActivate": Row("the image is staged and waits to be activated"),
    "UpdateInProgress": Row("an update is in progress"),
    "OperationTransitionedToJob": Row("the service goes on in a job"),
    "UpdateSuccessful": Row("the update is done"),
    "TaskStarted": Row("the task has started"),
    "TaskProgressChanged": Row("the task goes on"),
    "TaskPaused": Row("the task is paused"),
    "TaskResumed": Row("the task goes on"),
    "TaskCompletedOK": Row("the task is done"),
    "TaskCompletedWarning": Row("the task is done, with a warning", ""),
    "TransferFailed": Row("the image did not get to the component", "transfer-failed"),
    "VerificationFailed": Row("the component does not take the image for authentic", "auth-failed"),
    "ApplyFailed": Row("the image could not be installed", "apply-failed"),
    "ActivateFailed": Row("the image could not be activated", "activation-failed"),
    "NoTargetsDetermined": Row("no target takes this image", "version-refused"),
    "UpdateNotApplicable": Row("the image is not for this component", "version-refused"),
    "UpdateSkipped": Row("the component was passed over", "version-refused"),
    "UpdateSkippedSameVersion": Row("this version is installed already", "version-refused"),
    "ResetRequired": Row("it takes a reset: not live after all", "reset-required"),
    "TaskAborted": Row("the task was aborted", "activation-failed"),
    "TaskCancelled": Row("the task was cancelled", "task-cancelled"),
    "TaskRemoved": Row("the task was removed", "task-cancelled"),
}
"""Update 1.2.0, TaskEvent and Base; matched by the last part of the id, because versions differ."""

_TERMINAL = {
    "Completed": End.DONE,
    "Exception": End.FAILED,
    "Killed": End.FAILED,
    "Cancelled": End.CANCELLED,
}
_HINT = "livefw show, and the BMC's own log"
UNFOLLOWED = Reason("no-monitor", "the BMC has accepted it, and gives no place to follow it by", _HINT)
GONE = Reason("monitor-gone", "the task is not known any more, and nobody saw how it ended", _HINT)
SLOW = Reason("no-end", "the task does not end in the time that it was given", _HINT)
SILENT = Reason("no-contact", "the BMC does not answer any more; the task may go on", _HINT)


def follow(
    client: Client, first: Answer, *, clock: Clock, observer: Observer, patience: float
) -> Generator[float, None, Outcome]:
    """From the answer of the request to the end of its task. Yields seconds to pass until the next look."""
    return Follower(client, clock, observer, patience).follow(first)


class Follower:
    """One task."""

    def __init__(self, client: Client, clock: Clock, observer: Observer, patience: float) -> None:
        self._client = client
        self._clock = clock
        self._observer = observer
        self._patience = patience
        self._told: dict[str, None] = {}
        self._percent: int | None = None
        self._last: Message | None = None

    def follow(self, first: Answer) -> Generator[float, None, Outcome]:
        """See `follow`."""
        self._listen(first)
        if not first.good:
            return self._refused(first)
        monitor = local_path(first.headers.get("location"), self._client.origin)
        task = local_path(first.body.get("@odata.id"), self._client.origin) if "TaskState" in first.body else None
        place = monitor or task
        if place is None:
            return self._ended(first) or self._outcome(End.LOST, UNFOLLOWED)
        if monitor is None and (ended := self._ended(first)):
            return ended
        start = seen = self._clock.now()
        pause, answer = FIRST_PAUSE, first
        while True:
            if self._clock.now() - start > self._patience:
                return self._outcome(End.LOST, SLOW)
            yield self._pause(answer, pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
            try:
                answer = self._client.get(place)
            except ExchangeError:
                if self._clock.now() - seen > _OUT_OF_SIGHT:
                    return self._outcome(End.LOST, SILENT)
                continue
            seen = self._clock.now()
            self._listen(answer)
            if answer.status == 404 and task and place != task:
                place = task  # a monitor may vanish when the task has ended; the task is kept longer
            elif answer.status not in _NOT_NOW and (ended := self._ended(answer)):
                return ended

    def _ended(self, answer: Answer) -> Outcome | None:
        """The outcome, if this answer is the last."""
        state = answer.body.get("TaskState")
        if isinstance(state, str):
            if state in _TERMINAL:
                return self._finished(_TERMINAL[state], answer)
            if state == "Stopping" and "TaskPaused" in self._told:
                # How bmcweb shows an image that is in flash and waits for the next reset.
                return self._outcome(End.WAITS, Reason("reset-required", REGISTRY["ResetRequired"].text))
            return None
        if answer.status == 202:
            return None
        if answer.status in (404, 410):
            return self._outcome(End.LOST, GONE)
        return self._finished(End.DONE if answer.good else End.FAILED, answer)

    def _finished(self, end: End, answer: Answer) -> Outcome:
        """With the verdict that messages add: a task can complete in that something did not happen."""
        failure = next((key for key in self._told if REGISTRY.get(key, _PLAIN).failure), None)
        if failure == "ResetRequired" and end is End.DONE:
            return self._outcome(End.WAITS, Reason("reset-required", REGISTRY[failure].text), failure)
        if end is End.DONE and answer.body.get("TaskStatus") == "Critical":
            end = End.FAILED
        if end is End.DONE and failure is None:
            return self._outcome(End.DONE)
        row = REGISTRY.get(failure or "", _PLAIN)
        said = self._last.text if self._last else ""
        text = row.text if row.failure else said or f"the task ended as {answer.body.get('TaskState') or answer.status}"
        reason = Reason(row.failure or "task-failed", text, _HINT)
        return self._outcome(End.FAILED if end is End.DONE else end, reason, failure or self._key())

    def _refused(self, answer: Answer) -> Outcome:
        """The request itself was answered with an error: nothing was begun, unless the service broke over it."""
        key = self._key()
        row = REGISTRY.get(key or "", _PLAIN)
        said = f": {self._last.text}" if self._last and self._last.text else ""
        code, text = (row.failure and (row.failure, row.text)) or _STATUS.get(answer.status, _OTHER_STATUS)
        reason = Reason(code, f"{text} ({answer.status}{said})")
        broke = answer.status >= 500 and answer.status not in _NOT_NOW
        return self._outcome(End.FAILED if broke else End.REFUSED, reason, key)

    def _listen(self, answer: Answer) -> None:
        percent = answer.body.get("PercentComplete")
        percent = (
            percent if isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100 else None
        )
        for message in answer.messages():
            self._last = message
            if message.key not in self._told:
                self._told[message.key] = None
                text = REGISTRY[message.key].text if message.key in REGISTRY else message.text or message.key
                self._observer(Progress(Phase.RUNNING, text, percent))
        if percent is not None and percent != self._percent:
            self._percent = percent
            self._observer(Progress(Phase.RUNNING, "", percent))

    def _pause(self, answer: Answer, pause: float) -> float:
        """What the service asks for, within reason."""
        wish = answer.headers.get("retry-after", "")
        if wish.isascii() and wish.isdecimal() and len(wish) < 6:
            return min(max(float(wish), FIRST_PAUSE), _LONGEST_RETRY)
        try:
            sent, until = (parsedate_to_datetime(text) for text in (answer.headers.get("date", ""), wish))
            return min(max((until - sent).total_seconds(), FIRST_PAUSE), _LONGEST_RETRY)
        except (ValueError, TypeError):
            return pause

    def _key(self) -> str | None:
        return self._last.key if self._last else None

    def _outcome(self, end: End, reason: Reason | None = None, code: str | None = None) -> Outcome:
        return Outcome(end, reason, code, tuple(self._told))


_PLAIN = Row("")
_NOT_NOW = frozenset({408, 429, 502, 503, 504})
_STATUS = {
    400: ("bad-request", "the BMC does not understand the request"),
    401: ("not-permitted", "the BMC does not let this user do it"),
    403: ("not-permitted", "the BMC does not let this user do it"),
    404: ("bad-request", "the BMC does not have this action"),
    405: ("bad-request", "the BMC does not have this action"),
    409: ("busy", "the BMC is not in a state for it"),
    503: ("busy", "the BMC is busy"),
}
_OTHER_STATUS = ("unexpected-status", "the BMC answered with an error")
