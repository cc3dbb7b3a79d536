# SPDX-License-Identifier: Apache-2.0
"""What is checked of NVMe drives on a real kernel: modelled drives over NVMe/TCP, nvme-cli beside us, md, fwupd."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..daemon.systemd_guest import SERVICE, SOCKET, Checks, fwupdmgr, main, registers, run, until
from .kernel_ends import EVERY, IN_EVERY_RUN
from .kernel_guest import (
    FIRST,
    SECOND,
    activate,
    attribute,
    block,
    connect,
    connected,
    disconnect,
    identify,
    image,
    inside,
    key,
    livefw,
    load,
    next_version,
    no_io_error,
    reset,
    slots,
    stage,
    start_drives,
)

CHECKS: Checks = {}
check = registers(CHECKS)
PACKAGE = "/run/test/livefw.deb"
ARRAY = "/dev/md0"
SETTINGS = Path("/etc/livefw/livefw.toml")
DEVICES = """#!/bin/sh
exec 2>&1
true <{node} || exit 1
! true >>{node} || {{ echo {node} can be written; exit 1; }}
! true <{generic} || {{ echo {generic} can be opened; exit 1; }}
"""


@check
def kernel_connects_to_the_drives() -> object:
    """One by nvme-cli, one by the line that livefw documents; both are drives like others for the kernel."""
    if not os.path.exists("/usr/bin/livefw"):
        run("dpkg", "-i", PACKAGE, code=0, DEBIAN_FRONTEND="noninteractive")
    start_drives()
    first, second = connect(FIRST), connect(SECOND, by_nvme_cli=False)
    for name in (first, second):
        assert (attribute(name, "firmware_rev"), attribute(name, "transport")) == ("1.0", "tcp")
        told = identify(name)
        assert (told["fr"].strip(), told["mtfa"], told["frmw"]) == ("1.0", 50, 0x34), told
        node = f"/dev/{block(name)}"
        run("dd", "if=/dev/urandom", f"of={node}", "bs=64k", "count=8", "oflag=direct", code=0)
        run("dd", f"if={node}", "of=/dev/null", "bs=64k", "count=8", "iflag=direct", code=0)
    SETTINGS.write_text('ignore = ["shared"]\n[measure]\nenabled = false\n', encoding="ascii")
    found = {each["key"]: each["current_version"] for each in livefw("list")["components"]}
    assert found[key(FIRST)] == found[key(SECOND)] == "1.0", found
    return run("uname", "-r").out + run("nvme", "list").out


@check
def drive_is_staged_planned_and_activated() -> object:
    """nvme-cli finds what livefw says: the slot, and what runs. Linux 6.1 shows it only after a reset."""
    name, since = connect(FIRST), time.time()
    stage(FIRST, "2.0")
    assert slots(name) == (1, 0, ["1.0", "2.0"])
    step = next(each for each in livefw("plan")["steps"] if each["component"]["key"] == key(FIRST))
    assert (step["stopped"], step["component"]["pending_version"]) == (False, "2.0"), step
    (result,) = activate(FIRST)
    assert (result["outcome"], result["code"]) == ("activated", "version-arrived"), result
    assert identify(name)["fr"].strip() == "2.0"
    assert slots(name) == (2, 0, ["1.0", "2.0"])
    assert attribute(name, "firmware_rev") == "1.0"
    no_io_error(since)
    reset(name)
    assert attribute(name, "firmware_rev") == "2.0"
    disconnect(FIRST)
    assert attribute(connect(FIRST), "firmware_rev") == "2.0"
    return run("livefw", "history").out


@check
def fwupd_installs_and_activates() -> object:
    """fwupdmgr through livefwd, under the shipped unit: an admin command takes a device and a capability, and how long
    the drive stood still is measured there too."""
    node = f"/dev/{block(connect(SECOND))}"
    devices = json.loads(fwupdmgr("get-devices", "--json", code=0).out)["Devices"]
    (device,) = (each for each in devices if each.get("Serial") == SECOND or SECOND in json.dumps(each))
    installed = fwupdmgr("local-install", image("2.0"), device["DeviceId"], "--no-reboot-check", code=0)
    assert inside(SECOND)["slots"] == ["1.0", "2.0"]
    with _measuring(), _looks_out_of_the_unit(node):
        done = fwupdmgr("activate", device["DeviceId"], code=0)
    assert inside(SECOND)["current_version"] == "2.0"
    assert os.path.exists(SOCKET)
    (row,) = livefw("history", key(SECOND), "--limit", "1")["history"]
    stop = row["outcome"]["cost"]["device"]
    assert (stop["device"], stop["declared_ns"], stop["failed"]) == (node, 5 * 10**9, 0), stop
    assert stop["longest_ns"] > 0, stop
    return f"{installed.text}{done.text}{stop}"


@contextmanager
def _measuring() -> Iterator[None]:
    """For one activation: where a CPU is emulated, measuring is dear."""
    before = SETTINGS.read_text(encoding="ascii")
    SETTINGS.write_text(before.replace("enabled = false", "cpus = 1"), encoding="ascii")
    try:
        yield
    finally:
        SETTINGS.write_text(before, encoding="ascii")


@contextmanager
def _looks_out_of_the_unit(node: str) -> Iterator[None]:
    """An administrator's check, which runs in the unit, blocks unless a namespace can be read there, and only read."""
    file = Path("/etc/livefw/checks.d/devices")
    file.parent.mkdir()
    generic = node.replace("nvme", "ng")
    assert os.path.exists(generic)
    file.write_text(DEVICES.format(node=node, generic=generic), encoding="ascii")
    file.chmod(0o755)
    try:
        yield
    finally:
        file.unlink()


