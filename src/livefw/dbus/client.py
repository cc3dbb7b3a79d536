# SPDX-License-Identifier: Apache-2.0
"""A client that waits: our command towards the daemon, and the daemon towards polkit."""

import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from livefw.dbus import wire
from livefw.dbus.wire import Message, MessageType

_CHUNK = 65_536
_PATIENCE = struct.pack("ll", 10, 0)
"""Seconds and microseconds for being let in."""
_LIMIT = 8 << 20
"""Bytes of one answer: a history of a thousand rows with their kernel logs stays below."""


class CallFailed(Exception):  # noqa: N818 - it is the peer's error
    """The peer answered with an error; ``name`` is its D-Bus name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class MethodCall(NamedTuple):
    """What to call, and with what."""

    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()
    destination: str = ""


class Client:
    """A connection to a D-Bus socket; leave it by ``with``. OSError where there is no connection any more."""

    def __init__(self, path: str, *, timeout: float | None = None, descriptors: bool = False) -> None:
        """Connect and authenticate; OSError if nobody answers there, or refuses.

        With ``descriptors`` the peer is asked whether it takes file descriptors; `takes_descriptors` says so then.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._buffer = b""
        self._serial = 0
        try:
            # A socket with a time-out of Python's is refused at once where others wait to be let in.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _PATIENCE)
            self._socket.connect("\0" + path[1:] if path.startswith("@") else path)
            self._socket.settimeout(timeout)
            claim = str(os.geteuid()).encode().hex().encode()
            ask = b"NEGOTIATE_UNIX_FD\r\n" if descriptors else b""
            self._socket.sendall(b"\0AUTH EXTERNAL " + claim + b"\r\n" + ask + b"BEGIN\r\n")
            if not self._line().startswith(b"OK "):
                raise ConnectionRefusedError("the peer does not accept this user")
            self.takes_descriptors = descriptors and self._line() == b"AGREE_UNIX_FD"
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def fileno(self) -> int:
        """Of the socket, to wait for messages."""
        return self._socket.fileno()

    def call(
        self,
        call: MethodCall,
        *,
        signal: Callable[[Message], None] = lambda _: None,
        descriptors: Sequence[int] = (),
    ) -> tuple[Any, ...]:
        """Call and wait; ``signal`` is called with every signal that comes meanwhile. `CallFailed`, OSError."""
        serial = self.send(
            Message(
                MessageType.CALL,
                1,
                call.body,
                call.signature,
                path=call.path,
                interface=call.interface,
                member=call.member,
                destination=call.destination,
                fds=len(descriptors),
            ),
            descriptors,
        )
        while True:
            message = self.receive()
            if message.type is MessageType.SIGNAL:
                signal(message)
            # Attack: on a bus anybody may send us a signal or a call, with the serial number of our question in it.
            # Only of a reply does the bus see to it that it comes from whom we have asked.
            elif message.type is MessageType.RETURN and message.reply_serial == serial:
                return message.body
            elif message.type is MessageType.ERROR and message.reply_serial == serial:
                raise CallFailed(message.error_name, str(message.body[0]) if message.body else "")

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> int:
        """Send a message, with file descriptors as many as it says; its serial number."""
        self._serial += 1
        data = wire.encode(message._replace(serial=self._serial))
        if descriptors:
            data = data[socket.send_fds(self._socket, [data], descriptors) :]
        self._socket.sendall(data)
        return self._serial

    def receive(self) -> Message:
        """The next message; OSError if there is none any more, or what comes is none."""
        try:
            while (size := wire.message_size(self._buffer[:16], limit=_LIMIT)) is None or len(self._buffer) < size:
                self._more()
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            return wire.decode(data)
        except wire.WireError as error:
            raise ConnectionAbortedError(str(error)) from error

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _more(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the peer has closed the connection")
        self._buffer += data
