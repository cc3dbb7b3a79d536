# SPDX-License-Identifier: Apache-2.0
"""`livefw machine run --platform nvme`: drives as a process, what hosts meet on their ports, and what it is told."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.abi import nvme
from livefw.abi.nvme import ControllerIdentity
from livefw.cli.main import main
from livefw.machine.nvme.subsystem import DriveSpec

from .test_tcp import IC_REQUEST, capsule, connect, sqe

Livefw = Callable[..., tuple[int, Any]]


class Drives:
    """The process, and what it said when it was ready."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "livefw", "--json", "machine", "run", "--platform", "nvme", *words]
        environment = os.environ | {"LIVEFW_RUNTIME_DIR": str(folder)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        said = ""
        while not said.endswith("\n}\n"):
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.ready = json.loads(said)["machine"]

    def identify(self, number: int) -> ControllerIdentity:
        """As a host finds it."""
        drive = self.ready["drives"][number]
        with socket.create_connection((drive["address"], drive["port"])) as host, host.makefile("rb") as stream:
            host.sendall(IC_REQUEST + connect(1, nqn=drive["nqn"]) + capsule(sqe(2, nvme.identify_controller())))
            told = stream.read(128 + 24 + 24 + 4096)
        return ControllerIdentity.decode(told[-4096:])

    def end(self) -> int:
        self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lfd") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def drives(folder: Path) -> Iterator[Drives]:
    made = Drives(folder)
    yield made
    assert made.end() == 0
    assert not Path(made.ready["image"]).exists()
    assert os.listdir(folder) == []


@pytest.fixture
def livefw(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Livefw:
    def run(*words: str) -> tuple[int, Any]:
        monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(folder))
        code = main(["--json", "machine", *words])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_hosts_find_a_drive_on_each_port(drives: Drives) -> None:
    found = [drives.identify(number) for number in range(2)]
    assert [each.serial for each in found] == ["LFW0001", "LFW0002"]
    assert {each.subnqn for each in found} == {each["nqn"] for each in drives.ready["drives"]}
    image = Path(drives.ready["image"]).read_bytes()
    assert image == DriveSpec().image("2.0")


def test_it_is_shown_from_inside_and_in_words(
    drives: Drives, livefw: Livefw, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = livefw("show")
    assert code == 0
    first, second = told["show"]["drives"]
    assert (first["current_version"], first["slots"], first["dead"]) == ("1.0", ["1.0", ""], False)
    assert second["port"] == drives.ready["drives"][1]["port"]
    assert main(["machine", "show"]) == 0
    assert "LFW0002  1.0   1 1.0, 2 empty" in capsys.readouterr().out
    assert [each["platform"] for each in livefw("list")[1]["machines"]] == ["nvme"]


def test_one_drive_or_each_is_made_to_fail_and_behaves_again(drives: Drives, livefw: Livefw) -> None:
    def faults() -> list[list[str]]:
        return [each["faults"] for each in livefw("show")[1]["show"]["drives"]]

    assert livefw("fault", "nvme-dies", "LFW0002")[1]["fault"]["where"] == "drive"
    assert faults() == [[], ["dies"]]
    assert livefw("fault", "nvme-no-event")[0] == 0
    assert faults() == [["no-event"], ["dies", "no-event"]]
    assert livefw("fault", "--clear")[0] == 0
    assert faults() == [[], []]
    assert drives.process.poll() is None


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("fault", "nvme-dies", "LFW0003"), "no drive with the serial number 'LFW0003'"),
        (("fault", "busy"), "drives have no fault 'busy'"),
        (("fault", "nvme-dies", "--times", "2"), "has no option times"),
        (("trace",), "livefw machine show --machine nvme"),
        (("run", "--platform", "nvme", "--cpus", "2"), "--cpus is for machines with CPUs"),
        (("run", "--platform", "nvme", "--components", "65"), "there can be 1 to 64"),
        (("run", "--platform", "nvme"), "--machine NAME"),
    ],
)
def test_what_drives_cannot_do_is_refused(drives: Drives, livefw: Livefw, words: tuple[str, ...], part: str) -> None:
    code, told = livefw(*words)
    assert (code, part in json.dumps(told["error"])) == (2, True), told
    assert drives.process.poll() is None


def test_other_machines_have_no_drives_that_fail(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    description = tmp_path / "mine.toml"
    description.write_text('name = "mine"\n[[faults]]\nname = "nvme-dies"\n', encoding="ascii")
    assert main(["machine", "run", "--platform", str(description)]) == 2
    assert "this machine has no NVMe drives" in capsys.readouterr().err


def test_drives_end_with_a_host_that_is_connected(folder: Path) -> None:
    made = Drives(folder, "--machine", "other", "--components", "1")
    drive = made.ready["drives"][0]
    with socket.create_connection((drive["address"], drive["port"])) as host:
        host.sendall(IC_REQUEST + connect(1, nqn=drive["nqn"]))
        assert host.recv(1)
        assert made.end() == 0
        while host.recv(1 << 16):
            pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
