# SPDX-License-Identifier: Apache-2.0
"""The image: both layouts, bounds, conversion, checksum, signature structure, signature."""

import hashlib
import struct
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.tdx import Svn, TdxVersion, masked_eax
from livefw.abi.tdx_image import (
    LAYOUT_1,
    LAYOUT_2,
    MAX_IMAGE,
    MODULE_OFFSET,
    PAGE,
    Header1,
    Header2,
    Sigstruct,
    header1,
    header2,
    signed_part,
    with_checksum,
    word_sum,
)
from livefw.firmware.tdx_image import SIGNER, ModuleSpec, assemble, build, module_version, sign, sigstruct
from livefw.providers.tdx.blob import BlobError, parse
from livefw.providers.tdx.releases import KNOWN
from livefw.providers.tdx.sigstruct import objections, signature_holds

from . import published

SPEC = ModuleSpec(TdxVersion(1, 5, 8), Svn(1, 7), (0x806F8, 0xC06F0, 0xA06F0))
SOUND = build(SPEC)
MODULE = SOUND[MODULE_OFFSET:]
STRUCTURE = Sigstruct.decode(SOUND[PAGE:])
SIGNERS = frozenset({SIGNER})


def poke(image: bytes, offset: int, data: bytes, *, mend: bool = True) -> bytes:
    changed = image[:offset] + data + image[offset + len(data) :]
    return with_checksum(changed) if mend else changed


