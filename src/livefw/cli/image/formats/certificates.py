# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys, in DER and PEM."""

import hashlib

from livefw.cli.image.formats.base import Document, Format, InfoView, Start, everything, named
from livefw.firmware.format import keys, pem, x509
from livefw.firmware.format.keys import KeyFacts
from livefw.firmware.image import certificate
from livefw.firmware.image.certificate import Certificate
from livefw.firmware.image.chain import CHAINS, Counter
from livefw.firmware.image.der import Reader, Tag
from livefw.firmware.image.errors import CertificateError

_UNVERIFIED = "declared, not verified"


def certificate_document(data: bytes, name: str, *, strict: bool = False) -> Document:
    """What a certificate declares; CertificateError.

    One that no chain of trust accepts is shown with the reason, or with ``strict`` refused.
    """
    found = x509.read(data, name)
    document: Document = {
        "subject": found.common_name,
        "signature": found.signature,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "key_sha256": _hash(found.key),
        "extensions": {},
        "issuer": found.issuer,
        "name": found.subject,
        "serial": found.serial,
        "key": _key_document(found.key),
        "unusable": None,
    }
    try:
        read = certificate.read(certificate.split(data, name))
        document |= {"signature": str(read.scheme), "extensions": _extensions(read)}
    except CertificateError as error:
        if strict:
            raise
        document["unusable"] = str(error)
    return document


def _extensions(read: Certificate) -> Document:
    """What the extensions of the chains declare, by cert_create's option."""
    found: Document = {}
    for chain in CHAINS.values():
        for row in chain.rows:
            for entry in row.hashes:
                digest = read.digest(entry.oid)
                if digest and not digest.empty:
                    found[entry.option] = f"{digest.kind.name} {digest.value.hex()}"
            for key in row.keys:
                if key.oid in read.extensions:
                    found[key.option] = f"key {hashlib.sha256(read.key(key.oid)).hexdigest()}"
    return found | {
        f"{counter}-nvctr": read.counter(counter.oid) for counter in Counter if counter.oid in read.extensions
    }


def _key_document(key: KeyFacts) -> Document:
    return {
        "algorithm": key.algorithm,
        "bits": key.bits,
        "curve": key.curve,
        "private": key.private,
        "encrypted": key.encrypted,
        "sha256": _hash(key) if key.info else None,
    }


def _hash(key: KeyFacts) -> str:
    return hashlib.sha256(key.info or b"").hexdigest()


def _der_certificate(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    data = everything(start, x509.MAX_CERTIFICATE, "a certificate")
    end = Reader(data, "certificate").take(Tag.SEQUENCE).end
    return {"trailing": len(data) - end} | certificate_document(data[:end], "certificate")


def _certificate_lines(document: Document) -> list[str]:
    extensions = [("says", f"{name} {value}") for name, value in document["extensions"].items()]
    lines = named(
        (
            ("subject", document["subject"] or document["name"]),
            ("issuer", document["issuer"]),
            ("serial", document["serial"]),
            ("signature", document["signature"]),
            ("valid", f"{document['not_before']} to {document['not_after']} (not checked: firmware has no clock)"),
            ("key", f"{_key_text(document['key'])}, SHA-256 {document['key_sha256']}"),
            *extensions,
            ("trailing", f"{document['trailing']} bytes" if document.get("trailing") else None),
            ("unusable", document["unusable"] and f"in a chain of trust of TF-A: {document['unusable']}"),
        )
    )
    return [*lines, _UNVERIFIED]


def _key_text(key: Document) -> str:
    size = key["curve"] or (f"{key['bits']} bits" if key["bits"] else "")
    return " ".join(filter(None, (key["algorithm"], size)))


def _der_key(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    return {"key": _key_document(keys.read(everything(start, keys.MAX_KEY, "a key")))}


def _key_lines(document: Document) -> list[str]:
    key = document["key"]
    kind = ("encrypted private key" if key["encrypted"] else "private key") if key["private"] else "public key"
    hashed = key["sha256"] and f"{key['sha256']} (SHA-256 of the public key, as a root of trust has it)"
    return named(((kind, ""), ("algorithm", _key_text(key)), ("hash", hashed or "not known: there is no public key")))


def _pem(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    blocks = [_block(block) for block in pem.read(everything(start, pem.MAX_FILE, "a file in PEM"))]
    if all("damage" in block for block in blocks):
        raise ValueError(blocks[0]["damage"])
    return {"blocks": blocks}


def _block(block: pem.PemBlock) -> Document:
    document: Document = {"label": block.label, "offset": block.offset}
    try:
        if block.label in pem.CERTIFICATES:
            document["certificate"] = certificate_document(block.data, "certificate")
        elif block.encrypted:
            facts = KeyFacts(block.label.partition(" ")[0], None, None, private=True, encrypted=True)
            document["key"] = _key_document(facts)
        elif block.label in pem.KEYS:
            document["key"] = _key_document(keys.read(block.data))
    except CertificateError as error:
        document["damage"] = str(error)
    return document


def _pem_lines(document: Document) -> list[str]:
    lines: list[str] = []
    for block in document["blocks"]:
        lines += named(((block["label"], f"at offset {block['offset']:#x}"), ("damaged", block.get("damage"))))
        if "certificate" in block:
            lines += _certificate_lines(block["certificate"])
        elif "key" in block:
            lines += _key_lines(block)
    return lines


def _is_key(start: Start) -> bool:
    return start.size <= len(start.data) and keys.is_key(start.data)


CERTIFICATE = Format(
    "certificate",
    "X.509 certificate in DER",
    "the outer types of RFC 5280, version 3",
    lambda start: x509.is_certificate(start.data),
    _der_certificate,
    _certificate_lines,
)
KEY = Format(
    "key",
    "public or private key in DER",
    "the types of its parts (SubjectPublicKeyInfo, PKCS #8, RFC 8017, RFC 5915)",
    _is_key,
    _der_key,
    _key_lines,
)
PEM = Format(
    "PEM",
    "certificates and keys in PEM",
    "text with `-----BEGIN` of a certificate or a key",
    lambda start: b"\0" not in start.data and pem.is_pem(start.data),
    _pem,
    _pem_lines,
)
