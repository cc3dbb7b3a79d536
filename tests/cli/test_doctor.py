# SPDX-License-Identifier: Apache-2.0
"""What `livefw doctor` says of machines of every sort, as trees of plain files."""

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.activation.diagnosis import blocks, bounded
from livefw.activation.diagnosis.lines import DiagnosisBlock, DiagnosisLine, LineState
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.lock.machine_lock import Lock
from livefw.activation.paths import paths_for
from livefw.cli.arguments import parse
from livefw.machine.fuse.server import FuseServer, MountedTree
from livefw.machine.machine import Machine
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.providers.registry import MECHANISMS

KEY = f"lfa:{RMM}"
RELEASE = "6.12.48-amd64"
BOOT = f"/boot/config-{RELEASE}"
MODULES = f"/usr/lib/modules/{RELEASE}"
PFRUT = "/sys/bus/acpi/devices/INTC1080:00/status"
FIRST = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: 6\nmodel\t\t: 143\nstepping\t: 8\nflags\t\t: fpu {}\n"


def x86(vendor: str = "GenuineIntel", flags: str = "vme", **more: str) -> dict[str, str]:
    """A server without a hypervisor, with Debian's kernel."""
    return {
        "/proc/sys/kernel/arch": "x86_64\n",
        "/proc/sys/kernel/osrelease": f"{RELEASE}\n",
        "/proc/cpuinfo": FIRST.format(vendor, flags),
        "/sys/devices/system/cpu/online": "0-63\n",
        "/sys/bus/acpi/devices/PNP0C0C:00/status": "15\n",
        **more,
    }


def arm(**more: str) -> dict[str, str]:
    """The same for 64-bit Arm."""
    return {
        "/proc/sys/kernel/arch": "aarch64\n",
        "/proc/sys/kernel/osrelease": f"{RELEASE}\n",
        "/sys/devices/system/cpu/online": "0-3\n",
        **more,
    }


UNSET = (
    "# CONFIG_INTEL_TDX_HOST is not set\n# CONFIG_ACPI_PFRUT is not set\n# CONFIG_MICROCODE_LATE_LOADING is not set\n"
)
DEP = "kernel/drivers/{}.ko.xz:\n"
KMSG = {"/dev/kmsg": "6,1,0,-;Linux version\n"}


class Case(NamedTuple):
    """A machine: its files, lines that must be there (block, state, code), what mechanisms lack, commands."""

    files: dict[str, str]
    lines: set[tuple[str, str, str]]
    lacks: dict[str, str | None] = {}  # noqa: RUF012 - nobody changes it
    commands: tuple[str, ...] = ()
    code: int = 0


