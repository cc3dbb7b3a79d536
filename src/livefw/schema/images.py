# SPDX-License-Identifier: Apache-2.0
"""Documents of `livefw image`."""

from typing import NotRequired, TypedDict

from livefw.activation.images.signatures import SignatureVerdict


class ImageErrorDocument(TypedDict):
    """Why the firmware would refuse something."""

    rule: str
    """The rule that it breaks."""
    status: str
    """Status that PRIME would answer."""
    offset: int | None
    """Where in the file, in bytes; null if it is at no place."""
    text: str
    """What is wrong, for a person."""


class VerifiedImageDocument(TypedDict):
    """An image whose signature is valid."""

    name: str
    """Name of TF-A's fiptool, or the GUID."""
    guid: str
    """Its GUID."""
    version: str | None
    """Version that it declares, or null."""
    certificate: str
    """Certificate that has its hash."""


class VerdictDocument(TypedDict):
    """Whether a package is authentic."""

    authentic: bool
    """Whether it is."""
    images: NotRequired[list[VerifiedImageDocument]]
    """Images with a valid signature."""
    counters: NotRequired[dict[str, int]]
    """Rollback counters in its certificates."""
    unsigned: NotRequired[list[str]]
    """GUIDs of entries that no certificate covers."""
    error: NotRequired[ImageErrorDocument]
    """Why it is not authentic."""


class ImageVerdictDocument(TypedDict):
    """`livefw image verify`."""

    verdict: VerdictDocument
    """Whether the package is authentic."""


class ConsistentPackageDocument(TypedDict):
    """A package whose certificates, signatures and hashes fit each other; who signed it is not known."""

    chain: str
    """Chain of trust."""
    roots: dict[str, str]
    """SHA-256 of its root keys, which nothing vouches for."""
    images: list[VerifiedImageDocument]
    """Images that a certificate covers."""
    counters: dict[str, int]
    """Rollback counters in its certificates."""
    unsigned: list[str]
    """GUIDs of entries that no certificate covers."""


class ImageConsistentDocument(TypedDict):
    """`livefw image verify --chain-only`."""

    consistent: ConsistentPackageDocument
    """The package."""


class ExtractedImageDocument(TypedDict):
    """An image that was written to a file."""

    guid: str
    """Its GUID."""
    name: str | None
    """Name of TF-A's fiptool, of a platform or of the trust file, or null."""
    size: int
    """Its size in bytes."""
    flags: int
    """Flags of its entry."""
    file: str
    """The file."""


class ImageExtractDocument(TypedDict):
    """`livefw image extract`."""

    extracted: list[ExtractedImageDocument]
    """The images."""


class WrittenPackageDocument(TypedDict):
    """A package that was written anew."""

    file: str
    """Its path."""
    size: int
    """Its size in bytes."""
    platform_flags: int
    """Platform flags in its header."""
    images: list[str]
    """GUIDs of its entries."""


class ImageWrittenDocument(TypedDict):
    """`livefw image replace` and `remove`."""

    written: WrittenPackageDocument
    """The package."""


class TrustFileDocument(TypedDict):
    """A trust file that was made."""

    file: str
    """Its path."""
    chain: str
    """Chain of trust."""
    roots: dict[str, str]
    """Hash of each root key."""
    missing: list[str]
    """Root keys of the chain that it does not have."""


class ImageTrustDocument(TypedDict):
    """`livefw image trust`."""

    trust: TrustFileDocument
    """The trust file."""


class BuiltPackageDocument(TypedDict):
    """A package that was built."""

    file: str
    """Its path."""
    size: int
    """Its size in bytes."""
    trust: str
    """File with the trust anchor."""
    unsigned: list[str]
    """Images that no certificate covers."""


class ImageBuildDocument(TypedDict):
    """`livefw image build`."""

    built: BuiltPackageDocument
    """The package."""


class ArchiveSignatureDocument(TypedDict):
    """What the signatures of an image and its metainfo are worth."""

    verdict: SignatureVerdict
    """The verdict."""
    text: str
    """A sentence about it."""


class MadeMetadataDocument(TypedDict):
    """Firmware update metadata that was made."""

    file: str
    """Its path."""
    size: int
    """Its size in bytes."""
    version: int
    """Version of the format."""
    banks: int
    """How many banks it describes."""
    images: int
    """How many types of images it describes."""


class ImageMetadataDocument(TypedDict):
    """`livefw image metadata`."""

    metadata: MadeMetadataDocument
    """The metadata."""


class MadeCapsuleDocument(TypedDict):
    """An EFI capsule that was made."""

    file: str
    """Its path."""
    size: int
    """Its size in bytes."""
    signed: bool
    """Whether its image is signed."""


class ImageCapsuleDocument(TypedDict):
    """`livefw image capsule`."""

    capsule: MadeCapsuleDocument
    """The capsule."""


class ArchiveImageDocument(TypedDict):
    """An image in an archive of the LVFS."""

    id: str
    """Id of its metainfo."""
    name: str
    """Its name."""
    version: str
    """Its version."""
    file: str
    """Its file in the archive."""
    size: int
    """Its size in bytes."""
    guids: list[str]
    """GUIDs that it is for."""
    signature: ArchiveSignatureDocument | None
    """What its signatures are worth, with --keys; else null."""
    requires: list[str]
    """What its metainfo requires, each in a line."""


class RejectedReleaseDocument(TypedDict):
    """A release in an archive of the LVFS without a valid image."""

    version: str | None
    """Its version, or null if its metainfo cannot be read."""
    why: str
    """What is wrong."""


class ImageArchiveDocument(TypedDict):
    """`livefw image cab`."""

    archive: list[ArchiveImageDocument]
    """All valid images of the archive."""
    left_out: list[RejectedReleaseDocument]
    """Releases without a valid image."""


class BankImageDocument(TypedDict):
    """An image in a bank."""

    name: str
    """Its name."""
    guid: str
    """Its GUID."""
    version: str | None
    """Version that it declares, or null."""
    size: int
    """Its size in bytes."""
    differs: bool
    """Whether it differs from that of the active bank."""


class BankDocument(TypedDict):
    """A bank of a store."""

    bank: int
    """Its number."""
    state: str
    """Its state, as FWU metadata has it."""
    images: list[BankImageDocument]
    """Images in it."""


class StoreDocument(TypedDict):
    """A store of signed packages with two banks."""

    directory: str
    """Its path."""
    active: int
    """Bank that boots."""
    previous: int | None
    """Bank that booted before; null if none did."""
    on_trial: bool
    """Whether the active bank boots on trial."""
    counters: dict[str, int]
    """Rollback counters of the machine."""
    banks: list[BankDocument]
    """Both banks."""


class ImageStoreDocument(TypedDict):
    """`livefw image store`."""

    store: StoreDocument
    """What is in it afterwards."""
