# SPDX-License-Identifier: Apache-2.0
"""Formats in which firmware is shipped and stored, as `livefw image info` reads them."""

import io
import ssl
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from livefw.abi import capsule as efi
from livefw.abi.guid import BL33, RMM
from livefw.cli.image.formats.base import InfoView, Start
from livefw.cli.image.formats.table import DamagedError, identify, lines
from livefw.firmware.format import amd_microcode, capsule, keys, partitions, pem, x509
from livefw.firmware.format.source import FormatError
from livefw.firmware.image import certificate, der, fip
from livefw.firmware.image.errors import CertificateError

from . import abi, archives, images
from .target import Target, words

_CERTIFICATES = Path(__file__).parents[1] / "image/data/cca"


def _capsule(data: bytes) -> object:
    found = capsule.read(io.BytesIO(data))
    assert found.size + found.trailing == len(data)
    end = found.header_size
    items: list[capsule.DriverItem | capsule.CapsuleItem] = [*found.drivers, *found.images]
    for item in items:
        assert end <= item.offset <= item.offset + item.size <= found.size
        end = item.offset + item.size
    return found, capsule.is_capsule(data, len(data)), capsule.flag_names(found.flags)


def capsule_of(*items: bytes, drivers: int = 0, flags: int = efi.CapsuleFlag.PERSIST_ACROSS_RESET) -> bytes:
    """An FMP capsule of items that are whole."""
    at = efi.MANAGEMENT.size + efi.ITEM.size * len(items)
    offsets = [at + sum(map(len, items[:index])) for index in range(len(items))]
    table = efi.MANAGEMENT.pack(1, drivers, len(items) - drivers) + b"".join(map(efi.ITEM.pack, offsets))
    body = table + b"".join(items)
    return efi.HEADER.pack(efi.FMP.raw, efi.HEADER.size, flags, efi.HEADER.size + len(body)) + body


def capsule_item(payload: bytes, *, version: int = 3, support: int = 0, vendor: bytes = b"") -> bytes:
    """An image with its header."""
    head = efi.IMAGE.pack(version, RMM.guid.raw, 1, len(payload), len(vendor), 7, support)
    return head[: efi.IMAGE_BYTES[version]] + payload + vendor


def signature(data: bytes = b"pkcs7", count: int = 5) -> bytes:
    """What stands before an image that is signed."""
    fields = (count, 24 + len(data), efi.CERTIFICATE_REVISION, efi.CERTIFICATE_EFI_GUID, efi.PKCS7.raw)
    return efi.AUTHENTICATION.pack(*fields) + data


def _capsule_seeds() -> Iterator[bytes]:
    versioned = efi.PAYLOAD.pack(efi.PAYLOAD_MAGIC, 16, 3, 2) + b"firmware"
    signed = signature() + versioned
    yield capsule_of(capsule_item(signed, support=1, vendor=b"vendor"), capsule_item(b"plain", version=1))
    yield capsule_of(b"driver", capsule_item(signed, version=2), drivers=1) + b"behind"
    yield efi.HEADER.pack(BL33.guid.raw, 32, 0, 40) + bytes(4) + b"body    "
    yield efi.HEADER.pack(efi.REVERT.raw, 28, 0, 28)


def _partitions(data: bytes) -> object:
    """With the CRCs that it has, and with the right ones in its first table."""
    told = []
    for each in (data, _with_crcs(data)):
        try:
            found = partitions.read(io.BytesIO(each))
        except FormatError as error:
            told.append(str(error))
            continue
        assert partitions.is_disk(each) or found.note
        for row in found.partitions:
            assert 0 <= row.offset < row.offset + row.size <= len(each)
        told.append(repr(found))
    return told


def _with_crcs(data: bytes) -> bytes:
    """Of a disk with blocks of 512 bytes whose entries are where they usually are."""
    if len(data) < 2048:
        return data
    made = bytearray(data)
    at, count, each = struct.unpack_from("<QII", made, 512 + 72)
    entries = data[at * 512 :][: count * each] if at < 64 and count * each < 1 << 16 else b""
    struct.pack_into("<I", made, 512 + 88, zlib.crc32(entries))
    size = min(struct.unpack_from("<I", made, 512 + 12)[0], 512)
    made[512 + 16 : 512 + 20] = bytes(4)
    struct.pack_into("<I", made, 512 + 16, zlib.crc32(made[512 : 512 + size]))
    return bytes(made)


def _partition_seeds() -> Iterator[bytes]:
    """Two blocks of two entries, and both headers."""
    entry = struct.pack("<16s16sQQQ72s", RMM.guid.raw, bytes(range(16)), 3, 3, 0, "a".encode("utf-16-le"))
    entries = (entry + entry.replace(b"\3\0\0", b"\4\0\0")).ljust(512, b"\0")
    fields = (1, 6, 3, 4, BL33.guid.raw, 2, 4, 128, 0)
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *fields).ljust(512, b"\0")
    disk = bytes(512) + header + entries + bytes(1024) + entries
    yield _with_crcs(disk + header)
    yield disk + _with_crcs(disk + header)[512:1024]


def _amd(data: bytes) -> object:
    found = amd_microcode.read(io.BytesIO(data))
    end = 0
    for patch in found:
        assert end < patch.offset <= patch.offset + patch.size <= len(data)
        end = patch.offset + patch.size
    return found


def _key(data: bytes) -> object:
    """A file is recognised as a key if, and only if, it has the shape of one."""
    try:
        found = keys.read(data)
    finally:
        recognised = keys.is_key(data)
    assert recognised
    if found.info is not None and not found.private:
        again = keys.read(found.info)
        assert (again.algorithm, again.bits, again.curve) == (found.algorithm, found.bits, found.curve)
    return found


