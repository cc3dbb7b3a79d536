# SPDX-License-Identifier: Apache-2.0
"""The codec: what is written is read again, what is none is refused, and nothing else happens."""

import string
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.daemon import wire
from livefw.daemon.wire import Message, MessageType, Variant, WireError

_BASIC: dict[str, st.SearchStrategy[Any]] = {
    "y": st.integers(0, 2**8 - 1),
    "b": st.booleans(),
    "n": st.integers(-(2**15), 2**15 - 1),
    "q": st.integers(0, 2**16 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 2**32 - 1),
    "x": st.integers(-(2**63), 2**63 - 1),
    "t": st.integers(0, 2**64 - 1),
    "d": st.floats(allow_nan=False),
    "s": st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
    "o": st.just("/org/livefw"),
    "g": st.sampled_from(["", "s", "a{sv}", "(ua(yy))"]),
}


def _types() -> st.SearchStrategy[str]:
    basic = st.sampled_from(sorted(_BASIC))
    return st.recursive(
        st.one_of(basic, st.just("v")),
        lambda inner: st.one_of(
            inner.map(lambda t: f"a{t}"),
            st.lists(inner, min_size=1, max_size=3).map(lambda ts: f"({''.join(ts)})"),
            st.tuples(st.sampled_from("sutyo"), inner).map(lambda kv: f"a{{{kv[0]}{kv[1]}}}"),
        ),
        max_leaves=4,
    )


def _values(kind: str) -> st.SearchStrategy[Any]:
    if kind in _BASIC:
        return _BASIC[kind]
    if kind == "v":
        return st.sampled_from(sorted(_BASIC)).flatmap(lambda t: _BASIC[t].map(lambda value: Variant(t, value)))
    if kind == "ay":
        return st.binary(max_size=8)
    if kind.startswith("a{"):
        key, value = wire.split(kind[2:-1])
        return st.dictionaries(_BASIC[key], _values(value), max_size=3)
    if kind.startswith("a"):
        return st.lists(_values(kind[1:]), max_size=3)
    return st.tuples(*map(_values, wire.split(kind[1:-1])))


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    kinds = draw(st.lists(_types(), max_size=3))
    return "".join(kinds), tuple(draw(_values(kind)) for kind in kinds)


@given(_bodies())
def test_what_is_written_is_read(body: tuple[str, tuple[Any, ...]]) -> None:
    message = Message(MessageType.CALL, 7, body[1], body[0], path="/", interface="a.b", member="C", fds=2)
    data = wire.encode(message)
    assert wire.message_size(data[:16], limit=1 << 20) == len(data)
    assert wire.decode(data) == message


@given(_bodies(), st.data())
def test_damaged_messages_are_refused_or_read(body: tuple[str, tuple[Any, ...]], data: st.DataObject) -> None:
    good = bytearray(wire.encode(Message(MessageType.CALL, 7, body[1], body[0], path="/", member="C")))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        size = wire.message_size(bytes(good[:16]))
        if size is not None and size <= len(good):
            found = wire.decode(bytes(good[:size]))
            assert found.type in MessageType
            assert len(wire.split(found.signature)) == len(found.body)
            again = wire.decode(wire.encode(found))
            # A number that is none is not equal to itself.
            assert repr(again._replace(encoded=b"")) == repr(found._replace(encoded=b""))
    except WireError:
        pass


def _message(body: bytes, signature: str) -> bytes:
    raw = wire.encode(Message(MessageType.CALL, 1, (), "", path="/", member="M"))
    fields = raw[16:]
    text = signature.encode()
    fields += bytes(-len(fields) % 8) + b"\x08\x01g\0" + bytes([len(text)]) + text + b"\0"
    head = struct.pack("<BBBBIII", ord("l"), 1, 0, 1, len(body), 1, len(fields))
    return head + fields + bytes(-(len(head) + len(fields)) % 8) + body


def _nested(depth: int) -> bytes:
    return b"\x01v\0" * depth + b"\x01y\0\x00"


HOSTILE = {
    "array longer than its message": (struct.pack("<I", 1 << 30), "ay"),
    "string longer than its message": (struct.pack("<I", 0xFFFFFFFF), "s"),
    "string without an end": (struct.pack("<I", 2) + b"abc", "s"),
    "string with a zero inside": (struct.pack("<I", 3) + b"a\0b\0", "s"),
    "string that is no UTF-8": (struct.pack("<I", 2) + b"\xff\xfe\0", "s"),
    "path that is none": (struct.pack("<I", 2) + b"/a/\0", "o"),
    "variant in variant for ever": (_nested(2000), "v"),
    "signature that nests for ever": (b"", "a" * 200 + "y"),
    "signature with an unknown type": (b"", "Z"),
    "signature with half a dictionary": (b"", "a{s"),
    "dictionary with a container as key": (struct.pack("<I", 0), "a{vs}"),
    "empty structure": (b"", "()"),
    "boolean that is neither": (struct.pack("<I", 2), "b"),
    "array that ends in the middle of an item": (struct.pack("<I", 3) + b"abc\0", "au"),
    "body without a signature": (b"\0" * 8, ""),
    "padding that is not zero": (b"\x01\xff\xff\xff" + struct.pack("<I", 1), "yu"),
    "variant of two values": (b"\x02yy\0\x01\x02", "v"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_are_refused(name: str) -> None:
    data = _message(*HOSTILE[name])
    with pytest.raises(WireError):
        wire.decode(data)


def test_same_key_twice_is_refused() -> None:
    entry = struct.pack("<I", 1) + b"k\0" + b"\0\0" + struct.pack("<I", 1)
    entries = entry + bytes(-len(entry) % 8) + entry
    with pytest.raises(WireError, match="twice"):
        wire.decode(_message(struct.pack("<II", len(entries), 0) + entries, "a{su}"))


@pytest.mark.parametrize("size", [wire.MESSAGE_LIMIT, 1 << 26, 0xFFFFFFF0])
def test_large_messages_are_refused_before_they_come(size: int) -> None:
    with pytest.raises(WireError, match="limit"):
        wire.message_size(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, size, 1, 0))


def test_big_endian_peers_are_understood() -> None:
    head = struct.pack(">BBBBIII", ord("B"), 1, 0, 1, 4, 9, 7) + b"\x08\x01g\0\x01u\0\0"
    message = wire.decode(head + struct.pack(">I", 5))
    assert (message.serial, message.body) == (9, (5,))


def test_texts_that_cannot_be_sent_are_made_sendable() -> None:
    data = wire.encode(Message(MessageType.SIGNAL, 1, ("a\0\udcff",), "s", path="/", interface="a.b", member="C"))
    assert wire.decode(data).body == ("a\\0\\udcff",)


def test_signatures_are_split() -> None:
    assert wire.split("sa{sv}(ua(yy))as") == ("s", "a{sv}", "(ua(yy))", "as")
    assert set(string.ascii_letters) >= set("ybnqiuxtdsogh")
