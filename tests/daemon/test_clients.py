# SPDX-License-Identifier: Apache-2.0
"""Other people's D-Bus clients on every platform: GDBus, sd-bus, and libfwupd through introspection."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from livefw.activation.inventory.discovery import take_inventory
from livefw.dbus import introspection
from livefw.files.host import HostFiles
from livefw.machine.config import MachineConfig, load, platforms
from livefw.machine.machine import Machine
from livefw.providers.base import Component
from livefw.providers.registry import providers

from .conftest import OWN, Daemon, Serve, need, stage

PLAIN = "plain files"
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]
GI = """
import gi
gi.require_version("Fwupd", "2.0")
from gi.repository import Fwupd
client = Fwupd.Client()
for device in client.get_devices():
    if device.get_parent_id():
        print(device.get_name(), device.get_version(), device.has_flag(Fwupd.DeviceFlags.NEEDS_ACTIVATION), sep="|")
"""


class Platform(NamedTuple):
    """A daemon, and the components that are there."""

    daemon: Daemon
    components: list[Component]


@pytest.fixture(params=[PLAIN, *(pytest.param(name, marks=pytest.mark.fuse) for name in platforms())])
def platform(request: pytest.FixtureRequest) -> Platform:
    """A tree of plain files, and a mounted machine of each platform that is shipped."""
    if request.param == PLAIN:
        root = request.getfixturevalue("planted")
    else:
        mount: Mounted = request.getfixturevalue("mounted")
        _, root = mount(load(request.param))
    files = HostFiles(str(root), settings=f"{root}/etc/livefw")  # as the daemon is served
    try:
        found = [candidate.component for candidate in take_inventory(providers(files)).candidates]
    finally:
        files.close()
    assert found
    serve: Serve = request.getfixturevalue("serve")  # after the machine: the daemon has to end before it
    return Platform(serve(root), found)


def _need_typelib(daemon: Daemon) -> None:
    probe = daemon.run("/usr/bin/python3", "-c", "import gi; gi.require_version('Fwupd', '2.0')", PYTHONPATH="")
    if probe.returncode:
        pytest.skip("libfwupd's typelib is missing; on Debian: apt-get install python3-gi gir1.2-fwupd-2.0")


def test_gdbus_introspects_and_calls(platform: Platform) -> None:
    gdbus, daemon = need("gdbus", "libglib2.0-bin"), platform.daemon
    address = ["--address", f"unix:path={daemon.path}", "--dest", "org.livefw", "--object-path", "/org/livefw"]
    shown = daemon.run(gdbus, "introspect", *address)
    assert f"interface {OWN} {{" in shown.stdout, shown.stderr
    called = daemon.run(gdbus, "call", *address, "--method", f"{OWN}.List")
    assert (called.returncode, called.stderr) == (0, "")
    assert [each.key for each in platform.components if each.key not in called.stdout] == []


def test_busctl_introspects_and_calls(platform: Platform) -> None:
    busctl, daemon = need("busctl", "systemd"), platform.daemon
    address = f"--address=unix:path={daemon.path}"
    shown = daemon.run(busctl, address, "introspect", "org.livefw", "/org/livefw")
    assert OWN in shown.stdout, shown.stderr
    called = daemon.run(busctl, address, "call", "org.livefw", "/org/livefw", OWN, "Plan", "asas", "0", "0")
    assert (called.returncode, called.stderr) == (0, "")
    pending = [each for each in platform.components if each.pending]
    assert [each.key for each in pending if each.key not in called.stdout] == []


@pytest.mark.fwupd
def test_libfwupd_through_introspection(platform: Platform) -> None:
    _need_typelib(platform.daemon)
    done = platform.daemon.run("/usr/bin/python3", "-c", GI, PYTHONPATH="")
    assert done.stderr == ""
    expected = {
        f"{each.name or each.short}|{each.current_version.text if each.current_version else None}|{bool(each.pending)}"
        for each in platform.components
    }
    assert set(done.stdout.splitlines()) == expected


WATCH = """
import gi
gi.require_version("Fwupd", "2.0")
from gi.repository import Fwupd, GLib
def tell(*words):
    print(*words, sep="|", flush=True)
client = Fwupd.Client()
client.set_main_context(GLib.MainContext.default())
client.connect("status-changed", lambda _, status: tell("status", Fwupd.status_to_string(status)))
client.connect("notify::percentage", lambda *_: tell("percentage", client.get_percentage()))
client.connect("device-changed", lambda _, device: tell(
    "device", device.get_name(), device.get_version(), device.has_flag(Fwupd.DeviceFlags.NEEDS_ACTIVATION)))
