# SPDX-License-Identifier: Apache-2.0
"""Activations of the history, in a table and in JSON."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from livefw.activation.history.journal import Activation, HistoryRow, RowKind
from livefw.activation.history.origin import FIELD
from livefw.activation.history.rows import HistoryPage, short_id
from livefw.errors import ExitCode
from livefw.providers.declaration import host_of
from livefw.render.answer import Answer
from livefw.render.component import label_of_row
from livefw.render.cost import recorded_fields
from livefw.render.layout import Column
from livefw.render.listing import Listing
from livefw.text import printable

Item = Mapping[str, Any]


def answer(page: HistoryPage, *, again: str = "livefw history", rows: bool = False) -> Answer:
    """What `livefw history` answers for a page that has something; ``again`` is the command that asked for it.

    ``rows`` as in `document`.
    """
    return Answer.of(
        LISTING._replace(notes=lambda found: _notes(found, again)),
        lambda: {"history": [document(each, rows=rows) for each in page.activations], "before": page.before},
        ExitCode.DONE,
    )


def document(each: Activation, *, rows: bool = False) -> dict[str, Any]:
    """An activation in JSON: the row that began it, and the one that ended it.

    What is known of every request has the same place, whether anything was tried or not. ``rows``: with those of its
    measurement.
    """
    row = each.first_row
    return {
        "component": row.component,
        "name": row.body.get("name"),
        "host": host_of(row.component) or None,
        "activation": row.activation,
        "time": _time(row),
        "actor": row.body.get("actor"),
        "reason": row.body.get("reason"),
        "machine": row.body.get(FIELD),
        "own": each.own,
        "intent": _entry(each.intent, rows=rows),
        "outcome": _entry(each.ending, rows=rows),
    }


def _entry(entry: HistoryRow | None, *, rows: bool) -> dict[str, Any] | None:
    if entry is None:
        return None
    own = {
        "sequence": entry.sequence,
        "kind": entry.written_kind or entry.kind,
        "time": _time(entry),
        "hash": entry.hash,
        **({"flaw": entry.flaw} if entry.flaw else {}),
    }
    measured = {"cost": recorded_fields(entry.body["cost"], rows=rows)} if entry.body.get("cost") else {}
    return own | entry.body | measured | own  # the last word, and the first place


def _time(entry: HistoryRow) -> str:
    return datetime.fromtimestamp(entry.time_ns / 1e9).astimezone().isoformat(timespec="milliseconds")


def first_row(item: Item) -> dict[str, Any]:
    """The row that began it, or the only one."""
    found: dict[str, Any] = item["intent"] or item["outcome"]
    return found


def _when(item: Item) -> datetime:
    return datetime.fromisoformat(first_row(item)["time"])


def _moment(item: Item) -> str:
    """When it began: the time of a row of today, the date of an older one."""
    when = _when(item)
    return f"{when:%H:%M:%S}" if when.date() == datetime.now().astimezone().date() else f"{when:%Y-%m-%d}"


def _full_moment(item: Item) -> str:
    return f"{_when(item):%Y-%m-%d %H:%M:%S}"


def _name(item: Item) -> str:
    return label_of_row(item["component"], first_row(item)) or "(history)"


def _by(item: Item) -> str:
    actor = first_row(item).get("actor") or {}
    user, login = str(actor.get("user", "")), actor.get("login")
    return printable(user + (f" ({login})" if login and login != user else "")) or "-"


def _took(item: Item) -> str:
    seconds = (item["outcome"] or {}).get("seconds")
    return "-" if seconds is None else f"{seconds:.1f} s"


def _outcome(item: Item) -> str:
    ended = _ended(item["outcome"])
    return printable(ended if item["own"] else f"{ended} on {_machine(item) or 'another machine'}")


def _machine(item: Item) -> str:
    machine = item["machine"]
    found = machine if isinstance(machine, dict) else {}
    return printable(str(found.get("hostname") or found.get("machine_id") or found.get("root") or ""))


def _ended(row: Item | None) -> str:
    if row is None:
        return "unfinished"
    try:
        kind = RowKind(row["kind"])
    except ValueError:
        return f"{row['kind']} (of another livefw)"
    return _of_kind(kind, row)


def summary(item: Item) -> str:
    """All of it that fits a line."""
    ident = printable(short_id(item["activation"]))
    return ", ".join(filter(None, (_outcome(item), _full_moment(item), f"by {_by(item)}", ident)))


def _of_kind(kind: RowKind, row: Item) -> str:
    if kind in _OF_ITSELF:
        return _OF_ITSELF[kind].format_map(_Facts(row))
    if kind is RowKind.SCHEDULED:
        return f"scheduled for {str(row.get('at') or '?')[:16].replace('T', ' ')}"
    if kind is RowKind.SETTING:
        trouble = f" failed: {row['trouble']}" if row.get("trouble") else ""
        return f"set {row.get('setting')} to {str(row.get('value')).lower()}{trouble}"
    code = row.get("firmware_code") or (row.get("code") if row.get("outcome") == "refused" else None)
    asked = _ASKED.get(kind, "") if row.get("outcome") != "staged" else ""
    outcome = row.get("outcome") or ("damaged" if row.get("flaw") else None)
    word = " (unconfirmed)" if row.get("confirmed") is False else f" ({code})" if code else ""
    return f"{asked}{outcome}{word}{'*' if row.get('reconciled') else ''}"


_OUTCOME_STYLES = {
    "activated": "good",
    "staged": "good",
    "failed": "bad",
    "unknown": "bad",
    "refused": "notable",
    "cancelled": "notable",
}


def _outcome_style(item: Item) -> str:
    row = item["outcome"]
    return "bad" if row is None or row.get("flaw") else _OUTCOME_STYLES.get(str(row.get("outcome")), "")


class _Facts(dict[str, Any]):
    """Of a row that may lack some."""

    def __missing__(self, name: str) -> str:
        return "?"


_OF_ITSELF = {
    RowKind.ARCHIVED: "archived: rows from {first} on are in {file}",
    RowKind.SET_ASIDE: "continues {file}, which was damaged",
}
"""Rows about the history itself."""
_ASKED = {RowKind.CANCELLATION: "cancel: ", RowKind.STAGED: "stage: "}
"""What was asked for, where it was no activation and the outcome alone does not tell."""


def _change(item: Item) -> str:
    first, last = first_row(item), item["outcome"] or {}
    old, announced, new = first.get("current_version"), first.get("pending_version"), last.get("current_version")
    if "sha256" in first:
        return printable(str(first.get("version") or last.get("pending_version") or first.get("file")))
    if old and new and new != old and first is not last:
        return printable(f"{old} -> {new}")
    if not (old and announced):
        return printable(str(old or "-"))
    if first["kind"] == RowKind.SCHEDULED:
        return printable(f"{old} -> {announced}")
    open_end = first is not last and last.get("outcome") in (None, "unknown")
    return printable(f"{old} -> {announced}?" if open_end else f"{old} (not {announced})")


def _notes(found: Mapping[str, Any], again: str = "livefw history") -> Iterator[str]:
    """What the rows of the table do not say."""
    later: datetime | None = None
    for item in found["history"]:
        if later is not None and _when(item) > later:
            yield f"the clock went back after {_full_moment(item)}; rows are in the order of writing"
        later = _when(item)
    rows = [row for item in found["history"] for row in (item["intent"], item["outcome"]) if row]
    if not all(item["own"] for item in found["history"]):
        yield 'what is "on" another machine counts for nothing here; this directory has its rows as well'
    if any(row.get("reconciled") for row in rows):
        yield "* found out by a later run; the one that began it has not seen its end"
    yield from (f"row {row['sequence']}: besides: {printable(text)}" for row in rows for text in _mishaps(row))
    yield from (
        f"row {row['sequence']}: {printable(row['flaw'])}; see livefw history --verify" for row in rows if "flaw" in row
    )
    yield from older(found, again)


def older(found: Mapping[str, Any], again: str) -> Iterator[str]:
    """How to see the page before a page, if there is one."""
    if found["before"] is not None:
        yield f"older ones: {again} --before {found['before']}"


def _mishaps(row: Item) -> list[str]:
    """What failed beside it, of a row that may hold anything."""
    kept = row.get("mishaps")
    return [str(each.get("text")) for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []


def name_of(item: Item) -> str:
    """The word by which other commands know it; the number of the row where nothing was begun."""
    return printable(item["activation"]) or str(first_row(item)["sequence"])


WHEN = Column("WHEN", _moment, full=_full_moment, order=_when)
NAME = Column("NAME", _name, least=18)
MACHINE = Column("MACHINE", lambda item: _machine(item) or "-", wide=True)
ROW = Column("ROW", lambda item: str(first_row(item)["sequence"]), wide=True)
COMPONENT = Column("COMPONENT", lambda item: printable(item["component"]) or "-", wide=True)
LISTING = Listing(
    field="history",
    item="event",
    columns=(
        WHEN,
        NAME,
        Column("OUTCOME", _outcome, least=28, style=_outcome_style),
        Column("VERSION", _change, rank=3, least=14),
        Column("TOOK", _took, rank=6, order=lambda item: (item["outcome"] or {}).get("seconds") or 0.0),
        Column("BY", _by, rank=4, least=8),
        Column("ID", lambda item: printable(short_id(item["activation"])) or "-"),
        Column("REASON", lambda item: printable(str(first_row(item).get("reason") or "-")), rank=5, least=10),
        ROW,
        MACHINE,
        COMPONENT,
    ),
    name=name_of,
    notes=_notes,
)
