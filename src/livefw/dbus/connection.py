# SPDX-License-Identifier: Apache-2.0
"""One client's socket: bytes, messages and file descriptors, all of them bounded."""

import socket
from collections import deque
from collections.abc import Iterator

from livefw.dbus import wire
from livefw.dbus.peer import Peer
from livefw.dbus.sasl import Sasl, SaslError
from livefw.dbus.wire import Message
from livefw.text import errno_text

_CHUNK = 16_384
_TRUNCATED = int(socket.MSG_CTRUNC)
UNSENT_LIMIT = 4 << 20
"""Bytes that wait for a client. One that reads nothing would otherwise collect every signal in our memory."""
UNREAD_LIMIT = 64 << 10
"""Bytes that wait for a client above which nothing more is read from it: it asks faster than it listens."""


class Closed(Exception):  # noqa: N818 - not always an error
    """The connection has ended, or has to; the text says why, and is empty if the client simply left."""


class Account:
    """What the connections of one user have under way together, of at most so many calls; ``above`` is for all users
    that share a bound with this one."""

    def __init__(self, most: int, above: "Account | None" = None) -> None:
        self.connections: set[Connection] = set()
        self.calls = 0
        self._most = most
        self._above = above

    @property
    def full(self) -> bool:
        """Whether no further call is taken."""
        return self.calls >= self._most or (self._above is not None and self._above.full)

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return sum(each.unsent for each in self.connections)

    def count(self, calls: int) -> None:
        """So many calls more, or fewer."""
        self.calls += calls
        if self._above:
            self._above.count(calls)


class Connection:
    """A client.

    ``calls`` counts those that are not answered yet; ``watched`` is what the server waits for: bytes, space for bytes,
    the end; ``used`` is when it last asked for something, ``working`` whether its messages are being taken, ``queued``
    whether it waits for its user's turn.

    Descriptors that a client sends are never received here. A process with a file of a client open waits for
    that client: to close a file of a FUSE mount, or to start a process meanwhile, takes as long as its server likes. So
    they stay in the socket with the message that they belong to, `held` bytes of it, until a process of its own takes
    them out (`livefw.daemon.upload.images`) or `discard` lets the kernel throw them away.
    """

    def __init__(self, client: socket.socket, peer: Peer, account: Account, guid: str, *, now: float) -> None:
        client.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self.socket = client
        self.peer = peer
        self.account = account
        self.calls = 0
        self.watched: tuple[bool, bool, bool] | None = None
        self.held = 0
        self.lent = False
        self._owned = False
        self._broken = False
        self.used = now
        self.working = False
        self.queued = False
        self._sasl = Sasl(peer.uid, guid)
        self._in = bytearray()
        self._out: deque[memoryview] = deque()
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

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return self._unsent

    @property
    def buffered(self) -> bool:
        """Whether something has been read that is no message that was taken."""
        return bool(self._in)

    def count(self, calls: int) -> None:
        """So many calls more, or fewer, that wait for their answers."""
        self.calls += calls
        self.account.count(calls)

    def receive(self) -> None:
        """Read what is there. `Closed`."""
        if self.held or self.lent:
            return
        if self._broken:
            raise Closed("what is left of its message is not known")
        try:
            # Without space for descriptors: the flag says whether there are any, and nothing of theirs is ours.
            data, _, flags, _ = self.socket.recvmsg(_CHUNK, 0, socket.MSG_PEEK)
            if flags & _TRUNCATED:
                self.held = len(data)
            elif data:
                self.socket.recv(len(data))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise Closed(errno_text(error)) from error
        if not data:
            raise Closed("")
        if not self._sasl.done:
            try:
                answer, data = self._sasl.feed(data)
            except SaslError as error:
                raise Closed(str(error)) from error
            self._queue(answer)
        self._in += data

    def messages(self) -> Iterator[Message]:
        """The whole messages that have been read, each as it is asked for. `Closed`.

        One that comes with descriptors is the last until these are received or discarded.
        """
        while self._sasl.done and not self._owned:
            try:
                size = wire.message_size(bytes(self._in[:16]))
                if size is None or len(self._in) < size:
                    break
                message = wire.decode(bytes(self._in[:size]))
            except wire.WireError as error:
                raise Closed(str(error)) from error
            del self._in[:size]
            self._owned = self.held > 0 and not self._in
            if self._owned != (message.fds > 0):
                raise Closed("a message without its file descriptors, or the other way round")
            yield message
        if self.held and not self._owned:
            raise Closed("file descriptors without a message")

    def lend(self) -> None:
        """Somebody else takes what is held out of the socket; nothing is read meanwhile."""
        self.held, self.lent, self._owned = 0, True, False

    def take_back(self, *, whole: bool) -> None:
        """The socket is ours again; unless exactly what was held has been taken out, nothing more can be made of it."""
        self.lent, self._broken = False, not whole

    def discard(self) -> None:
        """Let the kernel throw away the descriptors that wait, with the bytes of their message. `Closed`."""
        count, self.held, self._owned = self.held, 0, False
        try:
            if count and len(self.socket.recv(count)) != count:
                raise Closed("its own message changed")
        except OSError as error:
            raise Closed(errno_text(error)) from error

    def send(self, message: Message) -> None:
        """Send, or queue; the serial number is set here. `Closed`.

        ValueError if the caller's body does not fit its signature.
        """
        self._serial = self._serial % 0xFFFFFFFF + 1
        self._queue(wire.encode(message._replace(serial=self._serial)))

    def flush(self) -> None:
        """Send what waits, as far as the client takes it. `Closed`."""
        while self._out:
            data = self._out[0]
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise Closed(errno_text(error)) from error
            self._unsent -= sent
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = data[sent:]

    def close(self) -> None:
        """End it, with everything it holds."""
        self._closed = True
        self._out.clear()
        self._unsent = 0
        self._in.clear()
        self.socket.close()

    def _queue(self, data: bytes) -> None:
        if self._closed or not data:
            return
        self._out.append(memoryview(data))
        self._unsent += len(data)
        self.flush()
        if self._unsent > UNSENT_LIMIT:
            raise Closed("it does not read")
