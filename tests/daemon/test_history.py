# SPDX-License-Identifier: Apache-2.0
"""What fwupd's clients are told of the record: an image is pending there for as long as it waits."""

from pathlib import Path
from typing import Any

import pytest

from livefw.activation.actor import Actor
from livefw.activation.engine import Host
from livefw.activation.history.journal import ENDINGS, Journal, RowKind
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.daemon.fwupd import history
from livefw.daemon.fwupd.values import UpdateState
from livefw.providers.fake import FakeClock, FakeFiles

KEY, OTHER = "redfish:bmc/a", "redfish:bmc/b"
STAGE = (RowKind.STAGING, {"version": "2.0", "current_version": "1.0", "pending_version": "0.9"})
ACTIVATE = (RowKind.INTENT, {"current_version": "1.0", "pending_version": "2.0"})
Row = tuple[str, RowKind, dict[str, Any], str | None]


def stage(outcome: str | None = "staged", key: str = KEY, **body: Any) -> Row:
    return (key, STAGE[0], STAGE[1] | body, outcome)


def activate(outcome: str | None, key: str = KEY) -> Row:
    return (key, *ACTIVATE, outcome)


CANCELLED: Row = (KEY, RowKind.CANCELLATION, {}, "cancelled")
REFUSED: Row = (KEY, RowKind.STAGED, {"version": "2.0"}, "refused")
WAITS = ("2.0", UpdateState.PENDING)
DONE = ("2.0", UpdateState.SUCCESS)
FAILED = ("2.0", UpdateState.FAILED)

CASES: list[tuple[str, list[Row], list[tuple[str, UpdateState]]]] = [
    ("staged", [stage()], [WAITS]),
    ("staged and activated", [stage(), activate("activated")], [DONE]),
    ("staged, and the activation failed", [stage(), activate("failed")], [FAILED, WAITS]),
    ("another one was activated", [stage(), activate("activated", OTHER)], [DONE, WAITS]),
    ("taken back", [stage(), CANCELLED], []),
    ("replaced", [stage(), stage(version="3.0")], [("3.0", UpdateState.PENDING)]),
    ("staged twice and activated", [stage(), stage(), activate("activated")], [DONE]),
    ("not staged", [stage("failed")], [FAILED]),
    ("refused", [REFUSED], [("2.0", UpdateState.FAILED_TRANSIENT)]),
    ("lost from sight", [stage("unknown")], [FAILED]),
    ("a failure takes nothing's place", [stage(), stage("failed")], [FAILED, WAITS]),
    ("not ended", [stage(None)], [("2.0", UpdateState.UNKNOWN)]),
    ("without an archive", [stage(version=None)], [("2.1", UpdateState.PENDING)]),
    ("without an archive, and failed", [stage("failed", version=None)], [("unknown", UpdateState.FAILED)]),
]


@pytest.mark.parametrize(("rows", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_told(tmp_path: Path, rows: list[Row], told: list[tuple[str, UpdateState]]) -> None:
    journal = Journal.open(str(tmp_path))
    for key, kind, body, outcome in rows:
        if kind not in ENDINGS:
            journal.note(kind, key, body | {"outcome": outcome, "text": "why"})
            continue
        name = journal.begin(key, body, kind=kind)
        if outcome:
            ending = {"outcome": outcome, "text": "why", "pending_version": "2.1"}
            new = {"current_version": "2.0"} if outcome == "activated" else {}
            journal.end(name, key, ending | new, kind=ENDINGS[kind])
    journal.close()
    clock = FakeClock()
    places = Paths(str(tmp_path), str(tmp_path / "lock"), str(tmp_path), str(tmp_path))
    host = Host(FakeFiles({}, clock), (), clock, places, DEFAULT, Actor("root", "", "test"))
    found = list(history.as_devices(history.recent(host)))
    assert [(row["Release"].value[0]["Version"].value, row["UpdateState"].value) for row in found] == told
    assert all(("UpdateError" in row) is (row["UpdateState"].value not in (WAITS[1], DONE[1])) for row in found)
