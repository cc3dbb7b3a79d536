# SPDX-License-Identifier: Apache-2.0
"""One client's socket: bytes, messages and file descriptors, all of them bounded."""

import array
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from livefw.daemon import wire
from livefw.daemon.peer import Peer
from livefw.daemon.sasl import Sasl, SaslError
from livefw.daemon.wire import Message

_CHUNK = 16_384
FDS_PER_MESSAGE = 2
"""Descriptors in one message. A client may send 253 at a time until ours run out; the kernel closes what is above."""
FDS_HELD = 4
"""Descriptors that wait for their message; a client may send them with the first byte of a message it never ends."""
UNSENT_LIMIT = 4 << 20
"""Bytes that wait for a client. One that reads nothing would otherwise collect every signal in our memory."""


class Closed(Exception):  # noqa: N818 - not always an error
    """The connection has ended, or has to; the text says why, and is empty if the client simply left."""


class Received(NamedTuple):
    """A message and the descriptors that came with it, which the receiver closes."""

    message: Message
    fds: tuple[int, ...]


class Connection:
    """A client.

    ``calls`` counts those that are not answered yet; ``watched`` is what the server waits for: bytes, room for bytes.
    """

    def __init__(self, client: socket.socket, peer: Peer, guid: str, *, now: float) -> None:
        client.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self.socket = client
        self.peer = peer
        self.since = now
        self.calls = 0
        self.watched: tuple[bool, bool] | None = None
        self._sasl = Sasl(peer.uid, guid)
        self._in = bytearray()
        self._fds: list[int] = []
        self._out: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._unsent = 0
        self._serial = 0
        self._closed = False

    @property
    def authenticated(self) -> bool:
        """Whether the client has said who it is, and been believed."""
        return self._sasl.done

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._closed

    @property
    def writes(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    def receive(self) -> None:
        """Read what is there. `Closed`."""
        try:
            data, ancillary, flags, _ = self.socket.recvmsg(_CHUNK, socket.CMSG_SPACE(4 * FDS_PER_MESSAGE))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise Closed(os.strerror(error.errno or 0)) from error
        self._fds += _descriptors(ancillary)
        if flags & socket.MSG_CTRUNC or len(self._fds) > FDS_HELD:
            raise Closed("too many file descriptors")
        if not data:
            raise Closed("")
        if not self._sasl.done:
            try:
                answer, data = self._sasl.feed(data)
            except SaslError as error:
                raise Closed(str(error)) from error
            self._queue(answer)
        self._in += data

    def messages(self) -> Iterator[Received]:
        """The whole messages that have been read, each as it is asked for. `Closed`."""
        while self._sasl.done:
            try:
                size = wire.message_size(bytes(self._in[:16]))
                if size is None or len(self._in) < size:
                    return
                message = wire.decode(bytes(self._in[:size]))
            except wire.WireError as error:
                raise Closed(str(error)) from error
            del self._in[:size]
            if message.fds > len(self._fds):
                raise Closed("a message without its file descriptors")
            fds, self._fds = tuple(self._fds[: message.fds]), self._fds[message.fds :]
            yield Received(message, fds)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send, or queue; the serial number is set here. `Closed`.

        The numbers in the message are encoded as they are: ValueError if the caller's body does not fit its signature.
        """
        self._serial = self._serial % 0xFFFFFFFF + 1
        self._queue(wire.encode(message._replace(serial=self._serial, fds=len(fds))), tuple(fds))

    def flush(self) -> None:
        """Send what waits, as far as the client takes it. `Closed`."""
        while self._out:
            data, fds = self._out[0]
            try:
                sent = socket.send_fds(self.socket, [data], list(fds)) if fds else self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise Closed(os.strerror(error.errno or 0)) from error
            self._unsent -= sent
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = (data[sent:], ())

    def close(self) -> None:
        """End it, with everything it holds."""
        self._closed = True
        for descriptor in self._fds:
            os.close(descriptor)
        self._fds = []
        self._out.clear()
        self._in.clear()
        self.socket.close()

    def _queue(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        if self._closed or not data:
            return
        self._out.append((memoryview(data), fds))
        self._unsent += len(data)
        self.flush()
        if self._unsent > UNSENT_LIMIT:
            raise Closed("it does not read")


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    found: array.array[int] = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) // found.itemsize * found.itemsize])
    for descriptor in found:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional in the standard library
    return list(found)
