# SPDX-License-Identifier: Apache-2.0
"""X.509 certificates as TF-A's cert_create makes them (RFC 5280; TF-A v2.8 ``tools/cert_create/src/{cert,ext}.c``).

Nothing inside a certificate is used before its signature: `split` takes apart only the outer three parts,
`check_signature` verifies the raw bytes of the first with a key that came from elsewhere, and `read` looks inside
after that. A root certificate carries its own key, which is compared with the machine's hash of it first
(`subject_key`, TF-A ``drivers/auth/auth_mod.c``).

Dates are shown and not checked: firmware at this point has no clock, and TF-A checks none. Rollback is what the
non-volatile counters are for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from livefw.firmware.image import der
from livefw.firmware.image.der import Element, Reader, Tag
from livefw.firmware.image.errors import CertificateError, TrustError, Violation

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

MAX_CERTIFICATE = 16 << 10
"""Bytes. Attack: the size comes from the package. RSA-4096 with three keys and nine hashes stays below 4 KiB."""

_MAX_EXTENSIONS = 64
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 4096
_CURVES = ("secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1")


class HashKind(NamedTuple):
    """A hash algorithm: its name in `cryptography` and in words, its OID, its size in bytes."""

    name: str
    oid: str
    size: int


HASHES = (
    HashKind("SHA256", "2.16.840.1.101.3.4.2.1", 32),
    HashKind("SHA384", "2.16.840.1.101.3.4.2.2", 48),
    HashKind("SHA512", "2.16.840.1.101.3.4.2.3", 64),
)
"""What cert_create offers (``--hash-alg``), all at least as strong as the chain requires."""

HASH_BY_OID = {kind.oid: kind for kind in HASHES}
HASH_BY_NAME = {kind.name: kind for kind in HASHES}
HASH_BY_SIZE = {kind.size: kind for kind in HASHES}

RSA_PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
_ECDSA = {
    "1.2.840.10045.4.3.2": HASH_BY_NAME["SHA256"],
    "1.2.840.10045.4.3.3": HASH_BY_NAME["SHA384"],
    "1.2.840.10045.4.3.4": HASH_BY_NAME["SHA512"],
}
ECDSA_OIDS = {kind: oid for oid, kind in _ECDSA.items()}
COMMON_NAME = "2.5.4.3"


class Scheme(NamedTuple):
    """How a certificate is signed: RSA-PSS with a salt of that many bytes, or ECDSA if there is no salt."""

    hash: HashKind
    salt: int | None

    def __str__(self) -> str:
        return f"{'ECDSA' if self.salt is None else 'RSA-PSS'} with {self.hash.name}"


class Digest(NamedTuple):
    """A hash and what made it."""

    kind: HashKind
    value: bytes

    @property
    def empty(self) -> bool:
        """cert_create writes zeros for an optional image that it was not given."""
        return not any(self.value)


class Extension(NamedTuple):
    """An extension: ``value`` is the contents of its OCTET STRING, at ``offset`` in the certificate."""

    critical: bool
    value: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """The outer parts of a certificate that nobody has verified yet."""

    name: str
    body: Element
    algorithm: Element
    scheme: Scheme
    signature: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a verified certificate says. Dates are ASN.1 text; ``subject_key`` is a SubjectPublicKeyInfo in DER."""

    name: str
    serial: int
    common_name: str
    not_before: str
    not_after: str
    subject_key: bytes
    scheme: Scheme
    extensions: Mapping[str, Extension]

    def counter(self, oid: str) -> int:
        """The value of a non-volatile counter extension: an INTEGER of 32 bits."""
        element = self._value(oid, Tag.INTEGER)
        return der.unsigned(element, bits=32)

    def digest(self, oid: str) -> Digest | None:
        """The value of a hash extension (a DigestInfo), or None if there is no such extension."""
        if oid not in self.extensions:
            return None
        reader = self._value(oid, Tag.SEQUENCE).reader()
        kind = _hash_algorithm(reader.take(Tag.SEQUENCE))
        value = reader.take(Tag.OCTET_STRING)
        reader.finish()
        if len(value.content) != kind.size:
            raise value.error(Violation.DER_VALUE, f"{len(value.content)} octets", f"{kind.size} for {kind.name}")
        return Digest(kind, value.content)

    def key(self, oid: str) -> bytes:
        """The value of a key extension: a SubjectPublicKeyInfo in DER."""
        return self._value(oid, Tag.SEQUENCE).encoded

    def _value(self, oid: str, tag: Tag) -> Element:
        extension = self.extensions.get(oid)
        if extension is None:
            raise CertificateError(Violation.CERTIFICATE_EXTENSION, subject=self.name, expected=oid)
        return der.only(extension.value, f"{self.name}, extension {oid} at {extension.offset:#x}", tag)


