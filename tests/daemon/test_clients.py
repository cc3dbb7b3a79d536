# SPDX-License-Identifier: Apache-2.0
"""Other people's D-Bus clients talk to the daemon: GDBus, sd-bus, libdbus, and libfwupd through introspection."""

import shutil
from pathlib import Path

import pytest

from .conftest import OWN, Serve

GI = """
import gi
gi.require_version("Fwupd", "2.0")
from gi.repository import Fwupd
client = Fwupd.Client()
for device in client.get_devices():
    print(device.get_name(), device.get_version(), device.has_flag(Fwupd.DeviceFlags.NEEDS_ACTIVATION))
"""


def _need(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing; on Debian: apt-get install {package}")
    return found


def test_gdbus_introspects_and_calls(planted: Path, serve: Serve) -> None:
    gdbus = _need("gdbus", "libglib2.0-bin")
    daemon = serve(planted)
    address = ["--address", f"unix:path={daemon.path}", "--dest", "org.livefw"]
    shown = daemon.run(gdbus, "introspect", *address, "--object-path", "/org/livefw")
    assert f"interface {OWN} {{" in shown.stdout, shown.stderr
    called = daemon.run(gdbus, "call", *address, "--object-path", "/org/livefw", "--method", f"{OWN}.List")
    assert (called.returncode, called.stderr) == (0, "")
    assert "TF-RMM" in called.stdout


def test_busctl_introspects_and_calls(planted: Path, serve: Serve) -> None:
    busctl = _need("busctl", "systemd")
    daemon = serve(planted)
    address = f"--address=unix:path={daemon.path}"
    shown = daemon.run(busctl, address, "introspect", "org.livefw", "/org/livefw")
    assert OWN in shown.stdout, shown.stderr
    called = daemon.run(busctl, address, "call", "org.livefw", "/org/livefw", OWN, "Plan", "asas", "0", "0")
    assert (called.returncode, called.stderr) == (0, "")
    assert "TF-RMM" in called.stdout


@pytest.mark.fwupd
def test_libfwupd_through_introspection(planted: Path, serve: Serve) -> None:
    python = "/usr/bin/python3"
    daemon = serve(planted)
    probe = daemon.run(python, "-c", "import gi; gi.require_version('Fwupd', '2.0')", PYTHONPATH="")
    if probe.returncode:
        pytest.skip("libfwupd's typelib is missing; on Debian: apt-get install python3-gi gir1.2-fwupd-2.0")
    done = daemon.run(python, "-c", GI, PYTHONPATH="")
    assert done.stderr == ""
    assert "TF-RMM 1.0 True" in done.stdout.splitlines()
