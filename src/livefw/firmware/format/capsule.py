# SPDX-License-Identifier: Apache-2.0
"""EFI capsules: plain ones, and those of the Firmware Management Protocol (FMP) with images in them.

    capsule header   GUID, header size, flags, size of all
    FMP header       version, numbers of drivers and of payloads, the offset of each
    per payload      image header, then: [monotonic count and certificate] [FMP payload header] the firmware,
                     then what the vendor appends

Signatures are not verified: the keys are in the firmware.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from livefw.abi import capsule as abi
from livefw.abi.capsule import CapsuleFlag, CapsuleSupport
from livefw.abi.guid import Guid
from livefw.firmware.format.source import BoundedFile

MAX_ITEMS = 64
"""Attack: the count has 16 bits, and each item is read. Capsules of the LVFS have one to five."""
MAX_HEADER = 1 << 16
"""Bytes of a header and of what follows it up to the body; UEFI has 28, EDK II writes 32, some vendors a page."""


class Authentication(NamedTuple):
    """What signs an image: ``size`` bytes at ``offset``, in PKCS #7 as a rule, by the GUID."""

    monotonic_count: int
    kind: Guid
    offset: int
    size: int


class PayloadHeader(NamedTuple):
    """Versions that an image declares, numbers of 32 bits."""

    version: int
    lowest_supported: int


@dataclass(frozen=True, slots=True)
class CapsuleItem:
    """An image of an FMP capsule: ``size`` bytes of firmware at ``offset``, without what stands around it."""

    type: Guid
    index: int
    offset: int
    size: int
    header_version: int
    hardware_instance: int | None
    support: CapsuleSupport
    vendor_bytes: int
    authentication: Authentication | None
    header: PayloadHeader | None


