# SPDX-License-Identifier: Apache-2.0
"""GUIDs of firmware components: bytes, the two spellings, and the two registers that carry one.

Everything in LFA (FIP, registers, sysfs) uses plain RFC 4122 byte order. UEFI sources (ESRT, capsules, fwupd) print
the first three fields little-endian; the same 16 bytes then have another spelling. Nothing in a GUID tells which one
a text is in, so a reader that takes input from both worlds has to try both.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Self
else:
    from livefw.light_tuple import NamedTuple

_FIELDS = (8, 4, 4, 4, 12)
_HEX = frozenset("0123456789abcdef")


class Guid(NamedTuple):
    """16 bytes in plain byte order; ``str()`` is the spelling of sysfs (``%pUb``: lower case, byte order)."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the 36-character spelling of sysfs, in either case; ValueError if it is anything else.

        The length is checked before a character is looked at: the text may be the name of any directory.
        """
        fields = text.lower().split("-") if len(text) == 36 else []
        if tuple(map(len, fields)) != _FIELDS or not _HEX.issuperset("".join(fields)):
            raise ValueError(f"not a GUID: {text[:40]!r}")
        return cls(bytes.fromhex("".join(fields)))

    @classmethod
    def parse_efi(cls, text: str) -> Self:
        """Read the mixed-endian spelling of UEFI; ValueError as for `parse`."""
        return cls(_swap(cls.parse(text).raw))

    @classmethod
    def from_registers(cls, x1: int, x2: int) -> Self:
        """Decode LFA_GET_INVENTORY's x1 and x2 (DEN0147): bytes 0..7 and 8..15, lowest byte first."""
        return cls(x1.to_bytes(8, "little") + x2.to_bytes(8, "little"))

    def to_registers(self) -> tuple[int, int]:
        """Encode as x1 and x2 of LFA_GET_INVENTORY."""
        return int.from_bytes(self.raw[:8], "little"), int.from_bytes(self.raw[8:], "little")

    @property
    def efi(self) -> str:
        """The mixed-endian spelling that UEFI tools show for the same bytes."""
        return _spell(_swap(self.raw))

    def __str__(self) -> str:
        return _spell(self.raw)


def _spell(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _swap(raw: bytes) -> bytes:
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]


class KnownGuid(NamedTuple):
    """A component GUID with a public identity: TF-A's macro (``UUID_`` left out) and a name to show a person."""

    guid: Guid
    identifier: str
    title: str


def _known(text: str, identifier: str, title: str) -> KnownGuid:
    return KnownGuid(Guid.parse(text), identifier, title)


BL31 = _known("47d4086d-4cfe-9846-9b95-2950cbbd5a00", "EL3_RUNTIME_FIRMWARE_BL31", "TF-A BL31 runtime")
BL33 = _known("d6d0eea7-fcea-d54b-9782-9934f234b6e4", "NON_TRUSTED_FIRMWARE_BL33", "BL33 non-secure payload")
RMM = _known("6c0762a6-12f2-4b56-92cb-ba8f633606d9", "REALM_MONITOR_MGMT_FIRMWARE", "TF-RMM")
BL32 = _known("05d0e189-53dc-1347-8d2b-500a4b7a3e38", "SECURE_PAYLOAD_BL32", "BL32 secure payload")
SCP_BL2U = _known("65922703-2f74-e644-8dff-579ac1ff0610", "TRUSTED_UPDATE_FIRMWARE_SCP_BL2U", "SCP firmware update")
FVP_SP1 = _known("f07b2a96-1d47-4d17-9ec8-86a64e253e5c", "FVP_SP1", "FVP secure partition 1")
FVP_SP2 = _known("c3ff2127-7e41-a9f8-05af-24a1afa33474", "FVP_SP2", "FVP secure partition 2")

KNOWN: tuple[KnownGuid, ...] = (
    BL31,
    BL33,
    RMM,
    BL32,
    SCP_BL2U,
    FVP_SP1,
    FVP_SP2,
    _known("0b70c29b-2a5a-7840-9f65-0a5682738288", "SECURE_PAYLOAD_BL32_EXTRA1", "BL32 extra image 1"),
    _known("8ea87bb1-cfa2-3f4d-85fd-e7bba50220d9", "SECURE_PAYLOAD_BL32_EXTRA2", "BL32 extra image 2"),
    _known("9766fd3d-89be-e849-ae5d-78a140608213", "SCP_FIRMWARE_SCP_BL2", "SCP firmware"),
    _known("5ff9ec0b-4d22-3e4d-a544-c39d81c73f0a", "TRUSTED_BOOT_FIRMWARE_BL2", "TF-A BL2 boot firmware"),
    _known("60b3eb37-c1e5-ea41-9df3-19eda11f6801", "TRUSTED_UPDATE_FIRMWARE_BL2U", "TF-A BL2U updater"),
    _known("4f511d11-2be5-4e49-b4c5-83c2f715840a", "TRUSTED_UPDATE_FIRMWARE_NS_BL2U", "Non-secure updater"),
)
"""Public component GUIDs, from TF-A ``include/tools_share/firmware_image_package.h`` and its FVP port."""

BY_GUID: dict[Guid, KnownGuid] = {row.guid: row for row in KNOWN}
