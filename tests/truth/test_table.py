# SPDX-License-Identifier: Apache-2.0
"""Every cell of the verdict table, held against rules that are written down here once more and in other words.

The rules are what an administrator is promised: an outcome may be open, and may not be wrong.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from livefw.activation.outcome import Outcome
from livefw.activation.verdict.evidence import Boot, Evidence, Moved, ObservedReply, Pending, moved, of_attempt
from livefw.activation.verdict.judgement import judge, row_for
from livefw.activation.verdict.table import ACCEPTED_UNCONFIRMED, TABLE, UNCONFIRMED, VerdictRow
from livefw.providers.base import Claim, Component, Cost, Course, Flag, Measured, Reason, Reply, Trust, Version, Witness

ANOTHER_RUNS = {Moved.ARRIVED, Moved.CHANGED, Moved.ASTRAY}
NOT_ASKED = {ObservedReply.REFUSED, ObservedReply.DECLINED}
NOTHING_DONE = {Outcome.FAILED, Outcome.REFUSED, Outcome.CANCELLED}


VALUES: tuple[list[Any], ...] = (
    *(list(kind) for kind in (Boot, Moved, Measured, Pending, Flag, Witness)),
    *([True, False], list(ObservedReply), list(Trust), [False, True], [Course.CLEAN]),
)
"""The values of each piece of evidence; the course of a device matters only to the rows that name it (`_named`)."""


def _named(row: VerdictRow) -> list[list[Any]]:
    """What a row allows of each piece; all values where it says nothing."""
    return [sorted(getattr(row, name)) or values for name, values in zip(Evidence._fields, VALUES, strict=True)]


def cells() -> Iterator[Evidence]:
    """Every cell in which the course may decide, and every other one with a course that is clean."""
    for allowed in (VALUES, *(_named(row) for row in TABLE if row.course)):
        yield from (Evidence(*pieces) for pieces in product(*allowed))


def _arrived(seen: Evidence) -> bool:
    shown = seen.moved is Moved.ARRIVED and seen.measured is not Measured.UNCHANGED and seen.boot is Boot.SAME
    return shown and not (seen.contradicted and seen.answer not in NOT_ASKED)


def _proved(seen: Evidence) -> bool:
    cleared = seen.pending is Pending.CLEARED and seen.flag is Flag.PROVES
    return seen.moved in {Moved.ARRIVED, Moved.CHANGED, Moved.APPEARED} or seen.measured is Measured.CHANGED or cleared


RULES: dict[str, tuple[Callable[[Evidence], bool], set[Outcome]]] = {
    "a restart may have done it": (lambda e: e.boot is not Boot.SAME, set(Outcome) - {Outcome.UNKNOWN}),
    "another version runs than before": (lambda e: e.moved in ANOTHER_RUNS, NOTHING_DONE),
    "the announced version runs, and perhaps did not before": (lambda e: e.moved is Moved.APPEARED, NOTHING_DONE),
    "a measurement has changed": (lambda e: e.measured is Measured.CHANGED, NOTHING_DONE),
    "what was announced does not run": (lambda e: e.moved in {Moved.STALE, Moved.ASTRAY}, {Outcome.ACTIVATED}),
    "a measurement is unchanged": (lambda e: e.measured is Measured.UNCHANGED, {Outcome.ACTIVATED}),
    "the BMC of a linked component shows that something else runs": (
        lambda e: e.contradicted and e.answer not in NOT_ASKED,
        {Outcome.ACTIVATED, Outcome.FAILED},
    ),
    "the announced version runs": (_arrived, set(Outcome) - {Outcome.ACTIVATED}),
    "the image is not pending any more": (
        lambda e: e.pending is Pending.CLEARED,
        {Outcome.FAILED, Outcome.CANCELLED},
    ),
    "something was asked for": (
        lambda e: e.answer not in {ObservedReply.REFUSED, ObservedReply.DECLINED},
        {Outcome.REFUSED},
    ),
    "a log reports a success": (lambda e: e.witness is Witness.SUCCEEDED, {Outcome.REFUSED}),
    "it may be completed yet": (
        lambda e: e.witness is Witness.MAY_GO_ON,
        {Outcome.FAILED},
    ),
    "only words speak for it": (lambda e: not _proved(e), {Outcome.ACTIVATED}),
    "it may have been asked for": (lambda e: not e.complete or e.witness is not Witness.NONE, {Outcome.CANCELLED}),
}
"""What must not be concluded, from which evidence, and why."""


def broken(seen: Evidence, outcome: Outcome) -> Iterator[str]:
    """The rules that an outcome breaks, given what was seen."""
    return (why for why, (holds, wrong) in RULES.items() if outcome in wrong and holds(seen))


def test_no_cell_of_the_table_breaks_a_rule_and_every_row_has_a_use() -> None:
    untrue: list[tuple[str, Evidence, Outcome]] = []
    used: set[int] = set()
    places = {id(row): place for place, row in enumerate(TABLE)}
    for seen in cells():
        row = row_for(seen)
        used.add(places[id(row)])
        untrue += [(rule, seen, row.outcome) for rule in broken(seen, row.outcome)]
    assert untrue[:5] == []
    assert used == set(range(len(TABLE)))


def evidence(**pieces: object) -> Evidence:
    usual = Evidence(
        Boot.SAME,
        Moved.NOT_REPORTED,
        Measured.NOT,
        Pending.STILL,
        Flag.PROVES,
        Witness.NONE,
        complete=False,
        answer=ObservedReply.ACCEPTED,
        trust=Trust.FULL,
    )
    return usual._replace(**pieces)  # type: ignore[arg-type]  # names and values stand in the rows below


A, U, F, R = Outcome.ACTIVATED, Outcome.UNKNOWN, Outcome.FAILED, Outcome.REFUSED
ROWS = [
    ({"moved": Moved.ARRIVED, "pending": Pending.CLEARED}, A, "version-arrived"),
    # somebody else's activation got there, or nobody saw the end of ours
    ({"answer": ObservedReply.FAILED, "moved": Moved.ARRIVED, "pending": Pending.CLEARED}, A, "activated-otherwise"),
    ({"answer": ObservedReply.REFUSED, "moved": Moved.ARRIVED}, A, "activated-otherwise"),
    ({"answer": ObservedReply.LOST, "moved": Moved.ARRIVED}, A, "activated-otherwise"),
    # dell/iDRAC-Redfish-Scripting#160: the task is deleted some seconds after its end, and none was announced
    ({"answer": ObservedReply.LOST, "moved": Moved.CHANGED, "pending": Pending.CLEARED}, A, "version-changed"),
    ({"answer": ObservedReply.LOST, "moved": Moved.CHANGED}, U, "changed-otherwise"),
    ({"answer": ObservedReply.LOST, "moved": Moved.APPEARED, "pending": Pending.CLEARED}, U, "changed-otherwise"),
    # no version was told before, and the announced one is now
    ({"moved": Moved.APPEARED}, A, "version-arrived"),
    ({"moved": Moved.APPEARED, "answer": ObservedReply.FAILED}, U, "changed-otherwise"),
    # no version is told, and the flag clears after a success only
    ({"pending": Pending.CLEARED}, A, "activated"),
    ({"pending": Pending.CLEARED, "trust": Trust.DOUBTFUL}, A, "activated"),
    # TF-A 2.14 clears the flag of an RMM that failed, and says success
    ({"pending": Pending.CLEARED, "flag": Flag.PROVES_NOTHING}, U, UNCONFIRMED),
    # TF-A on FVP: the flag never clears, versions are not told; an agent that is gone looks the same
    ({"witness": Witness.SUCCEEDED}, U, UNCONFIRMED),
    ({"witness": Witness.NONE}, U, UNCONFIRMED),
    ({"witness": Witness.SUCCEEDED, "trust": Trust.DOUBTFUL}, U, UNCONFIRMED),
    ({"trust": Trust.DOUBTFUL}, U, "unproved-success"),
    # driver v1: a failure that is reported as a success
    ({"trust": Trust.DOUBTFUL, "witness": Witness.FAILED}, F, "false-success"),
    # one CPU failed and others did not, or a second writer succeeded, and the flag never clears
    ({"trust": Trust.DOUBTFUL, "witness": Witness.MAY_GO_ON}, U, "given-up"),
    ({"answer": ObservedReply.DECLINED, "witness": Witness.MAY_GO_ON}, U, "given-up"),
    ({"trust": Trust.DOUBTFUL, "witness": Witness.FAILED, "pending": Pending.CLEARED}, U, "failure-contradicts"),
    ({"trust": Trust.DOUBTFUL, "moved": Moved.UNMOVED, "pending": Pending.CLEARED}, U, "version-unmoved"),
    # a BMC that answers 204 and does nothing
    ({"trust": Trust.DOUBTFUL, "moved": Moved.STALE}, F, "false-success"),
    ({"trust": Trust.DOUBTFUL, "moved": Moved.STALE, "pending": Pending.CLEARED}, U, "version-contradicts"),
    ({"moved": Moved.STALE, "measured": Measured.UNCHANGED}, F, "false-success"),
    ({"measured": Measured.UNCHANGED, "pending": Pending.CLEARED}, U, "measurement-unchanged"),
    ({"moved": Moved.ARRIVED, "measured": Measured.UNCHANGED}, U, "measurement-contradicts"),
    ({"measured": Measured.CHANGED}, A, "measurement-changed"),
    # the component left the inventory with its activation, or cannot be read
    ({"pending": Pending.VANISHED}, U, UNCONFIRMED),
    ({"pending": Pending.UNREADABLE}, U, UNCONFIRMED),
    # another component was activated in its place
    ({"moved": Moved.ASTRAY, "pending": Pending.CLEARED}, U, "version-astray"),
    # a linked BMC keeps showing the old version, or shows the new one after a failure
    ({"moved": Moved.ARRIVED, "contradicted": True}, U, "inventory-contradicts"),
    ({"answer": ObservedReply.FAILED, "moved": Moved.STALE, "contradicted": True}, U, "inventory-contradicts"),
    ({"answer": ObservedReply.REFUSED, "contradicted": True}, R, "refused"),
    # a drive is read-only afterwards, was reset by the kernel, took longer than its MTFA, or failed Identify meanwhile
    ({"moved": Moved.ARRIVED, "course": Course.DAMAGED}, A, "arrived-with-damage"),
    ({"moved": Moved.ARRIVED, "course": Course.RESET}, A, "arrived-by-reset"),
    ({"moved": Moved.ARRIVED, "course": Course.LATE}, A, "arrived-late"),
    ({"moved": Moved.ARRIVED, "course": Course.SILENT}, A, "arrived-after-silence"),
    ({"moved": Moved.STALE, "trust": Trust.DOUBTFUL, "course": Course.DAMAGED}, F, "false-success"),
    # ceph-cm-ansible#866: the drive left PCIe for good, or its engine died and the drive is gone
    *(
        ({"answer": said, "pending": gone, "witness": Witness.FAILED, "course": Course.GONE}, F, "device-gone")
        for said in (ObservedReply.FAILED, ObservedReply.UNHEARD)
        for gone in (Pending.VANISHED, Pending.UNREADABLE)
    ),
    ({"answer": ObservedReply.REFUSED, "pending": Pending.VANISHED, "course": Course.GONE}, R, "refused"),
    # failures
    ({"answer": ObservedReply.FAILED, "moved": Moved.STALE, "witness": Witness.FAILED}, F, "failed"),
    ({"answer": ObservedReply.FAILED, "witness": Witness.FAILED}, F, "failed"),
    (
        {"answer": ObservedReply.FAILED, "pending": Pending.CLEARED, "witness": Witness.FAILED},
        U,
        "failed-but-not-pending",
    ),
    ({"answer": ObservedReply.FAILED, "witness": Witness.MAY_GO_ON}, U, "given-up"),
    ({"answer": ObservedReply.FAILED, "moved": Moved.CHANGED}, U, "changed-otherwise"),
    ({"answer": ObservedReply.FAILED, "pending": Pending.VANISHED}, U, "failed-and-not-seen"),
    # there is no flag: what is pending follows from the images that lie there (TDX)
    ({"answer": ObservedReply.FAILED, "pending": Pending.NO_FLAG, "witness": Witness.FAILED}, F, "failed"),
    # what was never asked, and what says so and is contradicted
    ({"answer": ObservedReply.REFUSED}, R, "refused"),
    ({"answer": ObservedReply.REFUSED, "pending": Pending.CLEARED}, R, "refused"),
    ({"answer": ObservedReply.REFUSED, "moved": Moved.ASTRAY}, U, "version-astray"),
    ({"answer": ObservedReply.DECLINED, "moved": Moved.STALE}, R, "refused"),
    ({"answer": ObservedReply.DECLINED, "pending": Pending.CLEARED}, U, "declined-but-not-pending"),
    ({"answer": ObservedReply.DECLINED, "witness": Witness.SUCCEEDED}, U, "refused-but-done"),
    ({"answer": ObservedReply.DECLINED, "witness": Witness.FAILED}, F, "declined-but-tried"),
]


@pytest.mark.parametrize(("pieces", "outcome", "code"), ROWS)
def test_evidence_decides(pieces: dict[str, object], outcome: Outcome, code: str) -> None:
    row = row_for(evidence(**pieces))
    assert (row.outcome, row.code) == (outcome, code)


V1, V2, V3 = Version("1.0", (1, 0)), Version("2.0", (2, 0)), Version("3.0", (3, 0))
GARBAGE, ZERO = Version("2.0", (2, 0), reliable=False), Version("0.0", reliable=False)


def component(current: Version | None, announced: Version | None = None, *, pending: bool | None = True) -> Component:
    return Component("p", "i", "n", current, pending, announced, Cost(None, None))


@pytest.mark.parametrize(
    ("before", "announced", "after", "became"),
    [
        (V1, "2.0", V2, Moved.ARRIVED),
        (V1, "2.0", V1, Moved.STALE),
        (V1, "2.0", V3, Moved.ASTRAY),
        (V1, "1.0", V1, Moved.SAME),  # the same version once more
        (V1, None, V1, Moved.UNMOVED),
        (V1, None, V2, Moved.CHANGED),
        (V1, "2.0.0", V2, Moved.ARRIVED),  # as an archive may write it
        (ZERO, None, ZERO, Moved.NOT_REPORTED),
        (ZERO, "2.0", V2, Moved.APPEARED),  # a firmware that begins to report, or a driver that looks anew
        (ZERO, "2.0", V3, Moved.ASTRAY),
        (None, "2.0", V2, Moved.NOT_REPORTED),
        (V1, "2.0", None, Moved.NOT_REPORTED),
        (V1, "2.0", ZERO, Moved.NOT_REPORTED),
    ],
)
def test_versions_as_evidence(
    before: Version | None, announced: str | None, after: Version | None, became: Moved
) -> None:
    seen = of_attempt(component(before), component(after), Claim(Reply.ACCEPTED), announced=announced)
    assert seen.moved is became


def test_a_component_that_is_gone_has_not_moved() -> None:
    assert moved("1.0", "2.0", None) is Moved.NOT_REPORTED


@pytest.mark.parametrize(
    ("pending", "became"), [(True, Pending.STILL), (False, Pending.CLEARED), (None, Pending.UNREADABLE)]
)
def test_pending_as_evidence(pending: bool | None, became: Pending) -> None:
    claim = Claim(Reply.ACCEPTED)
    assert of_attempt(component(V1), component(V1, pending=pending), claim, announced=None).pending is became
    assert of_attempt(component(V1), None, claim, announced=None).pending is Pending.VANISHED
    assert of_attempt(component(V1), None, claim, announced=None, readable=False).pending is Pending.UNREADABLE


def test_the_mechanisms_own_reason_is_told_where_the_table_adds_nothing() -> None:
    own = Reason("auth-error", "the image is not signed", "sign it")
    assert judge(evidence(answer=ObservedReply.FAILED), own=own, accept=False)[:2] == (F, own)
    found = judge(evidence(answer=ObservedReply.FAILED, moved=Moved.ARRIVED), own=own, accept=False)
    assert (found.outcome, found.why.code) == (A, "activated-otherwise")


def test_what_nothing_confirms_is_believed_only_where_the_settings_say_so() -> None:
    because = Reason("unconfirmed", "no version is reported", "ask the vendor")
    found = judge(evidence(), unconfirmed=because, accept=False)
    assert (found.outcome, found.why.code, found.why.hint) == (U, UNCONFIRMED, "ask the vendor")
    assert "no version is reported" in found.why.text
    found = judge(evidence(), unconfirmed=because, accept=True)
    assert (found.outcome, found.why.code) == (A, ACCEPTED_UNCONFIRMED)
    # and nothing else is believed for that
    for row in (row for row in TABLE if row.code != UNCONFIRMED):
        assert judge(_first(row), accept=True).outcome is row.outcome


def _first(row: VerdictRow) -> Evidence:
    """A cell that the row decides, among those that its sets allow."""
    return next(seen for seen in (Evidence(*each) for each in product(*_named(row))) if row_for(seen) is row)