def split(data: bytes, name: str) -> SignedCertificate:
    """Take the three outer parts of a certificate apart.

    Raises:
        CertificateError: the input is too large, not DER, or signed in a way that is not accepted. Not accepted are
            PKCS #1 v1.5 (TF-A dropped it) and everything with SHA-1.
    """
    if len(data) > MAX_CERTIFICATE:
        raise CertificateError(Violation.CERTIFICATE_SIZE, subject=name, found=len(data), expected=MAX_CERTIFICATE)
    reader = der.only(data, name, Tag.SEQUENCE).reader()
    body = reader.take(Tag.SEQUENCE)
    algorithm = reader.take(Tag.SEQUENCE)
    signature = der.bit_string(reader.take(Tag.BIT_STRING))
    reader.finish()
    return SignedCertificate(name, body, algorithm, _scheme(algorithm), signature)


def subject_key(signed: SignedCertificate) -> bytes:
    """The key that a certificate carries, unverified: only to be compared with a hash of it."""
    return _fields(signed)[3].encoded


def check_signature(signed: SignedCertificate, key_info: bytes) -> None:
    """Verify the signature with a SubjectPublicKeyInfo in DER.

    Raises:
        TrustError: KEY, the key is not RSA of 2048 to 4096 bits or on an accepted curve; SIGNATURE.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    key = load_key(key_info, signed.name)
    algorithm: hashes.HashAlgorithm = getattr(hashes, signed.scheme.hash.name)()
    try:
        if isinstance(key, rsa.RSAPublicKey) and signed.scheme.salt is not None:
            scheme = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=signed.scheme.salt)
            key.verify(signed.signature, signed.body.encoded, scheme, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signed.scheme.salt is None:
            key.verify(signed.signature, signed.body.encoded, ec.ECDSA(algorithm))
        else:
            raise TrustError(Violation.KEY, subject=signed.name, found=type(key).__name__, expected=str(signed.scheme))
    except InvalidSignature:
        raise TrustError(Violation.SIGNATURE, subject=signed.name, expected=str(signed.scheme)) from None


def load_key(key_info: bytes, name: str) -> "PublicKeyTypes":
    """A public key of an accepted kind and size; TrustError with KEY for any other."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(key_info)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(Violation.KEY, subject=name, found=error) from None
    if isinstance(key, rsa.RSAPublicKey) and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    found = f"{type(key).__name__} {getattr(key, 'key_size', '')}"
    raise TrustError(
        Violation.KEY, subject=name, found=found, expected=f"RSA-{_MIN_RSA_BITS} to {_MAX_RSA_BITS}, {_CURVES}"
    )


def read(signed: SignedCertificate) -> Certificate:
    """Look inside a certificate whose signature was checked; CertificateError if it is malformed."""
    serial, validity, subject, key_info, rest = _fields(signed)
    extensions: dict[str, Extension] = {}
    outer = rest.take(Tag.CONTEXT_3).reader()
    rest.finish()
    rows = outer.take(Tag.SEQUENCE).reader()
    outer.finish()
    while rows.position < rows.end:
        element = rows.take(Tag.SEQUENCE)
        oid, extension = _extension(element)
        # Attack: of two extensions with one OID, two readers can believe different ones.
        if oid in extensions or len(extensions) == _MAX_EXTENSIONS:
            raise element.error(Violation.CERTIFICATE_EXTENSION, oid, f"once, among at most {_MAX_EXTENSIONS}")
        extensions[oid] = extension
    dates = validity.reader()
    not_before, not_after = dates.take().content, dates.take().content
    dates.finish()
    return Certificate(
        name=signed.name,
        serial=serial,
        common_name=_common_name(subject),
        not_before=not_before.decode("ascii", "replace"),
        not_after=not_after.decode("ascii", "replace"),
        subject_key=key_info.encoded,
        scheme=signed.scheme,
        extensions=extensions,
    )


