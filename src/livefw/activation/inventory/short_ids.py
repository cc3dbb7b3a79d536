# SPDX-License-Identifier: Apache-2.0
"""The shortest spelling of each component that selects it alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from livefw.providers.base import Component

_DIGITS = 8
"""Of a GUID, as git shows of a hash: its first field."""
_SEVERAL = ""


def short_ids(components: Sequence[Component]) -> dict[str, str]:
    """By key: the first field of a GUID, else the id, else the key; each is a word that selects only this component.

    An id that is no GUID was chosen by somebody to be read, and stays whole. A short id changes only if a component
    comes whose name, id or other spelling begins with it.
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
    return found


def is_guid(text: str) -> bool:
    """Whether the text has the form of a GUID."""
    return len(text) == 36 and [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]
