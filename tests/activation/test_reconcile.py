# SPDX-License-Identifier: Apache-2.0
"""What is concluded about an intent without an outcome, and what the LFA provider remembers for it."""

import errno
from typing import Any

import pytest

from livefw.activation import bystanders, evidence, verdict
from livefw.activation.inventory import Candidate, Inventory
from livefw.errors import PermissionDenied, TransportError
from livefw.providers.base import Component, Cost, Memory, Rendezvous, Version, Witness
from livefw.providers.fake import Answer
from livefw.providers.lfa.fake import RMM, FakeLfa

INTENT = {"boot_id": "b", "current_version": "1.0", "pending_version": "1.2"}


def component(current: str | None, *, pending: bool | None = True, sure: bool = True, **more: Any) -> Component:
    version = Version(current, (), sure) if current else None
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
    ("unsure version", INTENT, component("1.2", sure=False), Memory(), "b", ("unknown", "no-evidence")),
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
    found = verdict.judge(evidence.of_remains(body, after, memory, boot_id=boot_id), accept=False)
    assert (found.outcome, found.why.code) == expected


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
    bench.files.answers[bench.path("auto_activate")] = [Answer(errno.EACCES)]
    with pytest.raises(PermissionDenied):
        bench.provider.configure(RMM, "auto_activate", on=True)


def inventory(*components: Component) -> Inventory:
    return Inventory(tuple(Candidate(FakeLfa().provider, each) for each in components), ())


def test_bystanders() -> None:
    one, two = component("1.0", id="one"), component("2.0", id="two")
    before = inventory(one, two)
    assert bystanders.compare(before, inventory(one, two), apart_from="lfa:one") == ()
    for changed, code in (
        (component("2.1", id="two"), "other-changed"),
        (component("2.0", id="two", pending=False), "other-not-pending"),
    ):
        assert [r.code for r in bystanders.compare(before, inventory(one, changed), apart_from="lfa:one")] == [code]
        assert bystanders.compare(before, inventory(one, changed), apart_from="lfa:two") == ()
    assert [r.code for r in bystanders.compare(before, inventory(one), apart_from="lfa:one")] == ["other-vanished"]
    new = inventory(one, component("2.0", id="two", pending=None), component("3", id="three"))
    (told,) = bystanders.compare(before, new, apart_from="lfa:one")
    assert (told.code, "version 3" in told.text) == ("other-appeared", True)
