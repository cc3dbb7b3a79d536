# SPDX-License-Identifier: Apache-2.0
"""What a diagnosis consists of: blocks of lines, each with a state and at most one next command."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from livefw.providers.base import Finding, Reason, Severity


class LineState(StrEnum):
    """How it is, from good to bad."""

    ABSENT = "absent"
    """It is not here, and nothing is wrong."""
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    """Something that livefw needs here is broken."""


class DiagnosisLine(NamedTuple):
    """One line. ``command`` is a complete command, without the options that say which machine it is about."""

    state: LineState
    code: str
    text: str
    hint: str = ""
    command: str = ""
    lacks: str | None = None
    """As `Finding.lacks`."""


class DiagnosisBlock(NamedTuple):
    """All lines about one thing; ``mechanism`` if it is one."""

    name: str
    lines: tuple[DiagnosisLine, ...]
    mechanism: bool = False

    @property
    def state(self) -> LineState:
        """The worst state of its lines."""
        order = list(LineState)
        return max((line.state for line in self.lines), key=order.index, default=LineState.ABSENT)

    @property
    def lacks(self) -> str | None:
        """What it takes for a mechanism that is not here; empty if it can never be, None if it is here."""
        missing = [line.lacks for line in self.lines if line.lacks is not None]
        return next(filter(None, missing), "") if missing else None


def line(state: LineState, why: Reason, command: str = "") -> DiagnosisLine:
    """A line of a reason."""
    return DiagnosisLine(state, *why, command=command)


_STATES = {Severity.INFO: LineState.OK, Severity.WARNING: LineState.WARNING, Severity.ERROR: LineState.ERROR}
SEVERITIES = {state: severity for severity, state in _STATES.items()} | {LineState.ABSENT: Severity.INFO}
"""The severity of a finding, by state."""


def of_findings(findings: Iterable[Finding]) -> tuple[DiagnosisLine, ...]:
    """The lines of what a mechanism says of itself."""
    return tuple(
        DiagnosisLine(
            LineState.ABSENT if each.lacks is not None and each.severity is Severity.INFO else _STATES[each.severity],
            *each[1:],
        )
        for each in findings
    )
