# SPDX-License-Identifier: Apache-2.0
"""The codec: what is written is read again, what is none is refused, and nothing else happens."""

import string
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.dbus import wire
from livefw.dbus.wire import Message, MessageType, Variant, WireError

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


KNOWN: list[tuple[str, Any, str]] = [
    # D-Bus Specification, "Marshaling Basic Types", "Marshaling String-like Types"
    ("y", 5, "05"),
    ("b", True, "01000000"),
    ("b", False, "00000000"),
    ("n", -2, "feff"),
    ("q", 0x0102, "0201"),
    ("i", -2, "feffffff"),
    ("u", 0x01020304, "04030201"),
    ("x", -2, "feffffffffffffff"),
    ("t", 0x0102030405060708, "0807060504030201"),
    ("d", 1.0, "000000000000f03f"),
    ("h", 1, "01000000"),
    ("s", "foo", "03000000 666f6f00"),
    ("s", "", "00000000 00"),
    ("o", "/", "01000000 2f00"),
    ("g", "as", "02 617300"),
    # "Marshaling Container Types"
    ("ay", b"ab", "02000000 6162"),
    ("ax", [5], "08000000 00000000 0500000000000000"),
    ("ax", [], "00000000 00000000"),
    ("a(y)", [], "00000000 00000000"),
    ("as", ["a", "b"], "0e000000 01000000 6100 0000 01000000 6200"),
    ("(yx)", (1, 2), "01 00000000000000 0200000000000000"),
    ("(yn)", (1, 2), "01 00 0200"),
    ("a{ys}", {1: "a"}, "0a000000 00000000 01 000000 01000000 6100"),
    ("v", Variant("u", 7), "01 7500 00 07000000"),
    ("v", Variant("v", Variant("y", 7)), "01 7600 01 7900 07"),
    ("(yv)", (1, Variant("(y)", (7,))), "01 03 28792900 0000 07"),
]
# "Marshaling", the table of alignments: behind one byte.
KNOWN += [
    (f"(y{signature})", (1, value), f"01 {known}")
    for signature, value, known in (
        ("y", 5, "05"),
        ("g", "", "00 00"),
        ("v", Variant("y", 5), "01 7900 05"),
        ("q", 5, "00 0500"),
        ("b", True, "000000 01000000"),
        ("i", 5, "000000 05000000"),
        ("u", 5, "000000 05000000"),
        ("h", 5, "000000 05000000"),
        ("s", "", "000000 00000000 00"),
        ("o", "/", "000000 01000000 2f00"),
        ("ay", b"", "000000 00000000"),
        ("x", 5, "00000000000000 0500000000000000"),
        ("t", 5, "00000000000000 0500000000000000"),
        ("d", 1.0, "00000000000000 000000000000f03f"),
        ("(y)", (5,), "00000000000000 05"),
        ("a{yy}", {1: 2}, "000000 02000000 0102"),
    )
]


@pytest.mark.parametrize(("signature", "value", "known"), KNOWN)
def test_bytes_are_those_of_the_specification(signature: str, value: Any, known: str) -> None:
    body = bytes.fromhex(known)
    assert wire.encode_body(signature, (value,)) == body
    assert wire.decode(_message(body, signature)).body == (value,)


def test_a_call_is_written_as_the_specification_says() -> None:
    """Section "Message Format": fields of the header in order, each aligned to eight bytes, and the body after them."""
    message = Message(
        MessageType.CALL, 7, (5,), "u", "/", "a.b", "M", destination="c.d", fds=2, flags=wire.NO_REPLY, reply_serial=3
    )
    known = (
        "6c 01 01 01 04000000 07000000 67000000"
        "01 016f00 01000000 2f00 000000000000"
        "02 017300 03000000 612e6200 00000000"
        "03 017300 01000000 4d00 000000000000"
        "05 017500 03000000"
        "06 017300 03000000 632e6400 00000000"
        "08 016700 01 7500 00"
        "09 017500 02000000"
        "05000000"
    )
    data = bytearray.fromhex(known)
    data[12] = len(data) - 4 - 16
    assert wire.encode(message) == data
    assert wire.decode(bytes(data)) == message


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


WHOLE = bytes(wire.encode(Message(MessageType.CALL, 7, (5,), "u", "/", member="M")))
NO_MESSAGE = {
    "another order of bytes": (0, b"x"),
    "no type": (1, b"\0"),
    "an unknown type": (1, b"\5"),
    "another version": (3, b"\2"),
    "no serial number": (8, bytes(4)),
    "fields longer than the message": (12, struct.pack("<I", 1000)),
    "a path that is a text": (16, b"\1\1s\0"),
    "a member that is a path": (32, b"\3\1o\0"),
    "a signature that is a text": (48, b"\x08\1s\0"),
}


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_what_is_no_message_is_refused(name: str) -> None:
    def read(data: bytes) -> Message:
        assert wire.message_size(data) is not None
        return wire.decode(data)

    at, wrong = NO_MESSAGE[name]
    assert read(WHOLE).body == (5,)
    with pytest.raises(WireError):
        read(WHOLE[:at] + wrong + WHOLE[at + len(wrong) :])


def test_bytes_behind_the_body_are_refused() -> None:
    with pytest.raises(WireError, match="longer than its body"):
        wire.decode(WHOLE + b"\0")


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ("a" * 16 + "y", "a" * 17 + "y"),
        ("(" * 16 + "y" + ")" * 16, "(" * 17 + "y" + ")" * 17),
        ("a{s" * 8 + "y" + "}" * 8, "a{s" * 8 + "ay" + "}" * 8),
    ],
)
def test_types_nest_as_deep_as_is_taken(taken: str, refused: str) -> None:
    assert wire.split(taken) == (taken,)
    with pytest.raises(WireError, match="too deep"):
        wire.split(refused)


@pytest.mark.parametrize(("before", "signature", "most"), [(b"", "v", 15), (b"\1", "(yv)", 14)])
def test_values_nest_as_deep_as_is_taken(before: bytes, signature: str, most: int) -> None:
    assert len(wire.decode(_message(before + _nested(most), signature)).body) == 1
    with pytest.raises(WireError, match="too deep"):
        wire.decode(_message(before + _nested(most + 1), signature))


def test_as_long_as_is_taken() -> None:
    assert wire.decode(_message(bytes(255), "y" * 255)).body == (0,) * 255
    with pytest.raises(WireError, match="too long"):
        wire.split("y" * 256)
    start = struct.pack("<BBBBIII", ord("l"), 1, 0, 1, wire.MESSAGE_LIMIT - 16, 1, 0)
    assert wire.message_size(start) == 65_536
    assert wire.message_size(start[:15]) is None
    with pytest.raises(WireError, match="limit"):
        wire.message_size(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, wire.MESSAGE_LIMIT - 15, 1, 0))


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
