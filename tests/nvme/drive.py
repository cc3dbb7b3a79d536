# SPDX-License-Identifier: Apache-2.0
"""A machine with modelled drives behind the seam of files: sysfs as Linux lays it out, links and all, and the ioctl."""

from collections.abc import Iterable
from typing import Any

from livefw.activation import fake
from livefw.activation.events import Control, drain
from livefw.activation.execution import mechanism
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.mishaps import Mishaps
from livefw.activation.outcome import Result
from livefw.files.protocol import DeviceCall, DeviceReply
from livefw.machine.nvme.linux import LinuxController
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.providers.base import Claim, Component, ImagePackage, Progress
from livefw.providers.fake import SETTINGS, FakeFiles, attributes
from livefw.providers.nvme.provider import NvmeProvider
from livefw.providers.registry import providers

MOUNTED = "/proc/1/mountinfo"
ELSEWHERE = "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


class _Device:
    def __init__(self, machine: "Machine", controller: LinuxController) -> None:
        self._machine = machine
        self._controller = controller

    def call(self, call: DeviceCall) -> DeviceReply:
        assert call.buffer is None or call.buffer.pointer_at == 24
        done = self._controller.ioctl(call.request, call.data, call.buffer.data if call.buffer else b"")
        self._machine.refresh()
        return DeviceReply(done.error, call.data, done.value, done.data if call.buffer else b"")


class _Files(FakeFiles):
    """The attributes are as the kernel has them at the moment they are read."""

    machine: "Machine"

    def names(self, path: str) -> list[str]:
        self.machine.refresh()
        return super().names(path)


class Machine:
    """Drives, each with one controller or several, and one namespace with the block device ``nvmeXn1``."""

    def __init__(self, *specs: DriveSpec, faults: Iterable[str] = (), settings: str = "") -> None:
        self.files = _Files({SETTINGS: f"{settings}\n".encode(), MOUNTED: ELSEWHERE.encode()})
        self.files.machine = self
        self.clock = self.files.clock
        self.drives: list[Subsystem] = []
        self.controllers: list[LinuxController] = []
        for spec in specs or (DriveSpec(),):
            subsystem = Subsystem(spec, self.clock.now, faults)
            self.drives.append(subsystem)
            for number in range(spec.controllers):
                name = f"nvme{len(self.controllers)}"
                made = LinuxController(name, subsystem, self.files.say, number + 1)
                self.controllers.append(made)
                self.files.links[f"/sys/class/nvme/{name}"] = f"../../{self.place(name).removeprefix('/sys/')}"
                self.files.devices[f"/dev/{name}"] = _Device(self, made)
                self.files.tree |= attributes(self.pci(name), vendor="0x144d", device="0xa80a")
        self._provider: NvmeProvider | None = None
        self.refresh()

    @staticmethod
    def pci(name: str) -> str:
        return f"/sys/devices/pci0000:00/0000:0{name[4:]}:00.0"

    @classmethod
    def place(cls, name: str) -> str:
        return f"{cls.pci(name)}/nvme/{name}"

    def refresh(self) -> None:
        """What a fault like a dead drive leaves of the files, too."""
        for each in self.controllers:
            if f"/sys/class/nvme/{each.name}" in self.files.links:
                self.files.tree |= attributes(self.place(each.name), **each.attributes())

    def remove(self, name: str) -> None:
        """A drive leaves the bus."""
        self.files.remove(self.place(name))
        del self.files.links[f"/sys/class/nvme/{name}"], self.files.devices[f"/dev/{name}"]

    def block(self, name: str = "nvme0n1", *, number: str = "259:0", parent: str = "") -> str:
        """A namespace as a block device, or a partition of one; its directory."""
        place = parent or self.place(name.partition("n1")[0])
        self.files.tree |= attributes(f"{place}/{name}", dev=number)
        self.files.links[f"/sys/class/block/{name}"] = f"../../{place.removeprefix('/sys/')}/{name}"
        return f"{place}/{name}"

    def hold(self, path: str, holder: str, **texts: str) -> str:
        """A virtual block device on top of one: ``md0`` or ``dm-0``, with attributes; its directory."""
        above = f"/sys/devices/virtual/block/{holder}"
        self.files.links[f"{path}/holders/{holder}"] = f"../../{holder}"
        self.files.links[f"/sys/class/block/{holder}"] = f"../../devices/virtual/block/{holder}"
        member = path.rpartition("/")[2]
        self.files.links[f"{above}/slaves/{member}"] = f"../../{member}"
        if "md__level" in texts:
            self.files.tree[f"{above}/md/dev-{member}/state"] = b"in_sync\n"
        for name, text in {"dev": f"9:{holder[2:].strip('-')}", **texts}.items():
            self.files.tree[f"{above}/{name.replace('__', '/')}"] = f"{text}\n".encode()
        return above

    def mount(self, *rows: tuple[str, str, str]) -> None:
        """Mounts as number, point, source."""
        lines = (f"30 23 {number} / {point} rw - ext4 {source} rw\n" for number, point, source in rows)
        self.files.tree[MOUNTED] = (ELSEWHERE + "".join(lines)).encode()

    @property
    def provider(self) -> NvmeProvider:
        if self._provider is None:
            found: Any = next(each for each in providers(self.files, self.clock) if each.name == "nvme")
            self._provider = found
        assert self._provider is not None
        return self._provider

    @property
    def ident(self) -> str:
        return "livefw_modelled_NVMe_LFW0001"

    def component(self, ident: str = "") -> Component:
        found = self.provider.inspect(ident or self.ident)
        assert found
        return found

    def stage(self, image: bytes, ident: str = "") -> Claim:
        running = self.provider.stage(ident or self.ident, ImagePackage("drive.bin", image), onlooker)
        assert running.wait(None)
        return running.claim

    def staged(self, version: str = "2.0") -> "Machine":
        """The same, with an image in a slot."""
        assert self.stage(self.drives[0].spec.image(version)).reply == "accepted"
        return self

    def activate(self, ident: str = "", *, ignore: tuple[str, ...] = fake.IGNORABLE) -> Result:
        return fake.activate(self.provider, ident or self.ident, files=self.files, clock=self.clock, ignore=ignore)

    def cancel(self) -> Result:
        candidate = Candidate(self.provider, self.component())
        return drain(mechanism.cancel(candidate, control=Control(), clock=self.clock, mishaps=Mishaps()))


def onlooker(_: Progress) -> None: ...
