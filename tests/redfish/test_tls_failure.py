# SPDX-License-Identifier: Apache-2.0
"""A TLS connection that is not made says why, and what to do (the first hour with every new BMC)."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import ExchangeError
from livefw.providers.redfish.settings import Bmc, Secret
from livefw.providers.redfish.transport import BoundedAdapter, tls

from .field import Field


def certificate(
    *names: str, begins: int = -1, ends: int = 7, san: bool = True, common: str = "localhost"
) -> tuple[bytes, bytes]:
    """Certificate and key, valid for some days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if san:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    plain = serialization.NoEncryption()
    return (
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )


class Handshakes:
    """Makes TLS connections and closes them."""

    def __init__(self, folder: Path, pem: tuple[bytes, bytes], *, newest: ssl.TLSVersion | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (folder / "pem").write_bytes(b"".join(pem))
        self.context.load_cert_chain(folder / "pem")
        if newest:
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.maximum_version = newest
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        self.read = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with plain, self.context.wrap_socket(plain, server_side=True) as secured:
                    secured.settimeout(10)
                    self.read += secured.recv(1000)
            except OSError:
                continue


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    made: list[Handshakes] = []

    def serve(pem: tuple[bytes, bytes], **more: Any) -> Handshakes:
        made.append(Handshakes(tmp_path, pem, **more))
        return made[-1]

    yield serve
    for each in made:
        each.listener.close()


def failure(server: Handshakes, authority: bytes | None, *, verify: bool = True) -> ExchangeError:
    adapter = BoundedAdapter(server.url, tls(authority, verify=verify))
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(Bmc("rack", server.url), Secret("admin", "secret"), adapter)
    assert caught.value.code == "tls"
    assert b"GET" not in server.read
    return caught.value


EXPIRED = "its certificate is not trusted: it has expired"
CASES: dict[str, tuple[dict[str, Any], bool, str, str]] = {
    # how the certificate differs, whether its authority is known here, what is said, what to do
    "expired": ({"begins": -9, "ends": -2}, True, EXPIRED, "renew the certificate on the BMC"),
    "not valid yet": ({"begins": 2}, True, "its certificate is not trusted: it is not valid yet", "check the clocks"),
    "self-signed": ({}, False, "its certificate is not trusted: it is self-signed, and not known here", "set ca for"),
    "another name": (
        {"names": ("bmc7.example", "bmc7")},
        True,
        "its certificate is not trusted: it is for another name (bmc7.example, bmc7)",
        "set url for this BMC in livefw.toml to a name in its certificate",
    ),
    "a name in the subject only": (
        {"san": False, "common": "bmc7"},
        True,
        "its certificate is not trusted: it is for another name",
        "make a certificate",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_with_a_certificate(served: Any, name: str) -> None:
    change, known, text, hint = CASES[name]
    pem = certificate(*change.pop("names", ("localhost",)), **change)
    error = failure(served(pem), pem[0] if known else certificate("localhost")[0])
    assert error.text == text
    assert error.reason.hint.startswith(hint)


def test_any_certificate_is_good_enough_where_the_settings_say_so(served: Any) -> None:
    server = served(certificate("bmc7.example", begins=-9, ends=-2))
    adapter = BoundedAdapter(server.url, tls(None, verify=False))
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(Bmc("rack", server.url), Secret("admin", "secret"), adapter)
    assert caught.value.code != "tls"  # it hangs up after it has read the first request
    assert server.read.startswith(b"GET /redfish/v1/")
    codes = [each.code for each in Field(settings="verify = false\n").provider.diagnose()]
    assert "unverified" in codes
    assert "unverified" not in [each.code for each in Field().provider.diagnose()]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("verify", [True, False])
def test_a_bmc_that_speaks_an_old_tls(served: Any, verify: bool) -> None:
    pem = certificate("localhost")
    try:
        server = served(pem, newest=ssl.TLSVersion.TLSv1_1)
    except (ValueError, ssl.SSLError):
        pytest.skip("this OpenSSL has no TLS 1.1")
    assert failure(server, pem[0], verify=verify).text.startswith("it speaks no TLS 1.2 or newer (")
