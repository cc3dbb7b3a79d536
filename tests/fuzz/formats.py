# SPDX-License-Identifier: Apache-2.0
"""Formats in which firmware is shipped and stored, as `livefw image info` reads them."""

import io
from collections.abc import Iterator

from livefw.abi import capsule as efi
from livefw.abi.guid import BL33, RMM
from livefw.firmware.format import capsule
from livefw.firmware.format.source import FormatError

from .target import Target


def _capsule(data: bytes) -> object:
    found = capsule.read(io.BytesIO(data))
    assert found.size + found.trailing == len(data)
    end = found.header_size
    items: list[capsule.DriverItem | capsule.CapsuleItem] = [*found.drivers, *found.images]
    for item in items:
        assert end <= item.offset <= item.offset + item.size <= found.size
        end = item.offset + item.size
    return found, capsule.is_capsule(data, len(data)), capsule.flag_names(found.flags)


def capsule_of(*items: bytes, drivers: int = 0, flags: int = efi.CapsuleFlag.PERSIST_ACROSS_RESET) -> bytes:
    """An FMP capsule of items that are whole."""
    at = efi.MANAGEMENT.size + efi.ITEM.size * len(items)
    offsets = [at + sum(map(len, items[:index])) for index in range(len(items))]
    table = efi.MANAGEMENT.pack(1, drivers, len(items) - drivers) + b"".join(map(efi.ITEM.pack, offsets))
    body = table + b"".join(items)
    return efi.HEADER.pack(efi.FMP.raw, efi.HEADER.size, flags, efi.HEADER.size + len(body)) + body


def capsule_item(payload: bytes, *, version: int = 3, support: int = 0, vendor: bytes = b"") -> bytes:
    """An image with its header."""
    head = efi.IMAGE.pack(version, RMM.guid.raw, 1, len(payload), len(vendor), 7, support)
    return head[: efi.IMAGE_BYTES[version]] + payload + vendor


def signature(data: bytes = b"pkcs7", count: int = 5) -> bytes:
    """What stands before an image that is signed."""
    fields = (count, 24 + len(data), efi.CERTIFICATE_REVISION, efi.CERTIFICATE_EFI_GUID, efi.PKCS7.raw)
    return efi.AUTHENTICATION.pack(*fields) + data


def _capsule_seeds() -> Iterator[bytes]:
    versioned = efi.PAYLOAD.pack(efi.PAYLOAD_MAGIC, 16, 3, 2) + b"firmware"
    signed = signature() + versioned
    yield capsule_of(capsule_item(signed, support=1, vendor=b"vendor"), capsule_item(b"plain", version=1))
    yield capsule_of(b"driver", capsule_item(signed, version=2), drivers=1) + b"behind"
    yield efi.HEADER.pack(BL33.guid.raw, 32, 0, 40) + bytes(4) + b"body    "
    yield efi.HEADER.pack(efi.REVERT.raw, 28, 0, 28)


TARGETS = (Target("efi-capsule", _capsule, _capsule_seeds, (FormatError,), words=(efi.FMP.raw, b"MSS1"), longest=1024),)
