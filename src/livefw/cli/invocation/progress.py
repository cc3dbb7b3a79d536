# SPDX-License-Identifier: Apache-2.0
"""Progress of a request on standard error, and what Ctrl-C does meanwhile."""

import errno
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

from livefw.activation.events import (
    Attempt,
    Begun,
    Chosen,
    Event,
    Finished,
    Progressed,
    SettingsApplied,
    SettledIntent,
    StillRunning,
    WaitingForLock,
)
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.outcome import Result
from livefw.api import ConnectedHost
from livefw.cli.invocation.session import CommandSession
from livefw.errors import LivefwError, Refused
from livefw.providers.base import Component, Phase
from livefw.providers.declaration import CancelWindow, declaration
from livefw.render import attempt, plan, request
from livefw.render.component import cpu_stop, label, version
from livefw.text import printable

_STOPPERS = (signal.SIGTERM, signal.SIGHUP)
_REMIND = 10.0
"""Seconds between two lines that say it is still running, where there is no live line."""

_CONTINUES = (
    "Ctrl-C: the {act} is under way and cannot be interrupted; it continues.\n"
    "Press Ctrl-C again to detach; the {act} continues then, too.{cancel}"
)
_CANCEL = "\nTo ask the mechanism to abandon it, in another terminal: livefw cancel {key}"
_DETACHED = "Detached from the {act}, which may continue. See how it ends: livefw show {key}"
_ACTS = {"activate": "activation", "stage": "staging", "cancel": "cancellation"}


@contextmanager
def refused_without_descriptors(progress: "ProgressDisplay") -> Iterator[None]:
    """`Refused` where the process cannot open another file and nothing was asked of a mechanism yet."""
    try:
        yield
    except (LivefwError, OSError) as error:
        if progress.began or error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        text = error.message if isinstance(error, LivefwError) else f"{error.filename or ''}: {error.strerror}"
        hint = "nothing was asked; raise the limit of open files: ulimit -n"
        raise Refused(text, hint=hint, errno=error.errno) from error


class ProgressDisplay:
    """Follows a request and shows on standard error what happens.

    From a component's turn on, SIGINT is counted instead of raised: after the first nothing
    more is started; the second detaches. SIGTERM and SIGHUP detach at once. Before that moment Ctrl-C ends
    the command as usual, and nothing was started.
    """

    def __init__(self, session: CommandSession, *, verb: str, several: bool = False) -> None:
        """With ``several``, each result is shown at once: the answer of the command comes only after the last one."""
        self._interrupts = 0
        self._detached = False
        self._host: ConnectedHost | None = None
        self._session = session
        self._several = several
        self._verb = verb
        self._live = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in (None, "dumb")
        self._answered = False
        self._told_detached = False
        self._waited = False
        self._phase = Phase.RUNNING
        self._component: Component | None = None
        self._next_reminder = _REMIND
        self._unmet: set[str] = set()
        self._holder = ""

    @property
    def began(self) -> bool:
        """Whether anything may have been asked of a mechanism."""
        return self._component is not None

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be asked of any mechanism."""
        return self._interrupts > 0 or self._detached

    def follow(self, host: ConnectedHost, stream: Generator[Event, None, Finished]) -> Iterator[Event]:
        """The events of a request of a host, each after it was shown."""
        self._host = host
        with closing(stream):
            for event in stream:
                self._show(event)
                yield event

    def _show(self, event: Event) -> None:
        match event:
            case WaitingForLock(holder=holder):
                self._tell_holder(holder)
            case SettledIntent():
                self._session.say(attempt.settled_text(event))
            case Chosen(unmatched=unmatched, left_out=left_out, missed=missed):
                self._warn(
                    [*request.missed_lines(missed), *plan.unmatched_lines(unmatched), *plan.left_out_lines(left_out)]
                )
            case SettingsApplied(unmet=unmet):
                fresh = [line for line in plan.unmet_lines(unmet) if line not in self._unmet]
                self._unmet.update(fresh)
                self._warn(fresh)
            case Begun(component=component):
                self._take_signals()
                self._component, self._phase, self._next_reminder = component, Phase.RUNNING, _REMIND
                self._session.say(_beginning(component, self._verb))
            case Progressed(phase=phase, text=text):
                self._phase = phase
                if phase is Phase.WAITING and not self._waited:
                    self._waited = True
                    self._line(f"waiting: {text}")
            case StillRunning(component=component, seconds=seconds):
                self._tick(component, seconds)
            case Attempt(result=result):
                if self._detached and result.claim and result.claim.at_work:
                    self._tell_detached(result.before)
                self._ended(result)

    def _tell_holder(self, holder: LockHolder | None) -> None:
        """Once for each component of the holder."""
        what = f"the {holder.act.noun} of {holder.component or 'another component'}" if holder else "another program"
        if what != self._holder:
            self._holder = what
            self._session.say(f"waiting for {printable(what)}{f' {printable(holder.who)}' if holder else ''}")

    def _tick(self, component: Component, seconds: float) -> None:
        if self._detached:
            self._tell_detached(component)
            return
        if self._interrupts and not self._answered:
            self._answered = True
            cancel = _CANCEL.format(key=component.key) if self._can_be_cancelled(component) else ""
            self._line(_CONTINUES.format(act=_ACTS[self._verb], cancel=cancel))
        if self._live:
            self._session.mark(f"{self._phase} {seconds:.0f} s", end="\r")
        elif seconds >= self._next_reminder:
            self._next_reminder = seconds + _REMIND
            self._session.say(f"  {self._phase}, {seconds:.0f} s so far")

    def _can_be_cancelled(self, component: Component) -> bool:
        declared = declaration(component.provider)
        return self._verb == "activate" and declared is not None and declared.cancel is CancelWindow.UNTIL_COMMITTED

    def _tell_detached(self, component: Component) -> None:
        """Once, whether it is seen at a tick or only at the end."""
        if not self._told_detached:
            self._told_detached = True
            self._line(_DETACHED.format(act=_ACTS[self._verb], key=component.key))

    def _ended(self, result: Result) -> None:
        """The result in full is the answer of the command."""
        if self._live:
            self._session.mark("\x1b[K", end="\r")
        if self._several and self._component and result.before.key == self._component.key:
            self._session.say(f"  {result.outcome} after {result.seconds:.1f} s")

    def _warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._session.say(f"livefw: {line}")

    def _line(self, text: str) -> None:
        self._session.say(("\x1b[K" if self._live else "") + text)

    def _take_signals(self) -> None:
        # Nothing is printed here: a handler may run in the middle of another print.
        signal.signal(signal.SIGINT, self._count)
        for number in _STOPPERS:
            signal.signal(number, self._end)

    def _count(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._interrupts += 1
        if self._interrupts > 1:
            self._leave()
        elif self._host:
            self._host.stop()

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._leave()

    def _leave(self) -> None:
        self._detached = True
        if self._host:
            self._host.detach()


def _beginning(component: Component, verb: str) -> str:
    name = label(component)
    old, new = component.current_version, component.pending_version
    change = f" {version(old)} -> {version(new)}" if old and new and old.reliable and new.reliable else ""
    stop = f", {cpu_stop(component).text}" if component.cost.rendezvous else ""
    return f"{verb} {name}{change}{stop}" if verb == "activate" else f"{verb} {name}"
