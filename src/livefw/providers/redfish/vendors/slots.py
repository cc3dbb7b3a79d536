# SPDX-License-Identifier: Apache-2.0
"""What the slots of a member say: which version runs for certain, and which one waits, and for what."""

from typing import NamedTuple

from livefw.providers.redfish.vendors.vendor import Body, FirmwareSlots, text_at


class SlotReading(NamedTuple):
    """``runs`` is the version that runs, ``waits`` the one that waits; empty where nothing is said."""

    runs: str = ""
    waits: str = ""
    for_reset: bool = False


def read(body: Body, slots: FirmwareSlots | None) -> SlotReading:
    """The slots of a member; an empty reading without any."""
    if slots is None:
        return SlotReading()
    active, inactive = (
        (text_at(body, (*slot, slots.state)), text_at(body, (*slot, slots.version)))
        for slot in (slots.active, slots.inactive)
    )
    if active[0] == slots.awaits_reset and active[1]:
        return SlotReading(waits=active[1], for_reset=True)
    runs = active[1] if active[0] == slots.runs else ""
    return SlotReading(runs, inactive[1] if inactive[0] == slots.staged else "")
