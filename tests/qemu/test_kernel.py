# SPDX-License-Identifier: Apache-2.0
"""Debian's own arm64 kernel on the monitor, and a machine that can be changed while it runs."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import livefw
from livefw.abi.lfa import Function, LfaStatus
from livefw.abi.smccc import Registers
from livefw.cli.main import main
from livefw.errors import Refused
from livefw.machine.config import load
from livefw.machine.control import ShowCommand, StageCommand, TraceCommand
from livefw.machine.faults import FaultRequest
from livefw.machine.qemu import initramfs
from livefw.machine.qemu.frames import Frame, Type
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig, firmware

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE", Path.home() / ".cache/livefw"), "kernel")


class Files(NamedTuple):
    kernel: str
    busybox: str


@pytest.fixture
def debian() -> Files:
    kernels = sorted(CACHE.glob("root/boot/vmlinuz-*"))
    if not kernels:
        missing = CACHE / "unavailable"
        if missing.exists():
            pytest.xfail(missing.read_text(encoding="utf-8").strip())
        pytest.skip("no arm64 kernel in the test cache; make packages")
    return Files(os.fspath(kernels[-1]), os.fspath(CACHE / "root/bin/busybox"))


HOTPLUG = """
echo "start: $(cat /sys/devices/system/cpu/online)"
dmesg | grep -q 'SMC Calling Convention v1.2' && echo smccc
for cpu in /sys/devices/system/cpu/cpu[1-9]; do
    [ -e $cpu/online ] && echo 0 > $cpu/online && echo "without: $(cat /sys/devices/system/cpu/online)"
    [ -e $cpu/online ] && echo 1 > $cpu/online
done
echo "end: $(cat /sys/devices/system/cpu/online)"
"""


@pytest.mark.parametrize(
    ("cpus", "more", "expected"),
    [
        (1, ["--el1"], ["start: 0", "smccc", "end: 0"]),
        (2, [], ["start: 0-1", "smccc", "without: 0", "end: 0-1"]),
        (4, [], ["start: 0-3", "smccc", "without: 0,2-3", "without: 0-1,3", "without: 0-2", "end: 0-3"]),
    ],
)
def test_debians_kernel(
    debian: Files,
    cpus: int,
    more: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path))
    words = ["machine", "run", "--platform", "fvp", "--cpus", str(cpus), "--qemu", debian.kernel, *more]
    words += ["--busybox", debian.busybox, "--guest-command", HOTPLUG, "--append", "loglevel=1"]
    assert main(words) == 0
    lines = capfdbinary.readouterr().out.decode().replace("\r", "").split("\n")
    assert [line for line in lines if line.split(":")[0] in {"start", "smccc", "without", "end"}] == expected
    assert list(tmp_path.iterdir()) == []


def test_what_a_guest_prints_last_is_not_lost(
    debian: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path))
    words = ["machine", "run", "--platform", "fvp", "--cpus", "1", "--qemu", debian.kernel, "--append", "loglevel=1"]
    assert main([*words, "--busybox", debian.busybox, "--guest-command", "seq 1 3000; printf the-last-word"]) == 0
    printed = capfdbinary.readouterr().out.decode().replace("\r", "")
    assert "".join(f"{number}\n" for number in range(1, 3001)) + "the-last-word" in printed


def test_guest_reads_and_writes_its_disk(
    debian: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    runtime, disk = tmp_path / "run", tmp_path / "disk,1"
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(runtime))
    disk.write_bytes(b"written outside\n".ljust(1 << 20, b"\0"))
    command = "head -n 1 /dev/nvme0n1; printf 'written inside' | dd of=/dev/nvme0n1 bs=4096 conv=sync,fsync"
    words = ["machine", "run", "--platform", "fvp", "--cpus", "1", "--qemu", debian.kernel, "--disk", str(disk)]
    assert main([*words, "--busybox", debian.busybox, "--guest-command", command, "--append", "loglevel=1"]) == 0
    assert b"written outside" in capfdbinary.readouterr().out
    assert disk.read_bytes().startswith(b"written inside\0")


@pytest.mark.parametrize("sent", [b"", b"last", b"x" * 70_000])
def test_what_has_come_over_the_console_is_shown_before_the_end(sent: bytes) -> None:
    shown: list[bytes] = []
    machine = QemuMachine(load("vera"), QemuConfig(kernel=__file__), screen=shown.append)
    ours, guests = socket.socketpair()
    with ours, guests:
        guests.setblocking(False)
        guests.sendall(sent)
        os.write(machine._stop[1], b"x")
        machine._read(ours)
    machine.close()
    assert b"".join(shown) == sent


INSIDE = """
livefw --version
livefw doctor
livefw list
echo "list: $?"
livefw history
echo "history: $?"
livefw machine platforms
echo "platforms: $?"
"""


def test_livefw_runs_inside_the_guest(
    debian: Files,
    python: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Debian's kernel has no LFA driver: that is what doctor finds out, and it is no mistake of architecture."""
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path))
    words = ["machine", "run", "--platform", "fvp", "--cpus", "2", "--qemu", debian.kernel, "--append", "loglevel=1"]
    words += ["--busybox", debian.busybox, "--guest-python", python, "--guest-command", INSIDE]
    assert main(words) == 0
    lines = capfdbinary.readouterr().out.decode().replace("\r", "").split("\n")
    assert f"livefw {livefw.__version__}" in lines
    assert "-        lfa        /sys/firmware/lfa is missing or lists no component" in lines
    assert any(line.startswith("-                   no LFA driver is visible") for line in lines)
    assert "list: 3" in lines
    assert "history: 3" in lines
    assert "livefw: the Python package msgspec is not installed" in lines
    assert "platforms: 7" in lines
    assert not any("unexpected" in line or "Traceback" in line for line in lines)


