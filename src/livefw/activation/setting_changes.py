# SPDX-License-Identifier: Apache-2.0
"""Settings that the policy wants: brought about where they are not so, and told where they cannot be.

What the policy wants and the machine does not have stops the activation of that component (the check
`settings-hold`): ``force_cpu_rendezvous`` that could not be set means that a CPU goes on while another is replaced.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from livefw.activation import plan
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.mishaps import said
from livefw.activation.plan import Wish, wishes_of
from livefw.activation.policy.document import Policy
from livefw.errors import LivefwError
from livefw.providers.base import Component, Reason

_FILE = "component.PATTERN.settings in livefw.toml"
_REFUSED = Reason(
    "setting-refused",
    "the policy wants {setting} = {value}, and it could not be set: {error}",
    f"mend what refuses it, or change {_FILE}",
)
_NOT_SHOWN = Reason(
    "setting-not-shown",
    "the policy wants {setting} = {value}, which was written without an error, and it is not shown so",
    f"livefw show; another program may change it back. Or change {_FILE}",
)
_NONE_SUCH = Reason("no-such-setting", "the policy wants {setting} = {value}, and there is no such setting", _FILE)


class Unmet(NamedTuple):
    """A setting that is not as the policy wants it, and why."""

    component: Component
    setting: str
    wanted: bool
    why: Reason

    @property
    def against(self) -> bool:
        """Whether this stands against an activation: what there is not need not be switched off."""
        return self.wanted or self.why.code != _NONE_SUCH.code

    @property
    def text(self) -> str:
        """For a person."""
        return f"{self.component.name or self.component.key}: {self.why.text}"


Tried = dict[tuple[str, str, bool], Reason]
"""What has been tried in vain, by key of the component, setting and value."""


def unmet(wishes: Iterable[Wish], tried: Tried) -> tuple[Unmet, ...]:
    """Those that cannot be, or have been tried in vain; of the others nothing is known before they are written."""
    found = []
    for wish in wishes:
        why = tried.get(_name(wish)) if wish.possible else _filled(_NONE_SUCH, wish)
        if why:
            found.append(Unmet(wish.candidate.component, wish.setting, wish.wanted, why))
    return tuple(found)


def against(policy: Policy, tried: Tried) -> Callable[[Candidate], tuple[Reason, ...]]:
    """What stands against a component, after these have been tried in vain; none have been where one only plans."""
    return lambda candidate: tuple(each.why for each in unmet(wishes_of(candidate, policy), tried) if each.against)


def bring_about(
    found: Inventory,
    policy: Policy,
    tried: Tried,
    *,
    look: Callable[[], Inventory],
    note: Callable[[Wish, str], object],
) -> tuple[Inventory, Tried]:
    """Write what is not as it is wanted, each once; the inventory afterwards, and all that was tried in vain.

    ``look`` takes the inventory anew. ``note`` is told each that was written, and why it failed.
    """
    fresh = [wish for wish in plan.wishes(found, policy) if wish.possible and _name(wish) not in tried]
    if not fresh:
        return found, tried
    troubles = {_name(wish): _written(wish) for wish in fresh}
    after = look()
    still = {_name(wish) for wish in plan.wishes(after, policy)}
    failed: Tried = {}
    for wish in fresh:
        name, trouble = _name(wish), troubles[_name(wish)]
        if trouble:
            failed[name] = _filled(_REFUSED, wish, error=trouble)
        elif name in still:
            failed[name] = _filled(_NOT_SHOWN, wish)
        note(wish, trouble or ("it is not shown so afterwards" if name in still else ""))
    return after, tried | failed


def _written(wish: Wish) -> str:
    """Write it; why that could not be."""
    component = wish.candidate.component
    try:
        wish.candidate.provider.configure(component.id, wish.setting, on=wish.wanted)
    except (LivefwError, OSError) as error:
        return said(error)
    return ""


def _name(wish: Wish) -> tuple[str, str, bool]:
    return wish.candidate.component.key, wish.setting, wish.wanted


def _filled(why: Reason, wish: Wish, **values: object) -> Reason:
    return why.fill(setting=wish.setting, value=str(wish.wanted).lower(), **values)
