# SPDX-License-Identifier: Apache-2.0
"""The state of a modelled BMC, and what its actions do to it. It is sans-IO: the clock is given, nobody waits."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from livefw.errors import LivefwError
from livefw.machine.bmc.faults import ACTIVATE, ANY, ENDINGS, FAULTS, LOOKS, REPLIES, SHARED_FAULTS, STAGE
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.tasks import APPLYING, MESSAGES, STAGING, VERIFYING, BmcTask, BmcTaskEnd
from livefw.machine.bmc.vendors.plain import LIVEFW
from livefw.machine.bmc.vendors.shape import Shape

Image = bytes | memoryview
"""Bytes that somebody sent: of a large request a view of a file."""


class Rejected(Exception):  # noqa: N818 - an answer, and no error of the model
    """A request that is answered with a status and a message, or a ``page``, instead of being carried out."""

    def __init__(self, status: int, text: str, key: str = "Base.1.19.GeneralError", *, page: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.key = key
        self.page = page


class Dropped(Exception):  # noqa: N818 - as above
    """The BMC breaks the connection."""


_MOST_TASKS = 256
_WHILE_S = 20.0
"""Seconds for which a fault lasts that passes."""


class Model:
    """Firmware, tasks and faults.

    ``now`` gives seconds on any clock that only goes forward; ``seconds`` is how long a task takes on it.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        pattern: Pattern | None = None,
        seconds: float = 2.0,
        firmware: Iterable[Firmware] | None = None,
        faults: Iterable[str] = (),
        shape: Shape = LIVEFW,
    ) -> None:
        """``pattern`` and ``firmware`` are those of the ``shape``, if they are not given.

        Raises ValueError for a fault that there is not.
        """
        self.now = now
        self.shape = shape
        self.pattern = shape.pattern if pattern is None else pattern
        self.seconds = seconds
        rows = (row.made(shape.identity, shape.member, tells=shape.tells) for row in shape.firmware)
        self.firmware = list(rows if firmware is None else firmware)
        self.faults = frozenset(faults)
        if unknown := self.faults - {*FAULTS, *SHARED_FAULTS}:
            raise ValueError(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
        self.tasks: dict[int, BmcTask] = {}
        self.boots = 0
        self.asked_at: float | None = None
        """When an activation was last asked for."""
        if "one-bank" in self.faults:
            for each in self.firmware:
                each.banks = 1
        self._waiting: dict[int, tuple[Firmware, str]] = {}
        self._number = 0
        if "foreign-work" in self.faults:
            other = self.firmware[-1]
            self._queue(other, other.version_of(b""), {"Targets": other.uris()})

    def advance(self) -> None:
        """Bring every task to where the clock says it is, and take over what others have changed."""
        for each in self.firmware:
            each.refresh(self.faults)
        for task in list(self.tasks.values()):
            task.advance(self.now())

    def find(self, uri: object) -> Firmware | None:
        """The firmware that a member of the inventory, or what it belongs to, stands for."""
        related = [each for each in self.firmware if each.related == uri]
        named = [each for each in self.firmware if uri in each.uris()] or (related if len(related) == 1 else [])
        return named[0] if named else None

    # Actions.

    def update(self, image: Image, parameters: dict[str, Any], target_uri: str) -> BmcTask:
        """An image has arrived, with what is to be done with it."""
        firmware = self._target(parameters.get("Targets"))
        when = parameters.get("@Redfish.OperationApplyTime", "Immediate")
        version = firmware.version_of(image)
        against = firmware.objection(image) or MESSAGES["VerificationFailed"] * ("verify-fails" in self.faults)
        stage = self._holds(parameters)
        if firmware.in_band and not stage:
            raise Rejected(400, "The host activates it: Stage has to be true.", "Base.1.19.ActionParameterMissing")

        def finish() -> BmcTaskEnd:
            if against:
                return BmcTaskEnd("Exception", "VerificationFailed", text=against)
            if version == firmware.running:
                return BmcTaskEnd("Completed", "UpdateSkippedSameVersion")
            if "installs-at-once" in self.faults:
                firmware.staged = version
                return self._activated([firmware])
            if stage:
                return self._held(firmware, image, version)
            if when == "OnStartUpdateRequest":
                if "false-staging" not in self.faults:
                    self._queue(firmware, version, parameters)
                return BmcTaskEnd("Completed", "AwaitToUpdate" if self.shape.waits_as_task else "")
            firmware.staged = version
            if when == "OnReset" or firmware.needs_reset:
                return (
                    BmcTaskEnd("Stopping", "TaskPaused")
                    if when == "OnReset"
                    else BmcTaskEnd("Completed", "ResetRequired")
                )
            return self._activated([firmware])

        if self._waiting and not self.shape.waits_as_task:
            raise Rejected(405, "The BMC is already in update mode.", self.shape.messages["AlreadyInUpdateMode"])
        self._reply(STAGE, finish)
        phases = VERIFYING if when == "OnStartUpdateRequest" else STAGING
        return self._begin("Firmware update", phases, finish, parameters, target_uri, firmware.uris())

    def start(self, target_uri: str) -> BmcTask:
        """StartUpdate: everything that is queued, by any client."""
        self._maybe_reboot()
        queued = [(number, *self._waiting[number]) for number in self._waiting]
        if not queued:
            raise Rejected(400, "No update is waiting to be started.", "Update.1.2.NoTargetsDetermined")

        def finish() -> BmcTaskEnd:
            for number, firmware, version in queued:
                firmware.staged = version
                self._waiting.pop(number, None)
                self._set_queued(number, "Completed")
            return self._activated([firmware for _, firmware, _ in queued])

        self._reply(ACTIVATE, finish)
        for number, _, _ in queued:
            del self._waiting[number]
            self._set_queued(number, "Running")
        uris = [uri for _, firmware, _ in queued for uri in firmware.uris()]
        return self._begin("StartUpdate", APPLYING, finish, {}, target_uri, uris, live=True)

    def activate(self, firmware: list[Firmware], target_uri: str) -> BmcTask:
        """Activate what is staged."""
        if any(each.in_band for each in firmware):
            raise Rejected(400, "The host activates it in band.", "Base.1.19.ActionNotSupported")
        if not firmware or any(each.staged is None for each in firmware):
            raise Rejected(400, "No image is staged for the target.", "Update.1.2.NoTargetsDetermined")
        self._maybe_reboot()
        self._reply(ACTIVATE, lambda: self._activated(firmware))
        uris = [uri for each in firmware for uri in each.uris()]
        return self._begin("Activate", APPLYING, lambda: self._activated(firmware), {}, target_uri, uris, live=True)

    def cancel(self, firmware: Firmware) -> None:
        """SoftwareInventory.Cancel: an error if nothing is pending (SoftwareInventory 1.14)."""
        self._reply(ANY, lambda: None)
        if firmware.staged is None:
            raise Rejected(400, "Nothing is pending.", "Base.1.19.ActionNotSupported")
        if "false-cancel" not in self.faults:
            firmware.release()

    def delete(self, task: BmcTask) -> None:
        """DELETE of a monitor: a queued task is removed from the queue; a running one continues."""
        if task.number not in self._waiting:
            raise Rejected(405, "The task can no longer be cancelled.", "Base.1.19.OperationNotAllowed")
        if "false-cancel" in self.faults:
            return
        del self._waiting[task.number]
        task.say("TaskCancelled")
        task.state = "Cancelled"

    # Pieces.

    def _held(self, firmware: Firmware, image: Image, version: str) -> BmcTaskEnd:
        """Keep an image until it is activated."""
        if "false-staging" not in self.faults:
            try:
                firmware.hold(image, version, self.faults)
            except LivefwError as error:
                return BmcTaskEnd("Exception", "ApplyFailed", text=f"{error.message}.")
        return BmcTaskEnd("Completed", "AwaitToActivate")

    def _activated(self, firmware: list[Firmware]) -> BmcTaskEnd:
        live = [each for each in firmware if not each.needs_reset]
        ending = next((ENDINGS[fault] for fault in ENDINGS if fault in self.faults), None)
        for each in firmware if ending and not ending.waits else ():
            each.staged = None
        for each in live if ending is None or ending.runs else ():
            each.activate(measured="measurement-stays" not in self.faults)
        if ending:
            return BmcTaskEnd(ending.state, ending.message, ending.status)
        return BmcTaskEnd() if live == firmware else BmcTaskEnd("Completed", "ResetRequired")

    def _queue(self, firmware: Firmware, version: str, parameters: dict[str, Any]) -> None:
        task = self._task("Update", APPLYING, BmcTaskEnd, parameters, "/redfish/v1/UpdateService", firmware.uris())
        task.say("AwaitToUpdate")
        self._waiting[task.number] = (firmware, version)
        if not self.shape.waits_as_task:
            del self.tasks[task.number]

    def _set_queued(self, number: int, state: str) -> None:
        """The state of the task that waits for StartUpdate, where there is one."""
        if task := self.tasks.get(number):
            task.state = state

    def _holds(self, parameters: dict[str, Any]) -> bool:
        """Whether an image is to be staged, by the standard's parameter or the vendor's."""
        if self.shape.hold is None:
            return parameters.get("Stage") is True
        path, wanted = self.shape.hold
        value: object = parameters
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value == wanted

    def _begin(
        self,
        name: str,
        phases: tuple[str, ...],
        finish: Callable[[], BmcTaskEnd],
        parameters: dict[str, Any],
        target_uri: str,
        uris: list[str],
        *,
        live: bool = False,
    ) -> BmcTask:
        task = self._task(name, phases, finish, parameters, target_uri, uris)
        task.begun, task.state = self.now(), "Running"
        task.stuck = live and "activate-hangs" in self.faults
        if live and "waits-for-reset" in self.faults:
            task.say("ResetRequired")
            task.begun, task.state = None, "Pending"
        if live and "task-suspends" in self.faults:
            task.begun, task.state = self.now() + _WHILE_S, "Suspended"
        task.say(phases[0])
        return task

    def _task(
        self,
        name: str,
        phases: tuple[str, ...],
        finish: Callable[[], BmcTaskEnd],
        parameters: dict[str, Any],
        target_uri: str,
        uris: list[str],
    ) -> BmcTask:
        self._number += 1
        payload = {"HttpOperation": "POST", "TargetUri": target_uri, "JsonBody": json.dumps(parameters)}
        task = BmcTask(self._number, name, phases, self.seconds, finish, payload, frozenset(uris))
        task.ident, task.messages = self.shape.task.format(number=self._number), self.shape.messages
        ended = [number for number, each in self.tasks.items() if each.over]
        for number in ended[: max(len(self.tasks) - _MOST_TASKS, 0)]:
            del self.tasks[number]
        self.tasks[task.number] = task
        return task

    def _target(self, targets: object) -> Firmware:
        """The one that is meant; without targets, as most services do, the first that there is."""
        if not targets:
            return self.firmware[0]
        if not isinstance(targets, list) or len(targets) != 1:
            raise Rejected(400, "Exactly one target must be named.", "Base.1.19.PropertyValueTypeError")
        if (found := self.find(targets[0])) is None:
            raise Rejected(404, "There is no such target.", "Base.1.19.ResourceMissingAtURI")
        if targets[0] in found.uris() and not self.shape.takes_members:
            raise Rejected(400, "The id of the target is invalid.", "Base.1.19.PropertyValueNotInList")
        return found

    def _reply(self, action: str, finish: Callable[[], object]) -> None:
        """Answer at once, if a fault says so, and do or do not what was asked for."""
        if action == ACTIVATE:
            self.asked_at = self.now()
        for fault, reply in REPLIES.items():
            if fault in self.faults and reply.action in (action, ANY):
                if reply.done:
                    finish()
                if not reply.status:
                    raise Dropped
                key = "Base.1.19.ServiceTemporarilyUnavailable" if reply.status == 503 else "Base.1.19.GeneralError"
                raise Rejected(reply.status, "The service is busy.", key, page=reply.page)

    def hidden(self, *, member: bool) -> int:
        """The status that the inventory, or a member of it, answers with now; 0 if it is shown."""
        passing = self.asked_at is not None and self.now() < self.asked_at + _WHILE_S + self.seconds
        found = (status for fault, status in LOOKS.items() if fault in self.faults)
        return next(found, 0) if passing and member == ("member-busy" in self.faults) else 0

    def _maybe_reboot(self) -> None:
        if "reboots" in self.faults:
            self.tasks.clear()
            self._waiting.clear()
            self.boots += 1
            raise Dropped
