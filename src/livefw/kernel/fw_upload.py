# SPDX-License-Identifier: Apache-2.0
"""The kernel's firmware upload class: user space hands an image to a driver through files, and a worker takes it.

Sources: Linux ``drivers/base/firmware_loader/{sysfs.c,sysfs_upload.c}``, ABI ``testing/sysfs-class-firmware``; held
against a kernel's own ``test_firmware`` in tests/tdx/test_upload_recorded.py. Texts of some log lines are abridged.
"""

import errno
from enum import Enum, StrEnum
from typing import Protocol

from livefw.kernel.clock import US
from livefw.kernel.log import Level
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Attribute, BinaryAttribute, Directory, Tree, fail

CLASS = "/sys/class/firmware"
_QUEUED = 50 * US
"""Between a write of 0 and the worker's first instruction; a scheduler gives no promise, and neither does this."""
_WINDDOWN = 10 * US
"""Between the worker's last two statements: a new image can be begun, and the old upload is not over."""


class UploadStatus(StrEnum):
    """Words in the file ``status``, in the order in which an upload goes through them."""

    IDLE = "idle"
    RECEIVING = "receiving"
    PREPARING = "preparing"
    TRANSFERRING = "transferring"
    PROGRAMMING = "programming"


class UploadError(StrEnum):
    """Words in the file ``error``, after the status and a colon."""

    HW_ERROR = "hw-error"
    TIMEOUT = "timeout"
    CANCELED = "user-abort"
    BUSY = "device-busy"
    INVALID_SIZE = "invalid-file-size"
    RW_ERROR = "read-write-error"
    WEAROUT = "flash-wearout"
    FW_INVALID = "firmware-invalid"


class UploadDriver(Protocol):
    """What a driver does with an image (``struct fw_upload_ops``)."""

    async def prepare(self, data: bytes) -> UploadError | None:
        """Get ready."""
        ...

    async def write(self, data: bytes, offset: int) -> tuple[UploadError | None, int]:
        """Take some of the image from ``offset`` on; how many bytes were taken."""
        ...

    async def poll_complete(self) -> UploadError | None:
        """Wait for the device to be done with it."""
        ...

    def cancel(self) -> None:
        """User space would like to stop."""
        ...


class _Load(Enum):
    """Where a load is (``enum fw_status``)."""

    NONE = 0
    OPEN = 1
    DONE = 2
    ABORTED = 3


