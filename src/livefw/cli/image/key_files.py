# SPDX-License-Identifier: Apache-2.0
"""Files with keys and certificates, in PEM or DER."""

import ssl
from typing import TYPE_CHECKING

from livefw import reading
from livefw.errors import UsageError
from livefw.firmware.image import token
from livefw.firmware.image.certificate import load_key
from livefw.firmware.image.token import TokenKey

if TYPE_CHECKING:
    from livefw.firmware.image.build import LocalKey

_MOST = 64 << 10
_PEM = b"-----BEGIN "


def private(path: str) -> "LocalKey":
    """A private key in PEM; `UsageError`, OSError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(reading.read(path, _MOST), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise UsageError(f"{path}: an RSA or EC key is needed")
    return key


def in_token(path: str) -> TokenKey:
    """The key in a token whose URI a file has; `UsageError`, OSError."""
    uri = reading.read(path, _MOST).decode("utf-8", "replace").strip()
    if not uri.startswith(token.SCHEME) or not uri.isprintable():
        raise UsageError(f"{path}: the URI of a key is needed", hint="for example pkcs11:token=hsm;object=rot-key")
    return token.find(uri)


def certificate(path: str) -> bytes:
    """A certificate in DER, of a file in DER or PEM; `UsageError`, OSError."""
    data = reading.read(path, _MOST)
    if not data.startswith(_PEM):
        return data
    try:
        return ssl.PEM_cert_to_DER_cert(data.decode("ascii"))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def public_info(path: str) -> bytes:
    """SubjectPublicKeyInfo in DER of the key that a file has: public, private, or in a certificate.

    Raises:
        UsageError: there is none.
        TrustError: no boot chain accepts one of this kind or size.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = reading.read(path, _MOST)
    if data.startswith(token.SCHEME.encode()):
        return in_token(path).info
    pem = _PEM in data
    readers = (
        (serialization.load_pem_public_key, lambda data: serialization.load_pem_private_key(data, None).public_key())
        if pem
        else (serialization.load_der_public_key,)
    )
    certificates = (x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate,)
    for read in (*readers, *(lambda data, load=load: load(data).public_key() for load in certificates)):
        try:
            key = read(data)
            info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        load_key(info, path)
        return bytes(info)
    raise UsageError(f"{path} has no key that can be read", hint="a public key or a certificate, in PEM or DER")