def fill(data: bytes, size: int) -> bytes:
    """``data`` over and over; a page of its own for each example would be more than hypothesis likes to make."""
    return (data or b"\0") * (size // max(len(data), 1)) + b"\0" * (size % max(len(data), 1))


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


# Offsets of the published layouts, from blob_structure.txt and Linux seamldr.c, stated here once more by hand.


def test_layout_2_has_its_fields_where_the_kernel_looks() -> None:
    assert SOUND[0:2] == u16(0x200)
    assert SOUND[4:12] == b"TDX-BLOB"
    assert SOUND[12:16] == u32(1)
    assert SOUND[16:20] == u32(SPEC.pages)
    assert not any(SOUND[20:4096])
    assert len(SOUND) == 4096 * (2 + SPEC.pages)


def test_layout_1_has_its_fields_where_intel_puts_them() -> None:
    image = build(replace(SPEC, layout=LAYOUT_1))
    assert image[0:2] == u16(0x100)
    assert image[4:8] == u32(8192)
    assert image[8:16] == b"TDX-BLOB"
    assert image[16:20] == u32(len(image))
    assert not any(image[20:4096])


SIGSTRUCT_OFFSETS = [
    (0, u32(6)),
    (4, u32(0xE1)),
    (8, u32(0x10000)),
    (12, u32(0)),
    (16, u32(0x8086)),
    (24, u32(0x200)),
    (28, u32(0x60) + u32(0x60) + u32(1)),
    (128, STRUCTURE.modulus),
    (512, u32(0x10001)),
    (516, STRUCTURE.signature),
    (900, hashlib.sha384(MODULE).digest()),
    (948, bytes([7, 1])),
    (950, bytes(8)),
    (990, u16(13)),
    (1024, u32(3)),
    (1028, u32(0x806F8) + u32(0xC06F0) + u32(0xA06F0)),
]


@pytest.mark.parametrize(("offset", "data"), SIGSTRUCT_OFFSETS)
def test_sigstruct_has_its_fields_at_the_published_offsets(offset: int, data: bytes) -> None:
    assert SOUND[4096 + offset : 4096 + offset + len(data)] == data


@pytest.mark.parametrize("module", published.MODULES, ids=lambda module: module.version)
def test_published_headers_give_the_published_checksums(module: published.Module) -> None:
    """Both layouts of one module differ in the header alone, so their checksums follow from each other."""
    sum_1 = word_sum(header1(module.size)._replace(checksum=module.checksum_1).encode())
    sum_2 = word_sum(header2(module.size)._replace(checksum=module.checksum_2).encode())
    assert sum_1 == sum_2


def test_known_releases_are_the_published_ones() -> None:
    assert {TdxVersion.parse(m.version): (m.svn, m.seamhash) for m in published.MODULES} == KNOWN


@given(st.binary(max_size=300))
def test_word_sum_is_the_sum_of_little_endian_words(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    assert word_sum(data) == sum(word for (word,) in struct.iter_unpack("<H", padded)) % 65536


@given(st.binary(max_size=300), st.integers(0, 3))
def test_checksum_makes_any_image_sum_up_to_zero(data: bytes, odd: int) -> None:
    image = fill(data, PAGE + odd)
    mended = with_checksum(image)
    assert word_sum(mended) == 0
    assert (mended[:2], mended[4:]) == (image[:2], image[4:])


@given(st.binary(max_size=300))
def test_headers_and_sigstruct_survive_decoding_and_encoding(data: bytes) -> None:
    page = fill(data, PAGE)
    assert Header1.decode(page).encode() == page
    assert Header2.decode(page).encode() == page
    assert Sigstruct.decode(page).encode() == page[:2048]


def test_sound_images_of_both_layouts_come_out_in_layout_2() -> None:
    first = build(replace(SPEC, layout=LAYOUT_1))
    assert parse(SOUND).image == parse(first).image == SOUND
    assert (parse(SOUND).layout, parse(first).layout) == (LAYOUT_2, LAYOUT_1)
    assert parse(first).module == MODULE


FIRST = build(replace(SPEC, layout=LAYOUT_1))
BROKEN = {
    "empty": (b"", "0 bytes"),
    "less than a page": (SOUND[: PAGE - 1], "less than the header"),
    "longer than a loader accepts": (with_checksum(SOUND.ljust(MAX_IMAGE + PAGE, b"\0")), "more than"),
    "unknown layout": (poke(SOUND, 0, u16(0x300)), "layout 0x300"),
    "cut short": (with_checksum(SOUND[:-PAGE]), "the header states"),
    "one byte too many": (with_checksum(SOUND + b"\0"), "the header states"),
    "absurd page count": (poke(SOUND, 16, u32(0xFFFFFFFF)), "the header states"),
    "two sigstruct pages": (poke(poke(SOUND, 12, u32(2)), 16, u32(2)), "more than a loader accepts"),
    "no magic": (poke(SOUND, 4, b"XDT-BLOB"), "no TDX-BLOB"),
    "reserved byte": (poke(SOUND, 4095, b"\1"), "reserved"),
    "no sigstruct": (poke(poke(SOUND, 12, u32(0)), 16, u32(4)), "no signature structure"),
    "no module": (with_checksum(header2(0).encode() + bytes(PAGE)), "no module"),
    "padding of sigstruct": (poke(SOUND, PAGE + 2048, b"\1"), "after the signature structure"),
    "checksum": (poke(SOUND, MODULE_OFFSET, b"\0\0", mend=False), "checksum"),
    "layout 1: no magic": (poke(FIRST, 8, b"XDT-BLOB"), "no TDX-BLOB"),
    "layout 1: other offset": (poke(FIRST, 4, u32(4096)), "begins at 4096"),
    "layout 1: other length": (poke(FIRST, 16, u32(4096)), "states 4096"),
    "layout 1: reserved": (poke(FIRST, 20, u32(1)), "reserved"),
    "layout 1: part of a page": (with_checksum(poke(FIRST, 16, u32(len(FIRST) + 2)) + b"\0\0"), "whole pages"),
    "layout 1: no module": (with_checksum(header1(0).encode() + bytes(PAGE)), "whole pages"),
}


@pytest.mark.parametrize(("image", "text"), BROKEN.values(), ids=BROKEN)
def test_broken_image_is_refused_with_its_reason(image: bytes, text: str) -> None:
    with pytest.raises(BlobError, match=text):
        parse(image)


@given(st.integers(0, len(SOUND)), st.binary(max_size=40), st.booleans())
def test_any_damage_is_parsed_or_refused(offset: int, data: bytes, mend: bool) -> None:
    damaged = poke(SOUND, offset, data, mend=mend)
    try:
        blob = parse(damaged)
    except BlobError:
        return
    assert word_sum(blob.image) == 0


# The signature structure.

WRONG_FIELDS = {
    "header type": {"header_type": 7},
    "header length": {"header_length": 0},
    "header version": {"header_version": 1},
    "vendor": {"vendor": 0x1022},
    "size": {"size": 0x201},
    "key size": {"key_size": 0x40},
    "modulus size": {"modulus_size": 0x40},
    "exponent size": {"exponent_size": 2},
    "exponent is": {"exponent": 3},
    "attributes": {"attributes": 1},
    "reserved": {"reserved": b"\1"},
    "GDT": {"gdt_idt_offset": len(MODULE)},
    "fault wrapper": {"fault_wrapper_offset": 0xFFFFFFFF},
    "no CPU": {"cpu_count": 0},
    "256 entries, more than the 255 that fit": {"cpu_count": 256},
    "SHA-384 of the module": {"seamhash": bytes(48)},
}


@pytest.mark.parametrize(("text", "fields"), WRONG_FIELDS.items())
def test_wrong_field_is_named(text: str, fields: dict[str, object]) -> None:
    structure = Sigstruct.decode(sign(STRUCTURE._replace(**fields)))  # type: ignore[arg-type]
    found = objections(structure, MODULE, signers=SIGNERS)
    assert len(found) == 1
    assert text in found[0]


def test_sound_structure_has_no_objections() -> None:
    assert objections(STRUCTURE, MODULE, signers=SIGNERS) == []


def test_bytes_1000_to_1023_may_hold_anything() -> None:
    """They are not zero in Intel's 2.0 series."""
    structure = Sigstruct.decode(sign(STRUCTURE._replace(reserved_1000=b"\xff" * 24)))
    assert objections(structure, MODULE, signers=SIGNERS) == []


def test_unknown_signer_is_refused_with_the_fingerprint() -> None:
    assert objections(STRUCTURE, MODULE, signers=frozenset()) == [f"signed by an unknown key, SHA-384 {SIGNER}"]


@pytest.mark.parametrize("offset", [20, 948, 1024 + 4 + 40, 516], ids=["date", "svn", "unused CPU entry", "signature"])
def test_change_of_a_signed_byte_breaks_the_signature(offset: int) -> None:
    data = bytearray(STRUCTURE.encode())
    data[offset] ^= 1
    assert not signature_holds(Sigstruct.decode(bytes(data)))


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def test_signature_check_agrees_with_a_crypto_library(key: rsa.RSAPrivateKey) -> None:
    """Signed by the library, verified by us; signed by the model, verified by the library."""
    modulus = key.public_key().public_numbers().n.to_bytes(384, "little")
    unsigned = sigstruct(SPEC, MODULE)._replace(modulus=modulus)
    signature = key.sign(signed_part(unsigned.encode()), padding.PKCS1v15(), hashes.SHA384())
    assert signature_holds(unsigned._replace(signature=signature[::-1]))
    assert not signature_holds(unsigned._replace(signature=signature))
    public = rsa.RSAPublicNumbers(65537, int.from_bytes(STRUCTURE.modulus, "little")).public_key()
    public.verify(
        STRUCTURE.signature[::-1], signed_part(STRUCTURE.encode()), padding.PKCS1v15(), hashes.SHA384()
    )  # raises if it does not hold
    with pytest.raises(InvalidSignature):
        public.verify(STRUCTURE.signature, signed_part(STRUCTURE.encode()), padding.PKCS1v15(), hashes.SHA384())


def test_model_builds_only_what_the_format_can_hold() -> None:
    with pytest.raises(ValueError, match="at least one page"):
        build(replace(SPEC, pages=0))
    with pytest.raises(ValueError, match="CPUs do not fit"):
        build(replace(SPEC, cpus=(1,) * 256))
    with pytest.raises(ValueError, match="no such layout"):
        assemble(STRUCTURE.encode(), MODULE, layout=0x300)
    assert module_version(MODULE) == SPEC.version
    assert module_version(b"anything else" * 10) is module_version(b"") is None


# Versions and CPUs.

VERSIONS = [("1.5.08", (1, 5, 8)), ("1.5.8", (1, 5, 8)), ("1.5.123", (1, 5, 123)), ("01.05.008", (1, 5, 8))]


@pytest.mark.parametrize(("text", "numbers"), VERSIONS)
def test_version_is_three_decimal_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert TdxVersion.parse(text) == numbers


@pytest.mark.parametrize("text", ["", "1.5", "1.5.8.0", "1.5.x", "1.5.-8", "1.5. 8", "1.5.٨", "1.5.123456", "v1.5.8"])
def test_other_text_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a TDX version"):
        TdxVersion.parse(text)


def test_versions_compare_as_numbers_and_print_two_digits() -> None:
    assert TdxVersion(1, 5, 100) > TdxVersion(1, 5, 28) > TdxVersion(1, 5, 8)
    assert [str(TdxVersion(1, 5, n)) for n in (8, 28, 100)] == ["1.5.08", "1.5.28", "1.5.100"]


CPUS = [(6, 0x8F, 0x806F0), (6, 0xCF, 0xC06F0), (6, 0xAF, 0xA06F0), (6, 0xAD, 0xA06D0), (6, 0xAE, 0xA06E0)]
"""The five families and models that TDX modules name; the last row below has an extended family (Intel SDM)."""


@pytest.mark.parametrize(("family", "model", "eax"), [*CPUS, (19, 0x01, 0x400F10)])
def test_masked_eax(family: int, model: int, eax: int) -> None:
    assert masked_eax(family=family, model=model) == eax
