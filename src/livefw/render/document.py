# SPDX-License-Identifier: Apache-2.0
"""How things look in JSON (schema ``livefw/1``): fields may be added, none is ever renamed or removed."""

from __future__ import annotations

from livefw.errors import AmbiguousComponent, LivefwError, kind_of
from livefw.render.age import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from livefw.activation.lock.machine_lock import LockHolder
    from livefw.activation.status import ComponentStatus
    from livefw.providers.component import Component, LinkedWay, Reason


def component(item: Component, status: ComponentStatus | None = None, *, details: bool = False) -> dict[str, Any]:
    """A component, with its state if that is known; ``details`` adds the mechanism's own fields as they were read."""
    document: dict[str, Any] = {
        "key": item.key,
        "provider": item.provider,
        "id": item.id,
        "short_id": item.short or item.key,
        "name": item.name,
        "host": item.host or None,
        "current_version": item.current_version and item.current_version.text,
        "pending": item.pending,
        "pending_version": item.pending_version and item.pending_version.text,
        "pending_since": None if item.pending_since_ns is None else moment(item.pending_since_ns),
        "unreliable": _unreliable(item),
        "activatable": not item.reasons,
        "cost": item.cost.document(),
        "settings": dict(item.settings),
        "stated": item.stated or None,
        "reasons": [reason(row) for row in item.reasons],
        "notes": [reason(row) for row in item.notes],
    }
    if item.linked:
        document["linked"] = _linked(item, item.linked)
    if item.attestation:
        document["attestation"] = item.attestation._asdict()
    if status:
        document["state"] = state(status)
    if details:
        document["details"] = dict(item.details)
    return document


def components(items: Iterable[tuple[Component, ComponentStatus]]) -> list[dict[str, Any]]:
    """Many components with their states. What several have in common, and what one says twice, is one object: nothing
    changes a document. Reasons are each component's own: their hints name it."""
    kept: dict[object, Any] = {}
    documents = []
    for item, status in items:
        document = component(item, status)
        for field, value in (
            ("cost", item.cost),
            ("settings", item.settings),
            ("unreliable", (item.current_version, item.pending_version)),
            ("notes", item.notes),
        ):
            document[field] = kept.setdefault((field, value), document[field])
        if status.reasons == item.reasons:
            document["state"]["reasons"] = document["reasons"]
        documents.append(document)
    return documents


def _linked(item: Component, there: LinkedWay) -> dict[str, Any]:
    """The other way to a component, and what is shown there."""
    from livefw.activation.inventory.agreement import agrees  # only where there are links

    return {
        "key": there.key,
        "host": there.host,
        "current_version": there.current_version and there.current_version.text,
        "pending": there.pending,
        "pending_version": there.pending_version and there.pending_version.text,
        "unreliable": _unreliable(there),
        "asked": there.asked,
        "trouble": reason(there.trouble) if there.trouble else None,
        "agrees": agrees(item),
    }


def state(status: ComponentStatus) -> dict[str, Any]:
    """The state of a component."""
    return {
        "code": status.code,
        "text": status.text,
        "sentence": status.sentence,
        "reasons": [reason(row) for row in status.reasons],
        "until": status.until.isoformat() if status.until else None,
        "running": running(status.running) if status.running else None,
        "activation": status.activation or None,
    }


def running(holder: LockHolder) -> dict[str, Any]:
    """What is running on the machine."""
    return {
        "act": holder.act,
        "component": holder.component or None,
        "user": holder.user or None,
        "pid": holder.pid or None,
        "seconds": holder.seconds if holder.since_s else None,
    }


def _unreliable(item: Component | LinkedWay) -> list[str]:
    versions = {"current_version": item.current_version, "pending_version": item.pending_version}
    return [field for field, version in versions.items() if version and not version.reliable]


def reason(row: Reason) -> dict[str, str]:
    """A reason or a note."""
    return {"code": row.code, "text": row.text, "hint": row.hint}


def error(caught: BaseException) -> dict[str, Any]:
    """An error; what livefw did not foresee is named by its type alone."""
    kind = kind_of(caught)
    document: dict[str, Any] = {"kind": kind.name, "exit_code": int(kind.exit_code)}
    if not isinstance(caught, LivefwError):
        return document | {"message": f"unexpected {type(caught).__name__}: {caught}"}
    document["message"] = caught.message
    for field in ("hint", "mechanism", "component", "phase", "firmware_code", "errno", "replay"):
        if value := getattr(caught, field):
            document[field] = value
    if isinstance(caught, AmbiguousComponent):
        document["candidates"] = list(caught.candidates)
    return document
