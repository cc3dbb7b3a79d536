# SPDX-License-Identifier: Apache-2.0
"""The lock: one engine at a time, freed by any end of its holder, kept while the kernel write goes on."""

import fcntl
import multiprocessing
import os
import signal
import stat
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.engine import ActivationRequest
from livefw.activation.lock.machine_lock import Busy, Lock, LockHolder, holder
from livefw.activation.outcome import Outcome
from livefw.activation.paths import paths_for
from livefw.errors import PermissionDenied, TransportError
from livefw.files.host import HostFiles


def test_a_second_engine_is_told_who_holds_it(tmp_path: Path) -> None:
    path = str(tmp_path / "run/activation.lock")
    with Lock.acquire(path) as lock:
        lock.describe(component="lfa:x", user="alice")
        with pytest.raises(Busy, match=f"lfa:x by alice, process {os.getpid()}") as caught:
            Lock.acquire(path)
        assert caught.value.holder
        assert holder(path) == caught.value.holder
    assert holder(path) is None
    Lock.acquire(path).release()


NOTES = (
    b"",
    b"\xff",
    b"[]",
    b'{"pid": 1}',
    b"{" * 5000,
    b"[" * 4096,
    b'{"pid": null, "since": 1}',
    b'{"pid": 1e999, "component": "", "user": "", "since": 1}',
    b'{"pid": 1, "component": "", "user": "", "since": NaN}',
    b'{"pid": true, "component": "", "user": "", "since": 1}',
    b'{"pid": -1, "component": "", "user": "", "since": 1}',
    b'{"pid": 99999999, "component": "", "user": "", "since": 1}',
    b'{"pid": 1, "component": ["x"], "user": "", "since": 1}',
    b'{"pid": 1, "component": "", "user": "", "since": 99999999999999999999}',
    b'{"pid": 1, "component": "", "user": "", "since": 1, "act": "dancing"}',
    b'["pid", "component", "user", "since"]',
)


