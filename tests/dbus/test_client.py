# SPDX-License-Identifier: Apache-2.0
"""The client by which the daemon is asked, against a peer that says what it likes."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livefw.dbus import wire
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.wire import Message, MessageType

Script = Callable[[socket.socket], None]
CLAIM = b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n"
ASK = MethodCall("/org/thing", "a.B", "Ask", "s", ("what",), "c.d")


class Server:
    """A socket at whose other end a script is played to the one client that comes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind("\0" + path[1:] if path.startswith("@") else path)
        self._listener.listen()
        self._thread: threading.Thread | None = None

    def play(self, script: Script) -> None:
        def run() -> None:
            peer, _ = self._listener.accept()
            with peer:
                script(peer)
                while peer.recv(1 << 16):  # until the client has left
                    pass

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def close(self) -> None:
        if self._thread:
            self._thread.join()
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(str(tmp_path / "s"))
    yield made
    made.close()


def read(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = peer.recv(size - len(data))
        assert more, "the client has left"
        data += more
    return data


def lets_in(peer: socket.socket) -> None:
    expected = CLAIM + b"BEGIN\r\n"
    assert read(peer, len(expected)) == expected
    peer.sendall(b"OK guid\r\n")


def message(kind: MessageType, text: str, **fields: object) -> bytes:
    made = Message(kind, 9, (text,), "s", path="/", interface="a.B", member="Told")
    return wire.encode(made._replace(**fields))  # type: ignore[arg-type]


def test_an_answer_is_waited_for_past_everything_else(server: Server) -> None:
    def script(peer: socket.socket) -> None:
        lets_in(peer)
        for _ in range(2):
            size = wire.message_size(start := read(peer, 16))
            assert size is not None
            call = wire.decode(start + read(peer, size - 16))
            asked = (call.path, call.interface, call.member, call.body, call.destination)
            assert asked == ("/org/thing", "a.B", "Ask", ("what",), "c.d")
            peer.sendall(
                message(MessageType.SIGNAL, "one")
                + message(MessageType.RETURN, "to somebody else", reply_serial=call.serial + 1)
                + message(MessageType.SIGNAL, "two")
                + message(MessageType.RETURN, f"answer {call.serial}", reply_serial=call.serial)
            )

    server.play(script)
    told: list[str] = []
    with Client(server.path, timeout=60) as client:
        assert client.call(ASK, signal=lambda each: told.append(each.body[0])) == ("answer 1",)
        assert client.call(ASK) == ("answer 2",)
        assert not client.takes_descriptors
    assert told == ["one", "two"]


@pytest.mark.parametrize(("body", "signature", "text"), [(("why",), "s", "why"), ((), "", "")])
def test_an_error_has_its_name(server: Server, body: tuple[str, ...], signature: str, text: str) -> None:
    def script(peer: socket.socket) -> None:
        lets_in(peer)
        peer.sendall(
            message(MessageType.ERROR, "", body=body, signature=signature, error_name="a.B.No", reply_serial=1)
        )

    server.play(script)
    with Client(server.path, timeout=60) as client, pytest.raises(CallFailed) as caught:
        client.call(ASK)
    assert (caught.value.name, caught.value.text) == ("a.B.No", text)


@pytest.mark.parametrize("agrees", [False, True])
def test_descriptors_are_sent_where_the_peer_takes_them(server: Server, tmp_path: Path, agrees: bool) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"content")
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        expected = CLAIM + b"NEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
        assert read(peer, len(expected)) == expected
        peer.sendall(b"OK guid\r\n" + (b"AGREE_UNIX_FD\r\n" if agrees else b"ERROR\r\n"))
        if agrees:
            data, fds, _, _ = socket.recv_fds(peer, 1 << 16, 1)
            assert wire.decode(data).fds == 1
            seen.append(os.pread(fds[0], 100, 0))
            os.close(fds[0])
            peer.sendall(message(MessageType.RETURN, "done", reply_serial=1))

    server.play(script)
    with Client(server.path, timeout=60, descriptors=True) as client, file.open("rb") as image:
        assert client.takes_descriptors is agrees
        if agrees:
            assert client.call(ASK, descriptors=[image.fileno()]) == ("done",)
    assert seen == [b"content"] * agrees


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"REJECTED EXTERNAL\r\n", ConnectionRefusedError, "does not accept this user"),
        (b"OKAY guid\r\n", ConnectionRefusedError, "does not accept this user"),
        (b"OK gu", ConnectionResetError, "has closed the connection"),
        (b"OK guid\r\n", ConnectionResetError, "has closed the connection"),
        (b"OK guid\r\n" + bytes(16), ConnectionAbortedError, "no D-Bus message"),
        (b"OK guid\r\nl\2\0\1" + b"\xff" * 12, ConnectionAbortedError, "is the limit"),
    ],
)
def test_a_peer_that_is_none_is_an_error(server: Server, said: bytes, kind: type[OSError], text: str) -> None:
    def script(peer: socket.socket) -> None:
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)

    def ask() -> None:
        with Client(server.path, timeout=60) as client:
            client.call(ASK)

    server.play(script)
    with pytest.raises(kind, match=text):
        ask()


def test_where_nobody_listens_it_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client(str(tmp_path / "nobody"))


def test_a_name_without_a_file_is_connected_to() -> None:
    made = Server(f"@livefw-test-{os.getpid()}")
    made.play(lets_in)
    with Client(made.path, timeout=60) as client:
        assert client.fileno() >= 0
    made.close()
