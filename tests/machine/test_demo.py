# SPDX-License-Identifier: Apache-2.0
"""``livefw demo``, as a newcomer runs it: no FUSE, no root."""

import json
import subprocess
import sys

import pytest


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livefw", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_it_shows_an_activation_from_beginning_to_end() -> None:
    done = demo("demo")
    assert (done.returncode, done.stderr) == (0, "")
    order = [
        "$ livefw list",
        "1.1      all           ready",
        "$ livefw activate TF-RMM",
        "activated, 1.0 -> 1.1",
        "LFA_PRIME(fw_seq_id=3) -> SUCCESS call_again",
        "LFA_ACTIVATE(fw_seq_id=3",
        "All 88 CPUs were stopped once",
        "2 run on, 0 were lost",
        "-        all           up to date",
        "livefw machine run --platform vera",
    ]
    positions = [done.stdout.find(text) for text in order]
    assert -1 not in positions, done.stdout
    assert positions == sorted(positions)


@pytest.mark.parametrize("platform", ["fvp", "grid"])
def test_other_platforms(platform: str) -> None:
    done = demo("demo", "--platform", platform)
    assert done.returncode == 0, done.stderr
    assert ": activated" in done.stdout


def test_json_is_one_document() -> None:
    done = demo("--json", "demo")
    document = json.loads(done.stdout)
    assert (done.returncode, document["schema"], document["result"]["outcome"]) == (0, "livefw/1", "activated")
    assert document["realms"] == {"running": 2, "lost": 0}
    assert len(document["calls"]) == 12 + 88
    assert len(document["stalls_ns"]) == 1
