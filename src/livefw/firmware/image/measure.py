# SPDX-License-Identifier: Apache-2.0
"""The measurement log: what was loaded, in a form that a verifier can replay.

A crypto-agile event log of the TCG (PC Client Platform Firmware Profile, section 10), as TF-A's measured boot writes
it (``drivers/measured_boot/event_log``): a header that names the hash algorithms, then one event per image with a
digest in each of them. Replaying extends a register per algorithm, ``pcr = H(pcr || digest)`` from zeros.

What is read are logs of any platform, also those of TPM 1.2, with SHA-1 alone and without a list of algorithms.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from livefw.firmware.image.certificate import HASH_BY_NAME, HashKind
from livefw.firmware.image.errors import EventLogError, Violation

EV_POST_CODE = 0x1
"""An image of the platform's firmware."""
EV_NO_ACTION = 0x3

PCR = 0
"""Register of the platform's firmware."""

_SHA1 = HashKind("SHA1", "1.3.14.3.2.26", 20)
_ALGORITHMS: dict[int, HashKind] = {
    0x0004: _SHA1,
    0x000B: HASH_BY_NAME["SHA256"],
    0x000C: HASH_BY_NAME["SHA384"],
    0x000D: HASH_BY_NAME["SHA512"],
    0x0012: HashKind("SM3", "1.2.156.10197.1.401", 32),
    0x0027: HashKind("SHA3_256", "2.16.840.1.101.3.4.2.8", 32),
    0x0028: HashKind("SHA3_384", "2.16.840.1.101.3.4.2.9", 48),
    0x0029: HashKind("SHA3_512", "2.16.840.1.101.3.4.2.10", 64),
}
"""By the TCG's numbers (TCG Algorithm Registry, table 3)."""
_IDS = {kind: number for number, kind in _ALGORITHMS.items()}

_FIRST = struct.Struct("<II20xI")
_SPEC_ID = struct.Struct("<IBBBBI")
_ALGORITHM = struct.Struct("<HH")
_EVENT = struct.Struct("<III")
_PLACE = struct.Struct("<II")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")
_SIGNATURE = b"Spec ID Event03\0"
_OLDER = (b"Spec ID Event00\0", b"Spec ID Event02\0")
"""TPM 1.2: the TCG's specifications for EFI and for the BIOS."""
_SIGNATURE_AT = _FIRST.size
_UINTN_64 = 2

MAX_EVENT = 1 << 16
"""Attack: a length in the log is the sender's; an image name needs a few dozen bytes, a list of revoked keys 25,000."""
MAX_EVENTS = 1 << 14
"""Attack: all of them are kept. A server logs three hundred."""


class MeasurementEvent(NamedTuple):
    """One measurement. ``data`` names what was measured, ended by a zero byte."""

    pcr: int
    kind: int
    digests: Mapping[HashKind, bytes]
    data: bytes

    @property
    def text(self) -> str:
        """The name."""
        return self.data.split(b"\0", 1)[0].decode("utf-8", "replace")


class EventLog:
    """A log being written, in the algorithms given."""

    def __init__(self, kinds: Sequence[HashKind] = (HASH_BY_NAME["SHA256"], HASH_BY_NAME["SHA384"])) -> None:
        self.kinds = tuple(kinds)
        self._data = bytearray(_header(self.kinds))

    def measure(self, name: str, digests: Mapping[HashKind, bytes]) -> None:
        """Append an image; KeyError if a digest is missing."""
        data = name.encode() + b"\0"
        self._data += _EVENT.pack(PCR, EV_POST_CODE, len(self.kinds))
        for kind in self.kinds:
            self._data += _U16.pack(_IDS[kind]) + digests[kind]
        self._data += _U32.pack(len(data)) + data

    def encode(self) -> bytes:
        """The log so far."""
        return bytes(self._data)


def is_log(data: bytes) -> bool:
    """Whether a log begins so."""
    kind, signature = data[4:8], data[_SIGNATURE_AT : _SIGNATURE_AT + len(_SIGNATURE)]
    return kind == _U32.pack(EV_NO_ACTION) and signature in (_SIGNATURE, *_OLDER)


