# SPDX-License-Identifier: Apache-2.0
"""Images and what is stored beside them: packages, certificates, metadata, counters, logs of measurements, TDX."""

import hashlib
import io
import ssl
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from livefw.abi.guid import BL33, RMM, Guid
from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import PAGE, SIGSTRUCT_SIZE, Header1, Sigstruct, with_checksum
from livefw.abi.version import ComponentVersion
from livefw.cli.image.formats.base import InfoView, Start
from livefw.cli.image.formats.certificates import certificate_document
from livefw.cli.image.formats.table import identify
from livefw.errors import UsageError
from livefw.firmware import tdx_image
from livefw.firmware.image import certificate, counters, fip, measure, metadata, note, trust
from livefw.firmware.image.certificate import HASH_BY_NAME
from livefw.firmware.image.chain import CCA_2_8
from livefw.firmware.image.errors import CertificateError, EventLogError, PackageError, StoreError, TrustError
from livefw.firmware.image.metadata import BankImage, BankState, ImageEntry, Metadata
from livefw.firmware.image.names import BY_OPTION
from livefw.firmware.image.verify import TrustAnchor, verify
from livefw.firmware.seam import _verifies
from livefw.kernel.tdx import check_image
from livefw.machine.qemu import flash
from livefw.providers.tdx import images, mapping
from livefw.providers.tdx.blob import BlobError
from livefw.providers.tdx.mapping import MappingError
from livefw.providers.tdx.sigstruct import signature_holds

from .target import Target, words

_CERTIFICATES = Path(__file__).parents[1] / "image/data/cca"


def _fip(data: bytes) -> object:
    found = fip.parse(data)
    assert fip.read(io.BytesIO(data)) == found
    for entry in found.entries:
        assert fip.read_payload(io.BytesIO(data), entry) == data[entry.offset : entry.offset + entry.size]
    for before, after in pairwise(
        sorted((each.offset, each.offset + each.size) for each in found.entries if each.size)
    ):
        assert before[1] <= after[0]
    again = fip.dump([fip.Payload.from_package(io.BytesIO(data), each) for each in found.entries])
    assert {each.guid: each.size for each in fip.parse(again).entries} == {
        each.guid: each.size for each in found.entries
    }
    return found, identify(Start.of(io.BytesIO(data)), InfoView())


def _fip_seeds() -> Iterator[bytes]:
    noted = note.append(b"image", ComponentVersion(2, 1))
    yield fip.dump([fip.Payload.of(BL33.guid, b"payload"), fip.Payload.of(RMM.guid, noted)])
    yield fip.dump([fip.Payload.of(Guid(bytes(15) + b"\1"), b"", 7)], align=64, platform_flags=3)
    yield fip.dump([])


def _flash(data: bytes) -> object:
    """Packages in flash begin at a page; a new BL33 takes the place of the old one and of nothing else."""
    payload = b"\1" * 8
    page = data[:4096].ljust(4096, b"\xff")
    made = flash.with_payload(page, payload)
    assert len(made) >= len(page)
    return sum(made[at] != page[at] for at in range(len(page)))


def _certificate(data: bytes) -> object:
    signed = certificate.split(data, "fuzz")
    assert signed.body.encoded in data
    key = certificate.subject_key(signed)
    read = certificate.read(signed)
    assert read.subject_key == key
    told = certificate_document(data, "fuzz", strict=True)
    try:
        certificate.check_signature(signed, key)
    except TrustError as error:
        return read.serial.bit_length(), told, str(error)
    return read.serial.bit_length(), told, "it signs itself"


def _certificate_seeds() -> Iterator[bytes]:
    for name in ("plat-key-cert", "nt-fw-cert", "cca-cert"):
        yield ssl.PEM_cert_to_DER_cert((_CERTIFICATES / f"{name}.pem").read_text(encoding="ascii"))


_ANCHOR = TrustAnchor(
    CCA_2_8.with_partitions(()),
    {
        "rot-key": bytes.fromhex("a866d5a757c4598347e6538be24d42c349190df92c9a2a4f0cc627e0231dd80c"),
        "swd-rot-key": bytes.fromhex("b52dd4edcfbb4eaeb81ac82a6f8d288c5b4e2947116b5dad6ed9252d8eefcf58"),
        "prot-key": bytes.fromhex("a97cadd66d9682d950cd40eb7bbc47d2d93fae8f09bf6609fd2039f9bce7b24c"),
    },
)
"""What a machine has that believes the recorded certificates (tests/image/data/cca/README.md)."""
_SIGNED = b"nt-fw as recorded\n" * 64


