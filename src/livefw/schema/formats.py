# SPDX-License-Identifier: Apache-2.0
"""The document of `livefw image info`: what a file is, and what is in it."""

from typing import Literal, NotRequired, TypedDict

from livefw.schema.images import ImageErrorDocument, RejectedReleaseDocument, VerdictDocument

ImageKind = Literal[
    "encrypted image",
    "package",
    "certificate",
    "key",
    "PEM",
    "archive",
    "metainfo",
    "catalog",
    "PFRUT capsule",
    "capsule",
    "TDX module",
    "Intel microcode",
    "AMD microcode",
    "event log",
    "update metadata",
    "disk",
    "image",
    "dump",
    "unknown",
]


class KeyDocument(TypedDict):
    """A public or private key, or the public key of a certificate."""

    algorithm: str
    """RSA, EC, ..., or its OID."""
    bits: int | None
    """Its size, or null if it is not known."""
    curve: str | None
    """Elliptic curve, or null."""
    private: bool
    """Whether it is a private key."""
    encrypted: bool
    """Whether it is encrypted."""
    sha256: str | None
    """SHA-256 of the public key (SubjectPublicKeyInfo in DER), as a root of trust has it; null without one."""


class CertificateDocument(TypedDict):
    """An X.509 certificate."""

    subject: str
    """Common name."""
    signature: str
    """Signature scheme."""
    not_before: str
    """Begin of its validity."""
    not_after: str
    """End of its validity."""
    key_sha256: str
    """SHA-256 of its public key."""
    extensions: dict[str, str | int | None]
    """Hashes, keys and counters of a chain of trust, by the name that TF-A's cert_create has for them."""
    issuer: str
    """Name of its issuer."""
    name: str
    """Name of its subject."""
    serial: str
    """Serial number, hexadecimal."""
    key: KeyDocument
    """Its public key."""
    unusable: str | None
    """Why no chain of trust of TF-A accepts it, or null."""


class PackageEntryDocument(TypedDict):
    """An entry of a firmware image package."""

    guid: str
    """Its GUID."""
    name: str | None
    """Name of TF-A's fiptool, or null."""
    title: str | None
    """Name for a person, or null."""
    offset: int
    """Where it begins, in bytes."""
    size: int
    """Its size in bytes."""
    flags: int
    """Its flags."""
    padding: int
    """Bytes before it that belong to nothing."""
    encrypted: NotRequired[bool]
    """Whether an image is encrypted."""
    certificate: NotRequired[CertificateDocument]
    """What is in it, if it is a certificate."""
    error: NotRequired[ImageErrorDocument]
    """Why it is no certificate, although it should be."""
    sha256: NotRequired[str]
    """Its SHA-256; absent where hashing would take long, and without --hash."""
    version: NotRequired[str | None]
    """Version that an image declares, or null."""


class EncryptionDocument(TypedDict):
    """The header of an encrypted image."""

    algorithm: str
    """Algorithm."""
    device_key: bool
    """Whether the key is the device's own, not the platform's."""
    vector: str
    """Initialization vector, hexadecimal."""
    tag: str
    """Authentication tag, hexadecimal."""
    payload: int
    """Size of the image in bytes."""


class PemBlockDocument(TypedDict):
    """A block of a file in PEM."""

    label: str
    """What it is called."""
    offset: int
    """Where it begins, in bytes."""
    certificate: NotRequired[CertificateDocument]
    """What is in it."""
    key: NotRequired[KeyDocument]
    """What is in it."""
    damage: NotRequired[str]
    """Why it cannot be read."""


class ReleaseDocument(TypedDict):
    """A release of an archive or a metainfo."""

    id: str
    """Id of its metainfo."""
    name: str
    """Its name."""
    version: str
    """Its version."""
    version_format: str | None
    """Format of the version, or null."""
    protocol: str | None
    """Update protocol, or null."""
    file: str
    """File of its image in the archive."""
    size: int | None
    """Size of its image in bytes, or null if the metainfo does not have it."""
    guids: list[str]
    """GUIDs that it is for."""
    checksums: list[str]
    """Checksums of its image that the metainfo declares: kind and digits."""
    sha256: str | None
    """SHA-256 of its image in an archive, else null."""


class CatalogSignatureDocument(TypedDict):
    """A detached signature in a catalog, which is not verified."""

    kind: str
    """PKCS7 or GPG."""
    size: int
    """Its size in bytes."""
    of_checksum: bool
    """Whether it is one of the digits of the file's checksum, not of the file."""


class CatalogItemDocument(TypedDict):
    """What a catalog has for a file."""

    file: str
    """Name of the file."""
    checksums: list[str]
    """Its checksums: kind and digits."""
    signatures: list[CatalogSignatureDocument]
    """Its signatures."""


