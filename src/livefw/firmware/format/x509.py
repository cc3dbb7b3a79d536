# SPDX-License-Identifier: Apache-2.0
"""Any X.509 certificate (RFC 5280), to be shown: of a chain of TF-A, of the LVFS, of a BMC.

`livefw.firmware.image.certificate` reads what a machine is to believe and refuses what it does not know. This reads
what is there, by the same `der`, and verifies nothing.
"""

import re
from dataclasses import dataclass

from livefw.firmware.format import keys
from livefw.firmware.format.keys import KeyFacts
from livefw.firmware.image import der
from livefw.firmware.image.der import Element, Reader, Tag
from livefw.firmware.image.errors import CertificateError, Violation

MAX_CERTIFICATE = 64 << 10
"""Bytes. Attack: the reader's time; certificates have below 10 KiB."""
_MOST_PARTS = 64
"""Of a name, and extensions."""
_BEGINS = re.compile(rb"\x30\x82..\x30\x82..\xa0\x03\x02\x01[\x00-\x02]", re.DOTALL)

_ALGORITHMS = {
    "1.2.840.113549.1.1.4": "RSA with MD5",
    "1.2.840.113549.1.1.5": "RSA with SHA1",
    "1.2.840.113549.1.1.11": "RSA with SHA256",
    "1.2.840.113549.1.1.12": "RSA with SHA384",
    "1.2.840.113549.1.1.13": "RSA with SHA512",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.10045.4.3.2": "ECDSA with SHA256",
    "1.2.840.10045.4.3.3": "ECDSA with SHA384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA512",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_COMMON_NAME = "2.5.4.3"
_BMP_STRING = 0x1E


@dataclass(frozen=True, slots=True)
class X509:
    """What a certificate declares. Dates are ASN.1 text; names are written as ``CN=..., O=...``."""

    version: int
    serial: str
    """Hexadecimal."""
    signature: str
    issuer: str
    subject: str
    common_name: str
    not_before: str
    not_after: str
    key: KeyFacts
    extensions: tuple[str, ...]
    """OIDs."""


def is_certificate(data: bytes) -> bool:
    """Whether this is the beginning of a certificate in DER; what comes later may still be damaged."""
    return _BEGINS.match(data) is not None


def read(data: bytes, subject: str = "certificate") -> X509:
    """Take a certificate apart; CertificateError."""
    if len(data) > MAX_CERTIFICATE:
        raise CertificateError(
            Violation.CERTIFICATE_SIZE, subject=subject, found=len(data), expected=f"at most {MAX_CERTIFICATE}"
        )
    outer = der.only(data, subject, Tag.SEQUENCE).reader()
    body = outer.take(Tag.SEQUENCE).reader()
    algorithm = outer.take(Tag.SEQUENCE)
    der.bit_string(outer.take(Tag.BIT_STRING))
    outer.finish()
    version = 1
    if body.next_is(Tag.CONTEXT_0):
        version += der.unsigned(der.only(body.take().content, subject, Tag.INTEGER), bits=8)
    serial = body.take(Tag.INTEGER).content
    inner = body.take(Tag.SEQUENCE)
    if inner.encoded != algorithm.encoded:
        raise inner.error(Violation.CERTIFICATE_FIELD, "another algorithm than the signature", _oid(algorithm))
    issuer, validity, name, info = (body.take(Tag.SEQUENCE) for _ in range(4))
    dates = validity.reader()
    before, after = dates.take().content, dates.take().content
    dates.finish()
    names = _name(name)
    return X509(
        version=version,
        serial=serial.hex(),
        signature=_signature(algorithm),
        issuer=_written(_name(issuer)),
        subject=_written(names),
        common_name=next((text for oid, text in names if oid == _COMMON_NAME), ""),
        not_before=before.decode("ascii", "replace"),
        not_after=after.decode("ascii", "replace"),
        key=keys.public(info),
        extensions=tuple(_extensions(body)),
    )


def _extensions(body: Reader) -> list[str]:
    """OIDs of the extensions; unique identifiers before them, of version 2, are passed over."""
    found: list[str] = []
    while body.position < body.end:
        element = body.take()
        if element.tag == Tag.CONTEXT_3:
            rows = der.only(element.content, element.subject, Tag.SEQUENCE).reader()
            while rows.position < rows.end:
                _bounded(found, element)
                found.append(_oid(rows.take(Tag.SEQUENCE)))
    return found


def _name(element: Element) -> list[tuple[str, str]]:
    """OID and text of each attribute."""
    found: list[tuple[str, str]] = []
    rows = element.reader()
    while rows.position < rows.end:
        attributes = rows.take(Tag.SET).reader()
        while attributes.position < attributes.end:
            _bounded(found, element)
            attribute = attributes.take(Tag.SEQUENCE).reader()
            oid, value = der.oid(attribute.take(Tag.OID)), attribute.take()
            found.append((oid, value.content.decode("utf-16-be" if value.tag == _BMP_STRING else "utf-8", "replace")))
    return found


def _bounded(found: list[str] | list[tuple[str, str]], element: Element) -> None:
    if len(found) == _MOST_PARTS:
        raise element.error(Violation.CERTIFICATE_FIELD, expected=f"at most {_MOST_PARTS} parts")


def _written(name: list[tuple[str, str]]) -> str:
    return ", ".join(f"{_ATTRIBUTES.get(oid, oid)}={text}" for oid, text in name)


def _oid(element: Element) -> str:
    return der.oid(element.reader().take(Tag.OID))


def _signature(algorithm: Element) -> str:
    oid = _oid(algorithm)
    return _ALGORITHMS.get(oid, oid)
