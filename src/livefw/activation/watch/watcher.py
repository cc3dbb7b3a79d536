# SPDX-License-Identifier: Apache-2.0
"""Watches a machine: reports changes, and activates what the policy makes automatic.

livefw activates by itself and does not use the kernel's ``auto_activate``, so that checks, windows and the history
apply.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from livefw.activation import plan
from livefw.activation.checks.facts import Facts
from livefw.activation.engine import ActivationRequest, Attempt, Engine, Host, OnFailure, SettledIntent
from livefw.activation.events import Control, Event
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.history.rows import short_id
from livefw.activation.inventory import discovery, unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.versions import reliable_text
from livefw.activation.outcome import Outcome
from livefw.activation.watch.others import OtherActivations
from livefw.errors import Interrupted, LivefwError
from livefw.providers.base import Component

if TYPE_CHECKING:
    from livefw.activation.setting_changes import UnmetSetting

REASON = "automatic, by policy"


_PAUSE_S = 60.0
"""How long to wait after a mechanism has refused, before it is asked again."""


class WatchEventKind(StrEnum):
    """The kinds of events."""

    PRESENT = "present"
    """The component was there at the start."""
    APPEARED = "appeared"
    VANISHED = "vanished"
    PENDING = "pending"
    NOT_PENDING = "not-pending"
    VERSION = "version"
    HELD_BACK = "held-back"
    """The policy wants the activation, and a check blocks it."""
    ACTIVATION = "activation"
    SETTLED = "settled"
    SETTINGS = "settings"
    """The settings were reloaded; or are wrong, and the earlier ones stay in effect; or a pattern matches nothing."""
    ABSENT = "absent"
    """There is no component at all, for instance because the driver was unloaded."""
    SILENT = "silent"
    """A host, such as a BMC, does not answer or not completely; what is known of it is kept."""
    ANSWERS = "answers"
    """It shows all it has again."""
    TROUBLE = "trouble"


class WatchEvent(NamedTuple):
    """One event; ``component`` is a key or empty, the other fields are set if they apply."""

    what: WatchEventKind
    component: str
    text: str
    seen: Component | None = None
    attempt: Attempt | None = None


Seen = WatchEvent | Event
Renew = Callable[[], Host | None]
"""Returns the machine with new settings if the settings have changed, else None. Raises `LivefwError` if they are
wrong."""


def compare(before: Inventory | None, after: Inventory) -> Iterator[WatchEvent]:
    """The events between two inventories; without an earlier one, an event for each component."""
    then = {c.component.key: c.component for c in before.candidates} if before else {}
    now = {c.component.key: c.component for c in after.candidates}
    if not now and (before is None or then):
        why = "; ".join(reason.text for reason in after.absent)
        yield WatchEvent(WatchEventKind.ABSENT, "", why or "there is no component left")
    for key, old in then.items():
        if key not in now:
            yield WatchEvent(WatchEventKind.VANISHED, key, "it no longer exists", old)
    for key, new in now.items():
        if key not in then:
            what = WatchEventKind.PRESENT if before is None else WatchEventKind.APPEARED
            yield WatchEvent(what, key, _pending(new), new)
        else:
            yield from _differences(then[key], new)


def _differences(old: Component, new: Component) -> Iterator[WatchEvent]:
    was, runs = old.current_version, new.current_version
    if was != runs:
        yield WatchEvent(
            WatchEventKind.VERSION, new.key, f"version {was.text if was else '?'} -> {runs.text if runs else '?'}", new
        )
    if old.pending != new.pending or (new.pending and old.pending_version != new.pending_version):
        if new.pending:
            yield WatchEvent(WatchEventKind.PENDING, new.key, _pending(new), new)
        elif new.pending is False:
            yield WatchEvent(WatchEventKind.NOT_PENDING, new.key, _pending(new), new)


def _pending(component: Component) -> str:
    version = f" ({component.pending_version.text})" if component.pending_version else ""
    return f"an image is pending{version}" if component.pending else "no image is pending"


def _silence(before: Inventory | None, after: Inventory) -> Iterator[WatchEvent]:
    """Hosts that have stopped answering since the earlier inventory, or answer again."""
    was = {source.host: source.trouble for source in before.sources} if before else {}
    for source in after.sources:
        if source.trouble and not was.get(source.host):
            yield WatchEvent(WatchEventKind.SILENT, "", source.trouble.text)
        elif was.get(source.host) and not source.trouble:
            yield WatchEvent(WatchEventKind.ANSWERS, "", f"{source.host} answers again")


class Watcher:
    """Watches a machine; the caller decides when by calling `look`. Unless it is ``automatic``, it changes nothing."""

    def __init__(self, host: Host, *, automatic: bool = True, renew: Renew = lambda: None) -> None:
        self._automatic = automatic
        self._host = host
        self._renew = renew
        self._engine = Engine(host)
        self._others = OtherActivations(host.paths)
        self._known: Inventory | None = None
        self._tried: dict[str, tuple[object, object]] = {}
        self._held: dict[str, tuple[str, ...]] = {}
        self._not_before: dict[str, float] = {}
        self._trouble = ""
        self._unmatched: tuple[unmatched_patterns.UnmatchedPattern, ...] = ()
        self._unmet: tuple[UnmetSetting, ...] = ()
        self._wishes_not_before = 0.0

    @property
    def host(self) -> Host:
        """The machine, with the settings of the last look."""
        return self._host

    @property
    def found(self) -> Inventory | None:
        """What the last look found that could read the machine; None before there was one."""
        return self._known

    @property
    def trouble(self) -> str:
        """Why the last look could not do everything; empty if it could."""
        return self._trouble

    def look(self, control: Control | None = None) -> Iterator[Seen]:
        """Report changes, apply settings, and activate what is due. Errors are reported as events.

        The events of an activation are reported between its own. ``control`` ends such an activation early.
        """
        control = control or Control()
        yield from self._follow_settings()
        try:
            found = self._look()
            yield from self._differ(found)
            yield from self._match(found)
            if self._automatic and not control.stopped:
                yield from self._bring_about(found)
            if self._automatic and not control.stopped and (due := self._due(found)):
                yield from self._activate(due, control)
            if self._host.notifier:
                self._host.notifier.observe(self._known or found, held=self._held if self._automatic else None)
            self._trouble = ""
        except Interrupted:
            return  # `control` says so
        except LivefwError as error:
            # Reported once, and not every second: a driver may be loading, or another engine may hold the lock.
            if error.message != self._trouble:
                self._trouble = error.message
                yield WatchEvent(WatchEventKind.TROUBLE, error.component or "", error.message)

    def _follow_settings(self) -> Iterator[Seen]:
        try:
            renewed = self._renew()
        except LivefwError as error:
            yield WatchEvent(
                WatchEventKind.SETTINGS, "", f"not applied, the earlier settings remain in effect: {error.message}"
            )
            return
        if renewed is not None:
            self._host, self._engine = renewed, Engine(renewed)
            yield WatchEvent(WatchEventKind.SETTINGS, "", "changed; in effect from now on")

    def _look(self) -> Inventory:
        """The machine as it is now, with what was known of hosts that do not answer."""
        found = self._host.observe(discovery.take_inventory(self._host.providers))
        return discovery.in_sight(self._known, found) if self._known else found

    def _differ(self, found: Inventory) -> Iterator[Seen]:
        before, self._known = self._known, found
        yield from _silence(before, found)
        others = {each.component: each for each in self._others.new()}
        for event in compare(before, found):
            other = others.get(event.component) if event.what is WatchEventKind.VERSION else None
            if other and other.outcome == Outcome.ACTIVATED:
                del others[event.component]
                event = event._replace(text=f"{event.text}, activated{f' by {other.user}' if other.user else ''}")
            yield event
        for other in others.values():
            yield WatchEvent(WatchEventKind.ACTIVATION, other.component, other.sentence, found.find(other.component))
        for candidate in found.candidates:
            if not candidate.component.pending:
                self._tried.pop(candidate.component.key, None)
                self._held.pop(candidate.component.key, None)

    def _bring_about(self, found: Inventory) -> Iterator[Seen]:
        """Apply the settings of the policy. A failure is reported once, and retried after a pause."""
        wanted = {_named(change) for change in plan.setting_changes(found, self._host.policy) if change.possible}
        in_vain = {(each.component.key, each.setting, each.wanted) for each in self._unmet}
        now = self._host.clock.now()
        if not wanted or (wanted <= in_vain and now < self._wishes_not_before):
            return
        with self._engine.open() as run:
            yield from self._settled(run.settled)
            run.apply_settings()
        self._others.skip()
        before, self._unmet = self._unmet, run.unmet
        self._wishes_not_before = now + _PAUSE_S
        for each in self._unmet:
            if each.why not in {other.why for other in before if other.component.key == each.component.key}:
                yield WatchEvent(WatchEventKind.SETTINGS, each.component.key, each.why.text, each.component)

    def _match(self, found: Inventory) -> Iterator[Seen]:
        """Report patterns that match nothing, once for these settings and components."""
        before, self._unmatched = self._unmatched, unmatched_patterns.find(self._host.policy, found)
        if self._unmatched != before:
            for each in unmatched_patterns.explain(self._unmatched, found):
                yield WatchEvent(WatchEventKind.SETTINGS, "", str(each))

    def _due(self, found: Inventory) -> list[Candidate]:
        """The components that are automatic and ready, and were not tried in this state before."""
        policy = self._host.policy
        wanted = [c for c in found.candidates if not c.component.reasons and policy.is_automatic(c.component)]
        now = self._host.clock.now()
        patient = [c for c in wanted if self._not_before.get(c.component.key, now) <= now]
        fresh = [c for c in patient if self._tried.get(c.component.key) != _state(c.component)]
        return [c for c in fresh if not self._was_tried(c.component)]

    def _was_tried(self, component: Component) -> bool:
        """Whether the history contains an attempt in this state.

        Otherwise each new start of the watching would retry an image that fails, or firmware that never clears its
        flag.
        """
        journal = Journal.open_to_read(self._host.paths.state, self._host.paths.root)
        if journal is None:
            return False
        try:
            intents = journal.recent(component.key, RowKind.INTENT, limit=1)
            outcomes = journal.recent(component.key, RowKind.OUTCOME, limit=1)
        finally:
            journal.close()
        if not intents or not outcomes or outcomes[0].body.get("pending") is not True:
            return False
        if outcomes[0].body.get("outcome") in (Outcome.CANCELLED, Outcome.REFUSED):
            return False
        intent = intents[0].body
        same_boot = intent.get("boot_id") == Facts(self._host.files).boot_id()
        return same_boot and intent.get("pending_version") == reliable_text(component.pending_version)

    def _activate(self, due: list[Candidate], control: Control) -> Iterator[Seen]:
        keys = tuple(candidate.component.key for candidate in due)
        ready = []
        for step in self._engine.plan(ActivationRequest(keys, automatic=True)).steps:
            against = tuple(f"{p.check}: {p.text}" for p in step.problems if p.stops)
            if not against:
                ready.append(step.component.key)
            elif self._held.get(step.component.key) != against:
                yield WatchEvent(WatchEventKind.HELD_BACK, step.component.key, "; ".join(against), step.component)
            self._held[step.component.key] = against
        if not ready:
            return
        states = {c.component.key: _state(c.component) for c in due}
        with self._engine.open(control) as run:
            yield from self._settled(run.settled)
            request = ActivationRequest(tuple(ready), REASON, (), OnFailure.CONTINUE, automatic=True)
            for event in run.activate(request):
                if not isinstance(event, Attempt):
                    yield event
                    continue
                attempt, key = event, event.result.before.key
                if attempt.result.outcome is Outcome.REFUSED:
                    self._not_before[key] = self._host.clock.now() + _PAUSE_S
                else:
                    self._tried[key] = states[key]
                text = f"{attempt.result.outcome}: {attempt.result.why.text}"
                if attempt.result.outcome is Outcome.FAILED:
                    text += "; not tried again before another image is pending"
                yield WatchEvent(WatchEventKind.ACTIVATION, key, text, attempt.result.after, attempt)
                if attempt.result.outcome is Outcome.UNKNOWN:
                    self._others.skip()
                    return  # reading the component now might block while the mechanism is at work
        self._others.skip()
        yield from self._differ(self._look())

    def _settled(self, settled: list[SettledIntent]) -> Iterator[Seen]:
        for each in settled:
            outcome = each.outcome or "still unfinished"
            text = f"{outcome}: {each.why.text}; id {short_id(each.intent.activation)}"
            yield WatchEvent(WatchEventKind.SETTLED, each.intent.component, text)


def _named(change: plan.SettingChange) -> tuple[str, str, bool]:
    return change.component.key, change.setting, change.wanted


def _state(component: Component) -> tuple[object, object]:
    return component.current_version, component.pending_version
