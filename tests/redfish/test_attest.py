# SPDX-License-Identifier: Apache-2.0
"""Signed measurements: layouts of DSP0274, and what an answer has to have to prove anything.

There is no independent service with ComponentIntegrity to hold this against (2026).
"""

import base64
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi import spdm
from livefw.providers.base import Measured, Reason
from livefw.providers.redfish.attest import Attestation, attest, compare
from livefw.providers.redfish.exchange import BAD_STATUS, ExchangeError, Response

KEY = ec.generate_private_key(ec.SECP384R1())
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
BLOCKS = (spdm.Block(1, 1, b"a" * 48), spdm.Block(4, 0x81, b""))


def statement(nonce: bytes, version: int = 0x12, before: bytes = b"") -> bytes:
    transcript = before + spdm.request(version, nonce) + spdm.response(version, BLOCKS, bytes(32))
    message = spdm.signed_message(version, transcript, "SHA384")
    r, s = utils.decode_dss_signature(KEY.sign(message, ec.ECDSA(hashes.SHA384())))
    return transcript + r.to_bytes(48, "big") + s.to_bytes(48, "big")


class Device:
    """Answers SPDMGetSignedMeasurements, with some fields replaced."""

    def __init__(self, version: int = 0x12, before: bytes = b"", **change: Any) -> None:
        self._version, self._before, self._change = version, before, change

    def resource(self, path: str) -> dict[str, Any]:
        """What is behind the link of a certificate."""
        if path not in CERTIFICATES:
            raise ExchangeError(BAD_STATUS.fill(path=path, status=404), sent=True)
        return CERTIFICATES[path]

    def ask(self, path: str, body: dict[str, Any]) -> Response:
        made = statement(bytes.fromhex(body["Nonce"]), self._version, self._before)
        told = {
            "SignedMeasurements": base64.b64encode(made).decode(),
            "PublicKey": PEM.decode(),
            "SigningAlgorithm": "TPM_ALG_ECDSA_ECC_NIST_P384",
            "HashingAlgorithm": "TPM_ALG_SHA_384",
        }
        return Response(200, {}, told | self._change)


def certificate(key: ec.EllipticCurvePrivateKey) -> str:
    """Signed by itself; whose it is, nobody asks."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CPU0")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, datetime(2026, 1, 1), datetime(2036, 1, 1))
    return made.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM).decode()


CERTIFICATES: dict[str, dict[str, Any]] = {
    "/c/good": {"CertificateString": certificate(KEY)},
    "/c/other": {"CertificateString": certificate(ec.generate_private_key(ec.SECP384R1()))},
    "/c/curve": {"CertificateString": certificate(ec.generate_private_key(ec.SECP256R1()))},
    "/c/none": {"CertificateString": None},
    "/c/torn": {"CertificateString": certificate(KEY)[:200]},
}


def linked(name: str) -> dict[str, Any]:
    """An answer that names a certificate in place of a key."""
    return {"PublicKey": None, "Certificate": {"@odata.id": f"/c/{name}"}}


def test_without_peer_a_key_may_come_in_a_certificate() -> None:
    found = measured(**linked("good"))
    assert (found.trouble, found.blocks) == ("", BLOCKS)
    assert compare(found, measured()).measured is Measured.UNCHANGED  # the same key, however it came


@pytest.mark.parametrize(("answer", "text"), [(Response(404, {}, {}), "the BMC answered 404"), (None, "no way")])
def test_without_an_answer_nothing_is_measured_and_nothing_raised(answer: Response | None, text: str) -> None:
    class Mute(Device):
        def ask(self, path: str, body: dict[str, Any]) -> Response:
            if answer is None:
                raise ExchangeError(Reason("broken", "no way"), sent=True)
            return answer

    device: Any = Mute()
    assert attest(device, "/action") == Attestation(trouble=text)


def measured(**change: Any) -> Attestation:
    device: Any = Device(**change)
    return attest(device, "/action")


@pytest.mark.parametrize("version", spdm.VERSIONS)
@pytest.mark.parametrize("before", [b"", b"\x10\x84\x00\x00 version, capabilities, algorithms"])
def test_without_peer_fresh_statement_is_verified(version: int, before: bytes) -> None:
    found = measured(version=version, before=before)
    assert (found.trouble, found.blocks) == ("", BLOCKS)


OTHER = ec.generate_private_key(ec.SECP384R1()).public_key()
OTHER_PEM = OTHER.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"PublicKey": OTHER_PEM}, "signature is invalid"),
        ({"PublicKey": "no key"}, ""),
        ({"PublicKey": None}, "no key"),
        ({"PublicKey": None, "Certificate": {"@odata.id": "https://evil/x"}}, "/x returned 404"),
        (linked("other"), "signature is invalid"),
        (linked("curve"), "of the declared type"),
        (linked("none"), "no certificate to verify it with"),
        (linked("torn"), ""),
        (linked("missing"), "404"),
        ({"SigningAlgorithm": "TPM_ALG_RSASSA"}, "not supported"),
        ({"SigningAlgorithm": "TPM_ALG_ECDSA_ECC_NIST_P256"}, "bytes"),
        ({"HashingAlgorithm": "TPM_ALG_SHA_512"}, "signature is invalid"),
        ({"HashingAlgorithm": "MD5"}, "declared type"),
        ({"SignedMeasurements": "!"}, ""),
        ({"SignedMeasurements": None}, ""),
        ({"SignedMeasurements": base64.b64encode(statement(bytes(32))).decode()}, "nonce"),
    ],
)
def test_without_peer_what_proves_nothing_says_so(change: dict[str, Any], trouble: str) -> None:
    found = measured(**change)
    assert found.trouble
    assert trouble in found.trouble
    assert compare(found, measured()).measured is Measured.NOT


def test_another_key_afterwards_proves_nothing() -> None:
    one = Attestation(BLOCKS, "one")
    assert compare(one, Attestation(BLOCKS, "two")).measured is Measured.NOT
    assert compare(one, Attestation(BLOCKS, "one")).measured is Measured.UNCHANGED
    assert compare(one, Attestation(BLOCKS[:1], "one")).measured is Measured.CHANGED


@given(st.binary(max_size=30), st.integers(0, 200))
def test_statements_of_any_bytes_do_no_harm(noise: bytes, place: int) -> None:
    nonce = bytes(range(32))
    data = bytearray(statement(nonce))
    data[place : place + len(noise)] = noise
    try:
        found = spdm.parse(bytes(data), nonce=nonce, signature_bytes=96)
    except spdm.SpdmError:
        return
    # Nothing is left over that no signature covers, and every value that is believed is in what is signed.
    assert found.signed + found.signature == bytes(data)
    assert len(found.signature) == 96
    assert all(block.encode() in found.signed for block in found.blocks)
