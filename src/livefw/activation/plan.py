# SPDX-License-Identifier: Apache-2.0
"""What would be done: the steps in order, what each costs, and what blocks it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import NamedTuple

from livefw.activation import expected_version
from livefw.activation.checks import hooks
from livefw.activation.checks import table as checks
from livefw.activation.checks.facts import MachineFacts
from livefw.activation.checks.table import CheckContext, ImageFindings, Problem, Weight
from livefw.activation.hooks.directory import Hook
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.select import is_pattern, select_all
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.outcome import is_nothing_to_do
from livefw.activation.policy.document import Policy
from livefw.errors import NothingToDo, UsageError
from livefw.providers.base import Component, Reason


class UsualDuration(NamedTuple):
    """How long earlier activations of a component took: number, median and maximum (seconds)."""

    times: int
    median_s: float
    worst_s: float


class PastAttempts(NamedTuple):
    """Numbers of earlier attempts on a component: all, successful, with an unknown outcome."""

    tried: int = 0
    succeeded: int = 0
    unknown: int = 0
    usual: UsualDuration | None = None


class PlanStep(NamedTuple):
    """One component, its earlier attempts (None if they cannot be read), and the problems that the checks found."""

    component: Component
    past: PastAttempts | None
    problems: tuple[Problem, ...]

    @property
    def usual(self) -> UsualDuration | None:
        """The usual duration; None if there is no earlier success."""
        return self.past.usual if self.past else None

    @property
    def stopped(self) -> bool:
        """Whether a problem blocks it."""
        return any(problem.stops for problem in self.problems)

    @property
    def idle(self) -> bool:
        """Whether it is blocked because there is nothing to do."""
        stop = next((problem for problem in self.problems if problem.stops), None)
        return stop is not None and is_nothing_to_do(stop.check)


class SettingChange(NamedTuple):
    """A setting whose value differs from the policy; ``possible`` is false if the component has no such setting.

    ``last_error`` is why the last attempt to change it failed, as far as the history knows.
    """

    component: Component
    setting: str
    wanted: bool
    possible: bool
    last_error: str = ""


class PlanContext(NamedTuple):
    """Everything that planning needs besides the inventory."""

    policy: Policy
    machine: MachineFacts
    now: datetime
    holder: LockHolder | None
    privileged: bool
    ignore: tuple[str, ...]
    hooks: tuple[Hook, ...]
    past: Callable[[str], PastAttempts | None]
    named: bool = True
    """Whether the user named the components, and did not leave the choice to the policy."""
    by_name: bool = True
    """The same, with a name for each and no pattern."""
    last_failure: Callable[[str], str] = lambda _: ""
    kin_failure: Callable[[Component], str] = lambda _: ""
    lasting: Callable[[Component], Reason | None] = lambda _: None
    doubt: Callable[[Candidate, Inventory], Reason | None] = lambda _, __: None
    unmet: Callable[[Candidate], tuple[Reason, ...]] = lambda _: ()
    """Settings that differ from the policy in a way that blocks the activation."""
    image: Callable[[Candidate], ImageFindings] = lambda _: ImageFindings()
    """What there is against the image to activate with."""
    decided: Callable[[Component], tuple[str, ...]] = lambda _: ()
    """Checks that were ignored when the pending image was staged."""


def usual(seconds: Sequence[float]) -> UsualDuration | None:
    """The summary of earlier durations; None if there are none."""
    return UsualDuration(len(seconds), median(seconds), max(seconds)) if seconds else None


def choose(found: Inventory, words: Iterable[str] | None) -> list[Candidate]:
    """The selected candidates, each once: those that the words name, or all that are pending.

    A pattern selects from what is pending, as no words do: nobody asks for the rest of what it matches.

    Raises:
        NothingHere, NotInstalled: words are given, and there is no component at all.
        NothingToDo: nothing is pending of what a pattern matches.
        NoSuchComponent, AmbiguousComponent, UsageError: a word does not select one component.
    """
    if words is None:
        return [candidate for candidate in found.candidates if candidate.component.pending]
    candidates = found.require().candidates
    chosen: dict[str, Candidate] = {}
    for word in words:
        picked = select_all([word], candidates)
        if is_pattern(word):
            picked = [candidate for candidate in picked if candidate.component.pending]
            if not picked:
                raise NothingToDo(f"nothing is pending that matches {word!r}", hint="livefw list")
        chosen |= {candidate.component.key: candidate for candidate in picked}
    return list(chosen.values())


def ordered(chosen: list[Candidate], policy: Policy) -> list[Candidate]:
    """The candidates in the order of the policy, otherwise those first whose loss would cost least.

    First what nothing depends on or has a copy, last what the machine itself depends on.

    Raises:
        UsageError: the order of the policy contains a cycle.
    """
    by_key = {candidate.component.key: candidate for candidate in chosen}
    components = sorted((candidate.component for candidate in chosen), key=_at_risk)
    try:
        return [by_key[c.key] for c in policy.ranked(components)]
    except ValueError as error:
        raise UsageError(str(error), hint="[[order]] in livefw.toml", phase="plan") from error


def _at_risk(component: Component) -> tuple[bool, bool]:
    return any(each.code in checks.ONLY_BY_NAME for each in component.hazards), bool(component.hazards)


def steps(
    chosen: list[Candidate], found: Inventory, scene: PlanContext, expected: Mapping[str, str] | None = None
) -> tuple[PlanStep, ...]:
    """The steps for these candidates, in order. A step is not blocked by one that comes before it in this plan.

    ``expected`` are the versions that have to be pending, by key.

    Raises:
        UsageError: the order of the policy contains a cycle.
    """
    ready = ordered(chosen, scene.policy)
    before: set[str] = set()
    planned = []
    for candidate in ready:
        key = candidate.component.key
        version = expected.get(key) if expected else None
        step = examine(candidate, found, scene, done=frozenset(before), expected=version)
        if not step.stopped:
            before.add(key)
        planned.append(step)
    return tuple(planned)


def examine(
    candidate: Candidate,
    found: Inventory,
    scene: PlanContext,
    *,
    done: frozenset[str] = frozenset(),
    expected: str | None = None,
) -> PlanStep:
    """One step: all checks and hooks for this component. ``done`` are the keys of components that come before it;
    ``expected`` is the version that has to be pending, None if any may."""
    component = candidate.component
    past = scene.past(component.key)
    waiting = tuple(c.component for c in found.candidates if c.component.pending and c.component.key not in done)
    context = CheckContext(
        component=component,
        machine=scene.machine,
        policy=scene.policy,
        now=scene.now,
        waiting=waiting,
        usual_s=past.usual.worst_s if past and past.usual else None,
        last_failure=scene.last_failure(component.key),
        kin_failure=scene.kin_failure(component),
        lasting=scene.lasting(component),
        doubt=scene.doubt(candidate, found),
        unmet=scene.unmet(candidate),
        image=scene.image(candidate),
        holder=scene.holder,
        privileged=scene.privileged,
        unmatched=() if scene.named or not scene.policy.strict else unmatched_patterns.find(scene.policy, found),
    )
    ignore = (*scene.ignore, *scene.policy.ignore, *scene.decided(component))
    if not scene.by_name:
        ignore = tuple(name for name in ignore if name not in checks.ONLY_BY_NAME)
    problems = checks.examine(context, ignore=ignore)
    if why := expected_version.mismatch(component, expected):
        problems = (Problem(why.code, Weight.FATAL, why.text, why.hint), *problems)
    if not component.reasons:
        problems += checks.ignoring(hooks.examine(scene.hooks, _for_hooks(component)), ignore, scene.policy)
    return PlanStep(component, past, problems)


def setting_changes(found: Inventory, policy: Policy) -> tuple[SettingChange, ...]:
    """The settings of all components that differ from the policy."""
    return tuple(change for candidate in found.candidates for change in setting_changes_of(candidate, policy))


def setting_changes_of(candidate: Candidate, policy: Policy) -> tuple[SettingChange, ...]:
    """The settings of one component that differ from the policy."""
    present = dict(candidate.component.settings) if policy.component else {}
    wanted = policy.settings(candidate.component) if policy.component else {}
    return tuple(
        SettingChange(candidate.component, name, value, name in present)
        for name, value in wanted.items()
        if present.get(name) is not value
    )


def _for_hooks(component: Component) -> dict[str, object]:
    """The document that an executable in checks.d reads."""
    return {
        "schema": "livefw/1",
        "component": component.key,
        "name": component.name,
        "current_version": component.current_version and component.current_version.text,
        "pending_version": component.pending_version and component.pending_version.text,
        "cost": component.cost.document(),
    }
