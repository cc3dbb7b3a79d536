# SPDX-License-Identifier: Apache-2.0
"""The driver of dkms/ in Debian's own kernels, over our firmware, with livefw in the guest.

What its files say: dkms/Documentation/ABI/testing/sysfs-firmware-lfa.
"""

import io
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.machine.test_staged_package import KEYS, package
from tests.qemu.scripts import CACHE, LIVEFW, printed_by

from livefw.firmware.image import measure, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.store import Store

CHECKOUT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("module.sh")
ROOT = CACHE / "driver/root"
KERNELS = {"default": 0, "newest": -1}
"""Which of those in the cache; tests/packaging/test_dkms.py builds for all of them."""
CROSS = (
    "ARCH=arm64",
    "CROSS_COMPILE=aarch64-linux-gnu-",
    "CC=aarch64-linux-gnu-gcc",
    # BTF needs pahole and the kernel with its symbols, and a module loads without.
    "CONFIG_DEBUG_INFO_BTF_MODULES=",
    "CONFIG_PAHOLE_VERSION=0",
    # The newest kernel was made by a compiler that is newer than that of Debian 12, and whose alignment ftrace needs.
    "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",
    "CC_FLAGS_FTRACE=",
)

QUIET = "loglevel=1 rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"
"""A guest with more CPUs than its host may wait for one of them for long, which is neither a stall nor a lockup."""


class Module(NamedTuple):
    kernel: Path
    files: tuple[Path, ...]
    """The driver, and the same under another name."""


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Module]:
    """The module for one of the kernels."""
    made: dict[str, Module] = {}

    def get(name: str) -> Module:
        if name not in made:
            made[name] = _built(name, tmp_path_factory.mktemp("module"))
        return made[name]

    return get


def _built(name: str, folder: Path) -> Module:
    kernels = sorted(ROOT.glob("boot/vmlinuz-*"), key=_release)
    if not kernels:
        missing = CACHE / "driver/unavailable"
        if missing.exists():
            pytest.xfail(missing.read_text(encoding="utf-8").strip())
        pytest.skip("no headers of an arm64 kernel in the test cache; make packages")
    kernel = kernels[KERNELS[name]]
    return build(kernel, headers(kernel), folder)


def headers(kernel: Path) -> Path:
    """What modules for one of Debian's kernels are built against."""
    return ROOT / "usr/src" / kernel.name.replace("vmlinuz-", "linux-headers-")


def compiled(against: Path, folder: Path, *more: str) -> str:
    """Build it in a folder; the warnings, of which those of the compiler are errors."""
    for file in (CHECKOUT / "dkms").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    words = ["make", "-s", "-C", str(against), f"M={folder}", *CROSS, "W=1", "KCFLAGS=-Werror", *more, "modules"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def build(kernel: Path, against: Path, folder: Path) -> Module:
    """Build it in a folder; a warning is an error."""
    assert compiled(against, folder) == ""
    file, second = folder / "livefw_lfa.ko", folder / "livefw_second.ko"
    second.write_bytes(file.read_bytes().replace(b"livefw_lfa", b"livefw_2nd"))
    return Module(kernel, (file, second))


def _release(kernel: Path) -> list[int]:
    return [int(word) for word in kernel.name.partition("-")[2].partition("+")[0].partition("-")[0].split(".")]


def run(
    module: Module,
    platform: str,
    script: str,
    folder: Path,
    *,
    cpus: int,
    notification: str = "dt",
    more: Sequence[str] = (),
) -> list[str]:
    """What a script printed in the guest."""
    environment = dict(os.environ) | {"LIVEFW_RUNTIME_DIR": os.fspath(folder)}
    words = ["run", "--platform", platform, "--cpus", str(cpus), "--notification", notification]
    words += ["--qemu", str(module.kernel), "--busybox", str(CACHE / "kernel/root/bin/busybox")]
    for file in module.files:
        words += ["--kernel-module", str(file)]
    words += ["--guest-command", script, "--append", QUIET, *more]
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [*LIVEFW, *words], env=environment, stdin=terminal, stdout=subprocess.PIPE, text=True, errors="replace"
        ) as machine:
            try:
                return list(printed_by(machine, keyboard, environment))
            finally:
                machine.terminate()
    finally:
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kernel", "cpus", "notification"),
    [("default", 4, "dt"), ("newest", 1, "acpi")],
    ids=["default-4-dt", "newest-1-acpi"],
)
def test_driver_and_firmware_at_its_worst(
    module: Callable[[str], Module], kernel: str, cpus: int, notification: str, tmp_path: Path
) -> None:
    """dkms/Documentation/lfa.rst; the log has no other line of the driver, and none of a kernel that complains."""
    script = SCRIPT.read_text(encoding="utf-8")
    lines = run(module(kernel), "vera", script, tmp_path, cpus=cpus, notification=notification)
    expected = SCRIPT.with_suffix(".out").read_text(encoding="utf-8")
    if notification == "acpi":
        expected = expected.replace("LFA DT notification interrupt", "LFA ACPI notification")
    assert lines == expected.splitlines()


START = "echo BEGIN; PYTHONPATH=/opt/livefw $(ls /usr/bin/python3.??) -u /steps; echo END"
# One process for all commands: an emulated CPU takes seconds to import them.
INSIDE = """
import os
from livefw.cli.main import main

L = "/sys/firmware/lfa/"
C = "65922703-2f74-e644-8dff-579ac1ff0610"
R = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
B = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"


def livefw(*words):
    print("exit", main(list(words)), words[0])


def activate(guid, *words):
    livefw("activate", guid, "--yes", "--measure=off", *words)


def read(path):
    with open(L + path) as file:
        print(path, file.read().strip())


def write(path, text):
    with open(L + path, "w") as file:
        file.write(text)


def host(*words):
    print("HOST:" + " ".join(words))
    input()


def load(parameters=""):
    assert os.system("rmmod livefw_lfa && insmod /modules/000-livefw_lfa.ko " + parameters) == 0
"""

