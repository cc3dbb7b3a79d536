# SPDX-License-Identifier: Apache-2.0
"""Patterns of the settings that match no component. Most are misspelt, and a misspelt ``deny`` denies nothing."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from livefw.activation.inventory.discovery import Inventory
from livefw.activation.policy.document import KEYS, Policy
from livefw.activation.policy.pattern import matches
from livefw.activation.policy.reader import SettingsKey, SettingsSection
from livefw.providers.base import Component

_MOST_NEAR = 3
NO_MEMBER = "link-no-member"
"""The code of the reason for which a BMC does not show a linked component: it lists no such member."""


class UnmatchedPattern(NamedTuple):
    """A pattern without a match, the path of its key, and components with a similar spelling (``near``)."""

    where: str
    pattern: str
    near: tuple[str, ...] = ()

    @property
    def closest(self) -> str:
        """The similar spellings, as the end of a sentence."""
        return f"; close to it: {', '.join(self.near)}" if self.near else ""

    def __str__(self) -> str:
        return f"{self.where}: '{self.pattern}' matches no component here{self.closest}"


def find(policy: Policy, found: Inventory) -> tuple[UnmatchedPattern, ...]:
    """Patterns that match none of the components; empty if there is no component, or not every host was asked."""
    components = [candidate.component for candidate in found.candidates]
    if not components or found.narrowed:
        return ()
    unmatched = tuple(
        UnmatchedPattern(where, pattern)
        for where, pattern in _patterns(KEYS, policy)
        if not any(matches(pattern, component) for component in components)
    )
    return unmatched + tuple(_members(policy, components))


def _members(policy: Policy, components: Iterable[Component]) -> Iterator[UnmatchedPattern]:
    """Members of links that their BMC does not list."""
    troubles = {each.linked.key: each.linked.trouble for each in components if each.linked}
    for number, link in enumerate(policy.link):
        if (why := troubles.get(link.key)) and why.code == NO_MEMBER:
            yield UnmatchedPattern(f"link[{number}].member", link.key)


def explain(unmatched: Iterable[UnmatchedPattern], found: Inventory) -> tuple[UnmatchedPattern, ...]:
    """The same patterns with similar spellings. This takes longer, and is for messages."""
    components = [candidate.component for candidate in found.candidates]
    return tuple(each._replace(near=_near(each.pattern, components)) for each in unmatched)


def names_something(policy: Policy) -> bool:
    """Whether there is any pattern other than ``*``."""
    return any(pattern.strip("*") for _, pattern in _patterns(KEYS, policy))


def _patterns(section: SettingsSection, values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every pattern of the settings and the path of its key, from the table of keys."""
    for name, node in section.keys.items():
        value: Any = getattr(values, name.replace("-", "_"), None)
        where = f"{path}{name}"
        if isinstance(node, SettingsKey):
            patterns = {"pattern": (value,), "component": (value,), "patterns": value}.get(node.kind, ())
            yield from ((where, pattern) for pattern in patterns)
        elif node.many == "[]":
            for number, each in enumerate(value):
                yield from _patterns(node, each, f"{where}[{number}].")
        elif node.many == "PATTERN":
            yield from ((where, pattern) for pattern in value)
        elif node.many:
            for key, each in value.items():
                yield from _patterns(node, each, f"{where}.{key}.")
        else:
            yield from _patterns(node, value, f"{where}.")


def _near(pattern: str, components: Iterable[Component]) -> tuple[str, ...]:
    from difflib import get_close_matches  # only if a pattern is wrong

    wanted = pattern.lower().strip("*?")
    known: dict[str, tuple[str, str]] = {}
    for component in components:
        for text in filter(lambda each: each not in ("", pattern), (component.name, *component.spellings)):
            known.setdefault(text.lower(), (component.key, text))
            if len(wanted) < len(pattern):  # a prefix is compared with prefixes
                known.setdefault(text.lower()[: len(wanted)], (component.key, text))
    closest: dict[str, str] = {}  # one spelling for each component
    for text in get_close_matches(wanted, known, n=_MOST_NEAR):
        closest.setdefault(*known[text])
    return tuple(closest.values())
