# SPDX-License-Identifier: Apache-2.0
"""The schema of JSON output, held against what the command prints. Every document that any test reads is held against
it as well (tests/conftest.py)."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from livefw.cli.main import main
from livefw.cli.verbs import VERBS
from livefw.schema.output import DOCUMENTS, FILE
from livefw.schema.shipped import load
from livefw.testing import MountedMachine

from .checked import candidates, errors

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Run the command on a machine, and read its document."""
    with MountedMachine(driver="v3", cpus=2) as machine:
        for name, value in machine.environment.items():
            monkeypatch.setenv(name, value)

        def run(*words: str) -> dict[str, Any]:
            main(["--json", "--root", str(machine.root), *words])
            document: dict[str, Any] = json.loads(capsys.readouterr().out)
            return document

        yield run


STEPS = [
    (("list",), "ListDocument"),
    (("show", "TF-RMM"), "ShowDocument"),
    (("plan",), "PlanDocument"),
    (("doctor",), "DoctorDocument"),
    (("policy",), "PolicyDocument"),
    (("explain", "activated"), "ExplainDocument"),
    (("activate", "--yes", "TF-RMM"), "ReportDocument"),
    (("history",), "HistoryDocument"),
    (("history", "--verify"), "VerifyDocument"),
    (("activate", "--yes", "TF-RMM"), "ReportDocument"),
    (("history", "--archive", "--keep", "1"), "ArchivedDocument"),
    (("show", "nobody"), "FailureDocument"),
    (("conformance", "--agent", "bet1", "--cpus", "1"), "ConformanceDocument"),
    (("machine", "platforms"), "MachinePlatformsDocument"),
    (("machine", "fault", "--list"), "MachineFaultsDocument"),
]


@pytest.mark.fuse
def test_the_documents_of_a_session(ask: Ask, mountable: None) -> None:
    for words, name in STEPS:
        document = ask(*words)
        assert errors(document) == [], words
        assert name in candidates(document), words


@pytest.mark.fuse
def test_what_is_not_written_down_is_found(ask: Ask, mountable: None) -> None:
    document = ask("list")
    for change, message in CHANGES:
        changed = copy.deepcopy(document)
        change(changed)
        assert message in "; ".join(errors(changed))


def _rename(document: dict[str, Any]) -> None:
    document["components"][0]["title"] = document["components"][0].pop("name")


CHANGES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda document: document.update(more=1), "no document has the fields"),
    (lambda document: document["components"][0].update(more=1), "'more' was unexpected"),
    (_rename, "'name' is a required property"),
    (lambda document: document["components"][0].update(pending="yes"), "'yes'"),
    (lambda document: document["components"][0]["cost"].update(rendezvous="often"), "'often'"),
]


def test_every_verb_is_in_it() -> None:
    described = " ".join(load(FILE)["$defs"][each.__name__]["description"] for each in DOCUMENTS)
    assert [verb for verb in VERBS if f"`livefw {verb}" not in described and verb not in WITHOUT] == []


WITHOUT = {"fwupdmgr"}
"""Verbs that print what another program does."""


ROW = {"sequence": 1, "kind": "intent", "time": "2026-11-29T00:00:00.000+00:00", "hash": "00"}


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (ROW, True),
        (ROW | {"more": 1}, False),
        (ROW | {"kind": "of the future", "more": 1}, True),
        (ROW | {"flaw": "its body is no JSON", "more": 1}, True),
    ],
)
def test_only_rows_that_livefw_does_not_know_may_have_any_fields(row: dict[str, Any], right: bool) -> None:
    nothing = dict.fromkeys(("name", "host", "actor", "reason", "machine", "outcome"))
    past = {"component": "lfa:1", "activation": "a", "time": row["time"], "own": True, "intent": row} | nothing
    assert (errors({"schema": "livefw/1", "history": [past], "before": None}) == []) == right
