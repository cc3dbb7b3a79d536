# SPDX-License-Identifier: Apache-2.0
"""One sound file of each format that `livefw image info` knows, small and made by our own writers or by hand."""

import base64
import gzip
import hashlib
import json
import struct
import zlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.fuzz.formats import capsule_item, capsule_of, signature

from livefw.abi import capsule as efi
from livefw.abi.guid import BL31, BL33, RMM, Guid
from livefw.abi.pfrut import Capsule, CapsuleKind
from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.version import ComponentVersion
from livefw.archive import cab, metainfo
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.firmware import tdx_image
from livefw.firmware.image import build, fip, measure, note
from livefw.firmware.image.certificate import HASH_BY_NAME
from livefw.firmware.image.chain import CCA
from livefw.firmware.image.metadata import BankImage, BankState, ImageEntry, Metadata
from livefw.firmware.image.names import BY_OPTION

ABOUT = Metainfo(
    ident="org.example.rmm",
    name="RMM",
    guids=(str(RMM.guid),),
    version="1.2.3",
    filename="rmm.bin",
    protocol="org.example",
    version_format="triplet",
    summary="x",
    license="x",
    date="2026-11-01",
)
NOTED = note.append(b"RMM" * 100, ComponentVersion(2, 1))


def package() -> bytes:
    """With an image, one with a note, a certificate that is none, a gap, and flags in the header and in an entry."""
    images = [
        fip.Payload.of(BL33.guid, b"payload", flags=5),
        fip.Payload.of(RMM.guid, NOTED),
        fip.Payload.of(fip_guid("cca-cert"), b"no certificate"),
    ]
    return fip.dump(images, align=64, platform_flags=3)


def fip_guid(option: str) -> Guid:
    return BY_OPTION[option].guid


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(private: ec.EllipticCurvePrivateKey) -> bytes:
    return build.public_info(private)


def certificate() -> bytes:
    """That of a package with the chain of CCA."""
    made = build.ImageSigner(CCA, build.generate(CCA)).package({RMM.guid: NOTED})
    entry = fip.parse(made)[fip_guid("cca-cert")]
    return made[entry.offset : entry.offset + entry.size]


