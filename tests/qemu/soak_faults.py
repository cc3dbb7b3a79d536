# SPDX-License-Identifier: Apache-2.0
"""livefw in a real kernel with the driver of dkms/, over firmware with each fault of the table, one after the other.

For `make soak`: an emulated CPU takes minutes. What livefw says is compared with what really
took over, which the firmware knows; and then it has to recover.
"""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.qemu.scripts import CACHE
from tests.qemu.test_model_of_module import SILENCE, Console
from tests.qemu.test_module import Module, module

from livefw.machine.config import load
from livefw.machine.faults import FAULTS, FaultRequest, FaultScope
from livefw.machine.qemu import guest_python, initramfs, kernel_file
from livefw.machine.qemu.initramfs import ArchiveFile
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig

RMM, SCP = "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "65922703-2f74-e644-8dff-579ac1ff0610"

__all__ = ["module"]

LEFT_OUT = {"hang", "reset"}
"""Nothing is left then that could say anything."""
UNSEEN = {"secondary-refuses"}
"""The firmware says SUCCESS, and nothing that can be read shows that it is dead."""

INSIDE = """
import json, os, sys
import livefw

os.system("insmod /livefw_lfa.ko prime_ms=5000 activate_ms=5000")
print("BEGIN", flush=True)
for line in sys.stdin:
    guid = json.loads(line)
    try:
        with open(f"/sys/firmware/lfa/{guid}/force_cpu_rendezvous", "w") as file:
            file.write("0")
        with livefw.connect("/", record=False) as host:
            listed = [each.key for each in host.components()]
            (planned,) = host.plan(f"lfa:{guid}").steps[:1] or [None]
            said = [each.result.outcome for each in host.activate(f"lfa:{guid}") if isinstance(each, livefw.Attempt)]
    except (livefw.errors.LivefwError, OSError) as error:
        listed, said = [], [repr(error)]
    print("@" + json.dumps([len(listed), *map(str, said)]), flush=True)
"""


class Told(NamedTuple):
    """What livefw said of one activation, and whether an image really took over."""

    listed: int
    outcome: str
    committed: bool

    @property
    def untrue(self) -> bool:
        if self.outcome == "activated":
            return not self.committed
        return self.committed and self.outcome in {"failed", "refused"}


class Host:
    """A guest with livefw in it, whose program answers each line of JSON with one that begins with ``@``."""

    def __init__(self, platform: str, module: Module, python: str, folder: Path, *, inside: str = INSIDE) -> None:
        self.console = Console()
        kernel, initrd = folder / "kernel", folder / "initrd"
        kernel.write_bytes(kernel_file.image(os.fspath(module.kernel)) or module.kernel.read_bytes())
        files = [
            *guest_python.entries(python),
            ArchiveFile("inside.py", stat.S_IFREG | 0o644, inside.encode()),
            ArchiveFile("livefw_lfa.ko", stat.S_IFREG | 0o644, module.files[0].read_bytes()),
        ]
        command = "stty -echo; PYTHONPATH=/opt/livefw $(ls /usr/bin/python3.??) -u /inside.py"
        busybox = os.fspath(CACHE / "kernel/root/bin/busybox")
        initrd.write_bytes(initramfs.build(busybox, command=command, more=files))
        qemu = QemuConfig(
            kernel=os.fspath(kernel),
            initrd=os.fspath(initrd),
            arguments="console=ttyAMA0 panic=-1 loglevel=1",
            cpus=2,
        )
        self.machine = QemuMachine(
            replace(load(platform), cpus=2), qemu, screen=self.console.show, ended=lambda: self.console.lines.put(None)
        )
        self.machine.boot()
        self._lines = iter(self.console)
        while next(self._lines) != "BEGIN":
            pass

    def activate(self, guid: str) -> Told:
        """Have livefw activate what is pending."""
        before = self.machine.platform.next_commit
        listed, *outcomes = self.ask(guid)
        return Told(listed, outcomes[0] if outcomes else "nothing", self.machine.platform.next_commit > before)

    def ask(self, request: Any) -> Any:
        """What the program in the guest answers."""
        self.machine.type(json.dumps(request).encode() + b"\n")
        lines = []
        for line in self._lines:
            if line.startswith("@"):
                break
            lines.append(line)
        else:
            pytest.fail("\n".join(["the guest has ended", *lines[-30:]]))
        return json.loads(line[1:])

    def renew(self, guid: str) -> None:
        """A machine on which nothing is wrong, with a new image, of which the platform notifies the driver.

        Components that a scan could not read have no id before the next one.
        """
        self.machine.clear_faults()
        with self.machine.runner.lock:
            components = self.machine.platform.components()
            for component in components:
                component.dead = False
            scanned = self.machine.trace.next_sequence + 1 + len(components)
        self.machine.stage(guid)
        self.machine.notify()
        end = time.monotonic() + SILENCE
        while self.machine.trace.next_sequence < scanned and time.monotonic() < end:
            time.sleep(0.005)


def played(host: Host, guid: str, ends_well: str) -> Iterator[tuple[str, Any]]:
    """Each fault that ended untrue, or after which livefw did not recover."""
    names = sorted(set(FAULTS) - LEFT_OUT, key=lambda name: (name == "vanish-after", name))
    for name in names:
        host.renew(guid)
        component = None if FAULTS[name].target is FaultScope.NONE else guid
        host.machine.inject(FaultRequest(name=name, component=component))
        told = host.activate(guid)
        print(name, told)
        if told.untrue and name not in UNSEEN:
            yield name, told
        if name == "vanish-after":
            return
        host.renew(guid)
        again = host.activate(guid)
        if not again.committed or again.outcome != ends_well:
            yield f"after {name}", again


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("platform", "guid", "ends_well"),
    [("vera", SCP, "activated"), ("vera", RMM, "activated"), ("fvp", RMM, "unknown")],
)
def test_each_fault_is_told_as_it_is_and_left_behind(
    module: Callable[[str], Module], python: str, platform: str, guid: str, ends_well: str, tmp_path: Path
) -> None:
    host = Host(platform, module("default"), python, tmp_path)
    try:
        assert list(played(host, guid, ends_well)) == []
    finally:
        host.machine.close()
