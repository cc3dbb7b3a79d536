# SPDX-License-Identifier: Apache-2.0
"""Tasks of a BMC that wait to be started, and those that have ended and may hold an image all the same."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from livefw.providers.redfish.exchange import Response, local_path, record, text

_MOST_URI = 2000
_WAITING = frozenset({"New", "Pending", "Suspended"})
_WAITING_FOR_RESET = _WAITING | {"Stopping"}
"""bmcweb shows a task whose image waits for a reset as stopping."""


class Queued(NamedTuple):
    """A task that waits to be started; ``targets`` is None if it does not say what it is about."""

    uri: str
    monitor: str | None
    targets: frozenset[str] | None
    for_reset: bool = False
    """Whether the next reset starts it, and nothing else."""


def queued(body: dict[str, Any]) -> Queued | None:
    """A task that waits: its registry message says so, or the request that made it did; None for any other."""
    request = text(record(body, "Payload"), "JsonBody", most=20_000) or ""
    waits = any(message.key == "AwaitToUpdate" for message in Response(200, {}, body).messages())
    asked = "OnStartUpdateRequest" in request
    state, uri = text(body, "TaskState"), text(body, "@odata.id", most=_MOST_URI)
    for_reset = state in _WAITING_FOR_RESET and '"OnReset"' in request
    if uri and (for_reset or (state in _WAITING and (waits or asked))):
        return Queued(uri, local_path(body.get("TaskMonitor")), _targets(request), for_reset)
    return None


def completed(bodies: Iterable[dict[str, Any]]) -> frozenset[str]:
    """The addresses of the tasks that have ended well.

    Supermicro's BMCs verify a pushed image in a task that ends, and keep the image until StartUpdate: nothing shows
    that it waits (fwupd, plugins/redfish/tests/redfish.py).
    """
    found = (
        text(body, "@odata.id", most=_MOST_URI)
        for body in bodies
        if body.get("TaskState") == "Completed" and body.get("TaskStatus") != "Critical"
    )
    return frozenset(uri.rstrip("/") for uri in found if uri)


def _targets(request: str) -> frozenset[str] | None:
    import json

    try:
        rows = json.loads(request)["Targets"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    targets = {local_path(row) for row in rows} if isinstance(rows, list) else set()
    return frozenset(each for each in targets if each) if targets and None not in targets else None
