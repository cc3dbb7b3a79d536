# SPDX-License-Identifier: Apache-2.0
"""Archives that say what is not so: fwupdmgr is told, and nothing of theirs is staged or offered."""

import json
from hashlib import sha512
from pathlib import Path

import cabarchive
import pytest

from livefw.activation.inventory.guids import instance, made_guid
from livefw.daemon.fwupd.devices import device_id

from .conftest import Daemon, Serve

DEVICE = device_id("redfish:model/pmfw-a")
GUID = made_guid(instance("redfish", "model/pmfw-a"))
GOOD, DAMAGED = b"version=1.9.0", b"version=1.9.1"
pytestmark = pytest.mark.fwupd


def _archive(path: Path, payload: bytes, version: str = "1.9.0", file: str = "pm.bin") -> str:
    """With the SHA-512 of the good image in the form that fwupd reads now."""
    text = f"""<component type="firmware"><id>org.example.fw</id><name>N</name>
        <provides><firmware type="flashed">{GUID}</firmware></provides><releases><release version="{version}">
        <artifacts><artifact type="source"><filename>{file}</filename>
        <checksum type="SHA-512">{sha512(GOOD).hexdigest()}</checksum></artifact></artifacts></release></releases>
        <custom><value key="LVFS::VersionFormat">triplet</value></custom></component>"""
    packed = cabarchive.CabArchive()
    packed[file] = cabarchive.CabFile(payload)
    packed["a.metainfo.xml"] = cabarchive.CabFile(text.encode())
    path.write_bytes(packed.save(compress=True))
    return str(path)


def _flags(daemon: Daemon) -> set[str]:
    found = json.loads(daemon.run("fwupdmgr", "get-devices", "--json").stdout)["Devices"]
    return set(next(each["Flags"] for each in found if each["DeviceId"] == DEVICE))


def test_a_damaged_image_is_refused_wherever_it_comes_from(
    bmc: Path, serve: Serve, fwupdmgr: str, folder: Path
) -> None:
    images = folder / "state/images"
    images.mkdir(parents=True, mode=0o755)
    _archive(images / "here.cab", DAMAGED)
    bad, good = _archive(folder / "bad.cab", DAMAGED), _archive(folder / "good.cab", GOOD)
    daemon = serve(bmc)
    for words in (("install", bad), ("local-install", bad, DEVICE), ("get-details", bad)):
        done = daemon.run(fwupdmgr, *words)
        assert (done.returncode, "the sha512 of 'pm.bin'" in done.stdout + done.stderr) == (1, True), done
    assert daemon.run(fwupdmgr, "get-updates").returncode == 2
    assert "here.cab is left out: the archive is rejected: the sha512" in daemon.log.read_text(encoding="utf-8")
    assert "needs-activation" not in _flags(daemon)
    done = daemon.run(fwupdmgr, "install", good)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs-activation" in _flags(daemon)


def test_an_integer_is_what_its_format_makes_of_it(bmc: Path, serve: Serve, fwupdmgr: str, folder: Path) -> None:
    """1.2.0 runs, and 65536 is 0.1.0 in the format that the archive declares."""
    images = folder / "state/images"
    images.mkdir(parents=True, mode=0o755)
    path = _archive(images / "integer.cab", GOOD, "65536")
    daemon = serve(bmc)
    assert daemon.run(fwupdmgr, "get-updates").returncode == 2
    (release,) = json.loads(daemon.run(fwupdmgr, "get-releases", DEVICE, "--json").stdout)["Releases"]
    assert (release["Version"], release.get("Flags", [])) == ("0.1.0", ["is-downgrade"])
    done = daemon.run(fwupdmgr, "local-install", path, DEVICE)
    why = "the version would go back from 1.2.0 to 0.1.0"
    assert (done.returncode, why in done.stdout + done.stderr) == (1, True), done
    assert "needs-activation" not in _flags(daemon)
    done = daemon.run(fwupdmgr, "local-install", path, DEVICE, "--allow-older")
    assert done.returncode == 0, done.stdout + done.stderr
