# SPDX-License-Identifier: Apache-2.0
"""What the small mechanisms share that are a device or a file: settings of their own, and all that they do not have."""

import errno
import os
from typing import Any

from livefw.clock import Clock
from livefw.errors import UsageError
from livefw.files.protocol import LOST, Files
from livefw.providers import tables
from livefw.providers.base import (
    Claim,
    Component,
    Discovery,
    Finding,
    Memory,
    Observer,
    Phase,
    Progress,
    Reason,
    Reply,
    Running,
    Severity,
)
from livefw.providers.steps import Operation, Refusal, RunningSteps, Steps, Work

NO_CANCEL = Reason("no-cancel", "this mechanism cannot cancel a request")
NOTHING_TO_CANCEL = Reason("nothing-to-cancel", "nothing is pending or in progress")
_DENIED = Reason("no-permission", "{node} does not report {what}: {error}")
_UNREADABLE = Reason("unreadable", "{node} does not report {what}: {error}")
_GIVEN_UP = Reason("given-up", "stopped before the request was made")
_NOT_WATCHED = Reason("not-watched", "detached; the activation continues in the kernel", "livefw show COMPONENT")


def read_path(files: Files, table: str, key: str) -> str | None:
    """The one setting of a mechanism, a text; None if it is not set. `UsageError` with the place of what is wrong."""

    def decode(found: Any) -> str | None:
        if not isinstance(found, dict) or set(found) - {key} or not isinstance(found.get(key, ""), str):
            raise tables.TableError(f'may have one key, {key} = "..."', path=table, mechanism=table)
        return found.get(key) or None

    return tables.read(files, table, decode)


class InbandProvider:
    """A provider without settings of a component, without a record, and without a way back."""

    name: str
    absent: Reason
    """Why there is no component where there is none."""
    diagnoses_notes = False
    """Whether `diagnose` reports a component's notes beside what blocks it."""
    no_cancel = NO_CANCEL

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def discover(self) -> Discovery:
        """See `livefw.providers.base.Provider`."""
        raise NotImplementedError

    def inspect(self, ident: str) -> Component | None:
        """See `livefw.providers.base.Provider`."""
        return next((each for each in self.discover().components if each.id == ident), None)

    def activate(self, ident: str, observer: Observer) -> Running:
        """See `livefw.providers.base.Provider`; the machine and what to load are looked at once more."""
        seen = self.inspect(ident)
        if seen is None or seen.reasons:
            return self._refusal(seen.reasons[0] if seen else self.absent)
        return RunningSteps(self.work(ident, observer), self._clock)

    def work(self, ident: str, observer: Observer) -> Work:
        """What activating a component comes to against which nothing speaks."""
        raise NotImplementedError

    def diagnose(self) -> list[Finding]:
        """See `livefw.providers.base.Provider`."""
        found = self.discover()
        if found.absent:
            return [Finding(Severity.INFO, *found.absent, lacks=found.absent.text)]
        return [finding for each in found.components for finding in _findings(each, notes=self.diagnoses_notes)]

    def aliases(self, ident: str) -> tuple[str, ...]:  # noqa: ARG002 - the shape of every provider
        """See `livefw.providers.base.Provider`."""
        return ()

    def cancel(self, ident: str, observer: Observer) -> Running:  # noqa: ARG002
        """See `livefw.providers.base.Provider`; always refused: for want of something to cancel, or of a way."""
        seen = self.inspect(ident)
        return self._refusal(NOTHING_TO_CANCEL if seen and seen.pending is False else self.no_cancel)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:  # noqa: ARG002
        """See `livefw.providers.base.Provider`."""
        raise UsageError(f"{self.name}:{ident} has no setting {setting}", mechanism=self.name)

    def mark(self) -> str:
        """See `livefw.providers.base.Provider`; no record is kept."""
        return ""

    def recall(self, ident: str, mark: str) -> Memory:  # noqa: ARG002
        """See `livefw.providers.base.Provider`."""
        return Memory()

    def _refusal(self, reason: Reason) -> Running:
        return RunningSteps(Refusal(reason), self._clock)


class SingleProvider(InbandProvider):
    """One with a single component, that `inspect` looks at."""

    ident: str

    def discover(self) -> Discovery:
        """See `livefw.providers.base.Provider`."""
        component = self.inspect(self.ident)
        return Discovery((component,)) if component else Discovery((), absent=self.absent)

    def inspect(self, ident: str) -> Component | None:
        """See `livefw.providers.base.Provider`."""
        raise NotImplementedError


def _findings(each: Component, *, notes: bool) -> list[Finding]:
    told = [Finding(severity_of(why), *why) for why in each.reasons]
    return told + [Finding(Severity.INFO, *note) for note in each.notes if notes]


_SEVERITIES = {
    "not-pending": Severity.INFO,
    "ready": Severity.INFO,
    "no-permission": Severity.WARNING,
    "version-refused": Severity.WARNING,
    "no-firmware-commands": Severity.INFO,
    "reset-required": Severity.INFO,
    "not-ready": Severity.WARNING,
    "slot-changed": Severity.WARNING,
}
"""Reasons that are no error of this machine, by code."""


def severity_of(why: Reason) -> Severity:
    """How bad a reason is, for a diagnosis."""
    return _SEVERITIES.get(why.code, Severity.ERROR)


def not_reported(node: str, what: str, error: int) -> Reason:
    """Why a device did not tell something, by the errno of the question."""
    word = "no word" if error == LOST else os.strerror(error)
    why = _DENIED if error in (errno.EACCES, errno.EPERM) else _UNREADABLE
    return why.fill(node=node, what=what, error=word)


class OneCall:
    """A request that is one operation, which nobody can stop; a `livefw.providers.steps.Work`."""

    def __init__(self, observer: Observer, text: str) -> None:
        self.touched = False
        self._observer = observer
        self._text = text

    def steps(self) -> Steps:
        """Start it, wait for it, read the answer."""
        self._observer(Progress(Phase.RUNNING, self._text))
        self.touched = True
        operation = self.start()
        yield operation
        return self.judge()

    def abandoned(self) -> Claim:
        """The operation continues."""
        if not self.touched:
            return Claim(Reply.REFUSED, reason=_GIVEN_UP)
        return Claim(Reply.LOST, reason=_NOT_WATCHED, at_work=True)

    def start(self) -> Operation:
        """Begin."""
        raise NotImplementedError

    def judge(self) -> Claim:
        """What it ended with."""
        raise NotImplementedError
