# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an image, a certificate or a store, and which LFA status each of it becomes.

`RULES` is the one table: a rule's name, the status that LFA_PRIME answers when it is broken, and what it says. TF-A
maps a failed authentication to AUTH_ERROR, a lack of memory to NO_MEMORY and everything else that goes wrong while it
loads to DEVICE_ERROR (TF-A ``services/std_svc/lfa/lfa_main.c``, ``lfa_prime``).
"""

from enum import StrEnum
from typing import NamedTuple

from livefw.abi.lfa import LfaStatus
from livefw.errors import LivefwError, MechanismFailed, Refused


class Violation(StrEnum):
    """The rule that an input broke."""

    FIP_TRUNCATED = "fip-truncated"
    FIP_MAGIC = "fip-magic"
    FIP_TERMINATOR = "fip-terminator"
    FIP_ENTRY_LIMIT = "fip-entry-limit"
    FIP_BOUNDS = "fip-bounds"
    FIP_OVERLAP = "fip-overlap"
    FIP_DUPLICATE = "fip-duplicate"
    FIP_ALIGNMENT = "fip-alignment"
    FIP_FIELD = "fip-field"
    FIP_MISSING = "fip-missing"
    DER_TRUNCATED = "der-truncated"
    DER_LENGTH = "der-length"
    DER_TAG = "der-tag"
    DER_VALUE = "der-value"
    DER_TRAILING = "der-trailing"
    CERTIFICATE_SIZE = "certificate-size"
    CERTIFICATE_FIELD = "certificate-field"
    CERTIFICATE_ALGORITHM = "certificate-algorithm"
    CERTIFICATE_EXTENSION = "certificate-extension"
    CERTIFICATE_MISSING = "certificate-missing"
    KEY = "key"
    ROOT_KEY = "root-key"
    SIGNATURE = "signature"
    ROLLBACK = "rollback"
    IMAGE_NOT_COVERED = "image-not-covered"
    IMAGE_HASH = "image-hash"
    IMAGE_ENCRYPTED = "image-encrypted"
    IMAGE_TOO_LARGE = "image-too-large"
    METADATA = "metadata"
    COUNTERS = "counters"
    STORE_STATE = "store-state"
    STORE_FULL = "store-full"
    STORE_IO = "store-io"
    EVENT_LOG = "event-log"


class RuleRow(NamedTuple):
    """One rule: the status of LFA_PRIME when it is broken, and the sentence for a person."""

    status: LfaStatus
    text: str


_AUTH, _MEMORY, _DEVICE = LfaStatus.AUTH_ERROR, LfaStatus.NO_MEMORY, LfaStatus.DEVICE_ERROR

RULES: dict[Violation, RuleRow] = {
    Violation.FIP_TRUNCATED: RuleRow(_DEVICE, "the package ends inside a structure"),
    Violation.FIP_MAGIC: RuleRow(_DEVICE, "not a firmware image package"),
    Violation.FIP_TERMINATOR: RuleRow(_DEVICE, "the table of contents has no end marker"),
    Violation.FIP_ENTRY_LIMIT: RuleRow(_DEVICE, "the table of contents has too many entries"),
    Violation.FIP_BOUNDS: RuleRow(_DEVICE, "an entry lies outside the package"),
    Violation.FIP_OVERLAP: RuleRow(_DEVICE, "two parts of the package share bytes"),
    Violation.FIP_DUPLICATE: RuleRow(_DEVICE, "two entries have one GUID"),
    Violation.FIP_ALIGNMENT: RuleRow(_DEVICE, "the alignment is not a power of two within bounds"),
    Violation.FIP_FIELD: RuleRow(_DEVICE, "a field of the package is out of range"),
    Violation.FIP_MISSING: RuleRow(_DEVICE, "the package has no such image"),
    Violation.DER_TRUNCATED: RuleRow(_AUTH, "an ASN.1 element ends after its container"),
    Violation.DER_LENGTH: RuleRow(_AUTH, "an ASN.1 length is not in DER form"),
    Violation.DER_TAG: RuleRow(_AUTH, "an ASN.1 element is not of the expected type"),
    Violation.DER_VALUE: RuleRow(_AUTH, "an ASN.1 value is not in DER form or out of range"),
    Violation.DER_TRAILING: RuleRow(_AUTH, "bytes follow where an ASN.1 element has to end"),
    Violation.CERTIFICATE_SIZE: RuleRow(_AUTH, "the certificate is larger than any that a chain uses"),
    Violation.CERTIFICATE_FIELD: RuleRow(_AUTH, "a field of the certificate has a value that is not allowed"),
    Violation.CERTIFICATE_ALGORITHM: RuleRow(_AUTH, "the signature or hash algorithm is not accepted"),
    Violation.CERTIFICATE_EXTENSION: RuleRow(_AUTH, "an extension is missing, twice there or unknown and critical"),
    Violation.CERTIFICATE_MISSING: RuleRow(_AUTH, "the package lacks a certificate of the chain"),
    Violation.KEY: RuleRow(_AUTH, "the public key is not of an accepted kind or size"),
    Violation.ROOT_KEY: RuleRow(_AUTH, "the certificate is signed by a key that is not the root of trust"),
    Violation.SIGNATURE: RuleRow(_AUTH, "the signature does not match"),
    Violation.ROLLBACK: RuleRow(_AUTH, "the non-volatile counter is lower than the machine's"),
    Violation.IMAGE_NOT_COVERED: RuleRow(_AUTH, "no certificate vouches for the image"),
    Violation.IMAGE_HASH: RuleRow(_AUTH, "the image is not the one that its certificate vouches for"),
    Violation.IMAGE_ENCRYPTED: RuleRow(_AUTH, "the image is encrypted (AES-GCM) and cannot be judged without the key"),
    Violation.IMAGE_TOO_LARGE: RuleRow(_MEMORY, "the image does not fit the memory of its component"),
    Violation.METADATA: RuleRow(_DEVICE, "the firmware update metadata is not usable"),
    Violation.COUNTERS: RuleRow(_DEVICE, "the non-volatile counters are not usable"),
    Violation.STORE_STATE: RuleRow(_DEVICE, "the store is not in a state that allows this"),
    Violation.STORE_FULL: RuleRow(_DEVICE, "the package does not fit a bank"),
    Violation.STORE_IO: RuleRow(_DEVICE, "the store could not be read or written"),
    Violation.EVENT_LOG: RuleRow(_DEVICE, "the measurement log is not well formed"),
}


class ImageError(LivefwError):
    """An input broke a rule.

    Attributes:
        rule: which one; `RULES` has its status and its text.
        subject: what was being read, for example the FIP tool's name of an entry or of a certificate.
        offset: where in the subject, in bytes, if there is a place.
        found, expected: the values that disagree, if there are any.
    """

    def __init__(
        self,
        rule: Violation,
        *,
        subject: str = "",
        offset: int | None = None,
        found: object = None,
        expected: object = None,
    ) -> None:
        place = ", ".join(filter(None, (subject, f"offset {offset:#x}" if offset is not None else "")))
        pairs = (("found", found), ("expected", expected))
        values = ", ".join(f"{word} {value}" for word, value in pairs if value is not None)
        text = RULES[rule].text + (f" ({values})" if values else "")
        message = f"{place}: {text}" if place else text
        super().__init__(message, phase="image", firmware_code=RULES[rule].status.name)
        self.rule = rule
        self.subject = subject
        self.offset = offset
        self.found = found
        self.expected = expected

    @property
    def status(self) -> LfaStatus:
        """What LFA_PRIME answers for this."""
        return RULES[self.rule].status


class PackageError(ImageError, Refused):
    """A firmware image package is malformed, or cannot be made as asked."""


class CertificateError(ImageError, Refused):
    """A certificate is malformed."""


class TrustError(ImageError, Refused):
    """The input is well formed and not to be trusted."""


class StoreError(ImageError, MechanismFailed):
    """The store (banks, metadata, counters) is damaged, or not in a state that allows the request."""


class EventLogError(ImageError, MechanismFailed):
    """A measurement log is malformed."""
