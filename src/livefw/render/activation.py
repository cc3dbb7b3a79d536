# SPDX-License-Identifier: Apache-2.0
"""All that the history knows of one activation: the facts, in groups, for every form in which they are shown."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from livefw.abi.lfa import LfaStatus
from livefw.activation.history.rows import Activation, HistoryRow, RowKind, short_id
from livefw.activation.measure.meter import Measurement
from livefw.activation.measure.plot import caption, duration, svg
from livefw.render import attestation
from livefw.render.component import cpu_stop_of_row, raw_label_of_row
from livefw.text import printable


class FactGroup(NamedTuple):
    """Some facts with a title: pairs of a label and a text, and lines of a log. Texts may be those of a firmware."""

    title: str
    pairs: tuple[tuple[str, str], ...]
    lines: tuple[str, ...] = ()


def groups(each: Activation, *, image: Activation | None = None) -> list[FactGroup]:
    """The facts, without groups that have none; ``image`` is the staging of the image that was activated."""
    first, last = each.first_row, each.ending or each.first_row
    found: dict[str, list[tuple[str, str]]] = {title: [] for title in _TITLES}
    found[_WHAT] += _what(each)
    for fact in _FACTS:
        body = (first if fact.first else last).body
        if text := fact.text(body.get(fact.field)):
            found[fact.title].append((fact.label, text))
    if image:
        found[_IMAGE] += _image(image)
    found[_EVIDENCE][:0] = _firmware_code(last)
    found[_CHECKS] += _checks(first.body, last.body)
    found[COST] += _cost(last.body)
    found[_ROWS] += [(f"row {row.sequence}", _row(row)) for row in (each.intent, each.ending) if row]
    log = tuple(map(str, last.body.get("log") or ()))
    made = [FactGroup(title, tuple(pairs)) for title, pairs in found.items() if pairs]
    return [*made[:-1], *([FactGroup("Log of the mechanism", (), log)] if log else []), *made[-1:]]


def text(each: Activation, *, image: Activation | None = None) -> str:
    """All of it, for a person at a terminal."""
    found = groups(each, image=image)
    width = max(len(label) for group in found for label, _ in group.pairs)
    lines: list[str] = []
    for group in found:
        lines.append(group.title)
        lines += (f"  {label:{width}}  {printable(value)}" for label, value in group.pairs)
        lines += (f"  {printable(line)}" for line in group.lines)
    return "\n".join(lines)


def moment(row: HistoryRow) -> str:
    """When a row was written: ISO 8601 with milliseconds and the zone."""
    return datetime.fromtimestamp(row.time_ns / 1e9).astimezone().isoformat(sep=" ", timespec="milliseconds")


def name(each: Activation) -> str:
    """What a person knows the component by; it need not be printable."""
    row = each.first_row
    return raw_label_of_row(row.component, row.body) or row.component or "(history)"


def measurement(each: Activation) -> Measurement | None:
    """What it cost the CPUs; None if that was not measured, or makes no sense."""
    cost = each.ending.body.get("cost") if each.ending else None
    try:
        return Measurement.from_document(cost) if cost else None
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def picture(each: Activation, *, alone: bool = True) -> str | None:
    """Its stops of the CPUs as SVG, as in `livefw.activation.measure.plot.svg`; None as for `measurement`."""
    found = measurement(each)
    if found is None:
        return None
    first, last = each.first_row.body, each.ending.body if each.ending else {}
    versions = f"{first.get('current_version') or '?'} -> {last.get('current_version') or '?'}"
    lines = (f"versions: {versions}", f"{moment(each.first_row)}, activation {short_id(each.first_row.activation)}")
    return svg(found, title=f"{name(each)}: {outcome(each)}", lines=lines, alone=alone)


def outcome(each: Activation) -> str:
    """How it ended, in a few words, which need not be printable."""
    if each.ending is None:
        return "unfinished"
    body = each.ending.body
    word = body.get("outcome") or ("damaged" if each.ending.flaw else kind(each))
    unconfirmed = ", unconfirmed" if body.get("confirmed") is False else ""
    code = body.get("firmware_code") or (body.get("code") if word in ("refused", "unknown") else "")
    return f"{word}{unconfirmed}{f' ({code})' if code else ''}"


_WHAT, _WHO, _VERSIONS, _IMAGE = "Activation", "Who and why", "Versions", "Image"
_CHECKS, _OUTCOME, _EVIDENCE, COST = "Checks", "Outcome", "Evidence", "Cost to the CPUs"
_BESIDE, _ROWS = "Beside it", "Rows of the history"
_TITLES = (_WHAT, _WHO, _VERSIONS, _IMAGE, _CHECKS, _OUTCOME, _EVIDENCE, COST, _BESIDE, _ROWS)


def _plain(value: Any) -> str:
    return "" if value is None or value == "" else str(value)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else _plain(value)


def _reasons(value: Any) -> str:
    return "; ".join(_reason(each) for each in value) if isinstance(value, list) else ""


def _reason(value: Any) -> str:
    return f"{value.get('text')} ({value.get('code')})" if isinstance(value, dict) else ""


def _actor(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    login, user = value.get("login"), value.get("user")
    return f"{user}{f' (logged in as {login})' if login and login != user else ''}, by {value.get('face')}"


def _firmware_code(row: HistoryRow) -> Iterator[tuple[str, str]]:
    """With its number, where it is one of Arm's specification."""
    if code := row.body.get("firmware_code"):
        status = LfaStatus.__members__.get(str(code).removeprefix("LFA_")) if row.component.startswith("lfa:") else None
        yield "firmware code", f"{code}{f' ({int(status)})' if status is not None else ''}"


