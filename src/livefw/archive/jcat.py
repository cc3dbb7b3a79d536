# SPDX-License-Identifier: Apache-2.0
"""The catalog of signatures in an archive or beside metadata of the LVFS (``.jcat``), as libjcat writes it.

A JSON document, compressed by gzip: for each file ("item") any number of checksums and detached signatures ("blobs"). A
signature whose blob has a target is one of the hexadecimal digits of the file's checksum, and not of the file.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from enum import IntEnum
from hashlib import sha1, sha256, sha512
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from livefw.errors import UsageError

MOST_BYTES = 4 << 20
"""Of a catalog, unpacked. Attack: a kilobyte of gzip is a megabyte of zeros; those of the LVFS have some thousands."""
_MOST_ITEMS = 4_096
_MOST_BLOBS = 64
"""Signatures of one file. Attack: each costs a process; the LVFS has five."""
_UTF8 = 1 << 0
_GZIP = 16 + zlib.MAX_WBITS


class BlobKind(IntEnum):
    """What a blob is (libjcat, ``JcatBlobKind``). Others are transparency logs and Ed25519, and are passed over."""

    SHA256 = 1
    GPG = 2
    PKCS7 = 3
    SHA1 = 4
    SHA512 = 10


_DIGESTS: Mapping[int, Any] = MappingProxyType(
    {BlobKind.SHA256: sha256, BlobKind.SHA1: lambda data: sha1(data, usedforsecurity=False), BlobKind.SHA512: sha512}
)
_STRONG = frozenset({BlobKind.SHA256, BlobKind.SHA512})
SIGNATURES = frozenset({BlobKind.GPG, BlobKind.PKCS7})


class DetachedSignature(NamedTuple):
    """A detached signature of a file; of the digits of its checksum of the kind ``target``, where that is not 0."""

    kind: BlobKind
    data: bytes
    target: int = 0

    def signed(self, data: bytes) -> bytes | None:
        """Of what it is a signature, for a file with these bytes; None if the checksum is unknown or weak."""
        if not self.target:
            return data
        if self.target not in _STRONG:
            return None
        return str(_DIGESTS[self.target](data).hexdigest()).encode()


class CatalogItem(NamedTuple):
    """What there is for one file: checksums as pairs of kind and digits, and signatures."""

    checksums: tuple[tuple[BlobKind, str], ...] = ()
    signatures: tuple[DetachedSignature, ...] = ()

    def wrong(self, data: bytes) -> str:
        """Name of a checksum that is not the one of these bytes; empty if all are."""
        for kind, digits in self.checksums:
            if _DIGESTS[kind](data).hexdigest() != digits:
                return kind.name
        return ""


Catalog = Mapping[str, CatalogItem]
"""By the name of the file, and by each of its other names."""


def read(data: bytes) -> Catalog:
    """Read a catalog. `UsageError` with the phase ``archive`` if it is none."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        text = unpacker.decompress(data, MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            _fail(f"it has more than {MOST_BYTES >> 20} MiB")
        if not unpacker.eof:
            _fail("it ends too early")
        items = _list(_object(json.loads(text)), "Items", _MOST_ITEMS)
    except (zlib.error, ValueError, RecursionError) as error:
        _fail(str(error)[:100])
    found: dict[str, CatalogItem] = {}
    for each in items:
        item = _item(_object(each))
        for name in _names(each):
            checksums, signatures = found.get(name, CatalogItem())
            found[name] = CatalogItem(checksums + item.checksums, signatures + item.signatures)
            if max(map(len, found[name])) > _MOST_BLOBS:
                _fail(f"{name[:40]!r} has more than {_MOST_BLOBS} signatures")
    return found


def _names(item: dict[str, Any]) -> Iterator[str]:
    for name in [item.get("Id"), *_list(item, "AliasIds", _MOST_BLOBS)]:
        if not isinstance(name, str) or not name:
            _fail("an item in it has no name")
        yield name


def _item(item: dict[str, Any]) -> CatalogItem:
    checksums, signatures = [], []
    for each in _list(item, "Blobs", _MOST_BLOBS):
        blob = _object(each)
        kind, target = _number(blob, "Kind"), _number(blob, "Target")
        if kind in _DIGESTS and not target:
            checksums.append((BlobKind(kind), _data(blob).decode("ascii", "replace").strip().lower()))
        elif kind in SIGNATURES:
            signatures.append(DetachedSignature(BlobKind(kind), _data(blob), target))
    return CatalogItem(tuple(checksums), tuple(signatures))


def _data(blob: dict[str, Any]) -> bytes:
    text = blob.get("Data", "")
    if not isinstance(text, str):
        _fail("a blob in it has no data")
    try:
        return text.encode() if _number(blob, "Flags") & _UTF8 else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # also a lone surrogate, which is no UTF-8
        _fail("data in it are invalid")


def _number(blob: dict[str, Any], key: str) -> int:
    value = blob.get(key, 0)
    if not isinstance(value, int) or value < 0:
        _fail(f"{key} in it is not a number")
    return int(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail("it has another value in place of an object")
    return value


def _list(owner: dict[str, Any], key: str, most: int) -> list[Any]:
    value = owner.get(key, [])
    if not isinstance(value, list) or len(value) > most:
        _fail(f"{key} in it is no list of at most {most}")
    return value


def _fail(why: str) -> NoReturn:
    raise UsageError(f"the catalog of signatures is rejected: {why}", phase="archive")
