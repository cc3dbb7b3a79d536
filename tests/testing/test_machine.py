# SPDX-License-Identifier: Apache-2.0
"""Modelled machines of the kit: what a test can do with one, and that nothing of it is left behind."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from livefw import Finished
from livefw.errors import UsageError
from livefw.machine.fuse.mount import is_mounted
from livefw.testing import DRIVERS, FAULTS, FaultRequest, ModelMachine, MountedMachine, shell_in


def test_time_is_virtual() -> None:
    """v3 gives up on a PRIME after 30 s."""
    before = time.monotonic()
    with ModelMachine("vera", driver="v3", faults=["endless-prime:rmm"]) as machine:
        start = machine.clock.now()
        assert machine.write("rmm", "activate") == "ECANCELED"
        assert machine.clock.now() - start > 30
        machine.pass_time(3600)
    assert time.monotonic() - before < 30


@pytest.mark.parametrize("real_time", [False, True])
def test_an_activation_is_seen_from_all_sides(real_time: bool) -> None:
    before = set(threading.enumerate())
    with ModelMachine(driver="v3", real_time=real_time) as machine:
        assert machine.running("rmm") == machine.read("TF-RMM", "current_version") == "1.0"
        assert machine.write("rmm", "activate") == "ok"
        assert machine.running("rmm") == machine.read("6c07", "current_version") == "1.1"
        assert "TF-RMM: successfully activated" in machine.log
        assert "LFA_PRIME" in machine.trace
        assert machine.calls[0].name == "LFA_VERSION" or machine.calls[0].name.startswith("SMCCC")
        assert machine.stage("rmm") == "1.2"
        assert machine.stage("rmm", "4.0") == "4.0"
        machine.clear_faults()
    assert set(threading.enumerate()) <= before


def test_faults_are_named_in_three_ways() -> None:
    machine = ModelMachine(driver="nv3")
    for fault in ("auth-error:rmm", {"name": "auth-error", "component": "rmm"}, FaultRequest(name="busy")):
        machine.inject(fault)
        assert machine.write("rmm", "activate") != "ok"
        machine.clear_faults()
        machine.pass_time()
    machine.inject("auth-error", "rmm", times=1)
    assert [machine.write("rmm", "activate") for _ in range(2)] == ["ECANCELED", "ok"]


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({"driver": "v9"}, "v1, v2, v3, nv3, lw1"),
        ({"agent": "tfa"}, "tfa-2.14"),
        ({"faults": ["no-such"]}, "auth-error"),
        ({"faults": [{"name": "busy", "often": 1}]}, "often"),
        ({"faults": [{"component": "rmm"}]}, "needs a name"),
        ({"faults": ["auth-error:nobody"]}, "nobody"),
        ({"cpus": 0}, "between 1 and 4096"),
        ({"platform": "nowhere"}, "livefw machine run --list"),
    ],
)
def test_what_there_is_not_is_an_error_that_lists_what_there_is(changes: dict[str, object], listed: str) -> None:
    with pytest.raises(UsageError) as error:
        ModelMachine(**changes)  # type: ignore[arg-type]
    assert re.search(listed, f"{error.value.message} {error.value.hint}")
    assert [thread.name for thread in threading.enumerate() if "livefw" in thread.name] == []


def test_a_component_that_the_driver_does_not_show_is_enoent() -> None:
    with ModelMachine(boot=False) as machine:
        assert (machine.guids, machine.read("rmm", "name"), machine.write("nobody", "cancel")) == ([], *["ENOENT"] * 2)
        assert machine.boot()
        assert len(machine.guids) == 4
        assert machine.write("rmm", "name") == "EACCES"


def test_every_driver_and_fault_of_the_tables_is_one_that_a_machine_takes() -> None:
    for driver in DRIVERS:
        assert ModelMachine(driver=driver).guids
    plain = [name for name, fault in FAULTS.items() if fault.target == "none" and fault.where == "conduit"]
    assert len(plain) >= 4
    for name in plain:
        ModelMachine(faults=[name]).close()


@pytest.mark.fuse
def test_any_program_can_use_a_mounted_machine(mountable: None) -> None:
    with MountedMachine(driver="v3", cpus=2) as machine:
        (rmm,) = machine.root.glob("sys/firmware/lfa/6c0762a6-*")
        assert (rmm / "name").read_text(encoding="utf-8") == "TF-RMM\n"
        assert machine.run(["cat", rmm / "current_version"]).stdout == "1.0\n"
        assert machine.run(shell_in(rmm, "cat pending_version")).stdout == "1.1\n"
        assert '"outcome": "activated"' in machine.livefw("--json", "activate", "--yes", "TF-RMM").stdout
        assert machine.running("rmm") == "1.1"
        assert machine.livefw("history").stdout.count("activated") == 1
        environment = machine.run(["env"], environment={"MORE": "1"}).stdout.split("\n")
        assert {f"LIVEFW_TEST_ROOT={machine.root}", "MORE=1"} < set(environment)
        base = machine.root.parent
    machine.close()
    assert not base.exists()


def test_livefw_runs_on_it_in_its_own_time() -> None:
    """Of the policy only what has to do with outcomes is looked at: v3 tries a PRIME for 30 s."""
    before = time.monotonic()
    with ModelMachine(driver="v3", faults=[{"name": "endless-prime", "component": "rmm", "times": 100_000}]) as machine:
        with machine.connect() as host:
            *_, finished = host.activate("tf-rmm")
            assert isinstance(finished, Finished)
            assert [(each.result.outcome, each.result.seconds > 30) for each in finished.attempts] == [("failed", True)]
        machine.clear_faults()
        with machine.connect(measure=True) as host:
            *_, finished = host.activate("tf-rmm")
            assert isinstance(finished, Finished)
            assert finished.attempts[0].result.outcome == "activated"
            assert finished.attempts[0].measurement
            assert len(host.history().activations) == 2
        with pytest.raises(UsageError), machine.connect(settings="nonsense = 1"):
            pass
        assert machine.running("rmm") == "1.1"
    assert time.monotonic() - before < 30


@pytest.mark.fuse
def test_livefw_runs_on_a_mounted_machine_by_its_files(mountable: None) -> None:
    with MountedMachine(driver="v3", cpus=2) as machine:
        with machine.connect(settings='[component."TF-RMM"]\npin = "1.0"\n') as host:
            assert [step.stopped for step in host.plan().steps] == [True]
        with machine.connect() as host:
            *_, finished = host.activate("tf-rmm")
            assert isinstance(finished, Finished)
            assert finished.attempts[0].result.outcome == "activated"
        assert machine.livefw("history").stdout.count("activated") == 1


@pytest.mark.fuse
def test_nothing_is_left_of_a_test_that_fails(mountable: None) -> None:
    earlier = _children()  # of tests before this one
    machine = MountedMachine(driver="v3", faults=["endless-prime:rmm"])
    base, root = machine.root.parent, str(machine.root)
    (activate,) = machine.root.glob("sys/firmware/lfa/6c0762a6-*/activate")
    with pytest.raises(subprocess.TimeoutExpired), machine:
        machine.run(["sh", "-c", f"echo 1 > {activate} & echo $! >&2; sleep 1000"], seconds=0.5)
    assert not is_mounted(root)
    assert not base.exists()
    assert _children() - earlier == set()


def _children() -> set[str]:
    """The processes below us, also those that have ended and were not waited for."""
    return set("".join(path.read_text(encoding="ascii") for path in Path("/proc/self/task").glob("*/children")).split())


@pytest.mark.fuse
def test_nothing_is_left_of_a_machine_that_cannot_be_mounted(
    mountable: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("livefw.testing.mounted.MountedTree", fail)
    with pytest.raises(RuntimeError):
        MountedMachine()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fuse
def test_a_program_is_not_started_from_a_directory_of_the_machine(mountable: None) -> None:
    """In a process of its own, whose current directory is of no other test."""
    script = (
        "import os\nfrom livefw.errors import UsageError\nfrom livefw.testing import MountedMachine\n"
        "with MountedMachine() as machine:\n    os.chdir(machine.root)\n"
        "    try:\n        machine.run(['true'])\n    except UsageError as error:\n        print(error.hint)\n"
        "    os.chdir('/')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "livefw.testing.shell_in\n"