def _one_of(words: dict[Any, str]) -> Callable[[Any], str]:
    """For a value with few values: what to say for each, and for any other the value itself."""
    return lambda value: words.get(value, _plain(value)) if isinstance(value, str | bool | None) else ""


class _Fact(NamedTuple):
    title: str
    label: str
    field: str
    first: bool = False
    """Of the row that began it, and not of the one that ended it."""
    text: Callable[[Any], str] = _plain


_FACTS = (
    _Fact(_WHO, "by", "actor", first=True, text=_actor),
    _Fact(_WHO, "reason", "reason", first=True),
    _Fact(_WHO, "scheduled for", "at"),
    _Fact(_WHO, "timer", "unit"),
    _Fact(_VERSIONS, "ran before", "current_version", first=True),
    _Fact(_VERSIONS, "announced", "pending_version", first=True),
    _Fact(_VERSIONS, "attestation", "attestation", first=True, text=attestation.recorded),
    _Fact(_VERSIONS, "runs afterwards", "current_version"),
    _Fact(_VERSIONS, "that version", "copy", text=_one_of({True: "may be one from before", None: ""})),
    _Fact(_VERSIONS, "an image is pending", "pending", text=_one_of({True: "yes", False: "no", None: ""})),
    _Fact(_IMAGE, "file", "file", first=True),
    _Fact(_IMAGE, "archive", "archive", first=True),
    _Fact(_IMAGE, "version", "version", first=True),
    _Fact(_IMAGE, "bytes", "size", first=True),
    _Fact(_IMAGE, "SHA-256", "sha256", first=True),
    _Fact(_IMAGE, "fetched from", "uri", first=True),
    _Fact(_OUTCOME, "outcome", "outcome"),
    _Fact(_OUTCOME, "code", "code"),
    _Fact(_OUTCOME, "why", "text"),
    _Fact(_OUTCOME, "setting", "setting"),
    _Fact(_OUTCOME, "set to", "value", text=_one_of({True: "true", False: "false"})),
    _Fact(_OUTCOME, "that failed", "trouble"),
    _Fact(_OUTCOME, "lasting", "lasting", text=_reason),
    _Fact(_EVIDENCE, "reply of the mechanism", "said"),
    _Fact(_EVIDENCE, "second source", "witness"),
    _Fact(_EVIDENCE, "errno", "errno"),
    _Fact(_EVIDENCE, "confirmed", "confirmed", text=_one_of({False: "no: the reply alone reports it", None: ""})),
    _Fact(_EVIDENCE, "found out", "reconciled", text=_one_of({True: "by a later run", None: ""})),
    _Fact(_EVIDENCE, "state before", "stated", first=True),
    _Fact(_EVIDENCE, "expected cost", "rendezvous", first=True, text=cpu_stop_of_row),
    _Fact(_EVIDENCE, "expected cost", "restart", first=True, text=cpu_stop_of_row),
    _Fact(_EVIDENCE, "boot before", "boot_id", first=True),
    _Fact(_EVIDENCE, "boot afterwards", "boot_id"),
    _Fact(_BESIDE, "also changed", "others", text=_reasons),
    _Fact(_BESIDE, "failed beside it", "mishaps", text=_reasons),
    _Fact(_BESIDE, "components of the mechanism", "listed", first=True, text=_listed),
)
"""Every field of `livefw.activation.row_bodies` that is not in a function below, in the order in which it is shown."""

