# SPDX-License-Identifier: Apache-2.0
"""Make EFI capsules; `livefw.abi.capsule` has the structures and their sources.

A signature is over the payload and the monotonic count (UEFI 2.10, 23.1, ``EFI_FIRMWARE_IMAGE_AUTHENTICATION``): a
detached PKCS #7 with SHA-256 and the certificate of the signer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from livefw.abi import capsule as abi
from livefw.abi.capsule import CapsuleFlag, CapsuleSupport
from livefw.abi.guid import Guid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate


class CapsuleSignature(NamedTuple):
    """How a payload is signed: what makes the PKCS #7 of some bytes, and the count that a replay would repeat."""

    sign: Callable[[bytes], bytes]
    monotonic_count: int = 0


class CapsuleVersions(NamedTuple):
    """What the payload header says, numbers of 32 bits: the version, and the lowest one that may replace it."""

    version: int
    lowest: int = 0


def plain(guid: Guid, body: bytes, flags: int = 0) -> bytes:
    """A capsule with a body that only its GUID explains."""
    return abi.HEADER.pack(guid.raw, abi.HEADER.size, flags, abi.HEADER.size + len(body)) + body


def managed(
    guid: Guid,
    image: bytes,
    *,
    index: int = 1,
    instance: int = 0,
    versions: CapsuleVersions | None = None,
    signature: CapsuleSignature | None = None,
    own_flags: int = 0,
) -> bytes:
    """A capsule of the Firmware Management Protocol with one image, of the type ``guid``, as mkeficapsule makes it."""
    if versions is not None:
        header = abi.PAYLOAD.pack(abi.PAYLOAD_MAGIC, abi.PAYLOAD.size, versions.version, versions.lowest)
        image = header + image
    support = CapsuleSupport(0)
    if signature is not None:
        support = CapsuleSupport.AUTHENTICATION
        count = signature.monotonic_count.to_bytes(8, "little")
        signed = signature.sign(image + count)
        length = abi.AUTHENTICATION.size - abi.CERTIFICATE_AT + len(signed)
        head = abi.AUTHENTICATION.pack(
            signature.monotonic_count, length, abi.CERTIFICATE_REVISION, abi.CERTIFICATE_EFI_GUID, abi.PKCS7.raw
        )
        image = head + signed + image
    item = abi.IMAGE.pack(3, guid.raw, index, len(image), 0, instance, support)
    first = abi.MANAGEMENT.size + abi.ITEM.size
    body = abi.MANAGEMENT.pack(abi.MANAGEMENT_VERSION, 0, 1) + abi.ITEM.pack(first) + item + image
    return plain(abi.FMP, body, CapsuleFlag.PERSIST_ACROSS_RESET | own_flags)


def accept(guid: Guid) -> bytes:
    """A capsule that accepts the image of this type (DEN0118)."""
    return plain(abi.ACCEPT, guid.raw)


def revert() -> bytes:
    """A capsule that goes back to the previous bank (DEN0118)."""
    return plain(abi.REVERT, b"")


def signer(key: "RSAPrivateKey | EllipticCurvePrivateKey", certificate: "Certificate") -> Callable[[bytes], bytes]:
    """What makes the PKCS #7 of some bytes with a key and its certificate."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

    options = [PKCS7Options.Binary, PKCS7Options.DetachedSignature]

    def sign(data: bytes) -> bytes:
        builder = PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())
        return builder.sign(Encoding.DER, options)

    return sign
