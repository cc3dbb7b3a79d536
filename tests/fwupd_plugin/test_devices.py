# SPDX-License-Identifier: Apache-2.0
"""What the plugin shows of modelled machines, with Debian's own daemon and client."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.guid import Guid
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import Grid, MachineConfig, load, platforms
from livefw.machine.faults import FaultRequest

from ..truth.world import RMM_GUID, SCP_GUID
from . import record
from .conftest import NEEDS_ACTIVATION, NEEDS_REBOOT, UNREACHABLE, USABLE, Mounts, Shared, Start

BL31_GUID = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"
WITH_LFA = [name for name in platforms() if load(name).all_components]
pytestmark = pytest.mark.fuse


def _problems(device: dict[str, Any]) -> int:
    return int(device.get("Problems", 0))


@pytest.mark.parametrize(
    ("platform", "driver"), sorted({*((name, "v3") for name in WITH_LFA), *(("vera", name) for name in VERSIONS)})
)
def test_every_component_is_a_device(platform: str, driver: str, mount: Mounts, start: Start) -> None:
    config = replace(load(platform), driver=driver)
    mount(config)
    shown = start(PollInterval=3_600_000).devices()
    assert shown.keys() == {spec.guid for spec in config.all_components}
    tells_versions = config.agent == "bet1"
    for spec in config.all_components:
        device = shown[spec.guid]
        assert device["Guid"] == [spec.guid, Guid.parse(spec.guid).efi.lower()]
        assert device.get("Version") == (spec.current_version if tells_versions else None)
        assert device["Name"]
        assert "(unknown)" not in device["Name"]
        pending = bool(spec.pending_version) or spec.pending_never_clears
        assert bool(device["Flags"] & (NEEDS_ACTIVATION | NEEDS_REBOOT)) == pending
        releases = [each["Version"].value for each in device.get("Release", ())]
        assert releases == (
            [spec.pending_version] if spec.pending_version and tells_versions and driver != "v1" else []
        )


def test_fwupdmgr_lists_and_activates(mount: Mounts, start: Start) -> None:
    machine = mount(replace(load("vera"), driver="nv3"))
    daemon = start()
    assert daemon.activate(RMM_GUID).error == ""
    assert daemon.fwupdmgr("activate").returncode == 2  # nothing to do
    machine.stage(SCP_GUID)
    daemon.device(SCP_GUID, lambda device: device["Flags"] & NEEDS_ACTIVATION)
    listed = json.loads(daemon.fwupdmgr("get-devices", "--json").stdout)["Devices"]
    (scp,) = [each for each in listed if SCP_GUID in each["Guid"]]
    assert (scp["Plugin"], scp["Version"], scp["Name"]) == (
        "arm_lfa",
        "2.7",
        "System Control Processor Firmware (SCP)",
    )
    assert {"needs-activation", "usable-during-update", "signed-payload"} <= {*scp["Flags"]}
    assert scp["Releases"][0]["Version"] == "2.8"
    done = daemon.fwupdmgr("activate", SCP_GUID)
    assert (done.returncode, "Activating firmware" in done.stdout) == (0, True), done.stdout + done.stderr
    assert daemon.devices()[SCP_GUID]["Version"] == "2.8"


def test_all_that_is_pending_is_activated_at_once(mount: Mounts, start: Start) -> None:
    """The modelled agent holds on to a component after its success; a naive second write is refused (two pending)."""
    config = replace(load("vera"), driver="nv3")
    machine = mount(config)
    for spec in config.all_components:
        machine.stage(spec.guid)
    daemon = start()
    done = daemon.fwupdmgr("activate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Activating firmware") == len(config.all_components)
    assert len(machine.platform.commits()) == len(config.all_components)


def test_what_resets_cpus_needs_a_reboot(mount: Mounts, start: Start) -> None:
    mount(load("fvp"))
    daemon = start()
    flags = daemon.devices()[BL31_GUID]["Flags"]
    assert (bool(flags & NEEDS_ACTIVATION), bool(flags & NEEDS_REBOOT), bool(flags & USABLE)) == (False, True, False)
    asked = daemon.fwupdmgr("check-reboot-needed")
    assert (asked.returncode, "requires a reboot" in asked.stdout) == (0, True), asked.stdout + asked.stderr


def test_memory_of_the_first_driver_is_no_version(mount: Mounts, start: Start) -> None:
    machine = mount(replace(load("vera"), driver="v1", zeroes_stack=False))
    machine.stage(RMM_GUID)
    shown = (mount.root / f"sys/firmware/lfa/{RMM_GUID}/pending_version").read_text()
    device = start().devices()[RMM_GUID]
    assert shown.strip() not in ("1.1", "0.0", "N/A")
    assert (bool(device["Flags"] & NEEDS_ACTIVATION), device.get("Release")) == (True, None)


def test_what_firmware_says_is_shown_as_it_is(mount: Mounts, start: Start) -> None:
    """Two numbers of 32 bits are a version, whatever they are; an unknown component is named by its GUID."""
    config = replace(load("vera"), driver="nv3", faults=(FaultRequest(name="garbage-versions"),))
    mount(config)
    shown = start().devices()
    assert {each["Version"] for each in shown.values()} == {"3735928559.3405705229"}
    assert shown["3ab71f81-32b9-496d-841b-e3d0e9fd1a48"]["Name"] == "LFA component 3ab71f81"


def test_a_component_that_goes_is_unreachable_until_it_is_back(mount: Mounts, start: Start) -> None:
    machine = mount(replace(load("vera"), driver="nv3"))
    machine.stage(RMM_GUID)
    daemon = start()
    machine.unload_driver().wait()
    gone = daemon.device(RMM_GUID, _problems)
    assert (_problems(gone), bool(gone["Flags"] & NEEDS_ACTIVATION)) == (UNREACHABLE, False)
    machine.load_driver().wait()
    back = daemon.device(RMM_GUID, lambda device: not _problems(device))
    assert back["Flags"] & NEEDS_ACTIVATION


def test_a_component_that_comes_is_shown_after_the_activation(mount: Mounts, start: Start) -> None:
    machine = mount(replace(load("vera"), driver="nv3"))
    machine.stage(SCP_GUID)
    machine.inject(FaultRequest(name="appear-after", component=SCP_GUID))
    daemon = start()
    before = daemon.devices().keys()
    assert daemon.activate(SCP_GUID).error == ""
    (new,) = daemon.devices().keys() - before
    assert daemon.devices()[new]["Version"] == "1.0"


def test_many_components(mount: Mounts, start: Start) -> None:
    mount(MachineConfig(name="grid", driver="nv3", agent="bet1", grid=Grid(count=256)))
    daemon = start(PollInterval=3_600_000)
    assert len(daemon.devices()) == 256


def test_a_machine_without_lfa(mount: Mounts, start: Start) -> None:
    (mount.root / "sys/firmware").mkdir(parents=True)
    daemon = start()
    assert daemon.devices() == {}
    assert "arm_lfa" in daemon.fwupdmgr("get-plugins").stdout
    assert "arm" not in daemon.end().partition("ready for requests")[2].lower()


@pytest.mark.parametrize(
    ("key", "value"), [("Engine", "other"), ("ActivateTimeout", "soon"), ("PollInterval", "0"), ("ActivateTimeout", -1)]
)
def test_a_wrong_key_is_said_and_nothing_is_shown(key: str, value: object, mount: Mounts, start: Start) -> None:
    mount(load("fvp"))
    daemon = start(**{key: value})
    assert daemon.devices() == {}
    assert f"{key}" in daemon.end()


def test_fwupds_own_test_of_the_plugin(module: Path, tmp_path: Path) -> None:
    """What a merge request brings along, linked to the libraries of Debian's fwupd."""
    places = dict.fromkeys(("STATE_DIRECTORY", "CACHE_DIRECTORY", "FWUPD_DATADIR_QUIRKS", "TMPDIR"), str(tmp_path))
    done = subprocess.run(
        [module / "arm-lfa-self-test"], env=os.environ | places, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("\nok ")) == (0, 7), done.stdout + done.stderr


def test_the_recording_is_what_the_plugin_reads(module: Path, shared: Shared, folder: Path) -> None:
    """Of its emulation fwupd knows no activation, so only the listing is recorded."""
    assert record.record(folder, module, shared) == json.loads(record.OUT.read_text())


def test_fwupdtool_replays_the_recording(mount: Mounts, start: Start, folder: Path) -> None:
    """On a machine without LFA; Debian's own tool finds the component by either GUID, in what was recorded."""
    (mount.root / "sys/firmware").mkdir(parents=True)
    daemon = start()
    assert daemon.devices() == {}
    assert "Json" not in daemon.end()
    recorded, archive = record.zipped(folder), folder / "image.cab"
    about = Metainfo("org.example.fw", "Example", (Guid.parse(RMM_GUID).efi.lower(),), "9.9", "image.bin")
    archive.write_bytes(cab.write(CabImage(about, b"image")))
    done = subprocess.run(
        ["fwupdtool", "emulation-load", recorded, archive, "--plugins=arm_lfa"],
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = "[Realm Management Monitor (RMM)] does not currently allow updates"
    assert (done.returncode, said in done.stderr) == (1, True), done.stdout + done.stderr
