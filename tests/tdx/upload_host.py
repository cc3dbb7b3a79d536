# SPDX-License-Identifier: Apache-2.0
"""A kernel with one upload node over a driver of the test's, in virtual time."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.kernel import virtual
from livefw.kernel.clock import VirtualClock
from livefw.kernel.fw_upload import FwUpload, UploadDriver
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Directory, OpenFile, Tree

T = TypeVar("T")
Driver = TypeVar("Driver", bound=UploadDriver)
NODE = "/sys/devices/faux/tdx_host/firmware/tdx_module"


class Host(Generic[Driver]):
    """A kernel with one upload node, and a program that uses it in virtual time."""

    def __init__(self, make_driver: Callable[[Os], Driver], kernel: Kernel) -> None:
        self.clock = VirtualClock()
        agent = LfaAgent(MemoryPlatform(()), profile=PROFILES["tfa-2026"], cpus=2)
        self.os = Os(conduit=agent, clock=self.clock, cpus=2)
        self.tree = Tree(Directory())
        self.driver = make_driver(self.os)
        folder = NODE.rpartition("/")[0]
        self.node = FwUpload(self.os, self.tree, name="tdx_module", directory=folder, driver=self.driver, kernel=kernel)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return virtual.run(self.os, self.clock, work)

    def read(self, name: str, size: int = 4096, offset: int = 0) -> bytes:
        return self.run(self.tree.open(f"{NODE}/{name}", reading=True).read(size, offset))

    def open(self, name: str) -> OpenFile:
        return self.tree.open(f"{NODE}/{name}", writing=True)

    def write(self, name: str, data: bytes) -> int:
        return self.run(self.open(name).write(data))

    def write_all(self, name: str, data: bytes) -> int:
        """By one descriptor, as often as it takes."""
        file, done = self.open(name), 0
        while done < len(data):
            done += self.run(file.write(data[done:]))
        return done

    def mode(self, name: str) -> int:
        directory = self.tree.lookup(NODE)
        assert isinstance(directory, Directory)
        node = directory.get(name)
        assert node is not None
        return node.stat.mode

    def stage(self, data: bytes) -> None:
        self.write("loading", b"1\n")
        self.write_all("data", data)

    def upload(self, data: bytes) -> None:
        self.stage(data)
        self.write("loading", b"0\n")

    def settle(self) -> None:
        virtual.settle(self.os, self.clock)

    def after(self, ns: int) -> None:
        async def nap() -> None:
            await self.os.sleep(ns)

        self.run(nap())