# The RMM boots from a store, which only signed packages get into.
STORE = """
def try_package(name, *words):
    host("stage", FILES + name)
    activate(R, *words)


try_package("bad.fip")
try_package("old.fip")
try_package("old.fip", "--ignore", "downgrade")
try_package("new.fip")
read(R + "/last_error")
host("eventlog", "--output", FILES + "log")
"""
REFUSED_FOR_ITS_SIGNATURE = ["TF-RMM: failed", "the firmware's code: AUTH_ERROR", "exit 1 activate"]
LAST_ERROR = "6c0762a6-12f2-4b56-92cb-ba8f633606d9/last_error ACTIVATE LFA_SUCCESS 0"

VERA = """
load("activate_ms=200")
write(C + "/force_cpu_rendezvous", "0")
host("stage", C, "5.0")
livefw("list")
livefw("plan", C)
activate(C)
read(C + "/last_error")
activate(C)
host("stage", C, "6.0")
host("fault", "auth-error", C, "--times", "1")
activate(C)
host("fault", "busy", C, "--function", "ACTIVATE")
activate(C)
host("fault", "--clear")
activate(C)
read("version")
read("count")
# The firmware still holds what was activated last, and this driver does not know it.
load()
write(C + "/cancel", "1")
"""
ON_VERA = [
    "exit 0 list",
    "exit 0 plan",
    "SCP firmware update: activated, 2.7 -> 5.0",
    "exit 0 activate",
    "65922703-2f74-e644-8dff-579ac1ff0610/last_error ACTIVATE LFA_SUCCESS 0",
    "SCP firmware update: refused",
    "exit 3 activate",
    "SCP firmware update: failed",
    "the firmware's code: AUTH_ERROR",
    "exit 1 activate",
    "SCP firmware update: failed",
    "the firmware's code: TIMED_OUT",
    "exit 1 activate",
    "SCP firmware update: activated, 5.0 -> 6.0",
    "exit 0 activate",
    "version 1.0",
    "count 4",
    *REFUSED_FOR_ITS_SIGNATURE,
    "TF-RMM: refused",
    "exit 4 activate",
    *REFUSED_FOR_ITS_SIGNATURE,
    "TF-RMM: activated, 1.0 -> 1.1",
    "exit 0 activate",
    LAST_ERROR,
]

# How doctor ends is not compared: on a slow machine one of its other blocks may be late.
FVP = """
main(["doctor"])
livefw("list")
activate(B)
try:
    write(B + "/activate", "1")
except OSError as error:
    print("exit", error.strerror)
load()
livefw("list")
"""
ON_FVP = [
    "the driver looks like lw1",
    "exit 0 list",
    "TF-A BL31 runtime: refused",
    "exit 4 activate",
    "exit Operation not supported",
    "exit 0 list",
    *REFUSED_FOR_ITS_SIGNATURE * 3,  # TF-A reports no version, so that nothing is known to go back
    "TF-RMM: unknown",
    "exit 6 activate",
    LAST_ERROR,
]

_TOLD = (
    r"(exit .*|version .*|count .*|\S+/last_error .*)",
    r"(.+) \(lfa:\S+\)(: \w+(?:, \S+ -> [^,]+)?).*",
    r" +(the firmware's code: .*)",
    r"ok +(the driver looks like \w+).*",
)
"""What is compared; the rest are tables, hints and times."""


def told(lines: list[str]) -> list[str]:
    matches = (match for line in lines for text in _TOLD if (match := re.fullmatch(text, line)))
    return ["".join(match.groups()) for match in matches]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kernel", "platform", "steps", "expected"),
    [("default", "vera", VERA, ON_VERA), ("newest", "fvp", FVP, ON_FVP)],
    ids=["default-vera", "newest-fvp"],
)
def test_livefw_with_the_driver_in_the_guest(
    module: Callable[[str], Module],
    python: str,
    kernel: str,
    platform: str,
    steps: str,
    expected: list[str],
    tmp_path: Path,
) -> None:
    store = _packages(tmp_path)
    script = f"cat > /steps <<'EOF'\n{INSIDE}FILES = '{tmp_path}/'\n{steps}{STORE}EOF\n{START}"
    more = ["--guest-python", python, "--store", str(store)]
    lines = run(module(kernel), platform, script, tmp_path, cpus=2, more=more)
    assert told(lines) == expected, "\n".join(lines)
    assert not any("Traceback" in line or "unexpected" in line for line in lines)
    # The image that booted, and the only one that got as far as being measured.
    _, events = measure.decode((tmp_path / "log").read_bytes())
    assert [event.text for event in events] == ["rmm-fw 1.0", "rmm-fw 1.1"]
    assert Store(Folder(str(store))).non_volatile().counters[Counter.CCA] == 6


def _packages(folder: Path) -> Path:
    """A store whose RMM is 1.0, and beside it a package that is newer, one that is older, and one with a wrong byte."""
    factory, store = package(folder / "factory.fip", "1.0", 5), folder / "flash"
    store.mkdir()
    Store.create(Folder(str(store)), io.BytesIO(factory))
    (store / trust.NAME).write_text(trust.dumps(ImageSigner(CCA, KEYS).anchor()))
    package(folder / "old.fip", "0.9", 4)
    new = package(folder / "new.fip", "1.1", 6)
    (folder / "bad.fip").write_bytes(new.replace(b"RMMRMM", b"RMMrmm", 1))
    return store
