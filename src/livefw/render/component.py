# SPDX-License-Identifier: Apache-2.0
"""Components in words."""

from __future__ import annotations

from livefw.providers.component import Rendezvous
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from livefw.providers.component import Component, Version
else:
    from livefw.light_tuple import NamedTuple


class CpuStop(NamedTuple):
    """Which CPUs an activation stops: for the column STOPS CPUS, and in a sentence."""

    short: str
    text: str


_CPU_STOPS = {
    Rendezvous.REQUIRED: CpuStop("all", "stops all CPUs"),
    Rendezvous.FORCED: CpuStop("all (forced)", "stops all CPUs (forced by setting)"),
    Rendezvous.OPTIONAL: CpuStop("one at a time", "stops one CPU at a time"),
    None: CpuStop("?", "which CPUs it stops is not known"),
}


def cpu_stop(item: Component) -> CpuStop:
    """Which CPUs its activation stops, in the same words in every face."""
    return _CPU_STOPS[item.cost.rendezvous]


def version(value: Version | None) -> str:
    """A version for a person; with a question mark where the report is not sure."""
    return "-" if value is None else printable(value.text) + ("" if value.reliable else "?")


def state(item: Component) -> str:
    """What can be done with it, in a word or two."""
    codes = [reason.code for reason in item.reasons]
    if not codes:
        return "ready"
    return "up to date" if codes == ["not-pending"] else ", ".join(code for code in codes if code != "not-pending")
