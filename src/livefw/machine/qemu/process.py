# SPDX-License-Identifier: Apache-2.0
"""QEMU as a process: what it needs, how it is started, and that nothing of it stays."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from livefw.errors import MechanismFailed, NotInstalled, UsageError
from livefw.machine.qemu import acpi, fdt
from livefw.machine.qemu.frames import CPUS
from livefw.machine.qemu.scratch import Scratch

NOTIFICATION_INTID = 232
"""The shared interrupt of ``arm,lfa``: SPI 200, which QEMU's virt machine leaves free."""

_SPI_0 = 32
_EDGE = 1
_KERNEL, _TREE, _INITRD = 0x4020_0000, 0x47E0_0000, 0x4800_0000
MEMORY_MB = 512
_MOST_MB = 255 * 1024
"""All that QEMU's virt machine has below its second range of addresses for devices."""
_LEAST_MB = 192
"""Up to where the initramfs is, and what a kernel needs."""
_START_S = 20.0
PROGRAM = "qemu-system-aarch64"


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuConfig:
    """One QEMU. ``kernel`` is an arm64 Image or a raw program for 0x40200000."""

    kernel: str
    initrd: str | None = None
    arguments: str = ""
    cpus: int = 2
    memory_mb: int = MEMORY_MB
    cpu: str = "cortex-a76"
    el2: bool = True
    """Whether the kernel starts at EL2; otherwise the machine has none, and it starts at EL1."""
    acpi: bool = False
    """Whether the kernel has ACPI tables, and LFA's device in them; otherwise it is in the device tree."""
    disk: str | None = None
    """A raw image, which the guest writes to: ``/dev/nvme0n1``."""
    gdb: str | None = None
    """Where QEMU's gdbstub listens, as in its option ``-gdb``."""

    def __post_init__(self) -> None:
        if not 1 <= self.cpus <= CPUS:
            raise UsageError(f"cpus: {self.cpus} is not between 1 and {CPUS}, the number that the monitor supports")
        for path in filter(None, (self.kernel, self.initrd, self.disk)):
            if not os.path.isfile(path):
                raise UsageError(f"{path} is not a file")
        # An initramfs is there twice while the kernel unpacks it.
        least = _LEAST_MB + (2 * os.path.getsize(self.initrd) >> 20 if self.initrd else 0)
        if not least <= self.memory_mb <= _MOST_MB:
            raise UsageError(f"memory: {self.memory_mb} MiB is not between {least} and {_MOST_MB}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashConfig:
    """One QEMU that starts what is in its flash, at EL3. ``options`` are QEMU's own, and the last word."""

    image: bytes
    cpus: int = 2
    options: tuple[str, ...] = ()


def firmware(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Path of ``monitor.bin`` or ``guest.bin``; `UsageError` says how to get it."""
    folders = [environment.get("LIVEFW_MONITOR"), os.path.join(os.path.dirname(__file__), "firmware")]
    for folder in filter(None, folders):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise UsageError(
        f"there is no {name}",
        hint="make monitor (on Debian: apt-get install gcc-aarch64-linux-gnu), or set LIVEFW_MONITOR to its folder",
    )


class Qemu:
    """A running QEMU with two sockets: ``agent`` to the monitor, ``console`` to the guest's first UART.

    Firmware of somebody else has no ``agent``.
    """

    agent: socket.socket

    def __init__(self, config: QemuConfig | FlashConfig) -> None:
        """Start it; `UsageError` and `NotInstalled` for what is missing, `MechanismFailed` if it does not come up."""
        if shutil.which(PROGRAM) is None:
            raise NotInstalled(f"{PROGRAM} is not installed", hint="Debian: apt-get install qemu-system-arm")
        self._scratch = Scratch()
        self._folder = self._scratch.path
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: list[socket.socket] = []
        try:
            command = self._machine(config) if isinstance(config, QemuConfig) else self._flash(config)
            self._process = self._start(command)
            # In the order of the options: QEMU waits for one after the other, so that no byte gets lost.
            self.console = self.connect("console")
            if isinstance(config, QemuConfig):
                self.agent = self.connect("agent")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """QEMU's process."""
        return self._process.pid if self._process else 0

    def connect(self, name: str) -> socket.socket:
        """A connection to ``agent`` or ``console``; the one before must be closed."""
        deadline = time.monotonic() + _START_S
        while True:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                link.connect(os.path.join(self._folder, name))
            except OSError as error:
                link.close()
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    raise MechanismFailed(f"QEMU did not start: {self.complaints() or 'no output'}") from error
                time.sleep(0.01)
            else:
                self._sockets.append(link)
                return link

    def wait(self, seconds: float) -> bool:
        """Wait until the machine has switched itself off; whether it has."""
        with suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(seconds)
            return True
        return False

    def failure(self) -> str:
        """How it ended by itself, if that was no success; empty while it runs."""
        code = self._process.poll() if self._process else None
        if not code:
            return ""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ": ".join(filter(None, (f"QEMU {how}", self.complaints().replace("\n", "; "))))

    def close(self) -> None:
        """End it, whatever it does."""
        for link in self._sockets:
            link.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._scratch.close()

    def complaints(self) -> str:
        """What QEMU itself complained of."""
        with suppress(OSError), open(os.path.join(self._folder, "errors"), encoding="utf-8", errors="replace") as file:
            lines = file.read(1000).splitlines()
            return "\n".join(line for line in lines if "waiting for connection" not in line)
        return ""

    def _flash(self, config: FlashConfig) -> list[str]:
        path = os.path.join(self._folder, "flash")
        with open(path, "wb") as file:
            file.write(config.image)
        command = [PROGRAM, "-M", "virt,secure=on,gic-version=3", "-cpu", "cortex-a57", "-smp", str(config.cpus)]
        command += ["-m", "1024", "-nodefaults", "-no-reboot", "-display", "none", "-bios", path]
        return [*command, *self._serial("console"), *config.options]

    def _serial(self, *names: str) -> list[str]:
        """The machine's UARTs, in this order: the first is the guest's."""
        options = []
        for name in names:
            path = os.path.join(self._folder, name).replace(",", ",,")
            options += ["-chardev", f"socket,id={name},path={path},server=on,wait=on", "-serial", f"chardev:{name}"]
        return options

    def _machine(self, config: QemuConfig) -> list[str]:
        virtualization = "on" if config.el2 else "off"
        machine = f"virt,secure=on,gic-version=3,virtualization={virtualization}"
        command = [PROGRAM, "-M", machine, "-cpu", config.cpu, "-smp", str(config.cpus), "-m", str(config.memory_mb)]
        command += ["-nodefaults", "-no-reboot", "-display", "none", "-bios", firmware("monitor.bin")]
        tree = os.path.join(self._folder, "tree")
        dump = [*command]
        dump[2] += f",dumpdtb={tree}"
        done = subprocess.run(dump, capture_output=True, text=True, check=False, timeout=_START_S)
        if done.returncode or not os.path.exists(tree):
            raise MechanismFailed(f"QEMU did not make a device tree: {done.stderr.strip()[:500]}")
        with open(tree, "rb") as file:
            patched = fdt.add(file.read(), _additions(config))
        with open(tree, "wb") as file:
            file.write(patched)
        images = [(config.kernel, _KERNEL), (tree, _TREE)] + ([(config.initrd, _INITRD)] if config.initrd else [])
        if config.acpi:
            images.append((os.path.join(self._folder, "acpi"), acpi.ADDRESS))
            with open(images[-1][0], "wb") as file:
                file.write(acpi.tables(cpus=config.cpus, memory_mb=config.memory_mb, notification=NOTIFICATION_INTID))
        for path, address in images:
            command += ["-device", f"loader,file={path.replace(',', ',,')},addr={address:#x},force-raw=on"]
        command += self._serial("console", "agent")
        if config.disk:
            command += ["-drive", f"if=none,id=disk,format=raw,file={config.disk.replace(',', ',,')}"]
            # Debian's kernels for clouds have the driver built in, so that they need no initramfs.
            command += ["-device", "nvme,drive=disk,serial=livefw"]
        if config.gdb:
            command += ["-gdb", config.gdb]
        return command

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        if shutil.which("setpriv"):  # so that it ends with this process, however that ends
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with open(os.path.join(self._folder, "errors"), "wb") as errors:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)


def _additions(config: QemuConfig) -> dict[str, dict[str, fdt.Value]]:
    """What the monitor does and QEMU's own tree does not tell."""
    chosen: dict[str, fdt.Value] = {"bootargs": config.arguments}
    if config.acpi:
        chosen["bootargs"] = f"{config.arguments} {acpi.ARGUMENTS}"
        chosen |= acpi.properties(config.memory_mb)
    if config.initrd:
        end = _INITRD + os.path.getsize(config.initrd)
        chosen |= {"linux,initrd-start": (_INITRD,), "linux,initrd-end": (end,)}
    return {
        "/chosen": chosen,
        "/cpus/cpu@*": {"enable-method": "psci"},
        "/psci": {"compatible": b"arm,psci-1.0\0arm,psci-0.2\0", "method": "smc"},
        "/lfa": {"compatible": "arm,lfa", "interrupts": (0, NOTIFICATION_INTID - _SPI_0, _EDGE)},
    }
