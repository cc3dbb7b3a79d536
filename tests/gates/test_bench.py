# SPDX-License-Identifier: Apache-2.0
"""`make bench` tells what it has measured, whatever happens to the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import qemu
from bench.__main__ import SUBJECTS
from bench.measure import NotHere

BENCH = """
import runpy, sys
from bench import agent, history, image, startup
from bench.measure import NotHere, Row
def broken():
    yield Row("before it broke", 1.0, "ms")
    raise RuntimeError("a peer hung up")
def missing():
    raise NotHere("it needs a peer")
    yield
def stopped():
    yield Row("before Ctrl-C", 2.0, "ms")
    raise KeyboardInterrupt
agent.CALLS = 60
image.rows, startup.rows, history.rows = broken, missing, stopped
runpy.run_module("bench", run_name="__main__", alter_sys=True)
"""
"""The program with one subject that is cheap, and others that end in their own ways."""


def bench(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [sys.executable, "-c", BENCH, *words]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("subjects", "code", "failed", "missing", "rows"),
    [
        (["agent"], 0, {}, {}, ["agent, LFA_VERSION"]),
        (
            ["image", "agent"],
            1,
            {"image": "RuntimeError: a peer hung up"},
            {},
            ["before it broke", "agent, LFA_VERSION"],
        ),
        (["startup", "agent"], 0, {}, {"startup": "it needs a peer"}, ["agent, LFA_VERSION"]),
        (
            ["image", "history", "agent"],
            130,
            {"image": "RuntimeError: a peer hung up"},
            {},
            ["before it broke", "before Ctrl-C"],
        ),
    ],
)
def test_what_was_measured_is_told(
    checkout: Path, subjects: list[str], code: int, failed: dict[str, str], missing: dict[str, str], rows: list[str]
) -> None:
    text, document = bench(checkout, *subjects), bench(checkout, "--json", *subjects)
    assert (text.returncode, document.returncode) == (code, code)
    told = json.loads(document.stdout)
    assert (told["failed"], told["missing"]) == (failed, missing)
    measured = [row["subject"] for row in told["rows"]]
    assert [name for name in measured if name in rows] == rows
    assert len(measured) == len(rows) + (3 if "agent, LFA_VERSION" in rows else 0)
    assert [name for name in measured if name not in text.stdout] == []
    for name, why in {**failed, **missing}.items():
        assert f"{name} " in text.stderr
        assert why in text.stderr


SHORT = """
import runpy
from bench import agent, bmcs, daemon, discovery, engine, history, image, load, reads, startup
agent.CALLS, reads.READS, reads.TURNS = 60, 2, 1
startup.ROUNDS = engine.ROUNDS = daemon.ROUNDS = history.ROUNDS = discovery.ROUNDS = 1
discovery.SIZES, discovery.LEAST, history.ACTIVATIONS, image.SIZE = (10, 20), 10, 50, 1 << 16
load.ACTIVATIONS, load._BUDGET_S, load._ROUNDS = 50, 0.0, 1
bmcs.SIZES, bmcs.ROUNDS = (1, 10), 1
bmcs.LARGE, bmcs.MANY, bmcs.IMAGE_MIB = 30, 12, 8
runpy.run_module("bench", run_name="__main__", alter_sys=True)
"""
"""The program with so little in each subject that it takes a moment."""


@pytest.mark.fuse
@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", [name for name in SUBJECTS if name != "qemu"])
def test_every_subject_can_be_measured(checkout: Path, subject: str) -> None:
    command = [sys.executable, "-c", SHORT, "--json", subject]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    if told["missing"]:
        pytest.skip(told["missing"][subject])
    assert (done.returncode, told["failed"]) == (0, {}), done.stderr
    assert told["rows"]
    assert [row for row in told["rows"] if row["value"] <= 0] == []


def test_a_subject_that_there_is_not(checkout: Path) -> None:
    assert bench(checkout, "nothing").returncode == 2


@pytest.mark.parametrize("other", [None, "", "also"])
@pytest.mark.parametrize("monitor", [None, "", "here"])
def test_without_qemu_its_subject_is_not_measured_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: str | None, other: str | None
) -> None:
    for variable, folder in (("LIVEFW_MONITOR", monitor), (qemu.OTHER, other)):
        monkeypatch.delenv(variable, raising=False)
        if folder is not None:
            monkeypatch.setenv(variable, folder and str(tmp_path / folder))
        if folder:
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "guest.bin").touch()
            (tmp_path / folder / "monitor.bin").touch()
    monkeypatch.setenv("PATH", "")
    before = dict(os.environ)
    rows = qemu.rows()
    assert next(rows).subject == "the agent's share of one SMC on QEMU"
    with pytest.raises(NotHere, match="is not installed" if monitor else "there is no|is not installed"):
        next(rows)
    assert dict(os.environ) == before
