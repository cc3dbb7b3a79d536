# SPDX-License-Identifier: Apache-2.0
"""The TDX host driver of Linux 7.2: version files, and the run-time update of the TDX module by firmware upload.

Sources: Linux ``drivers/virt/coco/tdx-host/tdx-host.c``, ``arch/x86/virt/vmx/tdx/seamldr.c``, ABI
``testing/sysfs-devices-faux-tdx-host``.

The kernel looks at the header of an image and at nothing else. Everything that P-SEAMLDR does not like comes to light
after the running module was shut down, and the kernel has no way back from there: `TdxHost` reproduces that.
"""

import errno
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from livefw.abi.tdx import Feature, Leaf, SeamAnswer, SeamldrInfo, TdxStatus, TdxVersion
from livefw.abi.tdx_image import LAYOUT_2, MAGIC, MAX_MODULE_PAGES, MAX_SIGSTRUCT_PAGES, PAGE, Header2
from livefw.kernel.fw_upload import FwUpload, UploadError
from livefw.kernel.locks import Mutex
from livefw.kernel.log import Level
from livefw.kernel.os import KernelTask, Os, Smc
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Attribute, Tree, fail

DEVICE = "/sys/devices/faux/tdx_host"
NODE = "tdx_module"

_ERRNO = {
    TdxStatus.VMFAILINVALID: errno.ENODEV,
    TdxStatus.GENERAL_PROTECTION: errno.EOPNOTSUPP,
    TdxStatus.UNDEFINED_OPCODE: errno.EACCES,
}
"""Answers that the kernel does not log; every other is logged and is EIO."""


class Seam(Protocol):
    """SEAM firmware as a kernel meets it: the module and its loader. Nothing here blocks."""

    def call(self, cpu: int, leaf: Leaf, image: tuple[bytes, bytes] | None = None) -> SeamAnswer:
        """A SEAMCALL; ``image`` is the page of signature structure and the module pages for SEAMLDR.INSTALL."""
        ...

    def seamldr_info(self) -> SeamldrInfo:
        """What a SEAMLDR.INFO that succeeded has written."""
        ...

    @property
    def module_version(self) -> TdxVersion:
        """What TDH.SYS.RD says of the module that can be entered."""
        ...

    @property
    def features(self) -> int:
        """TDX_FEATURES0 of the module that was there at boot."""
        ...

    @property
    def td_being_built(self) -> bool:
        """Whether a TD is between its creation and its finalisation; the kernel's KVM knows, as it builds them."""
        ...


class TdxHost:
    """The driver in a kernel. ``erratum`` is whether the CPU has the bug seamret_invd_vmcs.

    ``detects_td_build`` makes it the driver of a later kernel, which answers ``device-busy`` while a TD is being built;
    that change was posted and is not in 7.2.
    """

    def __init__(
        self,
        os: Os,
        tree: Tree,
        seam: Seam,
        *,
        kernel: Kernel,
        erratum: bool = False,
        detects_td_build: bool = False,
    ) -> None:
        self.upload: FwUpload | None = None
        self.no_memory = False
        """Whether the driver's own allocations fail."""
        self._os = os
        self._tree = tree
        self._seam = seam
        self._kernel = kernel
        self._updatable = bool(seam.features & Feature.TD_PRESERVING) and not erratum
        self._detects_td_build = detects_td_build
        self._initialised = False
        self._version = seam.module_version
        self._info_lock = Mutex(os)

    async def probe(self, *, initialised: bool = True) -> bool:
        """Load the driver; False (ENODEV) if TDX was not ``initialised`` at boot, and then there is no device."""
        if not initialised:
            return False
        self._initialised = True
        device = self._tree.make_directories(DEVICE)
        device.add("version", Attribute(mode=0o444, show=self._show_version))
        if self._updatable:
            device.add("seamldr_version", Attribute(mode=0o400, show=self._show_seamldr_version))
            device.add("num_remaining_updates", Attribute(mode=0o400, show=self._show_remaining))
            self.upload = FwUpload(
                self._os, self._tree, name=NODE, directory=f"{DEVICE}/firmware", driver=self, kernel=self._kernel
            )
        return True

    def lose_module(self) -> None:
        """Make it a machine whose module was lost in an earlier update, after the driver had been loaded."""
        self._initialised = False

    # Files of the device.

    async def _show_version(self) -> str:
        if not self._initialised:
            raise fail(errno.ENXIO)
        return f"{self._version}\n"

    async def _show_seamldr_version(self) -> str:
        return f"{(await self._seamldr_info()).version}\n"

    async def _show_remaining(self) -> str:
        return f"{(await self._seamldr_info()).remaining_updates}\n"

    async def _seamldr_info(self) -> SeamldrInfo:
        """One at a time in the whole system, and slow: a read of these files is not for polling."""
        async with self._info_lock.held():
            if error := await self._seamcall(self._os.online[0], Leaf.SEAMLDR_INFO):
                raise fail(error)
            return self._seam.seamldr_info()

    async def _seamcall(self, cpu: int, leaf: Leaf, image: tuple[bytes, bytes] | None = None) -> int:
        """Issue a SEAMCALL; 0 or an errno."""
        answer = self._seam.call(cpu, leaf, image)
        if answer.work_ns:
            await self._os.sleep(answer.work_ns)
        if answer.status == 0:
            return 0
        silent = _ERRNO.get(answer.status)  # type: ignore[call-overload]  # an answer may be any number
        if silent is None:
            prefix = "seamldr" if leaf >> 63 else "virt/tdx"
            self._os.log.write(Level.ERR, f"{prefix}: SEAMCALL ({leaf:#018x}) failed: {answer.status:#018x}")
            return errno.EIO
        if leaf is Leaf.TDH_SYS_INIT and silent == errno.ENODEV:
            self._os.log.write(Level.ERR, "virt/tdx: module not loaded")
        return int(silent)

    # What the upload class calls.

    async def prepare(self, data: bytes) -> UploadError | None:  # noqa: ARG002 - the shape of every driver
        """Nothing to do."""
        return None

    async def write(self, data: bytes, offset: int) -> tuple[UploadError | None, int]:  # noqa: ARG002 - as above
        """The whole update in one call. Every failure looks the same to user space."""
        if self._detects_td_build and self._seam.td_being_built:
            return UploadError.BUSY, 0
        error = await self._update(data)
        return (UploadError.FW_INVALID, 0) if error else (None, len(data))

    async def poll_complete(self) -> UploadError | None:
        """Nothing to wait for."""
        return None

    def cancel(self) -> None:
        """Ignored, but the write to ``cancel`` succeeds."""

    async def _update(self, data: bytes) -> int:
        if error := check_image(data):
            return error
        if self.no_memory:
            return errno.ENOMEM
        split = PAGE * (1 + Header2.decode(data).sigstruct_pages)
        return await self._os.stop_machine(_Update(self, (data[PAGE:split], data[split:])).run)

    # The steps of an update, each with the CPU it runs on.

    async def shut_down(self, cpu: int) -> int:
        """Shut the running module down. From here on nothing is undone."""
        if not self._initialised:
            self._os.log.write(Level.WARNING, "WARNING: arch/x86/virt/vmx/tdx/seamldr.c: no module to shut down")
        error = await self._seamcall(cpu, Leaf.TDH_SYS_SHUTDOWN)
        if not error:
            self._initialised = False
        return error

    async def install(self, cpu: int, image: tuple[bytes, bytes]) -> int:
        """Hand the image to P-SEAMLDR; it acts when the last CPU has done so."""
        return await self._seamcall(cpu, Leaf.SEAMLDR_INSTALL, image)

    async def initialise(self, cpu: int) -> int:
        """Initialise the new module as a whole."""
        return await self._seamcall(cpu, Leaf.TDH_SYS_INIT)

    async def initialise_cpu(self, cpu: int) -> int:
        """Initialise the new module on one CPU."""
        return await self._seamcall(cpu, Leaf.TDH_SYS_LP_INIT)

    async def restore(self, cpu: int) -> int:
        """Let the new module take the TDs over, and read its version; other cached metadata stay as they were."""
        error = await self._seamcall(cpu, Leaf.TDH_SYS_UPDATE)
        if not error:
            self._version = self._seam.module_version
            self._initialised = True
        return error


