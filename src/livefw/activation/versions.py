# SPDX-License-Identifier: Apache-2.0
"""Which of two versions of one component is the newer: the one place where that is decided."""

from livefw.providers.base import Component, Version, dotted


def of_image(text: str, component: Component) -> Version:
    """The version that an archive gives an image for a component.

    It has an order only where the component's own versions are numbers between dots: a mechanism may count otherwise.
    """
    running = component.current_version
    counts = running is None or running.order == dotted(running.text)
    return Version(text, dotted(text) if counts else ())


def compare(one: Version | None, other: Version | None) -> int | None:
    """-1, 0 or 1 as ``one`` is older than ``other``, the same, or newer; None where there is no telling.

    A number that is missing at the end counts as 0, so that 1.9 and 1.9.0 are the same.
    """
    if one is None or other is None:
        return None
    if one.text == other.text:
        return 0
    if not (one.order and other.order):
        return None
    length = max(len(one.order), len(other.order))
    first, second = ((*each.order, *[0] * (length - len(each.order))) for each in (one, other))
    return (first > second) - (first < second)
