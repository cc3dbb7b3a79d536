# SPDX-License-Identifier: Apache-2.0
"""A mirror of the LVFS as image directory: its metadata, which have to be signed, say which archives there are.

A mirror has more archives than could be unpacked one by one, and fwupd or ``pulp`` fetches it; nothing here does.
"""

import lzma
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NoReturn

from livefw import programs
from livefw.activation.images import signatures
from livefw.archive import index
from livefw.archive.index import IndexEntry
from livefw.errors import UsageError

MOST_BYTES = 64 << 20
"""Of metadata as they are; those of the LVFS have a few."""
MOST_SIGNATURES = 1 << 20
_SECONDS = 120.0


def read(name: str, data: bytes, catalog: bytes, keys: str) -> list[IndexEntry]:
    """The releases in metadata that a key in a directory has signed; OSError where those cannot be read.

    Raises:
        UsageError: they are not signed, or cannot be read.
    """
    found = signatures.judge([catalog], {name: data}, signatures.read_keys(keys))
    if not found.holds:
        _fail(name, found.text)
    return index.read(NAMES[name](name, data))


def _gzip(name: str, data: bytes) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = unpacker.decompress(data, index.MOST_BYTES + 1)
    except zlib.error as error:
        _fail(name, str(error))
    if not unpacker.eof:
        _fail(name, "they end too early, or are too large")
    return text


def _xz(name: str, data: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=index.MOST_BYTES)
    try:
        text = unpacker.decompress(data, index.MOST_BYTES + 1)
    except (lzma.LZMAError, EOFError) as error:
        _fail(name, str(error))
    if not unpacker.eof:
        _fail(name, "they end too early, or are too large")
    return text


def _zstd(name: str, data: bytes) -> bytes:
    """Python has no Zstandard before 3.14."""
    command = (programs.find("zstd"), "--decompress", "--stdout", "--quiet", "--memory=128MiB")
    answer = programs.run(command, seconds=_SECONDS, question=data, most=index.MOST_BYTES, errors=False)
    if answer.code != 0:
        missing = answer.code == programs.NOT_RUN
        _fail(name, "the program zstd is needed" if missing else f"zstd: {answer.broken(seconds=_SECONDS)}")
    return answer.output


NAMES: Mapping[str, Callable[[str, bytes], bytes]] = MappingProxyType(
    {"firmware.xml.zst": _zstd, "firmware.xml.xz": _xz, "firmware.xml.gz": _gzip}
)
"""What the metadata are called, and how they are unpacked; the first that is there counts."""


def _fail(name: str, why: str) -> NoReturn:
    raise UsageError(f"images are left out: {name}: {why}")
