# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run --qemu`` as a process: other commands reach it, and nothing of it outlives it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.machine.qemu.process import firmware
from livefw.machine.qemu.scratch import Scratch

Process = subprocess.Popen[str]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """The runtime directory and the temporary files of a test's own."""
    (tmp_path / "tmp").mkdir()
    return dict(os.environ) | {"LIVEFW_RUNTIME_DIR": str(tmp_path / "run"), "TMPDIR": str(tmp_path / "tmp")}


@pytest.fixture
def running(surroundings: dict[str, str]) -> Iterator[Process]:
    """A machine with the test guest, once it is ready."""
    words = [sys.executable, "-m", "livefw", "--json", "machine", "run", "--platform", "vera", "--cpus", "2"]
    with subprocess.Popen(
        [*words, "--qemu", firmware("guest.bin")], env=surroundings, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in {"}\n", ""}:
            pass
        yield process
        process.kill()


def ask(surroundings: dict[str, str], *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "livefw", "--json", "machine", *words],
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


def emulators(process: Process) -> list[int]:
    """QEMU below a process."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(word) for file in children for word in file.read_text(encoding="ascii").split()]


def until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while alive := [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and _runs(pid)]:
        assert time.monotonic() < deadline, f"{alive} live on"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_other_commands_reach_it(running: Process, surroundings: dict[str, str]) -> None:
    assert ask(surroundings, "stage", "rmm", "9.1")["stage"]["version"] == "9.1"
    assert ask(surroundings, "fault", "busy")["fault"]["fault"] == "busy"
    assert ask(surroundings, "notify")["notify"]["notification"] == "dt"
    assert ask(surroundings, "show")["show"]["online"] == 1
    assert ask(surroundings, "trace")["calls"] == []
    assert "belongs to the guest" in ask(surroundings, "cpu", "off", "1")["error"]["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(
    running: Process, surroundings: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    pids = emulators(running)
    assert len(pids) == 1
    running.send_signal(number)
    assert running.wait(30) == 0
    until_gone(pids)
    assert list((tmp_path / "run").iterdir()) == list((tmp_path / "tmp").iterdir()) == []


def test_qemu_ends_with_a_killed_machine_and_the_next_start_clears_up(
    running: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (held,) = (tmp_path / "tmp").iterdir()
    with Scratch() as other:
        assert held.exists()  # its machine lives
        assert Path(other.path).exists()
    pids = emulators(running)
    running.kill()
    running.wait(30)
    until_gone(pids)
    assert held.exists()
    with Scratch() as other, Scratch():
        assert not held.exists()
        assert Path(other.path).exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_only_looks_like_a_folder_of_ours_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "livefw-qemu-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "livefw-qemu-file").touch()
    Scratch().close()
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "livefw-qemu-link", "livefw-qemu-file"}


def test_a_temporary_directory_without_room_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Scratch() as scratch:
        assert len(f"{scratch.path}/console") < 107
        assert os.stat(scratch.path).st_mode & 0o777 == 0o700
    assert not os.path.exists(scratch.path)


def test_a_killed_qemu_ends_the_machine(running: Process, tmp_path: Path) -> None:
    os.kill(emulators(running)[0], signal.SIGKILL)
    assert running.wait(30) in (0, 1)
    assert list((tmp_path / "tmp").iterdir()) == []