@check
def mirror_is_updated_under_load() -> object:
    """Two drives of an array, one after the other, with reads and writes in it: no I/O fails, and it stays complete."""
    names, since = [connect(FIRST), connect(SECOND)], time.time()
    nodes = [f"/dev/{block(name)}" for name in names]
    run("mdadm", "--create", ARRAY, "--run", "--level=1", "--metadata=1.2", "--raid-devices=2", *nodes, code=0)
    sync = Path("/sys/block/md0/md/sync_action")
    until(lambda: sync.read_text(encoding="ascii").strip() == "idle", "the first synchronization")
    try:
        with load(ARRAY):
            version = next_version()
            for serial in (FIRST, SECOND):
                stage(serial, version)
            results = activate()
        assert [(each["outcome"], each["component"]) for each in results] == [
            ("activated", key(serial)) for serial in (FIRST, SECOND)
        ], results
        assert [inside(serial)["current_version"] for serial in (FIRST, SECOND)] == [version, version]
        assert Path("/sys/block/md0/md/degraded").read_text(encoding="ascii").strip() == "0"
        no_io_error(since)
        told = run("cat", "/proc/mdstat").out
        # A mirror without its other half carries nothing.
        run("mdadm", ARRAY, "--fail", nodes[1], code=0)
        stage(FIRST, next_version())
        (refused,) = activate(FIRST, code=4)
        assert (refused["outcome"], refused["code"]) == ("refused", "in-use"), refused
        return told
    finally:
        run("mdadm", "--stop", ARRAY)
        for node in nodes:
            run("mdadm", "--zero-superblock", node)


@check
def drive_that_the_machine_depends_on_is_refused() -> object:
    """A drive that carries /boot, also by name."""
    node = f"/dev/{block(connect(FIRST))}"
    stage(FIRST, next_version())
    run("mkfs.ext4", "-q", "-F", node, code=0)
    run("mount", node, "/boot", code=0)
    try:
        (refused,) = activate(FIRST, code=4)
    finally:
        run("umount", "/boot", code=0)
    assert (refused["outcome"], refused["code"]) == ("refused", "boot"), refused
    return str(refused["text"])


@check
def doctor_is_right_about_a_machine_with_drives_only() -> object:
    """As an administrator reads it, at 80 columns: each thing once, by the names of the drives."""
    drives = [connect(FIRST), connect(SECOND)]
    stage(FIRST, next_version())
    told = run("livefw", "doctor", code=0).out
    assert all(len(line) <= 80 for line in told.splitlines()), told
    assert "Firmware can be activated live here by nvme." in told
    (block,) = (each for each in livefw("doctor")["blocks"] if each["name"] == "nvme")
    lines = {line["code"]: line["text"] for line in block["lines"]}
    assert lines.pop("no-firmware-commands").startswith("nvme0, nvme1: "), block  # the two of the machine itself
    assert lines == {
        "ready": f"{drives[0]}: an image waits for its activation",
        "not-pending": f"{drives[1]}: no image is staged",
    }
    assert livefw("cancel", key(FIRST))["results"][0]["outcome"] == "cancelled"
    # livefwd settles what a killed engine leaves; from here on the next request has to.
    run("systemctl", "stop", "livefwd.socket", SERVICE)
    return told


CHECKS |= {name: EVERY[name] for name in IN_EVERY_RUN}


@check
def kernel_forgets_the_drives() -> object:
    """Or the machine would wait for them when it is switched off."""
    for serial in connected():
        disconnect(serial)
    return ""


def chosen() -> Checks:
    """What the machine makes: one of each kind, or every fault and moment where it was given the file `every`."""
    if not os.path.exists("every"):
        return CHECKS
    first, last = kernel_connects_to_the_drives, kernel_forgets_the_drives
    return {first.__name__: first, **EVERY, last.__name__: last}


if __name__ == "__main__":
    sys.exit(main(chosen()))