def _der(data: bytes) -> object:
    """Whatever chains of trust accept is read here as well."""
    found = x509.read(data)
    with suppress(CertificateError):
        strict = certificate.read(certificate.split(data, "fuzz"))
        assert (strict.common_name, strict.not_before) == (found.common_name, found.not_before)
        assert strict.subject_key == found.key.info
    return found, x509.is_certificate(data)


def _ders() -> list[bytes]:
    names = ("plat-key-cert", "cca-cert")
    return [ssl.PEM_cert_to_DER_cert((_CERTIFICATES / f"{name}.pem").read_text(encoding="ascii")) for name in names]


def _key_seeds() -> Iterator[bytes]:
    """Of RSA and EC, as a certificate, PKCS #8, RFC 8017 and RFC 5915 have them."""
    number = b"\x02\x09\x00" + b"\xc5" * 8
    point = b"\x04" + bytes(range(64))
    curve = bytes.fromhex("06082a8648ce3d030107")
    ec = der.encode(der.Tag.SEQUENCE, bytes.fromhex("06072a8648ce3d0201") + curve)
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")
    yield der.encode(der.Tag.SEQUENCE, ec + der.encode(der.Tag.BIT_STRING, b"\0" + point))
    numbers = der.encode(der.Tag.SEQUENCE, number + b"\x02\x03\x01\x00\x01")
    yield numbers
    yield der.encode(der.Tag.SEQUENCE, rsa + der.encode(der.Tag.BIT_STRING, b"\0" + numbers))
    private = der.encode(der.Tag.SEQUENCE, b"\x02\x01\x00" + number + b"\x02\x03\x01\x00\x01" + number * 6)
    yield private
    yield der.encode(der.Tag.SEQUENCE, b"\x02\x01\x00" + rsa + der.encode(der.Tag.OCTET_STRING, private))
    inside = der.encode(der.Tag.CONTEXT_1, der.encode(der.Tag.BIT_STRING, b"\0" + point))
    secret = b"\x02\x01\x01" + der.encode(der.Tag.OCTET_STRING, bytes(32))
    older = der.encode(der.Tag.SEQUENCE, secret + der.encode(der.Tag.CONTEXT_0, curve) + inside)
    yield older
    newer = der.encode(der.Tag.SEQUENCE, secret + inside)
    yield der.encode(der.Tag.SEQUENCE, b"\x02\x01\x00" + ec + der.encode(der.Tag.OCTET_STRING, newer))
    yield der.encode(der.Tag.SEQUENCE, ec + der.encode(der.Tag.OCTET_STRING, bytes(32)))
    yield bytes.fromhex("302a300506032b6570032100") + bytes(32)


def _pem(data: bytes) -> object:
    found = pem.read(data)
    for block in found:
        assert data[block.offset :].startswith(b"-----BEGIN ")
    return found, pem.is_pem(data)


def _pem_seeds() -> Iterator[bytes]:
    text = (_CERTIFICATES / "cca-cert.pem").read_bytes()
    locked = b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
    yield b"Subject: x\n" + text[:400] + b"\n-----END CERTIFICATE-----\n"
    yield locked + b"-----END EC PRIVATE KEY-----\n-----BEGIN X-----\nAA==\n-----END X-----\n"


def _info(data: bytes) -> object:
    """Whatever the file is, there is a document and a text, or an error that says what it was taken for."""
    start = Start.of(io.BytesIO(data))
    document = identify(start, InfoView())
    assert document["size"] == len(data)
    text = "\n".join(lines(document))
    assert text.replace("\n", "").isprintable()
    return document["kind"], len(text)


def _info_seeds() -> Iterator[bytes]:
    yield struct.pack("<IHHHH", fip.MAGIC, 0, 1, 12, 16) + bytes(38)
    yield from _capsule_seeds()
    yield from _partition_seeds()
    yield from _amd_seeds()
    yield from _key_seeds()
    yield from _pem_seeds()
    yield from _ders()
    yield from (
        each for target in (abi.TARGETS, archives.TARGETS, images.TARGETS) for row in target for each in row.seeds()
    )


def _amd_seeds() -> Iterator[bytes]:
    row = struct.pack("<IIIHH", 0xA60F12, 0, 0, 0xA612, 0) + bytes(16)
    patch = struct.pack("<II", 1, 69) + struct.pack("<II16xH38x", 0x07012026, 0x0A601209, 0xA612) + b"patch"
    yield (b"DMA\0" + struct.pack("<II", 0, len(row)) + row + patch) * 2


_RSA = bytes.fromhex("06092a864886f70d010101")
TARGETS = (
    Target("efi-capsule", _capsule, _capsule_seeds, (FormatError,), words=(efi.FMP.raw, b"MSS1"), longest=1024),
    Target("partition-table", _partitions, _partition_seeds, words=(b"EFI PART",), growth=128),
    Target("amd-microcode", _amd, _amd_seeds, (FormatError,), words=(b"DMA\0",), longest=1024),
    Target("key", _key, _key_seeds, (CertificateError,), words=(_RSA, b"\x30\x82"), longest=1024),
    Target("x509", _der, _ders, (CertificateError,), words=(b"\x30\x82", b"\x06\x03\x55\x04\x03")),
    Target("pem", _pem, _pem_seeds, (FormatError,), words=words("-----BEGIN -----END ENCRYPTED")),
    Target("image-info", _info, _info_seeds, (DamagedError,), words=(b"\1\0\x64\xaa", b"EFI PART", b"MSCF", b"DMA\0")),
)
