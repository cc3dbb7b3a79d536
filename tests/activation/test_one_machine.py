# SPDX-License-Identifier: Apache-2.0
"""One machine has one lock, whichever way leads to it, and whatever becomes of the lock's file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.lock import machine_identity
from livefw.activation.lock.machine_lock import holder
from livefw.activation.paths import paths_for
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
LFA = "sys/firmware/lfa"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")


class World:
    """A mounted machine whose driver (v1) keeps no two engines apart, and engines on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "mount"
        self.view = path / "view"
        self.runtime = path / "run"
        for folder in (self.root, self.view):
            folder.mkdir()
        self.machine = Machine(replace(load("vera"), driver="v1", cpus=2), real_time=True)
        self.machine.boot()
        self.tree = MountedTree(self.machine.tree, self.machine.runner, directory=str(self.root))
        self.on = True
        self.engines: list[subprocess.Popen[bytes]] = []

    def start(self, verb: str, root: str = "", script: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """A command on the machine at ``root``, in a mount namespace of its own after ``script`` if there is one."""
        number = len(self.engines)
        words = [sys.executable, "-m", "livefw", "--root", root or str(self.root), "--json", verb, "tf-rmm"]
        words += ["--state", str(self.path / f"state-{number}"), *(["--measure", "off"] if verb == "activate" else [])]
        if script:
            words = ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh", *words]
        environment = {**os.environ, "LIVEFW_RUNTIME_DIR": str(self.runtime), **environment}
        environment |= {"M": str(self.root), "V": str(self.view)}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.engines.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment, **pipes))
        return self.engines[-1]

    def run(self, verb: str, root: str = "", script: str = "", **environment: str) -> tuple[int, dict[str, Any]]:
        """The same to its end: exit code and document."""
        return ended(self.start(verb, root, script, **environment))

    def begin(self) -> subprocess.Popen[bytes]:
        """An engine that is in the middle of an activation, until `switch_off`: v1 has no limit of time."""
        self.machine.inject(FaultRequest(name="slow", component=RMM, ms=3_600_000))
        engine = self.start("activate")
        while not Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text():  # the one that writes
            self.machine.runner.run(self.machine.os.sleep(1_000_000), name="look again")
        return engine

    def switch_off(self) -> None:
        """End the write, and with it the activation."""
        if self.on:
            self.on = False
            self.tree.close()
            self.machine.close()

    def close(self) -> None:
        """End what is left."""
        self.switch_off()
        for engine in self.engines:
            engine.kill()
            engine.communicate()

    @property
    def locks(self) -> list[Path]:
        """The files that one sees in the runtime directory."""
        return list(self.runtime.glob("activation*.lock"))


def ended(engine: "subprocess.Popen[bytes]") -> tuple[int, dict[str, Any]]:
    out, errors = engine.communicate(timeout=120)
    assert out, errors
    document = json.loads(out)
    assert isinstance(document, dict)
    return engine.returncode, document


def outcomes(document: dict[str, Any]) -> list[str]:
    return [result["outcome"] for result in document["results"]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    made = World(tmp_path)
    yield made
    made.close()


VIEWS = {
    # what is done in a mount namespace beforehand, and the root; $M is the machine, $V an empty directory
    "bind mount": ('mount --bind "$M" "$V"', "view"),
    "bind mount of a bind mount": ('mount --bind "$M" "$V"; mount --bind "$V" /mnt', "/mnt"),
    "sys as its own mount": ('mkdir -p "$V/sys"; mount --bind "$M/sys" "$V/sys"', "view"),
    "firmware as its own mount": (
        'mkdir -p "$V/sys/firmware"; mount --bind "$M/sys/firmware" "$V/sys/firmware"',
        "view",
    ),
    "one interface as its own mount": (f'mkdir -p "$V/{LFA}"; mount --bind "$M/{LFA}" "$V/{LFA}"', "view"),
    "link": ('ln -sfn "$M" "$V/link"', "view/link"),
    "another spelling": ("true", "view/../mount/."),
    "a process's root": ("true", "/proc/self/root"),
}


@as_root
@pytest.mark.fuse
@pytest.mark.parametrize(("script", "root"), VIEWS.values(), ids=VIEWS)
def test_another_view_of_a_machine_is_the_same_machine(world: World, script: str, root: str) -> None:
    first = world.begin()
    where = f"{root}{world.root}" if root.startswith("/proc") else os.path.join(world.path, root)
    code, document = world.run("activate", where, script)
    assert (code, document["error"]["message"].split(":")[0]) == (4, "another activation is running")
    code, document = world.run("plan", where, script)
    assert "busy" in [problem["check"] for problem in document["steps"][0]["problems"]]
    world.switch_off()
    assert outcomes(ended(first)[1]) == ["unknown"]
    assert len(world.locks) == 1


def _remove(world: World) -> None:
    for path in world.locks:
        path.unlink()


def _replace(world: World) -> None:
    for path in world.locks:
        other = path.with_name("other")
        other.write_text("{}")
        other.replace(path)


def _remove_twins(world: World) -> None:
    for path in world.runtime.iterdir():
        path.unlink()


def _remove_all(world: World) -> None:
    _remove_twins(world)
    world.runtime.rmdir()


GONE: dict[str, Callable[[World], None]] = {
    "removed": _remove,
    "replaced": _replace,
    "removed with its twin": _remove_twins,
    "removed with its directory": _remove_all,
}


@pytest.mark.fuse
@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
@pytest.mark.parametrize("killed", [False, True], ids=["", "engine killed"])
def test_without_its_file_the_lock_is_held_as_before(world: World, gone: Callable[[World], None], killed: bool) -> None:
    """Also by the child of an engine that was killed, as long as the kernel is at work."""
    first = world.begin()
    gone(world)
    if killed:
        first.kill()
        first.wait()
    for _ in range(2):  # the second one finds what the first has left
        code, document = world.run("activate")
        assert code == 4, document
    _, document = world.run("plan")
    assert "busy" in [problem["check"] for problem in document["steps"][0]["problems"]]
    world.switch_off()
    if not killed:
        assert outcomes(ended(first)[1]) == ["unknown"]
        assert [holder(str(path)) for path in world.locks] == [None] * len(world.locks)


@pytest.mark.fuse
def test_engines_with_other_directories_meet_on_the_machine(world: World) -> None:
    first = world.begin()
    assert world.run("activate", LIVEFW_RUNTIME_DIR=str(world.path / "elsewhere"))[0] == 4
    world.switch_off()
    assert outcomes(ended(first)[1]) == ["unknown"]


# What a machine is.


def lock_of(root: Path | str) -> str:
    return paths_for(str(root), environment={"LIVEFW_RUNTIME_DIR": "/run/x", "HOME": "/h"}, privileged=False).lock


def plant(root: Path, *folders: str) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    "folders",
    [(), ("sys",), ("sys/firmware",), (LFA,), (LFA, "sys/firmware/acpi"), ("proc/sys/kernel/random", "sys/firmware")],
)
def test_directories_are_machines_of_their_own(tmp_path: Path, folders: tuple[str, ...]) -> None:
    one, two = (plant(tmp_path / name, ".", *folders) for name in ("one", "two"))
    assert len({lock_of(one), lock_of(two), lock_of("/")}) == 3
    (tmp_path / "link").symlink_to(one)
    assert {lock_of(each) for each in (one, f"{one}/", tmp_path / "link", f"{two}/../one")} == {lock_of(one)}
    before = lock_of(one)
    one.rename(tmp_path / "moved")
    assert lock_of(tmp_path / "moved") == before


