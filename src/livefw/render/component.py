# SPDX-License-Identifier: Apache-2.0
"""Components in words."""

from __future__ import annotations

from livefw.providers.component import RESTART_TEXTS, Rendezvous, RestartScope
from livefw.providers.component import label as label_from
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from livefw.providers.component import Component, Version
else:
    from livefw.light_tuple import NamedTuple


class CpuStop(NamedTuple):
    """Which CPUs an activation stops: for the column STOPS CPUS, and in a sentence."""

    short: str
    text: str


_CPU_STOPS: dict[str | None, CpuStop] = {
    Rendezvous.REQUIRED: CpuStop("all", "stops all CPUs"),
    Rendezvous.FORCED: CpuStop("all (forced)", "stops all CPUs (forced by setting)"),
    Rendezvous.OPTIONAL: CpuStop("one at a time", "stops one CPU at a time"),
    None: CpuStop("?", "which CPUs it stops is not known"),
}


_UNCLEAR = (RestartScope.SOMETHING, RestartScope.NOT_REPORTED)
_RESTARTS: dict[str | None, CpuStop] = {
    each: CpuStop("?" if each in _UNCLEAR else "-", text) for each, text in RESTART_TEXTS.items()
}
"""The same of firmware behind a BMC."""


def cpu_stop(item: Component) -> CpuStop:
    """What its activation stops, in the same words in every face."""
    return cpu_stop_of(item.cost._asdict())


def cpu_stop_of(fields: Mapping[str, Any]) -> CpuStop:
    """The same, of the fields of a document."""
    rendezvous = fields["rendezvous"]
    return _RESTARTS.get(fields.get("restart")) or _CPU_STOPS[Rendezvous(rendezvous) if rendezvous else None]


def cpu_stop_of_row(rendezvous: str | None) -> str:
    """The same, in a sentence, of the field of a history's row; as it is written for one that is not known."""
    found = _CPU_STOPS.get(rendezvous) or _RESTARTS.get(rendezvous)
    return found.text if found else printable(str(rendezvous))


def cost(item: Component) -> str:
    """What an activation costs, as far as the mechanism says."""
    return cost_of(item.cost._asdict())


def cost_of(fields: Mapping[str, Any]) -> str:
    """The same, of the fields of a document."""
    resets = fields["resets_cpu"] and not fields.get("restart")
    return cpu_stop_of(fields).text + ("; may reset CPUs" if resets else "")


def label(item: Component) -> str:
    """What a person knows it by, such as ``rack1: CPU0 power management firmware``."""
    return printable(item.label)


def label_of_row(key: str, body: Mapping[str, Any]) -> str:
    """The same, of the component that a row of the history is about; empty if it is about none."""
    return printable(raw_label_of_row(key, body))


def raw_label_of_row(key: str, body: Mapping[str, Any]) -> str:
    """The same as it is, for a document."""
    from livefw.activation.inventory.short_ids import is_guid  # `list` shows no rows
    from livefw.providers.declaration import host_of

    ident = key.partition(":")[2]
    short = ident[:8] if is_guid(ident) else ident
    return label_from(str(body.get("name") or ""), host=str(body.get("host") or host_of(key)), ident=short)


def version(value: Version | None) -> str:
    """A version for a person; with a question mark where the report is not sure."""
    return "-" if value is None else printable(value.text) + ("" if value.reliable else "?")
