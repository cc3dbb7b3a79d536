# SPDX-License-Identifier: Apache-2.0
"""Signed measurements of a component, asked for with a nonce that nobody has seen before.

The answer proves that it is fresh, because it carries the nonce, and that it is of the same key before and after. Whose
key that is, the BMC says; it is not held against an authority here, and the log says so.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from livefw import libraries
from livefw.abi import spdm
from livefw.providers.base import Measured
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import ExchangeError, local_path

_HASHES = {"SHA_256": "SHA256", "SHA_384": "SHA384", "SHA_512": "SHA512"}
_CURVES = {"P256": ("SECP256R1", 64), "P384": ("SECP384R1", 96), "P521": ("SECP521R1", 132)}
"""ECDSA by the last part of names as in ``TPM_ALG_ECDSA_ECC_NIST_P384``: curve, and bytes of a signature."""


class Attestation(NamedTuple):
    """One measurement that was taken; ``trouble`` is why it proves nothing."""

    blocks: tuple[spdm.Block, ...] = ()
    key: str = ""
    trouble: str = ""


def attest(client: RedfishClient, action: str) -> Attestation:
    """Ask once; never raises, because an activation does not depend on it."""
    nonce = os.urandom(spdm.NONCE_BYTES)
    try:
        answer = client.ask(action, {"Nonce": nonce.hex(), "SlotId": 0})
    except ExchangeError as error:
        return Attestation(trouble=error.text)
    if answer.status != 200:
        return Attestation(trouble=f"the BMC answered {answer.status}")
    try:
        data = base64.b64decode(str(answer.body.get("SignedMeasurements")), validate=True)
        curve, size = _curve(str(answer.body.get("SigningAlgorithm")))
        statement = spdm.parse(data, nonce=nonce, signature_bytes=size)
        pem = _key(client, answer.body)
        _verify(statement, pem, curve, str(answer.body.get("HashingAlgorithm")))
    except (ValueError, ExchangeError) as error:
        return Attestation(trouble=str(error))
    except ImportError as error:
        missing = libraries.missing("cryptography", error)
        return Attestation(trouble=f"{missing.message} ({missing.hint})")
    from hashlib import sha256

    return Attestation(statement.blocks, sha256(pem).hexdigest())


def _curve(name: str) -> tuple[str, int]:
    found = _CURVES.get(name.rpartition("_")[2])
    if "ECDSA" not in name or found is None:
        raise ValueError(f"the signature algorithm {name[:40]!r} is not supported")
    return found


def _key(client: RedfishClient, body: dict[str, object]) -> bytes:
    """The key as PEM: given directly, or in a certificate."""
    if isinstance(key := body.get("PublicKey"), str):
        return key.encode()
    link = body.get("Certificate")
    uri = local_path(link.get("@odata.id")) if isinstance(link, dict) else None
    if uri is None:
        raise ValueError("there is no key to verify it with")
    certificate = client.resource(uri).get("CertificateString")
    if not isinstance(certificate, str):
        raise ValueError("there is no certificate to verify it with")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    with _readable():
        public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def _readable() -> Iterator[None]:
    """Every error of the library over a key or a certificate as ValueError: it has several, of no common kind."""
    try:
        yield
    except Exception as error:
        raise ValueError(str(error)) from error


def _verify(statement: spdm.Statement, pem: bytes, curve: str, hashing: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    name = next((known for suffix, known in _HASHES.items() if hashing.endswith(suffix)), None)
    with _readable():
        key = serialization.load_pem_public_key(pem)
    if name is None or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name.upper() != curve:
        raise ValueError("the hash or the key is not of the declared type")
    algorithm = getattr(hashes, name)()
    half = len(statement.signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (statement.signature[:half], statement.signature[half:]))
    message = spdm.signed_message(statement.version, statement.signed, name)
    try:
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise ValueError("the signature is invalid") from None


class Comparison(NamedTuple):
    """What two measurements say together, and in words."""

    measured: Measured
    text: str


def compare(before: Attestation | None, after: Attestation | None) -> Comparison:
    """Before and after an activation; None where none was taken."""
    if before is None or after is None:
        return Comparison(Measured.NOT, "")
    for when, each in (("before", before), ("after", after)):
        if each.trouble:
            return Comparison(Measured.NOT, f"attestation {when}: {each.trouble}")
    if before.key != after.key:
        return Comparison(Measured.NOT, "attestation: a different key signed after the activation")
    changed = sorted({block.number for block in set(before.blocks) ^ set(after.blocks)})
    if not changed:
        text = "attestation: fresh and correctly signed; no measurement has changed"
        return Comparison(Measured.UNCHANGED, text)
    indices = ", ".join(map(str, changed))
    text = f"attestation: fresh and correctly signed; measurement {indices} has changed"
    return Comparison(Measured.CHANGED, text)
