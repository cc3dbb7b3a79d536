# SPDX-License-Identifier: Apache-2.0
"""Rows of the journal: their kinds, how each is chained, how large it may be, and how a damaged one is read."""

import json
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple, Self


class RowKind(StrEnum):
    """What a row tells."""

    INTENT = "intent"
    """The write is about to be made."""
    OUTCOME = "outcome"
    """How the activation of an intent ended; exactly one for each intent, sooner or later."""
    REFUSAL = "refusal"
    """A check or the policy stood against it, and nothing was tried."""
    CANCELLATION = "cancellation"
    """Somebody had a mechanism abandon what was begun, or tried to."""
    SETTING = "setting"
    """A setting was changed because the policy wants it so."""
    STAGING = "staging"
    """An image is about to be handed over; an intent too."""
    STAGED = "staged"
    """How the hand-over ended; alone, without STAGING, where nothing was tried."""
    ARCHIVED = "archived"
    """Older rows were sealed in a file of their own, whose head this chain continues."""
    SET_ASIDE = "set-aside"
    """The file before this one was damaged, and is kept under another name; this chain continues it."""
    UNKNOWN = "unknown"
    """Of a later livefw; ``HistoryRow.written_kind`` says which."""


ENDINGS = {RowKind.INTENT: RowKind.OUTCOME, RowKind.STAGING: RowKind.STAGED}
"""Kinds of intents, and of the row that ends each."""


class HistoryRow(NamedTuple):
    """One row. ``activation`` joins an outcome to its intent; ``time_ns`` is the wall clock; ``body`` the facts.

    ``flaw`` says what of it cannot be read; that is left out of ``body`` then.
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


class Activation(NamedTuple):
    """An intent and its outcome, where there is one; every other kind of row stands alone, as an ending."""

    intent: HistoryRow | None
    ending: HistoryRow | None

    @property
    def first_row(self) -> HistoryRow:
        """The first row of it."""
        entry = self.intent or self.ending
        if entry is None:
            raise ValueError("an activation without a row")
        return entry


class Page(NamedTuple):
    """Activations, newest first. ``before`` asks `Journal.page` for the next older ones; None: there are none."""

    activations: list[Activation]
    before: int | None


class Head(NamedTuple):
    """The last row at one moment: kept elsewhere, it proves later that nothing before it was touched."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SEQUENCE:HASH``; ValueError for anything else."""
        number, _, found = text.partition(":")
        # No sequence has more digits: int() of a text without end takes as long as somebody wants it to.
        if not (number.isascii() and number.isdigit() and len(number) < 20 and is_hash(found)):
            raise ValueError(f"{text[:100]!r} is not SEQUENCE:HASH")
        return cls(int(number), found)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


NO_HEAD = Head(0, "")
"""What a chain begins with."""

ROWS = "SELECT sequence, kind, activation, component, time_ns, body, hash FROM entry"


def is_hash(text: object) -> bool:
    """Whether it is one of SHA-256, as it is written here."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def is_archive(text: str) -> bool:
    """Whether a file beside the history is called as an archive."""
    start, _, end = text.removeprefix("history-").removesuffix(".db").partition("-")
    return text == f"history-{start}-{end}.db" and all(each.isascii() and each.isdigit() for each in (start, end))


def digest(before: str, row: tuple[Any, ...]) -> str:
    """Hash of a row and all before it; each field with its length, so that none can lend a character to another."""
    fields = (before, *map(str, row))
    text = "".join(f"{len(field)}:{field}," for field in fields)
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def decode(raw: bytes) -> str:
    """Text of a database, in which there may be any bytes; `digest` takes it back to them."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that `decode` has read, to ask for them again: ``CAST(? AS TEXT)``."""
    return text.encode("utf-8", "surrogateescape")


# Bounds of what is written.

TEXT_LIMIT = 1000
"""Characters of one text. A reason comes from whoever may ask the daemon, and is kept for years: without a bound a
member of its group fills the disk with refusals."""
ROW_LIMIT = 64 * 1024
"""Bytes of all facts of a row. The reserve that is kept for an outcome has room for three of them."""
_KEPT_LAST = ("outcome", "code", "boot_id", "mark")
"""Never left out: what an intent is settled by, and how it ended."""


def bounded(body: dict[str, Any]) -> str:
    """Facts as they are written. What is too long is cut, and ``cut`` says how long each of those had been."""
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


# Reading what may be damaged.


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
"""How deep facts may be in one another: whoever tells them goes down by recursion. Ours are four deep."""
_LARGEST = 2**63
"""No number of ours is larger, and few programs read one that is."""


def _is_plain(value: Any, depth: int = _DEEPEST) -> bool:
    """Whether any program can be told it, in JSON: RFC 8259 has no infinity and no NaN."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_plain(each, depth - 1) for each in inner)
    return not isinstance(value, int | float) or -_LARGEST <= value < _LARGEST


_SHAPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("reason", "name", "current_version", "pending_version", "mark", "boot_id", "outcome", "code", "text"), _text
    ),
    **dict.fromkeys(
        ("witness", "firmware_code", "errno", "said", "file", "sha256", "uri", "archive", "version"), _text
    ),
    **dict.fromkeys(("setting", "trouble", "rendezvous", "announced"), _text),
    **dict.fromkeys(("pending", "reconciled", "copy", "confirmed"), _flag),
    **dict.fromkeys(("log", "warned", "ignore", "listed"), _texts),
    **dict.fromkeys(("ignored", "problems", "others"), _tables),
    **dict.fromkeys(("cost", "cut"), _facts),
    **dict.fromkeys(("actor", "lasting"), _facts_of_text),
    "aftermath": _aftermath,
    "seconds": _seconds,
}
"""Facts that somebody relies on, and what they look like. Others are shown as they are."""


def history_row(row: tuple[Any, ...]) -> HistoryRow:
    """A row of the table. Never an error: whoever asks for a hundred rows gets ninety-nine and one with its flaw."""
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
    """Facts that can be relied on, and what is wrong with the others."""
    try:
        facts = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        return {}, "its facts cannot be read"
    wrong = [name for name, value in facts.items() if not (_is_plain(value) and _SHAPES.get(name, _is_plain)(value))]
    kept = {name: value for name, value in facts.items() if name not in wrong}
    return kept, f"its {', '.join(wrong)} makes no sense" if wrong else ""
