# SPDX-License-Identifier: Apache-2.0
"""An arm64 Debian 12 on our firmware, and what somebody types who installs the driver and livefw in it.

For `make soak`: DKMS builds the driver in there, by an emulated compiler. debian.sh makes the root; nothing of it is
ours but a shell on its console.
"""

import json
import os
import queue
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.qemu.scripts import CACHE

from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.qemu import kernel_file
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig

CHECKOUT = Path(__file__).parents[2]
ROOT = CACHE / "debian-arm64"
SCP, RMM = "65922703-2f74-e644-8dff-579ac1ff0610", "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
FILES = "/sys/firmware/lfa"
PATIENCE_S = 3600.0
"""For a line of the console: DKMS says nothing while it builds."""
READY = "@ready"
SHELL = f"""\
[Unit]
After=multi-user.target
[Service]
Environment=HOME=/root LC_ALL=C.UTF-8 NO_COLOR=1 DEBIAN_FRONTEND=noninteractive
WorkingDirectory=/root
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyAMA0
ExecStart=/bin/sh -c 'stty -echo; echo {READY}; while read -r line; do eval "$line" </dev/null 2>&1; echo "@$?"; done'
"""
# What apt, dpkg and a kernel write of whatever is installed, and what a machine writes while it runs.
OTHERS = (
    r"^/(dev|proc|run|sys|tmp|root|var/log|var/cache|var/tmp|var/lib/(apt|dpkg|systemd|fwupd|private|polkit-1))(/|$)"
    r"|\.pyc$|/__pycache__$"
)
ALL_FILES = f"find / -xdev | grep -vE '{OTHERS}' | sort > /tmp"


class Done(NamedTuple):
    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Debian:
    """The machine, and the shell in it."""

    def __init__(self, folder: Path) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._rest = b""
        disk, kernel = folder / "disk.img", folder / "kernel"
        subprocess.run(["cp", "--sparse=always", ROOT / "disk.img", disk], check=True)
        kernel.write_bytes(kernel_file.image(os.fspath(ROOT / "vmlinuz")) or (ROOT / "vmlinuz").read_bytes())
        _bring(disk, folder)
        qemu = QemuConfig(
            kernel=os.fspath(kernel),
            disk=os.fspath(disk),
            arguments="console=ttyAMA0 root=/dev/nvme0n1 rw loglevel=1 panic=-1 systemd.show_status=0",
            cpus=2,
            memory_mb=2048,
        )
        config = replace(load("vera"), cpus=2)
        self.machine = QemuMachine(config, qemu, screen=self._show, ended=lambda: self._lines.put(None))

    def boot(self) -> None:
        """Wait for the shell."""
        self.machine.boot()
        self.until(READY)

    def run(self, command: str) -> Done:
        """Type a line, and wait until it is done."""
        print("#", command)
        self.machine.type(command.encode() + b"\n")
        lines = self.until("@")
        return Done(int(lines.pop()[1:]), lines)

    def well(self, command: str) -> Done:
        """The same for what has to succeed."""
        done = self.run(command)
        assert done.code == 0, command
        return done

    def until(self, mark: str) -> list[str]:
        """The lines up to one that begins with a mark, which is the last."""
        lines = []
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            print(line, flush=True)
            lines.append(line)
            if line.startswith(mark):
                return lines
        pytest.fail("\n".join(["the guest has ended", *lines[-30:]]))

    def _show(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\r"))


def _bring(disk: Path, folder: Path) -> None:
    """Put both packages and the shell on the disk."""
    unit, wants = "/etc/systemd/system/shell.service", "/etc/systemd/system/multi-user.target.wants/shell.service"
    (folder / "shell.service").write_text(SHELL)
    lines = [f"write {folder}/shell.service {unit}", f"symlink {wants} {unit}"]
    # What systemd would start on the console by itself.
    lines.append("symlink /etc/systemd/system/serial-getty@ttyAMA0.service /dev/null")
    for name in ("livefw", "livefw-dkms"):
        (made,) = folder.glob(f"{name}_*.deb")
        lines.append(f"write {made} /root/{name}.deb")
    (folder / "commands").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["debugfs", "-w", "-f", folder / "commands", disk], check=True, capture_output=True, text=True
    )
    assert not any(line.startswith(("write:", "symlink:")) for line in done.stderr.splitlines()), done.stderr


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Debian]:
    for program in ("debootstrap", "debugfs"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}; on Debian: apt-get install debootstrap e2fsprogs")
    subprocess.run([Path(__file__).with_name("debian.sh")], check=True)
    for script in ("build-deb.sh", "build-dkms-deb.sh"):
        subprocess.run([CHECKOUT / "packaging" / script, tmp_path], check=True)
    debian = Debian(tmp_path)
    try:
        debian.boot()
        yield debian
    finally:
        debian.machine.close()
        (tmp_path / "disk.img").unlink()


