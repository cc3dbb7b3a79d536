# SPDX-License-Identifier: Apache-2.0
"""The disk of the history dies, turns read-only or fills up while the kernel is at work: the command tells the outcome.

The disk is a file system of its own on a loop device; the machine is mounted, and its kernel waits inside the write to
``activate`` until the disk is as it is meant to be.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.abi.guid import RMM
from livefw.kernel.clock import MS
from livefw.machine.machine import Machine

from .conftest import Done

pytestmark = pytest.mark.fuse

_SHUTDOWN = 0x8004587D
"""``EXT4_IOC_SHUTDOWN`` (Linux, include/uapi/linux/ext4.h)."""
_NO_LOG_FLUSH = 2
"""Its flag for a disk that is pulled: not even the file system's own log is written."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB that is ours to break; unmounted whatever happens."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    if not shutil.which("mkfs.ext4"):
        pytest.skip("there is no mkfs.ext4 to make a file system with")
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop,errors=remount-ro", str(image), str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no loop device: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


class Gate:
    """A kernel that stays inside the write to a file until it is let go."""

    def __init__(self, machine: Machine, path: str) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        attribute: Any = machine.tree.lookup(path)
        store = attribute.store

        async def stays(data: bytes) -> None:
            self.entered.set()
            while not self.leave.is_set():
                await machine.os.sleep(5 * MS)
            await store(data)

        attribute.store = stays


def _pulled(disk: Path) -> None:
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _read_only(disk: Path) -> None:
    """As the kernel makes it after an error; with files open for writing nobody else can."""
    subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)


def _full(disk: Path) -> None:
    with open(disk / "fill", "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while _fits(file, bytes(size)):
                pass


def _fits(file: Any, data: bytes) -> bool:
    try:
        return bool(file.write(data) == len(data))
    except OSError:
        return False


def _full_without_reserve(disk: Path) -> None:
    (disk / "state/reserve").unlink()
    _full(disk)


def _gone(disk: Path) -> None:
    shutil.rmtree(disk / "state")


class Way(NamedTuple):
    """What happens to the disk, and whether the outcome can be written all the same."""

    happens: Callable[[Path], None]
    recorded: bool


WAYS = {
    "pulled": Way(_pulled, recorded=False),
    "read-only": Way(_read_only, recorded=False),
    "full": Way(_full, recorded=True),
    "full, without its reserve": Way(_full_without_reserve, recorded=False),
    "history removed": Way(_gone, recorded=True),
}


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_outcome_is_told(vera: Any, disk: Path, way: Way, json: bool) -> None:
    gate = Gate(vera.machine, f"/sys/firmware/lfa/{RMM.guid}/activate")
    words = ["activate", "tf-rmm", "--yes", "--measure", "off", "--state", str(disk / "state")]
    with vera.start(*(["--json"] if json else []), *words) as process:
        try:
            assert gate.entered.wait(60)
            way.happens(disk)
        finally:
            gate.leave.set()
        done = Done(process.wait(60), *process.communicate())
    assert (done.code, str(vera.machine.platform.version(RMM.guid))) == (0, "1.1"), done.err
    if json:
        (result,) = done.json["results"]
        assert result["outcome"] == "activated"
        assert (result["record"]["head"] is not None, result["record"]["trouble"] is None) == (way.recorded,) * 2
    else:
        assert "activated, 1.0 -> 1.1" in done.out
        assert ("not in the history" not in done.out) == way.recorded