def test_tree_that_claims_to_be_this_machine_is_another(tmp_path: Path) -> None:
    """A stranger's tree must not hold the lock of the machine we run on, and root may be made to look at it."""
    tree = plant(tmp_path / "tree", "proc/sys/kernel/random")
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    (tree / "proc/sys/kernel/random/boot_id").write_bytes(boot_id)
    (tree / "sys").symlink_to("/sys")
    assert "/activation-" in lock_of(tree)
    assert machine_identity.guard(str(tree)) is None
    (tree / "sys").unlink()
    plant(tree, "sys/bus")
    (tree / "sys/firmware").symlink_to("/sys/firmware")
    (tree / "sys/bus/cpu").symlink_to("/sys/bus/cpu")
    assert "/activation-" in lock_of(tree)
    assert machine_identity.guard(str(tree)) is None


@pytest.mark.parametrize("root", ["/", "//", "/.", "/proc/..", "/proc/self/root", "/proc/self/cwd"])
def test_our_own_machine_has_one_lock(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert paths_for(root, environment={"LIVEFW_RUNTIME_DIR": "/aside"}, privileged=True).lock == (
        "/run/livefw/activation.lock"
    )
    assert paths_for(root, environment={"XDG_RUNTIME_DIR": "/run/user/1"}, privileged=False).lock == (
        "/run/user/1/livefw/activation.lock"
    )


OWN = {
    "the root": 'mount --rbind / "$V"',
    "the root without what is mounted there": 'mount --bind / "$V"',
    "its sysfs": 'mkdir -p "$V/sys"; mount --bind /sys "$V/sys"',
    "a sysfs mounted anew": 'mkdir -p "$V/sys"; mount -t sysfs none "$V/sys"',
    "one directory of its sysfs": 'mkdir -p "$V/sys/firmware/x"; mount --bind /sys/bus "$V/sys/firmware/x"',
}


@as_root
@pytest.mark.parametrize("network", [False, True], ids=["", "own network"])
@pytest.mark.parametrize("script", OWN.values(), ids=OWN)
def test_another_view_of_our_own_machine_has_its_lock(tmp_path: Path, script: str, network: bool) -> None:
    """A container with a network of its own has a sysfs with another device number, of the same kernel."""
    code = """
import os
from livefw.activation.paths import paths_for
print(paths_for(os.environ["V"], environment={"LIVEFW_RUNTIME_DIR": "/aside"}, privileged=True).lock)
print(paths_for(os.environ["V"], environment={"HOME": "/h"}, privileged=True).state)
"""
    words = ["unshare", "--mount", *(["--net"] if network else []), "sh", "-ec", f'{script}; exec "$@"', "sh"]
    told = subprocess.run(
        [*words, sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"V": str(tmp_path)},
    ).stdout.split()
    assert told[0] == "/run/livefw/activation.lock"
    assert told[1].startswith("/h/.local/state/livefw/")  # the history is named by the path, as ever


# The file of the machine that its owner alone can open.


UEVENT = "sys/bus/cpu/uevent"


def test_file_of_the_machine_is_only_opened_if_it_is_a_plain_one(tmp_path: Path) -> None:
    plant(tmp_path, "sys/bus/cpu")
    path = tmp_path / UEVENT
    assert machine_identity.guard(str(tmp_path)) is None
    path.mkdir()
    assert machine_identity.guard(str(tmp_path)) is None
    path.rmdir()
    os.mkfifo(path)
    assert machine_identity.guard(str(tmp_path)) is None
    path.unlink()
    path.symlink_to("/dev/null")
    assert machine_identity.guard(str(tmp_path)) is None
    path.unlink()
    path.write_bytes(b"x")
    descriptor = machine_identity.guard(str(tmp_path))
    assert descriptor is not None
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    os.close(descriptor)
    assert path.read_bytes() == b"x"
