# SPDX-License-Identifier: Apache-2.0
"""The kernel keeps names and attributes of a mounted tree; nothing of that may outlive what it was about."""

import ctypes
import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from livefw.abi.guid import RMM
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.sysfs import Attribute, Directory
from livefw.machine.config import load
from livefw.machine.machine import Machine
from livefw.testing.mounted import shell_in

pytestmark = pytest.mark.fuse

Mount = Callable[..., tuple[Machine, Path]]


class Toy:
    """A directory with one file, in a mounted machine, that comes and goes."""

    def __init__(self, machine: Machine, mount: Path) -> None:
        self._machine = machine
        self._parent = machine.tree.make_directories("/sys/toys")
        self.directory = mount / "sys/toys/toy"
        self.file = self.directory / "name"
        self.text = "toy\n"

    def appear(self, mode: int = 0o444) -> None:
        async def show() -> str:
            return self.text

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


def _by_sendfile(path: Path) -> bytes:
    read, write = os.pipe()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = b""
        while count := os.sendfile(write, descriptor, None, 1 << 16):
            found += os.read(read, count)
        return found
    finally:
        for each in (descriptor, read, write):
            os.close(each)


def _by_splice(path: Path) -> bytes:
    read, write = os.pipe()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = b""
        while count := os.splice(descriptor, write, 1 << 16):
            found += os.read(read, count)
        return found
    finally:
        for each in (descriptor, read, write):
            os.close(each)


def _by_busybox(path: Path) -> bytes:
    if shutil.which("busybox") is None:
        pytest.skip("no busybox; on Debian: apt-get install busybox-static")
    return subprocess.run(["busybox", "cat", path], capture_output=True, check=True).stdout


READERS = {"sendfile": _by_sendfile, "splice": _by_splice, "busybox": _by_busybox, "read": Path.read_bytes}
TEXTS = ["N/A\n", "42949.4294967295\n", "1.2\n", "", "x" * 4095 + "\n", "12.34\n", "12.34\n"]


@pytest.mark.parametrize("reader", READERS)
def test_a_value_that_grows_and_shrinks_is_read_whole(toy: Toy, reader: str) -> None:
    """Linux 6.5 and later: fuse_splice_read goes through the page cache, and a short read sets the inode's size."""
    toy.appear()
    for text in TEXTS:
        toy.text = text
        assert READERS[reader](toy.file) == text.encode()


@pytest.mark.parametrize("other", READERS)
def test_readers_by_splice_do_not_disturb_each_other(toy: Toy, other: str) -> None:
    toy.appear()
    read, write = os.pipe()
    toy.text = "long and first\n"
    descriptor = os.open(toy.file, os.O_RDONLY)
    try:
        assert os.sendfile(write, descriptor, None, 4) == 4
        for text in ("n\n", "a longer one than the first\n"):
            toy.text = text
            assert READERS[other](toy.file) == text.encode()
        while os.sendfile(write, descriptor, None, 100):
            pass
        assert os.read(read, 100) == b"long and first\n"
    finally:
        for each in (descriptor, read, write):
            os.close(each)


@pytest.mark.parametrize("platform", ["vera", "tdx-spr"])
@pytest.mark.parametrize("reader", [name for name in READERS if name != "read"])
def test_every_file_of_the_tree_is_the_same_by_splice(mounted: Mount, platform: str, reader: str) -> None:
    _, root = mounted(replace(load(platform), cpus=2))
    compared = 0
    for path in sorted(root.rglob("*")):
        if not path.is_file() or not path.stat().st_mode & 0o444 or path.name == "stalls":
            continue
        if path.name == "kmsg":
            assert _code(lambda path=path: _by_sendfile(path)) == errno.EINVAL, "as a real one"  # type: ignore[misc]
            assert _by_busybox(path).count(b"\n") == len(path.read_bytes().splitlines())
            continue
        for _ in range(2):
            assert READERS[reader](path) == path.read_bytes(), path
        compared += 1
    assert compared > 10


class _Gone:
    """What a program asks of a name, and the answer once it is gone; nothing of it asks for attributes."""

    @staticmethod
    def by_path_descriptor(path: Path) -> int:
        def ask() -> None:
            os.close(os.open(path, os.O_PATH))

        return _code(ask)

    @staticmethod
    def by_empty_mask(path: Path) -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(256)
        found: int = libc.statx(-100, os.fsencode(path), 0, 0, buffer)
        return ctypes.get_errno() if found else 0


@pytest.mark.parametrize("ask", [_Gone.by_path_descriptor, _Gone.by_empty_mask])
def test_a_name_that_vanished_is_gone_also_for_who_asks_for_no_attribute(toy: Toy, ask: Callable[[Path], int]) -> None:
    toy.appear()
    assert toy.seen()
    assert ask(toy.directory) == 0
    toy.vanish()
    while ask(toy.directory) == 0:  # the kernel hears of it from a thread of its own
        os.sched_yield()
    assert ask(toy.directory) == errno.ENOENT
    assert ask(toy.file) == errno.ENOENT


CHANGES: dict[str, Callable[[Path], object]] = {
    "rmdir": os.rmdir,
    "rename": lambda path: os.rename(path, path.with_name("other")),
    "mkdir below": lambda path: os.mkdir(path / "x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changing_what_vanished_is_enoent_and_what_is_there_eperm(toy: Toy, change: str) -> None:
    """Kernel, fs/kernfs/dir.c: no change for anybody; seen on Linux 6.12 and 7.3."""
    toy.appear()
    assert _code(lambda: CHANGES[change](toy.directory)) == errno.EPERM
    toy.vanish()
    assert _code(lambda: CHANGES[change](toy.directory)) == errno.ENOENT


def test_deleting_a_file_that_vanished(toy: Toy) -> None:
    toy.appear()
    assert _code(toy.file.unlink) == errno.EPERM
    toy.vanish()
    assert _code(toy.file.unlink) == errno.ENOENT


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [  # lib/kobject.c; seen on Linux 6.12 and 7.3 with each version of the driver
        ("activate", "chmod 600 activate && cat activate", "Input/output error"),
        ("cancel", "chmod 444 cancel && cat cancel", "Input/output error"),
        ("name", "chmod 600 name && echo 1 > name", "Input/output error"),
        ("name", "chmod 600 name && cat name", "TF-RMM"),
        ("activate", "cat activate", "Permission denied"),
        ("name", "echo 1 > name", "Permission denied"),
    ],
)
@pytest.mark.parametrize("driver", VERSIONS)
def test_chmod_opens_a_file_and_gives_it_no_handler(
    mounted: Mount, driver: str, name: str, command: str, said: str
) -> None:
    _, root = mounted(replace(load("fvp"), driver=driver))
    directory = root / "sys/firmware/lfa" / str(RMM.guid)
    done = subprocess.run(
        shell_in(directory, command), capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
    )
    assert said in done.stdout + done.stderr, name
