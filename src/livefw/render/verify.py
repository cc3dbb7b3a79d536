# SPDX-License-Identifier: Apache-2.0
"""What proves the history, which flaws it has, and what is not proven, in text and in JSON."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from livefw.activation.history import seal
from livefw.activation.history.journal import Head
from livefw.activation.history.verify import HistoryReport
from livefw.errors import ExitCode
from livefw.render.answer import Answer
from livefw.text import printable


def answer(report: HistoryReport, keys: seal.Seal, *, kept: Sequence[Head] = ()) -> Answer:
    """What `livefw history --verify` answers; the exit code is that of a failure if there is a flaw.

    ``kept`` are the heads that it was given, each of which is a flaw unless it fits.
    """
    return Answer(
        lambda: "\n".join(lines(report, keys, kept=kept)),
        lambda: document(report, keys),
        ExitCode.DONE if report.is_consistent else ExitCode.FAILED,
    )


def lines(report: HistoryReport, keys: seal.Seal, *, kept: Sequence[Head] = ()) -> Iterator[str]:
    """What was found, for a person."""
    chain = report.chain
    for path, flaw in report.flaws:
        yield printable(f"{flaw}" if path == chain.path else f"{os.path.basename(path)}: {flaw}")
    rows = _count(chain.rows + sum(each.rows for each in report.archives), "row")
    beside = f" in {_count(len(report.archives) + 1, 'file')}" if report.archives else ""
    if not report.is_consistent:
        yield f"{rows}{beside}: NOT consistent, {_count(len(report.flaws), 'flaw')}"
        return
    heads = _count(report.anchored, "head")
    proven = f"anchored by {heads} in the system journal" if report.anchored else "with no anchor"
    sealed = _sealed(report, keys)
    yield f"{rows}{beside}: consistent; {proven}{'; ' if sealed else ''}{sealed}"
    for each in kept:
        yield _fits(each, report)
    yield from (f"not proven: {printable(each)}" for each in _unproven(report))
    yield f"head {chain.head}: keep it elsewhere; --verify --head proves later"
    yield "  that nothing up to it was touched"


def _fits(kept: Head, report: HistoryReport) -> str:
    if kept.sequence < report.chain.base.sequence or not kept.sequence:
        return printable(f"not compared: the head {kept}, whose row is not in {os.path.basename(report.chain.path)}")
    before = report.archives if not report.missing else []
    first = min(each.base.sequence for each in (*before, report.chain)) + 1
    unchanged = f"rows {first} to {kept.sequence} are" if first < kept.sequence else f"row {kept.sequence} is"
    return f"the head {kept} fits: {unchanged} unchanged"


def _sealed(report: HistoryReport, keys: seal.Seal) -> str:
    found = [each.sealed for each in (*report.archives, report.chain)]
    others = sum(each.other_keys for each in found)
    if not keys.keys:
        return f"{_count(others, 'row')} sealed, and no key is here to check" if others else ""
    first = next((each.first for each in found if each.first), 0)
    return f"sealed from row {first} on ({_count(sum(each.rows for each in found), 'row')})" if first else ""


def _unproven(report: HistoryReport) -> Iterator[str]:
    """What could not be looked at, or rests on nothing but the files themselves."""
    yield from report.missing
    if report.not_compared:
        yield f"{_count(report.not_compared, 'head')} of the system journal are of rows that are not here"
    if report.journal_error:
        yield report.journal_error
    if not report.anchored:
        yield "an account that can write the file can also write another consistent one"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def document(report: HistoryReport, keys: seal.Seal) -> dict[str, Any]:
    """The same in JSON."""
    chain, sealed = report.chain, report.chain.sealed
    return {
        "whole": report.is_consistent,
        "head": str(chain.head),
        "rows": chain.rows,
        "flaws": [flaw._asdict() | {"file": path} for path, flaw in report.flaws],
        "anchors": {
            "compared": report.anchored,
            "not_compared": report.not_compared,
            "trouble": report.journal_error or None,
        },
        "seal": {"has_key": bool(keys.keys), **sealed._asdict()},
        "archives": [
            {"file": each.path, "first": each.base.sequence + 1, "head": str(each.head), "rows": each.rows}
            for each in report.archives
        ],
        "not_proven": [*_unproven(report)],
    }
