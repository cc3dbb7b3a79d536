# SPDX-License-Identifier: Apache-2.0
"""The id of an activation stands wherever something is said of it, and is taken wherever one asks."""

import json
import re
from contextlib import closing
from typing import Any

import pytest

from livefw.activation.history.journal import Journal, RowKind
from livefw.daemon.jobs.events import log_line
from livefw.errors import ExitCode

KEY = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
BEGUN = {
    "name": "TF-RMM",
    "current_version": "1.0",
    "pending_version": "1.2",
    "announced": "1.2",
    "mark": "",
    "boot_id": "",
}
_ID = re.compile(r"^  id: ([0-9a-f]{8})$", re.MULTILINE)


def left_open(root: Any, kind: RowKind = RowKind.INTENT) -> str:
    """The id of an activation whose engine died."""
    with closing(Journal.open(str(root.path.parent / "state"))) as journal:
        return journal.begin(KEY, BEGUN, kind=kind)


@pytest.mark.fuse
def test_every_result_says_the_id_that_the_history_takes(vera: Any) -> None:
    """Also that of an attempt that was refused, and of a cancellation: each has a row."""
    vera.machine.stage("rmm")
    for words, outcome in (
        (("activate", "tf-rmm"), "activated"),
        (("activate", "tf-rmm", "--to", "9.9"), "refused"),
        (("cancel", "tf-rmm"), "refused"),
    ):
        done = vera.run(*words)
        (ident,) = _ID.findall(done.out)
        shown = vera.run("history", ident)
        assert (shown.code, f"{outcome}\n" in shown.out) == (0, True), shown.out
        assert vera.run("report", ident, "-o", "-", "--format", "md").out.count("\n### ") == 1
    record = vera.run("--json", "activate", "tf-rmm", "--to", "9.9").json["results"][0]["record"]
    assert vera.run("history", record["activation"]).code == 0


@pytest.mark.parametrize("kind", [RowKind.INTENT, RowKind.STAGING])
def test_what_is_unfinished_is_named_by_its_id(ready: Any, kind: RowKind) -> None:
    ident = left_open(ready, kind)[:8]
    assert f"({ident})" in ready.run("plan").out
    (step,) = ready.run("--json", "plan").json["steps"]
    assert f"livefw history {ident}" in [reason["hint"] for reason in step["component"]["state"]["reasons"]]
    assert f"; id {ident}\n" in ready.run("activate", "--all").err


def test_without_a_row_there_is_no_id(ready: Any) -> None:
    assert _ID.findall(ready.run("activate", "--all", "--no-journal").out) == []


@pytest.mark.fuse
def test_nothing_to_do_has_no_id(vera: Any) -> None:
    done = vera.run("activate", "0509b633")  # as booted, nothing waits for it
    assert (done.code, _ID.findall(done.out)) == (ExitCode.NOTHING_TO_DO, [])


def test_the_log_of_the_daemon_says_it() -> None:
    event: dict[str, Any] = {
        "event": "attempt",
        "component": KEY,
        "outcome": "failed",
        "text": "no",
        "trouble": None,
        "mishaps": [],
    }
    assert log_line(event | {"activation": "1c2d3e4f5a6b7c8d"}) == f"{KEY}: failed: no; id 1c2d3e4f"
    assert log_line(event | {"activation": None}) == f"{KEY}: failed: no"


def test_a_report_says_since_when_an_image_is_pending(ready: Any) -> None:
    left_open(ready)
    (listed,) = json.loads(ready.run("--json", "list").out)["components"]
    (reported,) = ready.run("--json", "report").json["report"]["machine"]["components"]
    assert listed["pending_since"]
    assert reported["pending_since"] == listed["pending_since"]
    assert listed["pending_since"].replace("T", " ") in ready.run("report", "-o", "-", "--format", "md").out
