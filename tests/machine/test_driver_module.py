# SPDX-License-Identifier: Apache-2.0
"""Unloading the modelled driver and loading it again, as rmmod and insmod did it to each version on Linux 6.12."""

import errno
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.errors import NothingToDo, UsageError
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine
from livefw.testing.machine import ModelMachine

LFA = "/sys/firmware/lfa"
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"
Start = Callable[..., Any]


def bench_of(driver: str, *, steps: int = 1) -> ModelMachine:
    """Two CPUs, no PRIME in steps, which v1 cannot, and an ACTIVATE of 500 ms a step."""
    config = load("vera")
    components = tuple(
        replace(each, prime_steps=1, activate_steps=steps, activate_ms=500.0, pending_version="9.9")
        for each in config.components
    )
    return ModelMachine(replace(config, cpus=2, driver=driver, components=components))


class Middle(NamedTuple):
    """A driver that is unloaded in the middle of an ACTIVATE of so many steps: what the write says, and what runs."""

    driver: str
    steps: int
    write: int
    runs: str


MIDDLES = [
    # lfa_fw.c: kernfs lets a write end before the file goes; nv3's transaction looks whether the driver goes.
    Middle("v1", 1, 0, "9.9"),
    Middle("v2", 1, 0, "9.9"),
    Middle("v3", 1, 0, "9.9"),
    Middle("nv3", 1, 0, "9.9"),
    Middle("v2", 3, 0, "9.9"),
    Middle("v3", 3, 0, "9.9"),
    Middle("nv3", 3, 125, "3.2"),
    # dkms/Documentation/lfa.rst: the call that is under way ends the activation, and if it was the last one, well.
    Middle("lw1", 1, 0, "9.9"),
    Middle("lw1", 3, errno.ESHUTDOWN, "3.2"),
]


@pytest.mark.parametrize("middle", MIDDLES, ids=str)
def test_unloading_in_the_middle_of_an_activation(middle: Middle) -> None:
    made = bench_of(middle.driver, steps=middle.steps)
    assert made.write(OTHER, "force_cpu_rendezvous", "0") == "ok"
    opened = made.model.tree.open(f"{LFA}/{OTHER}/name", reading=True)
    write = made.files.start_write(f"{LFA}/{OTHER}/activate", b"1\n")
    assert not write.wait(0.2)
    unloading = made.model.unload_driver()
    assert not unloading.wait(0), "it waits for the call"
    with pytest.raises(UsageError, match="already"):
        made.model.load_driver()
    assert unloading.wait(60)
    assert write.wait(0), "the write has ended before"
    assert write.error == middle.write
    assert not made.files.exists(LFA)
    with pytest.raises(OSError, match="No such device"):
        made.model.runner.run(opened.read(100, 0), name="read")
    assert made.model.load_driver().wait()
    assert (len(made.guids), made.read(OTHER, "current_version")) == (4, middle.runs)
    assert made.read(OTHER, "force_cpu_rendezvous") == "1", "settings are the defaults again"


@pytest.mark.parametrize("driver", VERSIONS)
def test_what_is_gone_while_the_driver_is(driver: str) -> None:
    made = bench_of(driver)
    made.model.unload_driver().wait()
    with pytest.raises(NothingToDo, match="not loaded"):
        made.model.unload_driver()
    calls = made.model.trace.next_sequence
    made.model.notify().wait()
    assert made.write(RMM, "activate") == "ENOENT"
    assert made.model.trace.next_sequence == calls, "nobody asks the firmware"
    made.model.stage(RMM, "5.5")
    assert made.model.load_driver().wait()
    with pytest.raises(NothingToDo, match="loaded already"):
        made.model.load_driver()
    assert made.read(RMM, "pending_version") == ("0.0" if driver == "v1" else "5.5")


@pytest.mark.parametrize("driver", ["v2", "v3", "nv3"])
def test_unloading_waits_for_the_handler_of_a_notification(driver: str) -> None:
    made = bench_of(driver)
    assert made.write(OTHER, "auto_activate", "1") == "ok"
    handler = made.model.notify()
    assert not handler.wait(0.2)
    unloading = made.model.unload_driver()
    assert unloading.wait(60)
    assert handler.wait(0), "free_irq waits for the handler"
    assert len(made.model.platform.commits()) == 1


@pytest.mark.parametrize("driver", VERSIONS)
def test_a_driver_without_an_agent_finds_nothing_and_the_postings_stay_loaded(driver: str) -> None:
    made = bench_of(driver)
    made.model.unload_driver().wait()
    made.model.inject(FaultRequest(name="agent-gone"))
    loading = made.model.load_driver()
    loading.wait()
    assert loading.result() is False
    assert not made.files.exists(LFA)
    made.model.clear_faults()
    if not VERSIONS[driver].own:
        made.model.unload_driver().wait()
    assert made.model.load_driver().wait()
    assert len(made.guids) == 4


def test_there_is_no_driver_on_a_machine_without_lfa() -> None:
    machine = Machine(load("tdx-spr"))
    machine.boot()
    for change in (machine.load_driver, machine.reload):
        with pytest.raises(UsageError, match="no LFA driver"):
            change()


def shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.fuse
@pytest.mark.parametrize("driver", VERSIONS)
def test_by_the_command_and_a_shell(process: Start, driver: str) -> None:
    machine = process("--platform", "vera", "--cpus", "2", "--driver", driver)
    names = shell("ls sys/firmware/lfa; cat sys/firmware/lfa/*/current_version", machine.mount).stdout
    assert len(names.split()) == (10 if VERSIONS[driver].own else 8), "with version and count"
    with open(machine.mount / "sys/firmware/lfa" / RMM / "name", "rb", buffering=0) as opened:
        assert opened.read() == b"TF-RMM\n"
        unloaded = machine.livefw("machine", "driver", "unload")
        assert (unloaded.returncode, unloaded.stdout) == (0, f"driver {driver} was unloaded\n")
        opened.seek(0)
        with pytest.raises(OSError, match="No such device"):
            opened.read()
    assert f"driver {driver} (not loaded)" in machine.livefw("machine", "show").stdout
    assert "No such file" in shell("ls sys/firmware/lfa", machine.mount).stderr
    again = machine.livefw("machine", "driver", "unload")
    assert (again.returncode, "not loaded" in again.stderr) == (3, True)
    assert machine.livefw("machine", "driver", "load").stdout == f"driver {driver} was loaded\n"
    for _ in range(3):
        assert machine.livefw("machine", "reload").returncode == 0
        assert shell("ls sys/firmware/lfa; cat sys/firmware/lfa/*/current_version", machine.mount).stdout == names
    assert machine.livefw("machine", "driver", "load").returncode == 3


@pytest.mark.parametrize("driver", VERSIONS)
def test_reloading_twenty_times_changes_nothing(driver: str) -> None:
    made = bench_of(driver)
    before = [(guid, made.read(guid, "current_version")) for guid in made.guids]
    for _ in range(20):
        made.model.reload().wait()
        assert [(guid, made.read(guid, "current_version")) for guid in made.guids] == before
    made.model.stage(RMM, "7.7")
    assert made.read(RMM, "activation_pending") == "1"
    assert made.write(RMM, "activate") == "ok"
