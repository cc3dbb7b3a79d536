# SPDX-License-Identifier: Apache-2.0
"""Each bound of packages, certificates and metadata at its very limit: as much is read, and one more is not."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from livefw.abi.guid import Guid
from livefw.firmware.image import certificate, der, fip, metadata, trust
from livefw.firmware.image.certificate import HASHES
from livefw.firmware.image.chain import CCA
from livefw.firmware.image.der import Reader, Tag
from livefw.firmware.image.errors import ImageError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.measure import EventLog, decode
from livefw.firmware.image.metadata import BankImage, BankState, ImageEntry, Metadata


def guid(number: int) -> Guid:
    return Guid((number + 1).to_bytes(16, "big"))


def table(count: int) -> bytes:
    """A package of empty images, written by hand."""
    rows = b"".join(guid(number).raw + bytes(24) for number in range(count))
    return (0xAA640001).to_bytes(4, "little") + bytes(12) + rows + bytes(40)


def dumped(count: int) -> object:
    return fip.parse(fip.dump([Payload.of(guid(number), b"") for number in range(count)]))


def entries(count: int) -> object:
    found = fip.parse(table(count))
    assert len(found.entries) == count
    return found


def banks(count: int) -> object:
    images = tuple(ImageEntry(guid(each), guid(each), (BankImage(), BankImage())) for each in range(count))
    made = Metadata(0, 1, (BankState.ACCEPTED, BankState.INVALID), images)
    assert metadata.decode(made.encode()) == made
    return made


def length_octets(count: int) -> object:
    """The least element whose length takes so many octets; of the largest only the header is made."""
    size = 1 << 8 * (count - 1)
    head = bytes([Tag.OCTET_STRING, 0x80 | count]) + size.to_bytes(count, "big")
    return Reader(head + bytes(size if count < 5 else 0), "x").take(Tag.OCTET_STRING)


def oid_octets(count: int) -> object:
    return der.oid(der.only(der.encode(Tag.OID, b"\x2a" * count), "x", Tag.OID))


def integer_bits(count: int) -> object:
    value = (1 << count) - 1
    content = value.to_bytes(count // 8 + 1, "big")
    return der.unsigned(der.only(der.encode(Tag.INTEGER, content), "x", Tag.INTEGER), bits=32)


def rsa_bits(count: int) -> object:
    """A key of which nobody knows the other half: a modulus of so many bits."""
    key = rsa.RSAPublicNumbers(65537, (1 << count - 1) | 1).public_key()
    return certificate.load_key(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "x")


def weaker_by(count: int) -> object:
    return rsa_bits(2048 - count)


def event_bytes(count: int) -> object:
    log = EventLog(HASHES[:1])
    log.measure("x" * (count - 1), {HASHES[0]: bytes(32)})
    return decode(log.encode())


class Limit(NamedTuple):
    """How many are taken, something with so many, and the rule that one more breaks."""

    most: int
    make: Callable[[int], object]
    rule: Violation


LIMITS = {
    "entries of a package that is read": Limit(512, entries, Violation.FIP_ENTRY_LIMIT),
    "entries of a package that is written": Limit(512, dumped, Violation.FIP_ENTRY_LIMIT),
    "images in metadata": Limit(512, banks, Violation.METADATA),
    "octets of a length": Limit(4, length_octets, Violation.DER_LENGTH),
    "octets of an OID": Limit(32, oid_octets, Violation.DER_VALUE),
    "bits of a counter": Limit(32, integer_bits, Violation.DER_VALUE),
    "bits of an RSA key": Limit(4096, rsa_bits, Violation.KEY),
    "bits below those of an RSA key": Limit(0, weaker_by, Violation.KEY),
    "bytes of an event": Limit(65_536, event_bytes, Violation.EVENT_LOG),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(name: str) -> None:
    most, make, rule = LIMITS[name]
    assert make(most)
    with pytest.raises(ImageError) as caught:
        make(most + 1)
    assert caught.value.rule is rule


def test_the_largest_alignment() -> None:
    assert fip.layout([], align=1 << 30).size == 1 << 30
    with pytest.raises(ImageError) as caught:
        fip.layout([], align=1 << 31)
    assert caught.value.rule is Violation.FIP_ALIGNMENT


def test_a_trust_file_at_the_bound() -> None:
    good = b'chain = "cca"\n[roots]\n' + b"".join(b'%s = "%s"\n' % (name.encode(), b"7" * 64) for name in CCA.roots)
    filled = good + b"#" * (65_536 - len(good))
    assert set(trust.loads(filled).roots) == set(CCA.roots)
    with pytest.raises(trust.TrustFileError) as caught:
        trust.loads(filled + b"#")
    assert caught.value.field == "file"
