# SPDX-License-Identifier: Apache-2.0
"""The tree: opening, reading and writing by the rules of kernfs (kernel, fs/kernfs/file.c and fs/sysfs/file.c)."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from livefw.kernel.clock import VirtualClock
from livefw.kernel.log import KernelLog, Level
from livefw.kernel.os import Os
from livefw.kernel.scripted import ScriptedFirmware
from livefw.kernel.sysfs import PAGE_SIZE, Attribute, Directory, Kmsg, Tree
from livefw.kernel.virtual import run


def do(work: Any) -> Any:
    clock = VirtualClock()
    return run(Os(conduit=ScriptedFirmware(), clock=clock, cpus=1), clock, work)


@contextmanager
def failing(code: int) -> Iterator[None]:
    with pytest.raises(OSError, match=f"Errno {code}") as caught:
        yield
    assert caught.value.errno == code


class Source:
    """An attribute's inside that counts."""

    def __init__(self, text: str = "text\n") -> None:
        self.text = text
        self.shown = 0
        self.stored: list[bytes] = []

    async def show(self) -> str:
        self.shown += 1
        return self.text

    async def store(self, data: bytes) -> None:
        if data == b"bad":
            raise OSError(errno.EINVAL, "")
        self.stored.append(data)


def tree_with(attribute: Attribute) -> Tree:
    tree = Tree(Directory())
    tree.make_directories("/sys/a/b").add("f", attribute)
    return tree


@pytest.mark.parametrize(
    ("mode", "reading", "writing", "refused"),
    [
        (0o444, True, False, False),
        (0o444, False, True, True),
        (0o444, True, True, True),
        (0o200, False, True, False),
        (0o200, True, False, True),
        (0o644, True, True, False),
    ],
)
def test_open_follows_the_mode_even_for_root(mode: int, reading: bool, writing: bool, refused: bool) -> None:
    source = Source()
    tree = tree_with(Attribute(mode=mode, show=source.show, store=source.store))
    if refused:
        with pytest.raises(PermissionError):
            tree.open("/sys/a/b/f", reading=reading, writing=writing)
    else:
        file = tree.open("/sys/a/b/f", reading=reading, writing=writing)
        assert callable(file.read)


def test_reading_in_pieces_shows_once_and_from_the_start_again() -> None:
    source = Source("0123456789\n")
    file = tree_with(Attribute(mode=0o444, show=source.show)).open("/sys/a/b/f", reading=True)
    assert [do(file.read(4, offset)) for offset in (0, 4, 8, 11, 99)] == [b"0123", b"4567", b"89\n", b"", b""]
    assert source.shown == 1
    source.text = "new\n"
    assert do(file.read(4096, 0)) == b"new\n"
    assert source.shown == 2


def test_a_page_is_the_most_of_both() -> None:
    source = Source("x" * 5000)
    tree = tree_with(Attribute(mode=0o644, show=source.show, store=source.store))
    assert len(do(tree.open("/sys/a/b/f", reading=True).read(9999, 0))) == PAGE_SIZE
    assert do(tree.open("/sys/a/b/f", writing=True).write(b"y" * 5000)) == PAGE_SIZE
    assert source.stored == [b"y" * PAGE_SIZE]


def test_each_write_is_one_store_and_an_empty_one_is_none() -> None:
    source = Source()
    file = tree_with(Attribute(mode=0o200, store=source.store)).open("/sys/a/b/f", writing=True)
    assert [do(file.write(data)) for data in (b"1", b"", b"2\n")] == [1, 0, 2]
    assert source.stored == [b"1", b"2\n"]
    with failing(errno.EINVAL):
        do(file.write(b"bad"))


@pytest.mark.parametrize(
    ("has", "mode", "error"),
    [  # kernel, fs/kernfs/file.c (open), lib/kobject.c (kobj_attr_show, kobj_attr_store); seen on Linux 6.12 and 7.3
        ("store", 0o200, errno.EACCES),
        ("store", 0o600, errno.EIO),
        ("store", 0o444, errno.EIO),
        ("show", 0o444, None),
        ("show", 0o200, errno.EACCES),
        ("show", 0o600, None),
    ],
)
def test_reading_after_a_chmod(has: str, mode: int, error: int | None) -> None:
    attribute = _with(has)
    attribute.mode = mode
    assert _error(lambda: do(tree_with(attribute).open("/sys/a/b/f", reading=True).read(9, 0))) == error


