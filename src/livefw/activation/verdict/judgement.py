# SPDX-License-Identifier: Apache-2.0
"""The verdict on one attempt: the first row of the table that applies, and the reasons that go with it."""

from typing import NamedTuple

from livefw.activation.outcome import Outcome
from livefw.activation.verdict.evidence import Evidence
from livefw.activation.verdict.table import ACCEPTED_UNCONFIRMED, TABLE, UNCONFIRMED, VerdictRow
from livefw.providers.base import Reason

_PLAIN = frozenset({"refused", "lost", "failed"})
"""Codes for which the mechanism's own reason says more."""


class Verdict(NamedTuple):
    """An outcome, the reason, and whether the version that is shown may be out of date."""

    outcome: Outcome
    why: Reason
    copy: bool = False


def row_for(seen: Evidence) -> VerdictRow:
    """The row that decides."""
    return next(row for row in TABLE if row.applies(seen))


def judge(seen: Evidence, *, own: Reason | None = None, unconfirmed: Reason | None = None, accept: bool) -> Verdict:
    """The outcome and its reason.

    ``own`` is the mechanism's reason; it is used if the table has nothing to add. ``unconfirmed`` is why the mechanism
    cannot confirm a success. ``accept``: the settings accept a success without confirmation.
    """
    row = row_for(seen)
    if row.code in _PLAIN and own:
        return Verdict(row.outcome, own, row.copy)
    if row.code != UNCONFIRMED:
        return Verdict(row.outcome, Reason(row.code, row.text, row.hint), row.copy)
    because = f"{row.text}: {unconfirmed.text}" if unconfirmed else row.text
    if accept:
        return Verdict(Outcome.ACTIVATED, Reason(ACCEPTED_UNCONFIRMED, f"{because}; the settings accept that"))
    return Verdict(Outcome.UNKNOWN, Reason(UNCONFIRMED, because, unconfirmed.hint if unconfirmed else row.hint))
