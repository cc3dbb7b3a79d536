# SPDX-License-Identifier: Apache-2.0
"""What the metrics say of a machine, collected at one moment."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import NamedTuple, TypeVar

from livefw.activation import examination
from livefw.activation.history.journal import Damaged, HistoryRow, Journal, RowKind
from livefw.activation.history.tally import Stalls, outcome_label, stall_s
from livefw.activation.history.verify import verify_chain
from livefw.activation.host import Host
from livefw.activation.inventory import discovery
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.outcome import Outcome
from livefw.activation.policy import window
from livefw.activation.status_code import StatusCode
from livefw.errors import LivefwError
from livefw.providers.base import Component

T = TypeVar("T")

MOST = 500
"""Components in the metrics at most: firmware may list thousands, with other names each time."""
_BACK = 100
"""Rows of a component that are read to find its last success and its last measurement."""


class LastOutcome(NamedTuple):
    """How the last attempt on a component ended, and when (wall clock, ns)."""

    label: str
    code: str
    firmware_code: str
    time_ns: int


class WindowFigures(NamedTuple):
    """Whether a maintenance window is open, and when the next one opens (Unix time); None if none ever does."""

    is_open: bool
    next_opening_s: float | None


class HistoryFigures(NamedTuple):
    """What the history says, by component."""

    rows: int = 0
    outcomes: Mapping[tuple[str, str], int] = {}
    stalls: Mapping[str, Stalls] = {}
    last: Mapping[str, LastOutcome] = {}
    last_success_ns: Mapping[str, int] = {}
    last_stall_s: Mapping[str, float] = {}
    unfinished: tuple[str, ...] = ()


class Figures(NamedTuple):
    """One collection. ``components`` is None if the machine cannot be read, ``history`` if that cannot, ``window`` if
    there is none; ``bmcs`` says which management controllers answered. ``consistent`` is whether the history is what
    was written, None if nobody knows. ``error`` says why the machine cannot be read."""

    version: str
    time_s: float
    settings_valid: bool
    components: tuple[Component, ...] | None
    statuses: Mapping[str, StatusCode]
    bmcs: Mapping[str, bool]
    window: WindowFigures | None
    history: HistoryFigures | None
    consistent: bool | None
    omitted: int = 0
    error: LivefwError | None = None


def collect(host: Host, *, version: str, settings_valid: bool) -> Figures:
    """Look at the machine and its history. ``version`` is that of livefw. Nothing is raised for what cannot be read."""
    found, error = Inventory((), ()), None
    try:
        found = host.observe(discovery.take_inventory(host.providers))
    except LivefwError as caught:
        error = caught
    components = tuple(each.component for each in found.candidates)
    examined = examination.examine(host, found)
    history, consistent = _history(host, [each.key for each in components])
    return Figures(
        version,
        host.wall_ns() / 1e9,
        settings_valid,
        None if error else components[:MOST],
        {each.key: examined.status(each).code for each in components[:MOST]},
        {each.host: not each.silent for each in found.sources},
        _window(host),
        history,
        consistent,
        max(len(components) - MOST, 0),
        error,
    )


def _window(host: Host) -> WindowFigures | None:
    windows, now = host.policy.window, host.now()
    if not windows:
        return None
    opening = window.next_opening(windows, now)
    return WindowFigures(window.is_open(windows, now), opening.timestamp() if opening else None)


def _history(host: Host, listed: list[str]) -> tuple[HistoryFigures | None, bool | None]:
    """The figures of the history, and whether it is consistent."""
    try:
        journal = Journal.open_to_read(host.paths.state, host.paths.root)
        if journal is None:
            return HistoryFigures(), True
        with closing(journal):
            report = verify_chain(journal)
            return _counted(journal, listed, report.rows), not report.flaws
    except Damaged:
        return None, False
    except LivefwError:
        return None, None


def _counted(journal: Journal, listed: list[str], rows: int) -> HistoryFigures:
    counted = journal.tally()
    others = [key for key, _ in counted.outcomes if key not in set(listed)]
    keys = list(dict.fromkeys([*listed, *reversed(others)]))[:MOST]
    endings = {key: journal.recent(key, RowKind.OUTCOME, limit=_BACK) for key in keys}
    attempts = {key: [*rows[:1], *journal.recent(key, RowKind.REFUSAL, limit=1)] for key, rows in endings.items()}
    newest = {key: max(rows, key=lambda row: row.sequence) for key, rows in attempts.items() if rows}
    return HistoryFigures(
        rows,
        {label: count for label, count in counted.outcomes.items() if label[0] in set(keys)},
        counted.stalls,
        {key: _last(row) for key, row in newest.items()},
        _first_of(endings, lambda row: row.time_ns if row.body.get("outcome") == Outcome.ACTIVATED else None),
        _first_of(endings, stall_s),
        tuple(row.component for row in journal.unfinished()),
    )


def _last(row: HistoryRow) -> LastOutcome:
    code, firmware_code = (str(row.body.get(name) or "") for name in ("code", "firmware_code"))
    return LastOutcome(outcome_label(row), code, firmware_code, row.time_ns)


def _first_of(rows: Mapping[str, list[HistoryRow]], value: Callable[[HistoryRow], T | None]) -> dict[str, T]:
    """The first value of each component that is one."""
    found = (
        (key, next((each for row in of_one if (each := value(row)) is not None), None)) for key, of_one in rows.items()
    )
    return {key: each for key, each in found if each is not None}
