# SPDX-License-Identifier: Apache-2.0
"""What a short command loads. Modules are counted and not milliseconds, so that the test says the same everywhere.

Without the module `site` (``-S``): what a tool loads into each interpreter by a .pth, as coverage.py
does, is none of ours.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import livefw

SOURCES = Path(livefw.__file__).parents[1]
HEAVY = {
    "asyncio",
    "dataclasses",
    "inspect",
    "json",
    "logging",
    "msgspec",
    "re",
    "rich",
    "subprocess",
    "typing",
    "uuid",
}
"""Each costs from 2 to 60 ms, where a bare interpreter starts in 12."""

EXAMINING = (
    "livefw.activation.checks",
    "livefw.activation.engine",
    "livefw.activation.examination",
    "livefw.activation.history",
    "livefw.activation.lock.machine_lock",
    "livefw.activation.pending.recorder",
    "livefw.activation.policy",
    "livefw.api",
    "livefw.assemble",
    "sqlite3",
)
"""What a state may need where there is a policy, a history with activations, a lock, a watchdog or an offline CPU."""

PROBE = """
import sys
sys.path.insert(0, {sources!r})
from livefw.cli.main import main
try:
    code = main({arguments!r})
except SystemExit as exit:
    code = exit.code
print(code, *sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["list", "--json list"])
def test_list_loads_nothing_heavy(tmp_path: Path, command: str) -> None:
    for guid, title in {
        "6c0762a6-12f2-4b56-92cb-ba8f633606d9": "TF-RMM",
        "0509b633-5734-422f-a681-6096e932d93a": "",
    }.items():
        component = tmp_path / "sys/firmware/lfa" / guid
        component.mkdir(parents=True)
        for name, text in {"name": title, "activation_capable": "1", "activation_pending": "1"}.items():
            (component / name).write_text(f"{text}\n", encoding="ascii")
    arguments = ["--root", str(tmp_path), *command.split()]
    probe = [sys.executable, "-S", "-c", PROBE.format(arguments=arguments, sources=str(SOURCES))]
    environment = os.environ | {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path / "run")}
    # The first one records since when the image is pending.
    subprocess.run(probe, env=environment, capture_output=True, check=True)
    done = subprocess.run(probe, env=environment, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert "TF-RMM" in done.stdout
    assert code == "0"
    assert HEAVY.intersection(modules) == set()
    assert [name for name in modules if name.startswith(EXAMINING)] == []