class CapsuleSignatureDocument(TypedDict):
    """The signature of an image in a capsule, which is not verified."""

    type: str
    """PKCS #7, or the GUID of its type."""
    size: int
    """Its size in bytes."""
    monotonic_count: int
    """Counter that it covers."""


class CapsuleImageDocument(TypedDict):
    """An image in a capsule of the Firmware Management Protocol."""

    type: str
    """GUID of the firmware, as UEFI spells it."""
    index: int
    """Index of the image."""
    hardware_instance: int | None
    """Hardware that it is for, 0 for any; null in older capsules."""
    offset: int
    """Where the firmware begins, in bytes."""
    size: int
    """Size of the firmware in bytes."""
    vendor_bytes: int
    """Size of the vendor's code behind it, in bytes."""
    version: int | None
    """Version in its payload header, or null."""
    lowest_supported_version: int | None
    """Lowest supported version in its payload header, or null."""
    signature: CapsuleSignatureDocument | None
    """Its signature, or null."""
    sha256: str | None
    """SHA-256 of the firmware, or null where hashing would take long, and without --hash."""


class CapsuleDocument(TypedDict):
    """An EFI capsule."""

    guid: str
    """Its GUID, as UEFI spells it."""
    purpose: str | None
    """What it is for, where its GUID is known."""
    flags: list[str]
    """Its flags; those of the GUID, and unknown ones, as a number."""
    header_size: int
    """Size of its header in bytes."""
    body: int
    """Size of what follows the header in bytes."""
    drivers: list[int]
    """Sizes of the drivers in it, in bytes."""
    images: list[CapsuleImageDocument]
    """Images in it."""


class PfrutDocument(TypedDict):
    """A capsule of PFRUT."""

    updates: str
    """What it updates: code or driver."""
    type: str
    """GUID of its image, as UEFI spells it."""
    platform: str
    """GUID of its platform, as UEFI spells it."""
    hardware_version: int
    """Version of the hardware that it is for."""
    version: int
    """Its version."""
    svn: int | None
    """Security version, or null."""


class TdxModuleDocument(TypedDict):
    """The image of a TDX module."""

    layout: int
    """Layout of the file."""
    version: str | None
    """Version of a published module with this hash, or null."""
    svn: str
    """Security version."""
    date: str
    """Date of the build, yyyymmdd."""
    debug: bool
    """Whether it is for debugging only."""
    cpus: list[str]
    """CPUID.1:EAX of the CPUs that it is for, without steppings."""
    size: int
    """Size of the module in bytes."""
    seamhash: str
    """SHA-384 of the module, as it is signed."""
    signer: str
    """SHA-384 of the modulus of the key that signed it."""
    intel: bool
    """Whether that is Intel's key."""
    faults: list[str]
    """Why no loader takes it, apart from the key that signed it."""


class MicrocodeCpuDocument(TypedDict):
    """A CPU that an update is for."""

    signature: str
    """CPUID.1:EAX."""
    platforms: str | None
    """Mask of platforms; null for AMD."""


class MicrocodeDocument(TypedDict):
    """An update of microcode."""

    revision: str
    """Its revision."""
    date: str
    """Its date."""
    offset: int
    """Where it begins, in bytes."""
    size: int
    """Its size in bytes."""
    minimum: str | None
    """Lowest revision upon which it may be loaded late, or null."""
    cpus: list[MicrocodeCpuDocument]
    """CPUs that it is for."""


class MeasuredEventDocument(TypedDict):
    """An event of a measurement log."""

    register: int
    """Register that it extends."""
    type: str
    """Type of the event."""
    size: int
    """Size of its data in bytes."""
    text: str | None
    """Its data, if they are text."""
    digests: dict[str, str]
    """Digests by algorithm."""


class EventLogDocument(TypedDict):
    """A measurement log."""

    algorithms: list[str]
    """Algorithms of its digests."""
    events: list[MeasuredEventDocument]
    """All events."""
    registers: dict[str, dict[str, str]]
    """What each register has after all events, by its number and by algorithm."""


class MetadataBankDocument(TypedDict):
    """An image in a bank."""

    image: str
    """GUID of the image."""
    accepted: bool
    """Whether it is accepted."""


class MetadataImageDocument(TypedDict):
    """A type of image of firmware update metadata."""

    type: str
    """GUID of the type, as UEFI spells it."""
    location: str
    """GUID of the place where it is kept, as UEFI spells it."""
    banks: list[MetadataBankDocument]
    """The image in each bank."""


