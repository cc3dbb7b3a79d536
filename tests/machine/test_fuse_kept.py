# SPDX-License-Identifier: Apache-2.0
"""The kernel keeps names and attributes of a mounted tree; nothing of that may outlive what it was about."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.kernel.sysfs import Attribute, Directory
from livefw.machine.config import load
from livefw.machine.machine import Machine

pytestmark = pytest.mark.fuse

Mount = Callable[..., tuple[Machine, Path]]


class Toy:
    """A directory with one file, in a mounted machine, that comes and goes."""

    def __init__(self, machine: Machine, mount: Path) -> None:
        self._machine = machine
        self._parent = machine.tree.make_directories("/sys/toys")
        self.directory = mount / "sys/toys/toy"
        self.file = self.directory / "name"

    def appear(self, mode: int = 0o444) -> None:
        async def show() -> str:
            return "toy\n"

        async def work() -> None:
            directory = Directory()
            directory.add("name", Attribute(mode=mode, show=show))
            self._parent.add("toy", directory)

        self._machine.runner.run(work(), name="appear")

    def vanish(self) -> None:
        async def work() -> None:
            self._parent.remove("toy")

        self._machine.runner.run(work(), name="vanish")

    def seen(self) -> bool:
        """Whether it is there, by every way of asking; they must agree."""
        answers = {
            self.directory.is_dir(),
            self.file.is_file(),
            _code(lambda: self.file.read_text()) == 0,
            "toy" in os.listdir(self.directory.parent),
            os.access(self.file, os.R_OK),
        }
        assert len(answers) == 1
        return answers.pop()


def _code(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.fixture
def toy(mounted: Mount) -> Toy:
    return Toy(*mounted(load("fvp")))


def test_directory_that_vanished_is_gone_at_once(toy: Toy) -> None:
    for _ in range(50):
        toy.appear()
        assert toy.seen()
        toy.vanish()
        assert not toy.seen()


def test_descriptor_of_a_removed_file_reads_enodev(toy: Toy) -> None:
    toy.appear()
    with open(toy.file, "rb", buffering=0) as file:
        assert file.read() == b"toy\n"
        toy.vanish()
        toy.appear()
        file.seek(0)
        assert _code(file.read) == errno.ENODEV


def test_directory_that_came_back_shows_its_new_mode(toy: Toy) -> None:
    toy.appear(mode=0o444)
    assert toy.file.stat().st_mode & 0o777 == 0o444
    toy.vanish()
    toy.appear(mode=0o644)
    assert toy.file.stat().st_mode & 0o777 == 0o644


def test_working_directory_that_vanished_has_no_names(toy: Toy) -> None:
    toy.appear()
    descriptor = os.open(toy.directory, os.O_PATH)
    try:
        assert _code(lambda: os.stat("name", dir_fd=descriptor)) == 0
        toy.vanish()
        assert _code(lambda: os.stat("name", dir_fd=descriptor)) == errno.ENOENT
        assert _code(lambda: os.stat(".", dir_fd=descriptor)) == errno.ENOENT
    finally:
        os.close(descriptor)


def test_nothing_stale_is_left_by_readers_that_race(toy: Toy) -> None:
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            _code(toy.file.stat)
            _code(toy.file.read_bytes)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(150):
            toy.appear()
            toy.vanish()
            assert _code(toy.file.stat) == errno.ENOENT
            assert _code(toy.directory.stat) == errno.ENOENT
    finally:
        over.set()
        for reader in readers:
            reader.join()
