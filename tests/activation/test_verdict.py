# SPDX-License-Identifier: Apache-2.0
"""From evidence to outcome."""

from itertools import product

import pytest

from livefw.activation.outcome import Outcome
from livefw.activation.verdict import TABLE, Moved, Pending, Sight, judge, sight
from livefw.providers.base import Claim, Component, Cost, Reason, Said, Trust, Version, Witness

A, F, R, L = Said.ACCEPTED, Said.FAILED, Said.REFUSED, Said.LOST
FULL, DOUBT = Trust.FULL, Trust.DOUBTFUL
NONE, WON, LOST, LATE = Witness.NONE, Witness.SUCCEEDED, Witness.FAILED, Witness.MAY_GO_ON
CLEARED, STILL, DARK, GONE = Pending.CLEARED, Pending.STILL, Pending.UNREADABLE, Pending.VANISHED

ROWS = [
    # said, trust, witness, pending, moved -> outcome
    (R, FULL, NONE, STILL, Moved.SAME, Outcome.REFUSED),
    (L, FULL, NONE, CLEARED, Moved.ARRIVED, Outcome.UNKNOWN),
    # a plain success
    (A, FULL, WON, CLEARED, Moved.ARRIVED, Outcome.ACTIVATED),
    (A, FULL, NONE, CLEARED, Moved.UNTOLD, Outcome.ACTIVATED),
    # TF-A on FVP: the flag never clears, versions are not told
    (A, FULL, WON, STILL, Moved.UNTOLD, Outcome.ACTIVATED),
    (A, FULL, NONE, STILL, Moved.UNTOLD, Outcome.ACTIVATED),
    (A, DOUBT, WON, STILL, Moved.UNTOLD, Outcome.ACTIVATED),
    (A, DOUBT, NONE, STILL, Moved.UNTOLD, Outcome.UNKNOWN),
    # driver v1: a failure that is reported as a success
    (A, DOUBT, LOST, STILL, Moved.UNTOLD, Outcome.FAILED),
    (A, DOUBT, LOST, CLEARED, Moved.UNTOLD, Outcome.FAILED),
    (A, DOUBT, NONE, STILL, Moved.STALE, Outcome.FAILED),
    (A, DOUBT, NONE, STILL, Moved.SAME, Outcome.UNKNOWN),
    (A, DOUBT, LATE, STILL, Moved.UNTOLD, Outcome.FAILED),
    (A, DOUBT, LATE, CLEARED, Moved.UNTOLD, Outcome.UNKNOWN),
    (A, DOUBT, NONE, CLEARED, Moved.UNTOLD, Outcome.ACTIVATED),
    # a firmware that says yes and shows no
    (A, FULL, WON, CLEARED, Moved.STALE, Outcome.UNKNOWN),
    # the component left the inventory with its activation
    (A, FULL, WON, GONE, Moved.UNTOLD, Outcome.ACTIVATED),
    (A, DOUBT, NONE, GONE, Moved.UNTOLD, Outcome.UNKNOWN),
    (A, FULL, NONE, DARK, Moved.UNTOLD, Outcome.ACTIVATED),
    # failures
    (F, FULL, LOST, STILL, Moved.SAME, Outcome.FAILED),
    (F, FULL, NONE, STILL, Moved.STALE, Outcome.FAILED),
    (F, FULL, LOST, CLEARED, Moved.UNTOLD, Outcome.FAILED),  # TF-A 2.14 clears the flag after a failure too
    (F, FULL, LATE, STILL, Moved.SAME, Outcome.FAILED),
    (F, FULL, LATE, CLEARED, Moved.SAME, Outcome.UNKNOWN),  # the driver lost patience, the firmware may not have
    (F, FULL, NONE, CLEARED, Moved.SAME, Outcome.UNKNOWN),
    (F, FULL, NONE, CLEARED, Moved.ARRIVED, Outcome.ACTIVATED),  # somebody else's activation got there
]


