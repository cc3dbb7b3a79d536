# SPDX-License-Identifier: Apache-2.0
"""Modelled drives inside the virtual machine of test_kernel.py: how they are made, connected and asked."""

import glob
import json
import os
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..daemon.systemd_guest import PATIENCE_S, begin, journal, run, until

RUNTIME = "/run/drives"
UNIT = "drives"
DRIVES = "20"
IMAGE = f"{RUNTIME}/nvme.root/2.0.bin"
FIRST, SECOND = "LFW0001", "LFW0002"
IO_ERRORS = ("I/O error", "critical medium", "Disk failure", "Buffer I/O")
"""Words by which the kernel tells that an I/O failed, or that an array lost a disk."""


def start_drives() -> None:
    """Drives, of which each check connects those that it needs, and the kernel's modules."""
    for module in ("nvme-tcp", "raid1"):
        run("modprobe", module, code=0)
    environment = ["--setenv=PYTHONPATH=/opt/model", f"--setenv=LIVEFW_RUNTIME_DIR={RUNTIME}"]
    command = ["python3", "-m", "livefw", "--json", "machine", "run", "--platform", "nvme", "--components", DRIVES]
    run("systemd-run", f"--unit={UNIT}", "--collect", *environment, *command, code=0)
    until(lambda: os.path.exists(IMAGE), "the drives")


def ask(command: str, **fields: Any) -> Any:
    """One request to the drives (`livefw.machine.drives.service`)."""
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as stream:
        client.settimeout(PATIENCE_S)
        client.connect(f"{RUNTIME}/nvme.sock")
        client.sendall(json.dumps({"command": command} | fields).encode() + b"\n")
        told = json.loads(stream.readline())
    assert "result" in told, told
    return told["result"]


def inside(serial: str) -> dict[str, Any]:
    """What a drive is, as only the model knows it."""
    found: dict[str, Any] = next(each for each in ask("show")["drives"] if each["serial"] == serial)
    return found


def connected() -> dict[str, str]:
    """Names of the modelled drives' controllers, by serial number."""
    found = {}
    for path in glob.glob("/sys/class/nvme/nvme*"):
        serial = attribute(os.path.basename(path), "serial")
        if serial.startswith("LFW"):
            found[serial] = os.path.basename(path)
    return found


