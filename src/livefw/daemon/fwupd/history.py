# SPDX-License-Identifier: Apache-2.0
"""The history as fwupd tells it: the device with its old version, and one release with the new one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from livefw.activation.engine import Host
from livefw.activation.history.journal import ENDINGS, Activation, Journal, RowKind
from livefw.activation.inventory.guids import instance
from livefw.activation.inventory.short_ids import is_guid
from livefw.activation.outcome import Outcome
from livefw.daemon.fwupd.devices import STATES, Dictionary, device_id, guid_fields, outcome_of, version_format
from livefw.daemon.fwupd.values import DeviceFlag, UpdateState, typed
from livefw.render.component import label_of_row
from livefw.text import printable

_PREFIXES = {RowKind.REFUSAL: "refused: ", RowKind.STAGED: "staging: "}
HISTORY_LIMIT = 100
"""Activations that clients get to see, the last ones; the whole history is for `livefw history`."""
_SHOWN = frozenset({*ENDINGS, *ENDINGS.values(), RowKind.REFUSAL})
_END_THE_WAIT = {
    RowKind.OUTCOME: (Outcome.ACTIVATED,),
    RowKind.CANCELLATION: (Outcome.CANCELLED,),
    RowKind.STAGED: (Outcome.STAGED,),
}
"""Rows after which the image that was staged before is not waiting any more."""


_PAGES_LIMIT = 10
"""Pages of the history that are read at most: where each image was replaced by the next, nearly all are left out."""


def recent(host: Host) -> list[Activation]:
    """The last activations, refusals and stagings, newest first. Only so many are read, however long the history is.

    An image that was staged is left out as soon as it has been activated, taken back or replaced.
    """
    history = Journal.open_to_read(host.paths.state, host.paths.root)
    if history is None:
        return []
    found: list[Activation] = []
    replaced: set[str] = set()
    before: int | None = None
    try:
        for _ in range(_PAGES_LIMIT):
            page = history.page(HISTORY_LIMIT, before=before)
            found += _shown(page.activations, replaced)
            before = page.before
            if before is None or len(found) >= HISTORY_LIMIT:
                break
    finally:
        history.close()
    return found[:HISTORY_LIMIT]


def _shown(newest_first: Iterable[Activation], replaced: set[str]) -> Iterator[Activation]:
    """Those that are reported. ``replaced`` are the components whose older images no longer wait; it is added to."""
    for each in newest_first:
        key, ending = each.first_row.component, each.ending
        outcome = ending.body.get("outcome") if ending else None
        waits = ending is not None and ending.kind is RowKind.STAGED and outcome == Outcome.STAGED
        if each.first_row.kind in _SHOWN and not (waits and key in replaced):
            yield each
        if ending is not None and outcome in _END_THE_WAIT.get(ending.kind, ()):
            replaced.add(key)


def as_devices(activations: Sequence[Activation]) -> Iterator[Dictionary]:
    """Activations as fwupd tells them: the device with its old version, and one release with the new one."""
    for activation in activations:
        first, ending = activation.first_row, activation.ending
        body: dict[str, Any] = first.body
        outcome = outcome_of(activation)
        result = ending.body if ending else {}
        good = outcome in (Outcome.ACTIVATED, Outcome.STAGED)
        provider, _, ident = first.component.partition(":")
        release: dict[str, object] = {
            "Name": label_of_row(first.component, body),
            "Summary": f"{outcome or 'no outcome is known yet'}",
            "Version": printable(str(_new_version(activation, outcome) or "unknown")),
            "Metadata": _metadata(body, result, outcome),
        }
        old = body.get("current_version")
        flags = DeviceFlag.INTERNAL | DeviceFlag.HISTORICAL
        yield typed(
            {
                "DeviceId": device_id(first.component),
                **guid_fields([instance(provider, ident)], [ident] if is_guid(ident) else []),
                "Name": label_of_row(first.component, body),
                "Plugin": f"livefw_{provider}",
                "Flags": flags,
                "Version": printable(str(old)) if old else None,
                "VersionFormat": version_format(str(old)) if old else None,
                "Created": first.time_ns // 10**9,
                "Modified": (ending or first).time_ns // 10**9,
                "UpdateState": STATES[outcome] if outcome else UpdateState.UNKNOWN,
                "UpdateError": None if good else _error_text(activation),
                "Release": [typed(release)],
            }
        )


def _new_version(activation: Activation, outcome: Outcome | None) -> object:
    body, result = activation.first_row.body, activation.ending.body if activation.ending else {}
    if activation.first_row.kind in (RowKind.STAGING, RowKind.STAGED):
        return body.get("version") or (result.get("pending_version") if outcome is Outcome.STAGED else None)
    return (outcome is Outcome.ACTIVATED and result.get("current_version")) or body.get("pending_version")


def _error_text(activation: Activation) -> str:
    if activation.ending is None:
        return "no outcome is known yet"
    body = activation.ending.body
    kind = _PREFIXES.get(activation.ending.kind, "")
    code = f" ({body['firmware_code']})" if body.get("firmware_code") else ""
    return printable(f"{kind}{body.get('text', '')}{code}")


def _metadata(body: dict[str, Any], result: dict[str, Any], outcome: Outcome | None) -> dict[str, str]:
    """Who, why and how, for reports; texts only."""
    actor = body.get("actor") or {}
    values = {
        "livefw:outcome": outcome,
        "livefw:code": result.get("code"),
        "livefw:user": actor.get("user"),
        "livefw:reason": body.get("reason"),
        "livefw:firmware-code": result.get("firmware_code"),
    }
    return {key: printable(str(value)) for key, value in values.items() if value}
