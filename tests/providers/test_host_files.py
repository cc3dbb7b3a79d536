# SPDX-License-Identifier: Apache-2.0
"""Real files below a root, and the child that writes."""

import errno
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livefw.files.host import HostFiles
from livefw.files.protocol import LOST, Write


@pytest.fixture
def files(tmp_path: Path) -> Iterator[HostFiles]:
    (tmp_path / "sys/a").mkdir(parents=True)
    (tmp_path / "sys/a/name").write_bytes(b"text\n")
    files = HostFiles(str(tmp_path))
    yield files
    files.close()


@pytest.fixture
def fifo(files: HostFiles, tmp_path: Path) -> Iterator[Path]:
    """A file that holds up whoever writes it, until somebody reads; at the end of the test at the latest."""
    path = tmp_path / "sys/fifo"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def ended(write: Write) -> int:
    assert write.wait(20)
    return write.error


def opened(write: Write) -> tuple[int, bool]:
    return ended(write), write.opened


def errno_of(work: Callable[[], object]) -> int | None:
    try:
        work()
    except OSError as error:
        return error.errno
    return None


def test_reading(files: HostFiles) -> None:
    assert files.names("/sys") == ["a"]
    assert files.read("/sys/a/name") == b"text\n"
    assert files.read("/sys/a/name", 2) == b"te"
    assert [files.exists(path) for path in ("/", "/sys/a/name", "/sys/b", "/sys/a/name/c")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("path", ["", "sys", "/sys/../etc", "/./sys", "//sys", "/sys/", "/sys//a"])
def test_only_plain_absolute_paths_are_paths(files: HostFiles, path: str) -> None:
    assert errno_of(lambda: files.read(path)) == errno.EINVAL


@pytest.mark.parametrize(
    ("path", "error"),
    [("/no", errno.ENOENT), ("/sys/a/name/x", errno.ENOTDIR), ("/sys/no/x", errno.ENOENT), ("/sys/a", errno.EISDIR)],
)
def test_errno_of_reading(files: HostFiles, path: str, error: int) -> None:
    assert errno_of(lambda: files.read(path)) == error


def test_no_link_leads_out_of_the_tree(files: HostFiles, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "sys/link").symlink_to(outside / "secret")
    (tmp_path / "sys/folder").symlink_to(outside)
    for work in (
        lambda: files.read("/sys/link"),
        lambda: files.read("/sys/folder/secret"),
        lambda: files.names("/sys/folder"),
    ):
        assert errno_of(work) in (errno.ELOOP, errno.ENOTDIR)
    assert ended(files.start_write("/sys/link", b"1")) == errno.ELOOP
    assert ended(files.start_write("/sys/folder/secret", b"1")) == errno.ENOTDIR
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize("held", ["read", "listed", "listed and read"])
def test_a_directory_that_was_removed_and_made_anew_is_found(files: HostFiles, tmp_path: Path, held: str) -> None:
    if "listed" in held:
        assert files.names("/sys/a") == ["name"]
    if "read" in held:
        assert files.read("/sys/a/name") == b"text\n"
    (tmp_path / "sys/a/name").unlink()
    (tmp_path / "sys/a").rmdir()
    with pytest.raises(FileNotFoundError):
        files.read("/sys/a/name")
    (tmp_path / "sys/a").mkdir()
    (tmp_path / "sys/a/name").write_bytes(b"new\n")
    assert files.read("/sys/a/name") == b"new\n"
    assert files.names("/sys/a") == ["name"]


def test_what_failed_leads_nowhere_else(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "sys/name").write_bytes(b"another\n")
    (tmp_path / "name").write_bytes(b"top\n")
    for failing in (lambda: files.names("/sys/missing"), lambda: files.read("/sys/a/missing")):
        assert errno_of(failing) == errno.ENOENT
        assert files.read("/name") == b"top\n"
        assert files.read("/name") == b"top\n"
        assert files.read("/sys/name") == b"another\n"
        assert files.read("/sys/a/name") == b"text\n"


def test_whoever_forgets_to_close_it_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/name").write_text("text")
    before = set(os.listdir("/proc/self/fd"))
    forgotten = HostFiles(str(tmp_path))
    forgotten.read("/a/name")
    assert set(os.listdir("/proc/self/fd")) > before
    del forgotten
    assert set(os.listdir("/proc/self/fd")) == before
    closed = HostFiles(str(tmp_path))
    for _ in range(2):
        closed.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        closed.read("/a/name")


def test_reading_all_of_many_directories_holds_few_descriptors(files: HostFiles, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"sys/{number}").mkdir()
        (tmp_path / f"sys/{number}/x").write_bytes(b"x")
        files.read(f"/sys/{number}/x")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        assert files.names(f"/sys/{number}") == ["x"]
        files.read(f"/sys/{number}/x")
        files.names("/")
    files.read("/sys/0/x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_fifo_does_not_hold_a_reader(files: HostFiles, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sys/fifo")
    assert files.read("/sys/fifo") == b""


def test_records_end_at_the_end_of_the_file(files: HostFiles, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"6,1,0,-;a\n6,2,0,-;b\n")
    assert b"".join(files.records("/log")) == b"6,1,0,-;a\n6,2,0,-;b\n"


def test_lost_records_and_waiting_ends_are_no_errors(files: HostFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/kmsg: EPIPE where records were overwritten, EAGAIN at the end (kernel, ABI/testing/dev-kmsg)."""
    script: list[bytes | int] = [b"one", errno.EPIPE, b"two", errno.EAGAIN]

    def read(descriptor: int, size: int) -> bytes:
        step = script.pop(0)
        if isinstance(step, int):
            raise OSError(step, "scripted")
        return step

    monkeypatch.setattr(os, "read", read)
    assert files.records("/sys/a/name") == [b"one", b"two"]
    assert script == []


def test_a_right_that_is_missing(tmp_path: Path) -> None:
    """As another user where the tests run as root, for whom modes do not hold."""
    (tmp_path / "activate").write_bytes(b"")
    (tmp_path / "activate").chmod(0)
    tmp_path.chmod(0o755)
    files, user = HostFiles(str(tmp_path)), os.geteuid()
    os.seteuid(user or 65534)
    try:
        with pytest.raises(PermissionError):
            files.read("/activate")
        assert ended(files.start_write("/activate", b"1")) == errno.EACCES
    finally:
        os.seteuid(user)
        files.close()


def test_a_write_is_made_by_a_child_and_its_errno_comes_back(files: HostFiles, tmp_path: Path) -> None:
    before = _children()
    assert ended(files.start_write("/sys/a/name", b"1\n")) == 0
    assert (tmp_path / "sys/a/name").read_bytes() == b"1\nxt\n"
    assert ended(files.start_write("/sys/a/none", b"1\n")) == errno.ENOENT
    assert not (tmp_path / "sys/a/none").exists()
    assert _children() == before


def test_a_write_that_blocks_is_waited_for_as_long_as_wanted(files: HostFiles, fifo: Path) -> None:
    write = files.start_write("/sys/fifo", b"1\n")
    assert [write.wait(0), write.wait(0.01)] == [False, False]
    with pytest.raises(ValueError, match="not ended"):
        _ = write.error
    with open(fifo, "rb") as reader:
        assert reader.read() == b"1\n"
    assert ended(write) == 0
    assert write.wait(0)


def test_the_child_is_out_of_reach_of_the_terminal_and_of_signals(files: HostFiles, fifo: Path) -> None:
    before = _children()
    write = files.start_write("/sys/fifo", b"1\n")
    (child,) = _children() - before
    while os.getsid(child) != child:
        write.wait(0.001)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(child, number)
    with open(fifo, "rb") as reader:
        assert reader.read() == b"1\n"
    assert ended(write) == 0


@pytest.mark.usefixtures("fifo")
def test_a_child_that_was_killed_leaves_the_outcome_open(files: HostFiles) -> None:
    before = _children()
    write = files.start_write("/sys/fifo", b"1\n")
    (child,) = _children() - before
    os.kill(child, signal.SIGKILL)
    assert opened(write) == (LOST, True)


def test_signals_of_the_parent_are_as_before(files: HostFiles) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert ended(files.start_write("/sys/a/name", b"1")) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/sys/a/name", (0, True)),
        ("/sys/a/none", (errno.ENOENT, False)),
        ("/sys/none/a", (errno.ENOENT, False)),
        ("/sys/a", (errno.EISDIR, False)),
        ("/sys/a/name/x", (errno.ENOTDIR, False)),
        ("/sys/link", (errno.ELOOP, False)),
        ("/sys/full", (errno.ENOSPC, True)),
        ("sys", (errno.EINVAL, False)),
    ],
)
def test_the_errno_of_opening_is_not_that_of_writing(tmp_path: Path, path: str, told: tuple[int, bool]) -> None:
    if path == "/sys/full":  # the device that answers so, in a tree where no link is followed
        files = HostFiles("/")
        path = "/dev/full"
    else:
        (tmp_path / "sys/a").mkdir(parents=True)
        (tmp_path / "sys/a/name").touch()
        (tmp_path / "sys/link").symlink_to("a/name")
        files = HostFiles(str(tmp_path))
    write = files.start_write(path, b"1\n")
    assert opened(write) == told
    files.close()


def test_where_no_descriptor_is_left_nothing_is_opened(files: HostFiles, tmp_path: Path) -> None:
    """Neither for the pipe, nor for what the child opens: at each number that is left, and always with its errno."""
    told = []
    for spare in range(9):
        with descriptors_left(spare):
            told.append(opened(files.start_write("/sys/a/name", b"1\n")))
    assert set(told) == {(errno.EMFILE, False), (0, True)}
    assert told == sorted(told, key=lambda each: each[1])
    assert (tmp_path / "sys/a/name").read_bytes() == b"1\nxt\n"


@contextmanager
def descriptors_left(spare: int) -> Iterator[None]:
    """So many more files can be opened, and no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    holes: list[int] = []
    while not holes or holes[-1] < highest:
        holes.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (holes[-1] + 1 + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for hole in holes:
            os.close(hole)


def _children() -> set[int]:
    """The processes that this thread has forked, also those that have ended and nobody has asked how."""
    path = f"/proc/self/task/{threading.get_native_id()}/children"
    with open(path, encoding="ascii") as file:
        return set(map(int, file.read().split()))