CASES = {
    # Debian 13 on a server of Intel's: tdx.md, section 9; the option is off in Debian's kernel.
    "a stock server": Case(
        x86() | {BOOT: UNSET},
        {
            ("machine", "ok", "machine"),
            ("lfa", "absent", "not-arm64"),
            ("tdx", "absent", "no-kernel-option"),
            ("redfish", "absent", "no-bmc"),
            ("pfrut", "absent", "no-acpi-device"),
            ("sfs", "absent", "other-platform"),
            ("microcode", "absent", "no-kernel-option"),
        },
        {
            "lfa": "",
            "sfs": "",
            "tdx": "a kernel with CONFIG_INTEL_TDX_HOST",
            "microcode": "a kernel with CONFIG_MICROCODE_LATE_LOADING",
            "redfish": "a BMC in livefw.toml",
        },
    ),
    "nothing is known of the kernel's options": Case(
        x86(),
        # Neither "no" nor "yes": what is seen to be missing is the device.
        {("microcode", "absent", "no-late-loading"), ("tdx", "absent", "tdx-disabled")},
    ),
    "the configuration is in the kernel": Case(
        x86() | {"/proc/config.gz": gzip.compress(UNSET.encode()).decode("latin-1")},
        {("tdx", "absent", "no-kernel-option"), ("microcode", "absent", "no-kernel-option")},
    ),
    # Linux drivers/virt/coco/tdx-host: module tdx_host, file tdx-host.ko; loaded by the processor's flag.
    "a TDX host whose module is not loaded": Case(
        x86(flags="tdx_host_platform")
        | {BOOT: "CONFIG_INTEL_TDX_HOST=y\n", f"{MODULES}/modules.dep": DEP.format("virt/coco/tdx-host/tdx-host")},
        {("tdx", "warning", "module-not-loaded")},
        {"tdx": "the module tdx_host, not loaded"},
        ("modprobe tdx_host",),
    ),
    "a kernel for TDX without the module": Case(
        x86(flags="tdx_host_platform") | {BOOT: "CONFIG_INTEL_TDX_HOST=y\n", f"{MODULES}/modules.dep": ""},
        {("tdx", "warning", "module-not-installed")},
    ),
    "TDX is off in the firmware": Case(
        x86() | {BOOT: "CONFIG_INTEL_TDX_HOST=y\n"},
        {("tdx", "absent", "tdx-disabled")},
        {"tdx": "TDX, enabled in the firmware"},
    ),
    "a TDX host without images": Case(
        x86() | {"/sys/devices/faux/tdx_host/version": "1.5.08\n"},
        {("tdx", "absent", "unsupported")},
    ),
    # Linux drivers/acpi/pfr_update.c: INTC1080, CONFIG_ACPI_PFRUT.
    "PFRUT in the firmware only": Case(
        x86() | {BOOT: UNSET, PFRUT: "15\n"},
        {("pfrut", "warning", "no-kernel-option")},
        {"pfrut": "a kernel with CONFIG_ACPI_PFRUT"},
    ),
    "PFRUT without its module": Case(
        x86() | {BOOT: "CONFIG_ACPI_PFRUT=m\n", PFRUT: "15\n", f"{MODULES}/modules.dep": DEP.format("acpi/pfr_update")},
        {("pfrut", "warning", "module-not-loaded")},
        commands=("modprobe pfr_update",),
    ),
    "ACPI says that the PFRUT device is not present": Case(
        x86() | {PFRUT: "0\n"},
        {("pfrut", "absent", "no-acpi-device")},
    ),
    # Linux drivers/crypto/ccp/sfs.c: in the module ccp, CONFIG_CRYPTO_DEV_SP_PSP.
    "AMD without SFS": Case(
        x86("AuthenticAMD") | {BOOT: "CONFIG_CRYPTO_DEV_SP_PSP=y\n", "/sys/module/ccp/refcnt": "0\n"},
        {("sfs", "absent", "no-device"), ("tdx", "absent", "other-platform")},
        commands=("dmesg | grep ccp",),
    ),
    # Linux Documentation/arch/x86/microcode.rst, kernel-parameters.txt.
    "late loading, disabled at boot": Case(
        x86() | {BOOT: "CONFIG_MICROCODE_LATE_LOADING=y\n", "/proc/cmdline": "root=/dev/sda dis_ucode_ldr quiet\n"},
        {("microcode", "absent", "loader-disabled")},
    ),
    "late loading, and nothing newer": Case(
        x86()
        | {
            "/sys/devices/system/cpu/microcode/reload": "",
            "/sys/devices/system/cpu/cpu0/microcode/version": "0x2b000461\n",
            "/sys/devices/system/cpu/cpu0/microcode/processor_flags": "0x10\n",
        },
        {("microcode", "ok", "not-pending")},
        {"microcode": None},
    ),
    "a guest": Case(
        x86(flags="hypervisor") | {"/sys/devices/virtual/dmi/id/sys_vendor": "QEMU\n"},
        {("machine", "absent", "guest"), ("tdx", "absent", "guest"), ("microcode", "absent", "guest")},
        {"tdx": "", "pfrut": "", "microcode": ""},
    ),
    "a container": Case(
        {"/proc/sys/kernel/arch": "x86_64\n", "/run/.containerenv": ""},
        {("machine", "warning", "container"), ("machine", "warning", "no-sysfs")},
    ),
    "a drive that may not be asked": Case(
        x86() | {"/sys/class/nvme/nvme0/firmware_rev": "1.0\n", "/sys/class/nvme/nvme0/state": "live\n"},
        {("nvme", "error", "unreadable")},
        code=1,
    ),
    # Arm ACPI tables for LFA: the device ARML0003.
    "arm64 with an agent and no driver": Case(
        arm() | KMSG | {BOOT: "# CONFIG_ARM_LFA is not set\n", "/sys/bus/acpi/devices/ARML0003:00/status": "15\n"},
        {("lfa", "warning", "no-driver"), ("lfa", "ok", "notifier")},
        {"lfa": "a kernel with the LFA driver"},
    ),
    "arm64 without anything": Case(
        arm() | KMSG,
        {("lfa", "absent", "no-driver"), ("lfa", "absent", "no-component"), ("microcode", "absent", "other-platform")},
    ),
    "arm64 with a module that is not loaded": Case(
        arm() | KMSG | {f"{MODULES}/modules.dep": DEP.format("firmware/smccc/lfa_fw")},
        {("lfa", "warning", "driver-not-loaded")},
        commands=("modprobe lfa_fw",),
    ),
    "arm64 whose firmware has no agent": Case(
        arm() | {"/dev/kmsg": "6,1,0,-;Arm LFA: Live Firmware activation: no firmware agent found\n"},
        {("lfa", "absent", "no-agent")},
        {"lfa": "firmware with an LFA agent"},
    ),
    "arm64 whose agent does not count": Case(
        arm() | {"/dev/kmsg": "6,1,0,-;Arm LFA: Error getting number of LFA components\n"},
        {("lfa", "error", "no-inventory")},
        code=1,
    ),
    "arm64 whose agent lists nothing": Case(
        arm() | {"/dev/kmsg": "6,1,0,-;Arm LFA: Live Firmware Activation: detected v1.0\n"},
        {("lfa", "warning", "empty-inventory")},
    ),
    "a release that leads elsewhere": Case(
        arm() | KMSG | {"/proc/sys/kernel/osrelease": "../../../etc\n"},
        {("lfa", "absent", "no-driver")},
    ),
    "a draft's notification device": Case(
        arm() | KMSG | {"/sys/bus/acpi/devices/ARMHF000:00/hid": "ARMHF000\n"},
        {("lfa", "warning", "notifier-obsolete")},
    ),
    "no file at all": Case({}, {("machine", "warning", "machine-unknown"), ("lfa", "absent", "no-component")}),
    # Files that are nonsense, or not to be read.
    "nonsense": Case(
        {
            "/proc/sys/kernel/arch": "\x1b[2J\n",
            "/proc/cpuinfo": "\xff\x00:::\n\n:\n",
            "/proc/config.gz": "no gzip",
            "/proc/cmdline": "\n",
            "/sys/bus/acpi/devices/INTC1080:/status": "9" * 5000,
            "/etc/livefw/livefw.toml": "",
        },
        {("machine", "ok", "machine")},
    ),
    "mistakes in the settings": Case(
        arm() | KMSG | {"/etc/livefw/livefw.toml": "denny = []\n[[window]]\ndays = ['mon']\nfrom = '02:00'\n"},
        {("policy", "error", "settings-wrong")},
        commands=("livefw --root ROOT --settings ROOT/etc/livefw policy --check",),
        code=1,
    ),
    "settings of a mechanism that are wrong": Case(
        arm() | KMSG | {"/etc/livefw/livefw.toml": "[[redfish.bmc]]\nname = 7\n"},
        {("redfish", "error", "not-examined")},
        code=1,
    ),
    "settings that are no TOML": Case(
        arm() | KMSG | {"/etc/livefw/livefw.toml": "redfish = [\n"},
        {("policy", "error", "settings-wrong"), ("redfish", "error", "not-examined")},
        code=1,
    ),
}