def decode(log: bytes) -> tuple[tuple[HashKind, ...], list[MeasurementEvent]]:
    """Algorithms and events of a log; EventLogError with the offset if it is malformed.

    What fills a buffer behind the last event, zeros or ones, is no event.
    """
    reader = _Reader(log)
    _, kind, size = reader.unpack(_FIRST)
    end = reader.position + size
    signature = reader.take(len(_SIGNATURE))
    if kind == EV_NO_ACTION and signature in _OLDER:
        if size < len(_SIGNATURE):
            raise reader.error(f"event size {size}", f"at least {len(_SIGNATURE)}")
        reader.take(size - len(_SIGNATURE))
        return (_SHA1,), list(_events(reader, (_SHA1,), counted=False))
    *_, count = reader.unpack(_SPEC_ID)
    if kind != EV_NO_ACTION or signature != _SIGNATURE or not 0 < count <= len(_ALGORITHMS):
        raise reader.error(f"event type {kind}, {count} algorithms", "a Spec ID event with algorithms that are known")
    kinds = tuple(_known(reader) for _ in range(count))
    (vendor,) = reader.take(1)
    reader.take(vendor)
    if reader.position != end:
        raise reader.error(f"event size {size}", "the end here")
    return kinds, list(_events(reader, kinds))


def replay(kinds: Sequence[HashKind], events: Sequence[MeasurementEvent]) -> dict[tuple[int, HashKind], bytes]:
    """The value of each register after all events, by register and algorithm; without SM3 where OpenSSL lacks it."""
    usable = [kind for kind in kinds if kind.name.lower() in hashlib.algorithms_available]
    registers: dict[tuple[int, HashKind], bytes] = {}
    for event in events:
        if event.kind != EV_NO_ACTION:
            for kind in usable:
                place = (event.pcr, kind)
                value = registers.get(place, bytes(kind.size)) + event.digests[kind]
                registers[place] = hashlib.new(kind.name.lower(), value).digest()
    return registers


def _header(kinds: Sequence[HashKind]) -> bytes:
    rows = b"".join(_ALGORITHM.pack(_IDS[kind], kind.size) for kind in kinds)
    body = _SIGNATURE + _SPEC_ID.pack(0, 0, 2, 2, _UINTN_64, len(kinds)) + rows + b"\0"
    return _FIRST.pack(PCR, EV_NO_ACTION, len(body)) + body


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._filled_from = min(len(data.rstrip(b"\0")), len(data.rstrip(b"\xff")))
        self.position = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self.position:
            raise self.error(f"{len(self._data) - self.position} bytes", f"{size} more")
        self.position += size
        return self._data[self.position - size : self.position]

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def done(self) -> bool:
        """Whether nothing follows, or only what an unused buffer or flash has: at least the start of an event of it."""
        left = len(self._data) - self.position
        return not left or (left >= _PLACE.size and self.position >= self._filled_from)

    def error(self, found: object, expected: object) -> EventLogError:
        return EventLogError(
            Violation.EVENT_LOG, subject="event log", offset=self.position, found=found, expected=expected
        )


def _known(reader: _Reader) -> HashKind:
    number, size = reader.unpack(_ALGORITHM)
    kind = _ALGORITHMS.get(number)
    if kind is None or kind.size != size:
        raise reader.error(
            f"algorithm {number:#06x} of {size} bytes",
            f"one of {', '.join(each.name for each in _ALGORITHMS.values())}",
        )
    return kind


def _events(reader: _Reader, kinds: Sequence[HashKind], *, counted: bool = True) -> Iterator[MeasurementEvent]:
    """``counted``: with a number of digests, and with each its algorithm."""
    for _ in range(MAX_EVENTS):
        if reader.done():
            return
        pcr, event_kind = reader.unpack(_PLACE)
        digests = _digests(reader, kinds) if counted else {kind: reader.take(kind.size) for kind in kinds}
        (size,) = reader.unpack(_U32)
        if size > MAX_EVENT:
            raise reader.error(f"an event of {size} bytes", f"at most {MAX_EVENT}")
        yield MeasurementEvent(pcr, event_kind, digests, reader.take(size))
    if not reader.done():
        raise reader.error("another event", f"at most {MAX_EVENTS}")


def _digests(reader: _Reader, kinds: Sequence[HashKind]) -> dict[HashKind, bytes]:
    (count,) = reader.unpack(_U32)
    if count != len(kinds):
        raise reader.error(f"{count} digests", len(kinds))
    digests: dict[HashKind, bytes] = {}
    for _ in kinds:
        kind = _ALGORITHMS.get(reader.unpack(_U16)[0])
        if kind is None or kind not in kinds or kind in digests:
            raise reader.error("a digest", "one in each algorithm of the header")
        digests[kind] = reader.take(kind.size)
    return digests
