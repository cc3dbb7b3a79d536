# SPDX-License-Identifier: Apache-2.0
"""D-Bus messages as bytes (D-Bus Specification 0.43, sections "Type System", "Marshaling" and "Message Protocol").

A peer may send anything. Each bound below has the attack written beside it, and every length is compared with what is
really there before anything is made of it.
"""

import re
import struct
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

MESSAGE_LIMIT = 65_536
"""Bytes of one message from a peer. The specification allows 128 MiB, for each of a hundred clients. The largest that
a client of ours has reason to send, `Install` with its options, is below one kilobyte."""
DEPTH_LIMIT = 16
"""Containers and variants inside each other. A variant nests for four bytes a level, so a message of 64 KiB could ask
for a recursion of 16,000. The deepest value of our interfaces is ``aa{sv}`` with ``a{ss}`` inside: 6."""
SIGNATURE_LIMIT = 255
"""Characters of a signature; the format itself allows no more."""

_FIXED = {
    "y": struct.Struct("<B"),
    "n": struct.Struct("<h"),
    "q": struct.Struct("<H"),
    "i": struct.Struct("<i"),
    "u": struct.Struct("<I"),
    "x": struct.Struct("<q"),
    "t": struct.Struct("<Q"),
    "d": struct.Struct("<d"),
    "h": struct.Struct("<I"),
}
_ALIGNMENT = {"b": 4, "s": 4, "o": 4, "a": 4, "g": 1, "v": 1, "(": 8, "{": 8} | {c: s.size for c, s in _FIXED.items()}
_PATH = re.compile(r"/|(/[A-Za-z0-9_]+)+")
_HEADER = struct.Struct("<BBBBII")
_FIELDS_AT = 12
"""Where the array of header fields begins."""
_KEPT_BYTES, _KEPT = 256, 128
"""Bytes of a message that is remembered, and how many are: a client must not fill our memory with long ones."""


class WireError(ValueError):
    """The bytes are no message, or one that is not taken."""


class MessageType(IntEnum):
    """What a message is."""

    CALL = 1
    RETURN = 2
    ERROR = 3
    SIGNAL = 4


class _Field(IntEnum):
    PATH = 1
    INTERFACE = 2
    MEMBER = 3
    ERROR_NAME = 4
    REPLY_SERIAL = 5
    DESTINATION = 6
    SENDER = 7
    SIGNATURE = 8
    UNIX_FDS = 9


_FIELD_TYPES = {
    _Field.PATH: "o",
    _Field.REPLY_SERIAL: "u",
    _Field.SIGNATURE: "g",
    _Field.UNIX_FDS: "u",
}
"""Types of header fields; all others are strings."""

_IN_MESSAGE = (
    _Field.SIGNATURE,
    _Field.PATH,
    _Field.INTERFACE,
    _Field.MEMBER,
    _Field.ERROR_NAME,
    _Field.REPLY_SERIAL,
    _Field.DESTINATION,
    _Field.SENDER,
    _Field.UNIX_FDS,
)
"""Header fields as a `Message` has them, one after the other."""

NO_REPLY = 1
"""Flag of a call whose sender wants no answer."""


class Variant(NamedTuple):
    """A value that carries its own type."""

    signature: str
    value: Any


class Message(NamedTuple):
    """A message; ``fds`` is the number of file descriptors that belong to it.

    ``encoded`` is the body as bytes, from `encode_body`, for one that is sent more than once.
    """

    type: MessageType
    serial: int
    body: tuple[Any, ...] = ()
    signature: str = ""
    path: str = ""
    interface: str = ""
    member: str = ""
    error_name: str = ""
    reply_serial: int = 0
    destination: str = ""
    sender: str = ""
    fds: int = 0
    flags: int = 0
    encoded: bytes = b""


_HEAD = slice(Message._fields.index("signature"), Message._fields.index("fds") + 1)


def _refuse(why: str) -> NoReturn:
    raise WireError(why)


@lru_cache(maxsize=256)
def split(signature: str) -> tuple[str, ...]:
    """The single complete types that a signature consists of; `WireError`."""
    if len(signature) > SIGNATURE_LIMIT:
        _refuse("a signature that is too long")
    found = []
    at = 0
    while at < len(signature):
        end = _type_end(signature, at, 0)
        found.append(signature[at:end])
        at = end
    return tuple(found)


