# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with Debian's kernel and a real systemd, booted once for a story of checks that its inside tells.

What runs in there comes as a tar archive on its second disk; each check is one line of JSON on the second serial line.
"""

import faulthandler
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import CACHE, once

BOOT_S = 2700
"""For all checks of a story, unless it takes longer: some 350 s of an emulated machine's two CPUs, 600 s in tests/nvme,
which may have to share one with others; 1,800 s were too few for the first on a machine with six programs for each
CPU."""
PATIENCE_S = 2 * BOOT_S + 120
"""For pytest's time limit of a test that may have to boot it."""
MACHINE = CACHE / "machine"
ACCELERATORS = (("kvm", "host", 5), ("tcg,thread=multi,tb-size=512", "qemu64", BOOT_S))
"""How the machine's CPUs are run, and the seconds in which it has begun to boot: of one that never does, the next is
tried, and the last one may be as slow as a busy machine makes it."""
_BOOT = "mitigations=off audit=1 no_timer_check"
"""The last: an emulated timer of which a busy machine's kernel does not hear in time is not taken for a broken one,
with a panic ("IO-APIC + timer doesn't work")."""
RUN = """#!/bin/sh
cd /run/test && exec python3 -B -m {module}
"""


class Told(NamedTuple):
    """What came out of the machine: by check what was seen and what was wrong, and the end of its console."""

    checks: dict[str, dict[str, str]]
    console: str

    def require(self, name: str) -> str:
        """What a check has seen; the test fails with what was wrong, or if the machine has not come to it."""
        found = self.checks.get(name)
        if found is None:
            pytest.fail(f"the machine has not come to it:\n{self.console}", pytrace=False)
        if found["trouble"]:
            pytest.fail(found["trouble"], pytrace=False)
        return found["seen"]


BootWords = Callable[[Path], Sequence[str]]
"""What is booted, as options of QEMU; files that are made for it are in the folder."""


def machines_own(_folder: Path) -> Sequence[str]:
    """The kernel of the release that the machine has: it finds its disk without an initrd."""
    return "-kernel", str(MACHINE / "vmlinuz")


def story(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    module: str,
    files: Callable[[], Mapping[str, Path]],
    *,
    kernel: BootWords = machines_own,
    within_s: float = BOOT_S,
) -> Told:
    """The story of one machine, booted once in a run of the tests: ``module`` is what it runs, of the ``files``.

    These are by their places in the archive. The test is skipped where no machine can be had. What the machine has not
    told within ``within_s`` is missing.
    """
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is missing; on Debian: apt-get install qemu-system-x86")
    if not (MACHINE / "disk.img").exists():
        why = CACHE / "machine.unavailable"
        reason = why.read_text(encoding="utf-8").strip() if why.exists() else "as root: scripts/setup.sh packages"
        pytest.skip(f"there is no virtual machine: {reason}")
    faulthandler.cancel_dump_traceback_later()  # so long as no other test; pytest-timeout watches over it

    def make(folder: Path) -> None:
        words = kernel(folder)
        _run(folder, _payload(folder, module, files()), words, within_s)

    folder = once(tmp_path_factory, name, make)
    lines = (folder / "told").read_text(encoding="ascii", errors="replace").splitlines()
    checks = {each["check"]: each for each in map(json.loads, filter(None, lines))}
    return Told(checks, (folder / "console").read_text(encoding="utf-8", errors="replace")[-3000:])


def _payload(folder: Path, module: str, files: Mapping[str, Path]) -> Path:
    """What the machine is to run, as the archive that is its second disk."""
    inside = folder / "payload"
    for place, source in files.items():
        target = inside / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        if target.suffix == ".py":
            (target.parent / "__init__.py").touch()
    (inside / "run").write_text(RUN.format(module=module), encoding="ascii")
    (inside / "run").chmod(0o755)
    disk = folder / "payload.tar"
    with tarfile.open(disk, "w") as archive:
        archive.add(inside, ".")
    os.truncate(disk, -(-disk.stat().st_size // (1 << 20)) << 20)
    return disk


def _drive(name: str, path: Path, *options: str) -> Iterator[str]:
    yield from ("-drive", ",".join([f"file={path}", "format=raw", "if=none", f"id={name}", *options]))
    yield from ("-device", f"nvme,drive={name},serial={name}")


def _boot(
    folder: Path, payload: Path, kernel: Sequence[str], within_s: float, accelerator: str, cpu: str, begun_s: float
) -> bool:
    """Boot, and wait until it is off; whether it has booted at all. What it told is in the folder."""
    console, told = folder / "console", folder / "told"
    words = ["qemu-system-x86_64", "-M", "q35", "-accel", accelerator, "-cpu", cpu, "-smp", "2", "-m", "1024"]
    words += ["-nodefaults", "-display", "none", "-no-reboot", *kernel]
    words += ["-append", f"root=/dev/nvme0n1 rw console=ttyS0 panic=-1 systemd.show_status=0 {_BOOT}"]
    words += [*_drive("system", MACHINE / "disk.img", "snapshot=on"), *_drive("test", payload, "readonly=on")]
    words += ["-serial", f"file:{console}", "-serial", f"file:{told}"]
    begin = time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as machine:
        try:
            machine.wait(begun_s)
        except subprocess.TimeoutExpired:
            if console.exists() and console.stat().st_size:
                machine.wait(within_s - (time.monotonic() - begin))
        finally:
            machine.kill()
    return console.exists() and console.stat().st_size > 0


def _run(folder: Path, payload: Path, kernel: Sequence[str], within_s: float) -> None:
    for accelerator, cpu, begun_s in ACCELERATORS:
        try:
            if _boot(folder, payload, kernel, within_s, accelerator, cpu, begun_s):
                return
        except subprocess.TimeoutExpired:
            if cpu != "host":
                return
