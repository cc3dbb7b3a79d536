# SPDX-License-Identifier: Apache-2.0
"""Modelled devices at the seam of the ioctl: CUSE would need /dev/cuse, which few machines for tests have.

They answer as the drivers do (Linux ``drivers/acpi/pfr_update.c``, ``drivers/crypto/ccp/sfs.c``); the firmware behind
them can be told to refuse.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from livefw.abi import pfrut, sfs
from livefw.abi.guid import Guid
from livefw.abi.pfrut import Capability, Capsule, CapsuleKind
from livefw.activation import fake
from livefw.activation.events import Control, drain
from livefw.activation.execution import mechanism
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.mishaps import Mishaps
from livefw.activation.outcome import Result
from livefw.files.protocol import LOST, DeviceCall, DeviceReply
from livefw.providers.base import Component
from livefw.providers.fake import SETTINGS, FakeFiles
from livefw.providers.registry import providers

PLATFORM = Guid(bytes(range(16)))
CAPABILITY = Capability(
    status=0,
    update_cap=3,
    code_type=Guid.parse_efi("b2f84b79-7b6e-4e45-885f-3fb9bb185402"),
    fw_version=0x100,
    code_rt_version=5,
    drv_type=Guid.parse_efi("4569dd8c-75f1-429a-a3d6-24de8097a0df"),
    drv_rt_version=7,
    drv_svn=2,
    platform_id=PLATFORM,
    oem_id=PLATFORM,
    oem_info_len=0,
)


@dataclass
class PfrDevice:
    """``/dev/acpi_pfr_update0`` of a kernel since August 2025. ``fails`` maps a step to the errno it ends with."""

    told: Capability = CAPABILITY
    buffer_bytes: int = 4096
    fails: dict[str, int] = field(default_factory=dict)
    lies: bool = False
    written: bytes = b""
    staged: bytes = b""
    done: list[str] = field(default_factory=list)

    def call(self, call: DeviceCall) -> DeviceReply:
        step = "WRITE" if not call.request else pfrut.PfrutIoctl(call.request).name
        self.done.append(step)
        if error := self.fails.get(step, 0):
            return DeviceReply(error, call.data)
        return DeviceReply(getattr(self, f"_{step.lower()}")(call), self._out(step, call))

    def _out(self, step: str, call: DeviceCall) -> bytes:
        return self.told.encode() if step == "QUERY_CAP" else call.data

    def _query_cap(self, call: DeviceCall) -> int:
        return 0

    def _write(self, call: DeviceCall) -> int:
        capsule = Capsule.parse(call.data)
        told = self.told
        right = capsule.rt_version >= told.code_rt_version
        if capsule.kind is CapsuleKind.DRIVER:
            right = (capsule.svn or 0) >= told.drv_svn
        if len(call.data) > self.buffer_bytes or not right:
            return errno.EINVAL
        self.written = call.data
        return 0

    def _stage(self, call: DeviceCall) -> int:
        self.staged = self.written
        return 0 if self.staged and b"forged" not in self.staged else errno.EBUSY

    def _activate(self, call: DeviceCall) -> int:
        if not self.staged:
            return errno.EBUSY
        capsule = Capsule.parse(self.staged)
        name = "code_rt_version" if capsule.kind is CapsuleKind.CODE else "drv_rt_version"
        if not self.lies:
            change: dict[str, Any] = {name: capsule.rt_version}
            self.told = self.told._replace(**change)
        return 0


@dataclass
class SfsDevice:
    """``/dev/sfs``."""

    blob: bytes = bytes(4096)
    error: int = 0
    status: tuple[int, int] = (0, 0)
    packages: list[str] = field(default_factory=list)

    def call(self, call: DeviceCall) -> DeviceReply:
        if call.request == sfs.SfsIoctl.FW_VERSIONS:
            return DeviceReply(0, sfs.encode_versions(sfs.Versions(self.blob, 0, 0)))
        assert call.request == sfs.SfsIoctl.UPDATE_PACKAGE
        self.packages.append(sfs.decode_update(call.data).name)
        if not self.error:
            self.blob = bytes([len(self.packages)]) * 4096
        # Only with success and EIO does the driver copy the status words back.
        told = call.data[:64] + b"".join(word.to_bytes(4, "little") for word in self.status)
        return DeviceReply(self.error, told if self.error in (0, errno.EIO) else call.data)


class Bench:
    """A machine with one device or file, as `livefw.providers.registry` finds it."""

    def __init__(self, name: str, settings: str = "", **tree: bytes) -> None:
        self.name = name
        self.files = FakeFiles({SETTINGS: f"{settings}\n".encode(), **tree})
        self.pfr = PfrDevice()
        self.sfs = SfsDevice()
        if name == "pfrut":
            self.files.devices["/dev/acpi_pfr_update0"] = self.pfr
        elif name == "sfs":
            self.files.devices["/dev/sfs"] = self.sfs

    @property
    def provider(self) -> Any:
        return next(each for each in providers(self.files, self.files.clock) if each.name == self.name)

    def component(self, ident: str) -> Component:
        found = self.provider.inspect(ident)
        assert found
        component: Component = found
        return component

    def activate(self, ident: str) -> Result:
        return fake.activate(self.provider, ident, files=self.files, clock=self.files.clock)

    def cancel(self, ident: str) -> Result:
        candidate = Candidate(self.provider, self.component(ident))
        return drain(mechanism.cancel(candidate, control=Control(), clock=self.files.clock, mishaps=Mishaps()))


@pytest.fixture
def make() -> Callable[..., Bench]:
    """Makes a `Bench`."""
    return Bench


@pytest.fixture
def lost() -> int:
    return LOST
