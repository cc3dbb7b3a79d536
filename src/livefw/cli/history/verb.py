# SPDX-License-Identifier: Apache-2.0
"""``livefw history``."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

from livefw import reading
from livefw.activation.history.journal import KEEP, Activation, HistoryRow, Journal, RowKind
from livefw.cli.history.moment import when
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import Session, put
from livefw.errors import ExitCode, MechanismFailed, NothingToDo, TransportError, UsageError, kind_of
from livefw.text import printable, table

PAGE = 50
"""Activations that are shown where no number is asked for: what somebody looks through."""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to show, or what to do with it."""
    add = parser.add_argument
    add("component", nargs="?", metavar="COMPONENT", help="only this one: key, a beginning of its id, or name")
    add("--since", metavar="WHEN", help="from then on: 2026-11-23, 2026-11-23T04:00, or 12h, 7d ago")
    add("--until", metavar="WHEN", help="up to then")
    add("--limit", type=_number, metavar="N", help=f"the newest N (text: {PAGE}; --json: all)")
    add("--before", type=_number, metavar="ROW", help="the page before that row, as the last one told it")
    add("--file", metavar="FILE", help="this archive instead of the history")
    add("--verify", action="store_true", help="tell what proves that the history is what was written")
    add("--head", metavar="SEQUENCE:HASH", help="with --verify: a head that was kept elsewhere")
    add(
        "--archive",
        nargs="?",
        action="append",
        const="",
        metavar="FILE",
        help="move older rows into a file of their own; with --verify: an archive to look at as well",
    )
    add("--keep", type=_number, metavar="N", help=f"with --archive: the newest N stay ({KEEP})")
    add("--older", metavar="AGE", help="with --archive: what is older goes, such as 365d")
    add("--plot", metavar="FILE", help="draw what the last of them cost the CPUs, as SVG")
    paths.configure_state(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the history, verify it, or move a part of it."""
    _consistent(arguments)
    if arguments.archive and not arguments.verify:
        from livefw.cli.history import archive  # rarely wanted

        return archive.run(session, arguments)
    state = paths.where(session, arguments).state
    journal = Journal.open_file(arguments.file) if arguments.file else Journal.open_to_read(state)
    if journal is None:
        raise NothingToDo("there is no history here", hint="--state DIR, or LIVEFW_STATE, says where it is")
    with closing(journal):
        if arguments.verify:
            from livefw.cli.history import verify  # rarely wanted

            return verify.run(session, arguments, journal)
        asked = _asked(journal, arguments)
        if arguments.plot:
            return _plot(journal.walk(**asked), arguments.plot)
        return _show(session, journal, asked, arguments.limit)


def _consistent(arguments: argparse.Namespace) -> None:
    """`UsageError` for what cannot be meant together."""
    if arguments.head and not arguments.verify:
        raise UsageError("--head goes with --verify")
    archives = arguments.archive is not None and not arguments.verify
    if (arguments.keep is not None or arguments.older) and not archives:
        raise UsageError("--keep and --older go with --archive")
    if arguments.keep is not None and arguments.older:
        raise UsageError("--keep or --older; not both")
    if archives and arguments.file:
        raise UsageError("--archive is of the history, and --file another one")
    if archives and len(arguments.archive) > 1:
        raise UsageError("one --archive makes one archive")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and text.strip("0")):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of that kind")
    return int(text)


class _Filter(NamedTuple):
    before: int | None
    components: frozenset[str] | None
    since_ns: int | None
    until_ns: int | None


def _asked(journal: Journal, arguments: argparse.Namespace) -> dict[str, Any]:
    """What of it was asked for, as `Journal.walk` takes it."""
    since = None if arguments.since is None else when(arguments.since, option="--since")
    until = None if arguments.until is None else when(arguments.until, option="--until")
    word = arguments.component
    components = None if word is None else frozenset(_meant(journal, word.casefold()))
    return _Filter(arguments.before, components, since, until)._asdict()


def _meant(journal: Journal, word: str) -> Iterator[str]:
    """Keys of components that answer to a word; to a name, if the newest row about them has it."""
    for key in journal.components():
        newest = journal.page(1, components=[key]).activations
        if key and any(_is_meant(each.first_row, word) for each in newest):
            yield key


def _show(session: Session, journal: Journal, asked: dict[str, Any], limit: int | None) -> int:
    nothing = NothingToDo("nothing of that kind is in the history")
    if session.streams and limit is None:
        found = journal.walk(**asked)
        first = next(found, None)
        if first is None:
            raise nothing
        error = session.stream("history", map(_document, _and(first, found)), {"before": None})
        return kind_of(error).exit_code if error else ExitCode.DONE
    page = journal.page(PAGE if limit is None else limit, **asked)
    if not page.activations:
        raise nothing
    shown = {"history": [_document(each) for each in page.activations], "before": page.before}
    session.answer(lambda: _text(page.activations, page.before), lambda: shown)
    return ExitCode.DONE


def _and(first: Activation, others: Iterator[Activation]) -> Iterator[Activation]:
    yield first
    yield from others


def _is_meant(entry: HistoryRow, wanted: str) -> bool:
    key = entry.component.casefold()
    name = str(entry.body.get("name", "")).casefold()
    return bool(wanted) and (wanted == name or key.startswith(wanted) or key.partition(":")[2].startswith(wanted))


def _plot(found: Iterator[Activation], path: str) -> int:
    from livefw.activation.measure.meter import Measurement  # rarely wanted
    from livefw.activation.measure.plot import svg

    for each in found:
        cost = each.ending.body.get("cost") if each.ending else None
        if not cost:
            continue
        try:
            measured = Measurement.from_document(cost)
        except (ValueError, KeyError, TypeError) as error:
            raise MechanismFailed("the history's measurement makes no sense", hint="livefw history --verify") from error
        name = str(each.first_row.body.get("name") or each.first_row.component)
        picture = svg(measured, title=f"{printable(name)}, {_moment(each.first_row)}")
        if path == "-":
            put(sys.stdout, picture, end="")
            return ExitCode.DONE
        try:
            reading.write(path, picture.encode())
        except OSError as error:
            raise TransportError(f"{path} cannot be written: {error.strerror}") from error
        return ExitCode.DONE
    raise NothingToDo("nothing of that was measured")


_HEADING = ("WHEN", "NAME", "OUTCOME", "VERSION", "TOOK", "BY", "REASON")


def _text(found: list[Activation], before: int | None) -> str:
    rows: list[tuple[str, ...]] = [_HEADING]
    notes: list[str] = []
    later: int | None = None
    for each in found:
        rows.append(_row(each))
        if later is not None and each.first_row.time_ns > later:
            notes.append(f"the clock went back after {_moment(each.first_row)}; rows are in the order of writing")
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
        _moment(each.first_row),
        printable(str(first.get("name") or each.first_row.component or "(history)")),
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
    told = body.get("outcome") or ("damaged" if each.ending.flaw else None)
    word = " (unconfirmed)" if body.get("confirmed") is False else f" ({code})" if code else ""
    return f"{asked}{told}{word}{'*' if body.get('reconciled') else ''}"


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
    RowKind.SET_ASIDE: "goes on from {file}, which was damaged",
}
"""Rows about the history itself."""
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


def _moment(entry: HistoryRow) -> str:
    return f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M:%S}"


def _document(each: Activation) -> dict[str, Any]:
    return {
        "component": each.first_row.component,
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
