# SPDX-License-Identifier: Apache-2.0
"""What an engine does while it holds the lock of the machine.

A session carries out requests, each a stream of events (`livefw.activation.events`). One component's turn is in
`livefw.activation.execution.attempt`, a staging in `livefw.activation.execution.staging`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from livefw.activation import expected_version, plan, row_bodies, setting_changes
from livefw.activation.checks.table import require_ignorable
from livefw.activation.events import (
    Attempt,
    Chosen,
    Control,
    Finished,
    SettingsApplied,
    SettledIntent,
    Steps,
    to_the_end,
)
from livefw.activation.execution import mechanism, one_step, recovery, settling, staging
from livefw.activation.execution.attempt import Context, Remains, Turn
from livefw.activation.history.archive import Archived, Cut
from livefw.activation.history.damaged import SetAside
from livefw.activation.history.journal import RowKind
from livefw.activation.history.writer import HistoryWriter
from livefw.activation.host import ActivationRequest, Host, OnFailure, nowhere
from livefw.activation.images.target import StagingRequest, find_target
from livefw.activation.inventory import discovery, hosts, side_effects, unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.lock.machine_lock import Lock, LockedFor
from livefw.activation.mishaps import NOT_LET_GO, Mishaps
from livefw.activation.outcome import Outcome, Result
from livefw.activation.plan import PlanContext, SettingChange
from livefw.activation.policy.document import Policy
from livefw.errors import TransportError, UsageError
from livefw.providers.base import Component, Course, Reason, cancels_by_itself, is_stager

if TYPE_CHECKING:
    from livefw.activation.setting_changes import Tried, UnmetSetting

_LETTING_GO_S = 10.0
"""How long to wait for a cancellation while nothing is running: one call into the firmware."""


class Session:
    """Holds the lock of the machine until `close`; use it in a ``with`` statement.

    ``settled`` are the intents that were found open, ``unmet`` the settings that differ from the policy. ``control``
    ends the present request early.
    """

    def __init__(
        self,
        scene: Callable[..., PlanContext],
        host: Host,
        held: Lock | None,
        history: HistoryWriter,
        control: Control | None = None,
    ) -> None:
        """Use `livefw.activation.engine.Engine.open`. A session without a lock only cancels."""
        self.control = control or Control()
        self.settled: list[SettledIntent] = []
        self.unmet: tuple[UnmetSetting, ...] = ()
        self._scene = scene
        self._host = host
        self._lock = held
        self._history = history
        self._tried: Tried = {}
        self._context = Context(host, history, Remains(host, history), self.control, self.settled)
        if host.notifier:
            host.notifier.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock; while a write still runs, its child holds it. Events are sent after that."""
        try:
            self._history.close()
        finally:
            if self._lock:
                self._lock.release()
            if self._host.notifier:
                self._host.notifier.end()

    @property
    def set_aside(self) -> SetAside | None:
        """The damaged history that was found and renamed meanwhile; None if there was none."""
        return self._history.set_aside

    def archive(self, cut: Cut, *, file: str | None = None) -> Archived:
        """Move older rows of the history into a file of their own.

        Raises:
            UsageError: there is no history, the file exists, or others can write to its directory.
            NothingToDo: no row is old enough.
            TransportError, Damaged: the archive or the history cannot be written or read.
        """
        if self._history.journal is None:
            raise UsageError("without a history there is nothing to archive")
        return self._history.journal.archive(cut, file=file)

    def settle(self) -> Iterator[SettledIntent]:
        """Settle every open intent with the outcome that the machine shows."""
        for each in settling.settle(self._context):
            self.settled.append(each)
            yield each

    def activate(self, request: ActivationRequest) -> Steps[Finished]:
        """Activate what is requested, each component at most once; before each one the plan is made anew.

        After an unknown outcome it always ends, because the mechanism may still be at work.

        Raises:
            NothingHere, NotInstalled: there is no component at all.
            NoSuchComponent, AmbiguousComponent, UsageError: the request is wrong, or the order of the policy has a
                cycle.
            Interrupted: it was stopped before anything was asked of the present component.
            TransportError, JournalUnavailable: the machine cannot be read, or an intent cannot be written.
        """
        return to_the_end(self._activate(request), self.control)

    def stage(self, request: StagingRequest) -> Steps[Finished]:
        """Hand an image over to its mechanism, which keeps it until it is activated.

        Raises:
            NothingHere, NotInstalled: there is no component at all.
            NoSuchComponent, AmbiguousComponent, UsageError, Refused: no component takes the image.
            Interrupted: it was stopped before anything was asked.
            TransportError, JournalUnavailable: the machine cannot be read, or the intent cannot be written.
        """
        return to_the_end(self._stage(request), self.control)

    def cancel(self, candidate: Candidate, *, reason: str) -> Steps[Finished]:
        """Use `Engine.cancel`."""
        return to_the_end(self._cancel(candidate, reason), self.control)

    def apply_settings(self) -> None:
        """Apply the settings of the policy. `TransportError` if the machine cannot be read."""
        self._apply_settings(discovery.take_inventory(self._host.providers))

    def _activate(self, request: ActivationRequest) -> Steps[Finished]:
        host = self._host
        require_ignorable(request.ignore, host.policy)
        found = host.observe(hosts.take_named(host.providers, request.words, host.policy).require())
        missed = hosts.missed(found, host.providers, request.words)
        if request.strict:
            hosts.require_all(missed)
        with hosts.naming_silent_hosts(found):
            named = one_step.chosen_candidates(request, found)
        wanted = None if named is None else {c.component.key: c for c in named}
        expected = expected_version.by_key(wanted or (), request.words, request.expected)
        chosen = tuple(wanted or (c.component.key for c in _all_ready(found, host.policy)))
        left_out = () if wanted is not None else _left_out(found, host.policy)
        unmatched = unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found)
        yield Chosen(chosen, unmatched, left_out, missed)
        done: dict[str, Attempt] = {}
        tried: set[str] = set()
        previous = self._last_asked_for(found)
        while not self.control.stopped:
            found = self._apply_settings(found)
            yield SettingsApplied(self.unmet)
            candidate = _next_candidate(found, wanted, tried, host.policy)
            if candidate is None:
                break
            if request.package and wanted:
                candidate = wanted[candidate.component.key]
            tried.add(candidate.component.key)
            turn = Turn(self._context, request, candidate, found, expected=expected.get(candidate.component.key))
            if previous is not None and _blocks(previous, candidate):
                self._cancel_previous(previous, turn.mishaps)
            self._describe_lock(candidate.component.key)
            attempt = yield from turn.steps(partial(self._scene_now, request))
            found, previous = turn.found, candidate if attempt.result.claim else previous
            if attempt.result.outcome is Outcome.FAILED:
                self._cancel_previous(candidate, turn.mishaps)
                previous = None
            continues = _continues(attempt.result, request.on_failure)
            if continues and _is_one_of_several(attempt.result) and _next_candidate(found, wanted, tried, host.policy):
                continues = not turn.mishaps.add((yield from self._recovered(candidate)))
                again = partial(discovery.look_again, found, host.providers, host=candidate.component.host)
                found = turn.mishaps.spared(side_effects.NOT_SEEN, again, found)
            done[candidate.component.key] = attempt._replace(mishaps=turn.mishaps.found)
            yield done[candidate.component.key]
            if turn.mishaps.interrupted or not continues:
                break
        host.observe(found)
        finished = Finished(tuple(done.values()), tuple(key for key in chosen if key not in done))
        yield finished
        return finished

    def _recovered(self, candidate: Candidate) -> Steps[Reason | None]:
        """Wait until a device that was activated is well again; returns why it is not."""
        before, host = candidate.component, self._host
        look = partial(candidate.provider.inspect, before.id)
        limit_s = host.policy.limits.recovery
        return (yield from recovery.wait(before, look, limit_s=limit_s, control=self.control, clock=host.clock))

    def _stage(self, request: StagingRequest) -> Steps[Finished]:
        require_ignorable(request.ignore, self._host.policy)
        words = None if request.word is None else (request.word,)
        found = hosts.take_named(self._host.providers, words, self._host.policy).require()
        with hosts.naming_silent_hosts(found):
            target = find_target(request.word, found.candidates, request.package)
        self._describe_lock(target.component.key, LockedFor.STAGING)
        attempt = yield from staging.hand_over(self._context, target, request)
        return (yield from _ended(attempt))

    def _cancel(self, candidate: Candidate, reason: str) -> Steps[Finished]:
        host, key, mishaps = self._host, candidate.component.key, Mishaps(candidate.component.word)
        self._describe_lock(key, LockedFor.CANCELLING)
        result = yield from mechanism.cancel(candidate, control=self.control, clock=host.clock, mishaps=mishaps)
        row = self._history.note(
            RowKind.CANCELLATION,
            key,
            lambda: row_bodies.cancellation(result, reason, host.actor, mishaps.found),
            mishaps,
        )
        self._history.announce(RowKind.CANCELLATION, result, row, mishaps)
        return (yield from _ended(Attempt(result, (), None, (), row, mishaps.found)))

    def _describe_lock(self, component: str, act: LockedFor = LockedFor.ACTIVATING) -> None:
        if self._lock:
            self._lock.describe(component=component, user=str(self._host.actor), act=act)

    def _scene_now(self, request: ActivationRequest) -> PlanContext:
        scene = self._scene(request, self._history.journal, None, held=self._context.remains.held)
        return scene._replace(unmet=setting_changes.blocking_settings(self._host.policy, self._tried))

    def _last_asked_for(self, found: Inventory) -> Candidate | None:
        """The component that any engine asked for last since the boot; None if there is none."""
        journal, boot_id = self._history.journal, self._context.remains.boot_id
        intent = journal.latest(RowKind.INTENT) if journal else None
        if intent is None or not boot_id or intent.body.get("boot_id") != boot_id:
            return None
        return next((c for c in found.candidates if c.component.key == intent.component), None)

    def _cancel_previous(self, candidate: Candidate, mishaps: Mishaps) -> None:
        """Have the mechanism cancel what it still holds of a component, so that it accepts another.

        Some firmware refuses every other component after an attempt on one, whatever its outcome. Usually there is
        nothing to cancel. Mechanisms that stage are left out: their cancellation would remove what a user has staged.
        That of a linked component is in band, and removes nothing. So are those that cancel by themselves.
        """
        if not is_stager(candidate.provider, candidate.component) or candidate.component.linked:
            mishaps.spared(NOT_LET_GO.about(candidate.component.word), partial(_let_go, candidate), None)

    def _apply_settings(self, found: Inventory) -> Inventory:
        """Apply the settings of the policy; returns the inventory afterwards."""
        host = self._host

        def note(change: SettingChange, error: str) -> None:
            row = partial(row_bodies.setting, change, error, host.actor)
            self._history.note(RowKind.SETTING, change.component.key, row, Mishaps())

        look = partial(discovery.look_again, found, host.providers, host="")  # no host but this machine has any
        after, self._tried = setting_changes.apply_changes(found, host.policy, self._tried, look=look, note=note)
        self.unmet = setting_changes.unmet_settings(plan.setting_changes(after, host.policy), self._tried)
        return after


