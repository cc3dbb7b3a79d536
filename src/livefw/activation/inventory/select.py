# SPDX-License-Identifier: Apache-2.0
"""Which component a word selects."""

from collections.abc import Iterable

from livefw.activation.inventory.discovery import Candidate, with_aliases
from livefw.errors import AmbiguousComponent, NoSuchComponent, UsageError


def select(word: str, candidates: Iterable[Candidate]) -> Candidate:
    """The one component with this key, id, alias of the id or name, or whose key or alias begins with the word.

    Case does not matter. A complete key or id selects that component only. A name does not outrank the beginning of an
    id, because firmware chooses its names: if they lead to different components, the word is ambiguous.

    Raises:
        NoSuchComponent: the word selects nothing.
        AmbiguousComponent: it selects several components.
        UsageError: it is empty.
    """
    wanted = word.strip().casefold()
    if not wanted:
        raise UsageError("a component's name is empty", hint="livefw list")
    everything = [(candidate, _spellings(candidate)) for candidate in candidates]
    exact = [candidate for candidate, spellings in everything if wanted in spellings]
    found = exact or [
        candidate
        for candidate, spellings in everything
        if wanted == candidate.component.name.casefold() or any(spelling.startswith(wanted) for spelling in spellings)
    ]
    if not found:
        names = (candidate.component.name for candidate, _ in everything)
        similar = " or ".join(dict.fromkeys(name for name in names if wanted in name.casefold()))
        hint = f"{similar}? " if similar else ""
        raise NoSuchComponent(f"there is no component {word!r} here", hint=f"{hint}livefw list shows what is available")
    if len(found) > 1:
        keys = tuple(candidate.component.key for candidate in found)
        raise AmbiguousComponent(
            f"{word!r} matches {len(found)} components",
            candidates=keys,
            hint=f"name one of them: {', '.join(keys[:8])}{', ...' if len(keys) > 8 else ''}",
        )
    return found[0]


def _spellings(candidate: Candidate) -> tuple[str, ...]:
    component = with_aliases(*candidate)
    return tuple(text.casefold() for text in component.spellings)
