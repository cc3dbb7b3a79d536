# SPDX-License-Identifier: Apache-2.0
"""PEM (RFC 7468), with what people and openssl write around it."""

import base64
import binascii
from typing import NamedTuple

from livefw.firmware.format.source import FormatError

MAX_FILE = 1 << 20
MAX_BLOCKS = 512
"""Attack: the reader's time and the length of what it shows. A bundle of CAs has 150."""
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_MOST_LABEL = 40
_ENCRYPTED = b"Proc-Type: 4,ENCRYPTED"

CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
KEYS = ("PUBLIC KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PUBLIC KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


class PemBlock(NamedTuple):
    """One block, which begins at ``offset``. ``encrypted`` is one of OpenSSL's own, older form."""

    label: str
    data: bytes
    offset: int
    encrypted: bool = False


def is_pem(data: bytes) -> bool:
    """Whether there is a certificate or a key in it."""
    return any(b"-----BEGIN %b-----" % label.encode() in data for label in (*CERTIFICATES, *KEYS))


def read(data: bytes) -> tuple[PemBlock, ...]:
    """All blocks of a file, whatever they are; `FormatError`."""
    if len(data) > MAX_FILE:
        raise FormatError(f"PEM of {len(data)} bytes, more than {MAX_FILE}", 0)
    found: list[PemBlock] = []
    at = data.find(_BEGIN)
    while at >= 0:
        if len(found) == MAX_BLOCKS:
            raise FormatError(f"more than {MAX_BLOCKS} blocks", at)
        block, end = _block(data, at)
        found.append(block)
        at = data.find(_BEGIN, end)
    return tuple(found)


def _block(data: bytes, at: int) -> tuple[PemBlock, int]:
    start = at + len(_BEGIN)
    stop = data.find(_DASHES, start, start + _MOST_LABEL)
    if stop < 0:
        raise FormatError("a line that begins a block has no end", at)
    label = data[start:stop]
    end = data.find(_END + label + _DASHES, stop)
    if end < 0:
        raise FormatError(f"the block has no {(_END + label).decode('ascii', 'replace')}", at)
    body = data[stop + len(_DASHES) : end]
    encrypted = _ENCRYPTED in body
    if encrypted:
        body = body.replace(b"\r", b"").partition(b"\n\n")[2]
    try:
        decoded = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise FormatError(f"not Base64 ({error})", at) from None
    return PemBlock(label.decode("ascii", "replace"), decoded, at, encrypted), end + len(_END)
