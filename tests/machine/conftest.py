# SPDX-License-Identifier: Apache-2.0
"""Machines for tests: in this process and in virtual time, mounted from this process, or as a process of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livefw.machine.config import MachineConfig, decode
from livefw.machine.fuse.mount import remove_dead
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.testing.machine import ModelMachine

from .. import starting

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
SCP = "65922703-2f74-e644-8dff-579ac1ff0610"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"

BENCH = f"""
name = "bench"
cpus = 4
agent = "bet1"
driver = "v3"
notification = "acpi"
[[components]]
guid = "{SCP}"
kind = "controller"
current_version = "2.7"
pending_version = "2.8"
[[components]]
guid = "{OTHER}"
kind = "controller"
current_version = "3.2"
[[components]]
guid = "{RMM}"
kind = "rmm"
current_version = "1.0"
pending_version = "1.1"
realms = ["allow", "disallow"]
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """History, lock and sockets of every livefw that a test starts are the test's own."""
    monkeypatch.setenv("LIVEFW_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def config() -> MachineConfig:
    """Four CPUs, a controller and an RMM with staged images, one component without."""
    return decode(BENCH.encode(), source="bench")


@pytest.fixture
def bench(config: MachineConfig) -> Callable[..., ModelMachine]:
    """Make a machine in virtual time that has booted; keywords change its description."""

    def make(*, boot: bool = True, **changes: Any) -> ModelMachine:
        return ModelMachine(replace(config, **changes), boot=boot)

    return make


@pytest.fixture
def mountable() -> None:
    """Skip where nothing can be mounted, and say why."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")


@pytest.fixture
def mounted(mountable: None, tmp_path: Path) -> Iterator[Callable[..., tuple[Machine, Path]]]:
    """Mount a machine of this process; the machine and its mount point. All unmounted at the end."""
    closing: list[Callable[[], None]] = []

    def make(config: MachineConfig) -> tuple[Machine, Path]:
        machine = Machine(config, real_time=True)
        closing.append(machine.close)
        machine.boot()
        directory = tmp_path / f"mount{len(closing)}"
        directory.mkdir()
        tree = MountedTree(machine.tree, machine.runner, directory=str(directory), hung=lambda: machine.os.hung)
        closing.append(tree.close)
        return machine, directory

    yield make
    for close in reversed(closing):
        close()


class Process:
    """``livefw machine run`` as a process of its own, and the command for talking to it."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.environment = environment
        command = [sys.executable, "-m", "livefw", "machine", "run", *arguments]
        self.popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.popen.stdout is not None
        self.ready = self.popen.stdout.readline()

    @property
    def mount(self) -> Path:
        """Where it is mounted, from the ready line."""
        return Path(self.ready.split(" is ready on ")[1].rstrip("\n"))

    def livefw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command beside it."""
        return starting.run(words, environment=self.environment)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.popen.send_signal(number)
        self.popen.communicate(timeout=30)
        return self.popen.returncode


@pytest.fixture
def environment(places: None) -> dict[str, str]:
    """The environment of a process whose places are the test's own."""
    return dict(os.environ)


@pytest.fixture
def process(mountable: None, environment: dict[str, str]) -> Iterator[Callable[..., Process]]:
    """Start machines as processes; whatever the test did with them, nothing of them is left at the end."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        started.append(Process(*arguments, environment=environment))
        return started[-1]

    yield start
    for each in started:
        if each.popen.poll() is None:
            each.popen.terminate()
            try:
                each.popen.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                each.popen.kill()
        each.popen.communicate()
        if " is ready on " in each.ready:
            remove_dead(str(each.mount))
