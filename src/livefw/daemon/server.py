# SPDX-License-Identifier: Apache-2.0
"""Clients come and go: who is let in, how many, and for how long without saying who they are."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from livefw.daemon.connection import UNREAD_LIMIT, Closed, Connection
from livefw.daemon.dispatch import Call, Dispatcher
from livefw.daemon.loop import Loop
from livefw.daemon.peer import identify
from livefw.daemon.wire import Message, MessageType

CLIENTS_LIMIT = 256
"""Clients at the same time, each with at most 64 KiB in. Above it one that has not authenticated is let go, or else the
one that has asked for nothing the longest: opening sockets, from many accounts too, keeps nobody out."""
CLIENTS_PER_USER = 128
"""Clients of one user other than root: one account must not take all places."""
PLACES_FOR_ROOT = 16
"""Clients of root's above the limit, for all others may be waiting for answers and not be let go."""
UNSENT_IN_ALL = 32 << 20
"""Bytes that wait for all clients together. Above it the one that has left most unread is let go: a hundred that read
nothing would otherwise fill the memory of the service, each within its own bound."""
CALLS_LIMIT = 16
"""Calls of one client that wait for an answer. Above it nothing more is read from it: it may wait."""
PATIENCE_S = 10.0
"""Seconds for authentication; fwupd's clients need milliseconds."""
ACCEPTED_AT_ONCE = 64
"""Clients let in before those that are in are served again."""
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
        self._patient = False
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
            if connection.unsent > UNREAD_LIMIT:
                self._relieve()
            self._watch(connection)

    def _relieve(self) -> None:
        while sum(each.unsent for each in self._clients.values()) > UNSENT_IN_ALL:
            self._drop(max(self._clients.values(), key=lambda each: each.unsent), "too much waits for too many")

    def reply(self, call: Call, *values: Any) -> None:
        """Answer a call later than it was made, and go on with what its client sent meanwhile."""
        self._later(call, lambda: call.reply(*values))

    def answer(self, call: Call, answer: Callable[[Call], None]) -> None:
        """As `reply`, with whatever ``answer`` does."""
        self._later(call, lambda: answer(call))

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
        """Let in who waits, many at a time: who knocks and runs would otherwise fill the line for all others."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors, or a client that left at once
                self._pause(error)
                return
            self._let_in(client)

    def _pause(self, error: OSError) -> None:
        _log.warning("no client could be accepted: %s", error)
        self._loop.forget(self._listener)  # it would be tried again at once, for ever
        self._loop.later(_PAUSE_S, lambda: self._loop.watch(self._listener, self._accept))

    def _let_in(self, client: socket.socket) -> None:
        try:
            if _has_left(client):
                client.close()
                return
            peer = identify(client)
        except OSError:
            client.close()
            return
        count = sum(each.peer.uid == peer.uid for each in self._clients.values())
        if peer.uid != 0 and count >= CLIENTS_PER_USER:
            _log.warning("user %d has %d clients already; refused", peer.uid, count)
            client.close()
            return
        limit = CLIENTS_LIMIT + (PLACES_FOR_ROOT if peer.uid == 0 else 0)
        if len(self._clients) >= CLIENTS_LIMIT and not self._make_room() and len(self._clients) >= limit:
            _log.warning("%d clients already; process %d of user %d refused", CLIENTS_LIMIT, peer.pid, peer.uid)
            client.close()
            return
        connection = Connection(client, peer, self._guid, now=self._loop.now())
        self._clients[client.fileno()] = connection
        self._watch(connection)
        if not self._patient:
            self._patient = True
            self._loop.later(PATIENCE_S, self._lose_patience)

    def _make_room(self) -> bool:
        everybody = self._clients.values()
        dispensable = [each for each in everybody if not each.authenticated] or [
            each for each in everybody if not each.calls and each.peer.uid != 0
        ]
        if dispensable:
            self._drop(min(dispensable, key=lambda each: each.used), "its place is needed")
        return bool(dispensable)

    def _lose_patience(self) -> None:
        """Let go who stays silent; one look for all, for who comes and goes fast must not leave a timer each time."""
        silent = [each for each in self._clients.values() if not each.authenticated]
        now = self._loop.now()
        for connection in silent:
            if now - connection.used >= PATIENCE_S:
                self._drop(connection, "it has not said who it is")
        self._patient = bool(silent)
        if self._patient:
            self._loop.later(PATIENCE_S / 4, self._lose_patience)

    def _watch(self, connection: Connection) -> None:
        """Watch what is of use now: a client with too many calls waits, one with unsent data is written to."""
        if connection.closed:
            return
        reads = not (connection.held or connection.lent or self._is_full(connection))
        state = (reads, connection.writes)
        if state == connection.watched:
            return
        connection.watched = state
        write = (lambda: self._write(connection)) if state[1] else None
        read = (lambda: self._read(connection)) if state[0] else None
        self._loop.watch(connection.socket, read, write=write)

    def _is_full(self, connection: Connection) -> bool:
        return connection.calls >= CALLS_LIMIT or connection.unsent > UNREAD_LIMIT

    def _read(self, connection: Connection) -> None:
        def both() -> None:
            known = connection.authenticated
            connection.receive()
            if connection.authenticated and not known:
                self._come()
            self._work_off(connection)

        self.guarded(connection, both)

    def _write(self, connection: Connection) -> None:
        def both() -> None:
            connection.flush()
            self._work_off(connection)

        self.guarded(connection, both)

    def _work_off(self, connection: Connection) -> None:
        """Take the messages that have been read, as far as their answers are taken."""
        if connection.working:  # an answer was given at once: whoever called for it goes on
            return
        connection.working = True
        try:
            for message in connection.messages():
                connection.used = self._loop.now()
                self._dispatch(connection, message)
                if connection.closed or self._is_full(connection):
                    return
        finally:
            connection.working = False

    def _dispatch(self, connection: Connection, message: Message) -> None:
        _log.debug("process %d calls %s.%s", connection.peer.pid, message.interface, message.member)
        try:
            self._dispatcher.handle(connection, message)
        except Closed:
            raise
        except Exception:  # a defect of ours must not take the other clients with it
            _log.exception("defect in %s.%s", message.interface, message.member)
            raise Closed("a defect of livefwd") from None

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


def _has_left(client: socket.socket) -> bool:
    """Whether it has gone before it was let in, and costs no more; OSError as for any socket."""
    try:
        return not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
