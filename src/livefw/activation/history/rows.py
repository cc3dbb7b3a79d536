# SPDX-License-Identifier: Apache-2.0
"""Rows of the journal: their kinds, chaining, bounds, and the reading of damaged ones."""

import json
import os
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple, Self


class RowKind(StrEnum):
    """What a row is about."""

    INTENT = "intent"
    """The mechanism is about to be asked."""
    OUTCOME = "outcome"
    """How the activation of an intent ended; exactly one for each intent in the end."""
    REFUSAL = "refusal"
    """A check or the policy blocked an activation, and nothing was tried."""
    CANCELLATION = "cancellation"
    """A mechanism was asked to cancel."""
    SETTING = "setting"
    """A setting was changed because the policy wants it."""
    STAGING = "staging"
    """An image is about to be handed over; an intent too."""
    STAGED = "staged"
    """How a staging ended; without STAGING if nothing was tried."""
    ARCHIVED = "archived"
    """Older rows were moved into a file of their own, whose head this chain continues."""
    SET_ASIDE = "set-aside"
    """The file before this one was damaged and renamed; this chain continues it."""
    PENDING = "pending"
    """An image became pending, was replaced by another, or is no longer pending; no activation."""
    SCHEDULED = "scheduled"
    """An activation was scheduled for later."""
    UNKNOWN = "unknown"
    """A kind of a newer livefw; see ``HistoryRow.written_kind``."""


ENDINGS = {RowKind.INTENT: RowKind.OUTCOME, RowKind.STAGING: RowKind.STAGED}
"""The kind of row that ends each kind of intent."""


class HistoryRow(NamedTuple):
    """One row. ``activation`` joins an outcome to its intent; ``time_ns`` is the wall clock; ``body`` are the fields.

    ``flaw`` says what of it cannot be read; those fields are not in ``body``.
    """

    sequence: int
    kind: RowKind
    activation: str
    component: str
    time_ns: int
    body: dict[str, Any]
    hash: str
    written_kind: str = ""
    flaw: str = ""


SHORT_ID = 8
"""Digits of an activation's id that are shown: with a million activations, one in 4,000 shares them with another."""


def new_id() -> str:
    """An id for an activation: 64 random bits in hexadecimal digits."""
    return os.urandom(8).hex()


def short_id(activation: str) -> str:
    """The beginning of an activation's id, by which people name it; `Journal.beginning` finds it."""
    return activation[:SHORT_ID]


class Activation(NamedTuple):
    """An intent and its outcome, if there is one. Every other kind of row stands alone, as an ending.

    ``own``: it is about the machine for which the history was opened.
    """

    intent: HistoryRow | None
    ending: HistoryRow | None
    own: bool = True

    @property
    def first_row(self) -> HistoryRow:
        """The first of its rows."""
        entry = self.intent or self.ending
        if entry is None:
            raise ValueError("an activation without a row")
        return entry


class HistoryPage(NamedTuple):
    """Activations, newest first. ``before`` is the argument of `Journal.page` for the next older page; None at the
    end."""

    activations: list[Activation]
    before: int | None


class Head(NamedTuple):
    """The last row at some time. If it is kept elsewhere, it proves later that no row before it was changed."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SEQUENCE:HASH``. ValueError for anything else."""
        number, _, found = text.partition(":")
        # No sequence has more digits, and int() of a very long text takes very long.
        if not (number.isascii() and number.isdigit() and len(number) < 20 and is_hash(found)):
            raise ValueError(f"{text[:100]!r} is not SEQUENCE:HASH")
        return cls(int(number), found)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


NO_HEAD = Head(0, "")
"""The head before the first row of a chain."""

ROWS = "SELECT sequence, kind, activation, component, time_ns, body, hash FROM entry"


def is_hash(text: object) -> bool:
    """Whether the text is a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def is_archive(text: str) -> bool:
    """Whether a file name is that of an archive."""
    start, _, end = text.removeprefix("history-").removesuffix(".db").partition("-")
    return text == f"history-{start}-{end}.db" and all(each.isascii() and each.isdigit() for each in (start, end))


def digest(before: str, row: tuple[Any, ...]) -> str:
    """The hash of a row and of all before it. Each field is preceded by its length, so that no two rows give the
    same text."""
    fields = (before, *map(str, row))
    text = "".join(f"{len(field)}:{field}," for field in fields)
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def decode(raw: bytes) -> str:
    """Text from a database, which may contain any bytes; `digest` restores them."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that `decode` has read, for ``CAST(? AS TEXT)`` in a query."""
    return text.encode("utf-8", "surrogateescape")


# Bounds for writing.

TEXT_LIMIT = 1000
"""Characters of one text. Members of the daemon's group choose the reason, and it is stored for years: without a
bound they could fill the disk with refusals."""
ROW_LIMIT = 64 * 1024
"""Bytes of all fields of a row. The space that is reserved for an outcome holds three of them."""
_KEPT_LAST = ("outcome", "code", "boot_id", "mark")
"""Never left out: the fields by which an intent is settled, and its outcome."""


