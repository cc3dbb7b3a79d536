# SPDX-License-Identifier: Apache-2.0
"""Signed SPDM measurements of modelled firmware (ComponentIntegrity 1.4, DSP0274 1.2)."""

import base64
import os
from hashlib import sha384
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from livefw.abi import spdm

VERSION = 0x12
_FIRMWARE = 1
"""DMTF measurement type: mutable firmware."""


class MeasurementSigner:
    """A device with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._first: str | None = None

    def measure(self, contents: list[bytes], nonce: bytes, *, replayed: bool, forged: bool) -> dict[str, Any]:
        """The answer to SPDMGetSignedMeasurements over these firmwares."""
        blocks = tuple(
            spdm.Block(number, _FIRMWARE, sha384(content).digest()) for number, content in enumerate(contents, 1)
        )
        transcript = spdm.request(VERSION, nonce) + spdm.response(VERSION, blocks, os.urandom(spdm.NONCE_BYTES))
        message = spdm.signed_message(VERSION, transcript + bytes(forged), "SHA384")
        r, s = utils.decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA384())))
        statement = base64.b64encode(transcript + r.to_bytes(48, "big") + s.to_bytes(48, "big")).decode()
        self._first = self._first or statement
        pem = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "SignedMeasurements": self._first if replayed else statement,
            "PublicKey": pem.decode(),
            "HashingAlgorithm": "TPM_ALG_SHA_384",
            "SigningAlgorithm": "TPM_ALG_ECDSA_ECC_NIST_P384",
            "Version": "1.2.0",
        }
