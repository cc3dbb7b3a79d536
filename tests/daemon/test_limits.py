# SPDX-License-Identifier: Apache-2.0
"""Each bound of what a client may send at its very limit: as much is taken, and one more is not."""

import json
import os
import shlex
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.assemble import Where
from livefw.daemon.answers import worker
from livefw.daemon.jobs.events import Event
from livefw.daemon.jobs.runner import JobRequest, JobRunner
from livefw.daemon.metrics import scrape
from livefw.daemon.upload import images
from livefw.daemon.upload.receive import NotCopied, sealed_copy
from livefw.dbus import wire
from livefw.dbus.loop import Loop
from livefw.dbus.sasl import Sasl, SaslError
from livefw.dbus.wire import Message, MessageType, WireError


def message_bytes(size: int) -> object:
    """A message whose body is one text."""
    empty = wire.encode(Message(MessageType.CALL, 1, ("",), "s", path="/", member="M"))
    whole = wire.encode(Message(MessageType.CALL, 1, ("x" * (size - len(empty)),), "s", path="/", member="M"))
    assert len(whole) == size
    assert wire.message_size(whole[:16]) == size
    return wire.decode(whole)


def raw(signature: str, body: bytes) -> bytes:
    """A message with a signature that `encode` would not write."""
    plain = wire.encode(Message(MessageType.CALL, 1, (), "", path="/", member="M"))
    fields = plain[16:]
    text = signature.encode()
    fields += bytes(-len(fields) % 8) + b"\x08\x01g\0" + bytes([len(text)]) + text + b"\0"
    head = bytearray(plain[:16])
    head[4:8] = len(body).to_bytes(4, "little")
    head[12:16] = len(fields).to_bytes(4, "little")
    return bytes(head) + fields + bytes(-len(fields) % 8) + body


def depth(count: int) -> object:
    """Arrays in arrays, without anything in the outermost."""
    return wire.decode(raw("a" * count + "y", bytes(4)))


def variants(count: int) -> object:
    """Variants in variants, and a byte in the last."""
    return wire.decode(raw("v", b"\x01v\0" * (count - 1) + b"\x01y\0\x07"))


def signature(length: int) -> object:
    """As it stands in our own tables; a peer has no room for more."""
    return wire.split("y" * length)


def entered(*pieces: bytes) -> bool:
    sasl = Sasl(0, "guid")
    for piece in pieces:
        sasl.feed(piece)
    return True


def line(length: int) -> object:
    return entered(b"\0" + b"x" * length + b"\r\n")


def line_byte_by_byte(length: int) -> object:
    return entered(b"\0", *(bytes([byte]) for byte in b"x" * length + b"\r\n"))


def open_line(length: int) -> object:
    """One whose end has not come yet."""
    return entered(b"\0" + b"x" * length)


def lines(count: int) -> object:
    return entered(b"\0" + b"AUTH\r\n" * count)


class Limit(NamedTuple):
    """How much is taken, and something of that size."""

    most: int
    make: Callable[[int], object]
    error: type[Exception]


def frame(size: int) -> object:
    """What a process that answers sends to the daemon, or the daemon to it."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with suppress(BrokenPipeError):  # more than the other side wants
            worker.send(theirs, bytes(size))

    sent = threading.Thread(target=send)
    sent.start()
    try:
        told = worker.receive(ours)
    finally:
        ours.close()
        sent.join()
        theirs.close()
    assert isinstance(told, bytes)
    assert len(told) == size
    return True


def image_bytes(size: int) -> object:
    """An image of a client's, of which the daemon holds a copy."""
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        copy = sealed_copy(file.fileno(), images.MOST_BYTES)
    os.close(copy)
    return True


LIMITS = {
    "bytes of a frame": Limit(8 << 20, frame, EOFError),
    "bytes of an image": Limit(128 << 20, image_bytes, NotCopied),
    "bytes of a message": Limit(65_536, message_bytes, WireError),
    "arrays in arrays": Limit(16, depth, WireError),
    "variants in variants": Limit(16, variants, WireError),
    "types of a signature": Limit(255, signature, WireError),
    "bytes of a line": Limit(512, line, SaslError),
    "bytes of a line, one by one": Limit(512, line_byte_by_byte, SaslError),
    "bytes of a line that has no end yet": Limit(512, open_line, SaslError),
    "lines": Limit(16, lines, SaslError),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(name: str) -> None:
    most, make, error = LIMITS[name]
    assert make(most)
    with pytest.raises(error):
        make(most + 1)


def answered(size: int) -> bytes:
    """What the port for metrics says to a request of so many bytes."""
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    port = scrape.Port(loop, number, lambda: (b"figures\n", "text/plain"))
    served = threading.Thread(target=loop.run)
    served.start()
    try:
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            head, end = b"GET /metrics HTTP/1.1\r\nX: ", b"\r\n\r\n"
            client.sendall(head + b"x" * (size - len(head) - len(end)) + end)
            said = b""
            with suppress(ConnectionResetError):  # with bytes that nobody has read
                while data := client.recv(4096):
                    said += data
            return said
    finally:
        loop.stop()
        served.join()
        port.close()
        loop.close()


def test_bytes_of_a_request_for_metrics() -> None:
    assert answered(8_192).endswith(b"\r\n\r\nfigures\n")
    assert answered(8_193) == b""


END = {"event": "end", "document": {}, "exit_code": 0, "text": ""}


@pytest.mark.parametrize(("length", "code"), [(8 << 20, 0), ((8 << 20) + 1, 6)])
def test_bytes_of_a_line_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, code: int) -> None:
    """What says too much at once has not said how it ended; whoever comes next finds it out."""
    line = json.dumps(END | {"text": "x" * (length - len(json.dumps(END)))})
    assert len(line) == length
    (tmp_path / "line").write_text(line + "\n", encoding="ascii")
    (tmp_path / "python").write_text(f"#!/bin/sh\nread line; cat {shlex.quote(str(tmp_path / 'line'))}\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    loop, told = Loop(), list[Event]()
    jobs = JobRunner(loop, Where(), told.append, measure=False)

    def done(event: Event) -> None:
        assert event is told[-1]
        loop.stop()

    jobs.start(JobRequest(("x",), "somebody", "test"), done)
    loop.run()
    loop.close()
    assert [each["exit_code"] for each in told] == [code]
    assert not jobs.busy


def test_a_reader_who_is_slow_gets_all_of_the_metrics() -> None:
    text = bytes(range(256)) * (32 << 10)  # more than any socket holds
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    port = scrape.Port(loop, number, lambda: (text, "text/plain"))
    served = threading.Thread(target=loop.run)
    served.start()
    try:
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            said = bytearray()
            while data := client.recv(10_000):
                said += data
            assert said.partition(b"\r\n\r\n")[2] == text
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(1) == b"H"  # and leaves in the middle
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            client.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        loop.stop()
        served.join()
        port.close()
        loop.close()
