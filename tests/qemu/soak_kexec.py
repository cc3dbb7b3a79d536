# SPDX-License-Identifier: Apache-2.0
"""Another kernel is started by kexec in the middle of an activation; for ``make soak``.

The driver has to end the activation with CANCEL before the kernel goes, and the next one finds firmware in order.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.qemu.scripts import CACHE
from tests.qemu.test_model_of_module import Console
from tests.qemu.test_module import Module, module

from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.qemu import guest_python, initramfs, kernel_file
from livefw.machine.qemu.initramfs import ArchiveFile
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig

__all__ = ["module"]

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
ARGUMENTS = "console=ttyAMA0 panic=-1 loglevel=1"

BEFORE = f"""
import ctypes, struct, threading, time
from livefw.machine.qemu import fdt

FILES = "/sys/firmware/lfa/{RMM}/"
KERNEL, TREE, INITRD, START = 0x50000000, 0x58000000, 0x59000000, 0x5F000000
KEXEC_LOAD, REBOOT, ARM64, KEXEC = 104, 142, 183 << 16, 0x45584543
MAGIC = 0xFEE1DEAD, 672274793


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write():
    try:
        with open(FILES + "activate", "w") as file:
            file.write("1")
    except OSError as error:
        print("the write: ", error.strerror, flush=True)


kernel, second = read("/kernel"), read("/second")
tree = fdt.add(read("/sys/firmware/fdt"), {{"/chosen": {{
    "bootargs": "{ARGUMENTS}", "linux,initrd-start": (INITRD,), "linux,initrd-end": (INITRD + len(second),),
}}}})
# ldr x0, TREE; ldr x16, KERNEL; br x16
start = struct.pack("<4I2Q", 0x58000080, 0x580000B0, 0xD61F0200, 0xD503201F, TREE, KERNEL)
size = int.from_bytes(kernel[16:24], "little")
parts = [(kernel, KERNEL, size), (tree, TREE, 0), (second, INITRD, 0), (start, START, 0)]
buffers = [ctypes.create_string_buffer(data, len(data)) for data, _, _ in parts]
words = [
    word for buffer, (data, at, most) in zip(buffers, parts)
    for word in (ctypes.addressof(buffer), len(data), at, max(len(data), most) + 4095 & ~4095)
]
segments = (ctypes.c_uint64 * len(words))(*words)
call = ctypes.CDLL(None, use_errno=True).syscall
call.argtypes = [ctypes.c_long, *[ctypes.c_uint64] * 4]
print("loaded", call(KEXEC_LOAD, START, len(parts), ctypes.addressof(segments), ARM64), flush=True)
threading.Thread(target=write).start()
while read(FILES + "last_error") != b"ACTIVATE LFA_BUSY -2\\n":
    time.sleep(0.01)
call(REBOOT, *MAGIC, KEXEC, 0)
print("no kexec:", ctypes.get_errno(), flush=True)
"""
AFTER = f"""
stty -echo
echo AGAIN; read -r answer
echo 1 > /sys/firmware/lfa/{RMM}/activate; cat /sys/firmware/lfa/{RMM}/last_error
echo END
"""


@pytest.mark.timeout(0)
def test_kexec_ends_an_activation(module: Callable[[str], Module], python: str, tmp_path: Path) -> None:
    built = module("default")
    busybox, driver = os.fspath(CACHE / "kernel/root/bin/busybox"), (os.fspath(built.files[0]),)
    kernel, initrd = tmp_path / "kernel", tmp_path / "initrd"
    kernel.write_bytes(kernel_file.image(os.fspath(built.kernel)) or built.kernel.read_bytes())
    files = [
        ArchiveFile("kexec.py", stat.S_IFREG | 0o644, BEFORE.encode()),
        ArchiveFile("kernel", stat.S_IFREG | 0o644, kernel.read_bytes()),
        ArchiveFile("second", stat.S_IFREG | 0o644, initramfs.build(busybox, command=AFTER, modules=driver)),
        *guest_python.entries(python),
    ]
    command = "PYTHONPATH=/opt/livefw $(ls /usr/bin/python3.??) -u /kexec.py"
    initrd.write_bytes(initramfs.build(busybox, command=command, modules=driver, more=files))
    qemu = QemuConfig(kernel=os.fspath(kernel), initrd=os.fspath(initrd), arguments=ARGUMENTS, cpus=2, memory_mb=1024)
    console = Console()
    machine = QemuMachine(
        replace(load("vera"), cpus=2), qemu, screen=console.show, ended=lambda: console.lines.put(None)
    )
    machine.stage(RMM, "3.0")
    machine.inject(FaultRequest(name="busy", component=RMM, function="ACTIVATE"))
    machine.boot()
    seen = []
    try:
        for line in console:
            if line == "END":
                break
            seen.append(line)
            if line == "AGAIN":
                machine.clear_faults()
                machine.type(b"\n")
    finally:
        calls = [call.text.partition(" ")[2] for call in machine.trace.since(0)]
        machine.close()
    print("\n".join(seen))
    assert seen[-1] == "ACTIVATE LFA_SUCCESS 0"
    versions = [place for place, call in enumerate(calls) if call.startswith("LFA_VERSION")]
    last = [call.partition("(")[0] for call in calls[versions[0] : versions[1]] if "INVENTORY" not in call]
    assert last[-3:] == ["LFA_ACTIVATE", "LFA_CANCEL", "LFA_GET_INFO"]
