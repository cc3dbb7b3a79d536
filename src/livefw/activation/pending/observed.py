# SPDX-License-Identifier: Apache-2.0
"""Since when images are pending, for `livefw list`, which opens the history only if there is something to record."""

from __future__ import annotations

from livefw.activation.pending import known as known_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.pending.known import PendingPlace


def observed(
    found: Inventory, root: str, place: PendingPlace, *, settings: str | None = None, seen_by: str
) -> Inventory:
    """The inventory of the machine at a root, with the time since which each image is pending.

    What is new is recorded if this user may do so. ``settings`` is the directory of the command line. ``seen_by`` names
    the kind of program. No error is raised: what cannot be recorded is not known.
    """
    known = known_file.read(place)
    if known is None or any(known_file.differs(each.component, known) for each in found.candidates):
        if known is None and not place.history.strip("-") and not any(each.component.pending for each in found[0]):
            return found  # there is nothing to know
        from livefw.activation.pending.recorder import record_for  # opens the history: only if there is something new

        known = record_for(place, found, known, root=root, settings=settings, seen_by=seen_by)
    return known_file.marked(found, known)