class DriverItem(NamedTuple):
    """A driver that an FMP capsule brings to write its images with."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class EfiCapsule:
    """A capsule of ``size`` bytes, with ``trailing`` bytes behind it. A plain one has a body and no images."""

    guid: Guid
    header_size: int
    flags: int
    size: int
    trailing: int
    drivers: tuple[DriverItem, ...] = ()
    images: tuple[CapsuleItem, ...] = ()

    @property
    def managed(self) -> bool:
        """Whether it is one of the FMP."""
        return self.guid == abi.FMP


def is_capsule(data: bytes, size: int) -> bool:
    """Whether this is the beginning of a capsule in a file of ``size`` bytes.

    A plain capsule has no magic. One of a GUID that is not known here is recognised by its sizes, which have to be
    those of the file, and by flags that exist.
    """
    if len(data) < abi.HEADER.size:
        return False
    guid, header, flags, total = abi.HEADER.unpack_from(data)
    if Guid(guid) in abi.KNOWN:
        return True
    known = not flags & ~(abi.OWN_FLAGS | abi.ALL_FLAGS) and any(guid)
    return known and abi.HEADER.size <= header <= min(total, MAX_HEADER) and not header % 4 and total == size


def read(file: BinaryIO) -> EfiCapsule:
    """Read all headers of a capsule in a seekable file; `FormatError`."""
    source = BoundedFile(file)
    guid, header, flags, size = source.unpack(abi.HEADER, 0, "the capsule header")
    if not abi.HEADER.size <= header <= MAX_HEADER:
        source.fail(f"a capsule header of {header} bytes, and {abi.HEADER.size} to {MAX_HEADER} are possible", 16)
    if not header <= size <= source.size:
        source.fail(f"a capsule of {size} bytes, and the file has {source.size}", 24)
    trailing, source.size = source.size - size, size
    plain = EfiCapsule(Guid(guid), header, flags, size, trailing)
    return _managed(source, plain) if plain.managed else plain


def flag_names(flags: int) -> list[str]:
    """The flags by name; those of the GUID, and unknown ones, as a number."""
    rest = flags & ~abi.ALL_FLAGS
    return [flag.name.lower().replace("_", "-") for flag in CapsuleFlag if flags & flag and flag.name] + (
        [f"{rest:#x}"] if rest else []
    )


def _managed(source: BoundedFile, plain: EfiCapsule) -> EfiCapsule:
    at = plain.header_size
    version, drivers, payloads = source.unpack(abi.MANAGEMENT, at, "the FMP header")
    if version != abi.MANAGEMENT_VERSION:
        source.fail(f"an FMP header of version {version}, and only {abi.MANAGEMENT_VERSION} is known", at)
    if drivers + payloads > MAX_ITEMS:
        source.fail(f"{drivers} drivers and {payloads} payloads, more than {MAX_ITEMS}", at + 4)
    table = at + abi.MANAGEMENT.size
    count = drivers + payloads
    offsets = [source.unpack(abi.ITEM, table + 8 * index, "the table of items")[0] for index in range(count)]
    # Attack: items that share bytes change each other; each ends where the next one begins.
    bounds = [table - at + 8 * count, *offsets, plain.size - at]
    for index, (before, after) in enumerate(pairwise(bounds)):
        if before > after or (index and before == after):
            source.fail(f"an item at {after:#x} behind one at {before:#x}: out of order or the capsule", table)
    ends = bounds[2:]
    return EfiCapsule(
        plain.guid,
        plain.header_size,
        plain.flags,
        plain.size,
        plain.trailing,
        tuple(DriverItem(at + offsets[index], ends[index] - offsets[index]) for index in range(drivers)),
        tuple(_item(source, at + offsets[index], at + ends[index]) for index in range(drivers, count)),
    )


def _item(source: BoundedFile, start: int, end: int) -> CapsuleItem:
    raw = source.take(start, abi.IMAGE_BYTES[1], "an image header")
    version = int.from_bytes(raw[:4], "little")
    if version not in abi.IMAGE_BYTES:
        source.fail(f"an image header of version {version}, and 1 to {max(abi.IMAGE_BYTES)} are known", start)
    raw = source.take(start, abi.IMAGE_BYTES[version], "an image header").ljust(abi.IMAGE.size, b"\0")
    _, kind, index, size, vendor, instance, support = abi.IMAGE.unpack(raw)
    at = start + abi.IMAGE_BYTES[version]
    if size + vendor > end - at:
        source.fail(
            f"an image of {size} and vendor code of {vendor} bytes, and {max(end - at, 0)} are left", start + 24
        )
    stop = at + size
    authentication = _authentication(source, at, stop, demanded=bool(support & CapsuleSupport.AUTHENTICATION))
    if authentication:
        at = authentication.offset + authentication.size
    header = None
    if stop - at >= abi.PAYLOAD.size and source.take(at, 4, "an image") == abi.PAYLOAD_MAGIC:
        _, header_size, number, lowest = source.unpack(abi.PAYLOAD, at, "a payload header")
        if not abi.PAYLOAD.size <= header_size <= stop - at:
            source.fail(f"a payload header of {header_size} bytes, and {stop - at} are left", at + 4)
        header, at = PayloadHeader(number, lowest), at + header_size
    return CapsuleItem(
        Guid(kind),
        index,
        at,
        stop - at,
        version,
        instance if version > 1 else None,
        CapsuleSupport(support),
        vendor,
        authentication,
        header,
    )


def _authentication(source: BoundedFile, at: int, stop: int, *, demanded: bool) -> Authentication | None:
    """The signature before an image. Headers before version 3 do not say whether there is one: it is recognised."""
    if stop - at < abi.AUTHENTICATION.size:
        if demanded:
            source.fail("the image ends within its signature, which its header announces", at)
        return None
    count, length, revision, kind, guid = source.unpack(abi.AUTHENTICATION, at, "a signature")
    fixed = abi.AUTHENTICATION.size - abi.CERTIFICATE_AT
    is_one = (revision, kind) == (abi.CERTIFICATE_REVISION, abi.CERTIFICATE_EFI_GUID)
    if is_one and fixed <= length <= stop - at - abi.CERTIFICATE_AT:
        return Authentication(count, Guid(guid), at + abi.AUTHENTICATION.size, length - fixed)
    if demanded or is_one:
        source.fail(f"a signature of {length} bytes, revision {revision:#x} and type {kind:#x}", at + 8)
    return None
