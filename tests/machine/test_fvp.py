# SPDX-License-Identifier: Apache-2.0
"""The platform ``fvp`` is, file by file, what the Linux posting v3 shows on Arm's FVP.

Sources: Documentation/ABI/testing/sysfs-firmware-lfa and the commit text of "firmware: smccc: lfa" v3 (6 July 2026)
for the files, plat/arm/board/fvp/fvp_lfa.c of TF-A for the flags.
"""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from livefw.testing import MountedMachine, shell_in

BL31 = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
BL33 = "d6d0eea7-fcea-d54b-9782-9934f234b6e4"

MODES = {
    "name": 0o444,
    "activation_capable": 0o444,
    "activation_pending": 0o444,
    "may_reset_cpu": 0o444,
    "cpu_rendezvous": 0o444,
    "force_cpu_rendezvous": 0o644,
    "current_version": 0o444,
    "pending_version": 0o444,
    "auto_activate": 0o644,
    "activate": 0o200,
    "cancel": 0o200,
}
SAME = {"force_cpu_rendezvous": "1\n", "auto_activate": "0\n", "current_version": "0.0\n", "pending_version": "N/A\n"}
CONTENTS = {
    BL31: SAME
    | {
        "name": "TF-A BL31 runtime\n",
        "activation_capable": "1\n",
        "activation_pending": "1\n",
        "may_reset_cpu": "1\n",
        "cpu_rendezvous": "1\n",
    },
    RMM: SAME
    | {
        "name": "TF-RMM\n",
        "activation_capable": "1\n",
        "activation_pending": "1\n",
        "may_reset_cpu": "0\n",
        "cpu_rendezvous": "1\n",
    },
    BL33: SAME
    | {
        "name": "BL33 non-secure payload\n",
        "activation_capable": "0\n",
        "activation_pending": "0\n",
        "may_reset_cpu": "0\n",
        "cpu_rendezvous": "1\n",
    },
}

ERRNOS = [
    # what the shell does in a component's directory, the component, and what it is told
    ("cat activate", RMM, "Permission denied"),
    ("cat cancel", RMM, "Permission denied"),
    ("echo 1 > name", RMM, "Permission denied"),
    ("echo 1 > activation_pending", RMM, "Permission denied"),
    ("echo maybe > force_cpu_rendezvous", RMM, "Invalid argument"),
    ("echo 2 > auto_activate", RMM, "Invalid argument"),
    ("echo 1 > activate", BL31, "Operation canceled"),
    ("echo 1 > activate", BL33, "Operation canceled"),
    ("echo 1 > cancel", RMM, "Invalid argument"),
    ("cat version", RMM, "No such file or directory"),
    ("cat name/x", RMM, "Not a directory"),
    ("echo 1 > new", RMM, "Permission denied"),
    ("mkdir new", RMM, "Operation not permitted"),
    ("rmdir ../" + BL33, RMM, "Operation not permitted"),
    ("rm -f name", RMM, "Operation not permitted"),
    ("mv name other", RMM, "Operation not permitted"),
    ("ln name other", RMM, "Operation not permitted"),
    ("ln -s name other", RMM, "Operation not permitted"),
    ("echo 1 > activate", RMM, ""),
    ("echo 0 > activate", RMM, ""),
    ("echo on > force_cpu_rendezvous", RMM, ""),
    ("echo no > auto_activate", RMM, ""),
    (": > activate", RMM, ""),
    ("truncate -s 0 activate", RMM, ""),
]
"""Errno as a shell reports it; the changes of shape as tried on a real kernel's /sys (Linux 6.18) as root."""

pytestmark = [pytest.mark.fuse, pytest.mark.livefw(platform="fvp", mount=True)]


@pytest.fixture
def fvp(livefw_machine: MountedMachine) -> Path:
    return livefw_machine.root / "sys/firmware/lfa"


def test_names(fvp: Path) -> None:
    assert sorted(os.listdir(fvp)) == sorted(CONTENTS)
    for guid in CONTENTS:
        assert sorted(os.listdir(fvp / guid)) == sorted(MODES)


def test_modes_sizes_and_owners(fvp: Path) -> None:
    for guid in CONTENTS:
        directory = (fvp / guid).stat()
        assert (stat.filemode(directory.st_mode), directory.st_size) == ("drwxr-xr-x", 0)
        for name, mode in MODES.items():
            found = (fvp / guid / name).stat()
            assert (stat.S_ISREG(found.st_mode), found.st_mode & 0o7777, found.st_size) == (True, mode, 4096), name
            assert (found.st_uid, found.st_gid, found.st_nlink) == (os.geteuid(), os.getegid(), 1)


def test_contents(fvp: Path) -> None:
    found = {
        guid: {name: (fvp / guid / name).read_text() for name, mode in MODES.items() if mode & 0o444}
        for guid in CONTENTS
    }
    assert found == CONTENTS


def test_a_file_reads_the_same_in_parts(fvp: Path) -> None:
    with open(fvp / RMM / "name", "rb", buffering=0) as file:
        assert [file.read(3), file.read(3), file.read(3), file.read(3)] == [b"TF-", b"RMM", b"\n", b""]


@pytest.mark.parametrize(("command", "guid", "message"), ERRNOS)
def test_errno(fvp: Path, command: str, guid: str, message: str) -> None:
    done = subprocess.run(
        shell_in(fvp / guid, command),
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"} | os.environ,
    )
    assert done.stderr.strip().endswith(message)
    assert (done.returncode == 0) == (not message)


def test_pending_never_clears(livefw_machine: MountedMachine, fvp: Path) -> None:
    """Between two activations the RMM's one bank has to be loaded again."""
    machine, rmm = livefw_machine.model, fvp / RMM
    for _ in range(2):
        machine.stage("rmm", "0.0")
        (rmm / "activate").write_text("1\n")
        assert (rmm / "activation_pending").read_text() == "1\n"