client.connect("changed", lambda _: tell("changed"))
client.get_devices()
tell("ready")
GLib.MainLoop().run()
"""


@pytest.mark.fwupd
@pytest.mark.parametrize("bmc", [2.0], indirect=True)
def test_libfwupd_tells_what_others_do(bmc: Path, serve: Serve) -> None:
    """Its signals arrive at a client that only looks on."""
    daemon = serve(bmc)
    _need_typelib(daemon)
    environment = daemon.environment | {"FWUPD_DBUS_SOCKET": daemon.path, "PYTHONPATH": ""}
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", WATCH], env=environment, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        _until(watching.stdout, "ready")
        done = stage(daemon, "redfish:model/pmfw-a", b"version=1.9.0")
        assert done.returncode == 0, done.stderr
        heard = _until(watching.stdout, "device|model: CPU0 power management firmware|1.2.0|True")
        assert "status|device-write" in heard
        daemon.call("Activate", "asa{sv}", ["pmfw-a"], {})
        heard = _until(watching.stdout, "device|model: CPU0 power management firmware|1.9.0|False", "changed")
        watching.kill()
    assert "status|device-restart" in heard
    assert heard[-1] == "changed"
    percentages = [int(line.partition("|")[2]) for line in heard if line.startswith("percentage")]
    assert percentages  # how many there are on the way depends on how often a busy machine lets the daemon look
    assert "status|idle" in heard


def _until(lines: IO[str], *last: str) -> list[str]:
    """All lines up to the last of these, in this order."""
    found: list[str] = []
    for wanted in last:
        while (line := lines.readline().rstrip("\n")) != wanted:
            assert line, found
            found.append(line)
        found.append(line)
    return found


class Words(NamedTuple):
    """A method's arguments as busctl and as gdbus want them."""

    busctl: tuple[str, ...]
    gdbus: tuple[str, ...]
    says: str


RIGHT = {
    "List": Words((), (), "TF-RMM"),
    "Show": Words(("1", "TF-RMM"), ("['TF-RMM']",), "TF-RMM"),
    "Plan": Words(("0", "0"), ("[]", "[]"), "TF-RMM"),
    "Activate": Words(("1", "nothing", "1", "reason", "s", "why"), ("['nothing']", "{'reason': <'why'>}"), "nothing"),
    "Stage": Words((), (), ""),  # neither has a word for a descriptor; see test_stage.py
    "StageIncoming": Words(("", "nothing", "0"), ("''", "nothing", "{}"), "cannot be read"),
    "Cancel": Words(("nothing", "1", "reason", "s", "why"), ("nothing", "{'reason': <'why'>}"), "nothing"),
    "Policy": Words((), (), "livefw.toml"),
    "Report": Words(("0", "", ""), ("[]", "''", "''"), "history"),
    "ReportAs": Words(("0", "", "", "html"), ("[]", "''", "''", "html"), "history"),
    "History": Words(("", ""), ("''", "''"), "in the history"),
    "HistoryBefore": Words(("", "", "9"), ("''", "''", "9"), "in the history"),
    "Verify": Words((), (), "livefw/1"),
    "Watch": Words(("true",), ("true",), ""),
    "SetLogLevel": Words(("info",), ("'info'",), ""),
}
"""One row for each method of the interface."""


def test_every_method_by_busctl_and_gdbus(planted: Path, serve: Serve) -> None:
    busctl, gdbus, daemon = need("busctl", "systemd"), need("gdbus", "libglib2.0-bin"), serve(planted)
    methods = introspection.load(OWN, package="livefw.daemon").methods
    assert methods.keys() == RIGHT.keys()
    address = f"unix:path={daemon.path}"
    sd = (busctl, f"--address={address}", "call", "org.livefw", "/org/livefw", OWN)
    glib = (gdbus, "call", "--address", address, "--dest", "org.livefw", "--object-path", "/org/livefw", "--method")
    for name, words in RIGHT.items():
        takes = methods[name].takes
        if "h" in takes:
            continue
        for command in ((*sd, name, takes, *words.busctl), (*glib, f"{OWN}.{name}", *words.gdbus)):
            done = daemon.run(*command)
            assert (done.returncode, done.stderr) == (0, ""), command
            assert words.says in done.stdout, command
        for command in ((*sd, name, "ad", "1", "0.5"), (*sd, name, f"{takes}u", *words.busctl, "5")):
            done = daemon.run(*command)
            assert (done.returncode, f"{name} takes ({takes}) and was given" in done.stderr) == (1, True), command
        # GDBus asks what is available and sends nothing that does not fit.
        assert daemon.run(*glib, f"{OWN}.{name}", *words.gdbus, "5").returncode == 1
    for command in ((*sd, "Nonsense"), (*glib, f"{OWN}.Nonsense")):
        assert f"there is no {OWN}.Nonsense here" in daemon.run(*command).stderr


def test_every_property_by_busctl(planted: Path, serve: Serve) -> None:
    busctl, daemon = need("busctl", "systemd"), serve(planted)
    where = ("org.livefw", "/org/livefw", OWN)
    sd = (busctl, f"--address=unix:path={daemon.path}")
    for name, kind in introspection.load(OWN, package="livefw.daemon").properties.items():
        done = daemon.run(*sd, "get-property", *where, name)
        assert (done.returncode, done.stdout[:1]) == (0, kind), (name, done.stderr)
        done = daemon.run(*sd, "set-property", *where, name, "s", "x")
        assert (done.returncode, "no property here can be set" in done.stderr) == (1, True), name
    assert daemon.run(*sd, "get-property", *where, "Nonsense").returncode == 1
    assert "/org/livefw" in daemon.run(*sd, "tree", "org.livefw").stdout


def test_dbus_send_as_a_peer(planted: Path, serve: Serve) -> None:
    """It neither says Hello nor negotiates descriptors."""
    program, daemon = need("dbus-send", "dbus-bin"), serve(planted)
    words = (program, f"--peer=unix:path={daemon.path}", "--print-reply", "/org/livefw")
    assert "TF-RMM" in daemon.run(*words, f"{OWN}.Show", "array:string:TF-RMM").stdout
    assert "Show takes (as) and was given (s)" in daemon.run(*words, f"{OWN}.Show", "string:TF-RMM").stderr
