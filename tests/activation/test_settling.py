# SPDX-License-Identifier: Apache-2.0
"""What is concluded about an intent without an outcome, and what the LFA provider remembers for it."""

import errno
from typing import Any

import pytest

from livefw.activation.inventory import side_effects
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.outcome import Outcome
from livefw.activation.verdict import evidence
from livefw.activation.verdict.judgement import judge
from livefw.activation.verdict.staging import judge_staging
from livefw.errors import PermissionDenied, TransportError
from livefw.providers.base import Component, Cost, Memory, Rendezvous, Version, Witness
from livefw.providers.fake import FakeResult
from livefw.providers.lfa.fake import RMM, FakeLfa

INTENT = {"boot_id": "b", "current_version": "1.0", "pending_version": "1.2"}


def component(current: str | None, *, pending: bool | None = True, reliable: bool = True, **more: Any) -> Component:
    version = Version(current, (), reliable) if current else None
    return Component("lfa", "x", "x", version, pending, None, Cost(Rendezvous.REQUIRED, None))._replace(**more)


CASES: list[tuple[str, dict[str, Any], Component | None, Memory, str, tuple[str, str]]] = [
    (
        "log",
        INTENT,
        component("1.2", pending=False),
        Memory(Witness.SUCCEEDED),
        "b",
        ("activated", "version-arrived"),
    ),
    ("version", INTENT, component("1.2"), Memory(), "b", ("activated", "version-arrived")),
    ("failure", INTENT, component("1.0"), Memory(Witness.FAILED, "AUTH_ERROR"), "b", ("failed", "log-tells-failure")),
    ("late", INTENT, component("1.0"), Memory(Witness.MAY_GO_ON), "b", ("unknown", "given-up")),
    ("late, gone", INTENT, component("1.0", pending=False), Memory(Witness.MAY_GO_ON), "b", ("unknown", "given-up")),
    ("no trace", INTENT, component("1.0"), Memory(complete=True), "b", ("cancelled", "not-asked")),
    ("log cut", INTENT, component("1.0"), Memory(complete=False), "b", ("unknown", "no-evidence")),
    ("withdrawn", INTENT, component("1.0", pending=False), Memory(complete=True), "b", ("unknown", "no-evidence")),
    ("vanished", INTENT, None, Memory(complete=True), "b", ("unknown", "no-evidence")),
    ("another version", INTENT, component("1.1"), Memory(complete=True), "b", ("unknown", "version-astray")),
    # What runs counts before what a log tells, and before that nothing was asked: it is not what was to be activated.
    ("another version, late", INTENT, component("1.1"), Memory(Witness.MAY_GO_ON), "b", ("unknown", "version-astray")),
    ("another version, failed", INTENT, component("1.1"), Memory(Witness.FAILED), "b", ("unknown", "version-astray")),
    ("another version, log", INTENT, component("1.1"), Memory(Witness.SUCCEEDED), "b", ("unknown", "version-astray")),
    *(
        (
            f"nothing announced, {witness}",
            INTENT | {"pending_version": None},
            component("1.1", pending=pending),
            Memory(witness, complete=True),
            "b",
            ("activated", "version-changed"),
        )
        for witness in Witness
        for pending in (True, False, None)
    ),
    *(
        (
            f"version the same, late, {pending}",
            INTENT | {"pending_version": None},
            component("1.0", pending=pending),
            Memory(Witness.MAY_GO_ON, complete=True),
            "b",
            ("unknown", "given-up"),
        )
        for pending in (True, False, None)
    ),
    ("unsure version", INTENT, component("1.2", reliable=False), Memory(), "b", ("unknown", "no-evidence")),
    ("restarted", INTENT, component("1.2", pending=False), Memory(Witness.SUCCEEDED), "c", ("unknown", "restarted")),
    ("boot not told", INTENT | {"boot_id": ""}, component("1.2"), Memory(), "", ("unknown", "boot-not-reported")),
    ("empty body", {}, component("1.0"), Memory(complete=True), "b", ("unknown", "boot-not-reported")),
    ("restart does nothing", INTENT, component("1.2"), Memory(by_restart=False), "c", ("activated", "version-arrived")),
    (
        "own announcement",
        INTENT | {"announced": "1.3"},
        component("1.3"),
        Memory(),
        "b",
        ("activated", "version-arrived"),
    ),
    ("stale", INTENT, component("1.0", pending=False), Memory(Witness.SUCCEEDED), "b", ("unknown", "no-evidence")),
    (
        "failure, cleared",
        INTENT,
        component("1.0", pending=False),
        Memory(Witness.FAILED),
        "b",
        ("unknown", "no-evidence"),
    ),
    (
        "no versions at all",
        {"boot_id": "b"},
        component(None),
        Memory(complete=True),
        "b",
        ("cancelled", "not-asked"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_machine_decides(case: Any) -> None:
    _, body, after, memory, boot_id, expected = case
    found = judge(evidence.of_remains(body, after, memory, boot_id=boot_id), accept=False)
    assert (found.outcome, found.why.code) == expected
    assert found.why.hint or found.outcome is not Outcome.UNKNOWN


def test_the_provider_remembers_what_the_log_says() -> None:
    bench = FakeLfa()
    bench.add()
    bench.files.say("before")
    mark = bench.provider.mark()
    assert bench.provider.recall(RMM, mark) == Memory(complete=True)
    bench.files.say("Arm LFA: LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR")
    found = bench.provider.recall(RMM, mark)
    assert (found.witness, found.firmware_code, found.complete) == (Witness.FAILED, "AUTH_ERROR", True)
    bench.files.say("Arm LFA: TF-RMM: successfully activated")
    later = bench.provider.mark()
    assert bench.provider.recall(RMM, later) == Memory(complete=True)


@pytest.mark.parametrize("mark", ["", "x", "-", "--1", "1.5", "²", "99999999"])
def test_a_mark_of_another_boot_or_none_is_no_evidence(mark: str) -> None:
    bench = FakeLfa()
    bench.add()
    bench.files.say("something")
    assert bench.provider.recall(RMM, mark) == Memory()


def test_a_log_that_lost_records_is_not_complete() -> None:
    bench = FakeLfa()
    bench.add()
    for number in range(5):
        bench.files.say(f"line {number}")
    del bench.files.log[:3]
    assert bench.provider.recall(RMM, "1").complete is False
    assert bench.provider.recall(RMM, "2").complete is True


@pytest.mark.parametrize(("setting", "on"), [("auto_activate", True), ("force_cpu_rendezvous", False)])
def test_a_setting_is_written(setting: str, on: bool) -> None:
    bench = FakeLfa()
    bench.add()
    bench.provider.configure(RMM, setting, on=on)
    assert bench.files.writes == [(bench.path(setting), b"1\n" if on else b"0\n")]


def test_only_settings_are_written() -> None:
    bench = FakeLfa()
    bench.add(driver="v1")
    for setting in ("activate", "cancel", "auto_activate", "../x"):
        with pytest.raises(TransportError):
            bench.provider.configure(RMM, setting, on=True)
    assert bench.files.writes == []


def test_a_setting_that_may_not_be_written_says_so() -> None:
    bench = FakeLfa()
    bench.add()
    bench.files.answers[bench.path("auto_activate")] = [FakeResult(errno.EACCES)]
    with pytest.raises(PermissionDenied):
        bench.provider.configure(RMM, "auto_activate", on=True)


def inventory(*components: Component) -> Inventory:
    return Inventory(tuple(Candidate(FakeLfa().provider, each) for each in components), ())


def test_bystanders() -> None:
    one, two = component("1.0", id="one"), component("2.0", id="two")
    before = inventory(one, two)
    assert side_effects.compare(before, inventory(one, two), apart_from="lfa:one") == ()
    for changed, code in (
        (component("2.1", id="two"), "other-changed"),
        (component("2.0", id="two", pending=False), "other-not-pending"),
    ):
        assert [r.code for r in side_effects.compare(before, inventory(one, changed), apart_from="lfa:one")] == [code]
        assert side_effects.compare(before, inventory(one, changed), apart_from="lfa:two") == ()
    assert [r.code for r in side_effects.compare(before, inventory(one), apart_from="lfa:one")] == ["other-vanished"]
    new = inventory(one, component("2.0", id="two", pending=None), component("3", id="three"))
    (told,) = side_effects.compare(before, new, apart_from="lfa:one")
    assert (told.code, "version 3" in told.text) == ("other-appeared", True)


NEW = {"version": "2", "pending": False}
"""A staging of version 2 where nothing was pending; the intent of one whose engine died."""
RAW = {"version": None, "pending": False}
"""The same of an image whose version nobody told."""
CAME, WAITS, OPEN = (Outcome.STAGED, "version-waits"), (Outcome.STAGED, "waits"), (Outcome.UNKNOWN, "no-evidence")
JUDGED: dict[str, tuple[dict[str, Any], Component | None, tuple[Outcome, str]]] = {
    "the version came": (NEW, component("1", pending_version=Version("2")), CAME),
    "in place of another": (
        NEW | {"pending": True, "pending_version": "1"},
        component("1", pending_version=Version("2")),
        CAME,
    ),
    "another came": (NEW, component("1", pending_version=Version("3")), OPEN),
    "it was there before": (
        NEW | {"pending": True, "pending_version": "2"},
        component("1", pending_version=Version("2")),
        OPEN,
    ),
    "it is shown, and does not wait": (NEW, component("1", pending=False, pending_version=Version("2")), OPEN),
    "it is shown, and whether it waits is not": (NEW, component("1", pending=None, pending_version=Version("2")), OPEN),
    "a version that is not sure is none": (NEW, component("1", pending_version=Version("3", reliable=False)), WAITS),
    "no version is shown": (NEW, component("1"), WAITS),
    "no version is shown, and something was there": (NEW | {"pending": True}, component("1"), OPEN),
    "no version is shown, and what was there is not known": (NEW | {"pending": None}, component("1"), OPEN),
    "raw, and something came": (RAW, component("1", pending_version=Version("2")), WAITS),
    "raw, and something was there": (RAW | {"pending": True}, component("1", pending_version=Version("2")), OPEN),
    "nothing waits": (NEW, component("1", pending=False), OPEN),
    "raw, and nothing waits": (RAW, component("1", pending=False), OPEN),
    "not readable": (NEW, component("1", pending=None), OPEN),
    "gone": (NEW, None, OPEN),
    "an empty row": ({}, component("1", pending_version=Version("2")), OPEN),
}


@pytest.mark.parametrize("name", JUDGED)
def test_what_became_of_a_staging_is_seen_or_open(name: str) -> None:
    body, after, ends = JUDGED[name]
    outcome, why = judge_staging(body, after)
    assert (outcome, why.code) == ends
    assert bool(why.hint) is (outcome is Outcome.UNKNOWN)  # who does not know has to be told where to look
