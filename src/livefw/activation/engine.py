# SPDX-License-Identifier: Apache-2.0
"""The engine: plan, check, lock, record, run, verify, measure. Every face uses it; it knows no mechanism.

`Engine.plan` only looks. `Engine.open` takes the machine's lock, settles what an earlier engine left unfinished, and
gives a `Run`, with which components are activated one after the other.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from livefw.activation import (
    aftermath,
    bystanders,
    evidence,
    hooks,
    inventory,
    lock,
    old_versions,
    plan,
    reconcile,
    record,
    target,
    unmatched,
    verdict,
)
from livefw.activation.actor import Actor
from livefw.activation.aftermath import Aftermath
from livefw.activation.checks import Problem, examine_staging, require_ignorable
from livefw.activation.evidence import Boot, sure
from livefw.activation.facts import Facts
from livefw.activation.history import seal
from livefw.activation.history.archive import Archived, Cut
from livefw.activation.history.damaged import SetAside
from livefw.activation.inventory import Candidate, Inventory
from livefw.activation.journal import ENDINGS, Entry, Journal, Kind
from livefw.activation.ledger import Announcement, Ledger, Receipt
from livefw.activation.lock import Busy, Lock
from livefw.activation.measure import Measurement, Meter, NoMeter
from livefw.activation.outcome import Outcome, Result
from livefw.activation.places import Places
from livefw.activation.plan import Past, Scene, Step, Wish
from livefw.activation.policy import Policy
from livefw.activation.recollection import Rows
from livefw.activation.run import INTERRUPTED, NOT_ASKED, VANISHED, Watch, cancel, follow, refused
from livefw.activation.select import select
from livefw.activation.stage import hand_over
from livefw.activation.target import Target
from livefw.activation.unmatched import Unmatched
from livefw.errors import Interrupted, LivefwError, PermissionDenied, TransportError, UsageError
from livefw.providers.base import Claim, Clock, Component, Provider, Reason, is_stager
from livefw.providers.files import Files


class Point(StrEnum):
    """Places in the course of an activation or a staging at which an engine may die, in their order."""

    LOCKED = "locked"
    SETTLED = "settled"
    CHECKED = "checked"
    INTENDED = "intended"
    """The intent is on disk, and nothing has been asked."""
    ASKED = "asked"
    """The mechanism is at work."""
    ANSWERED = "answered"
    JUDGED = "judged"
    """What became of it is known, and nowhere written."""
    RECORDED = "recorded"
    ANNOUNCED = "announced"


class OnFailure(StrEnum):
    """What to do with further components after one has failed or was refused."""

    STOP = "stop"
    CONTINUE = "continue"
    """Go on with those that do not have to wait for it."""


class Order(NamedTuple):
    """What somebody wants done. ``words`` None: everything that is pending. ``automatic``: the policy has named it."""

    words: tuple[str, ...] | None = None
    reason: str = ""
    ignore: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.STOP
    automatic: bool = False


_SETTLING_S = 0.2
"""How long to wait before a change of other components is believed."""
_LETTING_GO_S = 10.0
"""How long to wait for a cancellation while nothing is running; it is one call into the firmware."""


def _nowhere(_: object) -> None:
    """Nobody listens."""


class Host(NamedTuple):
    """The machine, and everything that the engine takes from outside.

    ``moment`` is the wall clock, for windows only. ``announce`` tells the world an outcome. ``at`` is called at each
    `Point`; tests die there. ``images`` is the directory of images that can be staged, empty for none.
    """

    files: Files
    providers: Sequence[Provider]
    clock: Clock
    places: Places
    policy: Policy
    actor: Actor
    privileged: bool = True
    meter: Callable[[], Meter] = NoMeter
    moment: Callable[[], datetime] = lambda: datetime.now(UTC)
    wall_ns: Callable[[], int] = time.time_ns
    announce: Callable[[Announcement], None] = _nowhere
    at: Callable[[Point], None] = _nowhere
    without_journal: bool = False
    images: str = ""

    def holder(self) -> lock.Holder | None:
        """Who has the machine now; None if nobody does, or if there is no telling."""
        return lock.holder(self.places.lock, self.places.root)


class Plan(NamedTuple):
    """What would be done now.

    ``unfinished`` are intents that the next run settles first, ``unmatched`` patterns of the settings without effect.
    """

    steps: tuple[Step, ...]
    wishes: tuple[Wish, ...]
    unfinished: tuple[Entry, ...]
    absent: tuple[Reason, ...]
    unmatched: tuple[Unmatched, ...] = ()


class Attempt(NamedTuple):
    """One component's turn: the result, what spoke against it, what it cost, who else changed, and the record."""

    result: Result
    problems: tuple[Problem, ...]
    measurement: Measurement | None
    others: tuple[Reason, ...]
    receipt: Receipt