@pytest.mark.parametrize("note", NOTES)
def test_a_note_that_makes_no_sense_is_no_obstacle(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "lock"
    with Lock.acquire(str(path)):
        path.write_bytes(note)
        with pytest.raises(Busy, match="has not reported"):
            Lock.acquire(str(path))
    path.write_bytes(note)
    Lock.acquire(str(path)).release()


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        Lock.acquire(path)
        os.write(told, b"x")
        signal.pause()
        os._exit(0)
    assert os.read(ready, 1) == b"x"
    with pytest.raises(Busy):
        Lock.acquire(path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(told)
    Lock.acquire(path).release()


def test_the_child_that_writes_keeps_it_until_the_write_has_ended(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    os.mkfifo(tmp_path / "fifo")
    files = HostFiles(str(tmp_path))
    lock = Lock.acquire(path)
    write = files.start_write("/fifo", b"1")
    lock.release()
    with pytest.raises(Busy):
        Lock.acquire(path)
    os.close(os.open(tmp_path / "fifo", os.O_RDONLY))
    assert write.wait(None)
    files.close()
    Lock.acquire(path).release()


def test_the_child_keeps_it_also_without_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    os.mkfifo(tmp_path / "fifo")
    files = HostFiles(str(tmp_path))
    lock = Lock.acquire(path)
    lock.describe(component="lfa:x", user="alice")
    write = files.start_write("/fifo", b"1")
    os.unlink(path)
    lock.release()
    for _ in range(2):  # the second one finds the file that the first has made
        with pytest.raises(Busy, match="lfa:x by alice"):
            Lock.acquire(path)
    assert holder(path)
    os.close(os.open(tmp_path / "fifo", os.O_RDONLY))
    assert write.wait(None)
    files.close()
    assert holder(path) is None
    Lock.acquire(path).release()


def _meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], object]) -> None:
    """Let something happen between the opening and the locking of each file."""
    control = fcntl.fcntl

    def meddled(descriptor: int, command: int, argument: Any = 0) -> Any:
        if command == fcntl.F_OFD_SETLK:
            meddle()
        return control(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", meddled)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_goes_while_it_is_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    path = tmp_path / "lock"
    times = iter(range(5))

    def go() -> None:
        if next(times, None) is not None and path.exists():
            path.unlink()
            if replaced:
                path.touch()

    with monkeypatch.context() as patch:
        _meddling(patch, go)
        held = Lock.acquire(str(path))
    assert next(times, None) is None
    assert path.exists()
    with held, pytest.raises(Busy):
        Lock.acquire(str(path))


def test_a_file_that_goes_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        _meddling(patch, lambda: path.unlink(missing_ok=True))
        with pytest.raises(TransportError, match="being replaced repeatedly"):
            Lock.acquire(str(path))
    assert os.listdir("/proc/self/fd") == before
    Lock.acquire(str(path)).release()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A tree with the file that its owner alone can open."""
    path = tmp_path / "root/sys/bus/cpu/uevent"
    path.parent.mkdir(parents=True)
    path.touch(0o200)
    return path


def test_engines_with_different_files_meet_on_the_machine(tmp_path: Path, machine: Path) -> None:
    root, one, two = (str(tmp_path / name) for name in ("root", "one/lock", "two/lock"))
    with Lock.acquire(one, root):
        with pytest.raises(Busy, match="has not reported"):
            Lock.acquire(two, root)
        assert holder(two, root) == LockHolder(0, "", "", 0)
        assert holder(two) is None
    assert holder(two, root) is None
    Lock.acquire(two, root).release()
    assert machine.stat().st_size == 0


def test_whoever_can_only_read_the_machines_file_keeps_nobody_waiting(tmp_path: Path, machine: Path) -> None:
    """It is 0200 in sysfs; elsewhere others may read it, and a lock for reading is all that they can take."""
    root, path = str(tmp_path / "root"), str(tmp_path / "run/lock")
    machine.chmod(0o644)
    reader = os.open(machine, os.O_RDONLY)
    fcntl.fcntl(reader, fcntl.F_OFD_SETLK, struct.pack("@hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
    assert holder(path, root) is None
    with Lock.acquire(path, root), pytest.raises(Busy):
        Lock.acquire(path, root)
    fcntl.flock(reader, fcntl.LOCK_EX)
    Lock.acquire(path, root).release()
    os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_an_ordinary_user_can_keep_root_from_nothing(tmp_path: Path, machine: Path) -> None:
    """Whatever can be opened is locked in every way there is; the directories can, and are no locks."""
    root, path = tmp_path / "root", tmp_path / "run/activation.lock"
    Lock.acquire(str(path), str(root)).release()
    base = Path(tempfile.gettempdir())
    for folder in (tmp_path, *(each for each in tmp_path.parents if base in each.parents)):
        folder.chmod(0o755)
    opened: list[int] = []
    os.seteuid(65534)
    try:
        for each in (*tmp_path.rglob("*"), tmp_path):
            for flags in (os.O_RDONLY, os.O_WRONLY):
                with suppress(OSError):
                    opened.append(os.open(each, flags))
                    fcntl.flock(opened[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.seteuid(0)
    assert opened
    Lock.acquire(str(path), str(root)).release()
    for descriptor in opened:
        os.close(descriptor)


def _over_and_over(look: Callable[[], object]) -> None:
    while True:
        look()


def test_who_only_looks_is_in_nobodys_way(make: Any) -> None:
    """The file has an end of its holder in it as often as a beginning: neither is told to be busy."""
    bench = make("vera")
    engine, path = bench.engine(), bench.paths.lock
    context = multiprocessing.get_context("fork")
    looks = (lambda: holder(path), lambda: engine.plan(ActivationRequest()))
    onlookers = [context.Process(target=_over_and_over, args=(look,)) for look in looks]
    for onlooker in onlookers:
        onlooker.start()
    try:
        for _ in range(5_000):
            Lock.acquire(path).release()
        for _ in range(20):
            engine.open().close()
        for _ in range(3):
            bench.machine.stage("rmm")
            assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    finally:
        for onlooker in onlookers:
            onlooker.kill()
            onlooker.join()


def test_who_may_not_activate_cannot_lock_it_either(tmp_path: Path) -> None:
    """An ordinary user's lock would refuse every activation, for ever."""
    Lock.acquire(str(tmp_path / "lock")).release()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def _enter_and_leave(path: str, log: str) -> None:
    for _ in range(200):
        try:
            with Lock.acquire(path):
                descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
                os.write(descriptor, b"(")
                os.write(descriptor, b")")
                os.close(descriptor)
        except Busy:
            continue


def test_never_two_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=_enter_and_leave, args=(str(tmp_path / "lock"), str(log))) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    text = log.read_text()
    assert text == "()" * (len(text) // 2)
    assert len(text) >= 2 * 200


def test_a_lock_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportError):
        Lock.acquire(str(tmp_path / "file/lock"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransportError):
        Lock.acquire(str(tmp_path / "link"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up its rights")
def test_without_the_right_it_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "run").mkdir(mode=0o755)
    os.seteuid(65534)
    try:
        with pytest.raises((PermissionDenied, TransportError)) as caught:
            Lock.acquire(str(tmp_path / "run/lock"))
    finally:
        os.seteuid(0)
    assert isinstance(caught.value, PermissionDenied)


def test_places() -> None:
    own = paths_for("/", environment={}, privileged=True)
    assert own == ("/var/lib/livefw", "/run/livefw/activation.lock", "/etc/livefw", "/")
    told = paths_for("/", environment={"LIVEFW_STATE": "/state"}, privileged=True)
    assert (told.state, told.lock) == ("/state", own.lock)
    assert paths_for("/", state="/asked", environment={"LIVEFW_STATE": "/state"}, privileged=True).state == "/asked"
    user = paths_for("/", environment={"LIVEFW_STATE": "/state", "XDG_RUNTIME_DIR": "/run/user/1"}, privileged=False)
    assert user.lock == "/run/user/1/livefw/activation.lock"
    aside = {"LIVEFW_RUNTIME_DIR": "/aside", "HOME": "/h"}
    assert paths_for("/", environment=aside, privileged=True).lock == own.lock
    assert paths_for("/proc", environment=aside, privileged=True).lock.startswith("/aside/activation-")
    assert paths_for("/", environment={"LIVEFW_STATE": "/state"}, privileged=False).lock == "/state/activation.lock"


def test_places_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    aside = {"LIVEFW_RUNTIME_DIR": "run", "LIVEFW_STATE": "state"}
    found = paths_for("/proc", settings="settings", environment=aside, privileged=False)
    assert all(os.path.dirname(path) in (str(tmp_path), f"{tmp_path}/run") for path in found[:3])


def test_another_root_is_another_machine(tmp_path: Path) -> None:
    one, two = (paths_for(str(tmp_path / name), environment={"HOME": "/h"}, privileged=True) for name in ("one", "two"))
    assert len({one.state, two.state, "/var/lib/livefw"}) == 3
    assert len({one.lock, two.lock, "/run/livefw/activation.lock"}) == 3
    assert one.settings == ""  # a tree may come from anywhere
    asked = paths_for(str(tmp_path / "one"), settings=str(tmp_path / "one/etc/livefw"), environment={"HOME": "/h"})
    assert asked.settings == str(tmp_path / "one/etc/livefw")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert paths_for(str(tmp_path / "link"), environment={"HOME": "/h"}, privileged=True) == one


def test_it_can_be_given_back_twice(tmp_path: Path) -> None:
    """By whoever has failed half-way, and by the end of its ``with``; a descriptor of somebody else is left alone."""
    path = str(tmp_path / "run/lock")
    lock = Lock.acquire(path)
    lock.release()
    with Lock.acquire(path):
        lock.release()
        with pytest.raises(Busy):
            Lock.acquire(path)
