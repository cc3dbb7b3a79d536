# SPDX-License-Identifier: Apache-2.0
"""Keys in DER, public and private: what they are, and the hash of the public one that a root of trust has.

Public: SubjectPublicKeyInfo (RFC 5280), RSAPublicKey. Private: PKCS #8 (RFC 5958), RSAPrivateKey (RFC 8017) and
ECPrivateKey (RFC 5915). A private key is never returned. Nothing is computed with a key, and it is not checked.
"""

from collections.abc import Callable
from typing import NamedTuple

from livefw.firmware.image import der
from livefw.firmware.image.der import Element, Reader, Tag
from livefw.firmware.image.errors import CertificateError, Violation

MAX_KEY = 64 << 10
"""Bytes. Attack: the cost of a large number. RSA of 16,384 bits has 9 KiB."""

_RSA = "1.2.840.113549.1.1.1"
_EC = "1.2.840.10045.2.1"
_ALGORITHMS = {
    _RSA: ("RSA", None),
    _EC: ("EC", None),
    "1.2.840.113549.1.1.10": ("RSA-PSS", None),
    "1.3.101.112": ("Ed25519", 256),
    "1.3.101.113": ("Ed448", 456),
}
_CURVES = {
    "1.2.840.10045.3.1.7": ("secp256r1", 256),
    "1.3.132.0.34": ("secp384r1", 384),
    "1.3.132.0.35": ("secp521r1", 521),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.8": ("brainpoolP256t1", 256),
}
"""Curves with their bits."""
_RSA_ENCRYPTION = der.encode(Tag.OID, bytes.fromhex("2a864886f70d010101")) + b"\x05\x00"
_EC_PUBLIC_KEY = der.encode(Tag.OID, bytes.fromhex("2a8648ce3d0201"))

_MOST_PARTS = 12
"""Elements of a key that are looked at: RSAPrivateKey has ten."""


class KeyFacts(NamedTuple):
    """A key. ``info`` is the SubjectPublicKeyInfo in DER, None where a private key comes without its public one."""

    algorithm: str
    bits: int | None
    curve: str | None
    private: bool
    encrypted: bool = False
    info: bytes | None = None


def is_key(data: bytes) -> bool:
    """Whether this is a key in DER, by the types of its parts."""
    try:
        return _reader(_parts(data)) is not None
    except CertificateError:
        return False


def read(data: bytes, subject: str = "key") -> KeyFacts:
    """What a key is; CertificateError if it is malformed."""
    parts = _parts(data, subject)
    reader = _reader(parts)
    if reader is None:
        raise CertificateError(Violation.KEY, subject=subject, offset=0, expected="a public or a private key")
    return reader(parts)


def public(info: Element) -> KeyFacts:
    """What a SubjectPublicKeyInfo is; CertificateError."""
    return _public(_elements(info.reader()))


def _parts(data: bytes, subject: str = "key") -> list[Element]:
    if len(data) > MAX_KEY:
        raise CertificateError(Violation.KEY, subject=subject, found=len(data), expected=f"at most {MAX_KEY} bytes")
    return _elements(der.only(data, subject, Tag.SEQUENCE).reader())


def _elements(reader: Reader) -> list[Element]:
    found: list[Element] = []
    while reader.position < reader.end and len(found) < _MOST_PARTS:
        found.append(reader.take())
    return found


def _public(parts: list[Element]) -> KeyFacts:
    if [part.tag for part in parts] != [Tag.SEQUENCE, Tag.BIT_STRING]:
        raise parts[0].error(Violation.KEY) if parts else CertificateError(Violation.KEY)
    name, bits, curve = _algorithm(parts[0])
    key = der.bit_string(parts[1])
    if name.startswith("RSA"):
        bits = _bits(der.only(key, parts[1].subject, Tag.SEQUENCE).reader().take(Tag.INTEGER))
    return KeyFacts(name, bits, curve, private=False, info=_info(parts[0].encoded, key))


def _rsa_public(parts: list[Element]) -> KeyFacts:
    return _rsa(parts[0], parts[1])


