# SPDX-License-Identifier: Apache-2.0
"""Reading DER (ITU-T X.690) without trust: every length is held against its container before a byte is used.

Only what certificates of a boot chain need: one-byte tags, definite minimal lengths. A `Reader` never copies and never
recurses; nesting is as deep as the code that walks it. Errors are `CertificateError` with the offset in the whole
input.
"""

from enum import IntEnum
from typing import NamedTuple

from livefw.firmware.image.errors import CertificateError, Violation


class Tag(IntEnum):
    """Identifier octets (X.690 8.1.2); constructed types with their bit 6 set."""

    BOOLEAN = 0x01
    INTEGER = 0x02
    BIT_STRING = 0x03
    OCTET_STRING = 0x04
    NULL = 0x05
    OID = 0x06
    UTF8_STRING = 0x0C
    UTC_TIME = 0x17
    SEQUENCE = 0x30
    SET = 0x31
    CONTEXT_0_PRIMITIVE = 0x80
    CONTEXT_0 = 0xA0
    CONTEXT_1 = 0xA1
    CONTEXT_2 = 0xA2
    CONTEXT_3 = 0xA3


_MAX_LENGTH_OCTETS = 4
_MAX_OID_OCTETS = 32
_DER_TRUE = 0xFF


class Element(NamedTuple):
    """One element of ``data``: header from ``start``, contents from ``body`` to ``end``."""

    data: bytes
    subject: str
    tag: int
    start: int
    body: int
    end: int

    @property
    def content(self) -> bytes:
        """The contents octets."""
        return self.data[self.body : self.end]

    @property
    def encoded(self) -> bytes:
        """Header and contents."""
        return self.data[self.start : self.end]

    def reader(self) -> "Reader":
        """A reader over the contents."""
        return Reader(self.data, self.subject, self.body, self.end)

    def error(self, rule: Violation, found: object = None, expected: object = None) -> CertificateError:
        """An error that points here."""
        return CertificateError(rule, subject=self.subject, offset=self.start, found=found, expected=expected)


class Reader:
    """A cursor over a run of elements."""

    __slots__ = ("data", "end", "position", "subject")

    def __init__(self, data: bytes, subject: str, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.subject = subject
        self.position = position
        self.end = len(data) if end is None else end

    def next_is(self, tag: Tag) -> bool:
        """Whether another element follows, and it has this tag."""
        return self.position < self.end and self.data[self.position] == tag

    def take(self, tag: Tag | None = None) -> Element:
        """The next element, of the given type if one is given."""
        start = self.position
        if self.end - start < 2:
            raise self._error(Violation.DER_TRUNCATED, start)
        found, length, body = self.data[start], self.data[start + 1], start + 2
        if tag is not None and found != tag:
            raise self._error(Violation.DER_TAG, start, f"{found:#04x}", tag.name)
        if length >= 0x80:
            length, body = self._long_length(start, length & 0x7F)
        # Attack: a length that reaches past the container takes bytes that were not signed, or were not sent.
        if length > self.end - body:
            raise self._error(Violation.DER_TRUNCATED, start, length, f"at most {self.end - body}")
        self.position = body + length
        return Element(self.data, self.subject, found, start, body, self.position)

    def finish(self) -> None:
        """Fail unless everything was taken."""
        if self.position != self.end:
            raise self._error(Violation.DER_TRAILING, self.position)

    def _long_length(self, start: int, octets: int) -> tuple[int, int]:
        body = start + 2 + octets
        if not 0 < octets <= _MAX_LENGTH_OCTETS:
            raise self._error(Violation.DER_LENGTH, start + 1, octets, f"1 to {_MAX_LENGTH_OCTETS} octets")
        if body > self.end:
            raise self._error(Violation.DER_TRUNCATED, start + 1)
        length = int.from_bytes(self.data[start + 2 : body], "big")
        # Attack: with two spellings of one length, two parsers can disagree on where an element ends (X.690 10.1).
        if length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise self._error(Violation.DER_LENGTH, start + 1, length, "the shortest form")
        return length, body

    def _error(self, rule: Violation, offset: int, found: object = None, expected: object = None) -> CertificateError:
        return CertificateError(rule, subject=self.subject, offset=offset, found=found, expected=expected)


def only(data: bytes, subject: str, tag: Tag) -> Element:
    """The element that the whole of ``data`` is."""
    reader = Reader(data, subject)
    element = reader.take(tag)
    reader.finish()
    return element


def boolean(element: Element) -> bool:
    """A BOOLEAN that is TRUE; DER leaves out one that equals its default, so FALSE does not occur."""
    if element.content != bytes([_DER_TRUE]):
        raise element.error(Violation.DER_VALUE, element.content[:4].hex(), "ff")
    return True


def unsigned(element: Element, *, bits: int) -> int:
    """An INTEGER from 0 up, of at most ``bits`` bits, in the shortest form."""
    content = element.content
    if not content or content[0] & 0x80 or (len(content) > 1 and content[0] == 0 and not content[1] & 0x80):
        raise element.error(Violation.DER_VALUE, content[:8].hex(), "the shortest form, not negative")
    if len(content) > bits // 8 + 1 or (value := int.from_bytes(content, "big")) >> bits:
        raise element.error(Violation.DER_VALUE, f"{len(content)} octets", f"at most {bits} bits")
    return value


def oid(element: Element) -> str:
    """An OBJECT IDENTIFIER in dotted form."""
    content = element.content
    if not content or len(content) > _MAX_OID_OCTETS or content[-1] & 0x80:
        raise element.error(Violation.DER_VALUE, content[:8].hex(), f"1 to {_MAX_OID_OCTETS} whole octets")
    arcs: list[int] = []
    value, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise element.error(Violation.DER_VALUE, content.hex(), "arcs in the shortest form")
        value, fresh = value << 7 | octet & 0x7F, not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def bit_string(element: Element) -> bytes:
    """A BIT STRING of whole octets."""
    content = element.content
    if not content or content[0]:
        raise element.error(Violation.DER_VALUE, content[:1].hex(), "no unused bits")
    return content[1:]


def encode(tag: Tag, content: bytes) -> bytes:
    """One element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | octets]) + size.to_bytes(octets, "big") + content
