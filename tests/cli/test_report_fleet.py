# SPDX-License-Identifier: Apache-2.0
"""`livefw report --fleet`: one page of many machines, from what was collected of each (reference of evidence, states
as of Canonical's Livepatch reports)."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench.records import tamper

from ..schema.checked import errors

KEY = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
HOSTILE = '<script>alert(1)</script>\x1b[2J\u202e"&|`'


def component(*, pending: bool | None = False, **other: Any) -> dict[str, Any]:
    """As livefw_info returns it, with fields that the report does not read."""
    return {
        "key": KEY, "name": "TF-RMM", "provider": "lfa", "host": None, "current_version": "1.0", "pending": pending,
        "pending_version": "1.1" if pending else None, "pending_since": None, "state": "ready", **other,
    }  # fmt: skip


def attempt(outcome: str, *, kind: str = "intent", **other: Any) -> dict[str, Any]:
    return {
        "activation": "8391638ad97901e7", "component": KEY, "name": "TF-RMM", "kind": kind, "outcome": outcome,
        "time": "2026-11-29T19:37:06.285+00:00", "code": "c", "firmware_code": None, "reason": "CHG-1", "user": "root",
        "hostname": "n", "version_before": "1.0", "version_after": "1.1", "stall_ms": 64.3, **other,
    }  # fmt: skip


WHOLE = {"whole": True, "head": "4:ab", "rows": 4, "flaws": []}


def host(*history: dict[str, Any], pending: bool | None = False, record: Any = WHOLE, **other: Any) -> dict[str, Any]:
    return {"components": [component(pending=pending)], "history": [*history], "record": record, **other}


FAILED = attempt("failed", firmware_code="AUTH_ERROR", version_after="1.0")
HOSTS: dict[str, tuple[str, Any]] = {
    "activated": ("applied", host(attempt("activated"))),
    "activated-and-the-next-waits": ("unapplied", host(attempt("activated"), pending=True)),
    "failed": ("apply-failed", host(FAILED, pending=True)),
    "failed-and-then-activated": ("applied", host(attempt("activated"), FAILED)),
    "activated-and-then-failed": ("apply-failed", host(FAILED, attempt("activated"))),
    "lost": ("needs-check", host(attempt("unknown"), pending=True)),
    "running": ("needs-check", host(attempt("unfinished"), pending=True)),
    "refused": ("unapplied", host(attempt("refused", kind="refusal", code="window"), pending=True)),
    "staging-failed": ("unapplied", host(attempt("failed", kind="staging"), pending=True)),
    "cancelled": ("nothing-to-apply", host(attempt("cancelled"))),
    "idle": ("nothing-to-apply", host()),
    "says-not-what-is-pending": ("nothing-to-apply", host(pending=None)),
    "gone-since-it-failed": ("apply-failed", {"components": [], "history": [FAILED], "record": WHOLE}),
    "not-whole": ("needs-check", host(attempt("activated"), record=WHOLE | {"whole": False})),
    "no-history": ("nothing-to-apply", host(record={"whole": None, "head": None, "rows": 0, "flaws": []})),
    "unreachable": ("unknown", {"unreachable": True, "msg": "No route to host", "changed": False}),
    "module-failed": ("unknown", {"failed": True, "msg": "there is no command livefw"}),
    "empty": ("unknown", {}),
    # As the role leaves them, which has a report of each machine that it reached.
    "rolled-out-unreachable": (
        "unknown",
        {"schema": "livefw/1", "rollout": {"ok": False, "objections": ["unreachable"]}},
    ),
    "a-gate-objects": (
        "needs-check",
        host(attempt("activated"), rollout={"ok": False, "objections": ["gate command"]}),
    ),
    "refused-and-objected": ("unapplied", host(pending=True, rollout={"ok": False, "objections": ["refused"]})),
    "of-another-kind": ("unknown", {"components": "none"}),
    "a-list": ("unknown", []),
}


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    folder = tmp_path / "collected"
    folder.mkdir()
    for name, (_, document) in HOSTS.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "no-json.json").write_text("{")
    (folder / "README").write_text("no file of a machine")
    return folder


def test_each_machine_stands_as_its_last_attempt_and_what_is_pending_say(empty: Any, collected: Path) -> None:
    done = empty.run("--json", "report", "--fleet", str(collected))
    assert done.code == 1  # a history is not whole
    assert "1 of the histories are NOT consistent" in done.err
    assert errors(done.json) == []
    wanted = {name: state for name, (state, _) in HOSTS.items()} | {"no-json": "unknown"}
    assert {each["name"]: each["state"] for each in done.json["hosts"]} == wanted
    assert sum(done.json["fleet"]["counts"].values()) == len(wanted)
    found = {each["name"]: each for each in done.json["hosts"]}
    assert found["unreachable"]["trouble"] == "No route to host"
    (failed,) = found["failed"]["components"]
    assert (failed["outcome"], failed["firmware_code"], failed["stall_ms"]) == ("failed", "AUTH_ERROR", 64.3)
    assert found["activated"]["head"] == "4:ab"


@pytest.mark.parametrize("name", ["fleet.html", "fleet.md", "fleet.json"])
def test_it_is_written_as_every_report_is(empty: Any, collected: Path, tmp_path: Path, name: str) -> None:
    (collected / "not-whole.json").unlink()
    (collected / "hostile.json").write_text(json.dumps(host(attempt(HOSTILE, reason=HOSTILE, user=HOSTILE))))
    file = tmp_path / name
    empty.environment["SOURCE_DATE_EPOCH"] = "1800000000"
    first, again = (empty.run("report", "--fleet", str(collected), "-o", str(file)) for _ in range(2))
    assert (first.code, again.code, first.out) == (0, 0, again.out)
    assert (
        "24 machines: 4 needs-check, 3 apply-failed, 7 unknown, 4 unapplied, 2 applied, 4 nothing-to-apply" in first.out
    )
    text = file.read_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    for fact in ("unreachable", "No route to host", "gate command", "AUTH_ERROR", "CHG-1", "4:ab"):
        assert fact.replace("_", "\\_" if name.endswith("md") else "_") in text
    if name.endswith("html"):
        assert "<script" not in text
        ElementTree.fromstring(text)
        assert "2026-11-29T19:37:06.285+00:00" in text


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--fleet", "{empty}/none"), 2, "cannot be read"),
        (("--fleet", "{empty}"), 3, "has no file HOST.json"),
        (("--fleet", "{empty}", "tf-rmm"), 2, "--fleet is about all"),
        (("--fleet", "{empty}", "--since", "1d"), 2, "--fleet is about all"),
    ],
)
def test_what_is_no_fleet_is_said(empty: Any, tmp_path: Path, words: tuple[str, ...], code: int, text: str) -> None:
    (tmp_path / "nothing").mkdir()
    done = empty.run("report", "-o", "-", *(each.format(empty=tmp_path / "nothing") for each in words))
    assert (done.code, done.out) == (code, "")
    assert text in done.err


def test_reports_of_machines_are_collected_as_well(ready: Any, tmp_path: Path) -> None:
    """Without Ansible: ssh HOST livefw report -o - --format json > collected/HOST.json."""
    folder = tmp_path / "collected"
    folder.mkdir()
    ready.run("activate", KEY)  # nothing has an effect here, and nothing says why
    (folder / "node1.json").write_text(ready.run("report", "-o", "-", "--format", "json").out)
    tamper(Path(ready.environment["LIVEFW_STATE"]), "UPDATE entry SET body = replace(body, 'TF-RMM', 'x');")
    (folder / "node2.json").write_text(ready.run("report", "-o", "-", "--format", "json").out)
    one, two = ready.run("--json", "report", "--fleet", str(folder)).json["hosts"]
    assert (one["state"], one["whole"], one["components"][0]["outcome"]) == ("needs-check", True, "unknown")
    assert (two["state"], two["whole"]) == ("needs-check", False)
