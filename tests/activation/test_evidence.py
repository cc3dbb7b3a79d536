# SPDX-License-Identifier: Apache-2.0
"""What each piece of evidence says: of versions, of the pending flag, of a restart, of what was answered."""

from typing import Any

import pytest

from livefw.activation.verdict.evidence import (
    Boot,
    Evidence,
    Moved,
    ObservedReply,
    Pending,
    moved,
    of_attempt,
    of_remains,
    pending,
)
from livefw.providers.base import Claim, Component, Cost, Flag, Measured, Memory, Reply, Trust, Version, Witness


def component(version: Version | None = None, *, pends: bool | None = False, flag: Flag = Flag.PROVES) -> Component:
    return Component("x", "y", "z", version, pends, None, Cost(None, None), flag=flag)


def runs(text: str, *, reliable: bool = True) -> Component:
    return component(Version(text, reliable=reliable))


@pytest.mark.parametrize(
    ("old", "announced", "after", "became"),
    [
        ("1.0", "1.1", runs("1.1"), Moved.ARRIVED),
        ("1.0", "1.9", runs("1.9.0"), Moved.ARRIVED),  # one version in two spellings
        ("1.0", None, runs("1.1"), Moved.CHANGED),
        ("1.0", "1.2", runs("1.1"), Moved.ASTRAY),
        ("1.0", "1.1", runs("1.0"), Moved.STALE),
        ("1.0", None, runs("1.0"), Moved.UNMOVED),
        ("1.0", "1.0", runs("1.0"), Moved.SAME),
        ("1.0.0", "1.0", runs("1.0.0"), Moved.SAME),
        ("", "1.1", runs("1.1"), Moved.APPEARED),
        ("", "1.2", runs("1.1"), Moved.ASTRAY),
        ("", None, runs("1.1"), Moved.NOT_REPORTED),
        (None, "1.1", runs("1.1"), Moved.NOT_REPORTED),
        ("1.0", "1.1", component(), Moved.NOT_REPORTED),
        ("1.0", "1.1", runs("1.1", reliable=False), Moved.NOT_REPORTED),
        ("", "1.1", component(), Moved.NOT_REPORTED),
        ("1.0", "1.1", None, Moved.NOT_REPORTED),
    ],
)
def test_what_became_of_the_version(
    old: str | None, announced: str | None, after: Component | None, became: Moved
) -> None:
    assert moved(old, announced, after) is became


@pytest.mark.parametrize(
    ("after", "became"),
    [
        (None, Pending.VANISHED),
        (component(pends=True), Pending.STILL),
        (component(pends=False), Pending.CLEARED),
        (component(pends=None), Pending.UNREADABLE),
        (component(pends=True, flag=Flag.ABSENT), Pending.NO_FLAG),
        (component(pends=True, flag=Flag.PROVES_NOTHING), Pending.STILL),
    ],
)
def test_what_became_of_the_pending_image(after: Component | None, became: Pending) -> None:
    assert pending(after) is became


def test_an_attempt_that_was_seen_to_its_end() -> None:
    claim = Claim(Reply.FAILED, Trust.DOUBTFUL, witness=Witness.MAY_GO_ON, measured=Measured.CHANGED)
    seen = of_attempt(runs("1.0"), runs("1.1"), claim, announced="1.1")
    assert seen == Evidence(
        boot=Boot.SAME,
        moved=Moved.ARRIVED,
        measured=Measured.CHANGED,
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        witness=Witness.MAY_GO_ON,
        complete=False,
        answer=ObservedReply.FAILED,
        trust=Trust.DOUBTFUL,
    )
    hidden = of_attempt(runs("1.0"), None, claim, announced="1.1", readable=False)
    assert (hidden.pending, hidden.moved) == (Pending.UNREADABLE, Moved.NOT_REPORTED)
    gone = of_attempt(runs("1.0"), None, claim, announced="1.1")
    assert gone.pending is Pending.VANISHED


@pytest.mark.parametrize(
    ("before", "after", "flag"),
    [
        (Flag.PROVES_NOTHING, Flag.PROVES, Flag.PROVES),
        (Flag.PROVES_NOTHING, None, Flag.PROVES_NOTHING),
        (Flag.PROVES, Flag.PROVES_NOTHING, Flag.PROVES),
        (Flag.ABSENT, Flag.ABSENT, Flag.ABSENT),
    ],
)
def test_whose_flag_counts(before: Flag, after: Flag | None, flag: Flag) -> None:
    now = None if after is None else component(flag=after)
    assert of_attempt(component(flag=before), now, Claim(Reply.ACCEPTED), announced=None).flag is flag


@pytest.mark.parametrize(
    ("version", "became"),
    [
        (Version("1.0"), Moved.ARRIVED),
        (Version("1.0", reliable=False), Moved.APPEARED),  # it has the means to tell one, and told none for sure
        (None, Moved.NOT_REPORTED),
    ],
)
def test_what_ran_before_counts_as_far_as_it_is_sure(version: Version | None, became: Moved) -> None:
    assert of_attempt(component(version), runs("1.1"), Claim(Reply.ACCEPTED), announced="1.1").moved is became


@pytest.mark.parametrize("said", Reply)
def test_each_answer_is_one(said: Reply) -> None:
    assert of_attempt(runs("1"), runs("1"), Claim(said), announced=None).answer == said.value


BODY = {"current_version": "1.0", "announced": "1.1", "boot_id": "a"}


def test_what_is_left_of_an_attempt() -> None:
    memory = Memory(witness=Witness.SUCCEEDED, complete=True)
    assert of_remains(BODY, runs("1.1"), memory, boot_id="a") == Evidence(
        boot=Boot.SAME,
        moved=Moved.ARRIVED,
        measured=Measured.NOT,
        pending=Pending.CLEARED,
        flag=Flag.PROVES,
        witness=Witness.SUCCEEDED,
        complete=True,
        answer=ObservedReply.UNHEARD,
        trust=Trust.FULL,
    )
    gone = of_remains(BODY, None, memory, boot_id="a")
    assert (gone.moved, gone.pending, gone.flag) == (Moved.NOT_REPORTED, Pending.VANISHED, Flag.PROVES_NOTHING)


@pytest.mark.parametrize(
    ("then", "now", "by_restart", "boot"),
    [
        ("a", "a", True, Boot.SAME),
        ("a", "b", True, Boot.OTHER),
        ("", "b", True, Boot.NOT_REPORTED),
        ("a", "", True, Boot.NOT_REPORTED),
        ("a", "b", False, Boot.SAME),  # a restart brings nothing in
        ("", "", False, Boot.SAME),
    ],
)
def test_whether_the_machine_was_restarted(then: str, now: str, by_restart: bool, boot: Boot) -> None:
    memory = Memory(by_restart=by_restart)
    assert of_remains({**BODY, "boot_id": then}, runs("1.1"), memory, boot_id=now).boot is boot


@pytest.mark.parametrize(
    ("body", "became"),
    [
        ({"current_version": "1.0", "pending_version": "1.1"}, Moved.ARRIVED),  # as it was written once
        ({"current_version": "1.0", "pending_version": "1.1", "announced": None}, Moved.CHANGED),
        ({"current_version": "1.0"}, Moved.CHANGED),
        ({}, Moved.NOT_REPORTED),
    ],
)
def test_what_was_announced_is_read_from_any_age(body: dict[str, Any], became: Moved) -> None:
    assert of_remains(body, runs("1.1"), Memory(), boot_id="a").moved is became