def pem(label: str, data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def archive() -> bytes:
    return cab.write(CabImage(ABOUT, b"payload"))


def catalog() -> bytes:
    """With a checksum, a signature of it, and one of the file."""
    blobs = [
        {"Kind": 1, "Flags": 1, "Data": "0" * 64},
        {"Kind": 3, "Target": 1, "Data": base64.b64encode(b"pkcs7").decode()},
        {"Kind": 2, "Data": base64.b64encode(b"gpg").decode()},
    ]
    made = {"JcatVersionMajor": 0, "JcatVersionMinor": 1, "Items": [{"Id": "rmm.bin", "Blobs": blobs}]}
    return gzip.compress(json.dumps(made).encode(), mtime=0)


def metadata(*, vendor: bytes = b"") -> bytes:
    entry = ImageEntry(RMM.guid, BL33.guid, (BankImage(RMM.guid, accepted=True), BankImage(BL31.guid)))
    made = Metadata(0, 1, (BankState.ACCEPTED, BankState.VALID), (entry,), vendor=vendor)
    return made.encode()


def event_log() -> bytes:
    names = ("SHA256", "SHA384")
    log = measure.EventLog([HASH_BY_NAME[name] for name in names])
    for text in ("BL31", "RMM"):
        log.measure(text, {HASH_BY_NAME[name]: bytes(HASH_BY_NAME[name].size) for name in names})
    return log.encode()


def old_event_log() -> bytes:
    """As a TPM 1.2 has it: with SHA-1, and a first event of the TCG's specification for EFI."""
    first = struct.pack("<II20xI", 0, 3, 33) + b"Spec ID Event02\0" + bytes(17)
    return first + struct.pack("<II20sI", 4, 0x8000000D, b"\1" * 20, 4) + b"boot"


def tdx() -> bytes:
    return tdx_image.build(tdx_image.ModuleSpec(TdxVersion(1, 5, 8), Svn(1, 7), (0x806F8,), pages=1))


def intel_microcode(revision: int = 0x30, *, cpu: int = 0x806F8, extended: int = 0) -> bytes:
    """An update with 2000 bytes of data, the least that Intel's loaders take, and a table of one further CPU."""
    data = bytes(range(200)) * 10
    table = bytes(32 if extended else 0)
    total = -(-(48 + len(data) + len(table)) // 1024) * 1024
    fill = total - 48 - len(table)
    data = data.ljust(fill, b"\0")
    head = [1, revision, 0x07012026, cpu, 0, 1, 0x10, len(data), total, 0, 0, 0]
    head[4] = -(sum(head) + sum(struct.unpack(f"<{len(data) // 4}I", data))) & 0xFFFFFFFF
    if extended:
        row = (extended, 0x10, (head[3] + head[4] - extended) & 0xFFFFFFFF)
        table = struct.pack("<II12x3I", 1, -(1 + sum(row)) & 0xFFFFFFFF, *row)
    return struct.pack("<12I", *head) + data + table


def amd_microcode() -> bytes:
    """A container of two CPUs that share a patch, and one with a patch of an id that its table does not have."""
    patch = struct.pack("<II16xH38x", 0x07012026, 0x0A601209, 0xA612) + b"patch"
    row = b"".join(struct.pack("<IIIHH", cpu, 0, 0, 0xA612, 0) for cpu in (0xA60F12, 0xA60F80)) + bytes(16)
    first = b"DMA\0" + struct.pack("<II", 0, len(row)) + row + struct.pack("<II", 1, len(patch)) + patch
    other = struct.pack("<II16xH38x", 0x07012026, 0x0A601210, 0xA613)
    end = bytes(16)
    return first + b"DMA\0" + struct.pack("<II", 0, len(end)) + end + struct.pack("<II", 1, len(other)) + other


def disk(*parts: bytes, block: int = 512, number: int = 1) -> bytes:
    """With both tables, and a partition of one MiB at most for each part; ``number`` is that of the first."""
    first, entries = 64, b""
    body = bytearray(b"\0" * (block * first))
    for index, data in enumerate(parts):
        blocks = -(-len(data) // block)
        start = len(body) // block
        name = f"part{index}".encode("utf-16-le")
        entries += struct.pack(
            "<16s16sQQQ72s", RMM.guid.raw, bytes([index + 1]) * 16, start, start + blocks - 1, 0, name
        )
        body += data.ljust(blocks * block, b"\0")
    table = (bytes(128 * (number - 1)) + entries).ljust(128 * 128, b"\0")
    blocks = -(-len(table) // block)
    last = len(body) // block + blocks

    def header(mine: int, twin: int, at: int) -> bytes:
        fields = (mine, twin, 40, last - 40, BL31.guid.raw, at, 128, 128, zlib.crc32(table))
        made = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *fields)
        return made[:16] + struct.pack("<I", zlib.crc32(made)) + made[20:]

    body[block : block + 92] = header(1, last, 2)
    body[2 * block : 2 * block + len(table)] = table
    body += table.ljust(blocks * block, b"\0")
    return bytes(body) + header(last, 1, last - blocks).ljust(block, b"\0")


def sound() -> dict[str, bytes]:
    """By kind."""
    private = key()
    made = {
        "encrypted image": struct.pack("<IHHHH", fip.MAGIC, 0, 1, 12, 16) + bytes(range(32)) + b"cipher",
        "package": package(),
        "certificate": certificate(),
        "key": public(private),
        "archive": archive(),
        "metainfo": metainfo.write(ABOUT._replace(checksums=(("sha256", "0" * 64),)), 7),
        "catalog": catalog(),
        "PFRUT capsule": Capsule(CapsuleKind.CODE, 1, 7, RMM.guid, 3).encode(b"code"),
        "capsule": capsule_of(
            capsule_item(signature() + efi.PAYLOAD.pack(efi.PAYLOAD_MAGIC, 16, 3, 2) + b"firmware", support=1)
        ),
        "TDX module": tdx(),
        "Intel microcode": intel_microcode(extended=0x806F6),
        "AMD microcode": amd_microcode(),
        "event log": event_log(),
        "update metadata": metadata(),
        "disk": disk(package(), b"nothing", metadata()),
        "image": NOTED,
        "dump": b"\xff" * 512 + package() + b"\xff" * 100,
    }
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    private_pem = private.private_bytes(serialization.Encoding.PEM, form, plain)
    return made | {"PEM": pem("CERTIFICATE", made["certificate"]) + private_pem}


def sha256(data: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