Boot = Callable[..., QemuMachine]


@pytest.fixture
def boot() -> Iterator[Boot]:
    machines: list[QemuMachine] = []

    def make(**qemu: object) -> QemuMachine:
        machine = QemuMachine(load("vera"), QemuConfig(**qemu))  # type: ignore[arg-type]  # as the caller says
        machines.append(machine)
        machine.boot()
        return machine

    yield make
    for machine in machines:
        machine.close()


def until(done: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_notification_reaches_the_kernels_interrupt_controller(boot: Boot, debian: Files, tmp_path: Path) -> None:
    """Bit 8 of GICD_ISPENDR7 is interrupt 232."""
    command = "while [ $(devmem 0x0800021c) = 0x00000000 ]; do echo waiting; sleep 0.1; done; devmem 0x0800021c"
    initrd = tmp_path / "initrd"
    initrd.write_bytes(initramfs.build(debian.busybox, command=command))
    machine = boot(kernel=debian.kernel, initrd=str(initrd), arguments="console=ttyAMA0 loglevel=1 iomem=relaxed")
    until(lambda: any("waiting" in record.text for record in machine.os.log))
    machine.notify()
    assert machine.wait(30)
    until(lambda: any("0x00000100" in record.text for record in machine.os.log))
    assert machine.problems == ()


def ask(machine: QemuMachine, cpu: int, *words: int) -> Registers:
    """Let the test guest issue a call; what the agent answered, as the trace has it."""
    sequence = machine.trace.next_sequence
    machine.type(Frame(Type.CALL, cpu, 0, dict(enumerate(words))).encode())
    until(lambda: machine.trace.next_sequence > sequence)
    call = next(machine.trace.since(sequence))
    assert call.cpu == cpu
    assert isinstance(call.outcome, Registers)
    return call.outcome


def test_stage_fault_show_and_trace_while_it_runs(boot: Boot) -> None:
    machine = boot(kernel=firmware("guest.bin"), cpus=2, memory_mb=256)
    scp = 0
    assert ask(machine, 0, Function.GET_INVENTORY, scp)[3] & 2 == 0
    assert StageCommand(component="0509b633", version="4.0").run(machine)["version"] == "4.0"
    answer = ask(machine, 0, Function.GET_INVENTORY, scp)
    assert answer[3] & 2
    assert answer[5] == 4 << 32
    machine.inject(FaultRequest(name="auth-error", component="0509b633", times=1))
    assert ask(machine, 0, Function.PRIME, scp)[0] == LfaStatus.AUTH_ERROR.word
    while ask(machine, 0, Function.PRIME, scp)[:2] == (0, 1):
        pass
    while ask(machine, 0, Function.ACTIVATE, scp, 1)[:2] == (0, 1):
        pass
    shown = ShowCommand().run(machine)
    assert shown["components"][scp]["current_version"] == "4.0"
    assert shown["online"] == 1
    assert "LFA_PRIME" in TraceCommand().run(machine)["calls"][-4]["line"]
    with pytest.raises(Refused, match="belongs to the guest"):
        machine.cpu_off(0)


def test_files_that_are_missing_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = tmp_path / "Image"
    kernel.write_bytes(bytes(56) + b"ARM\x64" + bytes(100))
    for words, said in (
        (["--qemu", "/none"], "/none: No such file"),
        (["--qemu", str(tmp_path)], f"{tmp_path}: it is a directory"),
        (["--qemu", str(kernel), "--busybox", "/none"], "/none: No such file"),
        (["--qemu", str(kernel), "--mount", "x"], "--mount is for modelled machines"),
    ):
        assert main(["machine", "run", "--platform", "fvp", *words]) == 2
        assert said in capsys.readouterr().err
