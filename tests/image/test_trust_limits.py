# SPDX-License-Identifier: Apache-2.0
"""What a certificate may have and be at most: critical extensions, and a size that is looked at before it is read."""

import io

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from livefw.abi.guid import RMM
from livefw.firmware.image import build, fip, names
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.errors import ImageError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.verify import Verified, verify

SIGNER = ImageSigner(CCA, build.generate(CCA), {Counter.CCA: 5})
IMAGES = {RMM.guid: b"new RMM." * 8192}  # more than the table of a package may have
ROW = CCA.row("cca-cert")
GOOD = SIGNER.sign(ROW, SIGNER.extensions(ROW, IMAGES))
KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    **dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    ),
    encipher_only=False,
    decipher_only=False,
)
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.4128.2100.9999"), b"\x02\x01\x05")


def extended(critical: str, *more: x509.ExtensionType) -> bytes:
    """The good certificate with an extension that is critical now, or more extensions that are if they are it."""
    found = x509.load_der_x509_certificate(GOOD)
    builder = x509.CertificateBuilder(
        found.issuer,
        found.subject,
        found.public_key(),
        found.serial_number,
        found.not_valid_before_utc,
        found.not_valid_after_utc,
    )
    for each in found.extensions:
        oid = each.oid.dotted_string
        builder = builder.add_extension(each.value, critical=each.critical or oid == critical)
    for value in more:
        builder = builder.add_extension(value, critical=value.oid.dotted_string == critical)
    key = SIGNER.keys[ROW.key]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


class Counted(io.BytesIO):
    """A file that knows how far from its beginning it was read."""

    furthest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.furthest = max(self.furthest, self.tell())
        return data


def check(certificate: bytes) -> Verified:
    return verify(_package(certificate), SIGNER.anchor(), {Counter.CCA: 5})


def _package(certificate: bytes) -> Counted:
    """The image first, so that whoever reads the certificate reads to the end."""
    parts = {names.BY_OPTION["rmm-fw"].guid: IMAGES[RMM.guid], names.BY_OPTION["cca-cert"].guid: certificate}
    return Counted(fip.dump([Payload.of(guid, data) for guid, data in parts.items()]))


@pytest.mark.parametrize(
    ("oid", "more"),
    [
        ("2.5.29.14", ()),  # subject key identifier
        ("2.5.29.15", (KEY_USAGE,)),
        ("2.5.29.19", ()),  # basic constraints, which RFC 5280, 4.2.1.9, wants critical
        ("2.5.29.35", ()),  # authority key identifier
        ("", (STRANGE,)),
    ],
)
def test_a_critical_extension_of_x509_itself_is_no_reason_to_refuse(
    oid: str, more: tuple[x509.ExtensionType, ...]
) -> None:
    certificate = extended(oid, *more)
    found = check(certificate).certificates["cca-cert"].extensions
    assert [each for each in found if each == oid] == ([oid] if oid else [])
    assert all(found[each].critical for each in ([oid] if oid else ()))


@pytest.mark.parametrize("oid", ["2.5.29.17", "2.5.29.30", "2.5.29.36", STRANGE.oid.dotted_string])
def test_any_other_critical_extension_is(oid: str) -> None:
    """RFC 5280, 4.2: who does not know a critical extension refuses the certificate."""
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x00")
    with pytest.raises(ImageError) as caught:
        check(extended(oid, value))
    assert caught.value.rule is Violation.CERTIFICATE_EXTENSION


@pytest.mark.parametrize(("size", "rule"), [(16_384, Violation.DER_TRAILING), (16_385, Violation.CERTIFICATE_SIZE)])
def test_a_certificate_that_is_too_large_is_refused_before_it_is_read(size: int, rule: Violation) -> None:
    package = _package(GOOD + bytes(size - len(GOOD)))
    begin = len(package.getvalue()) - size
    with pytest.raises(ImageError) as caught:
        verify(package, SIGNER.anchor(), {Counter.CCA: 5})
    assert caught.value.rule is rule
    assert (package.furthest > begin) is (rule is Violation.DER_TRAILING)
