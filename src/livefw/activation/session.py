# SPDX-License-Identifier: Apache-2.0
"""The machine is ours: what an engine does with it from the lock's taking to its giving back.

The order is the same for each request: look, refuse or write the intent, ask, judge, write the outcome, tell it.
Before a mechanism is asked, whatever goes wrong is raised; from then on it is a mishap, and the outcome is told.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from livefw.activation import aftermath, plan, row_bodies, setting_changes
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import Problem, examine_staging, require_ignorable
from livefw.activation.history.archive import Archived, Cut
from livefw.activation.history.damaged import SetAside
from livefw.activation.history.journal import ENDINGS, HistoryRow, RowKind
from livefw.activation.history.writer import Announcement, HistoryWriter, RowStatus
from livefw.activation.host import ActivationRequest, Attempt, Host, OnFailure, Point, SettledIntent, nowhere
from livefw.activation.images.stage import hand_over
from livefw.activation.images.target import StagingRequest, StagingTarget, find_target
from livefw.activation.inventory import discovery, old_versions, side_effects, unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.lock.machine_lock import Lock
from livefw.activation.measure.meter import Meter
from livefw.activation.mishaps import (
    NOT_JUDGED,
    NOT_KEPT,
    NOT_LET_GO,
    NOT_MEASURED,
    WATCH_FAILED,
    Mishaps,
    error_text,
    inspect_noting,
)
from livefw.activation.outcome import Outcome, Result
from livefw.activation.plan import PlanContext, PlanStep, SettingChange
from livefw.activation.policy.document import Policy
from livefw.activation.run import INTERRUPTED, NOT_ASKED, VANISHED, Watch, ask, cancel
from livefw.activation.verdict import evidence, staging
from livefw.activation.verdict import table as verdict
from livefw.activation.verdict.evidence import Boot, reliable_text
from livefw.errors import Interrupted, LivefwError, TransportError, UsageError
from livefw.providers.base import Claim, Component, Provider, Reason, is_stager

if TYPE_CHECKING:
    from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
    from livefw.activation.setting_changes import Tried, UnmetSetting

_SETTLING_S = 0.2
"""How long to wait before a change of other components is believed."""
_LETTING_GO_S = 10.0
"""How long to wait for a cancellation while nothing is running; it is one call into the firmware."""


class _Found(NamedTuple):
    """What became of an intent that was left open, and the row that says so."""

    outcome: Outcome
    why: Reason
    body: Callable[[], dict[str, Any]]
    firmware_code: str | None = None


class Session:
    """The machine is ours until `close`; leave it by ``with``.

    ``settled`` is what was found unfinished, ``chosen`` the keys of the components that the last request means,
    ``unmatched`` the patterns of the settings that match nothing here, and ``unmet`` what they want of components and
    could not be brought about.
    """

    def __init__(
        self, scene: Callable[..., PlanContext], host: Host, held: Lock | None, history: HistoryWriter
    ) -> None:
        """Use `livefw.activation.engine.Engine.open`; without a lock it only cancels."""
        self._scene = scene
        self._host = host
        self._lock = held
        self._history = history
        self._boot_id = Facts(host.files).boot_id()
        self._tried: Tried = {}
        self.unmet: tuple[UnmetSetting, ...] = ()
        self._held = aftermath.latest(history.journal, self._boot_id)
        self.settled: list[SettledIntent] = []
        self.chosen: tuple[str, ...] = ()
        self.unmatched: tuple[UnmatchedPattern, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the machine back; if a write still goes on, the lock stays with it."""
        try:
            self._history.close()
        finally:
            if self._lock:
                self._lock.release()

    @property
    def set_aside(self) -> SetAside | None:
        """The history that was found damaged meanwhile, and is kept under another name."""
        return self._history.set_aside

    def archive(self, cut: Cut, *, file: str | None = None) -> Archived:
        """Move older rows of the history into a file of their own; errors as for `Journal.archive`."""
        if self._history.journal is None:
            raise UsageError("without a history there is nothing to archive")
        return self._history.journal.archive(cut, file=file)

    def _describe_lock(self, component: str) -> None:
        if self._lock:
            self._lock.describe(component=component, user=str(self._host.actor))

    def cancel(self, candidate: Candidate, *, reason: str, watch: Watch) -> Attempt:
        """Use `Engine.cancel`."""
        host, key, mishaps = self._host, candidate.component.key, Mishaps()
        self._describe_lock(key)
        result = cancel(candidate, watch=watch, clock=host.clock, mishaps=mishaps)
        row = self._history.note(
            RowKind.CANCELLATION,
            key,
            lambda: row_bodies.cancellation(result, reason, host.actor, mishaps.found),
            mishaps,
        )
        self._tell(RowKind.CANCELLATION, result, row, watch, mishaps)
        return Attempt(result, (), None, (), row, mishaps.found)

    def stage(self, request: StagingRequest, *, watch: Watch) -> Attempt:
        """Hand an image over to the mechanism that keeps it until it is activated.

        Errors as for `inventory.take` and `target.target`.
        """
        require_ignorable(request.ignore, self._host.policy)
        host, history, mishaps = self._host, self._history, Mishaps()
        target = find_target(
            request.word, discovery.take_inventory(host.providers).require().candidates, request.package
        )
        component = target.component
        self._describe_lock(component.key)
        problems = self._staging_problems(target, request)
        host.at(Point.CHECKED)
        if why := self._unsettled(component.key) or _stopped_by(problems):
            result = Result(component, Outcome.REFUSED, why)
            row = history.note(
                RowKind.STAGED,
                component.key,
                lambda: row_bodies.staging_refused(target, request, host.actor, result, problems),
                mishaps,
            )
            self._tell(RowKind.STAGED, result, row, watch, mishaps)
            return Attempt(result, problems, None, (), row, mishaps.found)
        activation = history.begin(RowKind.STAGING, component.key, row_bodies.staging(target, request, host.actor))
        caught: Exception | KeyboardInterrupt | None = None
        try:
            host.at(Point.INTENDED)
            result = hand_over(
                target,
                watch=watch,
                clock=host.clock,
                mishaps=mishaps,
                asked=lambda: host.at(Point.ASKED),
                answered=lambda: host.at(Point.ANSWERED),
            )
            host.at(Point.JUDGED)
        except (Exception, KeyboardInterrupt) as error:
            result, caught = _not_asked(component, error), error
        row = history.end(
            RowKind.STAGING,
            activation,
            component.key,
            lambda: row_bodies.staged(result, mishaps.found),
            mishaps,
            seen=not (result.claim and result.claim.at_work),
        )
        host.at(Point.RECORDED)
        self._tell(RowKind.STAGED, result, row, watch, mishaps)
        host.at(Point.ANNOUNCED)
        if caught:
            raise caught
        return Attempt(result, problems, None, (), row, mishaps.found)

    def _tell(self, kind: RowKind, result: Result, row: RowStatus, watch: Watch, mishaps: Mishaps) -> None:
        """Whoever looks on, and the world."""
        mishaps.spared(WATCH_FAILED, partial(watch.ended, result), None)
        self._history.announce(kind, result, row, mishaps)

    def _unsettled(self, key: str) -> Reason | None:
        """Why nothing more is asked of a component: nobody could find out what became of the last request on it."""
        return next((each.why for each in self.settled if each.outcome is None and each.intent.component == key), None)

    def _staging_problems(self, target: StagingTarget, request: StagingRequest) -> tuple[Problem, ...]:
        host, component = self._host, target.component
        ignore = (*request.ignore, *host.policy.ignore)
        return examine_staging(component, target.version, host.policy, privileged=host.privileged, ignore=ignore)

    def activate(self, request: ActivationRequest, *, watch: Watch) -> Iterator[Attempt]:
        """Activate what is requested, each component at most once, planned anew before each.

        It ends after an unknown outcome in any case: the mechanism may still be at work. `NothingHere` if there is no
        component at all; otherwise errors as for `Engine.plan`.
        """
        host = self._host
        require_ignorable(request.ignore, host.policy)
        found = discovery.take_inventory(host.providers).require()
        self.unmatched = unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found)
        wanted = None if request.words is None else {c.component.key: c for c in plan.choose(found, request.words)}
        self.chosen = tuple(wanted or (c.component.key for c in _all_ready(found, host.policy)))
        tried: set[str] = set()
        previous = self._last_asked_for(found)
        while True:
            found = self._apply_settings(found)
            candidate = _next_candidate(found, wanted, tried, host.policy)
            if candidate is None:
                return
            tried.add(candidate.component.key)
            mishaps = Mishaps()
            if previous is not None and _blocks(previous, candidate):
                self._cancel_previous(previous, mishaps)
            attempt, found = self._attempt(candidate, found, request, watch, mishaps)
            previous = candidate if attempt.result.claim else previous
            if attempt.result.outcome is Outcome.FAILED:
                self._cancel_previous(candidate, mishaps)
                previous = None
            yield attempt._replace(mishaps=mishaps.found)
            if mishaps.interrupted or not _continues(attempt.result, request.on_failure):
                return

    def _last_asked_for(self, found: Inventory) -> Candidate | None:
        """The component that was last asked for since this machine was started, by whichever engine."""
        journal = self._history.journal
        intent = journal.latest(RowKind.INTENT) if journal else None
        if intent is None or not self._boot_id or intent.body.get("boot_id") != self._boot_id:
            return None
        return next((c for c in found.candidates if c.component.key == intent.component), None)

    def _cancel_previous(self, candidate: Candidate, mishaps: Mishaps) -> None:
        """Have the mechanism drop what it still holds of a component, so that it takes another.

        There is firmware that refuses every other component after an attempt on one, however that ended. That there is
        nothing to drop is the usual answer, and all right. Where images are staged through the mechanism, its cancel
        takes back what somebody has staged, and only somebody may.
        """
        if not is_stager(candidate.provider):
            mishaps.spared(NOT_LET_GO, partial(_cancel_and_wait, candidate), None)

    def apply_settings(self) -> None:
        """Bring settings to what the policy wants, where they are not."""
        self._apply_settings(discovery.take_inventory(self._host.providers))

    def settle(self) -> None:
        """Give every intent without an outcome the one that the machine shows.

        Where the machine cannot be looked at now, the intent stays open, and keeps nobody from the other components.
        """
        for entry in self._history.unfinished():
            name, _, ident = entry.component.partition(":")
            provider = next((p for p in self._host.providers if p.name == name), None)
            if provider is None:
                continue  # a mechanism that is not known here; another livefw may look at it
            mishaps = Mishaps()
            try:
                found = self._found_out(entry, provider, ident, mishaps)
            except Exception as error:
                self.settled.append(SettledIntent(entry, None, _NOT_SETTLED.fill(error=error_text(error))))
                continue
            row = self._history.end(entry.kind, entry.activation, entry.component, found.body, mishaps)
            kind = ENDINGS[entry.kind]
            told = Announcement(entry.component, found.outcome, found.why, found.firmware_code, row, kind)
            self._history.tell(told, mishaps)
            ended = SettledIntent(
                entry, found.outcome, found.why, found.firmware_code, error=row.error, mishaps=mishaps.found
            )
            self.settled.append(ended)

    def _found_out(self, entry: HistoryRow, provider: Provider, ident: str, mishaps: Mishaps) -> _Found:
        """What the machine shows of an intent; what the provider raises if it cannot be looked at."""
        if entry.kind is RowKind.STAGING:
            after = provider.inspect(ident)
            outcome, why = staging.judge_staging(entry.body, after)
            return _Found(outcome, why, lambda: row_bodies.staging_settled(outcome, why, after))
        memory = provider.recall(ident, str(entry.body.get("mark", "")))
        after = provider.inspect(ident)
        seen = evidence.of_remains(entry.body, after, memory, boot_id=self._boot_id)
        found = verdict.judge(seen, accept=self._accepts(provider, after))
        if seen.boot is Boot.SAME:
            old = after if found.copy and after and after.copied else None
            listed = entry.body.get("listed", ())
            now = mishaps.spared(NOT_KEPT, lambda: discovery.take_inventory((provider,)), None)
            self._note_aftermath(provider, listed, now, found.outcome, mishaps, old=old)

        def body() -> dict[str, Any]:
            return row_bodies.settled(found, after, memory, mishaps.found, boot_id=self._boot_id, held=self._held)

        return _Found(found.outcome, found.why, body, memory.firmware_code)

    def _attempt(
        self, candidate: Candidate, found: Inventory, request: ActivationRequest, watch: Watch, mishaps: Mishaps
    ) -> tuple[Attempt, Inventory]:
        """One component's turn, and the inventory after it."""
        component = candidate.component
        self._describe_lock(component.key)
        if not any(c.component.key == component.key for c in found.candidates):
            return self._refuse(component, VANISHED, (), request, watch, mishaps), found
        scene = self._scene(request, self._history.journal, None, held=self._held)
        scene = scene._replace(unmet=setting_changes.blocking_settings(self._host.policy, self._tried))
        step = plan.examine(candidate, found, scene)
        self._host.at(Point.CHECKED)
        if why := self._unsettled(component.key) or _stopped_by(step.problems):
            return self._refuse(component, why, step.problems, request, watch, mishaps), found
        meter = self._host.meter()
        try:
            meter.start()
            return self._activate(candidate, step, found, request, watch, meter, mishaps)
        finally:
            mishaps.spared(NOT_MEASURED, meter.close, None)

    def _activate(
        self,
        candidate: Candidate,
        step: PlanStep,
        found: Inventory,
        request: ActivationRequest,
        watch: Watch,
        meter: Meter,
        mishaps: Mishaps,
    ) -> tuple[Attempt, Inventory]:
        host, provider = self._host, candidate.provider
        # Checks and the measurement's baseline took their time: what counts is what is there now.
        before = provider.inspect(candidate.component.id)
        if before is None or before.reasons:
            why = before.reasons[0] if before else VANISHED
            return self._refuse(before or candidate.component, why, step.problems, request, watch, mishaps), found
        announced = reliable_text(before.pending_version) or row_bodies.staged_version(self._history.journal, before)
        listed = aftermath.listed(provider.name, found)
        intent = row_bodies.intent(
            before,
            step.problems,
            request.reason,
            host.actor,
            announced=announced,
            listed=listed,
            mark=provider.mark(),
            boot_id=self._boot_id,
        )
        activation = self._history.begin(RowKind.INTENT, before.key, intent)
        try:
            host.at(Point.INTENDED)
            watch.begins(before)
            meter.mark()
            begin = partial(provider.activate, before.id)
            asked = partial(host.at, Point.ASKED)
            claim, seconds = ask(begin, watch=watch, clock=host.clock, mishaps=mishaps, asked=asked)
        except (Exception, KeyboardInterrupt) as error:
            self._withdraw(activation, before, error, mishaps)
            raise
        # From here on nothing is raised: whatever fails is a mishap, and the outcome is told.
        host.at(Point.ANSWERED)
        seen = not claim.at_work
        measurement = mishaps.spared(NOT_MEASURED, meter.stop, None) if seen else None
        result = self._judged(candidate, before, claim, announced, mishaps)._replace(seconds=seconds)
        after, others = self._others(found, before.key, mishaps) if seen else (found, ())
        if seen:
            old = result.after if result.copy else None
            self._note_aftermath(provider, listed, after, result.outcome, mishaps, old=old)
        host.at(Point.JUDGED)

        def ending() -> dict[str, Any]:
            kept = mishaps.found
            return row_bodies.outcome(result, measurement, others, kept, boot_id=self._boot_id, held=self._held)

        row = self._history.end(RowKind.INTENT, activation, before.key, ending, mishaps, seen=seen)
        host.at(Point.RECORDED)
        self._tell(RowKind.OUTCOME, result, row, watch, mishaps)
        host.at(Point.ANNOUNCED)
        return Attempt(result, step.problems, measurement, others, row), after

    def _judged(
        self, candidate: Candidate, before: Component, claim: Claim, announced: str | None, mishaps: Mishaps
    ) -> Result:
        """The result, from a look at the component unless the mechanism may still be at work on it."""
        provider = candidate.provider
        after, readable = None, True
        if not claim.at_work:
            look = partial(provider.inspect, before.id)
            after, readable = inspect_noting(look, mishaps)
        accept = mishaps.spared(NOT_JUDGED, lambda: self._accepts(provider, before), otherwise=False)
        seen = evidence.of_attempt(before, after, claim, announced=announced, readable=readable)
        found = verdict.judge(seen, own=claim.reason, unconfirmed=before.unconfirmed, accept=accept)
        confirmed = found.why.code != verdict.ACCEPTED_UNCONFIRMED
        copy = found.copy and before.copied
        return Result(before, found.outcome, found.why, after, claim, copy=copy, confirmed=confirmed)

    def _note_aftermath(
        self,
        provider: Provider,
        listed: Iterable[str],
        found: Inventory | None,
        outcome: Outcome,
        mishaps: Mishaps,
        *,
        old: Component | None,
    ) -> None:
        """What holds from now on; ``listed`` are the keys that were listed before, ``old`` as for `Aftermath.after`.

        Of what cannot be listed now (None), nothing is said.
        """
        if found is None:
            return
        mark = mishaps.spared(NOT_KEPT, provider.mark, "")
        self._held = self._held.after(provider.name, listed, found, outcome, mark=mark, old=old)
        if self._history.journal:
            place = old_versions.beside(self._host.paths.lock)
            mishaps.spared(NOT_KEPT, lambda: old_versions.write(place, self._boot_id, self._held.old), None)

    def _accepts(self, provider: Provider, component: Component | None) -> bool:
        """Whether the settings take the mechanism's word for a success that nothing can confirm."""
        known = discovery.with_aliases(provider, component) if component else None
        return known is not None and self._host.policy.accepts_unconfirmed(known)

    def _others(self, found: Inventory, key: str, mishaps: Mishaps) -> tuple[Inventory, tuple[Reason, ...]]:
        """The inventory after an activation, and what changed on components other than the one with this key."""

        def look() -> tuple[Inventory, tuple[Reason, ...]]:
            after = discovery.take_inventory(self._host.providers)
            if side_effects.compare(found, after, apart_from=key):
                # A component that leaves may for a moment look like one that was emptied: what lasts counts.
                self._host.clock.sleep(_SETTLING_S)
                after = discovery.take_inventory(self._host.providers)
            return after, side_effects.compare(found, after, apart_from=key)

        return mishaps.spared(side_effects.NOT_SEEN, look, None) or (found, mishaps.found[-1:])

    def _withdraw(self, activation: str, component: Component, error: BaseException, mishaps: Mishaps) -> None:
        """Nothing was asked: the intent ends here."""
        result = _not_asked(component, error)
        row = self._history.end(
            RowKind.INTENT,
            activation,
            component.key,
            lambda: row_bodies.outcome(result, None, (), boot_id=self._boot_id, held=self._held),
            mishaps,
        )
        self._history.announce(RowKind.OUTCOME, result, row, mishaps)

    def _refuse(
        self,
        component: Component,
        why: Reason,
        problems: tuple[Problem, ...],
        request: ActivationRequest,
        watch: Watch,
        mishaps: Mishaps,
    ) -> Attempt:
        """Nothing is tried, and that is written down."""
        result = Result(component, Outcome.REFUSED, why)
        row = self._history.note(
            RowKind.REFUSAL,
            component.key,
            lambda: row_bodies.refusal(result, problems, request.reason, self._host.actor),
            mishaps,
        )
        self._tell(RowKind.REFUSAL, result, row, watch, mishaps)
        return Attempt(result, problems, None, (), row)

    def _apply_settings(self, found: Inventory) -> Inventory:
        """Settings as the policy wants them, as far as that can be; the inventory afterwards."""
        host = self._host

        def note(change: SettingChange, error: str) -> None:
            row = partial(row_bodies.setting, change, error, host.actor)
            self._history.note(RowKind.SETTING, change.candidate.component.key, row, Mishaps())

        after, self._tried = setting_changes.apply_changes(
            found, host.policy, self._tried, look=partial(discovery.take_inventory, host.providers), note=note
        )
        self.unmet = setting_changes.unmet_settings(plan.setting_changes(after, host.policy), self._tried)
        return after


