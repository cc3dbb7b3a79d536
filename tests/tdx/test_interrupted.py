# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at the command while the kernel of a mounted machine is inside a write of a TDX update."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.kernel.clock import MS
from livefw.machine.machine import Machine

from .test_mounted import NODE, Mount, mount

__all__ = ["mount"]
pytestmark = pytest.mark.fuse


class Gate:
    """A kernel that stays inside the writes of one kind until it is let go."""

    def __init__(self, machine: Machine, file: str, begins: bytes) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        attribute: Any = machine.tree.lookup(f"/{NODE}/{file}")
        name = "store" if file == "loading" else "write_at"
        inner = getattr(attribute, name)

        async def stays(*values: Any) -> Any:
            if values[-1].startswith(begins):
                self.entered.set()
                while not self.leave.is_set():
                    await machine.os.sleep(5 * MS)
            return await inner(*values)

        setattr(attribute, name, stays)


class Row(NamedTuple):
    """Where the kernel is, how often somebody presses the keys, and what comes of it."""

    file: str
    begins: bytes
    times: int
    code: int
    outcome: str | None
    why: str
    runs: str


ROWS = {
    "once, while the node is opened": Row("loading", b"1", 1, 130, None, "interrupted", "1.5.06"),
    "twice, while the image is written": Row("data", b"", 2, 4, "refused", "given-up", "1.5.06"),
    "once, while the image is written": Row("data", b"", 1, 130, None, "interrupted", "1.5.06"),
    "twice, while it is handed over": Row("loading", b"0", 2, 6, "unknown", "not-watched", "1.5.24"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_nothing_is_left_open_and_nothing_is_called_undone(mount: Mount, tmp_path: Path, row: Row) -> None:
    machine, root = mount()
    gate = Gate(machine, row.file, row.begins)
    command = [sys.executable, "-m", "livefw", "--root", str(root), "--settings", str(root / "etc/livefw"), "--json"]
    with subprocess.Popen(
        [*command, "activate", "tdx:module", "--measure", "off"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LIVEFW_STATE": str(tmp_path / "state"), "LC_ALL": "C"},
    ) as process:
        assert process.stderr
        try:
            assert gate.entered.wait(60)
            process.send_signal(signal.SIGINT)
            if row.begins != b"1":  # from here on they are counted, and answered
                _read_until(process.stderr, "Ctrl-C: the activation is under way")
            if row.times > 1:
                process.send_signal(signal.SIGINT)
                _read_until(process.stderr, "Detached from the activation")
            if row.times > 1 and row.begins == b"0":
                process.wait(60)  # nobody watches any more, whatever the kernel does
        finally:
            gate.leave.set()
        out, _ = process.communicate(timeout=60)
    shown = json.loads(out)
    machine.runner.run(machine.os.sleep(500 * MS), name="pause")
    if row.outcome is None:
        assert (process.returncode, shown["error"]["kind"]) == (row.code, row.why)
    else:
        (result,) = shown["results"]
        assert (process.returncode, result["outcome"], result["code"]) == (row.code, row.outcome, row.why)
    assert (root / NODE / "loading").read_text() == "0\n"
    assert (root / "sys/devices/faux/tdx_host/version").read_text() == f"{row.runs}\n"


def _read_until(stream: Any, text: str) -> None:
    while text not in (line := stream.readline()):
        assert line
