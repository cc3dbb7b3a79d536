# SPDX-License-Identifier: Apache-2.0
"""What a component of a BMC shows of its images and of the queue, and what the BMC's answer is said to be worth."""

from typing import Any

import pytest

from livefw.machine.bmc.firmware import Pattern
from livefw.providers.base import Trust

from .conftest import Bench
from .field import ACTIVATE, COLLECTION, MEMBER, Field, Rule, answer
from .test_refused import Change, edit, lacks, sets

MCU = r".*/FirmwareInventory/mcu"
TASK = r".*/TaskService/Tasks/\d+"


@pytest.mark.parametrize(
    ("change", "version", "sure", "notes"),
    [
        (sets(), "1.0.0", True, {"no-attestation"}),
        (lacks("Active"), "1.0.0", False, {"no-attestation", "version-untold"}),
        (sets(Active=False), None, False, {"no-attestation"}),
        (lacks("Active", "Version"), None, False, {"no-attestation"}),
        (lacks("Version"), None, False, {"no-attestation"}),
    ],
    ids=["says so", "does not say", "denies it", "reports neither", "no version"],
)
def test_which_version_runs(change: Change, version: str | None, sure: bool, notes: set[str]) -> None:
    """DSP0268, SoftwareInventory: ``Active`` says whether this image is the one that runs."""
    bench = Field()
    edit(bench, MCU, change)
    found = bench.component("mcu")
    current = found.current_version
    assert (current and current.text, bool(current and current.reliable)) == (version, sure)
    assert {note.code for note in found.notes} == notes


VERSIONS = {
    # as captured (Cray-HPE/csm-redfish-interface-emulator): how it is given, and how it is shown
    "null": (None, None),
    "an empty text": ("", None),
    "a number": (7, None),
    "iLO": ("U46 v1.56 (06/10/2022)", "U46 v1.56 (06/10/2022)"),
    "a letter": ("4.4B", "4.4B"),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_is_shown_as_it_is_given(name: str) -> None:
    given, shown = VERSIONS[name]
    bench = Field()
    edit(bench, MCU, sets(Version=given))
    version = bench.component("mcu").current_version
    assert (version and version.text) == shown


AWAITS = [{"MessageId": "Update.1.2.AwaitToUpdate"}]


@pytest.mark.parametrize("state", ["New", "Pending", "Suspended", "Running", "Completed", "Exception"])
@pytest.mark.parametrize(
    ("messages", "asked", "waits"),
    [(AWAITS, True, True), (AWAITS, False, True), ([], True, True), ([], False, False)],
    ids=["says so and was asked to", "says so", "was asked to", "neither"],
)
def test_which_tasks_wait_to_be_started(state: str, messages: list[Any], asked: bool, waits: bool) -> None:
    """DSP0268, UpdateService and Task: what waits says AwaitToUpdate, or was asked for with OnStartUpdateRequest."""
    bench = Bench(pattern=Pattern.START)
    bench.stage()

    def change(document: dict[str, Any]) -> None:
        document |= {"TaskState": state, "Messages": messages}
        if not asked:
            payload = document["Payload"]
            payload["JsonBody"] = payload["JsonBody"].replace("OnStartUpdateRequest", "Immediate")

    edit(bench, TASK, change)
    assert bench.component().pending is (waits and state in ("New", "Pending", "Suspended"))


@pytest.mark.parametrize(
    ("rules", "says"),
    [((Rule(ACTIVATE, answer(204)),), "a reply without a task proves nothing: "), ((), "a completed task proves ")],
    ids=["an answer", "a task"],
)
def test_what_the_answer_is_worth(rules: tuple[Rule, ...], says: str) -> None:
    claim = Field(*rules).do("activate")
    assert claim.trust is Trust.DOUBTFUL
    assert claim.trust_reason.startswith(says)


def test_what_the_end_of_a_queue_is_worth() -> None:
    bench = Bench(pattern=Pattern.START)
    bench.stage()
    running = bench.provider.activate("rack/pmfw-a", bench.watch.progress)
    assert running.wait(None)
    assert "StartUpdate empties the queue" in running.claim.trust_reason


@pytest.mark.parametrize(
    ("rule", "note"),
    [
        (Rule(MEMBER, answer(500)), ("incomplete", "BMC rack: 1 resource(s) cannot be read: ")),
        (Rule(r"GET .*/UpdateService", answer(503)), ("unreachable", "BMC rack at https://bmc.example: ")),
        (Rule(r"POST .*/Sessions", answer(401)), ("no-permission", "BMC rack at https://bmc.example: ")),
        (
            Rule(COLLECTION, answer(500)),
            ("unreachable", "BMC rack at https://bmc.example: its inventory "),
        ),
    ],
    ids=["a member", "the service", "no login", "the collection"],
)
def test_a_list_that_is_not_whole_says_so(rule: Rule, note: tuple[str, str]) -> None:
    (told,) = Field(rule).provider.discover().notes
    assert (told.code, told.text[: len(note[1])]) == note