def _ended(attempt: Attempt) -> Steps[Finished]:
    """End a request that is about one component."""
    yield attempt
    finished = Finished((attempt,))
    yield finished
    return finished


def _next_candidate(
    found: Inventory, wanted: dict[str, Candidate] | None, tried: set[str], policy: Policy
) -> Candidate | None:
    """The next candidate; one that has disappeared is returned as it was when it was chosen."""
    if wanted is None:
        left = [c for c in _all_ready(found, policy) if c.component.key not in tried]
    else:
        now = {c.component.key: c for c in found.candidates}
        left = [now.get(key, candidate) for key, candidate in wanted.items() if key not in tried]
    return plan.ordered(left, policy)[0] if left else None


def _all_ready(found: Inventory, policy: Policy) -> list[Candidate]:
    """The candidates of a request without words: all that can be activated and are allowed."""
    return [c for c in found.candidates if not c.component.reasons and policy.allows(c.component)]


def _left_out(found: Inventory, policy: Policy) -> tuple[Component, ...]:
    """The components that only the policy keeps out of such a request."""
    components = (candidate.component for candidate in found.candidates)
    return tuple(each for each in components if not each.reasons and not policy.allows(each))


def _blocks(previous: Candidate, candidate: Candidate) -> bool:
    """Whether the previous component may prevent the next one."""
    return previous.provider.name == candidate.provider.name and previous.component.key != candidate.component.key


def _is_one_of_several(result: Result) -> bool:
    """Whether a device was activated beside which there may be others with the copies of what it holds."""
    return bool(result.before.kin) and result.outcome is Outcome.ACTIVATED


_BAD_COURSES = frozenset({Course.GONE, Course.DAMAGED, Course.RESET})
"""What must not happen to a second device, whatever the user wants after a failure."""


def _continues(result: Result, on_failure: OnFailure) -> bool:
    if result.outcome in (Outcome.UNKNOWN, Outcome.CANCELLED):
        return False
    if result.claim and result.claim.course in _BAD_COURSES:
        return False
    return result.outcome is not Outcome.FAILED or on_failure is OnFailure.CONTINUE


def _let_go(candidate: Candidate) -> None:
    if cancels_by_itself(candidate.provider, candidate.component.id):
        return
    running = candidate.provider.cancel(candidate.component.id, nowhere)
    if not running.wait(_LETTING_GO_S):
        running.abandon()
        raise TransportError(f"it has not replied within {_LETTING_GO_S:g} s")
