# SPDX-License-Identifier: Apache-2.0
"""Comparing two versions of one component. This is the only place that decides which is newer."""

from livefw.archive import metainfo
from livefw.providers.base import Component, Version, dotted


def reliable_text(version: Version | None) -> str | None:
    """The text of a version that the mechanism reports reliably; else None."""
    return version.text if version and version.reliable else None


def of_image(text: str, component: Component, declared: str = "") -> Version:
    """The version that an archive declares for an image; ``declared`` is the format that it names.

    The result can be ordered only if it is written in the format of the component's own versions: 65536 is 0.1.0 in one
    format and 1.0 in another.
    """
    running, order = component.current_version, dotted(text)
    if running is not None:
        theirs = len(running.order)
        alike = running.order == dotted(running.text) and (not theirs or (len(order) > 1) == (theirs > 1))
        if not alike or (theirs and metainfo.declares(declared) and len(order) != theirs):
            order = ()
    if metainfo.declares(declared) and not metainfo.fits(text, declared):
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
    if not (one.order and other.order) or (len(one.order) > 1) != (len(other.order) > 1):
        return None
    length = max(len(one.order), len(other.order))
    first, second = ((*each.order, *[0] * (length - len(each.order))) for each in (one, other))
    return (first > second) - (first < second)


def are_alien(one: Version, other: Version) -> bool:
    """Whether two ordered versions cannot be compared, because they are written in different formats."""
    return compare(one, other) is None and bool(one.order or other.order)