class MetadataDocument(TypedDict):
    """Firmware update metadata."""

    version: int
    """Version of the metadata."""
    active: int
    """Bank that boots."""
    previous: int | None
    """Bank that booted before, or null."""
    states: list[str]
    """State of each bank; version 1 has none, and they follow from its images."""
    vendor_bytes: int
    """Size of the vendor's data in bytes."""
    header_bytes: int
    """Bytes of the header that this version does not have."""
    images: list[MetadataImageDocument]
    """Types of images."""


class PartitionDocument(TypedDict):
    """A partition of a disk."""

    number: int
    """Its number."""
    name: str
    """Its name."""
    type: str
    """GUID of its type, as UEFI spells it."""
    type_name: str | None
    """Name of its type, or null."""
    guid: str
    """Its GUID, as UEFI spells it."""
    offset: int
    """Where it begins, in bytes."""
    size: int
    """Its size in bytes."""
    attributes: int
    """Its attributes."""
    content: "ContentDocument"
    """What it begins with."""


class DiskDocument(TypedDict):
    """The GUID partition table of a disk."""

    guid: str
    """GUID of the disk, as UEFI spells it."""
    block: int
    """Bytes of a block."""
    note: str | None
    """What is wrong with one of the two tables, or null."""
    partitions: list[PartitionDocument]
    """Partitions, by number."""


class FoundDocument(TypedDict):
    """A package in a larger file."""

    offset: int
    """Where it begins, in bytes."""
    content: "ContentDocument"
    """What it is; its size is that of the rest of the file."""


class ContentDocument(TypedDict):
    """What is in a file, or in a part of one."""

    kind: ImageKind
    """Its format."""
    size: int
    """Its size in bytes."""
    damage: NotRequired[str]
    """Why a part of a larger file cannot be read."""
    trailing: NotRequired[int]
    """Bytes behind the end of a package, a certificate, a capsule or update metadata."""
    flags: NotRequired[int]
    """All flags of a package."""
    platform_flags: NotRequired[int]
    """Platform flags of a package."""
    serial: NotRequired[int | str]
    """Serial number of a package, or of a certificate in hexadecimal digits."""
    declared_size: NotRequired[int]
    """Size of a package by its end marker, in bytes."""
    padding: NotRequired[int]
    """Bytes between the parts of a package."""
    entries: NotRequired[list[PackageEntryDocument]]
    """Entries of a package."""
    verdict: NotRequired[VerdictDocument | None]
    """Whether a package is authentic; null if no trust anchor was given."""
    encryption: NotRequired[EncryptionDocument]
    """Header of an encrypted image."""
    subject: NotRequired[str]
    """Common name of a certificate."""
    signature: NotRequired[str]
    """Signature scheme of a certificate."""
    not_before: NotRequired[str]
    """Begin of the validity of a certificate."""
    not_after: NotRequired[str]
    """End of the validity of a certificate."""
    key_sha256: NotRequired[str]
    """SHA-256 of the public key of a certificate."""
    extensions: NotRequired[dict[str, str | int | None]]
    """Hashes, keys and counters in a certificate."""
    issuer: NotRequired[str]
    """Issuer of a certificate."""
    name: NotRequired[str]
    """Name of the subject of a certificate."""
    unusable: NotRequired[str | None]
    """Why no chain of trust of TF-A accepts a certificate, or null."""
    key: NotRequired[KeyDocument]
    """A key, or that of a certificate."""
    blocks: NotRequired[list[PemBlockDocument]]
    """Blocks of a file in PEM."""
    releases: NotRequired[list[ReleaseDocument]]
    """Releases of an archive or a metainfo."""
    left_out: NotRequired[list[RejectedReleaseDocument]]
    """Releases of an archive or a metainfo that are not valid."""
    catalog: NotRequired[list[CatalogItemDocument]]
    """Files in a catalog of signatures."""
    capsule: NotRequired[CapsuleDocument]
    """An EFI capsule."""
    pfrut: NotRequired[PfrutDocument]
    """A capsule of PFRUT."""
    module: NotRequired[TdxModuleDocument]
    """A TDX module."""
    microcode: NotRequired[list[MicrocodeDocument]]
    """Updates of microcode."""
    event_log: NotRequired[EventLogDocument]
    """A measurement log."""
    metadata: NotRequired[MetadataDocument]
    """Firmware update metadata."""
    disk: NotRequired[DiskDocument]
    """A partition table."""
    found: NotRequired[list[FoundDocument]]
    """Packages at other places of a disk or a dump."""
    sha256: NotRequired[str]
    """SHA-256 of an image or of an unknown file; absent where hashing would take long, and without --hash."""
    version: NotRequired[str | None]
    """Version that an image declares, or null."""


class ImageDocument(ContentDocument):
    """A file with firmware, or what belongs to it."""

    file: str
    """Its path."""


class ImageInfoDocument(TypedDict):
    """`livefw image info`."""

    image: ImageDocument
    """What the file is."""
