# SPDX-License-Identifier: Apache-2.0
"""What any local user says to the daemon's socket."""

from collections.abc import Iterator, Sequence

from livefw.dbus import wire
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.sasl import Sasl, SaslError
from livefw.dbus.wire import Message, MessageType, Variant, WireError

from .target import Target, words

_UID = b"31303030"  # 1000, as EXTERNAL writes it


def _message(data: bytes) -> object:
    size = wire.message_size(data)
    if size is None or len(data) < size:
        return size
    found = wire.decode(data[:size])
    again = wire.encode(found)
    assert wire.message_size(again, limit=2 * wire.MESSAGE_LIMIT) == len(again)
    if len(again) <= wire.MESSAGE_LIMIT:
        # By its bytes: a NaN is not equal to itself.
        assert wire.encode(wire.decode(again)) == again
    return found


def _message_seeds() -> Iterator[bytes]:
    call = Message(MessageType.CALL, 1, path="/org/livefw", interface="org.livefw.Manager1", member="Plan")
    yield wire.encode(call)
    yield wire.encode(call._replace(body=(["lfa:x"], {"ignore": Variant("as", ["load"])}), signature="asa{sv}", fds=1))
    yield wire.encode(Message(MessageType.ERROR, 2, ("no",), "s", error_name="a.B", reply_serial=1, destination=":1.2"))
    values = (1, True, -1, 1, -1, 1, -1, 1, 0.5, "a", "/a", "g", 0, b"ay", [(1, {"k": Variant("v", Variant("y", 1))})])
    yield wire.encode(Message(MessageType.SIGNAL, 3, values, "ybnqiuxtdsoghaya(ua{sv})", path="/", member="M"))
    little = wire.encode(call)
    yield b"B" + little[1:4] + little[7:3:-1] + little[11:7:-1] + little[15:11:-1] + little[16:]


def _signature(data: bytes) -> object:
    text = data.decode("latin-1")
    found = wire.split(text)
    assert "".join(found) == text
    return found


def _sasl(data: bytes) -> object:
    """A whole exchange, in one piece and byte by byte: what is answered does not depend on how it comes."""
    whole = _exchange([data])
    single = _exchange([data[at : at + 1] for at in range(len(data))])
    assert whole == single, (whole, single)
    return whole


def _exchange(pieces: list[bytes]) -> tuple[bytes, bytes, bool, bool, str]:
    server = Sasl(1000, "0" * 32)
    answers, rest = b"", b""
    for piece in pieces:
        if server.done:
            rest += piece
            continue
        try:
            answer, rest = server.feed(piece)
        except SaslError as error:
            # What was answered before depends on how it came; that it ends does not.
            return b"", b"", False, False, str(error)
        answers += answer
    return answers, rest, server.done, server.passes_fds, ""


def _sasl_seeds() -> Iterator[bytes]:
    yield b"\0AUTH EXTERNAL " + _UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\1\0\1"
    yield b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"
    yield b"\0AUTH\r\nAUTH ANONYMOUS 00\r\nCANCEL\r\nERROR\r\nBEGIN\r\n"
    yield b"\0" + b"AUTH\r\n" * 17


class _Heard(Client):
    """One that has been let in, and hears what it is given."""

    def __init__(self, data: bytes) -> None:
        self._buffer = data
        self._serial = 0

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> int:
        return 1

    def _more(self) -> None:
        raise ConnectionResetError("nothing more")


def _answer(data: bytes) -> object:
    """What a peer says to a client: only a reply to what was asked is an answer to it."""
    told: list[Message] = []
    try:
        body = _Heard(data).call(MethodCall("/a", "a.b", "C"), signal=told.append)
    finally:
        assert all(each.type is MessageType.SIGNAL for each in told)
    assert (b"l\2" in data) or (b"B\2" in data), "nothing in it is a reply"
    return body, len(told)


def _answer_seeds() -> Iterator[bytes]:
    reply = Message(MessageType.RETURN, 9, ((True, False, {"a": "b"}),), "(bba{ss})", reply_serial=1)
    signal = reply._replace(type=MessageType.SIGNAL, path="/a", interface="a.b", member="C")
    yield wire.encode(signal) + wire.encode(reply._replace(reply_serial=2)) + wire.encode(reply)
    yield wire.encode(Message(MessageType.ERROR, 9, ("no",), "s", error_name="a.B", reply_serial=1))
    yield wire.encode(signal)


TARGETS = (
    Target("dbus-client", _answer, _answer_seeds, (OSError, CallFailed), words=(b"l\2\0\1", b"l\3\0\1", b"l\4\0\1")),
    Target(
        "dbus",
        _message,
        _message_seeds,
        (WireError,),
        words=(b"l\1\0\1", b"B\1\0\1", *words("org.freedesktop.DBus a{sv} aa{sv} /org/livefw (yv) sss vv")),
    ),
    Target(
        "dbus-signature", _signature, lambda: (b"a{sv}(ii)aay", b"(" * 20, b"a{s(a{yv}d)}"), (WireError,), longest=300
    ),
    Target(
        "sasl",
        _sasl,
        _sasl_seeds,
        words=words("AUTH EXTERNAL DATA BEGIN CANCEL ERROR NEGOTIATE_UNIX_FD 31303030"),
        longest=1200,
    ),
)
