# SPDX-License-Identifier: Apache-2.0
"""Whether the two sides of a linked component show the same."""

from livefw.activation.inventory.versions import compare
from livefw.providers.base import Component, Version


def agrees(component: Component) -> bool | None:
    """Whether this machine and the management controller show the same; None where one does not say."""
    there = component.linked
    if there is None or not there.asked or there.trouble:
        return None
    runs = _same(component.current_version, there.current_version)
    if component.pending is None or there.pending is None:
        waits = None
    elif component.pending and there.pending:
        waits = _same(component.pending_version, there.pending_version)
    else:
        waits = component.pending == there.pending
    return False if False in (runs, waits) else runs


def _same(one: Version | None, other: Version | None) -> bool | None:
    if one is None or other is None or not (one.reliable and other.reliable):
        return None
    found = compare(one, other)
    return None if found is None else found == 0
