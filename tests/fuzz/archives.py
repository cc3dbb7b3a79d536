# SPDX-License-Identifier: Apache-2.0
"""What somebody sends as an archive: the cabinet, and the metainfo in it."""

import gzip
import json
import lzma
import struct
from collections.abc import Iterator
from contextlib import suppress

from cabarchive import CabArchive, CabFile

from livefw.activation.images import mirror, signatures, target
from livefw.archive import cab, index, jcat, metainfo
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.errors import UsageError

from .target import Target, words

_MOST = 1 << 20
_ABOUT = Metainfo(
    ident="org.example.rmm",
    name="TF-RMM",
    guids=("6c0762a6-12f2-4b56-92cb-ba8f633606d9",),
    version="1.2.3",
    filename="rmm.bin",
    checksums=(("sha256", "0" * 64),),
    protocol="com.example.lfa",
    version_format="triplet",
    date="2026-11-01",
)
_RELEASE = b"""<component type="firmware"><id>a</id><provides><firmware type="flashed">
6c0762a6-12f2-4b56-92cb-ba8f633606d9</firmware></provides><releases><release version="1.0" date="2026-01-01">%s
</release></releases><custom><value key="LVFS::VersionFormat">pair</value></custom></component>"""
_ARTIFACT = b"""<artifacts><artifact type="source"><filename>d/f.bin</filename><checksum type="sha1">%s</checksum>
</artifact><artifact type="binary"><checksum>0</checksum></artifact></artifacts><size type="installed">0x10</size>"""


def _metainfo(data: bytes) -> object:
    entries = metainfo.read_each("fuzz", data)
    for found in entries:
        assert found.guids
        if isinstance(found, Metainfo):
            assert all(kind in metainfo.DIGESTS and len(digits) >= 32 for kind, digits in found.checksums)
            assert all(len(each) <= 1000 for each in found if isinstance(each, str))
    return [(tuple(map(target.spellings, found.guids)), metainfo.is_name(found.version)) for found in entries]


def _metainfo_seeds() -> Iterator[bytes]:
    yield metainfo.write(_ABOUT, 16)
    yield _RELEASE % b'<checksum type="sha256" target="content" filename="f.bin">00</checksum>'
    yield _RELEASE % (_ARTIFACT % (b"0" * 40))
    yield b"<?xml version='1.0' encoding='utf-16'?>" + _RELEASE % b""
    yield b'<!DOCTYPE a [<!ENTITY b "c">]>' + _RELEASE % b"&b;"


def _cab(data: bytes) -> object:
    entries = cab.read_each(data, most=_MOST)
    images = [each for each in entries if isinstance(each, CabImage)]
    assert all(len(image.payload) <= _MOST for image in images)
    assert all(each.error.phase == cab.PHASE for each in entries if not isinstance(each, CabImage))
    if images:
        assert cab.read(data, most=_MOST) == tuple(images)
    return [(image.about, len(image.payload)) for image in images]


def _sums(data: bytes) -> object:
    """The same, and without the checksum of its first block, as MS-CAB allows, so that the fuzzer may change them."""
    with suppress(UsageError):
        _cab(data)
    made = bytearray(data)
    if len(data) >= 44:
        (at,) = struct.unpack_from("<I", data, 36)
        if at + 4 <= len(data):
            made[at : at + 4] = bytes(4)
    return _cab(bytes(made))


def _cab_seeds() -> Iterator[bytes]:
    yield cab.write(CabImage(_ABOUT, b"payload"))
    archive = CabArchive()
    archive["firmware.bin"] = CabFile(b"payload")
    archive["a.metainfo.xml"] = CabFile(_RELEASE % b'<size type="installed">7</size>')
    yield archive.save(compress=False)
    yield archive.save(compress=True)


def _catalog(data: bytes) -> object:
    """As it is, and as the document in it."""
    with suppress(UsageError):
        jcat.read(data)
    read = jcat.read(gzip.compress(data, 1, mtime=0))
    signatures = [each for item in read.values() for each in item.signatures]
    assert all(each.kind in jcat.SIGNATURES for each in signatures)
    assert all(len(each) <= 64 for item in read.values() for each in item)
    return {name: (item, item.wrong(b"x")) for name, item in read.items()}, [each.signed(b"x") for each in signatures]


def _catalog_seeds() -> Iterator[bytes]:
    blobs = [{"Kind": 1, "Flags": 1, "Data": "0" * 64}, {"Kind": 3, "Flags": 0, "Data": "QQ==", "Target": 1}]
    yield json.dumps(
        {"Items": [{"Id": "a", "AliasIds": ["b"], "Blobs": [*blobs, {"Kind": 2, "Data": "QQ=="}]}]}
    ).encode()
    yield b'{"JcatVersionMajor":0,"Items":[]}'


def _index(data: bytes) -> object:
    found = index.read(data)
    assert all(each.file and "/" not in each.file and each.about.guids for each in found)
    return found


def _index_seeds() -> Iterator[bytes]:
    binary = (
        b'<artifacts><artifact type="binary"><location>https://x/a.cab</location><checksum type="sha256">0</checksum>'
    )
    container = b'<location>b.cab</location><checksum type="sha256" target="container">0</checksum>'
    for archive in (binary + b"</artifact></artifacts>", container):
        yield b"<components>" + _RELEASE % archive + b"<component/></components>"


def _mirror(data: bytes) -> object:
    """Packed metadata: what is unpacked, or why not; and a key in armor. Nothing is run for it."""
    told: list[object] = [signatures._dearmored(data)]
    for name in ("firmware.xml.gz", "firmware.xml.xz"):
        try:
            told.append(mirror.NAMES[name](name, data))
        except UsageError as error:
            told.append(error.message)
    return told


def _mirror_seeds() -> Iterator[bytes]:
    yield gzip.compress(b"<components/>", mtime=0)
    yield lzma.compress(b"<components/>")
    yield b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\nQUJD\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"


_WORDS = words(
    "<component type= firmware <releases> <release version= date= <checksum target= content container filename="
    " <artifacts> <artifact source binary <size installed <provides> flashed <custom> <value key= sha256 sha1 md5"
    " LVFS::VersionFormat LVFS::UpdateProtocol <!DOCTYPE <!ENTITY <![CDATA[ encoding= utf-16 utf-7 xmlns:"
)
TARGETS = (
    Target("metainfo", _metainfo, _metainfo_seeds, (UsageError,), words=_WORDS),
    Target(
        "jcat", _catalog, _catalog_seeds, (UsageError,), words=words("Items Id AliasIds Blobs Kind Flags Data Target")
    ),
    Target("lvfs-metadata", _index, _index_seeds, (UsageError,), words=_WORDS),
    Target("lvfs-packed", _mirror, _mirror_seeds, words=(b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"-----BEGIN PGP")),
    Target("cab", _sums, _cab_seeds, (UsageError,), words=(b"MSCF", b".metainfo.xml", b"firmware.bin")),
)