def _next_candidate(
    found: Inventory, wanted: dict[str, Candidate] | None, tried: set[str], policy: Policy
) -> Candidate | None:
    """Whose turn it is; one that was wanted and has vanished comes as it was when it was chosen."""
    if wanted is None:
        left = [c for c in _all_ready(found, policy) if c.component.key not in tried]
    else:
        now = {c.component.key: c for c in found.candidates}
        left = [now.get(key, candidate) for key, candidate in wanted.items() if key not in tried]
    return plan.ordered(left, policy)[0] if left else None


def _all_ready(found: Inventory, policy: Policy) -> list[Candidate]:
    """What ``everything`` means: all that the mechanism can and the policy allows to activate."""
    return [c for c in found.candidates if not c.component.reasons and policy.allows(c.component)]


def _blocks(previous: Candidate, candidate: Candidate) -> bool:
    """Whether the one stands in the way of the other."""
    return previous.provider is candidate.provider and previous.component.key != candidate.component.key


def _continues(result: Result, on_failure: OnFailure) -> bool:
    if result.outcome in (Outcome.UNKNOWN, Outcome.CANCELLED):
        return False
    return result.outcome is not Outcome.FAILED or on_failure is OnFailure.CONTINUE


def _cancel_and_wait(candidate: Candidate) -> None:
    running = candidate.provider.cancel(candidate.component.id, nowhere)
    if not running.wait(_LETTING_GO_S):
        running.abandon()
        raise TransportError(f"it has not answered within {_LETTING_GO_S:g} s")


def _stopped_by(problems: Iterable[Problem]) -> Reason | None:
    stop = next((problem for problem in problems if problem.stops), None)
    return Reason(stop.check, stop.text, stop.hint) if stop else None


def _not_asked(component: Component, error: BaseException) -> Result:
    """The result of an intent of which nothing came."""
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return Result(component, *INTERRUPTED)
    outcome, why = NOT_ASKED
    hint = error.hint if isinstance(error, LivefwError) else ""
    return Result(component, outcome, why._replace(hint=hint).fill(why_it_could_not_be_asked=error_text(error)))


_NOT_SETTLED = Reason(
    "not-settled",
    "what became of an earlier request on it cannot be found out now: {error}",
    "it is tried again with the next command; nothing more is asked of this component until then",
)
