# SPDX-License-Identifier: Apache-2.0
"""The daemon and its jobs send events as every other program does, and only once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livefw.dbus.wire import Variant

from .conftest import Serve

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"


class Pipe:
    """An executable in notify.d that waits until each of its events was read here."""

    def __init__(self, settings: Path, folder: Path) -> None:
        self._path = folder / "events"
        os.mkfifo(self._path)
        hook = settings / "notify.d/keep"
        hook.parent.mkdir(parents=True)
        hook.write_text(f"#!/bin/sh\ncat > {self._path}\n")
        hook.chmod(0o755)

    def read(self) -> dict[str, Any]:
        """The next event."""
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found


def waiting(state: str) -> list[Any]:
    found: list[Any] = json.loads((Path(state) / "notify/queue.json").read_text())["waiting"]
    return found


def test_the_daemon_and_its_jobs_send_each_event_once(serve: Serve, planted: Path, folder: Path) -> None:
    pipe = Pipe(planted / "etc/livefw", folder)
    daemon = serve(planted)
    daemon.call("List")
    pending = pipe.read()
    assert (pending["event"], pending["key"]) == ("pending", f"lfa:{RMM}")
    daemon.call("Activate", "asa{sv}", [f"lfa:{RMM}"], {"reason": Variant("s", "a test")})
    ended = pipe.read()
    assert (ended["event"], ended["reason"]) == ("unknown", "a test")
    for _ in range(3):
        daemon.call("List")
    daemon.end()
    again = serve(planted)
    again.call("List")
    again.end()
    assert waiting(daemon.state) == []


def test_an_executable_that_hangs_keeps_no_client_waiting(serve: Serve, planted: Path, folder: Path) -> None:
    pipe = Pipe(planted / "etc/livefw", folder)
    daemon = serve(planted)
    daemon.call("List")
    daemon.call("Activate", "asa{sv}", [f"lfa:{RMM}"], {})
    daemon.call("Activate", "asa{sv}", [f"lfa:{RMM}"], {})
    assert [pipe.read()["event"] for _ in range(3)] == ["pending", "unknown", "unknown"]


@contextmanager
def bmc_at(root: Path) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-m", "livefw", "machine", "bmc", str(root), "--seconds", "0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready" in line, line
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def test_a_bmc_becomes_silent(folder: Path) -> None:
    root = folder / "root"
    with bmc_at(root):
        settings = folder / "settings"
        settings.mkdir()
        settings.chmod(0o755)
        for file in (root / "etc/livefw").iterdir():
            (settings / file.name).write_bytes(file.read_bytes())
            (settings / file.name).chmod(0o600)
        pipe = Pipe(settings, folder)
        environment = os.environ | {"LIVEFW_STATE": str(folder / "state"), "LIVEFW_RUNTIME_DIR": str(folder)}
        words = ["--root", str(root), "--settings", str(settings), "watch", "--interval", "0.2"]
        watch = subprocess.Popen(
            [sys.executable, "-m", "livefw", *words], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert watch.stdout
        watch.stdout.readline()
    try:
        silent = pipe.read()
        assert (silent["event"], silent["bmc"], silent["code"]) == ("silent", "model", "silent")
    finally:
        watch.terminate()
        watch.communicate()
