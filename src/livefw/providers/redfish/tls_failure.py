# SPDX-License-Identifier: Apache-2.0
"""Why a TLS connection to a BMC was not made, for a person who has to put it right."""

import socket
import ssl
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from livefw.providers.component import Reason
from livefw.text import whole

_RENEW = "renew the certificate on the BMC"
_SET_CA = "set ca for this BMC in livefw.toml to a PEM file with the certificate of the authority that signed it"
_SET_URL = "set url for this BMC in livefw.toml to a name in its certificate"
_NAME_IT = "make a certificate on the BMC that has the name or address of url as a subject alternative name"
_CERTIFICATE = {
    # X509_V_ERR_* of OpenSSL's x509_vfy.h
    9: ("it is not valid yet", "check the clocks of this machine and of the BMC"),
    10: ("it has expired", _RENEW),
    18: ("it is self-signed, and not known here", _SET_CA),
    19: ("its authority is self-signed, and not known here", _SET_CA),
    20: ("its authority is not known here", _SET_CA),
    21: ("its authority is not known here", _SET_CA),
    62: ("it is for another name", _SET_URL),
    64: ("it is for another address", _SET_URL),
}
_UNTRUSTED = Reason("tls", "its certificate is not trusted: {why}")
_BROKE = Reason("tls", "the TLS connection broke: {why}")
_TOO_OLD = Reason("tls", "it speaks no TLS 1.2 or newer ({why})", "update the firmware of the BMC")
_VERSIONS = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "NO_PROTOCOLS_AVAILABLE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_ALERT_INTERNAL_ERROR",
        "WRONG_SSL_VERSION",
    }
)
_NAMES_S = 3.0
"""For each of two handshakes in which the names of a certificate are read; nothing is sent in them."""
_MOST_NAMES = 8


def reason_of(error: BaseException) -> Reason | None:
    """What is wrong, as far as the error tells; None if it is none of TLS."""
    if type(error).__name__ == "CertificateError":  # of urllib3, which looks for the name where OpenSSL does not
        return _UNTRUSTED._replace(hint=_SET_URL).fill(why="it is for another name")
    if not isinstance(error, ssl.SSLError):
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        text, hint = _CERTIFICATE.get(error.verify_code, (error.verify_message, ""))
        return _UNTRUSTED._replace(hint=hint).fill(why=text)
    if error.reason in _VERSIONS:
        return _TOO_OLD.fill(why=error.reason)
    return _BROKE.fill(why=error.reason or "no reason was given")


def with_names(reason: Reason, url: str) -> Reason:
    """The reason with the names in the certificate, if they are what is wrong."""
    if reason.hint != _SET_URL:
        return reason
    found = ", ".join(map(whole, _names(url)))
    return reason._replace(text=f"{reason.text} ({found})") if found else reason._replace(hint=_NAME_IT)


def _names(url: str) -> list[str]:
    """The names and addresses in the certificate of a BMC that was not trusted; empty if they cannot be read."""
    place = urlsplit(url)
    address = (place.hostname or "", place.port or 443)
    with suppress(OSError, ValueError):
        pem = ssl.get_server_certificate(address, timeout=_NAMES_S)
        # Python shows the fields of a certificate only if it is trusted: here it is its own authority.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=pem)
        with (
            socket.create_connection(address, timeout=_NAMES_S) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as secured,
        ):
            shown = secured.getpeercert() or {}
        alternatives: Any = shown.get("subjectAltName", ())
        return [str(value) for _, value in alternatives][:_MOST_NAMES]
    return []
