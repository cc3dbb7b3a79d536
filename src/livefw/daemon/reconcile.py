# SPDX-License-Identifier: Apache-2.0
"""Activations that an earlier engine left without an outcome: when to find out what became of them."""

import logging
from collections.abc import Callable
from contextlib import closing
from enum import Enum, auto

from livefw.activation.engine import Host
from livefw.activation.history.journal import Journal
from livefw.daemon.hosts import MachineThread
from livefw.daemon.jobs.events import Event, job_error
from livefw.daemon.jobs.runner import JobRequest
from livefw.dbus.loop import Loop

_RETRY_S = 0.5

_log = logging.getLogger(__name__)


class Unfinished(Enum):
    """Whether the history has an activation without an outcome."""

    NONE = auto()
    SOME = auto()
    LOCKED = auto()
    """Some engine, or the write that one has left behind, has the machine."""


def unfinished(host: Host) -> bool:
    """Whether the history has an activation without an outcome. `TransportError`."""
    journal = Journal.open_to_read(host.paths.state, host.paths.root)
    if journal is None:
        return False
    with closing(journal):
        return bool(journal.unfinished())


class Reconciler:
    """Has an engine find out what became of them; one job at a time, as ``start_job`` starts it."""

    def __init__(
        self,
        loop: Loop,
        machine: MachineThread,
        *,
        is_busy: Callable[[], bool],
        start_job: Callable[[JobRequest, Callable[[Event], None]], None],
        found_settled: Callable[[], None],
    ) -> None:
        """``found_settled`` is called when another process has recorded the outcome meanwhile."""
        self._loop = loop
        self._machine = machine
        self._is_busy = is_busy
        self._start_job = start_job
        self._found_settled = found_settled
        self.running = False

    def start_if_needed(self) -> None:
        """As `start`, if the history has an activation without an outcome."""

        def seen(found: bool | Exception) -> None:  # noqa: FBT001 - what a thread gives back
            if found is True:
                _log.warning("an activation has no outcome yet; finding out as soon as the machine is free")
                self.start()

        self._machine.do(unfinished, seen)

    def start(self) -> None:
        """Find out, now or as soon as the machine is free.

        While the write of an engine that died still runs, it holds the machine, and there is nothing to find out.
        """
        if not self._is_busy():
            self.running = True
            self._machine.do(_look, self._looked)  # a process each time would take the CPUs that are being measured

    def _looked(self, found: Unfinished | Exception) -> None:
        if found is Unfinished.LOCKED:
            self._loop.later(_RETRY_S, self.start)
        elif found is Unfinished.NONE:
            self.running = False
            _log.info("its own process has recorded how the activation ended")
            self._found_settled()
        elif self._is_busy():
            self.running = False  # the next activation begins with it
        else:
            self._start_job(JobRequest((), "livefwd", "daemon", settle_only=True), self._ended)

    def _ended(self, event: Event) -> None:
        error = job_error(event)
        self.running = error is not None and error.phase == "lock"
        if self.running:
            self._loop.later(_RETRY_S, self.start)
        elif error is not None:
            _log.error("what became of an activation could not be found out: %s", error.text)


def _look(host: Host) -> Unfinished:
    if host.holder():
        return Unfinished.LOCKED
    return Unfinished.SOME if unfinished(host) else Unfinished.NONE
