# SPDX-License-Identifier: Apache-2.0
"""``livefw fwupdmgr`` becomes the client of whoever else's it is, led to our daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from livefw.cli.daemon import fwupdmgr
from livefw.cli.daemon.fwupdmgr import POLICY
from livefw.cli.main import main

CLIENT = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv[1:], {{name: value for name, value in os.environ.items() if name.startswith("FWUPD_")}}]))
sys.exit(3)
"""
"""What stands for fwupd's own client: it tells what it was given, and ends in a way of its own."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with programs, and what could be a daemon's socket."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "socket").touch()
    return tmp_path


def livefw(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing else on its path."""
    return subprocess.run(
        [sys.executable, "-m", "livefw", *words],
        cwd=place,
        env=os.environ | {"PATH": str(place / "bin"), "LIVEFW_SOCKET": str(place / "socket")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def install(place: Path, text: str, mode: int = 0o755) -> None:
    program = place / "bin/fwupdmgr"
    program.write_text(text, encoding="utf-8")
    program.chmod(mode)


@pytest.mark.parametrize(
    ("words", "given", "socket"),
    [
        (["fwupdmgr"], ["get-devices"], "socket"),
        (["fwupdmgr", "get-history", "--force"], ["get-history", "--force"], "socket"),
        (["--json", "fwupdmgr", "get-history"], ["get-history", "--json"], "socket"),
        (["fwupdmgr", "--socket", "bin", "activate", "x"], ["activate", "x"], "bin"),  # relative to where we are
        (["fwupdmgr", "--socket", "nowhere", "get-devices", "--help"], ["get-devices", "--help"], "nowhere"),
    ],
)
def test_it_becomes_the_client(place: Path, words: list[str], given: list[str], socket: str) -> None:
    install(place, CLIENT)
    done = livefw(place, *words)
    told, variables = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told) == (3, "", given)
    unchecked = {} if os.path.exists(POLICY) else {"FWUPD_POLKIT_NOCHECK": "1"}
    assert variables == {"FWUPD_DBUS_SOCKET": str(place / socket)} | unchecked


@pytest.mark.parametrize(
    ("text", "mode", "code", "said"),
    [
        (None, 0, 7, "fwupdmgr is not installed"),
        (CLIENT, 0o644, 1, "fwupdmgr cannot be run: Permission denied"),
        ("no program", 0o755, 1, "fwupdmgr cannot be run: Exec format error"),
    ],
)
def test_a_client_that_cannot_be_run_is_told(place: Path, text: str | None, mode: int, code: int, said: str) -> None:
    if text is not None:
        install(place, text, mode)
    done = livefw(place, "fwupdmgr", "get-devices")
    assert done.returncode == code
    assert done.stderr.startswith(f"livefw: {said}")
    assert ("hint: Debian: apt-get install fwupd" in done.stderr) == (text is None)


def test_another_root_is_the_daemons(place: Path) -> None:
    install(place, CLIENT)
    done = livefw(place, "--root", str(place), "fwupdmgr")
    assert done.returncode == 2
    assert "livefwd --root DIR --socket PATH" in done.stderr


def test_fwupds_own_daemon_is_asked_where_it_has_the_plugin(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And livefwd does not listen where it usually does; a socket that somebody names is not given up."""
    ran: list[tuple[list[str], dict[str, str]]] = []

    def become(_: str, words: list[str], environment: dict[str, str]) -> None:
        ran.append((words, environment))
        raise FileNotFoundError

    found = ["/usr/lib/fwupd-2.0.20/libfu_plugin_arm_lfa.so"]
    monkeypatch.setattr("os.execvpe", become)
    monkeypatch.setattr(fwupdmgr, "SOCKET", "/nowhere/s")
    monkeypatch.setattr(fwupdmgr, "plugins", lambda *_: iter(found))
    monkeypatch.setenv("FWUPD_DBUS_SOCKET", "/nowhere/else")
    assert main(["fwupdmgr", "--socket", "/nowhere/s", "get-devices"]) == 7
    ((words, environment),) = ran
    assert (words, "FWUPD_DBUS_SOCKET" in environment) == (["fwupdmgr", "get-devices"], False)
    assert f"fwupd's own daemon, which has {found[0]}" in capfd.readouterr().err
    assert main(["fwupdmgr", "--socket", "/nowhere/other", "get-devices"]) != 7
    found.clear()
    assert main(["fwupdmgr", "--socket", "/nowhere/s", "get-devices"]) != 7
    assert "livefwd does not listen at /nowhere/s" in capfd.readouterr().err
    assert len(ran) == 1
