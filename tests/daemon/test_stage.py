# SPDX-License-Identifier: Apache-2.0
"""fwupdmgr stages an image on a modelled BMC and activates it; what is no image is never read for long."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw.daemon import image
from livefw.daemon.devices import device_id
from livefw.errors import UsageError

from .conftest import Daemon, Serve

KEY = "redfish:model/pmfw-a"


@pytest.fixture
def bmc(folder: Path) -> Iterator[Path]:
    """A machine with a BMC; its root."""
    root = folder / "root"
    words = [sys.executable, "-m", "livefw", "--json", "machine", "bmc", str(root), "--seconds", "0.1"]
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


def _device(daemon: Daemon) -> dict[str, object]:
    devices = json.loads(daemon.run("fwupdmgr", "get-devices", "--json").stdout)["Devices"]
    found: dict[str, object] = next(each for each in devices if each["DeviceId"] == device_id(KEY))
    return found


@pytest.mark.fwupd
def test_fwupdmgr_stages_and_activates(bmc: Path, serve: Serve, fwupdmgr: str, folder: Path) -> None:
    daemon = serve(bmc)
    assert "updatable" in str(_device(daemon)["Flags"])
    file = folder / "pmfw.bin"
    file.write_bytes(b"version=1.9.0")
    done = daemon.run(fwupdmgr, "local-install", str(file), device_id(KEY), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs-activation" in str(_device(daemon)["Flags"])
    assert daemon.run(fwupdmgr, "activate", device_id(KEY)).returncode == 0

    assert _device(daemon)["Version"] == "1.9.0"


@pytest.mark.fwupd
def test_forged_images_are_refused_by_the_mechanism(bmc: Path, serve: Serve, fwupdmgr: str, folder: Path) -> None:
    daemon = serve(bmc)
    file = folder / "forged.bin"
    file.write_bytes(b"forged")
    done = daemon.run(fwupdmgr, "local-install", str(file), device_id("redfish:model/tmpm"))
    assert done.returncode == 1
    assert "authentic" in done.stdout + done.stderr
    everything = daemon.run(fwupdmgr, "install", str(file))
    assert everything.returncode == 1
    assert "3 components here take images" in everything.stdout + everything.stderr


def test_only_files_are_read_and_only_so_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MOST_BYTES", 2 << 20)
    reading, writing = os.pipe()
    large = os.open(folder / "large", os.O_RDWR | os.O_CREAT)
    os.truncate(large, 1 << 40)
    empty = os.memfd_create("empty")
    refused = [
        (os.open(folder, os.O_RDONLY), "no regular file"),
        (reading, "no regular file"),
        (os.open("/dev/zero", os.O_RDONLY), "no regular file"),
        (large, "larger than 2 MiB"),
        (empty, "empty"),
        (os.open(folder / "large", os.O_WRONLY), "cannot be read"),
    ]
    for descriptor, why in refused:
        with pytest.raises(UsageError, match=why):
            image.sealed_copy(descriptor)
        os.close(descriptor)
    os.close(writing)


def test_the_copy_is_what_was_there_and_stays_so(folder: Path) -> None:
    file = folder / "image"
    file.write_bytes(b"good" * 500_000)
    with open(file, "rb") as source:
        copy = image.sealed_copy(source.fileno())
    file.write_bytes(b"evil")
    try:
        assert os.read(copy, 1 << 22) == b"good" * 500_000
        with pytest.raises(PermissionError):
            os.write(copy, b"evil")
    finally:
        os.close(copy)