class Settled(NamedTuple):
    """An intent that an earlier engine left without an outcome, and the outcome that was found for it."""

    intent: Entry
    outcome: Outcome
    why: Reason
    firmware_code: str | None = None


class Engine:
    """Does the job on one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._facts = Facts(host.files)

    def plan(self, order: Order) -> Plan:
        """What would be done now; nothing is changed. Errors as for `inventory.take`, `select` and `Journal`."""
        host = self._host
        require_ignorable(order.ignore, host.policy)
        found = inventory.take(host.providers)
        history: Journal | None = None
        hidden = False
        try:
            history = Journal.open_to_read(host.places.state)
        except PermissionDenied:
            hidden = True  # anybody may ask what would be done; only what was done before is missing then
        try:
            scene = self.scene(order, history, host.holder(), hidden=hidden)
            steps = plan.steps(plan.choose(found, order.words), found, scene)
            unfinished = tuple(history.unfinished()) if history else ()
        finally:
            if history:
                history.close()
        absent = found.absent if not found.candidates else ()
        wishes = plan.wishes(found, host.policy)
        return Plan(steps, wishes, unfinished, absent, unmatched.explain(unmatched.find(host.policy, found), found))

    def open(self) -> "Run":
        """Take the machine. `lock.Busy`, `journal.JournalUnavailable`, `TransportError`."""
        host = self._host
        held = Lock.acquire(host.places.lock, host.places.root)
        try:
            held.describe(component="", user=str(host.actor))
            host.at(Point.LOCKED)
            run = Run(self, host, held, self._ledger())
        except BaseException:
            held.release()
            raise
        try:
            run.settle()
            host.at(Point.SETTLED)
        except BaseException:
            run.close()
            raise
        return run

    def cancel(self, word: str, *, reason: str, watch: Watch) -> Attempt:
        """Have the mechanism abandon what was begun on one component, and write down who wanted that and why.

        While another engine activates that very component, it goes on beside it: there it is of most use, and it is
        for the mechanism to say whether it is too late. Otherwise it takes the machine, so that nobody begins what it
        is about to abandon. Errors as for `open`, `inventory.take` and `select`.
        """
        host = self._host
        candidate = select(word, inventory.take(host.providers).require().candidates)
        try:
            run = self.open()
        except Busy as busy:
            if busy.holder and busy.holder.component != candidate.component.key:
                raise
            run = Run(self, host, None, self._ledger())
        with run:
            return run.cancel(candidate, reason=reason, watch=watch)

    def _ledger(self) -> Ledger:
        host = self._host
        journal = None if host.without_journal else self._journal()
        return Ledger(journal, host.announce)

    def _journal(self) -> Journal:
        host = self._host
        # The credential is this machine's, and so is what it proves.
        sealed = seal.load(host.policy.seal) if host.places.root == "/" else seal.UNSEALED
        return Journal.open(host.places.state, wall_ns=host.wall_ns, seal=sealed)

    def scene(
        self,
        order: Order,
        history: Rows | None,
        holder: lock.Holder | None,
        *,
        hidden: bool = False,
        held: Aftermath | None = None,
    ) -> Scene:
        """What the checks look at, now; ``hidden`` if there may be a history that we may not read.

        ``held`` is what a run under way knows of its aftermath; None: what the history says of it.
        """
        host, boot_id = self._host, self._facts.boot_id()

        def past(key: str) -> Past | None:
            return record.past(history, key) if history else None if hidden else Past()

        return Scene(
            policy=host.policy,
            machine=self._facts.snapshot(),
            moment=host.moment(),
            holder=holder,
            privileged=host.privileged,
            ignore=order.ignore,
            hooks=hooks.find(host.places.settings),
            past=past,
            named=order.words is not None and not order.automatic,
            trouble=lambda key: record.trouble(history, key) if history else "",
            lasting=lambda component: aftermath.lasting(history, component, boot_id) if history else None,
            doubt=partial(_in_doubt, aftermath.latest(history, boot_id) if held is None else held),
            decided=lambda component: record.decided(history, component) if history else (),
        )


class Run:
    """The machine is ours until `close`; leave it by ``with``.

    ``settled`` is what was found unfinished, ``chosen`` the keys of the components that the last order meant, and
    ``unmatched`` the patterns of the settings that match nothing here.
    """

    def __init__(self, engine: Engine, host: Host, held: Lock | None, ledger: Ledger) -> None:
        """Use `Engine.open`; without a lock it only cancels."""
        self._engine = engine
        self._host = host
        self._lock = held
        self._ledger = ledger
        self._boot_id = Facts(host.files).boot_id()
        self._hopeless: set[tuple[str, str]] = set()
        self._held = aftermath.latest(ledger.journal, self._boot_id)
        self.settled: list[Settled] = []
        self.chosen: tuple[str, ...] = ()
        self.unmatched: tuple[Unmatched, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the machine back; if a write still goes on, the lock stays with it."""
        self._ledger.close()
        if self._lock:
            self._lock.release()

    @property
    def set_aside(self) -> SetAside | None:
        """The history that was found damaged meanwhile, and is kept under another name."""
        return self._ledger.set_aside

    def archive(self, cut: Cut, *, file: str | None = None) -> Archived:
        """Move older rows of the history into a file of their own; errors as for `Journal.archive`."""
        if self._ledger.journal is None:
            raise UsageError("without a history there is nothing to archive")
        return self._ledger.journal.archive(cut, file=file)

    def _say_what(self, component: str) -> None:
        if self._lock:
            self._lock.describe(component=component, user=str(self._host.actor))

    def cancel(self, candidate: Candidate, *, reason: str, watch: Watch) -> Attempt:
        """Use `Engine.cancel`."""
        host, key = self._host, candidate.component.key
        self._say_what(key)
        result = cancel(candidate, watch=watch, clock=host.clock)
        receipt = self._ledger.note(Kind.CANCELLATION, key, record.cancellation(result, reason, host.actor))
        self._ledger.announce(Kind.CANCELLATION, result, receipt)
        return Attempt(result, (), None, (), receipt)

    def stage(self, wish: target.Wish, *, watch: Watch) -> Attempt:
        """Hand an image over to the mechanism that keeps it until it is activated.

        Errors as for `inventory.take` and `target.target`.
        """
        require_ignorable(wish.ignore, self._host.policy)
        host, ledger = self._host, self._ledger
        meant = target.target(wish.word, inventory.take(host.providers).require().candidates, wish.package)
        component = meant.component
        self._say_what(component.key)
        problems = self._against_staging(meant, wish)
        host.at(Point.CHECKED)
        if stop := next((problem for problem in problems if problem.stops), None):
            result = refused(component, Reason(stop.check, stop.text, stop.hint), watch)
            body = record.staging_refused(meant, wish, host.actor, result, problems)
            receipt = ledger.note(Kind.STAGED, component.key, body)
            ledger.announce(Kind.STAGED, result, receipt)
            return Attempt(result, problems, None, (), receipt)
        activation = ledger.begin(Kind.STAGING, component.key, record.staging(meant, wish, host.actor))
        caught: LivefwError | None = None
        try:
            host.at(Point.INTENDED)
            result = hand_over(
                meant,
                watch=watch,
                clock=host.clock,
                asked=lambda: host.at(Point.ASKED),
                answered=lambda: host.at(Point.ANSWERED),
            )
            host.at(Point.JUDGED)
        except (Interrupted, TransportError) as error:
            result, caught = _not_asked(component, error), error
        seen = not (result.claim and result.claim.at_work)
        receipt = ledger.end(Kind.STAGING, activation, component.key, record.staged(result), seen=seen)
        host.at(Point.RECORDED)
        watch.ended(result)
        ledger.announce(Kind.STAGED, result, receipt)
        host.at(Point.ANNOUNCED)
        if caught:
            raise caught
        return Attempt(result, problems, None, (), receipt)

    def _against_staging(self, meant: Target, wish: target.Wish) -> tuple[Problem, ...]:
        host, component = self._host, meant.component
        ignore = (*wish.ignore, *host.policy.ignore)
        return examine_staging(component, meant.version, host.policy, privileged=host.privileged, ignore=ignore)

    def activate(self, order: Order, *, watch: Watch) -> Iterator[Attempt]:
        """Activate what the order says, each component at most once, planned anew before each.

        It ends after an unknown outcome in any case: the mechanism may still be at work. `NothingHere` if there is no
        component at all; otherwise errors as for `Engine.plan`.
        """
        host = self._host
        require_ignorable(order.ignore, host.policy)
        found = inventory.take(host.providers).require()
        self.unmatched = unmatched.explain(unmatched.find(host.policy, found), found)
        wanted = None if order.words is None else {c.component.key: c for c in plan.choose(found, order.words)}
        self.chosen = tuple(wanted or (c.component.key for c in _all_ready(found, host.policy)))
        tried: set[str] = set()
        previous = self._left_over(found)
        while True:
            found = self._apply_wishes(found)
            candidate = _next(found, wanted, tried, host.policy)
            if candidate is None:
                return
            tried.add(candidate.component.key)
            if previous is not None and _makes_room(previous, candidate):
                self._let_go(previous)
            attempt, found = self._attempt(candidate, found, order, watch)
            previous = candidate if attempt.result.claim else previous
            if attempt.result.outcome is Outcome.FAILED:
                self._let_go(candidate)
                previous = None
            yield attempt
            if not _goes_on(attempt.result, order.on_failure):
                return

    def _left_over(self, found: Inventory) -> Candidate | None:
        """The component that was last asked for since this machine was started, by whichever engine."""
        journal = self._ledger.journal
        intent = journal.latest(Kind.INTENT) if journal else None
        if intent is None or not self._boot_id or intent.body.get("boot_id") != self._boot_id:
            return None
        return next((c for c in found.candidates if c.component.key == intent.component), None)

    def _let_go(self, candidate: Candidate) -> None:
        """Have the mechanism drop what it still holds of a component, so that it takes another.

        There is firmware that refuses every other component after an attempt on one, however that ended. That there is
        nothing to drop is the usual answer, and all right. Where images are staged through the mechanism, its cancel
        takes back what somebody has staged, and only somebody may.
        """
        if is_stager(candidate.provider):
            return
        with suppress(TransportError):
            running = candidate.provider.cancel(candidate.component.id, _nowhere)
            if not running.wait(_LETTING_GO_S):
                running.abandon()

    def apply_wishes(self) -> None:
        """Bring settings to what the policy wants, where they are not."""
        self._apply_wishes(inventory.take(self._host.providers))

    def settle(self) -> None:
        """Give every intent without an outcome the one that the machine shows."""
        for entry in self._ledger.unfinished():
            name, _, ident = entry.component.partition(":")
            provider = next((p for p in self._host.providers if p.name == name), None)
            if provider is None:
                continue  # a mechanism that is not known here; another livefw may look at it
            code: str | None = None
            if entry.kind is Kind.STAGING:
                after = provider.inspect(ident)
                outcome, why = reconcile.judge_staging(entry.body, after)
                body = record.staging_settled(outcome, why, after)
            else:
                memory = provider.recall(ident, str(entry.body.get("mark", "")))
                after, code = provider.inspect(ident), memory.firmware_code
                seen = evidence.of_remains(entry.body, after, memory, boot_id=self._boot_id)
                found = verdict.judge(seen, accept=self._accepts(provider, after))
                outcome, why = found.outcome, found.why
                if seen.boot is Boot.SAME:
                    now = inventory.take((provider,))
                    old = after if found.copy and after and after.copied else None
                    self._note_aftermath(provider, entry.body.get("listed", ()), now, outcome, old=old)
                body = record.settled(found, after, memory, boot_id=self._boot_id, held=self._held)
            receipt = self._ledger.end(entry.kind, entry.activation, entry.component, body)
            self.settled.append(Settled(entry, outcome, why, code))
            self._ledger.tell(Announcement(entry.component, outcome, why, code, receipt, ENDINGS[entry.kind]))

    def _attempt(self, candidate: Candidate, found: Inventory, order: Order, watch: Watch) -> tuple[Attempt, Inventory]:
        """One component's turn, and the inventory after it."""
        component = candidate.component
        self._say_what(component.key)
        if not any(c.component.key == component.key for c in found.candidates):
            return self._refuse(component, VANISHED, (), order, watch), found
        step = plan.examine(candidate, found, self._engine.scene(order, self._ledger.journal, None, held=self._held))
        self._host.at(Point.CHECKED)
        stop = next((problem for problem in step.problems if problem.stops), None)
        if stop is not None:
            why = Reason(stop.check, stop.text, stop.hint)
            return self._refuse(component, why, step.problems, order, watch), found
        meter = self._host.meter()
        try:
            meter.start()
            return self._activate(candidate, step, found, order, watch, meter)
        finally:
            meter.close()

    def _activate(
        self, candidate: Candidate, step: Step, found: Inventory, order: Order, watch: Watch, meter: Meter
    ) -> tuple[Attempt, Inventory]:
        host, provider = self._host, candidate.provider
        # Checks and the measurement's baseline took their time: what counts is what is there now.
        before = provider.inspect(candidate.component.id)
        if before is None or before.reasons:
            why = before.reasons[0] if before else VANISHED
            return self._refuse(before or candidate.component, why, step.problems, order, watch), found
        announced = sure(before.pending_version) or record.staged_version(self._ledger.journal, before)
        listed = aftermath.listed(provider.name, found)
        intent = record.intent(
            before,
            step.problems,
            order.reason,
            host.actor,
            announced=announced,
            listed=listed,
            mark=provider.mark(),
            boot_id=self._boot_id,
        )
        activation = self._ledger.begin(Kind.INTENT, before.key, intent)
        try:
            host.at(Point.INTENDED)
            watch.begins(before)
            meter.mark()
            start = host.clock.now()
            running = provider.activate(before.id, watch.progress)
        except (KeyboardInterrupt, Interrupted, TransportError) as error:
            self._withdraw(activation, before, error)
            raise
        host.at(Point.ASKED)
        seconds = follow(running, watch=watch, clock=host.clock, start=start)
        host.at(Point.ANSWERED)
        claim = running.claim
        measurement = None if claim.at_work else meter.stop()
        result = self._judged(candidate, before, claim, announced)._replace(seconds=seconds)
        after, others = (found, ()) if claim.at_work else self._others(found, before.key)
        if not claim.at_work:
            self._note_aftermath(provider, listed, after, result.outcome, old=result.after if result.copy else None)
        host.at(Point.JUDGED)
        ending = record.ending(result, measurement, others, boot_id=self._boot_id, held=self._held)
        receipt = self._ledger.end(Kind.INTENT, activation, before.key, ending, seen=not claim.at_work)
        host.at(Point.RECORDED)
        watch.ended(result)
        self._ledger.announce(Kind.OUTCOME, result, receipt)
        host.at(Point.ANNOUNCED)
        return Attempt(result, step.problems, measurement, others, receipt), after

    def _judged(self, candidate: Candidate, before: Component, claim: Claim, announced: str | None) -> Result:
        """The result, from a look at the component unless the mechanism may still be at work on it."""
        after, readable = None, True
        if not claim.at_work:
            try:
                after = candidate.provider.inspect(before.id)
            except TransportError:
                readable = False
        seen = evidence.of_attempt(before, after, claim, announced=announced, readable=readable)
        found = verdict.judge(
            seen, own=claim.reason, unconfirmed=before.unconfirmed, accept=self._accepts(candidate.provider, before)
        )
        confirmed = found.why.code != verdict.ACCEPTED_UNCONFIRMED
        copy = found.copy and before.copied
        return Result(before, found.outcome, found.why, after, claim, copy=copy, confirmed=confirmed)

    def _note_aftermath(
        self, provider: Provider, listed: Iterable[str], found: Inventory, outcome: Outcome, *, old: Component | None
    ) -> None:
        """What holds from now on; ``listed`` are the keys that were listed before, ``old`` as for `Aftermath.after`."""
        mark = provider.mark()
        self._held = self._held.after(provider.name, listed, found, outcome, mark=mark, old=old)
        if self._ledger.journal:
            old_versions.write(old_versions.beside(self._host.places.lock), self._boot_id, self._held.old)

    def _accepts(self, provider: Provider, component: Component | None) -> bool:
        """Whether the settings take the mechanism's word for a success that nothing can confirm."""
        known = inventory.with_aliases(provider, component) if component else None
        return known is not None and self._host.policy.accepts_unconfirmed(known)

    def _others(self, found: Inventory, key: str) -> tuple[Inventory, tuple[Reason, ...]]:
        """The inventory after an activation, and what changed on components other than the one with this key."""
        try:
            after = inventory.take(self._host.providers)
            if bystanders.compare(found, after, apart_from=key):
                # A component that leaves may for a moment look like one that was emptied: what lasts counts.
                self._host.clock.sleep(_SETTLING_S)
                after = inventory.take(self._host.providers)
        except TransportError as error:
            return found, (bystanders.NOT_SEEN.fill(error=error.message),)
        return after, bystanders.compare(found, after, apart_from=key)

    def _withdraw(self, activation: str, component: Component, error: BaseException) -> None:
        """Nothing was asked: the intent ends here."""
        result = _not_asked(component, error)
        receipt = self._ledger.end(
            Kind.INTENT,
            activation,
            component.key,
            record.ending(result, None, (), boot_id=self._boot_id, held=self._held),
        )
        self._ledger.announce(Kind.OUTCOME, result, receipt)

    def _refuse(
        self, component: Component, why: Reason, problems: tuple[Problem, ...], order: Order, watch: Watch
    ) -> Attempt:
        """Nothing is tried, and that is written down."""
        result = refused(component, why, watch)
        body = record.refusal(result, problems, order.reason, self._host.actor)
        receipt = self._ledger.note(Kind.REFUSAL, component.key, body)
        self._ledger.announce(Kind.REFUSAL, result, receipt)
        return Attempt(result, problems, None, (), receipt)

    def _apply_wishes(self, found: Inventory) -> Inventory:
        """Settings as the policy wants them; the inventory afterwards."""
        changed = False
        for wish in plan.wishes(found, self._host.policy):
            component, trouble = wish.candidate.component, ""
            if not wish.possible or (component.key, wish.setting) in self._hopeless:
                continue
            try:
                wish.candidate.provider.configure(component.id, wish.setting, on=wish.wanted)
            except LivefwError as error:
                trouble = error.message
                self._hopeless.add((component.key, wish.setting))
            changed = True
            body = record.setting(wish, trouble, self._host.actor)
            self._ledger.note(Kind.SETTING, component.key, body)
        return inventory.take(self._host.providers) if changed else found


def _next(found: Inventory, wanted: dict[str, Candidate] | None, tried: set[str], policy: Policy) -> Candidate | None:
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


def _makes_room(previous: Candidate, candidate: Candidate) -> bool:
    """Whether the one stands in the way of the other."""
    return previous.provider is candidate.provider and previous.component.key != candidate.component.key


def _goes_on(result: Result, on_failure: OnFailure) -> bool:
    if result.outcome in (Outcome.UNKNOWN, Outcome.CANCELLED):
        return False
    return result.outcome is not Outcome.FAILED or on_failure is OnFailure.CONTINUE


def _in_doubt(held: Aftermath, candidate: Candidate, found: Inventory) -> Reason | None:
    provider, component = candidate
    return aftermath.in_doubt(held, component, found, partial(provider.recall, component.id)) if held.missing else None


def _not_asked(component: Component, error: BaseException) -> Result:
    """The result of an intent of which nothing came."""
    if isinstance(error, TransportError):
        outcome, why = NOT_ASKED
        return Result(component, outcome, why._replace(hint=error.hint).fill(why_it_could_not_be_asked=error.message))
    return Result(component, *INTERRUPTED)
