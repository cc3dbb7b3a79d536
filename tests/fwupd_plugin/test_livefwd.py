# SPDX-License-Identifier: Apache-2.0
"""What the plugin hands to livefwd, activations and images: its checks, its policy, its history, and its words."""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest

from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine

from ..daemon.conftest import Daemon, bmc
from ..truth.world import RMM_GUID, SCP_GUID
from .conftest import NEEDS_ACTIVATION, UPDATABLE, Ended, Mounts, Start
from .test_activation import Waiting, in_progress

pytestmark = pytest.mark.fuse
NOBODY = 65534
__all__ = ["bmc"]
PMFW, TMPM = (str(uuid5(NAMESPACE_DNS, f"LIVEFW\\redfish&model/{name}")) for name in ("pmfw-a", "tmpm"))


@pytest.fixture
def machine(mount: Mounts) -> Machine:
    """Two components with staged images."""
    made = mount(replace(load("vera"), driver="nv3"))
    made.stage(SCP_GUID)
    return made


@pytest.fixture
def livefwd(machine: Machine, mount: Mounts, folder: Path) -> Iterator[Daemon]:
    """livefwd for the same machine; its policy denies the SCP."""
    place, settings = folder / "livefwd", folder / "etc-livefw"
    place.mkdir()
    settings.mkdir()
    (settings / "livefw.toml").write_text(f'deny = ["lfa:{SCP_GUID}"]\n')
    daemon = Daemon(place, mount.root, "--settings", str(settings))
    try:
        daemon.hear("READY=1")
        yield daemon
    finally:
        with suppress(OSError):
            daemon.end()


