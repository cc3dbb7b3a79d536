# SPDX-License-Identifier: Apache-2.0
"""What the history was found to say nothing of, so that `livefw list` need not open it each time.

A history holds facts that can block an activation: a request without an outcome, lasting damage, a component list in
doubt, how long it took. They stay what they are as long as the history and the components do. A file beside the
machine's lock names the history, by what changes when it does, and the components for which it was examined in vain.
"""

from __future__ import annotations

import os
from contextlib import suppress

from livefw import reading
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.pending.known import PendingPlace

_LIMIT = 1 << 20


def is_settled(place: PendingPlace, found: Inventory) -> bool:
    """Whether the history is known to have nothing that could block what is ready."""
    stamp = place.stamp
    if not stamp:
        return False
    try:
        with reading.opened(_path(place), follow=False) as file:
            text = file.read(_LIMIT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return False
    return text == _text(stamp, found)


def remember(place: PendingPlace, found: Inventory, stamp: str) -> None:
    """Write that the history with this stamp has nothing about these components. Without the right to, nothing
    happens."""
    if not stamp or stamp != place.stamp:
        return
    path = _path(place)
    with suppress(OSError):
        new = f"{path}.new"  # replaced at once, so that nobody reads a part of it
        reading.write(new, _text(stamp, found).encode(), follow=False)
        os.chmod(new, 0o644)  # all users may list the machine
        os.replace(new, path)


def _path(place: PendingPlace) -> str:
    return f"{place.lock.removesuffix('.lock')}.settled"


def _text(stamp: str, found: Inventory) -> str:
    """Each component, and whether it is ready: the history is examined for those that are."""
    components = (candidate.component for candidate in found.candidates)
    lines = [f"{'-' if each.reasons else '+'}{printable(each.key)}\n" for each in components]
    return "".join([f"{stamp}\n", *lines])
