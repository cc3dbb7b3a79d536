# SPDX-License-Identifier: Apache-2.0
"""What needs a person, and what does not any more: by the last outcome, open intents, notes and settings."""

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.activation import attention
from livefw.activation.attention import AttentionKind
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.lock.machine_lock import LockHolder
from livefw.providers.base import Component, Cost, Reason, Version

KEY = "lfa:one"


def component(*, current: str = "1.0", pending: bool = True) -> Component:
    return Component("lfa", "one", "TF-RMM", Version(current), pending, Version("1.1"), Cost(None, None))


def inventory(*components: Component, notes: tuple[Reason, ...] = ()) -> Inventory:
    provider: Any = None
    return Inventory(tuple(Candidate(provider, each) for each in components), (), notes)


class Case(NamedTuple):
    """The last outcome of a component, how it is now, and what of it needs a person."""

    body: dict[str, Any]
    now: Component
    wanted: AttentionKind | None


CASES = {
    "activated": Case({"outcome": "activated", "current_version": "1.1"}, component(current="1.1"), None),
    "activated, and something confirms it": Case(
        {"outcome": "activated", "confirmed": True, "current_version": "1.1"}, component(current="1.1"), None
    ),
    "activated, unconfirmed": Case(
        {"outcome": "activated", "confirmed": False, "current_version": "1.1"},
        component(current="1.1", pending=False),
        AttentionKind.UNCONFIRMED,
    ),
    "unconfirmed, and another version runs now": Case(
        {"outcome": "activated", "confirmed": False, "current_version": "1.1"}, component(current="1.2"), None
    ),
    "failed, and still pending": Case(
        {"outcome": "failed", "current_version": "1.0"}, component(), AttentionKind.FAILED
    ),
    "failed, and nothing is pending any more": Case(
        {"outcome": "failed", "current_version": "1.0"}, component(pending=False), None
    ),
    "failed, and another version runs now": Case(
        {"outcome": "failed", "current_version": "1.0"}, component(current="1.1"), None
    ),
    "unknown": Case({"outcome": "unknown", "current_version": None}, component(), AttentionKind.UNKNOWN),
    "unknown, and nothing is pending": Case(
        {"outcome": "unknown", "current_version": "1.0"}, component(pending=False), AttentionKind.UNKNOWN
    ),
    "refused": Case({"outcome": "refused"}, component(), None),
    "cancelled": Case({"outcome": "cancelled"}, component(), None),
    "of another livefw": Case({"outcome": "levitated"}, component(), None),
    "damaged": Case({}, component(), None),
}


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with closing(Journal.open(str(tmp_path))) as journal:
        yield journal


@pytest.mark.parametrize("name", CASES)
def test_the_last_outcome_of_a_component(journal: Journal, name: str) -> None:
    case = CASES[name]
    for body in ({"outcome": "failed", "current_version": "0.9"}, case.body):
        journal.end(journal.begin(KEY, {}), KEY, body)
    found = attention.find(inventory(case.now), rows=journal)
    assert [each.kind for each in found] == ([case.wanted] if case.wanted else [])
    for each in found:
        assert each.component == case.now
        assert each.command == f"livefw history {KEY}"
        assert each.since


@pytest.mark.parametrize(
    ("holder", "wanted"),
    [
        (None, [AttentionKind.UNFINISHED]),
        (LockHolder(1, KEY, "root", 0), []),
        (LockHolder(1, "", "root", 0), []),
        (LockHolder(1, "lfa:two", "root", 0), [AttentionKind.UNFINISHED]),
    ],
)
def test_an_intent_without_an_outcome(journal: Journal, holder: LockHolder | None, wanted: list[AttentionKind]) -> None:
    journal.begin(KEY, {}, kind=RowKind.INTENT)
    found = attention.find(inventory(component()), rows=journal, unfinished=journal.unfinished(), holder=holder)
    assert [each.kind for each in found] == wanted


def test_an_intent_about_a_component_that_is_gone_is_not_forgotten(journal: Journal) -> None:
    journal.begin("lfa:gone", {})
    (found,) = attention.find(inventory(component()), rows=journal, unfinished=journal.unfinished())
    assert (found.kind, found.component, found.command) == (AttentionKind.UNFINISHED, None, "livefw history")
    assert "lfa:gone" in found.text


def test_the_most_urgent_comes_first(journal: Journal) -> None:
    journal.end(journal.begin(KEY, {}), KEY, {"outcome": "unknown"})
    silent = Reason("unreachable", "rack2 does not answer")
    found = attention.find(
        inventory(component(), notes=(silent, Reason("other", "a remark"))),
        rows=journal,
        unmatched=[UnmatchedPattern("deny", "rmmm")],
    )
    assert [each.kind for each in found] == [
        AttentionKind.UNKNOWN,
        AttentionKind.UNREACHABLE,
        AttentionKind.SETTINGS,
    ]
    assert found[1].text == "rack2 does not answer"
    assert "rmmm" in found[2].text
