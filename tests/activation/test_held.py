# SPDX-License-Identifier: Apache-2.0
"""Until when the history says that a mechanism holds an image which it does not show."""

from contextlib import closing
from pathlib import Path

import pytest

from livefw.activation.history.held import held_in
from livefw.activation.history.journal import FILE, Journal, RowKind

KEY, OTHER = "redfish:rack/mcu", "redfish:rack/bios"
Row = tuple[RowKind, str, str, str]
"""Kind, component, outcome, and what is held."""


def staged(name: str = "/tasks/1", key: str = KEY, outcome: str = "staged") -> Row:
    return RowKind.STAGED, key, outcome, name


def ended(outcome: str, kind: RowKind = RowKind.OUTCOME, key: str = KEY) -> Row:
    return kind, key, outcome, ""


CASES: dict[str, tuple[list[Row], str]] = {
    "nothing was staged": ([], ""),
    "staged": ([staged()], "/tasks/1"),
    "staged, and shown by the mechanism itself": ([staged("")], ""),
    "staged twice": ([staged(), staged("/tasks/2")], "/tasks/2"),
    "staged, and then shown by the mechanism itself": ([staged(), staged("")], ""),
    "staged, and another staging refused": ([staged(), staged("", outcome="refused")], "/tasks/1"),
    "staged, and its activation refused": ([staged(), ended("refused")], "/tasks/1"),
    "staged, and an activation refused by a check": ([staged(), ended("refused", RowKind.REFUSAL)], "/tasks/1"),
    "staged, and its cancellation refused": ([staged(), ended("refused", RowKind.CANCELLATION)], "/tasks/1"),
    "activated": ([staged(), ended("activated")], ""),
    "failed": ([staged(), ended("failed")], ""),
    "ended before it was asked for": ([staged(), ended("cancelled")], "/tasks/1"),
    "unknown": ([staged(), ended("unknown"), ended("refused")], ""),
    "cancelled": ([staged(), ended("cancelled", RowKind.CANCELLATION)], ""),
    "activated, and staged again": ([staged(), ended("activated"), staged("/tasks/2")], "/tasks/2"),
    "another component was activated": ([staged(), ended("activated", key=OTHER)], "/tasks/1"),
    "another component was staged": ([staged(key=OTHER)], ""),
}


@pytest.mark.parametrize("name", CASES)
def test_until_when_it_is_held(name: str, tmp_path: Path) -> None:
    rows, expected = CASES[name]
    with closing(Journal.open(str(tmp_path))) as journal:
        for kind, key, outcome, held in rows:
            journal.note(kind, key, {"outcome": outcome} | ({"holds": held} if held else {}))
    assert held_in(str(tmp_path), "/")([KEY]) == ({KEY: expected} if expected else {})


def test_without_a_history_nothing_is_held(tmp_path: Path) -> None:
    assert held_in(str(tmp_path / "none"), "/")([KEY]) == {}
    (tmp_path / FILE).write_bytes(b"no history at all")
    assert held_in(str(tmp_path), "/")([KEY]) == {}
