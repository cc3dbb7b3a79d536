# SPDX-License-Identifier: Apache-2.0
"""What a person at a terminal sees of an activation, and what Ctrl-C does to it."""

import json
import os
import pty
import re
import select
from pathlib import Path

import pytest

from livefw.daemon.fwupd.devices import device_id

from .conftest import Daemon, Serve, stage

pytestmark = [pytest.mark.fwupd, pytest.mark.parametrize("bmc", [3.0], indirect=True)]
KEY = "redfish:model/pmfw-a"
_BAR = re.compile(r"Restarting device…\s*[\[▕]([*\u2800-\u28ff]*)\s*[\]▏]")
"""As fwupd 2.0 and 2.1 draw it."""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, daemon: Daemon, *command: str) -> None:
        self.screen = ""
        chosen = {"FWUPD_DBUS_SOCKET": daemon.path, "FWUPD_POLKIT_NOCHECK": "1", "TERM": "xterm"}
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, daemon.environment | chosen)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def read(self) -> bool:
        """See what is new; False at the end."""
        assert select.select([self._terminal], [], [], 60)[0], self.screen
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # how a terminal says that nobody is there any more
            return False
        self.screen += data.decode("utf-8", "replace")
        return bool(data)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self.read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def bars(self) -> list[int]:
        """How far the bar was, each time that it was drawn as one."""
        return [len(stars) for stars in _BAR.findall(self.screen) if stars]


def _staged(serve: Serve, bmc: Path) -> Daemon:
    daemon = serve(bmc)
    done = stage(daemon, KEY, b"version=1.9.0")
    assert done.returncode == 0, done.stderr
    return daemon


def test_the_bar_moves(bmc: Path, serve: Serve, fwupdmgr: str) -> None:
    terminal = Terminal(_staged(serve, bmc), fwupdmgr, "activate")
    assert terminal.end() == 0, terminal.screen
    assert "Activating firmware update for model: CPU0 power management firmware" in terminal.screen
    assert "Successfully activated all devices" in terminal.screen
    bars = terminal.bars()
    assert bars == sorted(bars)
    assert len(set(bars)) >= 3, terminal.screen


def test_whoever_stages_is_told_that_it_is_not_done(bmc: Path, serve: Serve, fwupdmgr: str, folder: Path) -> None:
    image = folder / "image.bin"
    image.write_bytes(b"version=1.9.0")
    terminal = Terminal(serve(bmc), fwupdmgr, "local-install", str(image), device_id(KEY))
    assert terminal.end() == 0, terminal.screen
    assert "Writing" in terminal.screen
    assert terminal.screen.rstrip().endswith("It is staged, and waits for its activation: livefw fwupdmgr activate")


def test_ctrl_c_ends_the_client_and_nothing_else(bmc: Path, serve: Serve, fwupdmgr: str) -> None:
    daemon = _staged(serve, bmc)
    terminal = Terminal(daemon, fwupdmgr, "activate")
    while not terminal.bars():
        assert terminal.read(), terminal.screen
    terminal.type(b"\x03")
    assert terminal.end() == 1
    assert "cancelled" in terminal.screen
    assert daemon.run(fwupdmgr, "activate").returncode == 1  # it goes on: busy
    outcome = None
    while outcome is None:
        rows = json.loads(daemon.call("History", "ss", "", "")[0])["history"]
        (outcome,) = [row["outcome"] for row in rows if row["intent"]["kind"] == "intent"][:1]
    assert outcome["outcome"] == "activated"
    entry = json.loads(daemon.run(fwupdmgr, "get-history", "--json").stdout)["Devices"][0]
    assert (entry["UpdateState"], entry["Releases"][0]["Version"]) == (2, "1.9.0")
