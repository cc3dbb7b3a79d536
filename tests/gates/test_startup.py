# SPDX-License-Identifier: Apache-2.0
"""What a short command loads. Modules are counted and not milliseconds, so that the test says the same everywhere.

Without the module `site` (``-S``): what a tool loads into each interpreter by a .pth, as coverage.py
does, is none of ours.
"""

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
    done = subprocess.run(probe, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert "TF-RMM" in done.stdout
    assert code == "0"
    assert HEAVY.intersection(modules) == set()
