# SPDX-License-Identifier: Apache-2.0
"""The driver of ``dkms/`` put together: loading, unloading, notifications, and the files."""

import errno
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from livefw.abi.lfa import InventoryFlag, VersionRequest
from livefw.abi.smccc import signed32
from livefw.abi.version import ComponentVersion
from livefw.kernel.lfa.own.activation import OwnActivator
from livefw.kernel.lfa.own.image import OwnImage
from livefw.kernel.lfa.own.inventory import OwnInventory
from livefw.kernel.lfa.versions import DriverVersion, Notification
from livefw.kernel.log import Level
from livefw.kernel.os import KernelTask, Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Attribute, Tree, fail

_PREFIX = "Arm LFA: "

Work = Callable[[], Coroutine[Any, Any, None]]


class OwnDriver:
    """See `livefw.kernel.lfa.driver.LfaDriver`, whose users it has too."""

    def __init__(
        self, os: Os, tree: Tree, *, version: DriverVersion, notification: Notification, kernel: Kernel
    ) -> None:
        self.version = version
        self._os = os
        self._tree = tree
        self._notification = notification
        self._kernel = kernel
        self._listening = False
        self._interface = 0
        self._inventory: OwnInventory | None = None
        self._activator: OwnActivator | None = None
        self._queued: deque[Work] = deque()
        self._working = False
        self._flushing: deque[KernelTask[Any]] = deque()

    async def probe(self) -> bool:
        """Look for the agent, list its components, make the files; False if the module is not loaded."""
        if not await self._find_agent():
            return False
        inventory = OwnInventory(self._os, self._tree, files=self._files, root_files=self._root_files(), log=self._log)
        self._inventory = inventory
        self._activator = OwnActivator(self._os, inventory, version=self.version, log=self._log)
        async with inventory.transaction.held():
            failed = await inventory.scan()
        if failed or not inventory.images:
            await self._stop()
            return False
        if self.version.device is not None:
            for path in self.version.device.directories:
                self._tree.make_directories(path)
        if self._notification is not Notification.NONE:
            self._listening = True
            texts = self.version.texts
            acpi = self._notification is Notification.ACPI
            self._log(Level.INFO, texts.registered_acpi if acpi else texts.registered_dt)
        return True

    async def remove(self) -> None:
        """Unload. An activation in progress ends before its next call, with CANCEL and ESHUTDOWN."""
        self._listening = False
        if self.version.device is not None:
            for path in self.version.device.directories:
                parent, _, name = path.rpartition("/")
                self._tree.make_directories(parent).remove(name)
        await self._stop()

    async def notify(self) -> None:
        """The platform says that something changed. However many notifications come, they are one until it is seen."""
        if self._listening:
            await self._os.interrupted()
        if self._listening:
            self._queue(self._notified)

    def _log(self, level: Level, text: str) -> None:
        self._os.log.write(level, _PREFIX + text)

    async def _find_agent(self) -> bool:
        word = (await self._os.smc(VersionRequest().encode()))[0] & 0xFFFF_FFFF
        if signed32(word) < 0:
            return False
        major, minor = word >> 16, word & 0xFFFF
        if major != 1:
            self._log(Level.WARNING, f"an agent of version {major}.{minor} is not known here")
            return False
        self._interface = word
        self._log(Level.INFO, self.version.texts.detected.format(major=major, minor=minor))
        return True

    async def _stop(self) -> None:
        inventory, activator = self._loaded
        activator.closing = True
        await self._flush()
        await inventory.destroy()
        await self._flush()

    @property
    def _loaded(self) -> tuple[OwnInventory, OwnActivator]:
        if self._inventory is None or self._activator is None:
            raise RuntimeError("the driver is not loaded")
        return self._inventory, self._activator

    # Work that waits for a transaction: one after the other, and each queued at most once.

    def _queue(self, work: Work) -> None:
        if work not in self._queued:
            self._queued.append(work)
        if not self._working:
            self._working = True
            self._os.queue_work(self._work(), name="arm-lfa")

    async def _work(self) -> None:
        while self._queued:
            await self._queued.popleft()()
        self._working = False
        while self._flushing:
            self._os.wake(self._flushing.popleft())

    async def _flush(self) -> None:
        while self._working:
            await self._os.park(self._flushing)

    async def _notified(self) -> None:
        inventory, activator = self._loaded
        async with inventory.transaction.held():
            await inventory.clean_up()
            code = -await inventory.scan() or await activator.activate_automatic()
            if code:
                self._log(Level.WARNING, self.version.texts.notification_failed.format(number=-code))
            self._clean_up_if_needed()

    def _clean_up_if_needed(self) -> None:
        """Never from within a file, which cannot remove its own directory."""
        inventory, _ = self._loaded
        if any(image.gone for image in inventory.images.values()):
            self._queue(inventory.clean_up_later)

    # Files.

    def _root_files(self) -> Mapping[str, Attribute]:
        async def version() -> str:
            return f"{self._interface >> 16}.{self._interface & 0xFFFF}\n"

        async def count() -> str:
            return f"{self._loaded[0].reported}\n"

        table = {"version": version, "count": count}
        return {name: Attribute(mode=0o444, show=table[name]) for name in self.version.root_attributes}

    def _files(self, image: OwnImage) -> Mapping[str, Attribute]:
        def text(show: Callable[[], str]) -> Attribute:
            async def shown() -> str:
                return f"{show()}\n"

            return Attribute(mode=0o444, show=shown)

        def asked(show: Callable[[OwnImage], Coroutine[Any, Any, str]]) -> Attribute:
            async def shown() -> str:
                with self._within(image):
                    return f"{await show(image)}\n"

            return Attribute(mode=0o444, show=shown)

        def trigger(pull: Callable[[OwnImage], Coroutine[Any, Any, int]]) -> Attribute:
            async def stored(data: bytes) -> None:  # noqa: ARG001 - any text triggers
                with self._within(image):
                    if code := await pull(image):
                        raise fail(code)

            return Attribute(mode=0o200, store=stored)

        table = {
            "name": text(lambda: image.title),
            "current_version": text(lambda: str(ComponentVersion.decode(image.current_version))),
            "pending_version": asked(self._show_pending_version),
            "activation_capable": text(lambda: f"{image.has(InventoryFlag.ACTIVATION_CAPABLE):d}"),
            "activation_pending": asked(self._show_pending),
            "may_reset_cpu": text(lambda: f"{image.has(InventoryFlag.MAY_RESET_CPU):d}"),
            "cpu_rendezvous": text(lambda: f"{not image.has(InventoryFlag.CPU_RENDEZVOUS_OPTIONAL):d}"),
            "force_cpu_rendezvous": self._setting(image, "force_cpu_rendezvous"),
            "auto_activate": self._setting(image, "auto_activate"),
            "activate": trigger(self._activate),
            "cancel": trigger(lambda image: self._loaded[1].cancel(image)),
            "last_error": text(lambda: str(image.last or "none")),
        }
        return {name: table[name] for name in self.version.attributes}

    def _setting(self, image: OwnImage, field: str) -> Attribute:
        async def show() -> str:
            return f"{getattr(image, field):d}\n"

        async def store(data: bytes) -> None:
            setattr(image, field, self._kernel.parse_bool(data))

        return Attribute(mode=0o644, show=show, store=store)

    async def _show_pending(self, image: OwnImage) -> str:
        inventory, _ = self._loaded
        async with inventory.ids.read():
            return f"{(await inventory.refresh(image)).has(InventoryFlag.ACTIVATION_PENDING):d}"

    async def _show_pending_version(self, image: OwnImage) -> str:
        inventory, _ = self._loaded
        try:
            async with inventory.ids.read():
                row = await inventory.refresh(image)
        except OSError:
            return "N/A"
        waits = row.has(InventoryFlag.ACTIVATION_PENDING) and row.pending_version
        return str(ComponentVersion.decode(row.pending_version)) if waits else "N/A"

    async def _activate(self, image: OwnImage) -> int:
        inventory, activator = self._loaded
        if not inventory.transaction.try_acquire():
            return errno.EBUSY
        try:
            return await activator.activate(image, success=self.version.texts.activated)
        finally:
            self._clean_up_if_needed()
            inventory.transaction.release()

    @contextmanager
    def _within(self, image: OwnImage) -> Iterator[None]:
        """A task is in a file that may wait; its directory is not removed before the task has left it."""
        inventory, _ = self._loaded
        image.users += 1
        try:
            yield
        finally:
            inventory.leave(image)
