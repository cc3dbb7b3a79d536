# SPDX-License-Identifier: Apache-2.0
"""``livefw history``."""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from livefw.activation.journal import Activation, Entry, Head, Journal, Kind
from livefw.activation.measure import Measurement
from livefw.activation.outcome import Outcome
from livefw.activation.plot import svg
from livefw.cli import engine
from livefw.cli.session import Session, put
from livefw.errors import ExitCode, MechanismFailed, NothingToDo, TransportError, UsageError
from livefw.text import printable, table

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def configure(parser: argparse.ArgumentParser) -> None:
    """What to show, or what to do with it."""
    add = parser.add_argument
    add("component", nargs="?", metavar="COMPONENT", help="only this one: key, a beginning of its id, or name")
    add("--since", metavar="WHEN", help="from then on: 2026-11-23, 2026-11-23T04:00, or 12h, 7d ago")
    add("--verify", action="store_true", help="check that no row was changed, removed, added or moved")
    add(
        "--head", metavar="SEQUENCE:HASH", help="with --verify: what was kept elsewhere, as a proof that no end was cut"
    )
    add("--plot", metavar="FILE", help="draw what the last of them cost the CPUs, as SVG")
    engine.configure(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the history."""
    if arguments.head and not arguments.verify:
        raise UsageError("--head goes with --verify")
    journal = Journal.open_to_read(engine.where(session, arguments).state)
    if journal is None:
        raise NothingToDo("there is no history here", hint="--state DIR, or LIVEFW_STATE, says where it is")
    try:
        if arguments.verify:
            return _verify(session, journal, arguments.head)
        found = _chosen(journal, arguments)
        if arguments.plot:
            return _plot(found, arguments.plot)
        session.answer(lambda: _text(found), lambda: {"history": [_document(each) for each in found]})
    finally:
        journal.close()
    return ExitCode.DONE


def _chosen(journal: Journal, arguments: argparse.Namespace) -> list[Activation]:
    since = None if arguments.since is None else _when(arguments.since)
    found = journal.activations(since_ns=since)
    if arguments.component is not None:
        found = [each for each in found if _is_meant(each.entry, arguments.component.casefold())]
    if not found:
        raise NothingToDo("nothing of that kind is in the history")
    return found


def _is_meant(entry: Entry, wanted: str) -> bool:
    key = entry.component.casefold()
    name = str(entry.body.get("name", "")).casefold()
    return bool(wanted) and (wanted == name or key.startswith(wanted) or key.partition(":")[2].startswith(wanted))


def _when(text: str) -> int:
    """A moment in ns of the wall clock."""
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) < 8:
        moment = datetime.now().astimezone() - timedelta(seconds=int(number) * _UNITS[unit])
    else:
        try:
            moment = datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError) as error:
            raise UsageError(f"--since: {text!r} is no moment", hint="2026-11-23, 2026-11-23T04:00, 12h, 7d") from error
    return int(moment.timestamp() * 1e9)


def _verify(session: Session, journal: Journal, head: str | None) -> int:
    try:
        kept = Head.parse(head) if head else None
    except ValueError as error:
        raise UsageError(
            f"--head: {error}", hint="as --verify prints it, or LIVEFW_HEAD in the system journal"
        ) from error
    flaws = journal.verify(head=kept)
    now = journal.head()
    session.answer(
        lambda: "\n".join([*(f"row {flaw.sequence}: {flaw.text}" for flaw in flaws), *_verdict(flaws == [], now)]),
        lambda: {"whole": not flaws, "head": str(now), "flaws": [flaw._asdict() for flaw in flaws]},
    )
    return ExitCode.FAILED if flaws else ExitCode.DONE


def _verdict(whole: bool, head: Head) -> Iterator[str]:  # noqa: FBT001 - private, and named where it is called
    rows = f"{head.sequence} row{'' if head.sequence == 1 else 's'}"
    yield f"{rows}, all as they were written" if whole else f"{rows}; somebody, or a fault, has changed them"
    if whole:
        yield f"head {head}: keep it elsewhere, and --verify --head proves later that nothing before it was touched"


def _plot(found: list[Activation], path: str) -> int:
    for each in reversed(found):
        cost = each.ending.body.get("cost") if each.ending else None
        if not cost:
            continue
        try:
            measured = Measurement.from_document(cost)
        except (ValueError, KeyError, TypeError) as error:
            raise MechanismFailed("the history's measurement makes no sense", hint="livefw history --verify") from error
        name = str(each.entry.body.get("name") or each.entry.component)
        picture = svg(measured, title=f"{printable(name)}, {_moment(each.entry)}")
        if path == "-":
            put(sys.stdout, picture, end="")
            return ExitCode.DONE
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(picture)
        except OSError as error:
            raise TransportError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
        return ExitCode.DONE
    raise NothingToDo("nothing of that was measured")


_HEADING = ("WHEN", "NAME", "OUTCOME", "VERSION", "TOOK", "BY", "REASON")


def _text(found: list[Activation]) -> str:
    rows: list[tuple[str, ...]] = [_HEADING]
    notes, latest = [], 0
    for each in found:
        rows.append(_row(each))
        if each.entry.time_ns < latest:
            notes.append(f"the clock went back before {_moment(each.entry)}; rows are in the order of writing")
        latest = max(latest, each.entry.time_ns)
    if any(each.ending and each.ending.body.get("reconciled") for each in found):
        notes.append("* found out by a later run; the one that began it did not live to see it")
    return "\n".join([table(rows), *notes])


def _row(each: Activation) -> tuple[str, ...]:
    first = each.entry.body
    last = each.ending.body if each.ending else {}
    actor = first.get("actor") or {}
    login = actor.get("login")
    by = str(actor.get("user", "")) + (f" ({login})" if login and login != actor.get("user") else "")
    return (
        _moment(each.entry),
        printable(str(first.get("name") or each.entry.component)),
        printable(_outcome(each)),
        printable(_change(first, last)),
        f"{last['seconds']:.1f} s" if isinstance(last.get("seconds"), float) else "-",
        printable(by),
        printable(str(first.get("reason") or "-")),
    )


def _outcome(each: Activation) -> str:
    if each.ending is None:
        return "unfinished"
    body = each.ending.body
    if each.ending.kind is Kind.SETTING:
        trouble = f" failed: {body['trouble']}" if body.get("trouble") else ""
        return f"set {body.get('setting')} to {str(body.get('value')).lower()}{trouble}"
    code = body.get("firmware_code") or (body.get("code") if body.get("outcome") == "refused" else None)
    asked = _ASKED.get(each.ending.kind, "") if body.get("outcome") != Outcome.STAGED else ""
    return asked + str(body.get("outcome")) + (f" ({code})" if code else "") + ("*" if body.get("reconciled") else "")


_ASKED = {Kind.CANCELLATION: "cancel: ", Kind.STAGED: "stage: "}
"""What was asked for, where it was no activation and the outcome alone does not tell."""


def _change(first: dict[str, Any], last: dict[str, Any]) -> str:
    old, announced, new = first.get("current_version"), first.get("pending_version"), last.get("current_version")
    if "sha256" in first:
        return str(first.get("version") or last.get("pending_version") or first.get("file"))
    if old and new and new != old and first is not last:
        return f"{old} -> {new}"
    if not (old and announced):
        return str(old or "-")
    open_end = first is not last and last.get("outcome") in (None, Outcome.UNKNOWN)
    return f"{old} -> {announced}?" if open_end else f"{old} (not {announced})"


def _moment(entry: Entry) -> str:
    return f"{datetime.fromtimestamp(entry.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M:%S}"


def _document(each: Activation) -> dict[str, Any]:
    return {
        "component": each.entry.component,
        "activation": each.entry.activation,
        "intent": _entry(each.intent),
        "outcome": _entry(each.ending),
    }


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "sequence": entry.sequence,
        "kind": entry.kind,
        "time": datetime.fromtimestamp(entry.time_ns / 1e9).astimezone().isoformat(timespec="milliseconds"),
        "hash": entry.hash,
        **entry.body,
    }
