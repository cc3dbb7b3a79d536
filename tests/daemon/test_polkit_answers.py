# SPDX-License-Identifier: Apache-2.0
"""What counts as polkit's answer: the reply to our question, of the type that polkit documents, and nothing else.

D-Bus Specification, "Message Types": any message may have a REPLY_SERIAL, and the system bus lets everybody send
signals to everybody. polkit, ``org.freedesktop.PolicyKit1.Authority``: CheckAuthorization answers ``(bba{ss})``.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from livefw.daemon.authority import ACTIVATE, check
from livefw.dbus import wire
from livefw.dbus.client import CallFailed
from livefw.dbus.peer import Peer, identify
from livefw.dbus.wire import Message, MessageType

YES, NO = (True, False, dict[str, str]()), (False, False, dict[str, str]())
Answers = Callable[[int], list[Message]]


def _told(kind: MessageType, serial: int, value: Any, signature: str = "(bba{ss})", **fields: Any) -> Message:
    return Message(kind, 7, (value,), signature, reply_serial=serial, **fields)


def _returned(serial: int, value: Any = NO, signature: str = "(bba{ss})") -> Message:
    return _told(MessageType.RETURN, serial, value, signature)


def _signal(serial: int) -> Message:
    return _told(MessageType.SIGNAL, serial, YES, path="/a", interface="a.b", member="C", sender=":1.99")


def _call(serial: int) -> Message:
    return _told(MessageType.CALL, serial, YES, path="/a", interface="a.b", member="C", sender=":1.99")


@contextmanager
def _bus(path: Path, answers: Answers) -> Iterator[str]:
    """A bus with a polkit on it, which lets one client in and answers its questions as it is told."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with closing(client), client.makefile("rb") as stream:
                while (line := stream.readline()) != b"BEGIN\r\n":
                    client.sendall(b"OK 00\r\n" if b"AUTH" in line else b"ERROR\r\n")
                while head := stream.read(16):
                    message = wire.decode(head + stream.read((wire.message_size(head) or 0) - 16))
                    hello = message.member == "Hello"
                    greeting = [_told(MessageType.RETURN, message.serial, ":1.1", "s")]
                    for each in greeting if hello else answers(message.serial):
                        client.sendall(wire.encode(each))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield str(path)
        finally:
            thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Somebody who asks: ourselves."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield identify(ours)


@pytest.mark.parametrize(
    ("answers", "allowed"),
    [
        (lambda serial: [_returned(serial, YES)], True),
        (lambda serial: [_returned(serial, NO)], False),
        (lambda serial: [_signal(serial), _returned(serial, NO)], False),
        (lambda serial: [_call(serial), _returned(serial, NO)], False),
        (lambda serial: [_returned(serial + 1, YES), _returned(serial, NO)], False),
        (lambda serial: [_returned(serial, "yes", "s")], None),
        (lambda serial: [_returned(serial, ("yes", True, {}), "(sba{ss})")], None),
        (lambda serial: [_returned(serial, (1, 1, {}), "(uua{ss})")], None),
        (lambda serial: [_returned(serial, 1, "u")], None),
        (lambda serial: [Message(MessageType.RETURN, 7, reply_serial=serial)], None),
    ],
    ids=["yes", "no", "signal", "call", "another question", "text", "text in it", "numbers", "number", "nothing"],
)
def test_only_a_reply_of_its_type_decides(
    peer: Peer, tmp_path: Path, answers: Answers, *, allowed: bool | None
) -> None:
    with _bus(tmp_path / "bus", answers) as bus:
        if allowed is None:
            with pytest.raises(CallFailed, match="makes no sense"):
                check(bus, peer, None, ACTIVATE, interactive=False)
        else:
            assert check(bus, peer, None, ACTIVATE, interactive=False) is allowed
    os.unlink(bus)