def _children(pid: int) -> list[int]:
    """A descriptor of each process that this one has started and that runs."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [os.pidfd_open(int(child)) for each in tasks for child in (each / "children").read_text().split()]


def test_livefwd_activates_where_it_is(machine: Machine, start: Start, livefwd: Daemon) -> None:
    daemon = start(Engine="auto", LivefwdSocket=livefwd.path)
    assert daemon.activate(RMM_GUID) == Ended()
    assert daemon.devices()[RMM_GUID]["Version"] == "1.1"
    _, history, _ = livefwd.call("History", "ss", "", "")
    assert "fwupd" in history

    denied = daemon.fwupdmgr("activate", SCP_GUID)
    assert (denied.returncode, "livefw.toml" in denied.stderr or "denie" in denied.stderr) == (1, True), denied.stderr
    assert daemon.activate(SCP_GUID).error == "NeedsUserAction"
    assert len(machine.platform.commits()) == 1


def test_the_words_are_those_of_livefw(machine: Machine, start: Start, livefwd: Daemon) -> None:
    daemon = start(Engine="livefwd", LivefwdSocket=livefwd.path)
    machine.inject(FaultRequest(name="auth-error", component=RMM_GUID))
    ended = daemon.activate(RMM_GUID)
    assert (ended.error, "the new image failed authentication" in ended.text) == ("Write", True)
    machine.clear_faults()
    machine.stage(RMM_GUID)
    machine.inject(FaultRequest(name="vanish-after", component=RMM_GUID))
    assert daemon.activate(RMM_GUID).error == "TimedOut"


def test_others_are_served_while_livefwd_works(machine: Machine, start: Start, livefwd: Daemon) -> None:
    (livefwd.folder.parent / "etc-livefw/livefw.toml").write_text("")
    daemon = start(Engine="auto", LivefwdSocket=livefwd.path)
    waiting = Waiting(daemon, machine)
    assert in_progress(daemon.devices()[SCP_GUID])
    assert daemon.activate(RMM_GUID).error == "Busy"
    machine.clear_faults()
    assert waiting.join() == Ended()


def test_a_livefwd_that_dies_leaves_it_unknown(machine: Machine, start: Start, livefwd: Daemon) -> None:
    (livefwd.folder.parent / "etc-livefw/livefw.toml").write_text("")
    daemon = start(Engine="auto", LivefwdSocket=livefwd.path)
    waiting = Waiting(daemon, machine)
    jobs = _children(livefwd.popen.pid)
    assert jobs
    livefwd.popen.kill()
    ended: Any = waiting.join()
    assert (ended.error, "outcome unknown: livefwd ended before it answered" in ended.text) == ("TimedOut", True)
    machine.clear_faults()
    daemon.device(SCP_GUID, lambda device: device["Version"] == "2.8")  # its job went on
    for job in jobs:  # and writes into the folder, until it ends
        select.select([job], [], [])
        os.close(job)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket to somebody else")
@pytest.mark.parametrize("what", ["socket", "folder", "open folder", "no socket"])
def test_nobody_else_is_taken_for_livefwd(what: str, machine: Machine, start: Start, folder: Path) -> None:
    place = folder / "livefwd"
    place.mkdir()
    path = place / "s"
    listener = socket.socket(socket.AF_UNIX)
    if what == "no socket":
        path.write_text("")
    else:
        listener.bind(str(path))
        listener.listen()
    if what == "open folder":
        place.chmod(0o777)
    elif what != "no socket":
        os.chown(path if what == "socket" else place, NOBODY, NOBODY)
    with listener:
        ended = start(Engine="auto", LivefwdSocket=path).activate(RMM_GUID)
    assert (ended.error, "is not trusted" in ended.text) == ("PermissionDenied", True)
    assert machine.platform.commits() == ()


def test_a_livefwd_that_does_not_answer_is_not_evaded(machine: Machine, start: Start, folder: Path) -> None:
    place = folder / "livefwd"
    place.mkdir()
    path = place / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    ended = start(Engine="auto", LivefwdSocket=path).activate(RMM_GUID)
    assert (ended.error, "Engine=sysfs" in ended.text) == ("NotSupported", True)
    assert machine.platform.commits() == ()


def test_without_livefwd_auto_is_sysfs(machine: Machine, start: Start, folder: Path) -> None:
    daemon = start(Engine="auto", LivefwdSocket=folder / "nowhere")
    assert daemon.activate(RMM_GUID) == Ended()
    assert len(machine.platform.commits()) == 1


def _archive(folder: Path, image: bytes, guid: str) -> str:
    about = Metainfo("org.example.fw", "Example", (guid,), "9.9", "image.bin", summary="For tests")
    file = folder / "image.cab"
    file.write_bytes(cab.write(CabImage(about, image)))
    return str(file)


def test_fwupdmgr_installs_by_livefwd(bmc: Path, start: Start, folder: Path) -> None:
    """On a machine without LFA, whose BMC takes images: what is staged so, livefwd also activates."""
    place = folder / "livefwd"
    place.mkdir()
    livefwd = Daemon(place, bmc)
    try:
        livefwd.hear("READY=1")
        daemon = start(Engine="livefwd", LivefwdSocket=livefwd.path)
        assert all(each["Flags"] & UPDATABLE for each in daemon.devices().values())
        installed = daemon.fwupdmgr("install", _archive(folder, b"version=1.9.0", PMFW))
        assert installed.returncode == 0, installed.stdout + installed.stderr
        assert daemon.devices()[PMFW]["Flags"] & NEEDS_ACTIVATION
        forged = daemon.fwupdmgr("install", _archive(folder, b"forged", TMPM))
        assert (forged.returncode, "authentic" in forged.stderr) == (1, True), forged.stdout + forged.stderr
        document, history, _ = livefwd.call("History", "ss", "", "")
        assert ("fwupd" in history, '"staged"' in document) == (True, True), history

        assert daemon.activate(PMFW) == Ended()
        device = daemon.devices()[PMFW]
        assert (device["Version"], device["Flags"] & NEEDS_ACTIVATION) == ("1.9.0", 0)
    finally:
        with suppress(OSError):
            livefwd.end()
    alone = daemon.fwupdmgr("install", _archive(folder, b"version=2.0.0", TMPM))
    assert (alone.returncode, "livefwd does not" in alone.stderr) == (1, True), alone.stdout + alone.stderr


def test_what_lfa_has_takes_no_image(machine: Machine, start: Start, folder: Path) -> None:
    done = start().fwupdmgr("install", _archive(folder, b"image", RMM_GUID))
    assert (done.returncode, "is not updatable" in done.stderr) == (1, True), done.stdout + done.stderr
    assert machine.platform.commits() == ()