@pytest.mark.timeout(0)
def test_newcomer_installs_activates_and_removes(debian: Debian) -> None:
    debian.well(f"{ALL_FILES}/before")
    driver_is_built_and_shows_the_firmware(debian)
    livefw_activates(debian)
    fwupdmgr_activates(debian)
    removal_ends_an_activation(debian)
    nothing_is_left(debian)
    assert debian.machine.problems == ()


def driver_is_built_and_shows_the_firmware(debian: Debian) -> None:
    debian.well("apt-get install -y ./livefw-dkms.deb")
    assert ": installed" in debian.well("dkms status").text
    debian.well("modprobe livefw_lfa")
    listed = debian.well(f"ls {FILES}").text.split()
    assert sorted(listed) == sorted([*(str(each.guid) for each in load("vera").components), "count", "version"])


def livefw_activates(debian: Debian) -> None:
    debian.well("apt-get install -y --no-install-recommends ./livefw.deb")
    debian.machine.stage(SCP, "5.0")
    debian.machine.notify()
    assert "5.0" in debian.well("livefw list").text
    assert "the driver looks like lw1" in debian.run("livefw doctor").text
    assert "activated, 2.7 -> 5.0" in debian.well(f"livefw activate {SCP} --yes").text
    assert debian.machine.platform.next_commit == 1
    assert "2.7 -> 5.0" in debian.well("livefw history").text


def fwupdmgr_activates(debian: Debian) -> None:
    """Through livefwd, which systemd starts for its first client."""
    debian.machine.stage(SCP, "6.0")
    debian.machine.notify()
    devices = debian.well("livefw fwupdmgr get-devices --json 2>/dev/null")
    found = json.loads(devices.text)["Devices"]
    (scp,) = (each for each in found if "SCP" in each["Name"])
    assert scp["Version"] == "5.0"
    assert "active" in debian.well("systemctl is-active livefwd").text
    debian.well(f"livefw fwupdmgr activate {scp['DeviceId']}")
    assert debian.well(f"cat {FILES}/{SCP}/current_version").lines == ["6.0"]
    assert "5.0 -> 6.0" in debian.well("livefw history").text


def removal_ends_an_activation(debian: Debian) -> None:
    before = debian.machine.platform.next_commit
    debian.machine.inject(FaultRequest(name="busy", component=RMM, function="ACTIVATE"))
    debian.well(f"livefw activate {RMM} --yes > /tmp/said 2>&1 &")
    debian.well(f"until grep -qs ACTIVATE {FILES}/{RMM}/last_error; do sleep 0.1; done")
    debian.well("modprobe -r livefw_lfa")
    told = debian.run("wait; cat /tmp/said").text
    assert ": unknown" in told
    assert "the kernel's answer: ESHUTDOWN" in told
    assert debian.machine.platform.next_commit == before
    debian.machine.clear_faults()
    debian.well("modprobe livefw_lfa")
    debian.well(f"livefw activate {RMM} --yes")
    assert debian.machine.platform.next_commit == before + 1


def nothing_is_left(debian: Debian) -> None:
    debian.well("apt-get purge -y livefw livefw-dkms")
    debian.well("rmmod livefw_lfa")  # what is loaded stays, as with each package of a driver
    debian.well(f"{ALL_FILES}/after")
    assert debian.run("diff /tmp/before /tmp/after").lines == []
