# SPDX-License-Identifier: Apache-2.0
"""Activations of the history, in a table and in JSON."""

from datetime import datetime
from typing import Any

from livefw.activation.history.journal import Activation, HistoryRow, RowKind
from livefw.activation.history.rows import HistoryPage
from livefw.errors import ExitCode
from livefw.providers.declaration import host_of
from livefw.render.answer import Answer
from livefw.render.component import label_of_row
from livefw.text import printable, table


def answer(page: HistoryPage) -> Answer:
    """What `livefw history` answers for a page that has something."""
    return Answer(
        lambda: _text(page.activations, page.before),
        lambda: {"history": [document(each) for each in page.activations], "before": page.before},
        ExitCode.DONE,
    )


_HEADING = ("WHEN", "NAME", "OUTCOME", "VERSION", "TOOK", "BY", "REASON")


def _text(found: list[Activation], before: int | None) -> str:
    rows: list[tuple[str, ...]] = [_HEADING]
    notes: list[str] = []
    later: int | None = None
    for each in found:
        rows.append(_row(each))
        if later is not None and each.first_row.time_ns > later:
            notes.append(f"the clock went back after {moment(each.first_row)}; rows are in the order of writing")
        later = each.first_row.time_ns
    entries = [entry for each in found for entry in each if entry]
    if any(entry.body.get("reconciled") for entry in entries):
        notes.append("* found out by a later run; the one that began it did not live to see it")
    notes += [f"row {each.sequence}: besides: {printable(text)}" for each in entries for text in _mishaps(each)]
    notes += [f"row {each.sequence}: {printable(each.flaw)}; see history --verify" for each in entries if each.flaw]
    if before is not None:
        notes.append(f"older ones: livefw history --before {before}")
    return "\n".join([table(rows), *notes])


def _row(each: Activation) -> tuple[str, ...]:
    first = each.first_row.body
    last = each.ending.body if each.ending else {}
    actor = first.get("actor") or {}
    login = actor.get("login")
    by = str(actor.get("user", "")) + (f" ({login})" if login and login != actor.get("user") else "")
    return (
        moment(each.first_row),
        label_of_row(each.first_row.component, first) or "(history)",
        printable(_outcome(each)),
        printable(_change(first, last)),
        f"{last['seconds']:.1f} s" if "seconds" in last else "-",
        printable(by),
        printable(str(first.get("reason") or "-")),
    )


def _outcome(each: Activation) -> str:
    if each.ending is None:
        return "unfinished"
    body = each.ending.body
    if each.ending.kind in _OF_ITSELF:
        return _OF_ITSELF[each.ending.kind].format_map(_Facts(body))
    if each.ending.kind is RowKind.UNKNOWN:
        return f"{each.ending.written_kind} (of another livefw)"
    if each.ending.kind is RowKind.SETTING:
        trouble = f" failed: {body['trouble']}" if body.get("trouble") else ""
        return f"set {body.get('setting')} to {str(body.get('value')).lower()}{trouble}"
    code = body.get("firmware_code") or (body.get("code") if body.get("outcome") == "refused" else None)
    asked = _ASKED.get(each.ending.kind, "") if body.get("outcome") != "staged" else ""
    outcome = body.get("outcome") or ("damaged" if each.ending.flaw else None)
    word = " (unconfirmed)" if body.get("confirmed") is False else f" ({code})" if code else ""
    return f"{asked}{outcome}{word}{'*' if body.get('reconciled') else ''}"


def _mishaps(entry: HistoryRow) -> list[str]:
    """What failed beside it, of a row that may hold anything."""
    kept = entry.body.get("mishaps")
    return [str(each.get("text")) for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []


class _Facts(dict[str, Any]):
    """Of a row that may lack some."""

    def __missing__(self, name: str) -> str:
        return "?"


_OF_ITSELF = {
    RowKind.ARCHIVED: "archived: rows from {first} on are in {file}",
    RowKind.SET_ASIDE: "continues {file}, which was damaged",
    RowKind.SCHEDULED: "scheduled for {at}",
}
"""Rows that are about no outcome."""
_ASKED = {RowKind.CANCELLATION: "cancel: ", RowKind.STAGED: "stage: "}
"""What was asked for, where it was no activation and the outcome alone does not tell."""


def _change(first: dict[str, Any], last: dict[str, Any]) -> str:
    old, announced, new = first.get("current_version"), first.get("pending_version"), last.get("current_version")
    if "sha256" in first:
        return str(first.get("version") or last.get("pending_version") or first.get("file"))
    if old and new and new != old and first is not last:
        return f"{old} -> {new}"
    if not (old and announced):
        return str(old or "-")
    open_end = first is not last and last.get("outcome") in (None, "unknown")
    return f"{old} -> {announced}?" if open_end else f"{old} (not {announced})"


def moment(entry: HistoryRow) -> str:
    """When it was written, in local time."""
    return f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M:%S}"


def document(each: Activation) -> dict[str, Any]:
    """An activation in JSON: the row that began it, and the one that ended it."""
    return {
        "component": each.first_row.component,
        "host": host_of(each.first_row.component) or None,
        "activation": each.first_row.activation,
        "intent": _entry(each.intent),
        "outcome": _entry(each.ending),
    }


def _entry(entry: HistoryRow | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "sequence": entry.sequence,
        "kind": entry.written_kind or entry.kind,
        "time": datetime.fromtimestamp(entry.time_ns / 1e9).astimezone().isoformat(timespec="milliseconds"),
        "hash": entry.hash,
        **({"flaw": entry.flaw} if entry.flaw else {}),
        **entry.body,
    }
