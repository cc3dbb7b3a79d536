# SPDX-License-Identifier: Apache-2.0
"""Tasks of a modelled BMC. Time is asked for, and never waited for: a task is as far as the clock says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from livefw.machine.bmc.documents import MONITORS, TASKS, resource

MESSAGES = {
    "TransferringToComponent": "Image is being transferred to the component.",
    "VerifyingAtComponent": "Image is being verified at the component.",
    "InstallingOnComponent": "Image is being installed on the component.",
    "ApplyingOnComponent": "Image is being applied on the component.",
    "AwaitToUpdate": "The update waits for StartUpdate.",
    "AwaitToActivate": "Awaiting for an action to proceed with activating the image.",
    "UpdateSuccessful": "The update has been completed.",
    "UpdateSkippedSameVersion": "The component already has this version.",
    "VerificationFailed": "Verification of the image at the component failed.",
    "ApplyFailed": "Installation of the image failed.",
    "ActivateFailed": "Activation of the image failed.",
    "OneOfTwo": "One of two devices was updated.",
    "ResetRequired": "A reset is required for the update to take effect.",
    "TaskPaused": "The task has been paused.",
    "TaskCancelled": "The task has been cancelled.",
}
"""Texts of our own for the messages that the model uses, by the last part of their ids."""
_REGISTRIES = {
    "OneOfTwo": "Oem.1.0",
    "ResetRequired": "Base.1.19",
    "TaskPaused": "TaskEvent.1.0",
    "TaskCancelled": "TaskEvent.1.0",
}

STAGING = ("TransferringToComponent", "VerifyingAtComponent", "InstallingOnComponent")
VERIFYING = ("TransferringToComponent", "VerifyingAtComponent")
APPLYING = ("ApplyingOnComponent",)


@dataclass(slots=True)
class BmcTaskEnd:
    """How a task ends: its state, its last message, its status if that does not follow from the state, and the text of
    the message where it is not the usual one."""

    state: str = "Completed"
    message: str = "UpdateSuccessful"
    status: str = ""
    text: str = ""


@dataclass(slots=True)
class BmcTask:
    """A task; ``begun`` is None while it waits, ``finish`` is run once when its time is over and tells its end."""

    number: int
    name: str
    phases: tuple[str, ...]
    seconds: float
    finish: Callable[[], BmcTaskEnd]
    payload: dict[str, Any]
    targets: frozenset[str]
    begun: float | None = None
    stuck: bool = False
    percent: int = 0
    state: str = "Pending"
    status: str = ""
    said: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """Texts of messages that are not the usual ones."""
    looked_at: bool = False
    read_after_end: bool = False
    ident: str = ""
    """The last part of its URI and of its monitor's; without it the number."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """A vendor's ids of messages."""

    @property
    def monitor(self) -> str:
        """The URI of its monitor."""
        return f"{MONITORS}/{self.ident or self.number}"

    @property
    def place(self) -> str:
        """Its URI."""
        return f"{TASKS}/{self.ident or self.number}"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("Completed", "Exception", "Cancelled", "Stopping")

    def advance(self, now: float) -> None:
        """Be as far as the clock says."""
        if self.begun is None or self.over or now < self.begun:
            return
        done = 0.1 if self.stuck else min((now - self.begun) / self.seconds, 1.0)
        self.state, self.percent = "Running", int(done * 100)
        for phase in self.phases[: int(done * len(self.phases)) + 1]:
            self.say(phase)
        if done >= 1.0:
            end = self.finish()
            if end.text:
                self.texts[end.message] = end.text
            if end.message:
                self.say(end.message)
            self.state, self.status = end.state, end.status

    def say(self, key: str) -> None:
        """Add a message, once."""
        if key not in self.said:
            self.said.append(key)

    def document(self) -> dict[str, Any]:
        """Its resource (Task 1.7)."""
        shown = "Completed" if self.state == "Completed" else self.state
        return resource(self.place, "Task", self.name) | {
            "TaskState": shown,
            "TaskStatus": self.status or ("Critical" if self.state == "Exception" else "OK"),
            "PercentComplete": self.percent,
            "TaskMonitor": self.monitor,
            "Messages": [message(key, self.messages, self.texts.get(key, "")) for key in self.said],
            "Payload": self.payload,
        }


def message(key: str, ids: Mapping[str, str], text: str = "") -> dict[str, Any]:
    """A message of a registry, with its usual text or another one; ``ids`` are a vendor's."""
    failed = key.endswith("Failed")
    return {
        "@odata.type": "#Message.v1_2_1.Message",
        "MessageId": ids.get(key) or f"{_REGISTRIES.get(key, 'Update.1.2')}.{key}",
        "Message": text or MESSAGES[key],
        "MessageSeverity": "Critical" if failed else "OK",
        "Severity": "Critical" if failed else "OK",
        "Resolution": "None.",
    }
