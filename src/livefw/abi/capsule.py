# SPDX-License-Identifier: Apache-2.0
"""Structures of EFI capsules, little-endian and without padding.

UEFI 2.10, 8.5.3 (``EFI_CAPSULE_HEADER``), 23.3 (``EFI_FIRMWARE_MANAGEMENT_CAPSULE_HEADER`` and ``_IMAGE_HEADER``),
23.1 (``EFI_FIRMWARE_IMAGE_AUTHENTICATION``), 32.2.4 (``WIN_CERTIFICATE_UEFI_GUID``); the header of a payload is
EDK II's (``FmpDevicePkg/Include/Library/FmpPayloadHeaderLib.h``), and U-Boot writes it too.
"""

import struct
from enum import IntFlag

from livefw.abi.guid import Guid

FMP = Guid.parse_efi("6dcbd5ed-e82d-4c44-bda1-7194199ad92a")
"""A capsule for the Firmware Management Protocol; of any other one the GUID names the firmware that it is for."""
ACCEPT = Guid.parse_efi("0c996046-bcc0-4d04-85ec-e1fcedf1c6f8")
REVERT = Guid.parse_efi("acd58b4b-c0e8-475f-99b5-6b3f7e07aaf0")
UX = Guid.parse_efi("3b8c8162-188c-46a4-aec9-be43f1d65697")
PKCS7 = Guid.parse_efi("4aafd29d-68df-49ee-8aa9-347d375665a7")

KNOWN: dict[Guid, str] = {
    FMP: "Firmware Management Protocol",
    ACCEPT: "acceptance of an update (DEN0118)",
    REVERT: "return to the previous bank (DEN0118)",
    UX: "a picture for the screen",
}
"""What a capsule is for, where its GUID says so (UEFI; U-Boot ``efi_api.h``; Windows UX capsule)."""


class CapsuleFlag(IntFlag):
    """Of the header; the lower 16 bits belong to the GUID."""

    PERSIST_ACROSS_RESET = 0x10000
    POPULATE_SYSTEM_TABLE = 0x20000
    INITIATE_RESET = 0x40000


OWN_FLAGS = 0xFFFF
ALL_FLAGS = sum(CapsuleFlag)
"""A number: the complement of an `IntFlag` leaves unknown bits out."""


class CapsuleSupport(IntFlag):
    """``ImageCapsuleSupport``: what stands around an image."""

    AUTHENTICATION = 1
    DEPENDENCY = 2


HEADER = struct.Struct("<16sIII")
"""GUID, header size, flags, size of all."""
MANAGEMENT = struct.Struct("<IHH")
"""Version (1), number of drivers, number of payloads; then the offset of each from here, 64 bits."""
MANAGEMENT_VERSION = 1
ITEM = struct.Struct("<Q")
IMAGE = struct.Struct("<I16sB3xIIQQ")
"""Version, image type, index, size, size of vendor code, hardware instance, `CapsuleSupport`."""
IMAGE_BYTES = {1: IMAGE.size - 16, 2: IMAGE.size - 8, 3: IMAGE.size}
"""Version 1 ends before the hardware instance, version 2 before what it supports."""
AUTHENTICATION = struct.Struct("<QIHH16s")
"""Monotonic count; the length of what follows it, revision, type and GUID of a WIN_CERTIFICATE."""
CERTIFICATE_REVISION, CERTIFICATE_EFI_GUID = 0x0200, 0x0EF1
CERTIFICATE_AT = 8
"""Where the length of a certificate begins to count: behind the monotonic count."""
PAYLOAD = struct.Struct("<4sIII")
"""``MSS1``, size of this header, version, lowest supported version."""
PAYLOAD_MAGIC = b"MSS1"