def attribute(name: str, attribute_name: str) -> str:
    """Of a controller, in sysfs; empty if it cannot be read."""
    try:
        with open(f"/sys/class/nvme/{name}/{attribute_name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def connect(serial: str, *, by_nvme_cli: bool = True) -> str:
    """Connect the kernel to a drive, unless it is; the name of the controller."""
    if serial not in connected():
        drive = inside(serial)
        where = {"traddr": drive["address"], "trsvcid": drive["port"], "nqn": drive["nqn"]}
        if by_nvme_cli:
            options = [f"--{key}={value}" for key, value in where.items()]
            run("nvme", "connect", "--transport=tcp", "--ctrl-loss-tmo=20", *options, code=0)
        else:
            line = ",".join(f"{key}={value}" for key, value in where.items())
            Path("/dev/nvme-fabrics").write_text(f"transport=tcp,ctrl_loss_tmo=20,{line}", encoding="ascii")
    until(lambda: serial in connected() and attribute(connected()[serial], "state") == "live", f"drive {serial}")
    name = connected()[serial]
    until(lambda: os.path.exists(f"/dev/{block(name)}"), f"the namespace of {name}")
    return name


def disconnect(serial: str) -> None:
    """Let the kernel forget a drive."""
    if name := connected().get(serial):
        Path(f"/sys/class/nvme/{name}/delete_controller").write_text("1", encoding="ascii")
        until(lambda: serial not in connected(), f"the end of {name}")


def reset(name: str) -> None:
    """Reset a controller, by nvme-cli, and wait until it is back."""
    run("nvme", "reset", f"/dev/{name}", code=0)
    until(lambda: attribute(name, "state") == "live", f"the end of the reset of {name}")


def block(name: str) -> str:
    """The block device of a controller's one namespace; with multipath its name has the number of the subsystem."""
    subsystem = next(iter(glob.glob(f"/sys/class/nvme-subsystem/nvme-subsys*/{name}")), "")
    number = subsystem.split("nvme-subsys")[-1].partition("/")[0] if subsystem else name[4:]
    return f"nvme{number}n1"


def key(serial: str) -> str:
    """Of the drive's component."""
    return f"nvme:livefw_modelled_NVMe_{serial}"


def identify(name: str) -> dict[str, Any]:
    """Identify Controller, by nvme-cli."""
    told: dict[str, Any] = json.loads(run("nvme", "id-ctrl", f"/dev/{name}", "--output-format=json", code=0).out)
    return told


def slots(name: str) -> tuple[int, int, list[str]]:
    """By nvme-cli, of the firmware slot log: the slot that runs, that of the next reset or 0, the versions."""
    log = run("nvme", "fw-log", f"/dev/{name}", code=0).out
    info = int(re.findall(r"^afi *: (0x\w+)", log, re.MULTILINE)[0], 16)
    return info & 7, info >> 4 & 7, re.findall(r"^frs\d *: \w+ \(([^)]*?)[ .]*\)", log, re.MULTILINE)


def image(version: str, *, size: int = 0) -> str:
    """The path of an image with another version, and of at least so many bytes."""
    path = f"/run/{version}.bin"
    whole = Path(IMAGE).read_bytes().replace(b"2.0     ", version.encode().ljust(8))
    Path(path).write_bytes(whole.ljust(size, b"\xa5"))
    return path


def livefw(*words: str, code: int | Sequence[int] = 0) -> Any:
    """The document that our command prints; its exit code has to be one of these."""
    done = run("livefw", "--json", *words)
    assert done.code in ((code,) if isinstance(code, int) else code), done
    return json.loads(done.out)


def next_version() -> str:
    """A version that is newer than all that a drive was given."""
    return f"{10 + len(ask('show')['drives'][0]['commits'])}.0"


def stage(serial: str, version: str) -> None:
    """Stage an image of this version."""
    told = livefw("stage", key(serial), image(version))["staging"]
    assert told["reason"] is None, told


def activate(*serials: str, code: int | Sequence[int] = 0) -> list[dict[str, Any]]:
    """Activate drives; their results."""
    words = ["activate", *map(key, serials)] if serials else ["activate", "--all"]
    told: list[dict[str, Any]] = livefw(*words, "--yes", code=code)["results"]
    return told


def kernel_log(since: float) -> list[str]:
    """Lines of the kernel since a point of the clock."""
    return [str(entry["MESSAGE"]) for entry in journal("--dmesg", f"--since=@{since:.3f}")]


def no_io_error(since: float) -> None:
    """AssertionError if the kernel has told of a failed I/O."""
    bad = [line for line in kernel_log(since) if any(word in line for word in IO_ERRORS)]
    assert not bad, bad


@contextmanager
def load(device: str) -> Iterator[Path]:
    """Direct reads and verified writes on a device for as long as the block takes; fails if one of them did."""
    report = Path("/run/fio.json")
    words = ["fio", "--name=load", f"--filename={device}", "--direct=1", "--ioengine=psync", "--rw=randrw", "--bs=4k"]
    words += ["--size=4M", "--time_based", "--runtime=3600", "--verify=crc32c", "--verify_fatal=1"]
    words += ["--rate_iops=20", "--output-format=json", f"--output={report}"]
    with begin(*words, said=Path("/run/fio.out")) as fio:
        try:
            yield report
            assert fio.poll() is None, Path("/run/fio.out").read_text(encoding="utf-8")
        finally:
            fio.send_signal(signal.SIGINT)
            fio.wait(PATIENCE_S)
    text = report.read_text(encoding="utf-8")
    job = json.loads(text[text.index("{") :])  # fio tells of the signal before that
    assert all(each["error"] == 0 for each in job["jobs"]), job["jobs"]
