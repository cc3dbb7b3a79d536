# SPDX-License-Identifier: Apache-2.0
"""The real fwupdmgr drives the daemon on every platform; exit codes are those of its own documentation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.inventory.discovery import take_inventory
from livefw.daemon.fwupd.devices import device_id
from livefw.files.host import HostFiles
from livefw.machine.config import MachineConfig, load, platforms
from livefw.machine.machine import Machine
from livefw.providers.registry import providers

from .conftest import Daemon, Serve

pytestmark = [pytest.mark.fwupd, pytest.mark.fuse]

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]


def _json(daemon: Daemon, *words: str) -> dict[str, Any]:
    done = daemon.run("fwupdmgr", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("platform", platforms())
def test_devices_are_the_components(platform: str, fwupdmgr: str, mounted: Mounted, serve: Serve) -> None:
    _, root = mounted(load(platform))
    daemon = serve(root)
    files = HostFiles(str(root), settings=f"{root}/etc/livefw")
    try:
        found = {device_id(c.component.key): c.component for c in take_inventory(providers(files)).candidates}
    finally:
        files.close()
    if not found:
        assert daemon.run("fwupdmgr", "get-devices").returncode == 2
        return
    devices = {each["DeviceId"]: each for each in _json(daemon, "get-devices")["Devices"]}
    mechanisms = {device_id(each.provider) for each in found.values()}
    assert devices.keys() == found.keys() | mechanisms
    for ident, component in found.items():
        device = devices[ident]
        assert device["ParentDeviceId"] in mechanisms
        assert ("needs-activation" in device["Flags"]) == bool(component.pending)
        assert "updatable" not in device["Flags"]
        assert device.get("Version") == (component.current_version.text if component.current_version else None)
        if component.provider == "lfa":
            assert device["Guid"][0] == component.id


def test_activation_and_its_record(fwupdmgr: str, mounted: Mounted, serve: Serve) -> None:
    _, root = mounted(load("vera"))
    daemon = serve(root)
    assert daemon.run(fwupdmgr, "get-history").returncode == 2
    done = daemon.run(fwupdmgr, "activate", RMM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Activating firmware update for TF-RMM" in done.stdout
    assert "Restarting device" in done.stderr
    (entry,) = _json(daemon, "get-history")["Devices"]
    assert (entry["Version"], entry["UpdateState"], entry["Guid"][0]) == ("1.0", 2, RMM)
    (release,) = entry["Releases"]
    assert (release["Version"], release["livefw:outcome"]) == ("1.1", "activated")
    again = daemon.run(fwupdmgr, "activate")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (2, "No firmware to activate")
    (row,) = json.loads(daemon.call("History", "ss", "", "")[0])["history"]
    assert row["intent"]["actor"]["face"] == "fwupd"


VERBS = [
    (("get-devices",), 0),
    (("get-updates",), 2),
    (("get-history",), 2),
    (("get-remotes",), 0),
    (("get-plugins",), 0),
    (("security",), 0),
    (("get-results", RMM), 2),
    (("get-releases", RMM), 2),
    (("check-reboot-needed",), 2),
    (("activate", "bad0bad"), 3),
    (("activate", "00000000-0000-0000-0000-000000000000"), 1),
    (("install", "/etc/hostname"), 1),
    (("get-details", "/etc/hostname"), 1),
    (("inhibit", "because"), 1),
    (("--version",), 0),
]


def test_verbs_end_with_the_right_code(fwupdmgr: str, planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    wrong = {}
    for words, code in VERBS:
        done = daemon.run(fwupdmgr, *words)
        if done.returncode != code or "CRITICAL" in done.stderr:
            wrong[words] = (done.returncode, done.stdout, done.stderr)
    assert wrong == {}


def test_checks_become_problems(fwupdmgr: str, planted: Path, serve: Serve, folder: Path) -> None:
    settings = folder / "settings"
    settings.mkdir()
    (settings / "livefw.toml").write_text('deny = ["TF-RMM"]\n', encoding="ascii")
    daemon = serve(planted, "--settings", str(settings))
    device = next(each for each in _json(daemon, "get-devices")["Devices"] if RMM in each["Guid"])
    assert "system-inhibit" in device["Problems"]
    assert device["UpdateError"] == "the policy does not allow this component"
    done = daemon.run(fwupdmgr, "activate", RMM)
    assert done.returncode == 1
    assert "the policy does not allow this component" in done.stdout + done.stderr
    (entry,) = _json(daemon, "get-history")["Devices"]
    assert entry["UpdateState"] == 5
    assert entry["UpdateError"].startswith("refused: ")


def test_client_is_told_its_own_version_and_others_ours(fwupdmgr: str, planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--fwupd-version", "9.9.9")
    assert daemon.run(fwupdmgr, "get-devices").returncode == 0
    (properties,) = daemon.properties("/", "org.freedesktop.fwupd")
    assert properties["DaemonVersion"].value == "9.9.9"
