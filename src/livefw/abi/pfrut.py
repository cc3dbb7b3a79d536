# SPDX-License-Identifier: Apache-2.0
"""Platform Firmware Runtime Update: ioctls of ``/dev/acpi_pfr_update`` and the headers of a capsule.

Sources: Linux ``include/uapi/linux/pfrut.h``, ``drivers/acpi/pfr_update.c``, ``include/linux/efi.h``; the specification
behind them is Intel's "Management Mode Firmware Runtime Update OS Interface". All numbers are little-endian.
"""

import struct
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, Self

from livefw.abi import capsule as efi
from livefw.abi.guid import Guid


class PfrutIoctl(IntEnum):
    """Request numbers of the update device, magic 0xEE."""

    SET_REV = 0x4004EE01
    STAGE = 0x4004EE02
    ACTIVATE = 0x4004EE03
    STAGE_ACTIVATE = 0x4004EE04
    QUERY_CAP = 0x805CEE05


class CapsuleKind(StrEnum):
    """What a capsule updates, by the GUID of its image."""

    CODE = "code"
    DRIVER = "driver"


TYPES = {
    Guid.parse_efi("b2f84b79-7b6e-4e45-885f-3fb9bb185402"): CapsuleKind.CODE,
    Guid.parse_efi("4569dd8c-75f1-429a-a3d6-24de8097a0df"): CapsuleKind.DRIVER,
}


class Capability(NamedTuple):
    """struct pfru_update_cap_info, 92 bytes without padding."""

    status: int
    update_cap: int
    code_type: Guid
    fw_version: int
    code_rt_version: int
    drv_type: Guid
    drv_rt_version: int
    drv_svn: int
    platform_id: Guid
    oem_id: Guid
    oem_info_len: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """ValueError for another size."""
        if len(data) != _CAPABILITY.size:
            raise ValueError(f"a capability has {_CAPABILITY.size} bytes, not {len(data)}")
        values: list[Any] = [Guid(value) if isinstance(value, bytes) else value for value in _CAPABILITY.unpack(data)]
        return cls(*values)

    def encode(self) -> bytes:
        """The 92 bytes."""
        return _CAPABILITY.pack(*(value.raw if isinstance(value, Guid) else value for value in self))


_CAPABILITY = struct.Struct("<II16sII16sII16s16sI")
CAPABILITY_BYTES = _CAPABILITY.size

_IMAGE_BYTES = {version: efi.IMAGE_BYTES[version] for version in (1, 2)}
"""Linux takes no other."""
_AUTH = struct.Struct("<QI")
_PAYLOAD = struct.Struct("<IIIII16s")


class Capsule(NamedTuple):
    """What the headers of a capsule say. ``svn`` follows the payload header since 2025, if that is long enough."""

    kind: CapsuleKind
    hw_version: int
    rt_version: int
    platform_id: Guid
    svn: int | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """As far as the kernel reads it, within the bounds of the file, which the kernel does not check; ValueError."""
        try:
            size = efi.HEADER.unpack_from(data)[1]
            _, drivers, payloads = efi.MANAGEMENT.unpack_from(data, size)
            size += efi.MANAGEMENT.size + 8 * (drivers + payloads)
            version, raw = struct.unpack_from("<I16s", data, size)
            if version not in _IMAGE_BYTES:
                raise ValueError(f"the image header has version {version}, but Linux accepts 1 and 2")
            size += _IMAGE_BYTES[version]
            size += efi.CERTIFICATE_AT + _AUTH.unpack_from(data, size)[1]
            _, _, header, hw_version, rt_version, platform = _PAYLOAD.unpack_from(data, size)
            has_svn = header >= _PAYLOAD.size + 4 and len(data) >= size + _PAYLOAD.size + 4
            svn = struct.unpack_from("<I", data, size + _PAYLOAD.size)[0] if has_svn else None
        except struct.error:
            raise ValueError("it ends within its headers: not a whole capsule") from None
        if (kind := TYPES.get(Guid(raw))) is None:
            raise ValueError(f"its image type {Guid(raw).efi} is neither code injection nor driver update")
        return cls(kind, hw_version, rt_version, Guid(platform), svn)

    def encode(self, body: bytes = b"") -> bytes:
        """A capsule with these headers and an empty certificate, for a modelled device."""
        kind = next(guid for guid, known in TYPES.items() if known is self.kind)
        svn = b"" if self.svn is None else struct.pack("<I", self.svn)
        head = _PAYLOAD.size + len(svn)
        payload = _PAYLOAD.pack(0, 1, head, self.hw_version, self.rt_version, self.platform_id.raw) + svn + body
        auth = struct.pack("<QIHH16s", 0, 24, 0x200, 0xEF1, bytes(16))
        image = efi.IMAGE.pack(2, kind.raw, 1, len(payload), 0, 0, 0)[: _IMAGE_BYTES[2]]
        managed = efi.MANAGEMENT.pack(1, 0, 1) + struct.pack("<Q", efi.MANAGEMENT.size + 8)
        rest = managed + image + auth + payload
        return efi.HEADER.pack(efi.FMP.raw, efi.HEADER.size, 0, efi.HEADER.size + len(rest)) + rest
