# SPDX-License-Identifier: Apache-2.0
"""One component's turn: examine it, refuse or write the intent, ask, judge, write the outcome, announce it.

Until the mechanism is asked, every error is raised. From then on errors are mishaps, and the outcome is always
reported.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from livefw.activation import aftermath, expected_version, plan, row_bodies
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import Problem
from livefw.activation.events import Attempt, Begun, Control, Point, SettledIntent, Steps
from livefw.activation.execution import one_step
from livefw.activation.execution.mechanism import INTERRUPTED, NOT_ASKED, VANISHED, ask
from livefw.activation.history.journal import RowKind
from livefw.activation.history.writer import HistoryWriter, RowStatus
from livefw.activation.host import ActivationRequest, Host
from livefw.activation.inventory import discovery, old_versions, side_effects
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.versions import reliable_text
from livefw.activation.measure.meter import DeviceMeter, Meter
from livefw.activation.mishaps import (
    DRIVER_NOT_READ,
    NOT_JUDGED,
    NOT_KEPT,
    NOT_MEASURED,
    NOT_WITNESSED,
    Mishaps,
    error_text,
    inspect_noting,
)
from livefw.activation.outcome import Outcome, Result, is_nothing_to_do
from livefw.activation.plan import PlanContext, PlanStep
from livefw.activation.verdict import evidence
from livefw.activation.verdict.judgement import judge
from livefw.activation.verdict.table import ACCEPTED_UNCONFIRMED
from livefw.errors import Interrupted, LivefwError
from livefw.providers.base import Claim, Component, Proof, Provider, Reason, is_driven, is_linker

_SETTLING_S = 0.2
"""How long to wait before a change of other components counts."""


class Remains:
    """What earlier attempts since the boot have left behind, as far as this session knows."""

    def __init__(self, host: Host, history: HistoryWriter) -> None:
        self.boot_id = Facts(host.files).boot_id()
        self.held = aftermath.latest(history.journal, self.boot_id)
        self._kept = history.journal is not None
        self._place = old_versions.beside(host.paths.lock)

    def note(
        self,
        provider: Provider,
        listed: Iterable[str],
        found: Inventory | None,
        outcome: Outcome,
        mishaps: Mishaps,
        *,
        old: Component | None,
    ) -> None:
        """Record the state after an attempt; ``listed`` and ``old`` as in `Aftermath.after`.

        Without an inventory (``found`` is None) nothing is recorded.
        """
        if found is None:
            return
        mark = mishaps.spared(NOT_KEPT, provider.mark, "")
        self.held = self.held.after(provider.name, listed, found, outcome, mark=mark, old=old)
        if self._kept:
            mishaps.spared(NOT_KEPT, lambda: old_versions.write(self._place, self.boot_id, self.held.old), None)


class Context(NamedTuple):
    """What all turns of a session have in common; ``settled`` are the intents that were found open."""

    host: Host
    history: HistoryWriter
    remains: Remains
    control: Control
    settled: list[SettledIntent]

    def unsettled(self, key: str) -> Reason | None:
        """Why the component must not be asked: the outcome of its last request could not be determined."""
        return next((each.why for each in self.settled if each.outcome is None and each.intent.component == key), None)

    def accepts(self, provider: Provider, component: Component | None) -> bool:
        """Whether the settings accept a success of the component that nothing confirms."""
        known = discovery.with_aliases(provider, component) if component else None
        return known is not None and self.host.policy.accepts_unconfirmed(known)


class Turn:
    """One component's turn. ``found`` is the inventory before it, and after it the one afterwards."""

    def __init__(
        self,
        context: Context,
        request: ActivationRequest,
        candidate: Candidate,
        found: Inventory,
        *,
        expected: str | None = None,
    ) -> None:
        """``expected`` is the version that has to be pending; None if any may."""
        self._context = context
        self._request = request
        self._candidate = candidate
        self._expected = expected
        self.found = found
        self.mishaps = Mishaps(candidate.component.word)

    def steps(self, scene: Callable[[], PlanContext]) -> Steps[Attempt]:
        """Carry out the turn; returns the attempt. ``scene`` returns the context for its plan.

        Raises:
            Interrupted: the request was stopped before the mechanism was asked.
            TransportError, JournalUnavailable: the component cannot be read, or the intent cannot be written.
        """
        component, context = self._candidate.component, self._context
        host = context.host
        if self.found.find(component.key) is None:
            return self._refused(component, VANISHED)
        step = plan.examine(self._candidate, self.found, scene(), expected=self._expected)
        yield host.reach(Point.CHECKED, component)
        if why := context.unsettled(component.key) or stopped_by(step.problems):
            return self._refused(component, why, step.problems)
        context.control.require_wanted()
        probe, meter = host.probe(component), host.meter()
        meter = DeviceMeter(meter, probe) if probe else meter
        try:
            meter.start()
            return (yield from self._activated(step, meter))
        finally:
            self.mishaps.spared(NOT_MEASURED, meter.close, None)

    def _activated(self, step: PlanStep, meter: Meter) -> Steps[Attempt]:
        context, provider, mishaps = self._context, self._candidate.provider, self.mishaps
        host, history, remains = context.host, context.history, context.remains
        proof = self._witnessed()
        # Checks and the baseline of the measurement took time: the component is read again.
        before = provider.inspect(step.component.id)
        if before is None or before.reasons:
            why = before.reasons[0] if before else VANISHED
            return self._refused(before or step.component, why, step.problems)
        before = before._replace(short=step.component.short)  # which only a whole inventory knows
        if other := expected_version.mismatch(before, self._expected):
            return self._refused(before, other, step.problems)
        announced = reliable_text(before.pending_version) or row_bodies.staged_version(history.journal, before)
        listed = aftermath.listed(provider.name, self.found)
        activation = history.begin(RowKind.INTENT, before.key, self._intent(before, step, announced, listed))
        try:
            yield host.reach(Point.INTENDED, before)
            yield Begun(before, step)
            context.control.require_wanted()
            meter.mark()
            begin = partial(provider.activate, before.id)
            claim, seconds = yield from ask(
                begin, before, control=context.control, clock=host.clock, mishaps=mishaps, reach=host.reach
            )
        except (Exception, KeyboardInterrupt) as error:
            self._withdraw(activation, before, error)
            raise
        # From here on nothing is raised: every error is a mishap, and the outcome is reported.
        yield host.reach(Point.ANSWERED, before)
        seen = not claim.at_work
        claim = mishaps.spared(NOT_WITNESSED, lambda: proof(claim), claim)
        measurement = mishaps.spared(NOT_MEASURED, meter.stop, None) if seen else None
        result = self._judged(before, claim, announced)._replace(seconds=seconds)
        others = self._side_effects(before.key) if seen else ()
        if seen:
            old = result.after if result.copy else None
            remains.note(provider, listed, self.found, result.outcome, mishaps, old=old)
        yield host.reach(Point.JUDGED, before)

        def ending() -> dict[str, Any]:
            kept = mishaps.found
            return row_bodies.outcome(result, measurement, others, kept, boot_id=remains.boot_id, held=remains.held)

        row = history.end(RowKind.INTENT, activation, before.key, ending, mishaps, seen=seen)
        yield host.reach(Point.RECORDED, before)
        history.announce(RowKind.OUTCOME, result, row, mishaps)
        yield host.reach(Point.ANNOUNCED, before)
        return Attempt(result, step.problems, measurement, others, row)

    def _witnessed(self) -> Proof:
        """What the other way of a linked component adds to the claim; no trouble with it prevents the activation."""
        provider, component = self._candidate
        if not (is_linker(provider) and component.linked):
            return _unchanged
        try:
            return provider.witness(component.id)
        except Exception as error:  # an interruption is one: nothing has been asked yet
            self.mishaps.note(NOT_WITNESSED, error)
            return _unchanged

    def _intent(self, before: Component, step: PlanStep, announced: str | None, listed: list[str]) -> dict[str, Any]:
        context = self._context
        return row_bodies.intent(
            before,
            step.problems,
            self._request.reason,
            context.host.actor,
            announced=announced,
            listed=listed,
            mark=self._candidate.provider.mark(),
            driver=self._driver(),
            boot_id=context.remains.boot_id,
            image=one_step.image_of(self._candidate),
        )

    def _driver(self) -> str:
        """Which version of its driver the mechanism seems to have; empty if that is not known."""
        provider = self._candidate.provider
        try:
            return provider.driver() if is_driven(provider) else ""
        except Exception as error:  # nothing depends on it, and nothing was asked yet
            self.mishaps.note(DRIVER_NOT_READ, error)
            return ""

    def _judged(self, before: Component, claim: Claim, announced: str | None) -> Result:
        """The result. The component is read again unless the mechanism may still be at work on it."""
        provider, mishaps = self._candidate.provider, self.mishaps
        after, readable = None, True
        if not claim.at_work:
            after, readable = inspect_noting(partial(provider.inspect, before.id), mishaps)
        accept = mishaps.spared(NOT_JUDGED, lambda: self._context.accepts(provider, before), otherwise=False)
        seen = evidence.of_attempt(before, after, claim, announced=announced, readable=readable)
        found = judge(seen, own=claim.reason, unconfirmed=before.unconfirmed, accept=accept)
        confirmed = found.why.code != ACCEPTED_UNCONFIRMED
        copy = found.copy and before.copied
        return Result(before, found.outcome, found.why.about(before.word), after, claim, copy=copy, confirmed=confirmed)

    def _side_effects(self, key: str) -> tuple[Reason, ...]:
        """What changed on other components; afterwards `found` is the new inventory.

        Only this machine and the host of the component are read: an activation changes no other.
        """
        host, before = self._context.host, self.found
        read = partial(discovery.look_again, before, host.providers, host=self._candidate.component.host)

        def look() -> tuple[Inventory, tuple[Reason, ...]]:
            after = read()
            if side_effects.compare(before, after, apart_from=key):
                # A component that is being removed may look empty for a short time: only a lasting change counts.
                host.clock.sleep(_SETTLING_S)
                after = read()
            return after, side_effects.compare(before, after, apart_from=key)

        looked = self.mishaps.spared(side_effects.NOT_SEEN, look, None)
        self.found, others = looked or (before, self.mishaps.found[-1:])
        return others

    def _withdraw(self, activation: str, component: Component, error: BaseException) -> None:
        """End an intent for which nothing was asked."""
        history, remains = self._context.history, self._context.remains
        result = not_asked(component, error)
        row = history.end(
            RowKind.INTENT,
            activation,
            component.key,
            lambda: row_bodies.outcome(result, None, (), boot_id=remains.boot_id, held=remains.held),
            self.mishaps,
        )
        history.announce(RowKind.OUTCOME, result, row, self.mishaps)

    def _refused(self, component: Component, why: Reason, problems: tuple[Problem, ...] = ()) -> Attempt:
        """Record a refusal; nothing is tried. Nothing to do is none: who asks every night would fill the history."""
        host, history = self._context.host, self._context.history
        result = Result(component, Outcome.REFUSED, why.about(component.word))
        if is_nothing_to_do(why.code):
            return Attempt(result, problems, None, (), RowStatus("", None))
        row = history.note(
            RowKind.REFUSAL,
            component.key,
            lambda: row_bodies.refusal(result, problems, self._request.reason, host.actor),
            self.mishaps,
        )
        history.announce(RowKind.REFUSAL, result, row, self.mishaps)
        return Attempt(result, problems, None, (), row)


def _unchanged(claim: Claim) -> Claim:
    return claim


def stopped_by(problems: Iterable[Problem]) -> Reason | None:
    """The reason of the first problem that blocks; None if none does."""
    stop = next((problem for problem in problems if problem.stops), None)
    return Reason(stop.check, stop.text, stop.hint) if stop else None


def not_asked(component: Component, error: BaseException) -> Result:
    """The result of an intent for which nothing was asked."""
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return Result(component, *INTERRUPTED)
    outcome, why = NOT_ASKED
    hint = error.hint if isinstance(error, LivefwError) else ""
    return Result(component, outcome, why._replace(hint=hint).fill(why_it_could_not_be_asked=error_text(error)))
