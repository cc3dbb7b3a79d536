# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run`` as a process: its end, whatever ends it, and what the next start does with leftovers."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.abi import guid
from livefw.machine.fuse.mount import is_mounted

RMM = str(guid.RMM.guid)
Start = Callable[..., Any]
pytestmark = pytest.mark.fuse


def left_over(tmp_path: Path) -> list[str]:
    """What is left in the runtime directory."""
    return os.listdir(tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(process: Start, tmp_path: Path, number: signal.Signals) -> None:
    machine = process("--platform", "vera")
    assert machine.popen.stdout is not None
    told = [machine.popen.stdout.readline() for _ in range(3)]
    assert told[-1] == f"  try: livefw --root {machine.mount} list\n"
    assert [line for line in told if len(line) - len(str(machine.mount)) > 80] == []
    assert (machine.mount / "sys/firmware/lfa" / RMM / "name").read_text() == "TF-RMM\n"
    assert machine.end(number) == 0
    assert not is_mounted(str(machine.mount))
    assert left_over(tmp_path) == []


def test_a_mount_point_that_is_missing_is_made_and_taken_away(process: Start, tmp_path: Path) -> None:
    machine = process("--platform", "fvp", "--mount", str(tmp_path / "new"))
    assert (tmp_path / "new/sys/firmware/lfa" / RMM / "name").read_text() == "TF-RMM\n"
    assert machine.end() == 0
    assert not (tmp_path / "new").exists()
    assert left_over(tmp_path) == []


def test_it_ends_although_files_are_open_and_a_write_blocks(process: Start, tmp_path: Path) -> None:
    machine = process("--platform", "vera")
    assert machine.livefw("machine", "fault", "hang").returncode == 0
    directory = machine.mount / "sys/firmware/lfa" / RMM
    with (
        open(directory / "name", encoding="utf-8") as held,
        subprocess.Popen(
            ["bash", "-c", "echo started; echo 1 > activate"],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as writer,
    ):
        while not json.loads(machine.livefw("--json", "machine", "trace").stdout)["inside"]:
            pass
        assert machine.end() == 0
        assert writer.wait(timeout=20) != 0
        with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
            held.read()
    assert not is_mounted(str(machine.mount))
    assert left_over(tmp_path) == []


def test_it_ends_when_somebody_unmounts_it(process: Start, tmp_path: Path) -> None:
    machine = process("--platform", "fvp")
    subprocess.run(["umount", str(machine.mount)], check=True)
    assert machine.popen.wait(timeout=20) == 0
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("second_name", ["vera", "other"])
def test_the_next_start_clears_up_after_a_kill(
    process: Start, tmp_path: Path, second_name: str, *, chosen: bool
) -> None:
    directory = tmp_path / "mount"
    directory.mkdir()
    where = ("--mount", str(directory)) if chosen else ()
    killed = process("--platform", "vera", *where)
    assert os.stat(killed.mount).st_size == 0  # what the kernel knows of it outlives the server
    killed.end(signal.SIGKILL)
    with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
        os.listdir(killed.mount)
    assert killed.livefw("machine", "list").returncode == 3
    again = process("--platform", "vera", "--machine", second_name, *where)
    assert (again.mount / "sys/firmware/lfa" / RMM / "name").read_text() == "TF-RMM\n"
    assert again.end() == 0
    last = process("--platform", "vera")
    assert last.end() == 0
    assert left_over(tmp_path) == []
    assert not is_mounted(str(killed.mount))


def test_what_is_alive_is_left_alone(process: Start, tmp_path: Path) -> None:
    first = process("--platform", "vera")
    same_name = process("--platform", "fvp", "--machine", "vera")
    same_place = process("--platform", "fvp", "--mount", str(first.mount))
    for other, reason in ((same_name, "is running already"), (same_place, "in use by another machine")):
        assert other.popen.wait(timeout=20) == 2
        assert reason in other.popen.stderr.read()
    assert (first.mount / "sys/firmware/lfa" / RMM / "name").read_text() == "TF-RMM\n"
    second = process("--platform", "fvp")
    machines = json.loads(first.livefw("--json", "machine", "list").stdout)["machines"]
    assert [machine["name"] for machine in machines] == ["fvp", "vera"]
    ambiguous = first.livefw("machine", "log")
    assert (ambiguous.returncode, "fvp, vera" in ambiguous.stderr) == (2, True)
    assert "TF-RMM" not in first.livefw("machine", "log", "--machine", "fvp").stdout
    assert second.end() == first.end() == 0
    assert left_over(tmp_path) == []


def test_a_runtime_directory_that_others_can_write_to_is_refused(process: Start, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    machine = process("--platform", "vera")
    assert machine.popen.wait(timeout=20) == 5
    assert "not private to you" in machine.popen.stderr.read()


def test_verbs_act_on_the_running_machine(process: Start) -> None:
    machine = process("--platform", "vera", "--agent", "tfa-2026", "--driver", "v3", "--cpus", "2")
    name = machine.mount / "sys/firmware/lfa" / RMM
    assert "staged 7.3" in machine.livefw("machine", "stage", "rmm", "7.3").stdout
    assert "auth" in machine.livefw("machine", "fault", "auth-error", "rmm", "--times", "1").stdout
    # Not write_text(): a Python file that fails to flush tries again when it is closed, and that activates once more.
    with open(name / "activate", "wb", buffering=0) as activate, pytest.raises(OSError, match="canceled"):
        activate.write(b"1\n")
    assert "LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR" in machine.livefw("machine", "log").stdout
    (name / "auto_activate").write_text("1\n")
    assert "acpi" in machine.livefw("machine", "notify").stdout
    follower = ["bash", "-c", '"$@" | grep -m 1 "automatic activation succeeded"', "follow"]
    command = [*machine.popen.args[:3], "machine", "log", "--follow"]
    subprocess.run([*follower, *command], check=True, env=machine.environment, capture_output=True)
    trace = machine.livefw("machine", "trace").stdout
    assert trace.count("LFA_ACTIVATE(fw_seq_id=3") == 2
    assert json.loads(machine.livefw("--json", "machine", "show").stdout)["show"]["realms"] == {"running": 2, "lost": 0}
    assert "1 CPUs" in machine.livefw("machine", "cpu", "off", "1").stdout
    assert machine.livefw("machine", "cpu", "off", "0").returncode == 2
    assert machine.livefw("machine", "stage", "nothing").returncode == 2


def test_a_dead_rmm_is_dead_until_the_machine_starts_anew(process: Start) -> None:
    """TF-A rmmd_main.c: an RMM that refused to boot, a retry that says success, and nothing that mends it."""
    arguments = ("--platform", "vera", "--agent", "tfa-2026", "--driver", "v3", "--cpus", "2")
    machine = process(*arguments)
    rmm = machine.mount / "sys/firmware/lfa" / RMM

    def activate() -> None:
        with open(rmm / "activate", "wb", buffering=0) as file:
            file.write(b"1\n")

    def shown() -> tuple[str, dict[str, Any]]:
        document: dict[str, Any] = json.loads(machine.livefw("--json", "machine", "show").stdout)["show"]
        return machine.livefw("machine", "show").stdout, document

    machine.livefw("machine", "fault", "activation-failed", "rmm", "--times", "1")
    with pytest.raises(OSError, match="canceled"):
        activate()
    machine.livefw("machine", "stage", "rmm", "7.3")
    activate()  # the good image: success, and nothing changes
    text, document = shown()
    assert "TF-RMM is dead until a cold boot" in text
    assert "lost Realms and their LFA policy: 1 (allow), 2 (allow)" in text
    assert "GUESTS WERE LOST" in text
    assert (document["realms"], document["commits"]) == ({"running": 0, "lost": 2}, [])
    assert document["lost_realms"] == [{"id": 1, "lfa_policy": "allow"}, {"id": 2, "lfa_policy": "allow"}]
    states = {each["guid"]: (each["current_version"], each["dead"]) for each in document["components"]}
    assert states[RMM] == ("1.0", True)
    assert sum(dead for _, dead in states.values()) == 1
    assert machine.end() == 0

    machine = process(*arguments)
    rmm = machine.mount / "sys/firmware/lfa" / RMM
    activate()
    text, document = shown()
    assert ("dead" in text, document["realms"]) == (False, {"running": 2, "lost": 0})
    assert document["commits"] == [{"sequence": 0, "component": RMM, "version": "1.1"}]


def test_a_reload_makes_the_driver_look_anew(process: Start) -> None:
    """After a GUID was reported twice, a directory stands for another component, and one component has none."""
    machine = process("--platform", "vera", "--cpus", "2")
    tree = machine.mount / "sys/firmware/lfa"
    first, second = sorted(each.name for each in tree.iterdir())[:2]
    machine.livefw("machine", "stage", first, "27.0")
    machine.livefw("machine", "fault", "duplicate-guid", second)
    for file, text in (("force_cpu_rendezvous", b"0\n"), ("activation_pending", b""), ("activate", b"1\n")):
        with open(tree / first / file, "wb" if text else "rb", buffering=0) as opened:
            opened.write(text) if text else opened.read()
    machine.livefw("machine", "fault", "--clear")
    assert (tree / second / "current_version").read_text() == "1.0\n", "the RMM's"
    answer = machine.livefw("machine", "reload")
    assert (answer.returncode, answer.stdout) == (0, "driver nv3 was unloaded and loaded again\n")
    versions = {each.name: (each / "current_version").read_text() for each in tree.iterdir()}
    assert (versions[first], versions[second], versions[RMM]) == ("27.0\n", "1.14\n", "1.0\n")


def test_options_that_cannot_be(environment: dict[str, str], process: Start) -> None:
    for arguments, reason in (
        (("--platform", "nowhere"), "no platform"),
        (("--platform", "vera", "--cpus", "0"), "from 1 to 4096"),
        (("--platform", "vera", "--components", "5"), "fixed set"),
        (("--platform", "vera", "--machine", "a/b"), "name:"),
        (("--platform", "vera", "--mount", "/no/such/place"), "No such file"),
        (("--platform", "vera", "--driver", "v9"), "there is no 'v9'"),
        ((), "is missing"),
    ):
        machine = process(*arguments)
        assert machine.popen.wait(timeout=20) == 2, arguments
        assert reason in machine.popen.stderr.read()


def test_a_runtime_directory_without_room_for_a_socket(environment: dict[str, str], tmp_path: Path) -> None:
    folder, root = tmp_path / ("long" * 25), tmp_path / "root"
    root.mkdir()
    command = [sys.executable, "-m", "livefw", "machine", "run", "--platform", "vera", "--mount", str(root)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment | {"LIVEFW_RUNTIME_DIR": str(folder)},
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"cannot create a socket at {folder}/vera.sock: AF_UNIX path too long" in done.stderr
    assert "LIVEFW_RUNTIME_DIR" in done.stderr.partition("hint: ")[2]
    assert list(folder.glob("*.sock")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a namespace")
def test_without_fuse_it_says_what_is_missing(process: Start, environment: dict[str, str]) -> None:
    """In a namespace of its own whose /dev has no fuse."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "hidden"]
    machine = process("--platform", "vera")
    machine.end()
    done = subprocess.run([*hidden, *machine.popen.args], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "/dev/fuse: No such file or directory" in done.stderr
    assert "livefw demo" in done.stderr
