# SPDX-License-Identifier: Apache-2.0
"""Mounting and unmounting, by root and by the helper that everybody else needs; each way in which it cannot be done."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from livefw.errors import LivefwError, PermissionDenied, TransportError, UsageError
from livefw.machine.config import MachineConfig
from livefw.machine.fuse.mount import is_mounted, mount, remove_dead, unmount
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

from .conftest import RMM

pytestmark = pytest.mark.fuse
ODD = "a b\tc\nd\\e\\040f"
"""A name that /proc/self/mountinfo writes with escapes (Linux, fs/proc_namespace.c: mangle)."""


@pytest.fixture
def place(tmp_path: Path, mountable: None) -> Iterator[Path]:
    """An empty folder; what is still mounted there at the end is taken away."""
    folder = tmp_path / ODD
    folder.mkdir()
    yield folder
    if is_mounted(str(folder)):
        unmount(str(folder))


@pytest.fixture(params=["as root", "by the helper"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who mounts. The helper works for root, too, and does the same for him."""
    if request.param == "by the helper":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    elif os.geteuid():
        pytest.skip("only root mounts without the helper")
    return str(request.param)


def helper(place: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    """Let the helper be this one, or be missing."""
    folder = place.parent / "bin"
    folder.mkdir(exist_ok=True)
    if script is not None:
        (folder / "fusermount3").write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (folder / "fusermount3").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(folder))


def test_what_is_mounted_is_seen_and_unmounted(place: Path, way: str) -> None:
    assert not is_mounted(str(place))
    mounted = mount(str(place))
    assert not os.get_blocking(mounted.device)
    assert not os.get_inheritable(mounted.device)
    assert is_mounted(str(place))
    assert not is_mounted(str(place.parent))
    mounted.close()  # nobody serves it: whoever looked into it would wait
    assert not is_mounted(str(place))
    assert os.listdir(place) == []


def test_what_is_open_there_holds_up_nothing(place: Path, way: str, config: MachineConfig) -> None:
    """A file that is closed by each program that is started: what would be told of it is answered by nobody."""
    machine = Machine(config, real_time=True)
    machine.boot()
    tree = MountedTree(machine.tree, machine.runner, directory=str(place))
    file = os.open(place / "sys/firmware/lfa" / RMM / "name", os.O_RDONLY)
    tree.close()
    machine.close()
    assert not is_mounted(str(place))
    with pytest.raises(OSError, match="not connected"):
        os.read(file, 1)
    with suppress(OSError):  # it is closed, and says that its server is gone
        os.close(file)


def test_a_mount_whose_server_died_makes_room_for_the_next(place: Path, way: str) -> None:
    os.close(mount(str(place)).device)
    with pytest.raises(OSError, match="not connected") as caught:
        os.listdir(place)
    assert caught.value.errno == errno.ENOTCONN
    mount(str(place)).close()
    os.close(mount(str(place)).device)
    assert remove_dead(str(place))
    assert not remove_dead(str(place))


def test_a_path_that_is_gone_has_no_dead_mount(place: Path) -> None:
    assert not remove_dead(str(place / "gone"))


def test_only_an_empty_folder_is_used(place: Path) -> None:
    (place / "precious").touch()
    for path, why in ((place, "is not empty"), (place / "precious", "Not a directory"), (place / "no", "No such file")):
        with pytest.raises(UsageError, match=why):
            mount(str(path))
    assert not is_mounted(str(place))


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (None, TransportError, "fusermount3 is not installed, and only root mounts without it"),
        ("echo no entry in /etc/fuse.conf >&2; exit 1", PermissionDenied, "no entry in /etc/fuse.conf"),
        ("exit 1", PermissionDenied, "fusermount3 failed"),
        ("exit 0", TransportError, "fusermount3 did not pass a device"),
    ],
)
def test_a_helper_that_does_not_mount_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, kind: type[LivefwError], said: str
) -> None:
    helper(place, monkeypatch, script)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(kind) as caught:
        mount(str(place))
    assert caught.value.message == said
    assert caught.value.hint.endswith("`livefw demo` works without FUSE")
    assert os.listdir("/proc/self/fd") == before


def test_a_helper_that_does_not_unmount_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(str(place))
    with monkeypatch.context() as changed:
        helper(place, changed, "echo not yours >&2; exit 1")
        with pytest.raises(TransportError) as caught:
            unmount(str(place))
    assert caught.value.message == f"cannot unmount {place}: not yours"
    assert caught.value.replay == f"fusermount3 -uz {place}"
    mounted.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lack the right to mount by itself")
def test_root_in_a_container_without_the_right_to_mount(place: Path) -> None:
    words = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m", "livefw", "machine", "run"]
    done = subprocess.run(
        [*words, "--platform", "vera", "--mount", place], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 5
    assert "livefw: mounting is not permitted here" in done.stderr
    assert "a container needs CAP_SYS_ADMIN for it; `livefw demo` works without FUSE" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root unmounts without the helper")
def test_root_unmounts_only_what_is_mounted(place: Path) -> None:
    with pytest.raises(TransportError, match="cannot unmount"):
        unmount(str(place))
