# SPDX-License-Identifier: Apache-2.0
"""One LIVEFW_STATE for several machines: each row says which it is about, and nobody takes another's for his own."""

import json
from contextlib import closing
from typing import Any

import pytest

from livefw.activation.history.journal import Journal
from livefw.activation.history.origin import Origin
from livefw.errors import ExitCode
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
