# SPDX-License-Identifier: Apache-2.0
"""The command says the same through the daemon as alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Daemon, Serve


def _livefw(daemon: Daemon, *words: str, through: bool, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**daemon.environment, **({"LIVEFW_SOCKET": daemon.path} if through else {})}
    return subprocess.run(
        [sys.executable, "-m", "livefw", "--root", str(daemon.root), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **more,
    )


LOOKS = [
    ("list",),
    ("--json", "list"),
    ("show", "TF-RMM"),
    ("--json", "show", "tf-rmm", "0509b633"),
    ("show", "nothing"),
    ("plan",),
    ("--json", "plan", "TF-RMM"),
    ("plan", "SCP"),
    ("plan", "--ignore", "nonsense"),
    ("history",),
    ("--json", "history"),
    ("history", "--verify"),
    ("activate", "--dry-run", "--all"),
    ("activate",),
    ("activate", "nothing"),
    ("--json", "activate", "nothing"),
]


def test_looking_says_the_same(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    different = {}
    for words in LOOKS:
        alone = _livefw(daemon, *words, through=False)
        served = _livefw(daemon, *words, through=True)
        if (alone.returncode, alone.stdout, alone.stderr) != (served.returncode, served.stdout, served.stderr):
            different[words] = (alone, served)
    assert different == {}


def test_activating_goes_through_it(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    done = _livefw(daemon, "--json", "activate", "TF-RMM", "--reason", "a test", through=True)
    (result,) = json.loads(done.stdout)["results"]
    assert result["component"].startswith("lfa:")
    history = json.loads(_livefw(daemon, "--json", "history", through=True).stdout)["history"]
    assert [(row["intent"]["actor"]["face"], row["intent"]["reason"]) for row in history] == [("daemon", "a test")]


def test_without_a_daemon_it_works_alone(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    daemon.end()
    assert _livefw(daemon, "plan", through=True).stdout == _livefw(daemon, "plan", through=False).stdout != ""


@pytest.mark.fwupd
def test_fwupdmgr_is_led_to_it(planted: Path, serve: Serve, fwupdmgr: str) -> None:
    daemon = serve(planted)
    environment = {**daemon.environment, "LIVEFW_SOCKET": daemon.path, "FWUPD_POLKIT_NOCHECK": "1"}
    words = [sys.executable, "-m", "livefw", "fwupdmgr", "get-devices", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "TF-RMM" in {device["Name"] for device in json.loads(done.stdout)["Devices"]}
