# SPDX-License-Identifier: Apache-2.0
"""Comparing two versions of one component. This is the only place that decides which is newer."""

from livefw.archive import version_format
from livefw.providers.base import Component, Version, dotted


def reliable_text(version: Version | None) -> str | None:
    """The text of a version that the mechanism reports reliably; else None."""
    return version.text if version and version.reliable else None


def of_image(text: str, component: Component, declared: str = "") -> Version:
    """The version that an archive declares for an image, as the component would show it.

    ``declared`` is the format that the archive names. By it 65536 becomes 0.1.0 where 1.2.0 runs, and 1.2.0 an integer
    where one runs. The result can be ordered only if both are written in one format: without its name, 65536 is no
    version to be compared with 1.2.0, for it is 0.1.0 in one format and 1.0 in another.
    """
    running = component.current_version
    if version_format.declares(declared):
        if running is None:
            return Version(text, version_format.numbers(text, declared))
        made = version_format.like(text, running.text, declared)
        return Version(made or text, _order(made) if made and running.order == _order(running.text) else ())
    order = dotted(text)
    if running is not None:
        theirs = running.order
        if theirs != dotted(running.text) or (theirs and _is_one(order) != _is_one(theirs)):
            order = ()
    return Version(text, order)


def compare(one: Version | None, other: Version | None) -> int | None:
    """-1, 0 or 1 if ``one`` is older than ``other``, the same, or newer; None if they cannot be compared.

    A number that is missing at the end counts as 0, so 1.9 and 1.9.0 are the same. A single number is an integer that
    may encode several, and is compared only with another single number.
    """
    if one is None or other is None:
        return None
    if one.text == other.text:
        return 0
    if not (one.order and other.order) or _is_one(one.order) != _is_one(other.order):
        return None
    length = max(len(one.order), len(other.order))
    first, second = ((*each.order, *[0] * (length - len(each.order))) for each in (one, other))
    return (first > second) - (first < second)


def are_alien(one: Version, other: Version) -> bool:
    """Whether two ordered versions cannot be compared, because they are written in different formats."""
    return compare(one, other) is None and bool(one.order or other.order)


def _order(text: str) -> tuple[int, ...]:
    value = version_format.integer(text)
    return dotted(text) if value is None else (value,)


def _is_one(order: tuple[int, ...]) -> bool:
    return len(order) == 1