def check_image(data: bytes) -> int:
    """The kernel's six checks in its order; 0 or EINVAL. Checksum, counts of zero and all contents go unchecked."""
    if len(data) < PAGE:
        return errno.EINVAL
    header = Header2.decode(data)
    sound = (
        PAGE * (1 + header.sigstruct_pages + header.module_pages) == len(data)
        and header.layout == LAYOUT_2
        and header.sigstruct_pages <= MAX_SIGSTRUCT_PAGES
        and header.module_pages <= MAX_MODULE_PAGES
        and header.magic == MAGIC
        and not any(header.padding)
    )
    return 0 if sound else errno.EINVAL


class _Update:
    """One run of the step machine, on all online CPUs at once. A failure stops every CPU after the step."""

    def __init__(self, host: TdxHost, image: tuple[bytes, bytes]) -> None:
        self._host = host
        self._os = host._os  # noqa: SLF001 - one piece of code in two classes
        self._image = image
        self._lock = Mutex(self._os)
        self._error = 0
        self._global_init: int | None = None
        self._waiting: deque[KernelTask[Any]] = deque()
        self._arrived = 0

    async def run(self, cpu: int, smc: Smc) -> int:  # noqa: ARG002 - SMCs are another architecture's
        """What stop_machine runs on each CPU."""
        steps: tuple[Callable[[int], Awaitable[int]], ...] = (
            self._start,
            self._on_first(self._host.shut_down),
            self._install,
            self._initialise,
            self._on_first(self._host.restore),
        )
        for step in steps:
            self._error = await step(cpu) or self._error
            await self._rendezvous()
            if self._error:
                return self._error
        return 0

    async def _start(self, cpu: int) -> int:  # noqa: ARG002 - gathering is all there is to it
        return 0

    def _on_first(self, step: Callable[[int], Awaitable[int]]) -> Callable[[int], Awaitable[int]]:
        async def on_first(cpu: int) -> int:
            return await step(cpu) if cpu == self._os.online[0] else 0

        return on_first

    async def _install(self, cpu: int) -> int:
        async with self._lock.held():
            return await self._host.install(cpu, self._image)

    async def _initialise(self, cpu: int) -> int:
        async with self._lock.held():
            if self._global_init is None:
                self._global_init = await self._host.initialise(cpu)
        return self._global_init or await self._host.initialise_cpu(cpu)

    async def _rendezvous(self) -> None:
        """Wait until every CPU is here."""
        self._arrived += 1
        if self._arrived < len(self._os.online):
            await self._os.park(self._waiting)
            return
        self._arrived = 0
        while self._waiting:
            self._os.wake(self._waiting.popleft())