class FwUpload:
    """One upload node of a ``kernel``. ``directory`` is its place; it appears in `CLASS` as well, under the same name.

    What the host refuses can be set at any time: ``may_write`` is whether writers of ``data`` have CAP_SYS_RAWIO;
    ``map_error`` and ``grow_error`` are an errno with which mapping the pages (or a security module) and adding pages
    fail, 0 for none.
    """

    def __init__(self, os: Os, tree: Tree, *, name: str, directory: str, driver: UploadDriver, kernel: Kernel) -> None:
        self.may_write = True
        self.map_error = 0
        self.grow_error = 0
        self._os = os
        self._name = name
        self._driver = driver
        self._kernel = kernel
        self._load = _Load.NONE
        self._data = bytearray()
        self._status = UploadStatus.IDLE
        self._error = ""
        self._remaining = 0
        self._tree = tree
        self._parent = directory
        self._register()

    def _register(self) -> None:
        node = Directory()
        node.add("loading", Attribute(mode=0o644, show=self._show_loading, store=self._store_loading))
        node.add(
            "data",
            BinaryAttribute(
                mode=0o644, read_at=self._read_data, write_at=self._write_data, length=lambda: len(self._data)
            ),
        )
        node.add("status", Attribute(mode=0o444, show=self._show_status))
        node.add("error", Attribute(mode=0o444, show=self._show_error))
        node.add("remaining_size", Attribute(mode=0o444, show=self._show_remaining))
        node.add("cancel", Attribute(mode=0o200, store=self._store_cancel))
        for parent in (self._parent, CLASS):
            # In sysfs the class has a symbolic link; here both names lead to the same directory.
            self._tree.make_directories(parent).add(self._name, node)

    def unregister(self) -> None:
        """Take the node away, as unloading the driver does; a running upload continues unseen."""
        for parent in (self._parent, CLASS):
            self._tree.make_directories(parent).remove(self._name)

    # The files.

    async def _show_loading(self) -> str:
        return f"{int(self._load is _Load.OPEN)}\n"

    async def _store_loading(self, data: bytes) -> None:
        number = self._kernel.parse_loading(data)
        if self._load in (_Load.DONE, _Load.ABORTED):
            return  # swallowed: the write succeeds and nothing happens
        if number == 1:
            self._data.clear()
            self._load = _Load.OPEN
        elif number == 0 and self._load is _Load.OPEN:
            self._hand_over()
        else:
            if number != -1:
                self._log(Level.ERR, f"firmware_loading_store: unexpected value ({number})")
            self._load = _Load.NONE  # what was written to ``data`` stays there, until a load is opened

    def _hand_over(self) -> None:
        if self.map_error:
            self._log(Level.ERR, "firmware_loading_store: map pages failed")
            self._load = _Load.ABORTED  # for ever: only loading the driver anew resets it
            raise fail(self.map_error)
        self._load = _Load.DONE
        if not self._data:
            self._discard()
            return
        if self._status is not UploadStatus.IDLE:
            raise fail(errno.EBUSY)  # and the load stays done, for ever
        self._status = UploadStatus.RECEIVING
        self._error = ""
        self._remaining = len(self._data)
        self._os.queue_work(self._upload(), name=f"upload/{self._name}")

    async def _read_data(self, offset: int, size: int) -> bytes:
        if self._load is _Load.DONE:
            raise fail(errno.ENODEV)
        return bytes(self._data[offset : offset + size])

    async def _write_data(self, offset: int, data: bytes) -> None:
        if not self.may_write:
            raise fail(errno.EPERM)
        if self._load is _Load.DONE:
            raise fail(errno.ENODEV)
        if self.grow_error and offset + len(data) > len(self._data):
            self._load = _Load.ABORTED
            raise fail(self.grow_error)
        if len(self._data) < offset:
            self._data.extend(bytes(offset - len(self._data)))
        self._data[offset : offset + len(data)] = data

    async def _show_status(self) -> str:
        return f"{self._status}\n"

    async def _show_error(self) -> str:
        if self._status is not UploadStatus.IDLE:
            raise fail(errno.EBUSY)
        return self._error

    async def _show_remaining(self) -> str:
        return f"{self._remaining}\n"

    async def _store_cancel(self, data: bytes) -> None:
        if not self._kernel.parse_bool(data):
            raise fail(errno.EINVAL)
        if self._status is UploadStatus.IDLE:
            raise fail(errno.ENODEV)
        self._driver.cancel()

    # The worker.

    async def _upload(self) -> None:
        await self._os.sleep(_QUEUED)
        error = await self._run(bytes(self._data))
        if error is not None:
            self._error = f"{self._status}:{error}\n"
        self._discard()
        await self._os.sleep(_WINDDOWN)
        self._status = UploadStatus.IDLE

    async def _run(self, data: bytes) -> UploadError | None:
        self._status = UploadStatus.PREPARING
        if error := await self._driver.prepare(data):
            return error
        self._status = UploadStatus.TRANSFERRING
        while self._remaining:
            error, written = await self._driver.write(data, len(data) - self._remaining)
            if error is None and not written:
                self._log(Level.WARNING, "write-op wrote zero data")
                error = UploadError.RW_ERROR
            if error:
                return error
            self._remaining -= written
        self._status = UploadStatus.PROGRAMMING
        return await self._driver.poll_complete()

    def _discard(self) -> None:
        self._data.clear()
        self._load = _Load.NONE

    def _log(self, level: Level, text: str) -> None:
        self._os.log.write(level, f"firmware {self._name}: {text}")
