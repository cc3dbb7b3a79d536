# SPDX-License-Identifier: Apache-2.0
"""Clients come and go: who is let in, how many, and for how long without saying who they are."""

import logging
import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from livefw.daemon.connection import Closed, Connection
from livefw.daemon.dispatch import Call, Dispatcher
from livefw.daemon.loop import Loop
from livefw.daemon.peer import identify
from livefw.daemon.wire import Message, MessageType

CLIENTS_LIMIT = 256
"""Clients at the same time, each with at most 64 KiB in and 4 MiB out. Above it the oldest that has not authenticated
is let go, so that opening sockets and staying silent keeps nobody else out."""
CLIENTS_PER_USER = 128
"""Clients of one user other than root: one account must not take all places."""
CALLS_LIMIT = 16
"""Calls of one client that wait for an answer. Above it nothing more is read from it: it may wait."""
PATIENCE_S = 10.0
"""Seconds for authentication; fwupd's clients need milliseconds."""
_PAUSE_S = 0.5
"""How long nobody is accepted after it failed."""

_log = logging.getLogger(__name__)


class Server:
    """Accepts on a listening socket and leads messages to the dispatcher.

    ``come`` is called after each client that has said who it is, ``left`` after each that has gone.
    """

    def __init__(
        self,
        listener: socket.socket,
        loop: Loop,
        dispatcher: Dispatcher,
        *,
        come: Callable[[], None],
        left: Callable[[Connection], None],
    ) -> None:
        listener.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self._listener = listener
        self._loop = loop
        self._dispatcher = dispatcher
        self._come = come
        self._left = left
        self._guid = os.urandom(16).hex()
        self._clients: dict[int, Connection] = {}
        self._read_next: set[int] = set()
        loop.watch(listener, self._accept)

    @property
    def clients(self) -> tuple[Connection, ...]:
        """All that are connected."""
        return tuple(self._clients.values())

    def close(self) -> None:
        """Let everybody go."""
        self._loop.forget(self._listener)
        for connection in self.clients:
            self._drop(connection, "")

    def signal(self, connection: Connection, interface: str, member: str, signature: str, *body: Any) -> None:
        """Tell one client; fwupd's clients want no destination, and the path ``/``."""
        path = "/" if interface != "org.livefw.Livefw1" else "/org/livefw"
        message = Message(MessageType.SIGNAL, 1, body, signature, path=path, interface=interface, member=member)
        self.guarded(connection, lambda: connection.send(message))

    def guarded(self, connection: Connection, work: Callable[[], object]) -> None:
        """Do something that talks to a client, which may be gone by then."""
        if connection.closed:
            return
        try:
            work()
        except Closed as why:
            self._drop(connection, str(why))
        else:
            self._watch(connection)

    def reply(self, call: Call, *values: Any) -> None:
        """Answer a call later than it was made, and go on with what its client sent meanwhile."""
        self._later(call, lambda: call.reply(*values))

    def reply_encoded(self, call: Call, values: bytes) -> None:
        """As `reply`, with values that are encoded already."""
        self._later(call, lambda: call.reply_encoded(values))

    def fail(self, call: Call, name: str, text: str) -> None:
        """As `reply`, with an error."""
        self._later(call, lambda: call.fail(name, text))

    def _later(self, call: Call, answer: Callable[[], None]) -> None:
        if call.connection.closed:
            call.release()
            return

        def both() -> None:
            answer()
            self._work_off(call.connection)

        self.guarded(call.connection, both)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:  # out of descriptors, or a client that left at once
            _log.warning("no client could be accepted: %s", error)
            self._loop.forget(self._listener)  # it would be tried again at once, for ever
            self._loop.later(_PAUSE_S, lambda: self._loop.watch(self._listener, self._accept))
            return
        try:
            peer = identify(client)
        except OSError:
            client.close()
            return
        count = Counter(each.peer.uid for each in self._clients.values())[peer.uid]
        if peer.uid != 0 and count >= CLIENTS_PER_USER:
            _log.warning("user %d has %d clients already; refused", peer.uid, count)
            client.close()
            return
        if len(self._clients) >= CLIENTS_LIMIT and not self._make_room():
            _log.warning("%d clients already; process %d of user %d refused", CLIENTS_LIMIT, peer.pid, peer.uid)
            client.close()
            return
        connection = Connection(client, peer, self._guid, now=self._loop.now())
        self._clients[client.fileno()] = connection
        self._watch(connection)
        self._loop.later(PATIENCE_S, lambda: self._lose_patience(connection))

    def _make_room(self) -> bool:
        silent = [each for each in self._clients.values() if not each.authenticated]
        if silent:
            self._drop(min(silent, key=lambda each: each.since), "its place is needed")
        return bool(silent)

    def _lose_patience(self, connection: Connection) -> None:
        if not connection.closed and not connection.authenticated:
            self._drop(connection, "it has not said who it is")

    def _watch(self, connection: Connection) -> None:
        """Watch what is of use now: a client with too many calls waits, one with unsent data is written to."""
        if connection.closed:
            return
        state = (connection.calls < CALLS_LIMIT, connection.writes)
        if state == connection.watched:
            return
        connection.watched = state
        write = (lambda: self.guarded(connection, connection.flush)) if connection.writes else None
        read = (lambda: self._read(connection)) if connection.calls < CALLS_LIMIT else None
        self._loop.watch(connection.socket, read, write=write)

    def _read(self, connection: Connection) -> None:
        def both() -> None:
            known = connection.authenticated
            connection.receive()
            if connection.authenticated and not known:
                self._come()
            self._work_off(connection)

        self.guarded(connection, both)

    def _work_off(self, connection: Connection) -> None:
        for received in connection.messages():
            self._dispatch(connection, received.message, received.fds)
            if connection.calls >= CALLS_LIMIT or connection.closed:
                return

    def _dispatch(self, connection: Connection, message: Message, fds: tuple[int, ...]) -> None:
        _log.debug("process %d calls %s.%s", connection.peer.pid, message.interface, message.member)
        try:
            self._dispatcher.handle(connection, message, fds)
        except Closed:
            raise
        except Exception:  # a defect of ours must not take the other clients with it
            _log.exception("defect in %s.%s", message.interface, message.member)
            raise Closed("a defect of livefwd") from None
        finally:
            for descriptor in fds:
                os.close(descriptor)

    def _drop(self, connection: Connection, why: str) -> None:
        if connection.closed:
            return
        if why:
            peer = connection.peer
            _log.info("process %d of user %d is let go: %s", peer.pid, peer.uid, why)
        self._loop.forget(connection.socket)
        self._clients.pop(connection.socket.fileno(), None)
        connection.close()
        self._left(connection)