@pytest.mark.parametrize(
    ("has", "mode", "data", "error"),
    [  # as above; an empty write is none (kernel, fs/sysfs/file.c)
        ("show", 0o444, b"1", errno.EACCES),
        ("show", 0o600, b"1", errno.EIO),
        ("show", 0o222, b"1", errno.EIO),
        ("show", 0o600, b"", None),
        ("store", 0o200, b"1", None),
        ("store", 0o400, b"1", errno.EACCES),
    ],
)
def test_writing_after_a_chmod(has: str, mode: int, data: bytes, error: int | None) -> None:
    attribute = _with(has)
    attribute.mode = mode
    assert _error(lambda: do(tree_with(attribute).open("/sys/a/b/f", writing=True).write(data))) == error


def _with(has: str) -> Attribute:
    source = Source()
    if has == "show":
        return Attribute(mode=0o444, show=source.show)
    return Attribute(mode=0o200, store=source.store)


def _error(action: Callable[[], object]) -> int | None:
    try:
        action()
    except OSError as error:
        return error.errno
    return None


def test_open_files_of_a_removed_directory_are_dead() -> None:
    source = Source()
    tree = tree_with(Attribute(mode=0o644, show=source.show, store=source.store))
    file = tree.open("/sys/a/b/f", reading=True, writing=True)
    assert do(file.read(10, 0)) == b"text\n"
    tree.make_directories("/sys").remove("a")
    for work in (file.read(10, 0), file.read(10, 5), file.write(b"1"), file.write(b"")):
        with failing(errno.ENODEV):
            do(work)
    with pytest.raises(FileNotFoundError):
        tree.open("/sys/a/b/f", reading=True)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/sys/x", FileNotFoundError),
        ("/sys/a/b/f/x", NotADirectoryError),
        ("/sys/a", IsADirectoryError),
        ("/", IsADirectoryError),
    ],
)
def test_paths_that_cannot_be_opened(path: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        tree_with(Attribute(mode=0o444, show=Source().show)).open(path, reading=True)


def test_directories() -> None:
    tree = tree_with(Attribute(mode=0o444, show=Source().show))
    assert tree.listdir("/sys/a") == ("b",)
    assert tree.lookup("/sys//a/").stat == (0o755, 0, True)
    with pytest.raises(FileExistsError):
        tree.make_directories("/sys/a").add("b", Directory())
    with pytest.raises(NotADirectoryError):
        tree.listdir("/sys/a/b/f")
    with pytest.raises(NotADirectoryError):
        tree.make_directories("/sys/a/b/f/x")


def test_a_directory_is_filled_when_somebody_looks_and_never_after_its_removal() -> None:
    source, filled = Source(), []

    def fill() -> dict[str, Attribute]:
        filled.append(1)
        return {"f": Attribute(mode=0o444, show=source.show)}

    tree, unseen = Tree(Directory()), Directory(fill)
    tree.root.add("seen", Directory(fill))
    tree.root.add("unseen", unseen)
    assert tree.listdir("/") == ("seen", "unseen")
    assert not filled
    file = tree.open("/seen/f", reading=True)
    assert (tree.listdir("/seen"), len(filled)) == (("f",), 1)
    for name in ("seen", "unseen"):
        tree.root.remove(name)
    with failing(errno.ENODEV):
        do(file.read(10, 0))
    assert (unseen.names, len(filled)) == ((), 1)


def test_kmsg_gives_one_record_a_read() -> None:
    log = KernelLog(lambda: 0)
    tree = Tree(Directory())
    tree.make_directories("/dev").add("kmsg", Kmsg(log))
    file = tree.open("/dev/kmsg", reading=True)
    assert do(file.read(100, 0)) == b""
    log.write(Level.ERR, "one")
    log.write(Level.INFO, "two")
    with failing(errno.EINVAL):
        do(file.read(5, 0))
    assert [do(file.read(100, offset)) for offset in (0, 9, 0)] == [b"3,0,0,-;one\n", b"6,1,0,-;two\n", b""]
    assert do(tree.open("/dev/kmsg", reading=True).read(100, 0)) == b"3,0,0,-;one\n"
    with pytest.raises(PermissionError):
        tree.open("/dev/kmsg", writing=True)