def _rsa_private(parts: list[Element]) -> KeyFacts:
    return _rsa(parts[1], parts[2])._replace(private=True)


def _encrypted(_: list[Element]) -> KeyFacts:
    return KeyFacts("unknown", None, None, private=True, encrypted=True)


def _ec_private(parts: list[Element], algorithm: Element | None = None) -> KeyFacts:
    """The curve and the public key stand in it, or the curve around it (RFC 5915)."""
    inside = {part.tag: part for part in parts[2:]}
    named = inside[Tag.CONTEXT_0].content if Tag.CONTEXT_0 in inside else b""
    encoded = algorithm.encoded if algorithm else der.encode(Tag.SEQUENCE, _EC_PUBLIC_KEY + named)
    name, bits, curve = _algorithm(der.only(encoded, parts[0].subject, Tag.SEQUENCE))
    key = inside.get(Tag.CONTEXT_1)
    info = key and _info(encoded, der.bit_string(der.only(key.content, key.subject, Tag.BIT_STRING)))
    return KeyFacts(name, bits, curve, private=True, info=info)


def _pkcs8(parts: list[Element]) -> KeyFacts:
    algorithm, key = parts[1], parts[2]
    name, bits, curve = _algorithm(algorithm)
    if name in ("RSA", "EC"):
        inner = _elements(der.only(key.content, key.subject, Tag.SEQUENCE).reader())
        if name == "RSA" and _reader(inner) is _rsa_private:
            return _rsa_private(inner)
        if name == "EC" and _reader(inner) is _ec_private:
            return _ec_private(inner, algorithm)
        raise key.error(Violation.KEY, expected=f"a private key of {name}")
    return KeyFacts(name, bits, curve, private=True)


_SHAPES: tuple[tuple[tuple[Tag, ...], Callable[[list[Element]], KeyFacts]], ...] = (
    ((Tag.SEQUENCE, Tag.BIT_STRING), _public),
    ((Tag.SEQUENCE, Tag.OCTET_STRING), _encrypted),
    ((Tag.INTEGER, Tag.INTEGER), _rsa_public),
    ((Tag.INTEGER,) * 9, _rsa_private),
)
_LONGER: tuple[tuple[tuple[Tag, ...], Callable[[list[Element]], KeyFacts]], ...] = (
    ((Tag.INTEGER, Tag.SEQUENCE, Tag.OCTET_STRING), _pkcs8),
    ((Tag.INTEGER, Tag.OCTET_STRING), _ec_private),
)
"""What a key is by the types of its parts, and those that others may follow."""


def _reader(parts: list[Element]) -> Callable[[list[Element]], KeyFacts] | None:
    tags = tuple(part.tag for part in parts)
    exact = next((reader for shape, reader in _SHAPES if tags == shape), None)
    return exact or next((reader for shape, reader in _LONGER if tags[: len(shape)] == shape), None)


def _algorithm(element: Element) -> tuple[str, int | None, str | None]:
    """Name, bits where the algorithm or the curve has them, and curve."""
    reader = element.reader()
    oid = der.oid(reader.take(Tag.OID))
    name, bits = _ALGORITHMS.get(oid, (oid, None))
    if oid != _EC or not reader.next_is(Tag.OID):
        return name, bits, None
    named = der.oid(reader.take(Tag.OID))
    curve, bits = _CURVES.get(named, (named, None))
    return name, bits, curve


def _rsa(modulus: Element, exponent: Element) -> KeyFacts:
    numbers = der.encode(Tag.SEQUENCE, modulus.encoded + exponent.encoded)
    info = _info(der.encode(Tag.SEQUENCE, _RSA_ENCRYPTION), numbers)
    return KeyFacts("RSA", _bits(modulus), None, private=False, info=info)


def _info(algorithm: bytes, key: bytes) -> bytes:
    return der.encode(Tag.SEQUENCE, algorithm + der.encode(Tag.BIT_STRING, b"\0" + key))


def _bits(number: Element) -> int:
    return int.from_bytes(number.content, "big").bit_length()
