# SPDX-License-Identifier: Apache-2.0
"""The sysfs files of an image: texts, modes, and what a write does."""

import zlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple

from livefw.abi.lfa import InventoryFlag, InventoryRequest
from livefw.abi.smccc import WORD, Registers, signed32
from livefw.abi.version import ComponentVersion
from livefw.kernel.lfa.guards import Guards
from livefw.kernel.lfa.image import GONE, DriverImage
from livefw.kernel.lfa.versions import DriverVersion
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Attribute, fail

Trigger = Callable[[DriverImage], Awaitable[None]]


class _File(NamedTuple):
    mode: int
    show: Callable[[DriverImage], Coroutine[Any, Any, str]] | None = None
    store: Callable[[DriverImage, bytes], Coroutine[Any, Any, None]] | None = None


class ImageFiles:
    """Makes the files of images; ``activate`` and ``cancel`` are what a write to the file of that name does."""

    def __init__(
        self,
        os: Os,
        *,
        version: DriverVersion,
        kernel: Kernel,
        guards: Guards,
        activate: Trigger,
        cancel: Trigger,
    ) -> None:
        self._os = os
        self._version = version
        self._kernel = kernel
        self._guards = guards
        self._activate = activate
        self._cancel = cancel
        table = {
            "name": _File(0o444, self._show_name),
            "current_version": _File(0o444, self._show_current_version),
            "pending_version": _File(0o444, self._show_pending_version),
            "activation_capable": _File(0o444, _cached("capable")),
            "activation_pending": _File(0o444, self._show_pending),
            "may_reset_cpu": _File(0o444, _cached("may_reset_cpu")),
            "cpu_rendezvous": _File(0o444, _cached("cpu_rendezvous")),
            "force_cpu_rendezvous": self._setting("force_cpu_rendezvous"),
            "activate": _File(0o200, store=self._store_activate),
            "cancel": _File(0o200, store=self._store_cancel),
            "auto_activate": self._setting("auto_activate"),
        }
        self._files = [(name, table[name]) for name in version.attributes]

    def of(self, image: DriverImage) -> Mapping[str, Attribute]:
        """The version's files for one image."""
        return {
            name: Attribute(
                mode=file.mode,
                show=partial(file.show, image) if file.show else None,
                store=partial(file.store, image) if file.store else None,
            )
            for name, file in self._files
        }

    async def refresh_pending(self, image: DriverImage) -> None:
        """Ask the agent whether an image is pending; no news if it answers with an error. The caller holds the ids."""
        reply = await self._os.smc(_query(image.seq_word))
        if reply[0] == 0:
            image.pending = InventoryFlag.ACTIVATION_PENDING in InventoryFlag(reply[3])

    async def _show_name(self, image: DriverImage) -> str:
        return self._version.name_file.format(title=image.title, label=image.label) + "\n"

    async def _show_current_version(self, image: DriverImage) -> str:
        return f"{ComponentVersion.decode(image.current_version)}\n"

    async def _show_pending(self, image: DriverImage) -> str:
        async with self._guards.identified_call():
            vanished = self._version.errnos.pending_vanished
            if vanished is not None and image.seq_id == GONE:
                raise fail(vanished)
            await self.refresh_pending(image)
        return _digit(value=image.pending)

    async def _show_pending_version(self, image: DriverImage) -> str:
        if self._version.pending_version_wrong_slot:
            return await self._show_garbage(image)
        async with self._guards.identified_call():
            if self._version.pins_id and image.seq_id == GONE:
                return "N/A\n"
            reply = await self._os.smc(_query(image.seq_word))
        # The cached flag, not that of this reply: a version stays hidden until activation_pending has been read.
        if reply[0] == 0 and reply[5] and image.pending:
            return f"{ComponentVersion.decode(reply[5])}\n"
        return "N/A\n"

    async def _show_garbage(self, image: DriverImage) -> str:
        """What v1 shows: the query carries an id from beside the image, the numbers come from an unwritten stack.

        Both are made from the GUID here, so that they are the same on every run. The id is negative, as the low half
        of a kernel pointer mostly is, and the reply, an error, changes nothing.
        """
        await self._os.smc(_query(signed32(_noise(image, "seq_id") | 1 << 31) & WORD))
        if self._kernel.zeroes_stack:
            return f"{ComponentVersion(0, 0)}\n"
        return f"{ComponentVersion(_noise(image, 'major'), _noise(image, 'minor'))}\n"

    async def _store_activate(self, image: DriverImage, data: bytes) -> None:  # noqa: ARG002 - "0" activates, too
        await self._activate(image)

    async def _store_cancel(self, image: DriverImage, data: bytes) -> None:  # noqa: ARG002 - so does it cancel
        await self._cancel(image)

    def _setting(self, field: str) -> _File:
        async def store(image: DriverImage, data: bytes) -> None:
            setattr(image, field, self._kernel.parse_bool(data))

        return _File(0o644, _cached(field), store)


def _query(seq_word: int) -> Registers:
    return InventoryRequest(seq_word).encode()


def _noise(image: DriverImage, salt: str) -> int:
    return zlib.crc32(f"{image.guid} {salt}".encode())


def _digit(*, value: bool) -> str:
    return f"{value:d}\n"


def _cached(field: str) -> Callable[[DriverImage], Coroutine[Any, Any, str]]:
    async def show(image: DriverImage) -> str:
        return _digit(value=getattr(image, field))

    return show
