# SPDX-License-Identifier: Apache-2.0
"""What `livefw doctor` says of a daemon: that it replies, that it is another version, that it does not reply."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import livefw

PROGRAM = """
import sys, livefw
livefw.__version__ = sys.argv.pop(1)
from livefw.activation.diagnosis import daemon
daemon._SECONDS = float(sys.argv.pop(1))
from livefw.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def doctor(root: Path, path: str, *, version: str = livefw.__version__, seconds: float = 30.0) -> tuple[int, Any]:
    words = [sys.executable, "-c", PROGRAM, version, str(seconds), "--root", str(root), "--json", "doctor", "daemon"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | {"LIVEFW_SOCKET": path}, timeout=90
    )
    (block,) = json.loads(done.stdout)["blocks"]
    return done.returncode, block["lines"]


@pytest.mark.parametrize(
    ("version", "state", "code"), [(livefw.__version__, "ok", "daemon"), ("99.1", "warning", "daemon-version")]
)
def test_the_daemon_is_told_with_its_version(serve: Any, planted: Path, version: str, state: str, code: str) -> None:
    daemon = serve(planted)
    exit_code, (line,) = doctor(planted, daemon.path, version=version)
    assert (exit_code, line["state"], line["code"]) == (0, state, code)
    assert livefw.__version__ in line["text"]
    assert bool(line["command"]) is (state == "warning")


@pytest.mark.parametrize("listens", [True, False])
def test_a_socket_that_nobody_answers_at_is_an_error(folder: Path, planted: Path, listens: bool) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(folder / "mute"))
        if listens:
            mute.listen()
        exit_code, (line,) = doctor(planted, str(folder / "mute"), seconds=0.2)
    assert (exit_code, line["state"], line["code"]) == (1, "error", "daemon-no-reply")
    assert line["command"] == "systemctl restart livefwd.socket livefwd.service"
