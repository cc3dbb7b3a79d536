# SPDX-License-Identifier: Apache-2.0
"""The newest kernel that Debian has, for the virtual machine of virtual_machine.py.

Its drivers of the disk are modules, as on a server. So it comes with an initrd, which loads them, copies all modules
onto the disk and starts what is there.
"""

import lzma
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from livefw.machine.qemu import initramfs
from livefw.machine.qemu.initramfs import ArchiveFile

from .conftest import CACHE, need

KERNEL = CACHE / "machine-kernel"
_FOR_THE_DISK = ("nvme", "ext4")
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
# One after the other: what is found at once gets its number by chance.
echo 0 >/sys/bus/pci/drivers_autoprobe
for module in /modules/*; do insmod "$module"; done
for device in /sys/bus/pci/devices/*; do
    [ "$(cat "$device/class")" != 0x010802 ] || echo "${device##*/}" >/sys/bus/pci/drivers/nvme/bind
done
echo 1 >/sys/bus/pci/drivers_autoprobe
until [ -b /dev/nvme0n1 ] && [ -b /dev/nvme1n1 ]; do sleep 0.1; done
mount -t ext4 /dev/nvme0n1 /root
cp -r /lib/modules/* /root/lib/modules
umount /proc /sys /dev
exec switch_root /root /sbin/init
"""


def newest(folder: Path) -> Sequence[str]:
    """The kernel and its initrd, as `virtual_machine.story` takes them; the test is skipped where there is none."""
    busybox = need("busybox", "busybox-static")
    found = sorted(KERNEL.glob("lib/modules/*/vmlinuz"))
    if not found:
        why = KERNEL.with_name(f"{KERNEL.name}.unavailable")
        reason = why.read_text(encoding="utf-8").strip() if why.exists() else "scripts/setup.sh packages"
        pytest.skip(f"the newest kernel is missing: {reason}")
    initrd = folder / "initrd"
    files = [*_loaded(found[-1].parent), *_modules(found[-1].parent)]
    files += [ArchiveFile("init", stat.S_IFREG | 0o755, _INIT.encode()), ArchiveFile("root", stat.S_IFDIR | 0o755)]
    initrd.write_bytes(initramfs.build(busybox, more=files))
    return "-kernel", str(found[-1]), "-initrd", str(initrd)


def _loaded(modules: Path) -> Iterator[ArchiveFile]:
    """What the disk needs, in the order in which it can be loaded, as busybox can read it."""
    lines = (modules / "modules.dep").read_text(encoding="ascii").splitlines()
    needs = {path: below.split() for path, _, below in (line.partition(":") for line in lines)}
    wanted = [path for name in _FOR_THE_DISK for path in needs if path.endswith(f"/{name}.ko.xz")]
    order = dict.fromkeys(each for path in wanted for each in (*reversed(needs[path]), path))
    for index, path in enumerate(order):
        data = lzma.decompress((modules / path).read_bytes())
        yield ArchiveFile(f"modules/{index:03d}-{Path(path).stem}", stat.S_IFREG | 0o644, data)


def _modules(modules: Path) -> Iterator[ArchiveFile]:
    """All of them, with what modprobe reads."""
    top = modules.parents[1]
    yield ArchiveFile("lib", stat.S_IFDIR | 0o755)
    yield ArchiveFile("lib/modules", stat.S_IFDIR | 0o755)
    for path in (modules, *sorted(modules.rglob("*"))):
        name = f"lib/{path.relative_to(top)}"
        if path.is_dir():
            yield ArchiveFile(name, stat.S_IFDIR | 0o755)
        elif path.name not in ("vmlinuz", "System.map"):
            yield ArchiveFile(name, stat.S_IFREG | 0o644, path.read_bytes())
