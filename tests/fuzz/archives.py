# SPDX-License-Identifier: Apache-2.0
"""What somebody sends as an archive: the cabinet, and the metainfo in it."""

import struct
from collections.abc import Iterator
from contextlib import suppress

from cabarchive import CabArchive, CabFile

from livefw.activation.images import target
from livefw.archive import cab, metainfo
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


_WORDS = words(
    "<component type= firmware <releases> <release version= date= <checksum target= content container filename="
    " <artifacts> <artifact source binary <size installed <provides> flashed <custom> <value key= sha256 sha1 md5"
    " LVFS::VersionFormat LVFS::UpdateProtocol <!DOCTYPE <!ENTITY <![CDATA[ encoding= utf-16 utf-7 xmlns:"
)
TARGETS = (
    Target("metainfo", _metainfo, _metainfo_seeds, (UsageError,), words=_WORDS),
    Target("cab", _sums, _cab_seeds, (UsageError,), words=(b"MSCF", b".metainfo.xml", b"firmware.bin")),
)
