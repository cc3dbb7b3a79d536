# SPDX-License-Identifier: Apache-2.0
"""The part of SPDM that proves a measurement: GET_MEASUREMENTS, MEASUREMENTS, and what the signature is over.

Sources: DSP0274 1.1 to 1.3 (GET_MEASUREMENTS request and MEASUREMENTS response; DMTF measurement specification;
signature generation), libspdm ``doc/standard_measurement_report.md``. All numbers are little-endian.
"""

import hashlib
from typing import NamedTuple

GET_MEASUREMENTS = 0xE0
MEASUREMENTS = 0x60
NONCE_BYTES = 32
SIGNATURE_REQUESTED = 1
ALL_MEASUREMENTS = 0xFF
VERSIONS = (0x11, 0x12, 0x13)
_CONTEXT_SINCE = 0x13
_CONTEXT_BYTES = 8
_DMTF = 1
_REQUEST_BYTES = 4 + NONCE_BYTES + 1


class SpdmError(ValueError):
    """This is no transcript of a signed measurement."""


class Block(NamedTuple):
    """One measurement: its number (SPDM calls it index), the DMTF type with bit 7 for raw data, and the value."""

    number: int
    kind: int
    value: bytes

    def encode(self) -> bytes:
        """As in a measurement record."""
        data = bytes([self.kind]) + len(self.value).to_bytes(2, "little") + self.value
        return bytes([self.number, _DMTF]) + len(data).to_bytes(2, "little") + data


class Statement(NamedTuple):
    """A signed statement taken apart. ``signed`` is the transcript that the signature is over."""

    version: int
    nonce: bytes
    blocks: tuple[Block, ...]
    signed: bytes
    signature: bytes


def request(version: int, nonce: bytes, *, slot: int = 0) -> bytes:
    """A GET_MEASUREMENTS that asks for all measurements, signed."""
    context = bytes(_CONTEXT_BYTES) if version >= _CONTEXT_SINCE else b""
    return bytes([version, GET_MEASUREMENTS, SIGNATURE_REQUESTED, ALL_MEASUREMENTS]) + nonce + bytes([slot]) + context


def response(version: int, blocks: tuple[Block, ...], nonce: bytes) -> bytes:
    """A MEASUREMENTS up to, and without, its signature; ``nonce`` is the responder's."""
    record = b"".join(block.encode() for block in blocks)
    context = bytes(_CONTEXT_BYTES) if version >= _CONTEXT_SINCE else b""
    head = bytes([version, MEASUREMENTS, 0, 0, len(blocks)]) + len(record).to_bytes(3, "little")
    return head + record + nonce + (0).to_bytes(2, "little") + context


def parse(data: bytes, *, nonce: bytes, signature_bytes: int) -> Statement:
    """Take a statement apart that answers a request with this nonce; `SpdmError`.

    From SPDM 1.2 on there are messages of the connection before the request. They are signed too, and not looked at.
    """
    start = data.find(nonce) - 4
    if start < 0:
        raise SpdmError("it does not contain our nonce: it was made for another request")
    version, code, attributes, _ = data[start : start + 4]
    if version not in VERSIONS or code != GET_MEASUREMENTS or not attributes & SIGNATURE_REQUESTED:
        raise SpdmError("our nonce is not in a request for signed measurements")
    extra = _CONTEXT_BYTES if version >= _CONTEXT_SINCE else 0
    place = start + _REQUEST_BYTES + extra
    head = data[place : place + 8]
    if len(head) < 8 or head[0] != version or head[1] != MEASUREMENTS:
        raise SpdmError("it contains no response to the request")
    record_at = place + 8
    size = int.from_bytes(head[5:8], "little")
    opaque_at = record_at + size + NONCE_BYTES
    opaque = int.from_bytes(data[opaque_at : opaque_at + 2], "little")
    end = opaque_at + 2 + opaque + extra
    if len(data) != end + signature_bytes:
        raise SpdmError(f"it has {len(data)} bytes, but its content implies {end + signature_bytes}")
    blocks = _blocks(data[record_at : record_at + size], head[4])
    return Statement(version, nonce, blocks, data[:end], data[end:])


def _blocks(record: bytes, count: int) -> tuple[Block, ...]:
    found, place = [], 0
    while place < len(record):
        size = int.from_bytes(record[place + 2 : place + 4], "little")
        data = record[place + 4 : place + 4 + size]
        if len(data) != size or size < 3 or record[place + 1] != _DMTF:
            raise SpdmError("a measurement is truncated")
        length = int.from_bytes(data[1:3], "little")
        if length != size - 3:
            raise SpdmError("a measurement is truncated")
        found.append(Block(record[place], data[0], data[3:]))
        place += 4 + size
    if len(found) != count:
        raise SpdmError(f"it has {len(found)} measurements, but states {count}")
    return tuple(found)


def signed_message(version: int, transcript: bytes, algorithm: str) -> bytes:
    """What an ordinary signature with hash ``algorithm`` (``SHA384``) is computed over.

    SPDM 1.1 signs the transcript; 1.2 and later sign its digest behind four times the version and the context.
    """
    if version < 0x12:
        return transcript
    prefix = f"dmtf-spdm-v{version >> 4}.{version & 15}.*".encode() * 4
    context = b"responder-measurements signing"
    return prefix + bytes(36 - len(context)) + context + hashlib.new(algorithm, transcript).digest()
