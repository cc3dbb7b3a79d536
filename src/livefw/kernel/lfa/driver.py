# SPDX-License-Identifier: Apache-2.0
"""The driver put together: loading, unloading, notifications, and the two triggers."""

import errno
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from livefw.abi.lfa import VersionRequest
from livefw.abi.smccc import NOT_SUPPORTED, signed32, signed64
from livefw.kernel.lfa.activation import Activator
from livefw.kernel.lfa.files import ImageFiles
from livefw.kernel.lfa.guards import Guards
from livefw.kernel.lfa.image import GONE, DriverImage
from livefw.kernel.lfa.inventory import DriverInventory
from livefw.kernel.lfa.versions import DriverVersion, Notification, Serialisation
from livefw.kernel.log import Level
from livefw.kernel.os import KernelTask, Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Tree, fail

_PREFIX = "Arm LFA: "


class LfaDriver:
    """One version of the driver on one kernel, with its files in ``tree``.

    `probe` is loading the module, `remove` unloading it, `notify` the platform's notification; each is a task of its
    own for the program that drives the kernel, and so is every read and write of a file.
    """

    def __init__(
        self,
        os: Os,
        tree: Tree,
        *,
        version: DriverVersion,
        notification: Notification,
        kernel: Kernel,
    ) -> None:
        self.version = version
        self._os = os
        self._tree = tree
        self._notification = notification
        self._listening = False
        self._handlers = 0
        self._unregistering: deque[KernelTask[Any]] = deque()
        self._writers = 0
        self._draining: deque[KernelTask[Any]] = deque()
        self._interrupt_pending = False
        self._interrupt_again = False
        self._guards = Guards(os, version.serialisation)
        self._inventory = DriverInventory(os, tree, version=version, guards=self._guards, log=self._log)
        self._activator = Activator(
            os, version=version, guards=self._guards, log=self._log, rescan=self._rescan_after_activation
        )
        self._files = ImageFiles(
            os,
            version=version,
            kernel=kernel,
            guards=self._guards,
            activate=self._write_activate,
            cancel=self._write_cancel,
        )

    async def probe(self) -> bool:
        """Look for the agent, list its images, make the files; False if afterwards there is nothing to show.

        A version whose probe survives a failed inventory is bound then and listens to notifications, with a kset that
        is freed. What a notification does there depends on the new owner of the memory; here it finds no images.
        """
        if not await self._detect():
            return False
        self._make_device()
        self._activator.shutting_down = False  # a module that is loaded again starts with fresh memory
        self._inventory.create()
        async with self._guards.tree_change():
            code = await self._inventory.rescan(self._files.of)
        if code:
            self._inventory.destroy()
            if not self.version.survives_failed_inventory:
                self._remove_device()
                return False
        elif not self.version.forgets_before_count:
            self._inventory.queue_cleanup()
        if self.version.inventory_uevents:
            await self._inventory.flush()
        self._listen()
        if self.version.inventory_uevents:
            self._inventory.announces = True
            self._inventory.queue_cleanup()
        return code == 0

    async def remove(self) -> None:
        """Unload. Waits for running notification handlers and writes, possibly for ever."""
        self._listening = False
        while self._handlers:
            await self._os.park(self._unregistering)
        async with self._guards.attempt():
            self._activator.shutting_down = True
            self._inventory.announces = False
        async with self._guards.notified_activation():
            pass  # let a primed transaction reach its end
        await self._inventory.flush()
        async with self._guards.tree_change():
            self._inventory.destroy()
        while self._writers:  # kernfs drains a file before it lets its removal come back
            await self._os.park(self._draining)
        self._inventory.destroy()  # what the rescan of such a write has found
        self._remove_device()

    async def notify(self) -> None:
        """The platform says that something changed; activates what is pending and allowed to, one image a pass.

        Continues as long as activations succeed and something is pending: for ever, if the agent never takes the
        pending flag back. Interrupts that arrive while the handler runs, or while their CPU is in firmware, become one;
        ACPI notifications run beside each other.
        """
        if not self._listening or self._interrupt_pending:
            return
        if not await self._interrupted():
            return
        if self._notification is Notification.DT and self._handlers:
            self._interrupt_again = True
            return
        self._handlers += 1
        while True:
            self._interrupt_again = False
            await self._handle_notification()
            if not self._interrupt_again:
                break
        self._handlers -= 1
        while self._unregistering and not self._handlers:
            self._os.wake(self._unregistering.popleft())

    async def _interrupted(self) -> bool:
        """Wait for the interrupt to reach its CPU; whether there is still somebody to hear it then."""
        self._interrupt_pending = self._notification is Notification.DT
        await self._os.interrupted()
        self._interrupt_pending = False
        return self._listening

    def _log(self, level: Level, text: str) -> None:
        self._os.log.write(level, _PREFIX + text)

    async def _detect(self) -> bool:
        reply = await self._os.smc(VersionRequest().encode())
        read = signed32 if self.version.absent_bits == 32 else signed64
        if read(reply[0]) == NOT_SUPPORTED:
            if self.version.texts.no_agent is not None:
                self._log(Level.INFO, self.version.texts.no_agent)
            return False
        # Not decoded as a version: the driver prints any word that is not the absent one.
        self._log(Level.INFO, self.version.texts.detected.format(major=reply[0] >> 16, minor=reply[0] & 0xFFFF))
        return True

    def _make_device(self) -> None:
        if self.version.device is not None:
            for path in self.version.device.directories:
                self._tree.make_directories(path)

    def _remove_device(self) -> None:
        device = self.version.device
        if device is not None and not device.outlives_driver:
            for path in device.directories:
                parent, _, name = path.rpartition("/")
                directory = self._tree.make_directories(parent)
                if name in directory.names:
                    directory.remove(name)

    def _listen(self) -> None:
        if self.version.notified and self._notification is not Notification.NONE:
            self._listening = True
            texts = self.version.texts
            acpi = self._notification is Notification.ACPI
            self._log(Level.INFO, texts.registered_acpi if acpi else texts.registered_dt)

    async def _handle_notification(self) -> None:
        while not (code := await self._activate_one_pending()):
            await self._os.relax()  # agents may answer in no time at all, and then time has to pass here
        if code != -errno.ENOENT:
            self._log(Level.WARNING, self.version.texts.notification_failed.format(number=code))

    async def _activate_one_pending(self) -> int:
        async with self._guards.notified_activation():
            async with self._guards.identified_call():
                image = await self._first_pending()
            if image is None:
                return -errno.ENOENT
            return await self._activator.run(image, success=self.version.texts.activated_by_notification)

    async def _first_pending(self) -> DriverImage | None:
        for image in tuple(self._inventory.images.values()):
            if image.seq_id == GONE:
                continue
            await self._files.refresh_pending(image)
            if image.capable and image.pending and image.auto_activate:
                return image
        return None

    async def _rescan_after_activation(self) -> None:
        """What an activation changed; that the rescan itself failed is ignored."""
        code = await self._inventory.rescan(self._files.of)
        if not code or self.version.forgets_before_count:
            self._inventory.queue_cleanup()

    async def _write_activate(self, image: DriverImage) -> None:
        with self._written():
            await self._activate(image)

    async def _activate(self, image: DriverImage) -> None:
        busy = self.version.errnos.activate_busy
        if self.version.serialisation is not Serialisation.TRANSACTIONS or busy is None:
            code = await self._activator.run(image, success=self.version.texts.activated)
        elif not self._guards.transaction.try_acquire():
            raise fail(busy)
        else:
            try:
                code = await self._activator.run(image, success=self.version.texts.activated)
            finally:
                self._guards.transaction.release()
        if code:
            raise fail(self.version.errnos.activate_failed)

    async def _write_cancel(self, image: DriverImage) -> None:
        with self._written():
            if code := await self._activator.cancel(image):
                raise fail(-code)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """A write to a trigger runs."""
        self._writers += 1
        try:
            yield
        finally:
            self._writers -= 1
            while self._draining and not self._writers:
                self._os.wake(self._draining.popleft())
