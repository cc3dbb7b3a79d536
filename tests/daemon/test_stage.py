# SPDX-License-Identifier: Apache-2.0
"""fwupdmgr stages an image on a modelled BMC and activates it; what is no image is never read for long."""

import json
import os
import stat
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, cast

import pytest

from livefw.abi.guid import Guid
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.daemon.fwupd.devices import device_id
from livefw.daemon.upload import receive
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.wire import Variant

from .conftest import OWN, Daemon, Serve

KEY = "redfish:model/pmfw-a"
UNKNOWN = "00000000-0000-0000-0000-00000000000a"


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
    assert "3 components here accept images" in everything.stdout + everything.stderr


def test_our_own_interface_stages_too(bmc: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(bmc)

    def stage(image: bytes | None, component: str = KEY, **options: Variant) -> tuple[Any, ...]:
        file = folder / "image"
        file.write_bytes(image or b"")
        with Client(daemon.path, timeout=60, descriptors=True) as client, file.open("rb") as opened:
            call = MethodCall("/org/livefw", OWN, "Stage", "sha{sv}", (component, 0, options))
            return client.call(call, descriptors=() if image is None else (opened.fileno(),))

    name, why = Variant("s", "/somewhere/pmfw.bin"), Variant("s", "a ticket")
    document, text, code = stage(b"version=1.9.0", filename=name, reason=why)
    staging = json.loads(document)["staging"]
    assert (code, staging["component"], staging["outcome"]) == (0, KEY, "staged")
    assert "staged" in text
    assert "a ticket" in daemon.call("History", "ss", KEY, "")[0]

    document, text, code = stage(b"forged", "redfish:model/tmpm")
    assert (code, "authentic" in text, json.loads(document)["error"]["kind"]) == (1, True, "failed")
    assert stage(b"version=1.9.0", "")[2] == 2  # several components accept images
    wrong: tuple[tuple[bytes | None, dict[str, Any]], ...] = (
        (b"x", {"force": Variant("b", True)}),
        (b"x", {"reason": Variant("b", True)}),
        (None, {}),
    )
    for image, options in wrong:
        with pytest.raises(CallFailed, match=r"there is no option|one file descriptor is needed"):
            stage(image, **options)


def test_root_stages_a_file_of_the_daemons_own_directory(bmc: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(bmc)
    incoming = Path(daemon.properties("/org/livefw", OWN)[0]["Incoming"].value)
    assert stat.S_IMODE(incoming.stat().st_mode) == 0o700

    def stage_file(name: str, **options: Variant) -> tuple[str, int]:
        document, _, code = daemon.call("StageIncoming", "ssa{sv}", KEY, name, options)
        return json.loads(document).get("error", {}).get("message", ""), code

    (incoming / "one").write_bytes(b"version=1.9.0")
    assert stage_file("one", filename=Variant("s", "pmfw.bin"), reason=Variant("s", "a ticket")) == ("", 0)
    assert list(incoming.iterdir()) == []
    assert "a ticket" in daemon.call("History", "ss", KEY, "")[0]

    secret = folder / "secret"
    secret.write_bytes(b"version=6.6.6")
    (incoming / "link").symlink_to(secret)
    os.mkfifo(incoming / "pipe")
    (incoming / "empty").touch()
    for name, message in {
        "link": "cannot be read",
        "pipe": "no regular file",
        "empty": "is empty",
        "one": "cannot be read",
        "../secret": "without a directory",
        str(secret): "without a directory",
        "..": "without a directory",
        "": "without a directory",
    }.items():
        said, code = stage_file(name)
        assert (code, message in said) == (2, True), (name, said)
    assert secret.read_bytes() == b"version=6.6.6"
    assert list(incoming.iterdir()) == []
    daemon.end()
    assert not incoming.exists()


def test_a_directory_that_others_may_enter_takes_no_images(planted: Path, serve: Serve, folder: Path) -> None:
    (folder / "s.incoming").mkdir(mode=0o755)
    (folder / "s.incoming/kept").touch()
    daemon = serve(planted)
    assert daemon.properties("/org/livefw", OWN)[0]["Incoming"].value == ""
    assert daemon.call("StageIncoming", "ssa{sv}", "", "kept", {})[2] == 2
    assert (folder / "s.incoming/kept").exists()


def test_our_own_interface_cancels_and_shows_the_policy(bmc: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(bmc)
    file = folder / "pmfw.bin"
    file.write_bytes(b"version=1.9.0")
    staged = MethodCall("/org/livefw", OWN, "Stage", "sha{sv}", (KEY, 0, {}))
    with Client(daemon.path, timeout=60, descriptors=True) as client, file.open("rb") as opened:
        assert client.call(staged, descriptors=(opened.fileno(),))[2] == 0
    document, text, code = daemon.call("Cancel", "sa{sv}", KEY, {"reason": Variant("s", "a mistake")})
    (cancelled,) = json.loads(document)["results"]
    assert (code, cancelled["outcome"], cancelled["component"]) == (0, "cancelled", KEY)
    assert "cancelled" in text
    assert "a mistake" in daemon.call("History", "ss", KEY, "")[0]
    assert daemon.call("Cancel", "sa{sv}", KEY, {})[2] == 3  # nothing is staged any more
    assert daemon.call("Cancel", "sa{sv}", "nothing", {})[2] == 2
    with pytest.raises(CallFailed, match="there is no option ignore"):
        daemon.call("Cancel", "sa{sv}", KEY, {"ignore": Variant("as", [])})

    document, text, code = daemon.call("Policy")
    shown = daemon.run(sys.executable, "-m", "livefw", "--root", str(bmc), *_settings(bmc), "--json", "policy")
    assert (code, json.loads(document)["values"]) == (0, json.loads(shown.stdout)["values"])
    assert "in order" in text


def _settings(root: Path) -> list[str]:
    return ["--settings", str(root / "etc/livefw")]


def _archive(folder: Path, name: str, *guids: str) -> str:
    """An archive with an image of the modelled BMC's, for these GUIDs."""
    about = Metainfo("org.example.fw", "Example", guids, "1.9.0", "pmfw.bin", summary="For tests")
    file = folder / name
    file.write_bytes(cab.write(CabImage(about, b"version=1.9.0")))
    return str(file)


@pytest.mark.fwupd
def test_archives_find_their_component(bmc: Path, serve: Serve, fwupdmgr: str, folder: Path) -> None:
    """By the GUID that is shown or its other spelling; by no other, and for no component but the one that is named."""
    daemon = serve(bmc)
    (guid,) = cast("list[str]", _device(daemon)["Guid"])
    good = _archive(folder, "good.cab", UNKNOWN, Guid.parse(guid).efi.upper())
    stranger = _archive(folder, "stranger.cab", UNKNOWN)
    tmpm = str(uuid.uuid5(uuid.NAMESPACE_DNS, "LIVEFW\\redfish&model/tmpm"))
    both = _archive(folder, "both.cab", guid, tmpm)
    large = folder / "large.cab"
    large.write_bytes(b"MSCF" + bytes(17 << 20))
    broken = folder / "broken.cab"
    broken.write_bytes(Path(good).read_bytes()[:-1])

    shown = json.loads(daemon.run(fwupdmgr, "get-details", good, "--json").stdout)["Devices"]
    assert [(each["DeviceId"], each["Releases"][0]["Version"]) for each in shown] == [(device_id(KEY), "1.9.0")]
    assert "nothing here has this GUID" in daemon.run(fwupdmgr, "get-details", stranger).stdout
    other = device_id("redfish:model/tmpm")
    refusals = [
        (("install", stranger), 3, f"the archive is for {UNKNOWN}, and no component"),
        (("local-install", good, other), 3, "no component here accepts it"),
        (("install", str(broken)), 1, "the archive is rejected"),
        (("get-details", str(broken)), 1, "the archive is rejected"),
        (("get-details", str(large)), 1, "larger than 16 MiB"),
        (("install", both), 3, "the archive is for redfish:model/pmfw-a, redfish:model/tmpm"),
    ]
    for words, code, why in refusals:
        done = daemon.run(fwupdmgr, *words)
        assert (done.returncode, why in done.stdout + done.stderr) == (code, True), (words, done.stdout, done.stderr)
    assert "needs-activation" not in str(_device(daemon)["Flags"])

    done = daemon.run(fwupdmgr, "install", good)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs-activation" in str(_device(daemon)["Flags"])


def test_command_makes_an_archive_and_stages_it(bmc: Path, folder: Path) -> None:
    image, packed, again = (str(folder / name) for name in ("pmfw.bin", "pmfw.cab", "again.bin"))
    Path(image).write_bytes(b"version=1.9.0")

    def livefw(*words: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "livefw", "--json", *words], capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout)

    make = ("image", "cab", packed, "--image", image, "--component", KEY, "--version", "1.9.0")
    made, code = livefw(*make)[1], livefw("image", "cab", packed, "--extract", again)[0]
    assert (made["archive"][0]["file"], code, Path(again).read_bytes()) == ("pmfw.bin", 0, b"version=1.9.0")
    assert livefw("image", "cab", packed, "--image", image)[0] == 2
    there = ("--root", str(bmc), "--settings", f"{bmc}/etc/livefw")
    assert livefw(*there, "stage", "redfish:model/tmpm", packed)[1]["error"]["kind"] == "no-such-component"
    code, told = livefw(*there, "stage", KEY, packed)
    assert (code, told["staging"]["outcome"]) == (0, "staged")


def test_only_files_are_read_and_only_so_much(folder: Path) -> None:
    reading, writing = os.pipe()
    large = os.open(folder / "large", os.O_RDWR | os.O_CREAT)
    os.truncate(large, 1 << 40)
    empty = os.memfd_create("empty")
    refused = [
        (os.open(folder, os.O_RDONLY), "is no regular file"),
        (reading, "is no regular file"),
        (os.open("/dev/zero", os.O_RDONLY), "is no regular file"),
        (large, "larger than 2 MiB"),
        (empty, "empty"),
        (os.open(folder / "large", os.O_WRONLY), "cannot be read"),
        (os.open(folder / "large", os.O_PATH), "cannot be read"),
    ]
    for descriptor, why in refused:
        with pytest.raises(receive.NotCopied, match=why):
            receive.sealed_copy(descriptor, 2 << 20)
        os.close(descriptor)
    os.close(writing)


def test_the_copy_is_what_was_there_and_stays_so(folder: Path) -> None:
    file = folder / "image"
    file.write_bytes(b"good" * 500_000)
    with open(file, "rb") as source:
        copy = receive.sealed_copy(source.fileno(), 2 << 20)
    file.write_bytes(b"evil")
    try:
        assert os.read(copy, 1 << 22) == b"good" * 500_000
        with pytest.raises(PermissionError):
            os.write(copy, b"evil")
    finally:
        os.close(copy)
