# SPDX-License-Identifier: Apache-2.0
"""The monitor and the test guest, built once; machines that end with the test."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.qemu.scripts import CACHE

from livefw.conformance.platform import COMPONENTS
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.machine.qemu.guest import GuestMachine

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def python() -> str:
    """A folder with Debian's arm64 Python."""
    folder = CACHE / "guest-python"
    if not folder.is_dir():
        missing = CACHE / "guest-python.unavailable"
        if missing.exists():
            pytest.xfail(missing.read_text(encoding="utf-8").strip())
        pytest.skip("no arm64 Python in the test cache; make packages")
    return os.fspath(folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with ``monitor.bin`` and ``guest.bin``."""
    for program, package in (
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}; on Debian: apt-get install {package}")
    folder = tmp_path_factory.mktemp("monitor")
    subprocess.run(["make", "-C", CHECKOUT / "monitor", f"OUT={folder}"], check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def environment(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFW_MONITOR", os.fspath(built))


def agent(profile: str, cpus: int) -> LfaAgent:
    return LfaAgent(MemoryPlatform(COMPONENTS), profile=PROFILES[profile], cpus=cpus)


@pytest.fixture
def start() -> Iterator[Callable[..., GuestMachine]]:
    """Start machines with the test guest; all end with the test."""
    machines: list[GuestMachine] = []

    def make(profile: str = "tfa-2026", *, cpus: int = 2, el2: bool = False, gdb: str | None = None) -> GuestMachine:
        machine = GuestMachine(lambda: agent(profile, cpus), cpus=cpus, el2=el2, gdb=gdb)
        machines.append(machine)
        return machine

    yield make
    for machine in machines:
        machine.close()