def _type_end(signature: str, at: int, depth: int) -> int:
    """Where the type that begins here ends."""
    code = signature[at : at + 1]
    if depth > DEPTH_LIMIT:
        _refuse("a signature that nests too deep")
    if code == "a":
        if signature[at + 1 : at + 2] != "{":
            return _type_end(signature, at + 1, depth + 1)
        if signature[at + 2 : at + 3] not in tuple("ybnqiuxtdsogh"):
            _refuse("a dictionary whose key is no basic type")
        end = _type_end(signature, at + 3, depth + 2)
        if signature[end : end + 1] != "}":
            _refuse("a dictionary that is not closed")
        return end + 1
    if code == "(":
        end = at + 1
        while signature[end : end + 1] != ")":
            end = _type_end(signature, end, depth + 1)
        if end == at + 1:
            _refuse("an empty structure")
        return end + 1
    if code in _FIXED or code in ("b", "s", "o", "g", "v"):
        return at + 1
    return _refuse(f"no type: {code!r}")


class _Reader:
    def __init__(self, data: bytes, at: int, order: str) -> None:
        self._data = data
        self._at = at
        self._little = order == "l"

    @property
    def at(self) -> int:
        return self._at

    def align(self, size: int) -> None:
        end = (self._at + size - 1) // size * size
        if any(self._take(end - self._at)):
            _refuse("padding that is not zero")

    def value(self, kind: str, depth: int = 0) -> Any:
        """One value of a single complete type."""
        if depth > DEPTH_LIMIT:
            _refuse("values that nest too deep")
        code = kind[0]
        self.align(_ALIGNMENT[code])
        if code in _FIXED:
            return self._number(code)
        if code == "b":
            return self._boolean()
        if code in "so":
            return self._text(self._number("u"), path=code == "o")
        if code == "g":
            return self._signature()
        if code == "v":
            inner = split(self._signature())
            if len(inner) != 1:
                _refuse("a variant that is not one value")
            return Variant(inner[0], self.value(inner[0], depth + 1))
        if code == "(":
            return tuple(self.value(each, depth + 1) for each in split(kind[1:-1]))
        return self._array(kind[1:], depth + 1)

    def _array(self, kind: str, depth: int) -> Any:
        length = self._number("u")
        self.align(_ALIGNMENT[kind[0]])
        end = self._at + length
        if end > len(self._data):
            _refuse("an array longer than its message")
        if kind == "y":
            return self._take(length)
        if kind[0] == "{":
            return self._dictionary(split(kind[1:-1]), end, depth)
        items = []
        while self._at < end:
            items.append(self.value(kind, depth))
        self._ends(end)
        return items

    def _dictionary(self, kinds: tuple[str, ...], end: int, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while self._at < end:
            self.align(8)
            key = self.value(kinds[0], depth + 1)
            if key in found:
                _refuse("a dictionary with a key twice")
            found[key] = self.value(kinds[1], depth + 1)
        self._ends(end)
        return found

    def _ends(self, end: int) -> None:
        if self._at != end:
            _refuse("an array that does not end with its last item")

    def _number(self, code: str) -> Any:
        form = _FIXED[code]
        raw = self._take(form.size)
        return form.unpack(raw if self._little else raw[::-1])[0]

    def _boolean(self) -> bool:
        number = self._number("u")
        if number > 1:
            _refuse("a boolean that is neither")
        return bool(number)

    def _signature(self) -> str:
        text = self._text(self._take(1)[0], path=False)
        split(text)
        return text

    def _text(self, length: int, *, path: bool) -> str:
        raw = self._take(length)
        if self._take(1) != b"\0" or b"\0" in raw:
            _refuse("a text that does not end where it should")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            _refuse("a text that is not UTF-8")
        if path and not _PATH.fullmatch(text):
            _refuse("a path that is none")
        return text

    def _take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            _refuse("a value longer than its message")
        return self._data[start : self._at]


def message_size(start: bytes, *, limit: int = MESSAGE_LIMIT) -> int | None:
    """Bytes of the message that begins so; None if there is too little to tell. `WireError` above the limit."""
    if len(start) < _FIELDS_AT + 4:
        return None
    order = start[:1]
    if order not in (b"l", b"B") or start[3] != 1:
        _refuse("no D-Bus message of version 1")
    form = "<" if order == b"l" else ">"
    body, fields = struct.unpack_from(f"{form}I", start, 4)[0], struct.unpack_from(f"{form}I", start, _FIELDS_AT)[0]
    size: int = (_FIELDS_AT + 4 + fields + 7) // 8 * 8 + body
    if size > limit:
        _refuse(f"a message of {size} bytes, and {limit} is the limit")
    return size


def decode(data: bytes) -> Message:
    """One whole message, whose body is not to be changed; `WireError`.

    A program says the same each time it runs, down to the serial numbers, and is not parsed each time.
    """
    return _same(data) if len(data) <= _KEPT_BYTES else _decode(data)


def _decode(data: bytes) -> Message:
    kind, flags = data[1], data[2]
    if kind not in tuple(MessageType):
        _refuse("a message of no known type")
    order = chr(data[0])
    serial = _Reader(data, 8, order).value("u")
    length = _Reader(data, _FIELDS_AT, order).value("u")
    if length > len(data):
        _refuse("header fields longer than their message")
    end = _FIELDS_AT + 4 + length
    fields = _fields(data[_FIELDS_AT:end], order)
    reader = _Reader(data, end, order)
    reader.align(8)
    signature = fields.get(_Field.SIGNATURE, "")
    body = tuple(reader.value(each) for each in split(signature))
    if reader.at != len(data) or not serial:
        _refuse("a message that is longer than its body, or has no serial number")
    head = (fields.get(field, 0 if _FIELD_TYPES.get(field) == "u" else "") for field in _IN_MESSAGE)
    return Message._make((MessageType(kind), serial, body, *head, flags, b""))


_same = lru_cache(maxsize=_KEPT)(_decode)


def _fields(raw: bytes, order: str) -> dict[int, Any]:
    """Header fields from the bytes of their array."""
    reader = _Reader(bytes(_FIELDS_AT) + raw, _FIELDS_AT, order)
    found: dict[int, Any] = {}
    for number, variant in reader.value("a(yv)"):
        if number in tuple(_Field) and variant.signature != _FIELD_TYPES.get(_Field(number), "s"):
            _refuse(f"header field {number} of a wrong type")
        found[number] = variant.value
    return found


def encode(message: Message) -> bytes:
    """A message as bytes, little-endian. ValueError or struct.error if a value does not fit its type: our bug."""
    body = message.encoded or encode_body(message.signature, message.body)
    head = _HEADER.pack(ord("l"), message.type, message.flags, 1, len(body), message.serial)
    return head + _head(message[_HEAD]) + body


@lru_cache(maxsize=_KEPT)
def _head(values: tuple[Any, ...]) -> bytes:
    """The array of header fields, in the order of `_IN_MESSAGE`, up to where the body begins."""
    out = bytearray(_FIELDS_AT + 4)
    start = len(out)
    for field, value in sorted(zip(_IN_MESSAGE, values, strict=True)):
        if value:
            _pad(out, 8)
            _write(out, "(yv)", (field, Variant(_FIELD_TYPES.get(field, "s"), value)))
    out[_FIELDS_AT:start] = _FIXED["u"].pack(len(out) - start)
    _pad(out, 8)
    return bytes(out[_FIELDS_AT:])


def encode_body(signature: str, values: tuple[Any, ...]) -> bytes:
    """The values of a message's body as bytes, which fit any message: it begins where a multiple of eight is."""
    body = bytearray()
    for kind, value in zip(split(signature), values, strict=True):
        _write(body, kind, value)
    return bytes(body)


def _write(out: bytearray, kind: str, value: Any) -> None:
    code = kind[0]
    _pad(out, _ALIGNMENT[code])
    if code in _FIXED:
        out += _FIXED[code].pack(value)
    elif code == "b":
        out += _FIXED["u"].pack(bool(value))
    elif code in "so":
        # A NUL would end the text for the reader, and a surrogate cannot be sent at all.
        raw = value.replace("\0", "\\0").encode("utf-8", "backslashreplace")
        out += _FIXED["u"].pack(len(raw)) + raw + b"\0"
    elif code == "g":
        out += bytes([len(value)]) + value.encode("ascii") + b"\0"
    elif code == "v":
        _write(out, "g", value.signature)
        _write(out, value.signature, value.value)
    elif code in "({":
        for each, item in zip(split(kind[1:-1]), value, strict=True):
            _write(out, each, item)
    else:
        _write_array(out, kind[1:], value)


def _write_array(out: bytearray, kind: str, value: Any) -> None:
    at = len(out)
    out += bytes(4)
    _pad(out, _ALIGNMENT[kind[0]])
    start = len(out)
    if kind == "y":
        out += value
    else:
        for item in value.items() if isinstance(value, dict) else value:
            _write(out, kind, item)
    out[at : at + 4] = _FIXED["u"].pack(len(out) - start)


def _pad(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)
