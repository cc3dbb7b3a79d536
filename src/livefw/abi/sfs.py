# SPDX-License-Identifier: Apache-2.0
"""AMD Seamless Firmware Servicing: ioctls of ``/dev/sfs`` (Linux ``include/uapi/linux/psp-sfs.h``)."""

import struct
from enum import IntEnum
from typing import NamedTuple

NAME_BYTES = 64
"""With the NUL at the end."""
MOST_BYTES = 2 << 20
"""Most that the driver's buffer takes, package and header rounded up (``drivers/crypto/ccp/sfs.c``)."""
_HEADER = 4 << 10
_UNIT = 64 << 10


class SfsIoctl(IntEnum):
    """Request numbers, type ``S``."""

    FW_VERSIONS = 0xD0085301
    UPDATE_PACKAGE = 0xC0485302


class Versions(NamedTuple):
    """struct sfs_user_get_fw_versions: 4096 opaque bytes, and two status words."""

    blob: bytes
    status: int
    extended: int


class UpdatePackage(NamedTuple):
    """struct sfs_user_update_package."""

    name: str
    status: int = 0
    extended: int = 0

    def encode(self) -> bytes:
        """The 72 bytes; ValueError if the name does not fit."""
        raw = self.name.encode()
        if not raw or len(raw) >= NAME_BYTES or b"\0" in raw or b"/" in raw:
            raise ValueError("a package name has 1 to 63 bytes and no slash")
        return _UPDATE.pack(raw, self.status, self.extended)


_VERSIONS = struct.Struct("<4096sII")
_UPDATE = struct.Struct(f"<{NAME_BYTES}sII")
VERSIONS_BYTES = _VERSIONS.size
UPDATE_BYTES = _UPDATE.size


def decode_versions(data: bytes) -> Versions:
    """ValueError for another size."""
    return Versions(*_sized(_VERSIONS, data))


def decode_update(data: bytes) -> UpdatePackage:
    """ValueError for another size."""
    raw, status, extended = _sized(_UPDATE, data)
    return UpdatePackage(bytes(raw).rstrip(b"\0").decode("utf-8", "backslashreplace"), status, extended)


def encode_versions(versions: Versions) -> bytes:
    """The 4104 bytes."""
    return _VERSIONS.pack(*versions)


def fits(size: int) -> bool:
    """Whether a package of so many bytes goes into the driver's buffer."""
    return (size + _HEADER + _UNIT - 1) // _UNIT * _UNIT <= MOST_BYTES


def _sized(layout: struct.Struct, data: bytes) -> tuple[bytes, int, int]:
    if len(data) != layout.size:
        raise ValueError(f"it has {layout.size} bytes, not {len(data)}")
    blob, status, extended = layout.unpack(data)
    return blob, status, extended