def plant(root: Any, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = root.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1"))


def lines(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(block["name"], each["state"], each["code"]) for block in document["blocks"] for each in block["lines"]}


def commands(document: dict[str, Any]) -> list[str]:
    return [each["command"] for block in document["blocks"] for each in block["lines"] if each["command"]]


@pytest.mark.parametrize("name", CASES)
def test_a_machine_is_told_what_it_has_and_lacks(empty: Any, name: str) -> None:
    case = CASES[name]
    plant(empty, case.files)
    done = empty.run("--json", "doctor")
    document = done.json
    assert case.lines <= lines(document)
    lacks = {block["name"]: block["lacks"] for block in document["blocks"] if block["mechanism"]}
    assert set(lacks) == set(MECHANISMS)
    assert {each: lacks[each] for each in case.lacks} == case.lacks
    told = [each.replace(str(empty.path), "ROOT") for each in commands(document)]
    assert set(case.commands) <= set(told)
    assert done.code == case.code, done.out
    check(document)


PROGRAMS = {"curl", "df", "dmesg", "findmnt", "grep", "livefw", "ls", "modprobe", "pip", "sudo", "systemctl"}


def check(document: dict[str, Any]) -> None:
    """Each next command is a command that there is, and ours are understood by our own parser."""
    for command in commands(document):
        for part in command.split(" | "):
            program, *words = shlex.split(part)
            assert program in PROGRAMS
            if program == "sudo":
                program, *words = words
            if program == "livefw":
                parse(words)
    worst = {each["state"] for block in document["blocks"] for each in block["lines"]}
    assert {each["severity"] for each in document["findings"]} == {
        {"absent": "info", "ok": "info"}.get(state, state) for state in worst
    }


def test_the_text_has_the_same_lines_in_eighty_columns(empty: Any) -> None:
    plant(empty, CASES["a stock server"].files | {PFRUT: "15\n"})
    text, document = empty.run("doctor"), empty.run("--json", "doctor").json
    rows = text.out.split("\n")
    # A path is not broken, and neither is a command.
    assert not [row for row in rows if len(row) > 80 and "next: " not in row and len(row[20:].split()) > 1]
    shown = "".join(text.out.split())
    for block in document["blocks"]:
        assert "".join(block["lines"][0]["text"].split()) in shown
        mark = {"absent": "-"}.get(block["lines"][0]["state"], block["lines"][0]["state"])
        assert any(re.match(rf"{re.escape(mark)} +{block['name']} ", row) for row in rows)
    end = text.out.partition("\nNothing can be activated live here.\n")[2]
    assert "  microcode  a kernel with CONFIG_MICROCODE_LATE_LOADING\n" in end
    assert end.endswith("  next: livefw demo\n")


def test_some_blocks_are_all_that_is_examined(empty: Any) -> None:
    plant(empty, arm())
    document = empty.run("--json", "doctor", "history", "lfa").json
    assert [block["name"] for block in document["blocks"]] == ["lfa", "history"]
    assert "activated live" not in empty.run("doctor", "history", "lfa").out
    assert empty.run("doctor", "nosuch").code == 2


def test_a_machine_with_components_says_by_what(ready: Any) -> None:
    done = ready.run("doctor")
    assert done.code == 0
    assert "\nFirmware can be activated live here by lfa.\n" in done.out
    assert "livefw demo" not in done.out


# Settings, checks and BMCs.

BMC = "[[redfish.bmc]]\nname = '{0}'\nurl = 'https://127.0.0.1:{1}'\ncredentials = '{2}'\n"


def test_each_bmc_that_does_not_reply_is_named(empty: Any) -> None:
    plant(empty, arm() | KMSG | {"/etc/livefw/c": "user\npassword\n"})
    empty.file("/etc/livefw/c").chmod(0o600)
    text = "".join(BMC.format(name, 9, "/etc/livefw/c") for name in ("rack1", "rack2", "rack3"))
    plant(empty, {"/etc/livefw/livefw.toml": text})
    done = empty.run("--json", "doctor", "redfish")
    (block,) = done.json["blocks"]
    assert done.code == 1
    assert [each["state"] for each in block["lines"]] == ["error"] * 3
    for name, each in zip(("rack1", "rack2", "rack3"), block["lines"], strict=True):
        assert f"BMC {name} " in each["text"]
        assert each["command"] == "curl https://127.0.0.1:9/redfish/v1/"


def test_patterns_windows_and_checks_are_told(ready: Any) -> None:
    settings = "deny = ['rmmm']\n[[window]]\ndays = ['sun']\nfrom = '02:00'\nto = '03:00'\n"
    plant(ready, {"/etc/livefw/livefw.toml": settings, "/etc/livefw/checks.d/off": "", "/etc/livefw/checks.d/on": ""})
    plant(ready, {"/etc/livefw/notify.d/mail": ""})
    ready.file("/etc/livefw/checks.d/on").chmod(0o757)
    done = ready.run("--json", "doctor")
    assert {
        ("policy", "warning", "pattern-unmatched"),
        ("policy", "warning", "check-skipped"),
        ("policy", "warning", "notify-broken"),
        ("policy", "error", "check-broken"),
        ("policy", "ok", "settings"),
    } <= lines(done.json)
    assert done.code == 1
    check(done.json)


# The history, what runs, and what waits.


def journal(root: Any) -> Journal:
    return Journal.open(root.environment["LIVEFW_STATE"])


def in_history(root: Any, *, wall_ns: Callable[[], int] = time.time_ns) -> None:
    with closing(Journal.open(root.environment["LIVEFW_STATE"], wall_ns=wall_ns)) as made:
        made.begin(KEY, {"name": "TF-RMM"})
        ended = made.begin("lfa:other one", {"name": "other"})
        made.end(ended, "lfa:other one", {"outcome": "unknown", "name": "other"})


def test_what_the_history_leaves_open_is_told(ready: Any) -> None:
    in_history(ready)
    done = ready.run("--json", "doctor", "history")
    assert {
        ("history", "ok", "history"),
        ("history", "warning", "unfinished"),
        ("history", "warning", "outcome-unknown"),
    } <= lines(done.json)
    assert done.code == 0
    check(done.json)
    assert any(each.endswith("show 'lfa:other one'") for each in commands(done.json))


def test_a_state_directory_of_the_command_line_stands_in_the_commands(ready: Any, tmp_path: Path) -> None:
    in_history(ready)
    state = ready.environment.pop("LIVEFW_STATE")
    done = ready.run("--json", "doctor", "history", "--state", state)
    assert f"livefw --root {ready.path} history --state {state} {KEY}" in commands(done.json)
    check(done.json)


def test_who_is_at_work_is_told_and_what_it_does_is_not_unfinished(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_history(ready)
    monkeypatch.setattr(os, "environ", ready.environment)
    paths = paths_for(str(ready.path), environment=ready.environment)
    with Lock.acquire(paths.lock, paths.root) as lock:
        lock.describe(component=KEY, user="alice")
        done = ready.run("--json", "doctor")
    assert ("activity", "ok", "running") in lines(done.json)
    assert not [each for each in lines(done.json) if each[2] == "unfinished"]
    (text,) = [each["text"] for each in done.json["findings"] if each["code"] == "running"]
    assert KEY in text
    assert f"by alice, process {os.getpid()}" in text


def damaged(state: Path) -> None:
    (state / "history.db").write_bytes(b"SQLite format 3\0" + bytes(4096))


def open_to_all(state: Path) -> None:
    (state / "history.db").chmod(0o666)


def a_directory(state: Path) -> None:
    (state / "history.db").unlink()
    (state / "history.db").mkdir()


def a_pipe(state: Path) -> None:
    (state / "history.db").unlink()
    os.mkfifo(state / "history.db")


@pytest.mark.parametrize("break_it", [damaged, open_to_all, a_directory, a_pipe], ids=lambda each: each.__name__)
def test_a_history_that_cannot_be_used_is_an_error(ready: Any, break_it: Callable[[Path], None]) -> None:
    in_history(ready)
    state = Path(ready.environment["LIVEFW_STATE"])
    for each in state.glob("history.db-*"):
        each.unlink()
    break_it(state)
    done = ready.run("--json", "doctor", "history")
    assert ("history", "error", "history-unreadable") in lines(done.json)
    assert (done.code, f"ls -la {state}" in commands(done.json)) == (1, True)


def test_an_image_that_waits_for_a_month_is_told(ready: Any) -> None:
    long_ago = time.time_ns() - 45 * 86_400 * 10**9
    with closing(Journal.open(ready.environment["LIVEFW_STATE"], wall_ns=lambda: long_ago)) as made:
        made.note(RowKind.PENDING, KEY, {"name": "TF-RMM", "pending": True, "pending_version": "1.2"})
    assert ready.run("list").code == 0  # reads the history once, and keeps what is known beside the lock
    done = ready.run("--json", "doctor", "pending")
    assert lines(done.json) == {("pending", "warning", "pending-long")}
    assert commands(done.json) == [f"livefw --root {ready.path} plan {KEY}"]


@pytest.mark.parametrize(("age", "state", "code"), [(5, "ok", "metrics"), (7200, "warning", "metrics-stale")])
def test_metrics_that_are_old_are_told(ready: Any, age: int, state: str, code: str) -> None:
    file = Path(ready.environment["LIVEFW_STATE"]) / "metrics/livefw.prom"
    file.parent.mkdir(parents=True)
    file.write_text("")
    os.utime(file, (time.time() - age,) * 2)
    document = ready.run("--json", "doctor", "metrics").json
    assert (lines(document), commands(document)) == ({("metrics", state, code)}, [])
    plant(ready, {"/usr/lib/systemd/system/livefw-metrics.timer": ""})
    document = ready.run("--json", "doctor", "metrics").json
    start = ["systemctl enable --now livefw-metrics.timer"]
    assert commands(document) == (start if code == "metrics-stale" else [])


# The daemon and fwupd beside it.


def test_a_service_that_is_enabled_and_does_not_listen_is_an_error(ready: Any, tmp_path: Path) -> None:
    plant(ready, {"/usr/lib/systemd/system/livefwd.socket": ""})
    wants = ready.file("/etc/systemd/system/sockets.target.wants")
    wants.mkdir(parents=True)
    (wants / "livefwd.socket").symlink_to("/usr/lib/systemd/system/livefwd.socket")
    ready.environment["LIVEFW_SOCKET"] = str(tmp_path / "none")
    done = ready.run("--json", "doctor", "daemon")
    assert (done.code, lines(done.json)) == (1, {("daemon", "error", "daemon-down")})
    check(done.json)


def test_a_plug_in_of_fwupd_that_activates_by_itself_is_told(ready: Any) -> None:
    library = "/usr/lib/x86_64-linux-gnu/fwupd-2.0.20/libfu_plugin_arm_lfa.so"
    plant(ready, {"/usr/libexec/fwupd/fwupd": "", library: ""})
    done = ready.run("--json", "doctor", "fwupd")
    assert lines(done.json) == {("fwupd", "ok", "fwupd"), ("fwupd", "warning", "fwupd-plugin")}


# What cannot be read.

BAD_PLACES = [
    "/proc/config.gz",
    "/proc/cpuinfo",
    BOOT,
    f"{MODULES}/modules.dep",
    "/proc/sys/kernel/arch",
    "/run/.containerenv",
]


@pytest.mark.parametrize("kind", ["pipe", "directory", "loop", "huge", "closed"])
def test_nothing_in_the_tree_stops_or_holds_it(empty: Any, kind: str) -> None:
    plant(empty, x86() | {PFRUT: "15\n"})
    for place in BAD_PLACES:
        file = empty.file(place)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "directory":
            file.mkdir()
        elif kind == "loop":
            file.symlink_to(file)
        else:
            file.write_text("")
            os.truncate(file, 1 << 40 if kind == "huge" else 0)
            file.chmod(0o644 if kind == "huge" else 0)
    done = empty.run("--json", "doctor")
    assert done.code == 0, done.out
    assert not [each for each in lines(done.json) if each[1] == "error"]
    assert {block["name"] for block in done.json["blocks"]} >= {"machine", *MECHANISMS}


def say(name: str) -> DiagnosisBlock:
    if name == "fwupd":
        raise SystemExit("a defect")
    if name == "history":
        os.read(NEVER[0], 1)
    return DiagnosisBlock(name, (DiagnosisLine(LineState.OK, name, "text \x1b\ud800"),))


NEVER = os.pipe()


def test_a_block_that_hangs_or_dies_holds_up_no_other() -> None:
    names = ["machine", "history", "policy", "fwupd", "daemon"]
    wait = {"history": 0.5}
    found = [*bounded.examine(names, say, seconds=lambda name: wait.get(name, 60.0))]
    assert [(block.name, block.state) for block in found] == [
        ("machine", LineState.OK),
        ("history", LineState.ERROR),
        ("policy", LineState.OK),
        ("fwupd", LineState.ERROR),
        ("daemon", LineState.OK),
    ]
    assert found[0].lines[0].text == "text \x1b\ud800"
    assert {each.code for block in found for each in block.lines if block.state is LineState.ERROR} == {"no-reply"}


def test_a_defect_is_an_error_of_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(blocks.BLOCKS, "lfa", lambda scene: 1 // 0)
    block = blocks.examine(None, "lfa")  # type: ignore[arg-type]  # it is not looked at
    assert (block.state, block.lines[0].code, block.mechanism) == (LineState.ERROR, "not-examined", True)
    assert "ZeroDivisionError" in block.lines[0].text


@pytest.fixture
def silent(empty: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system whose server takes requests and answers none to read."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    from livefw.machine.config import load

    monkeypatch.setattr(FuseServer, "_read", lambda server, request: None)
    machine = Machine(load("vera"), real_time=True)
    machine.boot()
    tree = MountedTree(machine.tree, machine.runner, directory=str(empty.path))
    yield empty
    tree.close()
    machine.close()


SHORT = """
import sys
from livefw.activation.diagnosis import blocks
blocks.seconds.__defaults__, blocks.SECONDS = None, 1.0
blocks._PATIENT.clear()
from livefw.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.fuse
def test_a_file_that_is_never_answered_holds_up_its_blocks_only(silent: Any) -> None:
    words = ["--root", str(silent.path), "--json", "doctor", "lfa", "packages", "history"]
    done = subprocess.run(
        [sys.executable, "-c", SHORT, *words], capture_output=True, text=True, env=silent.environment, check=False
    )
    document = json.loads(done.stdout)
    states = {block["name"]: block["state"] for block in document["blocks"]}
    assert (done.returncode, states["lfa"], states["history"]) == (1, "error", "absent")
    assert ("lfa", "error", "no-reply") in lines(document)


def test_a_plan_on_a_driver_that_hides_failures_says_so(empty: Any) -> None:
    bench = FakeLfa()
    bench.add(driver="v1")
    empty.plant(bench)
    for line in ("plan", f"show {RMM}"):
        assert "this driver reports a failed activation as a success" in empty.run(*line.split()).out
