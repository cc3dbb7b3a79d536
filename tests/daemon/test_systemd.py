# SPDX-License-Identifier: Apache-2.0
"""The service as Debian's package installs it, under a real systemd: a virtual machine is booted once, makes all the
checks of systemd_checks.py, and tells them on its second serial line."""

import faulthandler
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ..fwupd_plugin.conftest import module
from . import systemd_checks  # noqa: F401 - registers the checks
from .conftest import CACHE, CHECKOUT, once
from .systemd_guest import CHECKS, NO_PLUGIN

BOOT_S = 2700
"""For all checks: some 350 s of an emulated machine's two CPUs, which may have to share one with others; 1,800 s were
too few on a machine with six programs for each CPU."""
pytestmark = pytest.mark.timeout(2 * BOOT_S + 120)

__all__ = ["module"]
MACHINE = CACHE / "machine"
ADDITION = CHECKOUT / "packaging/fwupd-plugin/fwupd.conf"
ACCELERATORS = (("kvm", "host", 5), ("tcg,thread=multi,tb-size=512", "qemu64", BOOT_S))
"""How the machine's CPUs are run, and the seconds in which it has begun to boot: of one that never does, the next is
tried, and the last one may be as slow as a busy machine makes it."""
_BOOT = "mitigations=off audit=1 no_timer_check"
"""The last: an emulated timer of which a busy machine's kernel does not hear in time is not taken for a broken one,
with a panic ("IO-APIC + timer doesn't work")."""
RUN = """#!/bin/sh
cd /run/test && exec python3 -B -m daemon.systemd_checks
"""


class Told(NamedTuple):
    """What came out of the machine: by check what was seen and what was wrong, and the end of its console."""

    checks: dict[str, dict[str, str]]
    console: str


def _payload(folder: Path, package: Path, plugin: Path | None) -> Path:
    """What the machine is to run, as the archive that is its second disk."""
    inside = folder / "payload/daemon"
    inside.mkdir(parents=True)
    for name in ("systemd_guest.py", "systemd_checks.py"):
        shutil.copy(Path(__file__).with_name(name), inside)
    (inside / "__init__.py").touch()
    shutil.copy(package, inside.parent / "livefw.deb")
    if plugin is not None:
        files = plugin / "libfu_plugin_arm_lfa.so", plugin / "quirks/arm-lfa.quirk", ADDITION
        (inside.parent / "plugin").mkdir()
        for each in files:
            shutil.copy(each, inside.parent / "plugin")
    (inside.parent / "run").write_text(RUN, encoding="ascii")
    (inside.parent / "run").chmod(0o755)
    disk = folder / "payload.tar"
    with tarfile.open(disk, "w") as archive:
        archive.add(inside.parent, ".")
    os.truncate(disk, -(-disk.stat().st_size // (1 << 20)) << 20)
    return disk


def _drive(name: str, path: Path, *options: str) -> Iterator[str]:
    yield from ("-drive", ",".join([f"file={path}", "format=raw", "if=none", f"id={name}", *options]))
    yield from ("-device", f"nvme,drive={name},serial={name}")


def _boot(folder: Path, payload: Path, accelerator: str, cpu: str, begun_s: float) -> bool:
    """Boot, and wait until it is off; whether it has booted at all. What it told is in the folder."""
    console, told = folder / "console", folder / "told"
    words = ["qemu-system-x86_64", "-M", "q35", "-accel", accelerator, "-cpu", cpu, "-smp", "2", "-m", "1024"]
    words += ["-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(MACHINE / "vmlinuz")]
    words += ["-append", f"root=/dev/nvme0n1 rw console=ttyS0 panic=-1 systemd.show_status=0 {_BOOT}"]
    words += [*_drive("system", MACHINE / "disk.img", "snapshot=on"), *_drive("test", payload, "readonly=on")]
    words += ["-serial", f"file:{console}", "-serial", f"file:{told}"]
    begin = time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as machine:
        try:
            machine.wait(begun_s)
        except subprocess.TimeoutExpired:
            if console.exists() and console.stat().st_size:
                machine.wait(BOOT_S - (time.monotonic() - begin))
        finally:
            machine.kill()
    return console.exists() and console.stat().st_size > 0


def _run(folder: Path, package: Path, plugin: Path | None) -> None:
    payload = _payload(folder, package, plugin)
    for accelerator, cpu, begun_s in ACCELERATORS:
        try:
            if _boot(folder, payload, accelerator, cpu, begun_s):
                return
        except subprocess.TimeoutExpired:
            if cpu != "host":
                return


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, package: Path, request: pytest.FixtureRequest) -> Told:
    """The story of one machine."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is missing; on Debian: apt-get install qemu-system-x86")
    if not (MACHINE / "disk.img").exists():
        why = CACHE / "machine.unavailable"
        reason = why.read_text(encoding="utf-8").strip() if why.exists() else "as root: scripts/setup.sh packages"
        pytest.skip(f"there is no virtual machine: {reason}")
    faulthandler.cancel_dump_traceback_later()  # so long as no other test; pytest-timeout watches over it
    try:
        plugin = request.getfixturevalue(module.__name__)
    except pytest.skip.Exception:
        plugin = None
    folder = once(tmp_path_factory, "systemd", lambda folder: _run(folder, package, plugin))
    lines = (folder / "told").read_text(encoding="ascii", errors="replace").splitlines()
    checks = {each["check"]: each for each in map(json.loads, filter(None, lines))}
    return Told(checks, (folder / "console").read_text(encoding="utf-8", errors="replace")[-3000:])


@pytest.mark.parametrize("name", CHECKS)
def test_under_a_real_systemd(name: str, told: Told) -> None:
    found = told.checks.get(name)
    if found is None:
        pytest.fail(f"the machine has not come to it:\n{told.console}", pytrace=False)
    if found["trouble"]:
        pytest.fail(found["trouble"], pytrace=False)
    if found["seen"] == NO_PLUGIN:
        pytest.skip(NO_PLUGIN)
