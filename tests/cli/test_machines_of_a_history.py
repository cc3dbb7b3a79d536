# SPDX-License-Identifier: Apache-2.0
"""One LIVEFW_STATE for several machines: each row says which it is about, and nobody takes another's for his own."""

import json
import os
from contextlib import closing
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from livefw.activation import identity
from livefw.activation.history.archive import Cut
from livefw.activation.history.held import held_in
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.history.origin import Origin
from livefw.errors import ExitCode
from livefw.files.host import HostFiles
from livefw.providers.lfa.fake import RMM, FakeLfa

KEY = f"lfa:{RMM}"
FACTS = {
    "/proc/sys/kernel/hostname": "node17\n",
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/proc/sys/kernel/osrelease": "6.12.0-lfa\n",
}


@pytest.fixture
def node(planted: Any) -> Any:
    """A machine with a name, where nothing that is written has an effect."""
    bench = FakeLfa()
    bench.add()
    root = planted(bench)
    for path, text in FACTS.items():
        root.file(path).parent.mkdir(parents=True, exist_ok=True)
        root.file(path).write_text(text)
    return root


def rows(root: Any, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = root.run("--json", "history", *words).json["history"]
    return found


def journal(root: Any, machine: Origin | None) -> Journal:
    return Journal.open(root.environment["LIVEFW_STATE"], machine=machine)


def test_a_row_says_which_machine_it_is_about(node: Any) -> None:
    node.run("activate", RMM, "--reason", "CHG-1")  # nothing changes: a failure
    node.file(f"/sys/firmware/lfa/{RMM}/may_reset_cpu").write_text("1\n")
    assert node.run("activate", RMM, "--reason", "CHG-2").code == ExitCode.REFUSED
    refused, failed = rows(node)
    assert (refused["intent"], failed["intent"]["driver"] != "") == (None, True)
    # One shape, whether anything was tried or not.
    for each, reason in ((refused, "CHG-2"), (failed, "CHG-1")):
        assert (each["name"], each["reason"], each["actor"]["face"]) == ("TF-RMM", reason, "cli")
        assert each["machine"] == {
            "root": str(node.path),
            "hostname": "node17",
            "machine_id": "0123456789abcdef0123456789abcdef",
            "kernel": "6.12.0-lfa",
        }
    assert "node17" in node.run("history", "-o", "wide").out


def test_what_happened_to_another_machine_is_not_ours(node: Any) -> None:
    with closing(journal(node, Origin("/elsewhere"))) as other:
        for _ in range(300):  # more than are read at once
            other.end(other.begin(KEY, {"name": "TF-RMM"}), KEY, {"outcome": "failed", "seconds": 3.0})
        other.begin(KEY, {"name": "TF-RMM"})
    (step,) = node.run("--json", "plan", RMM).json["steps"]
    assert (step["tried"], [each["check"] for each in step["problems"]]) == (0, ["stake"])
    assert node.run("--json", "plan", RMM).json["unfinished"] == []
    done = node.run("--json", "activate", RMM)
    assert done.json["settled"] == []
    assert node.run("--json", "show", RMM).json["components"][0]["last"]["machine"]["root"] == str(node.path)
    (step,) = node.run("--json", "plan", RMM).json["steps"]
    assert step["tried"] == 1
    assert sum(each["outcome"] is None for each in rows(node)) == 1  # it stays open for its own machine


ID = FACTS["/etc/machine-id"].strip()
GOLDEN = "fedcba9876543210fedcba9876543210"
BEHIND = "redfish:rack1/bios"


class Whose(NamedTuple):
    """A row of the history, and whether it counts on ``node``. Its root is that of ``node`` unless it says so."""

    machine: Origin | None
    counts: bool
    key: str = KEY
    elsewhere: bool = False


WHOSE = {
    "own": Whose(Origin("", "node17", ID), True),
    "renamed since": Whose(Origin("", "node03", ID), True),
    "cloned from a golden image": Whose(Origin("", "golden", GOLDEN), False),
    "cloned, with the name": Whose(Origin("", "node17", GOLDEN), False),
    "written when there was no id": Whose(Origin("", "node17"), True),
    "of another root": Whose(Origin("/elsewhere", "node17", ID), False, elsewhere=True),
    "of before 0.1": Whose(None, True),
    "behind a BMC, by another jump host": Whose(Origin("", "jump2", GOLDEN), True, BEHIND),
}


@pytest.mark.parametrize("case", WHOSE.values(), ids=WHOSE)
def test_one_rule_says_whose_rows_count(node: Any, case: Whose) -> None:
    """Of a shared directory, of a clone (machine-id(5), on golden images), and of a new jump host."""
    machine = case.machine
    if machine and not case.elsewhere:
        machine = machine._replace(root=str(node.path))
    with closing(journal(node, machine)) as theirs:
        theirs.note(RowKind.PENDING, case.key, {"pending": True})
        theirs.end(theirs.begin(case.key, {"name": "x"}), case.key, {"outcome": "failed", "seconds": 3.0})
        theirs.note(RowKind.STAGED, case.key, {"outcome": "staged", "holds": "slot-2"})
        theirs.begin(case.key, {"name": "x"})
    state, root = node.environment["LIVEFW_STATE"], str(node.path)
    assert held_in(state, root)([case.key]) == ({case.key: "slot-2"} if case.counts else {})
    own = Journal.open_to_read(state, root)
    assert own is not None
    with closing(own):
        assert own.tally().outcomes == ({(case.key, "failed"): 1} if case.counts else {})
        assert len(own.unfinished()) == case.counts
        assert bool(own.recent(case.key, RowKind.PENDING, limit=1)) is case.counts
    assert [each["own"] for each in rows(node)] == [case.counts] * 3
    shown = node.run("history").out
    assert ("failed on " not in shown, "counts for nothing" not in shown) == (case.counts, case.counts)


def test_what_another_machine_archived_is_not_counted(node: Any) -> None:
    theirs = Origin(str(node.path), "golden", GOLDEN)
    with closing(journal(node, theirs)) as other:
        for _ in range(3):
            other.end(other.begin(KEY, {"name": "x"}), KEY, {"outcome": "failed"})
        other.archive(Cut(1))
        assert other.tally().outcomes == {(KEY, "failed"): 3}
    with closing(journal(node, theirs._replace(machine_id=ID))) as own:
        assert own.tally().outcomes == {}
        own.end(own.begin(KEY, {"name": "x"}), KEY, {"outcome": "failed"})
        own.archive(Cut(0))
        assert own.tally().outcomes == {(KEY, "failed"): 1}


def test_an_id_of_one_boot_is_in_no_row(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """machine-id(5): where /etc is read-only, it is mounted over the file from /run."""
    transient = node.file("/run/machine-id")
    transient.parent.mkdir(exist_ok=True)
    transient.write_text(GOLDEN)
    real = os.stat
    etc = str(node.file("/etc"))

    def mounted(path: Any, **how: Any) -> Any:
        found = real(path, **how)
        return SimpleNamespace(st_dev=found.st_dev + 1) if path == etc else found

    assert identity.origin_of(HostFiles(str(node.path)), str(node.path)).machine_id == ID
    monkeypatch.setattr(os, "stat", mounted)
    assert identity.origin_of(HostFiles(str(node.path)), str(node.path)).machine_id == ""


@pytest.mark.parametrize("says", [False, True])
def test_what_is_ours_or_does_not_say_is_settled(node: Any, says: bool) -> None:
    with closing(journal(node, Origin(str(node.path)) if says else None)) as own:
        own.begin(KEY, {"name": "TF-RMM"})
    assert len(node.run("--json", "plan", RMM).json["unfinished"]) == 1
    assert len(node.run("--json", "activate", RMM).json["settled"]) == 1


@pytest.mark.fuse
def test_a_document_is_small_unless_each_cpu_is_asked_for(vera: Any) -> None:
    done = vera.run("--json", "activate", "tf-rmm")
    (result,) = done.json["results"]
    assert "rows" not in result["measurement"]
    assert result["measurement"]["longest_ns"] > 0
    assert result["measurement"]["cpus"] == 88
    assert len(json.dumps(done.json)) < 4096
    (brief,), (whole,) = rows(vera), rows(vera, "--rows")
    measured = whole["outcome"]["cost"].pop("rows")
    assert brief == whole
    assert brief["outcome"]["cost"] == result["measurement"]
    assert max(each["longest_ns"] for each in measured) == result["measurement"]["longest_ns"]
