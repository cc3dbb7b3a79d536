# SPDX-License-Identifier: Apache-2.0
"""The policy as it holds on one machine: what the file says, what its patterns match now, windows and hooks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from livefw.activation.checks import hooks
from livefw.activation.hooks.directory import Hook
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.policy import pattern, window
from livefw.activation.policy.survey import SettingsMistake, SettingsSurvey
from livefw.activation.policy.window import WindowState
from livefw.errors import UsageError
from livefw.providers.base import Component, Reason


class EffectivePolicy(NamedTuple):
    """The policy of one machine at one time.

    ``matches`` are the components that each pattern matches; None if the patterns could be compared with nothing, and
    ``uncompared`` is why. ``windows`` are states by path, ``window`` is that of all together. ``groups`` are the groups
    of hosts that mechanisms know, by mechanism, and ``notes`` what mechanisms have to say.
    """

    survey: SettingsSurvey
    mistakes: tuple[SettingsMistake, ...]
    matches: dict[str, tuple[Component, ...]] | None
    uncompared: str
    unmatched: tuple[UnmatchedPattern, ...]
    windows: dict[str, WindowState]
    window: WindowState
    hooks: tuple[Hook, ...]
    now: datetime
    groups: Mapping[str, Mapping[str, Sequence[str]]]
    notes: tuple[Reason, ...] = ()


def effective(
    survey: SettingsSurvey,
    found: Inventory | None,
    *,
    settings: str,
    now: datetime,
    uncompared: str = "",
    wrong: Iterable[UsageError] = (),
    groups: Mapping[str, Mapping[str, Sequence[str]]] = MappingProxyType({}),
) -> EffectivePolicy:
    """The policy with what the machine makes of it. ``found`` is None if it cannot be listed; ``wrong`` are mistakes
    that a mechanism found in its own table."""
    policy = survey.policy
    unmatched: tuple[UnmatchedPattern, ...] = ()
    matches: dict[str, tuple[Component, ...]] | None = None
    if found is not None and found.candidates:
        unmatched = unmatched_patterns.explain(unmatched_patterns.find(policy, found), found)
        components = tuple(candidate.component for candidate in found.candidates)
        every = {each for value in survey.values for each in value.patterns}
        matches = {each: tuple(c for c in components if pattern.matches(each, c)) for each in every}
    return EffectivePolicy(
        survey=survey,
        mistakes=(*survey.mistakes, *map(SettingsMistake.of, wrong)),
        matches=matches,
        uncompared=uncompared,
        unmatched=unmatched,
        windows={path: window.state((each,), now) for path, each in survey.windows},
        window=window.state(policy.window, now),
        hooks=hooks.find(settings),
        now=now,
        groups=groups,
        notes=found.notes if found else (),
    )