@pytest.mark.parametrize(("said", "trust", "witness", "pending", "moved", "outcome"), ROWS)
def test_evidence_decides(
    said: Said, trust: Trust, witness: Witness, pending: Pending, moved: Moved, outcome: Outcome
) -> None:
    seen = Sight(said, trust, witness, pending, moved)
    assert next(row for row in TABLE if row.applies(seen)).outcome is outcome


def test_every_combination_has_a_verdict_and_every_row_a_use() -> None:
    used = {
        next(index for index, row in enumerate(TABLE) if row.applies(Sight(*evidence)))
        for evidence in product(Said, Trust, Witness, Pending, Moved)
    }
    assert used == set(range(len(TABLE)))


def test_nothing_but_evidence_makes_a_success() -> None:
    """Without an answer, or with a doubtful one and no other sign, nothing is called activated."""
    for evidence in product(Said, Trust, Witness, Pending, Moved):
        seen = Sight(*evidence)
        if next(row for row in TABLE if row.applies(seen)).outcome is not Outcome.ACTIVATED:
            continue
        arrived = seen.moved is Moved.ARRIVED
        answered = seen.said is Said.ACCEPTED
        sign = (
            seen.trust is Trust.FULL
            or seen.pending is Pending.CLEARED
            or seen.witness is Witness.SUCCEEDED
            or seen.moved in (Moved.CHANGED, Moved.ASTRAY)
        )
        assert seen.said in (Said.ACCEPTED, Said.FAILED)
        assert arrived or (answered and sign)


V1, V2, V3 = Version("1.0", (1, 0)), Version("2.0", (2, 0)), Version("3.0", (3, 0))
GARBAGE, ZERO = Version("2.0", (2, 0), sure=False), Version("0.0", sure=False)


def component(current: Version | None, announced: Version | None = None, *, pending: bool | None = True) -> Component:
    return Component("p", "i", "n", current, pending, announced, Cost(None, None))


@pytest.mark.parametrize(
    ("before", "announced", "after", "moved"),
    [
        (V1, V2, V2, Moved.ARRIVED),
        (V1, V2, V1, Moved.STALE),
        (V1, V2, V3, Moved.ASTRAY),
        (V1, V1, V1, Moved.SAME),  # the same version once more
        (V1, None, V1, Moved.SAME),
        (V1, None, V2, Moved.CHANGED),
        (V1, GARBAGE, V1, Moved.SAME),  # v1 of the LFA driver: what it announces may be garbage
        (V1, GARBAGE, V2, Moved.CHANGED),
        (ZERO, None, ZERO, Moved.UNTOLD),
        (None, V2, V2, Moved.UNTOLD),
        (None, V2, V3, Moved.UNTOLD),  # another than announced, but perhaps what ran before
        (V1, V2, None, Moved.UNTOLD),
        (V1, V2, ZERO, Moved.UNTOLD),
    ],
)
def test_versions_as_evidence(
    before: Version | None, announced: Version | None, after: Version | None, moved: Moved
) -> None:
    assert sight(component(before, announced), component(after), Claim(A)).moved is moved


@pytest.mark.parametrize(("pending", "seen"), [(True, STILL), (False, CLEARED), (None, DARK)])
def test_pending_as_evidence(pending: bool | None, seen: Pending) -> None:
    assert sight(component(V1), component(V1, pending=pending), Claim(A)).pending is seen
    assert sight(component(V1), None, Claim(A)).pending is GONE


def test_the_mechanisms_own_reason_is_told_where_there_is_one() -> None:
    own = Reason("auth-error", "the image is not signed", "sign it")
    assert judge(component(V1), component(V1), Claim(F, reason=own)) == (Outcome.FAILED, own)
    outcome, why = judge(component(V1, V2), component(V2, pending=False), Claim(F, reason=own))
    assert (outcome, why.code) == (Outcome.ACTIVATED, "activated-otherwise")