def _fields(signed: SignedCertificate) -> tuple[int, Element, Element, Element, Reader]:
    """Serial number, validity, subject and key of the to-be-signed part, and a reader for what follows them."""
    reader = signed.body.reader()
    version = der.only(reader.take(Tag.CONTEXT_0).content, signed.name, Tag.INTEGER)
    if der.unsigned(version, bits=8) != 2:
        raise version.error(Violation.CERTIFICATE_FIELD, version.content.hex(), "version 3, written 2")
    serial = int.from_bytes(reader.take(Tag.INTEGER).content, "big", signed=True)
    # Attack: an algorithm outside the signature that differs from the one inside lets the sender pick a weaker one
    # (RFC 5280, 4.1.1.2).
    inner = reader.take(Tag.SEQUENCE)
    if inner.encoded != signed.algorithm.encoded:
        raise inner.error(Violation.CERTIFICATE_FIELD, "another algorithm than the signature", str(signed.scheme))
    reader.take(Tag.SEQUENCE)  # the issuer is the certificate itself, not its signer: keys are linked by extension
    validity, subject, key_info = (reader.take(Tag.SEQUENCE) for _ in range(3))
    return serial, validity, subject, key_info, reader


def _extension(element: Element) -> tuple[str, Extension]:
    reader = element.reader()
    oid = der.oid(reader.take(Tag.OID))
    critical = der.boolean(reader.take(Tag.BOOLEAN)) if reader.next_is(Tag.BOOLEAN) else False
    value = reader.take(Tag.OCTET_STRING)
    reader.finish()
    return oid, Extension(critical, value.content, value.body)


def _common_name(name: Element) -> str:
    rows = name.reader()
    while rows.position < rows.end:
        attribute = rows.take(Tag.SET).reader().take(Tag.SEQUENCE).reader()
        if der.oid(attribute.take(Tag.OID)) == COMMON_NAME:
            return attribute.take().content.decode("utf-8", "replace")
    return ""


def _scheme(algorithm: Element) -> Scheme:
    reader = algorithm.reader()
    oid = der.oid(reader.take(Tag.OID))
    if oid in _ECDSA:
        reader.finish()
        return Scheme(_ECDSA[oid], None)
    if oid != RSA_PSS:
        raise algorithm.error(Violation.CERTIFICATE_ALGORITHM, oid, "RSA-PSS or ECDSA")
    # RFC 4055, 3.1: every field has a default that means SHA-1, so hash and mask function have to be there.
    fields = reader.take(Tag.SEQUENCE).reader()
    reader.finish()
    kind = _hash_algorithm(_inside(fields.take(Tag.CONTEXT_0), Tag.SEQUENCE))
    mask = _inside(fields.take(Tag.CONTEXT_1), Tag.SEQUENCE).reader()
    mask_oid = der.oid(mask.take(Tag.OID))
    mask_hash = _hash_algorithm(mask.take(Tag.SEQUENCE))
    if mask_oid != MGF1 or mask_hash != kind:
        raise algorithm.error(
            Violation.CERTIFICATE_ALGORITHM, f"{mask_oid} with {mask_hash.name}", f"MGF1 with {kind.name}"
        )
    salt = der.unsigned(_inside(fields.take(Tag.CONTEXT_2), Tag.INTEGER), bits=16)
    fields.finish()
    if salt > kind.size:
        raise algorithm.error(Violation.CERTIFICATE_ALGORITHM, f"a salt of {salt} octets", f"at most {kind.size}")
    return Scheme(kind, salt)


def _hash_algorithm(element: Element) -> HashKind:
    reader = element.reader()
    oid = der.oid(reader.take(Tag.OID))
    if reader.next_is(Tag.NULL):
        reader.take(Tag.NULL)
    reader.finish()
    if oid not in HASH_BY_OID:
        raise element.error(Violation.CERTIFICATE_ALGORITHM, oid, " or ".join(HASH_BY_NAME))
    return HASH_BY_OID[oid]


def _inside(element: Element, tag: Tag) -> Element:
    reader = element.reader()
    inner = reader.take(tag)
    reader.finish()
    return inner
