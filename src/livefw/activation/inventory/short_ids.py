# SPDX-License-Identifier: Apache-2.0
"""The shortest spelling of each component that selects it alone."""

from __future__ import annotations

from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from livefw.providers.base import Component

_DIGITS = 8
"""Of a GUID, as git shows of a hash: its first field."""
_SEVERAL = ""
_LONGEST = 24
"""Of an id that is no GUID: those of an iDRAC name device, version and place, and leave no space for anything else."""


def short_ids(components: Sequence[Component]) -> dict[str, str]:
    """By key: the first field of a GUID, else the id, else the key; each is a word that selects only this component.

    An id that is no GUID was chosen by somebody to be read, and stays whole unless it is long; then its first words
    have to do. A short id changes only if a component comes whose name, id or other spelling begins with it.
    """
    owners: dict[str, str] = {}  # the only one; a set for each would take most of the memory of a list of many
    for each in components:
        for text in (each.name, *each.spellings, *(spelling[:_DIGITS] for spelling in each.spellings)):
            if owners.setdefault(text.casefold(), each.key) != each.key:
                owners[text.casefold()] = _SEVERAL
    found = {}
    for each in components:
        choices = [each.id[:_DIGITS], each.id] if is_guid(each.id) else [each.id]
        found[each.key] = next((text for text in choices if owners[text.casefold()] == each.key), each.key)
    long = [key for key, text in found.items() if len(text) > _LONGEST and not is_guid(text[-36:])]
    if long:
        spelled = sorted((text.casefold(), each.key) for each in components for text in (each.name, *each.spellings))
        found |= {key: _beginning(found[key], key, spelled) for key in long}
    return found


def _beginning(text: str, key: str, spelled: list[tuple[str, str]]) -> str:
    """The first words of a spelling, as many as no other component's spelling begins with; ``spelled`` is sorted."""
    folded = text.casefold()
    if len(folded) != len(text):
        return text
    at = bisect_left(spelled, (folded, key))
    before = next((spelled[place][0] for place in range(at - 1, -1, -1) if spelled[place][1] != key), "")
    after = next((spelled[place][0] for place in range(at, len(spelled)) if spelled[place][1] != key), "")
    end = max(text.rfind("/") + 1 + _DIGITS, *(_shared(folded, other) + 1 for other in (before, after)))
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return text[:end]


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def is_guid(text: str) -> bool:
    """Whether the text has the form of a GUID."""
    return len(text) == 36 and [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]
