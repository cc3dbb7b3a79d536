# SPDX-License-Identifier: Apache-2.0
"""The checks that are made before anything is tried: one small named function each, in one table.

Providers add their own through `Component.reasons`, administrators through executables
(`livefw.activation.checks.hooks`).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from livefw.activation.checks.facts import Guests, MachineFacts
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.inventory.versions import are_alien, compare
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.policy import window
from livefw.activation.policy.document import FILE, Policy
from livefw.activation.policy.reader import SettingsError
from livefw.errors import UsageError
from livefw.providers.base import Component, Reading, Reason, Rendezvous, RestartScope, Version


class Weight(StrEnum):
    """What a problem means for the activation."""

    WARNING = "warning"
    """It is reported, and blocks nothing."""
    ERROR = "error"
    """It blocks the activation unless the user ignores it."""
    FATAL = "fatal"
    """It blocks, and cannot be ignored: the activation would not work, or the user may not decide it."""


class Problem(NamedTuple):
    """A problem that a check found; ``check`` is the stable name of the check."""

    check: str
    weight: Weight
    text: str
    hint: str = ""
    ignored: bool = False

    @property
    def stops(self) -> bool:
        """Whether it blocks the activation."""
        return self.weight is not Weight.WARNING and not self.ignored


class ImageFindings(NamedTuple):
    """What there is against an image: what its archive requires and is not so here, and why nobody vouches for it.

    ``unsigned`` is None for one that is signed; ``blocks`` is whether it must not be used for that.
    """

    required: tuple[Reason, ...] = ()
    unsigned: Reason | None = None
    blocks: bool = False


class CheckContext(NamedTuple):
    """Everything that checks may use.

    ``waiting`` are the pending components that do not come before this one; ``usual_s`` is the longest duration of its
    earlier activations; ``last_failure`` is how the last attempt ended if it failed, and ``kin_failure`` the last one
    on another of its kind; ``lasting`` is lasting damage by a failure since the boot; ``doubt`` is why it may not be
    the component that its name says; ``holder`` is another holder of the lock; ``unmatched`` are patterns without a
    match, if they are to block; ``unmet`` are settings that differ from the policy; ``image`` is what there is against
    the image, where it is at hand.
    """

    component: Component
    machine: MachineFacts
    policy: Policy
    now: datetime
    waiting: tuple[Component, ...] = ()
    usual_s: float | None = None
    last_failure: str = ""
    kin_failure: str = ""
    lasting: Reason | None = None
    doubt: Reason | None = None
    holder: LockHolder | None = None
    privileged: bool = True
    unmatched: tuple[UnmatchedPattern, ...] = ()
    unmet: tuple[Reason, ...] = ()
    image: ImageFindings = ImageFindings()


Found = Iterator[tuple[str, str]]
"""Text and hint of each problem that a check found."""


class Check(NamedTuple):
    """One check: its name, its weight, its description, and its function."""

    name: str
    weight: Weight
    about: str
    look: Callable[[CheckContext], Found]


def _policy(s: CheckContext) -> Found:
    if not s.policy.allows(s.component):
        yield "the policy does not allow this component", "allow and deny in livefw.toml"


def _pinned(s: CheckContext) -> Found:
    pin, pending = s.policy.pin(s.component), s.component.pending_version
    if pin is not None and (pending is None or pending.text != pin):
        yield f"the policy requires version {pin}, not {pending.text if pending else 'an unreported version'}", ""


def _forbidden(s: CheckContext) -> Found:
    if rule := s.policy.forbidden(s.component):
        yield f"the settings forbid this step, {rule}", "[[forbid]] in livefw.toml"


def _settings_match(s: CheckContext) -> Found:
    if s.unmatched:
        first, *more = s.unmatched
        others = f", and {len(more)} more" if more else ""
        yield (
            f"{first}{others}",
            "livefw policy --check; with strict, only components named on the command line are activated until then",
        )


def _settings_hold(s: CheckContext) -> Found:
    for why in s.unmet:
        yield why.text, why.hint


def _busy(s: CheckContext) -> Found:
    if holder := s.holder:
        which = holder.component or "its owner has not said which"
        yield f"another {holder.act.noun} is running: {which}, {holder.who}", holder.advice


def _permission(s: CheckContext) -> Found:
    if not s.privileged:
        yield "only root may stop this machine", "run it as root"


def _order(s: CheckContext) -> Found:
    for other in s.waiting:
        if s.policy.goes_before(other, s.component) and other.key != s.component.key:
            yield f"{other.label} comes first and is still pending", f"activate {other.key} before it"


def _window(s: CheckContext) -> Found:
    if not window.is_open(s.policy.window, s.now):
        if opening := window.next_opening(s.policy.window, s.now):
            yield f"no maintenance window is open before {opening:%a %d %b %H:%M %Z}", ""
        else:
            yield f"no maintenance window opens in the next {window.YEARS} years", "[[window]] in livefw.toml"


def _load(s: CheckContext) -> Found:
    limit, load = s.policy.limits.load, s.machine.load
    if limit is not None and load is not None and load > limit:
        yield f"the load is {load:.2f} per CPU, and the limit {limit:g}", "wait until the load is lower"


def _time(s: CheckContext) -> Found:
    if s.usual_s is not None and s.usual_s > s.policy.limits.seconds:
        yield f"it took {s.usual_s:.1f} s here before, but the limit is {s.policy.limits.seconds:g} s", ""


def _watchdog(s: CheckContext) -> Found:
    for dog in s.machine.watchdogs:
        if dog.seconds < s.policy.limits.seconds:
            budget = f"{s.policy.limits.seconds:g} s"
            yield (
                f"{dog.name} resets the machine after {dog.seconds} s, but an activation may take {budget}",
                "increase its timeout, or lower limits.seconds to the time that an activation takes",
            )


def _downgrade(s: CheckContext) -> Found:
    current, pending = s.component.current_version, s.component.pending_version
    if not (current and pending and current.reliable and pending.reliable):
        return
    if compare(pending, current) == -1:
        yield f"the version would go back from {current.text} to {pending.text}", ""
    elif are_alien(pending, current):
        yield (
            f"the version {pending.text} cannot be compared with the running version {current.text}: it may be older",
            "they are written in different formats; find out which of them is newer",
        )


_ALL_CPUS = (Rendezvous.REQUIRED, Rendezvous.FORCED)


def _requirements(s: CheckContext) -> Found:
    for why in s.image.required:
        yield why.text, why.hint


def _signature(s: CheckContext) -> Found:
    if (why := s.image.unsigned) and s.image.blocks:
        yield why.text, why.hint


def _signed(s: CheckContext) -> Found:
    if (why := s.image.unsigned) and not s.image.blocks:
        yield why.text, why.hint


def _offline(s: CheckContext) -> Found:
    if s.machine.offline and s.component.cost.rendezvous in _ALL_CPUS:
        who = f"{_count(len(s.machine.offline), 'CPU')} offline: {_some(sorted(s.machine.offline))}"
        yield (
            f"{who}; a CPU that does not take part may lose the state that the firmware keeps for it",
            "bring them online, unless they are unknown to the firmware",
        )


def _restart(s: CheckContext) -> Found:
    if s.component.cost.restart is RestartScope.DEVICE:
        yield "the device restarts, and what uses it loses it meanwhile", "make sure that nothing depends on it now"


def _hazard(name: str) -> Callable[[CheckContext], Found]:
    """What the mechanism reports under the name of a check."""

    def look(s: CheckContext) -> Found:
        yield from ((each.text, each.hint) for each in s.component.hazards if each.code == name)

    return look


_LIMITED = {
    Reading.PAUSE: ("it declares that it may stand still for {value:g} s, and the limit is {limit:g} s", ""),
    Reading.TEMPERATURE: ("it has {value:g} degrees C, and the limit is {limit:g}", "wait until it is cooler"),
    Reading.WEAR: ("{value:g} % of its rated life are used, and the limit is {limit:g} %", "replace it"),
    Reading.REQUESTS: (
        "{value:g} I/O requests are in flight at it, and the limit is {limit:g}",
        "wait until there are fewer",
    ),
}


def _reading(which: Reading) -> Callable[[CheckContext], Found]:
    """A figure of the device against the limit of the same name, and what the mechanism itself reports of it."""

    def look(s: CheckContext) -> Found:
        yield from _hazard(which)(s)
        value, limit = dict(s.component.readings).get(which), getattr(s.policy.limits, which)
        if value is not None and limit is not None and value > limit:
            text, hint = _LIMITED[which]
            yield text.format(value=value, limit=limit), hint or f"limits.{which} in livefw.toml"

    return look


def _hotplug(s: CheckContext) -> Found:
    if s.machine.moving:
        yield f"{_count(len(s.machine.moving), 'CPU')} coming or going: {_some(s.machine.moving)}", "try again"


def _guests(s: CheckContext) -> Found:
    machines, confidential = s.machine.guests
    stops = "; all are paused while the CPUs are in the firmware" if s.component.cost.rendezvous in _ALL_CPUS else ""
    if confidential:
        yield f"{_count(confidential, 'confidential guest')} running{stops}", "they depend on the firmware's promise"
    elif machines:
        yield f"{_count(machines, 'virtual machine')} running{stops}", ""


def _failed_this_boot(s: CheckContext) -> Found:
    if s.lasting:
        yield s.lasting.text, s.lasting.hint


def _list_in_doubt(s: CheckContext) -> Found:
    if s.doubt:
        yield s.doubt.text, s.doubt.hint


def _stake(s: CheckContext) -> Found:
    if s.component.at_stake:
        guests = s.machine.guests.confidential
        count = "how many run here is unknown" if guests is None else f"{_count(guests, 'confidential guest')} running"
        yield f"{s.component.at_stake}; {count}", ""


def _unconfirmed(s: CheckContext) -> Found:
    if why := s.component.unconfirmed:
        accepted = "; the settings accept the mechanism's report" if s.policy.accepts_unconfirmed(s.component) else ""
        yield f"a success may remain unconfirmed: {why.text}{accepted}", "" if accepted else why.hint


def _distrusted(s: CheckContext) -> Found:
    if why := s.component.distrusted:
        yield why.text, why.hint


def _last_attempt(s: CheckContext) -> Found:
    if s.last_failure:
        yield s.last_failure, "livefw history"


def _kin(s: CheckContext) -> Found:
    if s.kin_failure:
        yield s.kin_failure, "livefw history"


def _lockdown(s: CheckContext) -> Found:
    if s.machine.lockdown:
        yield f"the kernel is locked down ({s.machine.lockdown}); it may refuse", ""


def _by_kernel(s: CheckContext) -> Found:
    if dict(s.component.settings).get("auto_activate"):
        yield (
            "the kernel may activate it automatically, without these checks",
            "auto_activate = false in livefw.toml",
        )


CHECKS = (
    Check("policy", Weight.FATAL, "the policy allows the component", _policy),
    Check("pinned", Weight.FATAL, "the pending version is the one that the policy pins", _pinned),
    Check("forbidden", Weight.FATAL, "the policy does not forbid this step from version to version", _forbidden),
    Check("settings-match", Weight.FATAL, "with `strict`, every pattern matches a component", _settings_match),
    Check("busy", Weight.FATAL, "no other activation is running", _busy),
    Check("permission", Weight.FATAL, "the caller has the permission", _permission),
    Check("order", Weight.ERROR, "nothing that must come first is still pending", _order),
    Check("settings-hold", Weight.ERROR, "the settings of the component are as the policy requires", _settings_hold),
    Check("window", Weight.ERROR, "a maintenance window is open", _window),
    Check("load", Weight.ERROR, "the load is below the limit", _load),
    Check("time", Weight.ERROR, "it does not exceed the time limit, judging by earlier activations", _time),
    Check("watchdog", Weight.ERROR, "no watchdog expires before the time limit", _watchdog),
    Check("downgrade", Weight.ERROR, "the version does not decrease, as far as it is known", _downgrade),
    Check("requirements", Weight.ERROR, "what the archive of an image requires is so", _requirements),
    Check(
        "signature",
        Weight.ERROR,
        "no signature of an archive is broken; with `signed-images` one holds",
        _signature,
    ),
    Check("cpus-offline", Weight.ERROR, "all CPUs take part where all must", _offline),
    Check("cpus-moving", Weight.ERROR, "no CPU is coming or going", _hotplug),
    Check("device-restart", Weight.ERROR, "no device restarts that something may use", _restart),
    Check("health", Weight.ERROR, "the device reports no fault of its own", _hazard("health")),
    Check("boot", Weight.ERROR, "the machine does not depend on the device", _hazard("boot")),
    Check("in-use", Weight.ERROR, "what uses the device has a redundant copy in sync", _hazard("in-use")),
    Check("shared", Weight.ERROR, "no other host uses the device", _hazard("shared")),
    Check(
        "attestation",
        Weight.ERROR,
        "what attestation reports afterwards is on the allow-list of its mechanism, if there is one",
        _hazard("attestation"),
    ),
    Check("pause", Weight.ERROR, "the device stands still no longer than the limit", _reading(Reading.PAUSE)),
    Check("temperature", Weight.ERROR, "the device is not too hot", _reading(Reading.TEMPERATURE)),
    Check("wear", Weight.ERROR, "the device is not worn out", _reading(Reading.WEAR)),
    Check("requests", Weight.ERROR, "the device is not busy with I/O", _reading(Reading.REQUESTS)),
    Check("kin", Weight.ERROR, "the last attempt on another one of its kind succeeded", _kin),
    Check("failed-this-boot", Weight.ERROR, "no failure since boot has left it dead", _failed_this_boot),
    Check("list-in-doubt", Weight.ERROR, "it is certain which component would be activated", _list_in_doubt),
    Check("signed", Weight.WARNING, "an archive is signed by a key that is here", _signed),
    Check("last-attempt", Weight.WARNING, "the last attempt here succeeded", _last_attempt),
    Check("guests", Weight.WARNING, "which guests will be paused", _guests),
    Check("stake", Weight.WARNING, "what a failure costs besides the component", _stake),
    Check("unconfirmed", Weight.WARNING, "something here can show whether it was activated", _unconfirmed),
    Check("result", Weight.WARNING, "a success that the mechanism returns can be relied on", _distrusted),
    Check("lockdown", Weight.WARNING, "the kernel is not locked down", _lockdown),
    Check("auto-activate", Weight.WARNING, "the kernel does not activate by itself", _by_kernel),
)
"""All checks of the engine, in the order in which problems are shown. Reasons of the provider come first and are
fatal."""

ON_STAGING = frozenset(
    {"policy", "pinned", "forbidden", "permission", "downgrade", "requirements", "signature", "signed"}
)
"""Checks that are also made when an image is staged: those that depend neither on the machine nor on the time."""
ONLY_BY_NAME = frozenset({"boot"})
"""Checks that can be ignored only for a component that the user names: no pattern, no `--all`, no `automatic`."""
_UNSEEN = MachineFacts(frozenset(), (), None, (), None, Guests(0, 0))

HOOK_PREFIX = "hook:"
_IGNORABLE = frozenset({Weight.ERROR})
_STOPPING = frozenset({Weight.ERROR, Weight.FATAL})
_NEVER = "cannot be ignored here: never-ignore in livefw.toml"


def examine(context: CheckContext, *, ignore: Iterable[str] = ()) -> tuple[Problem, ...]:
    """All problems in this context. ``ignore`` are names of checks."""
    word = context.component.word
    reasons = (reason.about(word) for reason in context.component.reasons)
    problems = [Problem(r.code, Weight.FATAL, r.text, r.hint) for r in reasons]
    for check in CHECKS:
        found = (Reason(check.name, *each).about(word) for each in check.look(context))
        problems += [Problem(check.name, check.weight, why.text, why.hint) for why in found]
    return ignoring(problems, ignore, context.policy)


def examine_staging(
    component: Component,
    version: Version | None,
    policy: Policy,
    *,
    privileged: bool = True,
    ignore: Iterable[str] = (),
    image: ImageFindings = ImageFindings(),  # noqa: B008 - it is immutable
) -> tuple[Problem, ...]:
    """The problems with staging an image of this version for a component; ``image`` as in `CheckContext`.

    If the version is not known, the checks before the activation will judge it.
    """
    component = component._replace(pending_version=version)
    context = CheckContext(component, _UNSEEN, policy, datetime.now(UTC), privileged=privileged, image=image)
    names = ON_STAGING if version else ON_STAGING - {"pinned"}
    looked = ((check, check.look(context)) for check in CHECKS if check.name in names)
    problems = [Problem(check.name, check.weight, *found) for check, all_found in looked for found in all_found]
    return ignoring(problems, ignore, policy)


def ignoring(problems: Iterable[Problem], ignore: Iterable[str], policy: Policy) -> tuple[Problem, ...]:
    """The same problems, with those marked as ignored that the user names and the policy lets them ignore."""
    names, never = frozenset(ignore), frozenset(policy.never_ignore)
    return tuple(_decided(problem, names, never) for problem in problems)


def _decided(problem: Problem, names: frozenset[str], never: frozenset[str]) -> Problem:
    if problem.weight is not Weight.ERROR:
        return problem
    if problem.check in never:
        hint = f"{problem.hint}; {_NEVER}" if problem.hint else _NEVER
        return problem._replace(weight=Weight.FATAL, hint=hint)
    return problem._replace(ignored=problem.check in names)


def require_ignorable(names: Iterable[str], policy: Policy) -> None:
    """Raise if a name is not that of a check that may be ignored.

    Raises:
        UsageError: the user named it.
        SettingsError: the settings name it.
    """
    require_sound(policy)
    for name in names:
        require_known([name])
        if name in policy.never_ignore:
            raise UsageError(f"the check {name!r} {_NEVER}", hint="livefw plan shows what blocks it")


def require_sound(policy: Policy, *, file: str = FILE) -> None:
    """Raise `SettingsError` if a key of the settings names a check that does not exist or cannot be used there."""
    for error in unsound(policy, file=file):
        raise error


def unsound(policy: Policy, *, file: str = FILE) -> Iterator[SettingsError]:
    """Each key of the settings that names a check that does not exist or cannot be used there."""
    group = policy.group_may_ignore
    keys = {
        "ignore": (policy.ignore, _IGNORABLE),
        "never-ignore": (policy.never_ignore, _STOPPING),
        "group-may-ignore": (() if isinstance(group, bool) else group, _IGNORABLE),
    }
    for key, (names, weights) in keys.items():
        try:
            require_known(names, weights)
        except UsageError as error:
            yield SettingsError(error.message, file=file, path=key, hint=error.hint or "")


def require_known(names: Iterable[str], weights: frozenset[Weight] = _IGNORABLE) -> None:
    """Raise `UsageError` for a name that is not that of a check, or of one with another weight.

    A misspelt name must not pass for a decision.
    """
    known = {check.name: check.weight for check in CHECKS}
    possible = ", ".join(name for name, weight in known.items() if weight in weights)
    for name in names:
        if known.get(name) in weights or (name.startswith(HOOK_PREFIX) and name != HOOK_PREFIX):
            continue
        if name in known:
            why = "stops nothing" if known[name] is Weight.WARNING else "cannot be ignored"
            raise UsageError(f"the check {name!r} {why}", hint=f"those that can be: {possible}")
        from livefw import suggest  # only for errors

        choices = [check for check, weight in known.items() if weight in weights]
        hint = suggest.hint(name, choices, rest=f"the checks are {possible}, {HOOK_PREFIX}NAME")
        raise UsageError(f"there is no check {name[:60]!r}", hint=hint)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {'is' if number == 1 else 'are'}"


def _some(numbers: Iterable[int]) -> str:
    shown = list(numbers)
    return ", ".join(map(str, shown[:8])) + (", ..." if len(shown) > 8 else "")
