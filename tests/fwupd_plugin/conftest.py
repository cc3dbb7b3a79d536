# SPDX-License-Identifier: Apache-2.0
"""The plugin in Debian's own fwupd: a module, the daemon that loads it, and its clients, on private sockets."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.machine.config import MachineConfig
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

from ..daemon.conftest import CACHE, CHECKOUT, FWUPD, need, once

BUILD = CHECKOUT / "contrib/fwupd/module/build.sh"
PLUGIN = CHECKOUT / "contrib/fwupd/plugins/arm-lfa"
SOURCE = CACHE / "fwupd"
DAEMON = "/usr/libexec/fwupd/fwupd"
PREFIX = f"{FWUPD}."
UPDATABLE, NEEDS_ACTIVATION, NEEDS_REBOOT, USABLE = 1 << 1, 1 << 20, 1 << 8, 1 << 29
UNREACHABLE, IN_PROGRESS = 1 << 1, 1 << 9
_BUS = "org.freedesktop.DBus"
_READY = "ready for requests"
_POLL_MS = 50
_LOOK_S = 0.2
"""A change of which the daemon sends no signal is noticed after this time."""


class Ended(NamedTuple):
    """How a call of ``Activate`` ended: fwupd's name of the error, empty for none, and its text."""

    error: str = ""
    text: str = ""


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin, built for the fwupd that is installed, once in a run of the tests."""
    if not os.path.exists(DAEMON):
        pytest.skip(f"{DAEMON} is missing; on Debian: apt-get install fwupd")
    need("dbus-daemon", "dbus-daemon")
    need("cc", "gcc")
    if not (SOURCE / "generated/done").exists():
        pytest.skip(f"the source of fwupd is missing; contrib/fwupd/module/build.sh headers {SOURCE}")
    return once(tmp_path_factory, "fwupd-plugin", built)


def built(folder: Path) -> None:
    """Fill a folder with the module, its quirks, and fwupd's own test."""
    for what in ("module", "self-test"):
        done = subprocess.run(
            [BUILD, what, SOURCE, folder],
            env=os.environ | {"PYTHON": sys.executable, "CFLAGS": "-Werror -O0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (folder / "quirks").mkdir()
    shutil.copy(PLUGIN / "arm-lfa.quirk", folder / "quirks")


@contextmanager
def lonely_bus() -> Iterator[str]:
    """A bus without polkit, on which root may all. Of a socket of its own fwupd serves one client only."""
    with tempfile.TemporaryDirectory(prefix="lfb") as folder:
        path = f"{folder}/bus"
        words = ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:path={path}"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield path
            process.terminate()


class Shared(NamedTuple):
    """What all daemons of a run share, which come one after the other: a bus, and what each would compile first."""

    bus: str
    cache: Path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One for all daemons."""
    with lonely_bus() as path:
        yield Shared(path, tmp_path_factory.mktemp("fwupd-cache"))


class Fwupd:
    """fwupd's daemon with nothing but the plugin, and ways to talk to it."""

    def __init__(
        self,
        folder: Path,
        module: Path,
        shared: Shared,
        root: Path,
        settings: Mapping[str, object],
        *,
        read_only: bool = False,
    ) -> None:
        self.root = root
        self._bus = shared.bus
        for name in ("state", "etc", "local", "run", "lock", "none"):
            (folder / name).mkdir(exist_ok=True)
        chosen = {"PollInterval": _POLL_MS, "Engine": "sysfs", **settings}
        lines = ["[fwupd]", "DisabledPlugins=", "AllowEmulation=true", "OnlyTrusted=false", "", "[arm_lfa]"]
        (folder / "etc/fwupd.conf").write_text("\n".join([*lines, *(f"{k}={v}" for k, v in chosen.items()), ""]))
        (folder / "etc/fwupd.conf").chmod(0o640)
        places = {
            "STATE_DIRECTORY": "state",
            "CONFIGURATION_DIRECTORY": "etc",
            "LOCALCONF_DIRECTORY": "local",
            "FWUPD_LOCALSTATEDIR": "state",
            "FWUPD_RUNDIR": "run",
            "FWUPD_LOCKDIR": "lock",
            "FWUPD_SYSCONFDIR": "etc",
            "FWUPD_SYSFSDMIDIR": "none",
        }
        self.environment = (
            os.environ
            | {name: str(folder / place) for name, place in places.items()}
            | {
                "CACHE_DIRECTORY": str(shared.cache),
                "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={shared.bus}",
                "FWUPD_SYSFSFWDIR": str(root / "sys/firmware"),
                "FWUPD_LIBDIR_PKG": str(module),
                "FWUPD_DATADIR_QUIRKS": str(module / "quirks"),
                "FWUPD_POLKIT_NOCHECK": "1",
                "FWUPD_MACHINE_KIND": "physical",
                "NO_COLOR": "1",
                "LC_ALL": "C.UTF-8",
                "G_MESSAGES_DEBUG": "",
            }
        )
        self.log: list[str] = []
        tree = f"{root}/sys/firmware"
        again = f"mount --bind {tree} {tree} && mount -o remount,bind,ro {tree} && exec {DAEMON}"
        command = ["unshare", "--mount", "sh", "-c", again] if read_only else [DAEMON]
        self.popen = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.log.append(line)
            if _READY in line:
                break
        else:
            raise AssertionError("".join(self.log))
        # Read on, so that it never waits for us.
        self._reader = threading.Thread(target=self.log.extend, args=(self.popen.stdout,), name="fwupd log")
        self._reader.start()

        with self._client() as client:
            while not client.call(_of_the_bus("NameHasOwner", "s", FWUPD))[0]:
                assert self.popen.poll() is None, "".join(self.log)

    def call(self, member: str, signature: str = "", *body: Any) -> tuple[Any, ...]:
        """One call on a connection of its own."""
        with self._client() as client:
            return client.call(MethodCall("/", FWUPD, member, signature, body, FWUPD))

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with Client(self._bus, timeout=60) as client:
            client.call(_of_the_bus("Hello"))
            yield client

    def devices(self) -> dict[str, dict[str, Any]]:
        """All devices of the plugin by their first GUID, which is the one in the kernel's spelling."""
        with self._client() as client:
            return _devices(client)

    def device(self, guid: str, until: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        """A device, once something is true of it."""
        with self._client() as client:
            client.call(_of_the_bus("AddMatch", "s", f"type='signal',interface='{FWUPD}'"))
            while not until(found := _devices(client)[guid]):
                assert self.popen.poll() is None, "".join(self.log)
                select.select([client], [], [], _LOOK_S)
            return found

    def activate(self, guid: str) -> Ended:
        """Activate a component, once the daemon has seen that its image is pending."""
        self.device(guid, lambda device: device["Flags"] & NEEDS_ACTIVATION)
        return self.activate_now(guid)

    def activate_now(self, guid: str) -> Ended:
        """Activate a component, whatever the daemon has seen."""
        try:
            self.call("Activate", "s", self.devices()[guid]["DeviceId"])
        except CallFailed as error:
            return Ended(error.name.removeprefix(PREFIX), error.text)
        return Ended()

    def fwupdmgr(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Debian's own client."""
        return subprocess.run(
            ["fwupdmgr", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def end(self, number: int = signal.SIGTERM) -> str:
        """End it; all that it has logged."""
        with suppress(ProcessLookupError):
            self.popen.send_signal(number)
        try:
            self.popen.wait(timeout=30)
        finally:
            self.popen.kill()
            self._reader.join()
            assert self.popen.stdout is not None
            self.popen.stdout.close()
        return "".join(self.log)


def _of_the_bus(member: str, signature: str = "", *body: Any) -> MethodCall:
    return MethodCall("/org/freedesktop/DBus", _BUS, member, signature, body, _BUS)


def _devices(client: Client) -> dict[str, dict[str, Any]]:
    try:
        (found,) = client.call(MethodCall("/", FWUPD, "GetDevices", destination=FWUPD))
    except CallFailed:
        return {}
    plain = [{key: value.value for key, value in each.items()} for each in found]
    return {each["Guid"][0]: each for each in plain if each["Plugin"] == "arm_lfa"}


Start = Callable[..., Fwupd]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, for sockets and a mount."""
    with tempfile.TemporaryDirectory(prefix="lff") as name:
        os.chmod(name, 0o755)
        yield Path(name)


class Mounts:
    """Machines of this process at one path, one after the other, while a daemon looks there all the time."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "m"
        self.settle: Callable[[], object] = lambda: None
        """Returns when nobody looks any more at what was there before the path was changed."""
        self._folder = folder
        self._count = 0
        self._last = ExitStack()

    def __call__(self, config: MachineConfig) -> Machine:
        """Mount a machine, and end the one before."""
        with ExitStack() as stack:
            machine = Machine(config, real_time=True)
            stack.callback(machine.close)
            machine.boot()
            self._count += 1
            directory = self._folder / f"m{self._count}"
            directory.mkdir()
            stack.callback(directory.rmdir)
            tree = MountedTree(machine.tree, machine.runner, directory=str(directory), hung=lambda: machine.os.hung)
            stack.callback(tree.close)
            (self._folder / "new").symlink_to(directory.name)
            (self._folder / "new").rename(self.root)
            self.settle()
            self._last.close()
            self._last = stack.pop_all()
        return machine

    def close(self) -> None:
        """End the last one."""
        self._last.close()


@pytest.fixture
def mount(folder: Path) -> Iterator[Mounts]:
    """Mount machines of this process at ``mount.root``."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    mounts = Mounts(folder)
    yield mounts
    mounts.close()


@pytest.fixture
def start(folder: Path, module: Path, shared: Shared, mount: Mounts) -> Iterator[Start]:
    """Start the daemon for what is mounted, with keys of its configuration."""
    with ExitStack() as stack:

        def begin(*, read_only: bool = False, **settings: object) -> Fwupd:
            made = Fwupd(folder, module, shared, mount.root, settings, read_only=read_only)
            stack.callback(made.end)
            mount.settle = made.devices
            return made

        yield begin
