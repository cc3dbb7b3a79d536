# SPDX-License-Identifier: Apache-2.0
"""DER without trust: each rule of X.690 that a certificate can break, and bounds that nothing passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.firmware.image import der
from livefw.firmware.image.der import Reader, Tag
from livefw.firmware.image.errors import CertificateError, Violation


def take(data: bytes) -> object:
    return Reader(data, "x").take()


BAD_ELEMENTS = [
    ("nothing", "", Violation.DER_TRUNCATED, 0),
    ("no length", "30", Violation.DER_TRUNCATED, 0),
    ("longer than the input", "3005010203", Violation.DER_TRUNCATED, 0),
    ("X.690 8.1.3.6, indefinite", "30800000", Violation.DER_LENGTH, 1),
    ("X.690 8.1.3.5, reserved 0xff", "30ff" + "00" * 127, Violation.DER_LENGTH, 1),
    ("length of five octets", "30850000000001ff", Violation.DER_LENGTH, 1),
    ("length octets missing", "308201", Violation.DER_TRUNCATED, 1),
    ("X.690 10.1, long form of a short length", "30817f" + "00" * 127, Violation.DER_LENGTH, 1),
    ("X.690 10.1, leading zero", "30820080" + "00" * 128, Violation.DER_LENGTH, 1),
    ("4 GiB", "3084ffffffff00", Violation.DER_TRUNCATED, 0),
]


@pytest.mark.parametrize(
    ("data", "rule", "offset"), [row[1:] for row in BAD_ELEMENTS], ids=[r[0] for r in BAD_ELEMENTS]
)
def test_malformed_element(data: str, rule: Violation, offset: int) -> None:
    with pytest.raises(CertificateError) as caught:
        take(bytes.fromhex(data))
    assert (caught.value.rule, caught.value.offset) == (rule, offset)


def test_element_inside_another_ends_inside_it() -> None:
    outer = Reader(bytes.fromhex("3003020500 0000000000"), "x").take(Tag.SEQUENCE)
    with pytest.raises(CertificateError) as caught:
        outer.reader().take()
    assert (caught.value.rule, caught.value.offset) == (Violation.DER_TRUNCATED, 2)


INTEGERS = [
    ("020100", 32, 0),
    ("0201ff", 32, None),
    ("02020080", 32, 128),
    ("0202007f", 32, None),
    ("0200", 32, None),
    ("020500ffffffff", 32, 0xFFFFFFFF),
    ("02050100000000", 32, None),
    ("020900ffffffffffffffff", 32, None),
]


@pytest.mark.parametrize(("data", "bits", "value"), INTEGERS)
def test_unsigned_integers_of_bounded_size_in_shortest_form(data: str, bits: int, value: int | None) -> None:
    element = der.only(bytes.fromhex(data), "x", Tag.INTEGER)
    if value is not None:
        assert der.unsigned(element, bits=bits) == value
        return
    with pytest.raises(CertificateError) as caught:
        der.unsigned(element, bits=bits)
    assert caught.value.rule is Violation.DER_VALUE


OIDS = [
    ("060a2b06010401a020903403", "1.3.6.1.4.1.4128.2100.3"),
    ("0603550403", "2.5.4.3"),
    ("0603883703", "2.999.3"),
    ("0600", None),
    ("060155", "2.5"),
    ("06028055", None),
    ("06022b86", None),
    ("0621" + "2b" * 33, None),
]


@pytest.mark.parametrize(("data", "text"), OIDS)
def test_object_identifiers(data: str, text: str | None) -> None:
    element = der.only(bytes.fromhex(data), "x", Tag.OID)
    if text is not None:
        assert der.oid(element) == text
        return
    with pytest.raises(CertificateError) as caught:
        der.oid(element)
    assert caught.value.rule is Violation.DER_VALUE


@pytest.mark.parametrize("data", ["010100", "010101", "0100", "0102ffff"])
def test_boolean_is_true_or_absent(data: str) -> None:
    with pytest.raises(CertificateError):
        der.boolean(der.only(bytes.fromhex(data), "x", Tag.BOOLEAN))


def test_bytes_behind_the_only_element() -> None:
    with pytest.raises(CertificateError) as caught:
        der.only(bytes.fromhex("050000"), "x", Tag.NULL)
    assert (caught.value.rule, caught.value.offset) == (Violation.DER_TRAILING, 2)


@given(st.binary(max_size=70_000) | st.integers(120, 70_000).map(bytes))
def test_what_is_encoded_is_read_back(content: bytes) -> None:
    assert der.only(der.encode(Tag.OCTET_STRING, content), "x", Tag.OCTET_STRING).content == content


@given(st.binary(max_size=64))
def test_no_element_leaves_its_input(data: bytes) -> None:
    reader = Reader(data, "x")
    place: int | None = 0
    while reader.position < reader.end:
        try:
            element = reader.take()
        except CertificateError as error:
            place = error.offset
            break
        assert element.start < element.body <= element.end == reader.position <= len(data)
    assert place is not None
    assert 0 <= place <= len(data)
