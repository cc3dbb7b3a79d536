# SPDX-License-Identifier: Apache-2.0
"""Make a package with its whole chain of trust.

The certificates are those that TF-A's cert_create would make from the same keys: same names, extensions and
algorithms. Keys are made on the spot, given, or stay in a token (`token`); a certificate that somebody else has signed,
as the owner of a root key does with those of keys, is used as it is.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from livefw.abi.guid import Guid
from livefw.firmware.image import certificate, der, fip
from livefw.firmware.image.certificate import HashKind
from livefw.firmware.image.chain import CertificateRow, Counter, TrustChain
from livefw.firmware.image.der import Tag
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.token import TokenKey
from livefw.firmware.image.verify import TrustAnchor, hash_key, row_guid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    LocalKey = EllipticCurvePrivateKey | RSAPrivateKey
    PrivateKey = LocalKey | TokenKey

_PSS_SALT = 32
"""cert_create's, for every hash."""

_VALIDITY = (b"240101000000Z", b"431227000000Z")
"""7300 days, as cert_create writes it, from a fixed day: nobody checks it, and builds stay comparable."""


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


def generate(chain: TrustChain, kind: KeyKind = KeyKind.P256) -> "dict[str, LocalKey]":
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
    if isinstance(key, TokenKey):
        return key.info
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class ImageSigner:
    """Keys and counters of one product line.

    ``existing`` are certificates in DER, by name, that are used instead of signing new ones; only the
    others need keys.
    """

    chain: TrustChain
    keys: "Mapping[str, PrivateKey]"
    counters: Mapping[Counter, int] = field(default_factory=dict)
    hash: HashKind = certificate.HASHES[0]
    existing: Mapping[str, bytes] = field(default_factory=dict)

    def anchor(self, kind: HashKind = certificate.HASHES[0]) -> TrustAnchor:
        """What a machine that trusts these keys is born with; without roots of which there is no key here."""
        keys = {root: public_info(self.keys[root]) for root in self.chain.roots if root in self.keys}
        for row in self.chain.rows:
            if row.parent is None and row.name in self.existing:
                signed = certificate.split(self.existing[row.name], row.name)
                keys.setdefault(row.key, certificate.subject_key(signed))
        return TrustAnchor(self.chain, {root: hash_key(key, kind) for root, key in keys.items()})

    def certificates(self, images: Mapping[Guid, bytes]) -> Iterator[tuple[CertificateRow, bytes]]:
        """The certificates, in DER, that vouch for these images, with all above them."""
        for row in covering(self.chain, images):
            yield row, self.existing.get(row.name) or self.sign(row, self.extensions(row, images))

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
        key = key or self.keys[row.key]
        info = public_info(key)
        salt = _PSS_SALT if _is_rsa(info, row.name) else None
        algorithm = _algorithm(self.hash, salt)
        body = _body(row, extensions, info, algorithm)
        signature = _signature(key, body, self.hash, salt)
        return der.encode(Tag.SEQUENCE, body + algorithm + der.encode(Tag.BIT_STRING, b"\0" + signature))

    def package(
        self,
        images: Mapping[Guid, bytes],
        *,
        align: int = 1,
        platform_flags: int = 0,
        entry_flags: Mapping[Guid, int] | None = None,
    ) -> bytes:
        """A package of these images and their certificates."""
        flags = entry_flags or {}
        parts = [*images.items(), *((row_guid(row), data) for row, data in self.certificates(images))]
        payloads = [Payload.of(guid, data, flags.get(guid, 0)) for guid, data in parts]
        return fip.dump(payloads, align=align, platform_flags=platform_flags)


def covering(chain: TrustChain, images: Iterable[Guid]) -> list[CertificateRow]:
    """The certificates that vouch for these images, with all above them, in the order of the chain."""
    ends = [found[0] for found in map(chain.covers, images) if found]
    names = {row.name for end in ends for row in chain.path(end)}
    return [row for row in chain.rows if row.name in names]


def digest_info(kind: HashKind, value: bytes) -> bytes:
    """A DigestInfo in DER, as the hash extensions hold it."""
    algorithm = _sequence(encode_oid(kind.oid), der.encode(Tag.NULL, b""))
    return _sequence(algorithm, der.encode(Tag.OCTET_STRING, value))


def _is_rsa(info: bytes, name: str) -> bool:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return isinstance(certificate.load_key(info, name), rsa.RSAPublicKey)


def _signature(key: "PrivateKey", body: bytes, kind: HashKind, salt: int | None) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, TokenKey):
        return key.sign(body, kind, salt=salt)
    algorithm: hashes.HashAlgorithm = getattr(hashes, kind.name)()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(body, padding.PSS(mgf=padding.MGF1(algorithm), salt_length=_PSS_SALT), algorithm)
    return key.sign(body, ec.ECDSA(algorithm))


def _algorithm(kind: HashKind, salt: int | None) -> bytes:
    """AlgorithmIdentifier of a signature (RFC 5758, 3.2; RFC 4055, 3.1)."""
    if salt is None:
        return _sequence(encode_oid(certificate.ECDSA_OIDS[kind]))
    digest = _sequence(encode_oid(kind.oid), der.encode(Tag.NULL, b""))
    parameters = _sequence(
        der.encode(Tag.CONTEXT_0, digest),
        der.encode(Tag.CONTEXT_1, _sequence(encode_oid(certificate.MGF1), digest)),
        der.encode(Tag.CONTEXT_2, _integer(salt)),
    )
    return _sequence(encode_oid(certificate.RSA_PSS), parameters)


def _body(row: CertificateRow, extensions: Mapping[str, bytes], info: bytes, algorithm: bytes) -> bytes:
    """The part of a certificate that is signed (RFC 5280, 4.1)."""
    common_name = _sequence(encode_oid(certificate.COMMON_NAME), der.encode(Tag.UTF8_STRING, row.title.encode()))
    name = _sequence(der.encode(Tag.SET, common_name))
    key = der.only(info, row.name, Tag.SEQUENCE).reader()
    key.take(Tag.SEQUENCE)
    # RFC 5280, 4.2.1.2 (1): SHA-1 as a name, not for security.
    identifier = hashlib.sha1(der.bit_string(key.take(Tag.BIT_STRING)), usedforsecurity=False).digest()
    standard = {
        "2.5.29.14": der.encode(Tag.OCTET_STRING, identifier),
        "2.5.29.35": _sequence(der.encode(Tag.CONTEXT_0_PRIMITIVE, identifier)),
        "2.5.29.19": _sequence(),
    }
    rows = [_extension(oid, value) for oid, value in standard.items()]
    rows += [_extension(oid, value, critical=True) for oid, value in extensions.items()]
    return _sequence(
        der.encode(Tag.CONTEXT_0, _integer(2)),
        _integer(secrets.randbits(152) | 1),
        algorithm,
        name,
        _sequence(*(der.encode(Tag.UTC_TIME, date) for date in _VALIDITY)),
        name,
        info,
        der.encode(Tag.CONTEXT_3, _sequence(*rows)),
    )


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = der.encode(Tag.BOOLEAN, b"\xff") if critical else b""
    return _sequence(encode_oid(oid), flag, der.encode(Tag.OCTET_STRING, value))


def _sequence(*parts: bytes) -> bytes:
    return der.encode(Tag.SEQUENCE, b"".join(parts))


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
