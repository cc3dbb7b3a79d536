# SPDX-License-Identifier: Apache-2.0
"""Other people's D-Bus clients on every platform: GDBus, sd-bus, and libfwupd through introspection."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.inventory import take
from livefw.machine.config import MachineConfig, load, platforms
from livefw.machine.machine import Machine
from livefw.providers.base import Component
from livefw.providers.host import HostFiles
from livefw.providers.registry import providers

from .conftest import OWN, Daemon, Serve, need

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
    files = HostFiles(str(root))
    try:
        found = [candidate.component for candidate in take(providers(files)).candidates]
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
        f"{each.name or each.id}|{each.current_version.text if each.current_version else None}|{bool(each.pending)}"
        for each in platform.components
    }
    assert set(done.stdout.splitlines()) == expected
