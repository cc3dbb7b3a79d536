# SPDX-License-Identifier: Apache-2.0
"""fwupdmgr finds the images that lie on this machine, stages and activates them, and is told what is barred and why."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.inventory.guids import instance, made_guid
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.daemon.fwupd.devices import device_id
from livefw.dbus.client import MethodCall
from livefw.machine.config import MachineConfig, load
from livefw.machine.machine import Machine

from .conftest import OWN, Daemon, Serve

KEY = "redfish:model/pmfw-a"
DEVICE = device_id(KEY)
GUID = made_guid(instance("redfish", "model/pmfw-a"))
pytestmark = pytest.mark.fwupd


def archive(version: str, guid: str = GUID) -> bytes:
    about = Metainfo("org.example.fw", "Example <&>", (guid,), version, "pmfw.bin", summary="For tests")
    return cab.write(CabImage(about, f"version={version}".encode()))


@pytest.fixture
def images(folder: Path) -> Path:
    """The directory beside the history, with images that are good, and with what is not."""
    made = folder / "state/images"
    made.mkdir(parents=True, mode=0o755)
    for version in ("1.1.0", "1.9.0", "2.0.0"):
        (made / f"pmfw-{version}.cab").write_bytes(archive(version))
    (made / "another.cab").write_bytes(archive("9.0", "00000000-0000-0000-0000-00000000000a"))
    (made / "broken.cab").write_bytes(archive("9.1")[:-1])
    (made / "open.cab").write_bytes(archive("9.2"))
    (made / "open.cab").chmod(0o666)
    (made / "link.cab").symlink_to("/etc/passwd")
    os.mkfifo(made / "pipe.cab")
    return made


class Client:
    """fwupdmgr on one daemon."""

    def __init__(self, daemon: Daemon, program: str) -> None:
        self.daemon = daemon
        self._program = program

    def run(self, *words: str, code: int = 0, says: str = "") -> str:
        done = self.daemon.run(self._program, *words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert says in done.stdout + done.stderr, (words, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code))

    def device(self) -> dict[str, Any]:
        return next(each for each in self.json("get-devices")["Devices"] if each["DeviceId"] == DEVICE)

    def history(self) -> list[tuple[str, str, int]]:
        """Old and new version, and UpdateState."""
        found = self.json("get-history")["Devices"]
        return [(each["Version"], each["Releases"][0]["Version"], each["UpdateState"]) for each in found]


PENDING, SUCCESS = 1, 2


def test_update_from_what_lies_here(bmc: Path, images: Path, serve: Serve, fwupdmgr: str) -> None:
    client = Client(serve(bmc), fwupdmgr)
    (remote,) = client.json("get-remotes")["Remotes"]
    assert (remote["Id"], remote["Kind"], remote["Enabled"]) == ("livefw", "directory", True)
    (device,) = client.json("get-updates")["Devices"]
    assert device["DeviceId"] == DEVICE
    assert [(each["Version"], each["Flags"]) for each in device["Releases"]] == [
        ("2.0.0", ["is-upgrade"]),
        ("1.9.0", ["is-upgrade"]),
    ]
    assert device["Releases"][0]["Name"] == "Example <&>"
    assert device["Releases"][0]["Locations"] == [f"file://{images}/pmfw-2.0.0.cab"]
    client.run("get-updates", says="New version:      2.0.0")

    client.run("update", "-y", says="Successfully installed firmware")
    assert {"supported", "needs-activation", "updatable-hidden"} <= set(client.device()["Flags"])
    assert client.history() == [("1.2.0", "2.0.0", PENDING)]
    client.run("get-updates", code=2)
    assert client.json("get-updates") == {"Devices": []}  # as fwupdmgr has it, without an error
    client.run("update", "-y", says="Devices with the latest available firmware version")

    client.run("activate", DEVICE)
    assert client.device()["Version"] == "2.0.0"
    assert client.history() == [("1.2.0", "2.0.0", SUCCESS)]
    rows = json.loads(client.daemon.call("History", "ss", "", "")[0])["history"]
    assert [(row["intent"]["kind"], row["outcome"]["outcome"]) for row in rows] == [
        ("intent", "activated"),
        ("staging", "staged"),
    ]
    assert client.daemon.call("Verify")[2] == 0

    # What is hostile was told, and nobody was kept from the rest.
    log = client.daemon.log.read_text(encoding="utf-8")
    for name in ("broken", "open", "link", "pipe"):
        assert log.count(f"{name}.cab is left out") == 1
    assert "another.cab is left out" not in log


def test_there_and_back(bmc: Path, images: Path, serve: Serve, fwupdmgr: str) -> None:
    """Who goes back on purpose is not asked again when the image is activated; nobody does so by mistake."""
    client = Client(serve(bmc), fwupdmgr)
    old = str(images / "pmfw-1.1.0.cab")
    client.run("local-install", old, DEVICE, code=1, says="would go back from 1.2.0 to 1.1.0")
    (entry,) = client.json("get-history")["Devices"]
    assert entry["UpdateError"] == "staging: the version would go back from 1.2.0 to 1.1.0"
    client.run("downgrade", DEVICE, says="Successfully installed firmware")  # there is one only, and no question
    client.run("activate", DEVICE)
    assert client.device()["Version"] == "1.1.0"
    # fwupdmgr(1), EXIT STATUS: 2 where there was nothing to do
    client.run("reinstall", DEVICE, code=2, says="this version is installed already")
    client.run("install", DEVICE, "7.7", code=1, says="Unable to locate release 7.7")


def test_what_waits_and_what_is_newer_are_both_told(bmc: Path, images: Path, serve: Serve, fwupdmgr: str) -> None:
    client = Client(serve(bmc), fwupdmgr)
    client.run("local-install", str(images / "pmfw-1.9.0.cab"), DEVICE, says="Successfully installed firmware")
    device = client.device()
    assert (device["UpdateState"], device["UpdateError"]) == (PENDING, "Pending activation")
    assert {"updatable", "needs-activation"} <= set(device["Flags"])
    (device,) = client.json("get-updates")["Devices"]
    assert [each["Version"] for each in device["Releases"]] == ["2.0.0"]
    shown = {each["Version"]: each.get("Summary") for each in client.json("get-releases", DEVICE)["Releases"]}
    assert shown["1.9.0"] == "Staged on this machine; waits for its activation"
    client.run("install", DEVICE, "2.0.0", says="Successfully installed firmware")
    assert client.history() == [("1.2.0", "2.0.0", PENDING)]
    client.run("install", str(images / "pmfw-1.1.0.cab"), "--allow-older", says="Successfully installed firmware")
    assert client.history() == [("1.2.0", "1.1.0", PENDING)]


BARRED = [
    ('deny = ["redfish:*"]', ["1.1.0", "1.9.0", "2.0.0"], "the policy does not allow this component"),
    ('[component."redfish:*"]\npin = "1.9.0"', ["1.1.0", "2.0.0"], "the policy requires version 1.9.0"),
]


@pytest.mark.parametrize(("settings", "barred", "why"), BARRED, ids=["denied", "pinned"])
def test_what_the_policy_bars_is_shown_and_refused(
    bmc: Path, images: Path, serve: Serve, fwupdmgr: str, settings: str, barred: list[str], why: str
) -> None:
    path = bmc / "etc/livefw/livefw.toml"
    path.write_text(f"{settings}\n{path.read_text()}" if "deny" in settings else f"{path.read_text()}\n{settings}\n")
    client = Client(serve(bmc), fwupdmgr)
    found = client.json("get-releases", DEVICE)["Releases"]
    assert sorted(each["Version"] for each in found if "blocked-approval" in each["Flags"]) == barred
    assert all(why in each["Description"] for each in found if each["Version"] in barred)
    client.run("get-updates", code=2 if "1.9.0" in barred else 0)
    client.run("install", DEVICE, "2.0.0", code=1, says=why)
    assert "needs-activation" not in client.device()["Flags"]


@pytest.mark.fuse
def test_images_of_a_mechanism_of_its_own(
    mounted: Callable[[MachineConfig], tuple[Machine, Path]], serve: Serve, fwupdmgr: str
) -> None:
    """TDX finds its images by itself: they are shown with what the rules have against them, and activated."""
    _, root = mounted(load("tdx-spr"))
    client = Client(serve(root), fwupdmgr)
    device = device_id("tdx:module")
    found = client.json("get-releases", device)["Releases"]
    texts = {each["Version"]: (each["Flags"], each.get("Description", "")) for each in found}
    assert list(texts) == sorted(texts, reverse=True)
    (shown,) = [each for each in client.json("get-devices")["Devices"] if each["DeviceId"] == device]
    assert {"supported", "needs-activation"} <= set(shown["Flags"])
    assert not {"updatable", "updatable-hidden"} & set(shown["Flags"])
    (pending,) = [each for each in found if "waits for its activation" in each.get("Summary", "")]
    assert "blocked-version" in texts[shown["Version"]][0]
    assert "is running already" in texts[shown["Version"]][1]
    client.run("get-updates", code=2)
    client.run("activate", device)
    (shown,) = [each for each in client.json("get-devices")["Devices"] if each["DeviceId"] == device]
    assert shown["Version"] == pending["Version"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_strangers_may_look_and_not_install(bmc: Path, images: Path, serve: Serve, fwupdmgr: str) -> None:
    daemon = serve(bmc)
    for path in (images, images.parent, daemon.root.parent):
        path.chmod(0o755)
    client = Client(daemon, "setpriv")
    nobody = ("--reuid=65534", "--regid=65534", "--clear-groups", fwupdmgr)
    assert len(json.loads(client.run(*nobody, "get-releases", DEVICE, "--json"))["Releases"]) == 3
    client.run(*nobody, "update", "-y", code=1, says="nobody may not activate firmware here")
    assert "needs-activation" not in Client(daemon, fwupdmgr).device()["Flags"]


@pytest.mark.parametrize("bmc", [1.5], indirect=True)
def test_history_is_true_if_the_job_dies_while_it_stages(bmc: Path, images: Path, serve: Serve, fwupdmgr: str) -> None:
    """The BMC goes on by itself; what it has come up with by the time that somebody looks is what is told."""
    daemon = serve(bmc)
    words = [fwupdmgr, "local-install", str(images / "pmfw-2.0.0.cab"), DEVICE]
    environment = daemon.environment | {"FWUPD_DBUS_SOCKET": daemon.path, "FWUPD_POLKIT_NOCHECK": "1"}
    with daemon.client() as watching:
        watching.call(MethodCall("/org/livefw", OWN, "Watch", "b", (True,)))
        with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while '"event": "progress"' not in str(watching.receive().body):
                pass
            with open(f"/proc/{daemon.popen.pid}/task/{daemon.popen.pid}/children", encoding="ascii") as children:
                os.kill(int(children.read().split()[0]), signal.SIGKILL)
            _, said = process.communicate(timeout=30)
    assert (process.returncode, b"ended with -9" in said) == (1, True)
    while True:
        (row,) = json.loads(daemon.call("History", "ss", "", "")[0])["history"]
        if row["outcome"]:
            break
    assert (row["intent"]["version"], row["outcome"]["reconciled"]) == ("2.0.0", True)
    assert row["outcome"]["outcome"] in ("staged", "unknown")
    assert daemon.call("Verify")[2] == 0