_KINDS = {
    RowKind.INTENT: "activation",
    RowKind.OUTCOME: "activation, of which only the outcome is here",
    RowKind.REFUSAL: "activation that was refused before anything was tried",
    RowKind.CANCELLATION: "cancellation",
    RowKind.SETTING: "change of a setting",
    RowKind.STAGING: "staging of an image",
    RowKind.STAGED: "staging of an image",
    RowKind.SCHEDULED: "activation that was scheduled for later",
    RowKind.ARCHIVED: "older rows were archived",
    RowKind.SET_ASIDE: "a damaged history was set aside",
}


def kind(each: Activation) -> str:
    """What it was, in words."""
    row = each.first_row
    return _KINDS.get(row.kind) or row.written_kind or str(row.kind)


def _what(each: Activation) -> Iterator[tuple[str, str]]:
    first, ending = each.first_row, each.ending
    yield "id", first.activation
    yield "kind", kind(each)
    if first.component:
        yield "component", first.component
    if known := first.body.get("name"):
        yield "name", str(known)
    yield "begun" if each.intent else "written", moment(first)
    if ending is None:
        yield "ended", "no: it is unfinished"
    elif each.intent:
        seconds = ending.body.get("seconds")
        yield "ended", moment(ending) + (f", {seconds:.3f} s after the request" if seconds is not None else "")


def _image(staging: Activation) -> Iterator[tuple[str, str]]:
    """Of an activation: the image that was staged for it."""
    for fact in _FACTS:
        if fact.title == _IMAGE and (value := fact.text(staging.first_row.body.get(fact.field))):
            yield fact.label, value
    yield "staged", f"{moment(staging.first_row)}, {short_id(staging.first_row.activation)}"


def _checks(first: dict[str, Any], last: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the checks found before it, and what was done about that."""
    seen: list[Any] = [*(first.get("ignored") or ()), *(last.get("problems") or ())]
    for problem in seen:
        if isinstance(problem, dict):
            yield _effect(problem), f"{problem.get('check')}: {problem.get('text')}"
    for name in first.get("warned") or ():
        yield "warned", str(name)
    if not seen and not first.get("warned") and "mark" in first:
        yield "all", "passed"
    if first.get("ignore"):
        yield "to be ignored", _listed(first["ignore"])


def _effect(problem: dict[str, Any]) -> str:
    if problem.get("ignored"):
        return "ignored"
    return "warned" if problem.get("weight") == "warning" else "blocked"


def _cost(last: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not (cost := last.get("cost")):
        return
    try:
        measured = Measurement.from_document(cost)
    except (ValueError, KeyError, TypeError, OverflowError):
        yield "measurement", "makes no sense"
        return
    yield "longest stop", caption(measured).removeprefix("longest ")
    for row in sorted(measured.rows, key=lambda row: -row.longest_ns)[:_SHOWN_CPUS]:
        yield f"CPU {row.cpus}"[:_LABEL], duration(row.longest_ns)
    if len(measured.rows) > _SHOWN_CPUS:
        yield "other CPUs", f"{len(measured.rows) - _SHOWN_CPUS} rows with shorter stops"


_SHOWN_CPUS = 8
_LABEL = 24


def _row(row: HistoryRow) -> str:
    flaw = f"; {row.flaw}" if row.flaw else ""
    cut = row.body.get("cut")
    shortened = f"; shortened: {', '.join(map(str, cut))}" if isinstance(cut, dict) and cut else ""
    return f"{row.written_kind or row.kind}, {moment(row)}, {row.hash}{flaw}{shortened}"