def _package(data: bytes) -> object:
    """A package with its chain of certificates: nothing but what was signed is ever believed."""
    found = verify(io.BytesIO(data), _ANCHOR, {})
    for guid, image in found.images.items():
        assert guid == BL33.guid
        assert image.digest.value == hashlib.sha256(_SIGNED).digest()
    return sorted(map(str, found.images)), found.counters, sorted(found.certificates), found.unsigned


def _package_seeds() -> Iterator[bytes]:
    names = ("nt-fw-cert", "plat-key-cert")
    ders = [ssl.PEM_cert_to_DER_cert((_CERTIFICATES / f"{name}.pem").read_text(encoding="ascii")) for name in names]
    parts = [fip.Payload.of(BY_OPTION[name].guid, der) for name, der in zip(names, ders, strict=True)]
    yield fip.dump([fip.Payload.of(BL33.guid, _SIGNED), *parts])
    yield fip.dump([fip.Payload.of(BL33.guid, b"forged"), *parts])


def _with_crc(data: bytes, end: int) -> bytes:
    return zlib.crc32(data[4:end]).to_bytes(4, "little") + data[4:]


def _metadata(data: bytes) -> object:
    """With the CRC that it has, and with the right one: of version 2 by its size, of version 1 to the end."""
    second = data[4:8] != b"\1\0\0\0" and len(data) >= 20
    sized = _with_crc(data, struct.unpack_from("<I", data, 16)[0] if second else len(data))
    told = []
    for each in (data, sized):
        try:
            found = metadata.decode(each)
        except StoreError as error:
            told.append(str(error))
            continue
        assert metadata.decode(found.encode()) == found
        bank = metadata.alternate_bank(found)
        assert bank is None or bank != found.active
        told.append(repr((found, bank, found.candidate, found.trial, found.image(RMM.guid, found.update))))
    return told


def _metadata_seeds() -> Iterator[bytes]:
    entry = ImageEntry(RMM.guid, BL33.guid, (BankImage(RMM.guid, accepted=True), BankImage()))
    yield Metadata(0, 1, (BankState.ACCEPTED, BankState.VALID), (entry,)).encode()
    yield Metadata(1, 1, (BankState.INVALID, BankState.INVALID)).encode()
    yield Metadata(0, 1, (BankState.ACCEPTED, BankState.VALID), (entry,), version=1).encode()
    yield Metadata(0, 0xFFFF_FFFF, (BankState.ACCEPTED,), extension=b"more", vendor=b"of a vendor").encode()


def _counters(data: bytes) -> object:
    fixed = data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")
    told = []
    for each in (data, fixed):
        try:
            found = counters.decode(each)
        except StoreError as error:
            told.append(str(error))
            continue
        assert found.encode() == each
        told.append(repr(found.counters))
    return told


def _event_log(data: bytes) -> object:
    kinds, events = measure.decode(data)
    registers = measure.replay(kinds, events)
    assert set(registers) <= {(event.pcr, kind) for event in events for kind in kinds}
    if kinds and all(event.kind == measure.EV_POST_CODE and event.pcr == measure.PCR for event in events):
        written = measure.EventLog(kinds)
        for event in events:
            written.measure(event.text, event.digests)
        again = measure.decode(written.encode())
        assert again[0] == kinds
        assert [each.digests for each in again[1]] == [each.digests for each in events]
    return kinds, events


def _event_log_seeds() -> Iterator[bytes]:
    for names in (("SHA256",), ("SHA256", "SHA384", "SHA512")):
        log = measure.EventLog([HASH_BY_NAME[name] for name in names])
        log.measure("BL31", {HASH_BY_NAME[name]: bytes(HASH_BY_NAME[name].size) for name in names})
        log.measure("RMM", {HASH_BY_NAME[name]: b"\1" * HASH_BY_NAME[name].size for name in names})
        yield log.encode()


def _trust(data: bytes) -> object:
    found = trust.loads(data)
    assert trust.loads(trust.dumps(found).encode()) == found
    return found.chain.name, found.chain.partitions, found.roots


_TRUST = f"""chain = "cca"
partitions = ["{RMM.guid}"]
[roots]
rot-key = "{"00" * 32}"
"""


def _note(data: bytes) -> object:
    found = note.read(data)
    assert note.read(note.append(data, ComponentVersion(7, 8))) == ComponentVersion(7, 8)
    assert not found.known or note.append(data[: -note.SIZE], found) == data
    return found


