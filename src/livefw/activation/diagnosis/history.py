# SPDX-License-Identifier: Apache-2.0
"""The history: whether it can be read and written, and what in it has not been resolved."""

import os
import shlex
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.history.journal import HistoryRow, Journal, RowKind
from livefw.activation.lock import machine_lock
from livefw.activation.outcome import Outcome
from livefw.errors import LivefwError, PermissionDenied
from livefw.providers.base import Reason

_NONE = Reason("no-history", "nothing was recorded yet in {directory}")
_ROWS = Reason("history", "{path} can be read; its newest row is {number}")
_UNREADABLE = Reason("history-unreadable", "the history cannot be used: {what}")
_UNFINISHED = Reason(
    "unfinished",
    "{name}: the {act} of {moment} has no outcome yet",
    "the next activation finds out what became of it; so does livefwd when it starts",
)
_UNKNOWN = Reason("outcome-unknown", "{name}: the outcome of {moment} is unknown: {why}")
_MORE = Reason("history-more", "{count} more like these")
_READ_ONLY = Reason("read-only", "{directory} is on a read-only file system, so nothing can be activated")
_FULL = Reason("disk-full", "{directory} has {left} left, so nothing can be activated")
_NEARLY_FULL = Reason("disk-nearly-full", "{directory} has {left} left")

_LEAST, _LITTLE = 1 << 20, 64 << 20
"""Bytes: less than the first do not hold the rows and the reserve of an activation; less than the second is little."""
_SHOWN = 5
_MOST_COMPONENTS = 1024


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about it."""
    state = scene.paths.state
    try:
        journal = Journal.open_to_read(state, scene.paths.root)
        if journal is None:
            yield line(LineState.ABSENT, _NONE.fill(directory=state))
        else:
            with closing(journal):
                yield from _of_journal(scene, journal)
    except PermissionDenied as error:
        bad = LineState.WARNING if scene.euid else LineState.ERROR
        yield line(bad, _UNREADABLE.fill(what=error.message), "sudo livefw doctor history" if scene.euid else "")
    except LivefwError as error:
        why = _UNREADABLE._replace(hint=error.hint).fill(what=error.message)
        yield line(LineState.ERROR, why, f"ls -la {shlex.quote(state)}")
    yield from _space(state)


def _of_journal(scene: Scene, journal: Journal) -> Iterator[DiagnosisLine]:
    yield line(LineState.OK, _ROWS.fill(number=journal.head().sequence, path=journal.path))
    if machine_lock.holder(scene.paths.lock, scene.paths.root) is None:  # else it is the one that runs
        yield from _some([_unfinished(row) for row in journal.unfinished()])
    newest = [journal.recent(key, RowKind.OUTCOME, limit=1) for key in journal.components()[:_MOST_COMPONENTS]]
    unknown = [row for rows in newest for row in rows if row.body.get("outcome") == Outcome.UNKNOWN]
    yield from _some([_unknown(row) for row in unknown])


def _unfinished(row: HistoryRow) -> DiagnosisLine:
    act = "staging" if row.kind is RowKind.STAGING else "activation"
    why = _UNFINISHED.fill(name=_name(row), act=act, moment=_moment(row))
    return line(LineState.WARNING, why, f"livefw history {shlex.quote(row.component)}")


def _unknown(row: HistoryRow) -> DiagnosisLine:
    reason: Any = row.body.get("reason")
    text = reason.get("text") if isinstance(reason, dict) else row.body.get("code", "")
    why = _UNKNOWN.fill(name=_name(row), moment=_moment(row), why=text)
    return line(LineState.WARNING, why, f"livefw show {shlex.quote(row.component)}")


def _some(lines: list[DiagnosisLine]) -> Iterator[DiagnosisLine]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield line(LineState.WARNING, _MORE.fill(count=len(lines) - _SHOWN), "livefw history")


def _space(directory: str) -> Iterator[DiagnosisLine]:
    """Of the file system that the history is on, or will be."""
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    try:
        found = os.statvfs(directory)
    except OSError:
        return
    left = found.f_bavail * found.f_frsize
    where = {"directory": directory, "left": f"{left / (1 << 20):.1f} MiB"}
    if found.f_flag & os.ST_RDONLY:
        yield line(LineState.ERROR, _READ_ONLY.fill(**where), f"findmnt -T {shlex.quote(directory)}")
    elif left < _LEAST:
        yield line(LineState.ERROR, _FULL.fill(**where), f"df -h {shlex.quote(directory)}")
    elif left < _LITTLE:
        yield line(LineState.WARNING, _NEARLY_FULL.fill(**where), f"df -h {shlex.quote(directory)}")


def _name(row: HistoryRow) -> str:
    return str(row.body.get("name") or row.component)


def _moment(row: HistoryRow) -> str:
    return f"{datetime.fromtimestamp(row.time_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"