def bounded(body: dict[str, Any]) -> str:
    """The JSON text of a body. Fields that are too long are cut, and ``cut`` has the original length of each."""
    cut: dict[str, int] = {}
    kept = {name: _short(value, name, cut) for name, value in body.items()}
    text = _dumps(kept | ({"cut": cut} if cut else {}))
    while len(text) > ROW_LIMIT:
        sizes = {name: len(_dumps(value)) for name, value in kept.items() if name not in _KEPT_LAST}
        largest = max(sizes, key=lambda name: sizes[name])
        cut[largest] = sizes[largest]
        kept[largest] = type(kept[largest])() if isinstance(kept[largest], list | dict | str) else None
        text = _dumps(kept | {"cut": cut})
    return text


def _short(value: Any, name: str, cut: dict[str, int]) -> Any:
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        cut[name] = max(len(value), cut.get(name, 0))
        note = f"... ({len(value):,} characters)"
        return value[: TEXT_LIMIT - len(note)] + note
    if isinstance(value, dict):
        return {key: _short(each, name, cut) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_short(each, name, cut) for each in value]
    return value


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


# Reading rows that may be damaged.


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _facts(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _facts_of_text(value: Any) -> bool:
    return _facts(value) and all(map(_text, (value or {}).values()))


def _aftermath(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    missing, old = value.get("missing", {}), value.get("old", {})
    return (
        _facts_of_text(old)
        and isinstance(missing, dict)
        and all(isinstance(each, dict) and _texts(each.get("keys", [])) for each in missing.values())
    )


_DEEPEST = 16
"""Levels of nesting at most, because readers recurse. Our rows have four."""
_LARGEST = 2**63
"""Our numbers are smaller, and few programs read larger ones."""
_ALWAYS_PLAIN = frozenset((str, bool, type(None)))
"""Nearly all values are, and each row of a history is read again by every activation: no call is made for these."""


def _is_plain(value: Any, depth: int = _DEEPEST) -> bool:
    """Whether the value can be written as JSON that every program reads: RFC 8259 has no infinity and no NaN."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(type(each) in _ALWAYS_PLAIN or _is_plain(each, depth - 1) for each in inner)
    return not isinstance(value, int | float) or -_LARGEST <= value < _LARGEST


_SHAPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("reason", "name", "host", "current_version", "pending_version", "mark", "boot_id", "outcome", "code", "text"),
        _text,
    ),
    **dict.fromkeys(
        ("witness", "firmware_code", "errno", "said", "file", "sha256", "uri", "archive", "version"), _text
    ),
    **dict.fromkeys(
        ("setting", "trouble", "rendezvous", "restart", "at", "unit", "announced", "seen_by", "driver"), _text
    ),
    "holds": _text,
    **dict.fromkeys(("pending", "reconciled", "copy", "confirmed"), _flag),
    **dict.fromkeys(("log", "warned", "ignore", "listed"), _texts),
    **dict.fromkeys(("ignored", "problems", "others"), _tables),
    **dict.fromkeys(("cost", "cut"), _facts),
    **dict.fromkeys(("actor", "lasting", "machine"), _facts_of_text),
    "aftermath": _aftermath,
    "seconds": _seconds,
}
"""Fields that readers depend on, and the check for each. Others are shown as they are."""


def history_row(row: tuple[Any, ...]) -> HistoryRow:
    """A row from the table. Never raises: a damaged row is returned with its flaw."""
    sequence, kind, activation, component, time_ns, body, written = row
    flaws = [
        f"its {name} is {type(value).__name__}"
        for name, value in zip(
            ("kind", "activation", "component", "hash"), (kind, activation, component, written), strict=True
        )
        if not isinstance(value, str)
    ]
    if not isinstance(time_ns, int):
        flaws.append(f"its time is {type(time_ns).__name__}")
        time_ns = 0
    facts, flaw = _body(body)
    flaws += [flaw] if flaw else []
    try:
        known = RowKind(kind)
    except ValueError:
        known = RowKind.UNKNOWN
    return HistoryRow(
        sequence,
        known,
        str(activation),
        str(component),
        time_ns,
        facts,
        str(written),
        str(kind) if known is RowKind.UNKNOWN else "",
        "; ".join(flaws),
    )


def _body(text: Any) -> tuple[dict[str, Any], str]:
    """The fields that can be relied on, and what is wrong with the others."""
    try:
        facts = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        return {}, "its facts cannot be read"
    wrong = [name for name, value in facts.items() if not _is_reliable(name, value)]
    if not wrong:
        return facts, ""
    kept = {name: value for name, value in facts.items() if name not in wrong}
    return kept, f"its {', '.join(wrong)} makes no sense"


def _is_reliable(name: str, value: Any) -> bool:
    shape = _SHAPES.get(name)
    return (type(value) in _ALWAYS_PLAIN or _is_plain(value)) and (shape is None or shape(value))
