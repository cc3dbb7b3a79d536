# SPDX-License-Identifier: Apache-2.0
"""Settings that the policy wants: applied where they differ, and reported where that fails.

A setting that differs from the policy blocks the activation of that component (the check `settings-hold`): if
``force_cpu_rendezvous`` could not be set, a CPU might run while its firmware is being replaced.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from livefw.activation import plan
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.mishaps import error_text
from livefw.activation.plan import SettingChange, setting_changes_of
from livefw.activation.policy.document import Policy
from livefw.errors import LivefwError
from livefw.providers.base import Component, Provider, Reason

_FILE = "component.PATTERN.settings in livefw.toml"
_REFUSED = Reason(
    "setting-refused",
    "the policy requires {setting} = {value}, but it could not be set: {error}",
    f"fix the cause, or change {_FILE}",
)
_NOT_SHOWN = Reason(
    "setting-not-shown",
    "the policy requires {setting} = {value}; it was written without an error, but is not in effect",
    f"see livefw show: another program may change it back. Or change {_FILE}",
)
_NONE_SUCH = Reason("no-such-setting", "the policy requires {setting} = {value}, but there is no such setting", _FILE)


class UnmetSetting(NamedTuple):
    """A setting that differs from the policy, and why."""

    component: Component
    setting: str
    wanted: bool
    why: Reason

    @property
    def against(self) -> bool:
        """Whether this blocks an activation: a setting that does not exist needs no switching off."""
        return self.wanted or self.why.code != _NONE_SUCH.code

    @property
    def text(self) -> str:
        """One line for a person."""
        return f"{self.component.label}: {self.why.text}"


Tried = dict[tuple[str, str, bool], Reason]
"""Why a change failed, by key of the component, setting and value."""


def unmet_settings(changes: Iterable[SettingChange], tried: Tried) -> tuple[UnmetSetting, ...]:
    """Changes that are impossible or have failed; a change that was not tried yet is not among them."""
    found = []
    for change in changes:
        why = tried.get(_name(change)) if change.possible else _filled(_NONE_SUCH, change)
        if why:
            found.append(UnmetSetting(change.component, change.setting, change.wanted, why))
    return tuple(found)


def blocking_settings(policy: Policy, tried: Tried) -> Callable[[Candidate], tuple[Reason, ...]]:
    """A function that returns what blocks a component because of its settings, after the changes in ``tried`` have
    failed."""
    return lambda candidate: tuple(
        each.why for each in unmet_settings(setting_changes_of(candidate, policy), tried) if each.against
    )


def apply_changes(
    found: Inventory,
    policy: Policy,
    tried: Tried,
    *,
    look: Callable[[], Inventory],
    note: Callable[[SettingChange, str], object],
) -> tuple[Inventory, Tried]:
    """Make each change that was not tried before, once.

    ``look`` takes the inventory anew. ``note`` is called with each change and the error, empty if it succeeded. Returns
    the inventory afterwards, and all changes that failed.
    """
    fresh = [change for change in plan.setting_changes(found, policy) if change.possible and _name(change) not in tried]
    if not fresh:
        return found, tried
    providers = {candidate.component.key: candidate.provider for candidate in found.candidates}
    errors = {_name(change): _written(change, providers[change.component.key]) for change in fresh}
    after = look()
    still = {_name(change) for change in plan.setting_changes(after, policy)}
    failed: Tried = {}
    for change in fresh:
        name, error = _name(change), errors[_name(change)]
        if error:
            failed[name] = _filled(_REFUSED, change, error=error)
        elif name in still:
            failed[name] = _filled(_NOT_SHOWN, change)
        note(change, error or ("it is not in effect afterwards" if name in still else ""))
    return after, tried | failed


def _written(change: SettingChange, provider: Provider) -> str:
    """Make a change; returns why it failed, empty if it did not."""
    try:
        provider.configure(change.component.id, change.setting, on=change.wanted)
    except (LivefwError, OSError) as error:
        return error_text(error)
    return ""


def _name(change: SettingChange) -> tuple[str, str, bool]:
    return change.component.key, change.setting, change.wanted


def _filled(why: Reason, change: SettingChange, **values: object) -> Reason:
    return why.fill(setting=change.setting, value=str(change.wanted).lower(), **values)
