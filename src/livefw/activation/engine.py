# SPDX-License-Identifier: Apache-2.0
"""The engine: plan, check, lock, record, ask, verify, measure. Every face uses it; it knows no mechanism.

`Engine.plan` only reads. `Engine.open` takes the lock of the machine, settles open intents, and gives a `Session`,
which carries out requests. `Engine.activate`, `stage` and `cancel` do that for a single request.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from livefw.activation import aftermath, expected_version, plan, row_bodies, step_status
from livefw.activation.aftermath import Aftermath
from livefw.activation.checks import hooks
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import ImageFindings, require_ignorable
from livefw.activation.events import Attempt, Control, Finished, Point, SettledIntent, Steps, WaitingForLock, drain
from livefw.activation.execution import one_step
from livefw.activation.execution.session import Session
from livefw.activation.history import seal
from livefw.activation.history.cache import RowSource
from livefw.activation.history.journal import FILE, HistoryRow, Journal
from livefw.activation.history.writer import HistoryWriter
from livefw.activation.host import ActivationRequest, Host, OnFailure
from livefw.activation.images.target import StagingRequest, find_against, find_target
from livefw.activation.inventory import hosts, unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.select import is_pattern, select
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.lock.machine_lock import Busy, Lock, LockHolder
from livefw.activation.plan import PastAttempts, PlanContext, PlanStep, SettingChange
from livefw.activation.setting_changes import blocking_settings
from livefw.activation.status import ComponentStatus
from livefw.errors import PermissionDenied
from livefw.providers.base import Reason, Source

__all__ = ["ActivationRequest", "Attempt", "Engine", "Host", "OnFailure", "Plan", "Point", "Session", "SettledIntent"]


_LOOK_AGAIN_S = 0.25
"""Seconds between two attempts to take the lock. The kernel could wait, but not for a time and not for a Ctrl-C too."""


class Plan(NamedTuple):
    """What would be done now.

    ``unfinished`` are open intents, which are settled first; ``unmatched`` are patterns of the settings without a
    match; ``running`` is another engine that works on this machine, whose open intents are not unfinished.
    ``statuses`` are the states of the components of all steps, by key. ``incomplete`` are the hosts that did not show
    all they have.
    """

    steps: tuple[PlanStep, ...]
    changes: tuple[SettingChange, ...]
    unfinished: tuple[HistoryRow, ...]
    absent: tuple[Reason, ...]
    unmatched: tuple[UnmatchedPattern, ...] = ()
    running: LockHolder | None = None
    statuses: Mapping[str, ComponentStatus] = {}
    incomplete: tuple[Source, ...] = ()


class Engine:
    """Carries out requests on one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._facts = Facts(host.files)

    def plan(self, request: ActivationRequest) -> Plan:
        """What would be done now; nothing is changed.

        Raises:
            TransportError, Damaged: the machine or its history cannot be read.
            NothingHere, NotInstalled: words are given, and there is no component at all.
            NoSuchComponent, AmbiguousComponent, UsageError: the request is wrong, or the order of the policy has a
                cycle.
            SettingsError: the settings ignore a check that cannot be ignored.
        """
        host = self._host
        require_ignorable(request.ignore, host.policy)
        found = hosts.take_named(host.providers, request.words, host.policy)
        if request.strict:
            hosts.require_all(hosts.missed(found, host.providers, request.words))
        with hosts.naming_silent_hosts(found):
            one_step.chosen_candidates(request, found)  # an invalid request records nothing
        found = host.observe(found)
        history: Journal | None = None
        hidden = False
        try:
            history = Journal.open_to_read(host.paths.state, host.paths.root)
        except PermissionDenied:
            hidden = True  # all users may plan; only the history is missing then
        try:
            running = host.holder()
            scene = self.scene(request, history, running, hidden=hidden)
            with hosts.naming_silent_hosts(found):
                named = one_step.chosen_candidates(request, found)
                chosen = plan.choose(found, None) if named is None else named
            keys = [each.component.key for each in chosen]
            expected = expected_version.by_key(keys, request.words, request.expected)
            steps = plan.steps(chosen, found, scene, expected)
            unfinished = tuple(history.unfinished()) if history else ()
            changes = plan.setting_changes(found, host.policy)
            if history:
                changes = tuple(w._replace(last_error=row_bodies.last_setting_error(history, w)) for w in changes)
        finally:
            if history:
                history.close()
        absent = found.absent if not found.candidates else ()
        rows = {row.component: row for row in unfinished}
        statuses = {
            key: step_status.of(step.component, rows.get(key), step, running, policy=host.policy, now=scene.now)
            for step in steps
            for key in (step.component.key,)
        }
        return Plan(
            steps,
            changes,
            tuple(row for row in unfinished if running is None or row.component != running.component),
            absent,
            unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found),
            running,
            statuses,
            found.incomplete,
        )

    def open(self, control: Control | None = None) -> Session:
        """Take the lock of the machine and settle open intents.

        Raises:
            Busy: another program holds the lock.
            PermissionDenied, TransportError: the lock cannot be taken.
            JournalUnavailable: the history cannot be opened.
        """
        return drain(self._open(control))

    def activate(self, request: ActivationRequest, *, control: Control | None = None) -> Steps[Finished]:
        """One whole request, from taking the lock to releasing it. Errors are those of `open` and
        `Session.activate`."""
        with (yield from self._open(control, wait_s=request.wait_busy_s)) as session:
            return (yield from session.activate(request))

    def stage(self, request: StagingRequest, *, control: Control | None = None) -> Steps[Finished]:
        """As `activate`, for an image. Errors are those of `open` and `Session.stage`."""
        with (yield from self._open(control)) as session:
            return (yield from session.stage(request))

    def settle(self, *, control: Control | None = None) -> Steps[None]:
        """Settle what earlier engines left unfinished. Errors as for `open`."""
        with (yield from self._open(control)):
            pass

    def cancel(self, word: str, *, reason: str, control: Control | None = None) -> Steps[Finished]:
        """Ask the mechanism to cancel what was begun on one component, and record who wanted that and why.

        If another engine is activating this component, no lock is taken: that is when a cancellation is most useful,
        and the mechanism decides whether it is too late. Otherwise the lock is taken, so that no new activation can
        start meanwhile.

        Raises:
            NoSuchComponent, AmbiguousComponent, UsageError, NothingHere, NotInstalled: the word selects no component.
            Busy: another engine works on another component.
            PermissionDenied, TransportError, JournalUnavailable: as `open` does.
        """
        host = self._host
        found = hosts.take_named(host.providers, (word,), host.policy).require()
        with hosts.naming_silent_hosts(found):
            candidate = select(word, found.candidates)
        try:
            session = yield from self._open(control)
        except Busy as busy:
            if busy.holder and busy.holder.component != candidate.component.key:
                raise
            session = Session(self.scene, host, None, self._history(), control)
        with session:
            return (yield from session.cancel(candidate, reason=reason))

    def require_valid(self, request: ActivationRequest | StagingRequest) -> None:
        """Refuse an invalid request where there is no history or lock yet, before they are made.

        Errors as of `Session.activate` and `Session.stage`, which refuse it in any case.
        """
        paths, host = self._host.paths, self._host
        if os.path.exists(paths.lock) and os.path.exists(os.path.join(paths.state, FILE)):
            return
        require_ignorable(request.ignore, host.policy)
        if isinstance(request, ActivationRequest):
            words = request.words
        else:
            words = None if request.word is None else (request.word,)
        found = hosts.take_named(host.providers, words, host.policy).require()
        with hosts.naming_silent_hosts(found):
            if isinstance(request, StagingRequest):
                find_target(request.word, found.candidates, request.package)
            else:
                one_step.chosen_candidates(request, found)

    def _open(self, control: Control | None, *, wait_s: float = 0.0) -> Steps[Session]:
        """Take the lock, for which others are waited for so long, and settle open intents, step by step."""
        host = self._host
        held = yield from self._lock(control or Control(), wait_s)
        try:
            held.describe(component="", user=str(host.actor))
            yield host.reach(Point.LOCKED)
            session = Session(self.scene, host, held, self._history(), control)
        except BaseException:
            held.release()
            raise
        try:
            yield from session.settle()
            yield host.reach(Point.SETTLED)
        except BaseException:
            session.close()
            raise
        return session

    def _lock(self, control: Control, wait_s: float) -> Steps[Lock]:
        """The lock. A holder that begins its next component is waited for, too."""
        clock, paths = self._host.clock, self._host.paths
        end = clock.now() + wait_s
        while True:
            try:
                return Lock.acquire(paths.lock, paths.root)
            except Busy as busy:
                if clock.now() >= end:
                    raise
                yield WaitingForLock(busy.holder)
            control.require_wanted()
            clock.sleep(_LOOK_AGAIN_S)

    def _history(self) -> HistoryWriter:
        host = self._host
        journal = None if host.without_journal else self._journal()
        return HistoryWriter(journal, host.announce)

    def _journal(self) -> Journal:
        host = self._host
        # The key is this machine's, and seals only its own history.
        sealed = seal.load(host.policy.seal) if host.paths.root == "/" else seal.UNSEALED
        return Journal.open(host.paths.state, wall_ns=host.wall_ns, seal=sealed, machine=host.origin())

    def scene(
        self,
        request: ActivationRequest,
        history: RowSource | None,
        holder: LockHolder | None,
        *,
        hidden: bool = False,
        held: Aftermath | None = None,
    ) -> PlanContext:
        """The context for the checks. ``hidden``: there may be a history that this user may not read.

        ``held`` is the aftermath that a session knows; None: the one that the history records.
        """
        host, boot_id = self._host, self._facts.boot_id()

        def past(key: str) -> PastAttempts | None:
            return row_bodies.past_attempts(history, key) if history else None if hidden else PastAttempts()

        named = request.words is not None and not request.automatic
        return PlanContext(
            policy=host.policy,
            machine=self._facts.snapshot(),
            now=host.now(),
            holder=holder,
            privileged=host.privileged,
            ignore=request.ignore,
            hooks=hooks.find(host.paths.settings),
            past=past,
            named=named,
            by_name=named and not any(map(is_pattern, request.words or ())),
            last_failure=lambda key: row_bodies.last_failure(history, key) if history else "",
            kin_failure=lambda component: row_bodies.kin_failure(history, component) if history else "",
            lasting=lambda component: aftermath.lasting(history, component, boot_id) if history else None,
            doubt=partial(_in_doubt, aftermath.latest(history, boot_id) if held is None else held),
            unmet=blocking_settings(host.policy, {}),
            image=self._find_against,
            decided=lambda component: row_bodies.ignored_at_staging(history, component) if history else (),
        )

    def _find_against(self, candidate: Candidate) -> ImageFindings:
        target, host = one_step.image_of(candidate), self._host
        return find_against(target, self._facts, host.policy, host.image_keys) if target else ImageFindings()


def _in_doubt(held: Aftermath, candidate: Candidate, found: Inventory) -> Reason | None:
    provider, component = candidate
    return aftermath.in_doubt(held, component, found, partial(provider.recall, component.id)) if held.missing else None
