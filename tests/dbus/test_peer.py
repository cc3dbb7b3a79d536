# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a socket, and which fwupd it has mapped."""

import mmap
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw.dbus import peer
from livefw.dbus.peer import FwupdVersions, Peer, identify, is_trusted, user_name

NOBODY = 65_534


@pytest.fixture
def end() -> Iterator[socket.socket]:
    one, other = socket.socketpair()
    with one, other:
        yield one


def test_a_process_is_what_the_kernel_says(end: socket.socket) -> None:
    """proc(5): field 22 of stat is the start in clock ticks; this one's name has no blanks."""
    found = identify(end)
    stat = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    assert (found.pid, found.uid, found.started) == (os.getpid(), os.getuid(), int(stat[19]))
    assert found.groups == {os.getegid(), *os.getgroups()}


def test_of_one_that_has_ended_no_start_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        child = os.fork()
        if not child:  # pragma: no cover - ends without a report
            with socket.socket(socket.AF_UNIX) as mine:
                mine.connect(path)
                os._exit(0)
        client, _ = listener.accept()
        os.waitpid(child, 0)
        with client:
            found = identify(client)
    assert (found.pid, found.started) == (child, 0)


def test_accounts_have_names_or_numbers() -> None:
    assert user_name(0) == pwd.getpwuid(0).pw_name == Peer(1, 0, frozenset(), 1).user
    nobody_has = next(uid for uid in range(3_000_000_000, 3_000_000_100) if not _known(uid))
    assert user_name(nobody_has) == f"uid {nobody_has}"


def _known(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def test_root_and_the_daemons_own_account_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [uid for uid in (0, 1, 999, 1000, 1001) if is_trusted(uid)] == [0, 1000]


def mapped(folder: Path, name: str) -> mmap.mmap:
    """A library of fwupd's in the memory of this process."""
    folder.mkdir(parents=True)
    library = folder / name
    library.write_bytes(b"x" * 4096)
    with library.open("rb") as file:
        return mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)


def me(uid: int) -> Peer:
    return Peer(os.getpid(), uid, frozenset(), 1)


@pytest.mark.parametrize("uid", [0, NOBODY])
@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("fwupd-1.2.3", "libfwupdengine.so", "1.2.3"),
        ("fwupd-2.0", "libfwupdplugin.so", "2.0"),
        ("fwupd-2", "libfwupdplugin.so", ""),
        ("fwupd-2.0.1-rc", "libfwupdplugin.so", ""),
        ("fwupd-2.0.1", "other.so", ""),
    ],
)
def test_the_version_is_that_of_the_library_that_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str, version: str, uid: int
) -> None:
    monkeypatch.setattr(peer, "_PATIENCE_S", 60.0)  # a thread looks, and the machine has other work
    with mapped(tmp_path / folder, name):
        assert FwupdVersions().of(me(uid)) == version


def test_what_was_found_is_remembered_for_the_program_and_its_user(tmp_path: Path) -> None:
    """Whoever runs a program can give it mappings of any name, and shall deceive nobody else."""
    versions = FwupdVersions()
    assert versions.of(me(0)) == ""  # nothing is remembered of that
    with mapped(tmp_path / "fwupd-1.2.3", "libfwupd.so"):
        assert versions.of(me(0)) == "1.2.3"
    assert versions.of(me(0)) == "1.2.3"
    assert versions.of(me(NOBODY)) == ""


def test_of_a_process_that_is_not_there_nothing_is_known() -> None:
    child = os.fork()
    if not child:  # pragma: no cover - ends without a report
        os._exit(0)
    os.waitpid(child, 0)
    assert [FwupdVersions().of(Peer(child, uid, frozenset(), 1)) for uid in (0, NOBODY)] == ["", ""]


@pytest.mark.parametrize(
    ("found", "version"),
    [
        ({"/usr/lib": ["fwupd-1.9.9", "other-3.0"], "/usr/lib64": ["fwupd-1.9.10"]}, "1.9.10"),
        ({"/usr/lib": ["x86_64-linux-gnu"], "/usr/lib/x86_64-linux-gnu": ["fwupd-2.0.1", "fwupd-plugins-9"]}, "2.0.1"),
        ({"/usr/lib": ["somewhere"], "/usr/lib/somewhere": ["fwupd-2.0.1"]}, ""),
        ({"/usr/lib": ["fwupd-2", "fwupd-x.y"]}, ""),
        ({}, ""),
    ],
)
def test_the_newest_fwupd_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, list[str]], version: str
) -> None:
    def listed(path: str) -> list[str]:
        if path in found:
            return found[path]
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", listed)
    assert peer.installed_fwupd_version() == version
