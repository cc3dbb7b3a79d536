# SPDX-License-Identifier: Apache-2.0
"""The columns of components, for every listing that has some in its items."""

from __future__ import annotations

import time

from livefw.providers.component import label
from livefw.render.age import age, instant_ns
from livefw.render.component import cpu_stop_of
from livefw.render.layout import Column
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Item = Mapping[str, Any]


def name_of(item: Item) -> str:
    """What a person knows a component by; the column ID has what stands for a name where there is none."""
    if not (item["name"] or item["host"]):
        return "-"
    return printable(label(item["name"], host=item["host"] or "", ident=item["short_id"]))


def key_of(item: Item) -> str:
    """The stable key."""
    return printable(item["key"])


def current_of(item: Item) -> str:
    """The version that runs, with a question mark where the report is not reliable."""
    return _version(item, "current_version")


def pending_of(item: Item) -> str:
    """The version that is pending, or whether one is."""
    found = _version(item, "pending_version")
    return "yes" if found == "-" and item["pending"] else found


def _version(item: Item, field: str) -> str:
    text = item[field]
    return "-" if text is None else printable(text) + ("?" if field in item["unreliable"] else "")


def _age(item: Item) -> str:
    """How long an image has been pending, in the largest unit."""
    since = item["pending_since"]
    return "-" if since is None else age((time.time_ns() - instant_ns(since)) / 1e9)


def _age_order(item: Item) -> float:
    """What is not pending comes first, then what has just become so."""
    since = item["pending_since"]
    return float("-inf") if since is None else -instant_ns(since)


def _linked(there: Item | None) -> str:
    """The way by which images come, marked where its two sides do not show the same."""
    if there is None:
        return "-"
    return printable(there["key"]) + ("!" if there["agrees"] is False or there["trouble"] else "")


def state_of(item: Item) -> str:
    """What can be done with it."""
    return printable(item["state"]["text"])


_STATE_STYLES = {
    "ready": "good",
    "up-to-date": "",
    "held": "notable",
    "needs-reset": "notable",
    "blocked": "bad",
    "unreadable": "bad",
    "unfinished": "bad",
}


def state_style(item: Item) -> str:
    """The style of a state; one that is about something that happens now is notable."""
    return _STATE_STYLES.get(item["state"]["code"], "notable")


NAME = Column("NAME", name_of, least=18)
CURRENT = Column("CURRENT", current_of, rank=3, least=12)
PENDING = Column("PENDING", pending_of, rank=2, least=12)
STOPS_CPUS = Column("STOPS CPUS", lambda item: cpu_stop_of(item["cost"]).short, rank=5)
AGE = Column("AGE", _age, rank=4, order=_age_order, optional=True)
STATE = Column("STATE", state_of, least=28, style=state_style)
LINKED = Column("LINKED", lambda item: _linked(item.get("linked")), rank=7, optional=True)
ID = Column("ID", lambda item: printable(item["short_id"]))
HOST = Column("HOST", lambda item: printable(item["host"] or "-"), wide=True)
PROVIDER = Column("PROVIDER", lambda item: item["provider"], wide=True)
COMPONENT = Column("COMPONENT", key_of, wide=True)


def inside(field: str, column: Column) -> Column:
    """The same column of items that have the component in a field."""

    def lifted(function: Callable[[Item], Any] | None) -> Any:
        return function and (lambda item: function(item[field]))

    return column._replace(
        text=lifted(column.text), full=lifted(column.full), order=lifted(column.order), style=lifted(column.style)
    )


def legend(items: Iterable[Item]) -> list[str]:
    """What is not obvious in the columns of these components; nothing where everything is."""
    shown = list(items)
    lines = []
    if unreliable := next((item for item in shown if item["unreliable"]), None):
        why = f"livefw show {printable(unreliable['short_id'])} says why"
        lines.append(f"?: the mechanism does not report this version reliably; {why}")
    if apart := next((item for item in shown if _linked(item.get("linked")).endswith("!")), None):
        yes = f"livefw show {printable(apart['short_id'])} has both"
        lines.append(f"!: the BMC that brings its images does not show the same; {yes}")
    if any(item["cost"]["rendezvous"] == "forced" for item in shown):
        lines.append("all (forced): a setting demands it, the component does not")
    lines += (
        f"{name_of(item)}: pending since {item['pending_since']}, by a clock that has gone back since"
        for item in shown
        if item["pending_since"] and instant_ns(item["pending_since"]) > time.time_ns()
    )
    return lines
