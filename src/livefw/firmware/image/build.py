# SPDX-License-Identifier: Apache-2.0
"""Make a package with its whole chain of trust, for tests and demonstrations.

The certificates are those that TF-A's cert_create would make from the same keys: same names, extensions and
algorithms. Keys are made on the spot or given; a product's keys belong in its own signing tool.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from livefw import libraries
from livefw.abi.guid import Guid
from livefw.firmware.image import certificate, der, fip
from livefw.firmware.image.certificate import HashKind
from livefw.firmware.image.chain import CertificateRow, Counter, TrustChain
from livefw.firmware.image.der import Tag
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.verify import TrustAnchor, hash_key, row_guid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import CertificateBuilder

    PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey

_PSS_SALT = 32
"""cert_create's, for every hash."""

_FROM = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_DAYS = 7300
"""Validity as cert_create writes it, from a fixed day: nobody checks it, and builds stay comparable."""


class KeyKind(StrEnum):
    """Kinds of keys that `generate` makes."""

    P256 = "p256"
    P384 = "p384"
    BRAINPOOL = "brainpool"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"


def key_options(chain: TrustChain) -> tuple[str, ...]:
    """All keys of a chain, by cert_create's option: roots first."""
    handed_on = (item.option for row in chain.rows for item in row.keys)
    return tuple(dict.fromkeys((*chain.roots, *handed_on)))


def generate(chain: TrustChain, kind: KeyKind = KeyKind.P256) -> "dict[str, PrivateKey]":
    """A fresh key for each place of a chain."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    curves: dict[KeyKind, ec.EllipticCurve] = {
        KeyKind.P256: ec.SECP256R1(),
        KeyKind.P384: ec.SECP384R1(),
        KeyKind.BRAINPOOL: ec.BrainpoolP256R1(),
    }
    if kind in curves:
        return {option: ec.generate_private_key(curves[kind]) for option in key_options(chain)}
    bits = int(kind.removeprefix("rsa"))
    return {option: rsa.generate_private_key(public_exponent=65537, key_size=bits) for option in key_options(chain)}


def public_info(key: "PrivateKey") -> bytes:
    """SubjectPublicKeyInfo of a key, in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class ImageSigner:
    """Keys and counters of one product line."""

    chain: TrustChain
    keys: "Mapping[str, PrivateKey]"
    counters: Mapping[Counter, int] = field(default_factory=dict)
    hash: HashKind = certificate.HASHES[0]

    def anchor(self, kind: HashKind = certificate.HASHES[0]) -> TrustAnchor:
        """What a machine that trusts these keys is born with."""
        roots = {root: hash_key(public_info(self.keys[root]), kind) for root in self.chain.roots}
        return TrustAnchor(self.chain, roots)

    def certificates(self, images: Mapping[Guid, bytes]) -> Iterator[tuple[CertificateRow, bytes]]:
        """The certificates, in DER, that vouch for these images, with all above them."""
        covering = [found[0] for found in map(self.chain.covers, images) if found]
        needed = {row.name for end in covering for row in self.chain.path(end)}
        for row in self.chain.rows:
            if row.name in needed:
                yield row, self.sign(row, self.extensions(row, images))

    def extensions(self, row: CertificateRow, images: Mapping[Guid, bytes]) -> dict[str, bytes]:
        """Identifier and value of the extensions of one certificate, in the order of cert_create."""
        values = {}
        if row.counter is not None:
            values[row.counter.oid] = _integer(self.counters.get(row.counter, 0))
        values |= {item.oid: public_info(self.keys[item.option]) for item in row.keys}
        for item in row.hashes:
            guid = self.chain.image_guid(item.option)
            image = images.get(guid) if guid else None
            if image is not None:
                values[item.oid] = digest_info(self.hash, hash_key(image, self.hash))
            elif item.optional:
                values[item.oid] = digest_info(self.hash, bytes(self.hash.size))
        return values

    def sign(self, row: CertificateRow, extensions: Mapping[str, bytes], key: "PrivateKey | None" = None) -> bytes:
        """One certificate in DER, signed with the key of its row or with another one."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.serialization import Encoding

        key = key or self.keys[row.key]
        algorithm: hashes.HashAlgorithm = getattr(hashes, self.hash.name)()
        builder = _builder(row, extensions, key)
        if isinstance(key, rsa.RSAPrivateKey):
            libraries.require("cryptography", 41, what="certificates signed with RSA")
            scheme = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=_PSS_SALT)
            signed = builder.sign(key, algorithm, rsa_padding=scheme)  # type: ignore[arg-type]  # its own subclass names
        else:
            signed = builder.sign(key, algorithm)  # type: ignore[arg-type]  # as above
        return signed.public_bytes(Encoding.DER)

    def package(self, images: Mapping[Guid, bytes], *, align: int = 1) -> bytes:
        """A package of these images and their certificates."""
        payloads = [Payload.of(guid, data) for guid, data in images.items()]
        payloads += [Payload.of(row_guid(row), data) for row, data in self.certificates(images)]
        return fip.dump(payloads, align=align)


def digest_info(kind: HashKind, value: bytes) -> bytes:
    """A DigestInfo in DER, as the hash extensions hold it."""
    algorithm = der.encode(Tag.SEQUENCE, encode_oid(kind.oid) + der.encode(Tag.NULL, b""))
    return der.encode(Tag.SEQUENCE, algorithm + der.encode(Tag.OCTET_STRING, value))


def _builder(row: CertificateRow, extensions: Mapping[str, bytes], key: "PrivateKey") -> "CertificateBuilder":
    from cryptography import x509

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, row.title)])
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_FROM + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
    )
    for oid, value in extensions.items():
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=True)
    return builder


def _integer(value: int) -> bytes:
    return der.encode(Tag.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_oid(text: str) -> bytes:
    """An OBJECT IDENTIFIER in DER from its dotted form."""
    first, second, *rest = map(int, text.split("."))
    octets = bytearray([40 * first + second])
    for arc in rest:
        pieces = [arc & 0x7F]
        while arc := arc >> 7:
            pieces.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(pieces))
    return der.encode(Tag.OID, bytes(octets))