def _tdx(data: bytes) -> object:
    """An image whose pages are almost empty: the header, the structure and some of the module."""
    image = _unfolded(data)
    return [_judged(each) for each in (image, with_checksum(image))]


def _judged(image: bytes) -> str:
    try:
        found, sound = images.judge("x.blob", TdxVersion(1, 5, 8), image, signers=frozenset({tdx_image.SIGNER}))
    except BlobError as error:
        return str(error)
    assert check_image(sound) == 0, "livefw takes what the kernel refuses"
    assert found.converted == (sound != image)
    structure = Sigstruct.decode(sound[PAGE:])
    assert structure.encode() == sound[PAGE : PAGE + SIGSTRUCT_SIZE]
    if structure.exponent == tdx_image.EXPONENT:
        assert signature_holds(structure) <= _verifies(structure), "livefw takes what the loader refuses"
    return repr((found, tdx_image.module_version(sound[2 * PAGE :])))


def _unfolded(data: bytes) -> bytes:
    """64 bytes of header, 2048 of structure, and what begins the module, each filled up to its pages."""
    header, structure, module = data[:64], data[64 : 64 + SIGSTRUCT_SIZE], data[64 + SIGSTRUCT_SIZE :]
    pages = 1 + (data[0] & 1 if data else 0)
    return header.ljust(PAGE, b"\0") + structure.ljust(PAGE, b"\0") + module.ljust(pages * PAGE, b"\0")


def _folded(image: bytes) -> bytes:
    return image[:64] + image[PAGE : PAGE + SIGSTRUCT_SIZE] + image[2 * PAGE : 2 * PAGE + 32]


def _tdx_seeds() -> Iterator[bytes]:
    spec = tdx_image.ModuleSpec(TdxVersion(1, 5, 8), Svn(1, 7), (0x806F8, 0xC06F0))
    module = tdx_image.build(spec)[2 * PAGE :][:32].ljust(PAGE, b"\0")
    structure = tdx_image.sign(tdx_image.sigstruct(spec, module))
    for layout in (0x100, 0x200):
        yield _folded(tdx_image.assemble(structure, module, layout=layout))
    assert Header1.decode(bytes(PAGE)).layout == 0


def _mapping(data: bytes) -> object:
    found = mapping.parse(data)
    assert len(found.releases) <= mapping.MAX_RELEASES
    assert all(version == release.version for version, release in found.releases.items())
    assert all(f"{release.features:x}".encode() in data.lower() for release in found.releases.values())
    return found


_MAPPING = b"""{"Header": {"Version": "1.0"}, "tdx_module_releases": [{"version": "1.5.08",
"min_module_version_for_td_preserving": "1.5.05", "min_seamldr_versions": ["1.5.00", "2.0.00"],
"tdx_feature0": "0x1F", "strict_compat_versions": ["1.5.05"], "other": 1}]}"""

TARGETS = (
    Target("fip", _fip, _fip_seeds, (PackageError,), words=(b"\1\0\x64\xaa", RMM.guid.raw, BL33.guid.raw), growth=128),
    Target("flash", _flash, _fip_seeds, (UsageError,), words=(b"\1\0\x64\xaa", BL33.guid.raw)),
    Target(
        "certificate",
        _certificate,
        _certificate_seeds,
        (CertificateError,),
        words=(b"\x30\x82", b"\x06\x03\x55\x04\x03"),
    ),
    Target(
        "package-chain", _package, _package_seeds, (PackageError, CertificateError, TrustError), words=(b"\x30\x82",)
    ),
    Target("fwu-metadata", _metadata, _metadata_seeds, words=(RMM.guid.raw, b"\xfc\xfe\xff\xff"), longest=512),
    Target("counters", _counters, lambda: (counters.NonVolatile(1, 2, 3, 4).encode(),), words=(b"LFNV",), longest=40),
    Target("event-log", _event_log, _event_log_seeds, (EventLogError,), words=(b"Spec ID Event03\0",), longest=1024),
    Target(
        "trust-file",
        _trust,
        lambda: (_TRUST.encode(),),
        (UsageError,),
        words=words("chain partitions [roots] cca tbbr rot-key"),
    ),
    Target("version-note", _note, lambda: (note.append(b"x", ComponentVersion(2, 1)), b"short"), longest=64),
    Target("tdx-image", _tdx, _tdx_seeds, words=(b"TDX-BLOB", b"\0\1", b"\0\2")),
    Target(
        "tdx-mapping", _mapping, lambda: (_MAPPING,), (MappingError,), words=words('"Header" "Version" 0xffff 1e999')
    ),
)
