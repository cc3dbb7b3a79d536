# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process, over trees of plain files and over mounted machines."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.daemon.fwupd.devices import device_id
from livefw.dbus.client import Client, MethodCall
from livefw.machine.config import MachineConfig
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.providers.lfa.fake import FakeLfa

CHECKOUT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw")
OWN = "org.livefw.Livefw1"
FWUPD = "org.freedesktop.fwupd"


_CHANGED = """
import importlib, json, sys
for name, value in json.loads(sys.argv.pop(1)).items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module("livefw." + module), constant, value)
from livefw.daemon.service import main
sys.exit(main())
"""


class Daemon:
    """A daemon that runs, and ways to talk to it."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        *options: str,
        environment: dict[str, str] | None = None,
        changed: dict[str, float] | None = None,
        descriptors: int | None = None,
        settings: bool = True,
    ) -> None:
        """Start it, with the ``settings`` of the tree if it has some.

        ``changed`` are constants of its modules that are other than shipped, so that no test has to wait for them or to
        open hundreds of files; ``descriptors`` is how many it may have.
        """
        self.folder = folder
        self.root = root
        self.path = str(folder / "s")
        self.state = str(folder / "state")
        self.log = folder / "log"
        self.environment = os.environ | {
            "LIVEFW_RUNTIME_DIR": str(folder),
            "LIVEFW_STATE": self.state,
            "LC_ALL": "C.UTF-8",
        }
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(folder / "notify"))
        self._told.settimeout(30)
        start = ["-c", _CHANGED, json.dumps(changed)] if changed else ["-m", "livefw.daemon.service"]
        command = [sys.executable, *start, "--root", str(root), "--socket", self.path]
        if settings and os.path.isdir(root / "etc/livefw") and "--settings" not in options:
            command += ["--settings", str(root / "etc/livefw")]
        command += ["--state", self.state, "--measure", "off", "--bus", "", *options]
        if descriptors:
            command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                command,
                stderr=log,
                env=self.environment | {"NOTIFY_SOCKET": str(folder / "notify")} | (environment or {}),
            )

    def hear(self, word: str) -> str:
        """Wait until it tells the service manager something with this word in it."""
        while word not in (text := self._told.recv(4096).decode()):
            pass
        return text

    def client(self, *, timeout: float = 30) -> Client:
        """A connection."""
        return Client(self.path, timeout=timeout)

    def call(self, member: str, signature: str = "", *body: Any, interface: str = OWN) -> tuple[Any, ...]:
        """One call on a connection of its own."""
        with self.client() as client:
            return client.call(
                MethodCall("/" if interface == FWUPD else "/org/livefw", interface, member, signature, body)
            )

    def properties(self, path: str, interface: str) -> tuple[Any, ...]:
        """All properties of an interface."""
        with self.client() as client:
            return client.call(MethodCall(path, "org.freedesktop.DBus.Properties", "GetAll", "s", (interface,)))

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a client of fwupd's against it."""
        chosen = {"FWUPD_DBUS_SOCKET": self.path, "FWUPD_POLKIT_NOCHECK": "1", "NO_COLOR": "1"}
        return subprocess.run(
            command,
            env=self.environment | chosen | environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it; the exit code. One that does not follow is ended all the same, and the test fails."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise
        finally:
            self._told.close()

    def memory_kib(self) -> int:
        """What it has resident."""
        with open(f"/proc/{self.popen.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


Serve = Callable[..., Daemon]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short: the path of a socket has room for 107 characters."""
    with tempfile.TemporaryDirectory(prefix="lfd") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def serve(folder: Path) -> Iterator[Serve]:
    """Start daemons, one at a time in the folder."""
    started: list[Daemon] = []

    def start(root: Path, *options: str, ready: bool = True, **more: Any) -> Daemon:
        (folder / "notify").unlink(missing_ok=True)
        made = Daemon(folder, root, *options, **more)
        started.append(made)
        if ready:
            made.hear("READY=1")
        return made

    yield start
    for each in started:
        each.end()


@pytest.fixture
def planted(folder: Path) -> Path:
    """A tree of plain files with one component ready to be activated, and one that is not."""
    return plant(folder)


@pytest.fixture(scope="module")
def lasting() -> Iterator[Daemon]:
    """A daemon over such a tree for all rows of a table: whatever one of them does, it is there for the next."""
    with tempfile.TemporaryDirectory(prefix="lfd") as name:
        daemon = Daemon(Path(name), plant(Path(name)))
        daemon.hear("READY=1")
        yield daemon
        daemon.end()


def plant(folder: Path) -> Path:
    """Write such a tree; its root."""
    bench = FakeLfa()
    bench.add()
    bench.add("0509b633-5734-422f-a681-6096e932d93a", name="SCP", activation_pending="0")
    root = folder / "root"
    for path, data in bench.files.tree.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


@pytest.fixture
def mounted(folder: Path) -> Iterator[Callable[[MachineConfig], tuple[Machine, Path]]]:
    """Mount a machine of this process."""
    closing: list[Callable[[], None]] = []

    def make(config: MachineConfig) -> tuple[Machine, Path]:
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse is missing or not allowed")
        machine = Machine(config, real_time=True)
        closing.append(machine.close)
        machine.boot()
        directory = folder / "m"
        directory.mkdir()
        tree = MountedTree(machine.tree, machine.runner, directory=str(directory))
        closing.append(tree.close)
        return machine, directory

    yield make
    for close in reversed(closing):
        close()


@pytest.fixture
def bmc(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A machine with a BMC whose tasks take a moment, or as many seconds as the parameter says; its root."""
    root = folder / "root"
    seconds = str(getattr(request, "param", 0.1))
    words = [sys.executable, "-m", "livefw", "--json", "machine", "bmc", str(root), "--seconds", seconds]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n}\n"):
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            yield root
        finally:
            process.terminate()


def stage(daemon: Daemon, component: str, image: bytes) -> subprocess.CompletedProcess[str]:
    """Hand an image over as fwupdmgr does."""
    file = daemon.folder / "image"
    file.write_bytes(image)
    return daemon.run("fwupdmgr", "local-install", str(file), device_id(component))


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is filled once in a run of the tests, however many processes run them."""
    top = tmp_path_factory.getbasetemp()
    folder = (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / name
    folder.mkdir(exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".made").exists():
            make(folder)
            (folder / ".made").touch()
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Debian packages, built once in a run of the tests."""
    for program, debian in (("dpkg-buildpackage", "dpkg-dev"), ("dh", "debhelper"), ("dh_python3", "dh-python")):
        need(program, debian)

    def build(folder: Path) -> None:
        done = subprocess.run(
            [CHECKOUT / "packaging/build-deb.sh", folder], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "package", build)


@pytest.fixture(scope="session")
def package(packages: Path) -> Path:
    """The Debian package with the command and the daemon."""
    (built,) = packages.glob("livefw_*.deb")
    return built


def need(program: str, package: str) -> str:
    """A program of somebody else's."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing; on Debian: apt-get install {package}")
    return found


@pytest.fixture(params=["installed", *filter(None, os.environ.get("LIVEFW_FWUPDMGR", "").split(":"))])
def fwupdmgr(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The program of Debian's package fwupd, and those in folders that LIVEFW_FWUPDMGR names."""
    if request.param != "installed":
        monkeypatch.setenv("PATH", f"{request.param}:{os.environ['PATH']}")
    return need("fwupdmgr", "fwupd")
