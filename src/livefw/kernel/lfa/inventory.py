# SPDX-License-Identifier: Apache-2.0
"""The images that the agent reports, and their directories."""

import errno
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, InfoRequest, InventoryRequest
from livefw.abi.smccc import Registers
from livefw.kernel.clock import MS
from livefw.kernel.lfa.codes import c_int
from livefw.kernel.lfa.guards import Guards
from livefw.kernel.lfa.image import GONE, DriverImage
from livefw.kernel.lfa.versions import DriverVersion
from livefw.kernel.log import Level
from livefw.kernel.os import KernelTask, Os
from livefw.kernel.sysfs import Attribute, Directory, Tree

ROOT = "/sys/firmware"
DIRECTORY = "lfa"

MOST_IMAGES = 16_384
"""Sequence ids that a rescan asks for at the most.

Firmware may claim 2**31 - 1 components; the kernel then makes that many calls, and as many directories as firmware
invents GUIDs, until memory ends. A model has to live: it stops here, far beyond any machine, and says so in its log.
"""

CLEANUP_NS = 1 * MS
"""How long the clean-up worker takes. The real figure depends on load; what matters is that it is not nothing:
vanished images stay visible for a while, and where clean-up holds a lock, activations meet it."""

Log = Callable[[Level, str], None]
Files = Callable[[DriverImage], Mapping[str, Attribute]]


class DriverInventory:
    """All known images by GUID, oldest first, in step with the directories below ``/sys/firmware/lfa``.

    A GUID that is reported twice is one image; the last sequence id wins.
    """

    def __init__(self, os: Os, tree: Tree, *, version: DriverVersion, guards: Guards, log: Log) -> None:
        self.images: dict[str, DriverImage] = {}
        self.announces = False
        """Whether a settled inventory is announced by a uevent."""
        self._os = os
        self._tree = tree
        self._version = version
        self._guards = guards
        self._log = log
        self._directory: Directory | None = None
        self._queued = False
        self._working = 0
        self._flushing: deque[KernelTask[Any]] = deque()

    def create(self) -> None:
        """Make the empty top directory."""
        self._directory = self._tree.make_directories(f"{ROOT}/{DIRECTORY}")

    def destroy(self) -> None:
        """Remove everything; open files read ENODEV from now on."""
        self.images.clear()
        if self._directory is not None:
            self._directory = None
            self._tree.make_directories(ROOT).remove(DIRECTORY)

    async def rescan(self, files: Files) -> int:
        """Ask the agent for everything anew; 0 or -ENODEV. An image whose query fails is not found.

        What was not found stays, with sequence id -1, until clean-up.
        """
        if self._version.forgets_before_count:
            self._forget()
        count = await self._count()
        if count <= 0:
            self._log(Level.ERR, self._version.texts.bad_count)
            return -errno.ENODEV
        if not self._version.forgets_before_count:
            self._forget()
        await self._query(min(count, MOST_IMAGES), files)
        if count > MOST_IMAGES:
            self._log(Level.WARNING, f"model: {count} components reported, no more than {MOST_IMAGES} looked at")
        return 0

    def queue_cleanup(self) -> None:
        """Have the worker remove what the last rescan did not find, once, however often it was asked to meanwhile."""
        if not self._queued:
            self._queued = True
            self._working += 1
            self._os.queue_work(self._clean_up(), name="fw_images_update_wq")

    async def flush(self) -> None:
        """Wait until no clean-up is queued or running."""
        while self._working:
            await self._os.park(self._flushing)

    def _forget(self) -> None:
        for image in self.images.values():
            image.forget()

    async def _count(self) -> int:
        """Components in a C ``int``, which makes 2**32 none and 2**31 negative; a positive error passes as a count."""
        reply = await self._os.smc(InfoRequest().encode())
        return c_int(reply[0] or reply[1])

    async def _query(self, count: int, files: Files) -> None:
        reply: Registers | None = None
        for seq_id in range(count):
            request = InventoryRequest(seq_id).encode()
            if reply is not None and self._version.reuses_registers:
                request = Registers(Function.GET_INVENTORY, seq_id, *reply[2:])
            reply = await self._os.smc(request)
            if reply[0] == 0:
                self._found(str(Guid.from_registers(reply[1], reply[2])), files).attach(seq_id, reply)

    def _found(self, guid: str, files: Files) -> DriverImage:
        image = self.images.get(guid)
        if image is None:
            image = self.images[guid] = DriverImage.new(guid, self._version)
            if self._directory is not None:
                self._directory.add(guid, Directory(partial(files, image)))
        return image

    async def _clean_up(self) -> None:
        self._queued = False  # from here on it can be queued again (kernel, workqueue.c)
        async with self._guards.tree_change():
            await self._os.sleep(CLEANUP_NS)
            for guid in [image.guid for image in self.images.values() if image.seq_id == GONE]:
                del self.images[guid]
                if self._directory is not None:
                    self._directory.remove(guid)
            if self.announces and (device := self._version.device) is not None:
                self._os.uevent("change", device.devpath, **dict(device.environment))
        self._working -= 1
        while self._flushing and not self._working:
            self._os.wake(self._flushing.popleft())
