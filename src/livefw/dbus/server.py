# SPDX-License-Identifier: Apache-2.0
"""Clients come and go: who is let in, how many, and for how long without saying who they are."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from livefw.dbus.connection import UNREAD_LIMIT, Account, Closed, Connection
from livefw.dbus.dispatch import Dispatcher, IncomingCall
from livefw.dbus.loop import Loop
from livefw.dbus.peer import identify, is_trusted
from livefw.dbus.turns import Turns
from livefw.dbus.wire import Message, MessageType

CLIENTS_LIMIT = 256
"""Clients at the same time, each with at most 64 KiB in. Above it one that has not authenticated is let go, or else the
one that has asked for nothing the longest, or else one of the user who has the most: opening sockets, from many
accounts too, keeps nobody out."""
CLIENTS_PER_USER = 128
"""Clients of one user other than root: one account must not take all places."""
PLACES_FOR_ROOT = 16
"""Clients of root's above the limit, for all others may be waiting for answers and not be let go."""
UNSENT_IN_ALL = 32 << 20
"""Bytes that wait for all clients but root's together. Above it the one that has left most unread is let go: a hundred
that read nothing would otherwise fill the memory of the service, each within its own bound."""
UNSENT_PER_USER = 8 << 20
"""As above, for the clients of one user: what one account leaves unread lets go of nobody else."""
CALLS_LIMIT = 16
"""Calls of one client that wait for an answer. Above it nothing more is read from it: it may wait."""
CALLS_PER_USER, CALLS_IN_ALL = 32, 256
"""As above, for the clients of one user other than root, and for those of all: a hundred connections are no longer
line than two."""
TURN_S = 1e-3
"""How long one client is listened to before it is another user's turn, and root's: calls that are answered at once
would otherwise take all the time of the thread that talks."""
SHARE, BURST_S = 0.25, 0.05
"""How much of the time the thread that talks listens to ordinary users, and for how many seconds at once. What takes
more waits: eight users who ask as fast as they are answered would take both CPUs of a small machine. Not CPU time, for
what others take of a CPU counts as well: who always has something to do comes last when a CPU is given away."""
PATIENCE_S = 10.0
"""Seconds for authentication; fwupd's clients need milliseconds."""
ACCEPTED_AT_ONCE = 64
"""Clients let in before those that are in are served again."""
_NEWCOMERS = -1
"""In place of a user's number."""
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
        self._everybody = Account(CALLS_IN_ALL)
        self._accounts: dict[int, Account] = {}
        self._turns = Turns[Connection]()
        self._called = False
        self._left_s = BURST_S
        self._counted_at = loop.now()
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
                self._relieve_all(connection)
            self._watch(connection)

    def _relieve_all(self, connection: Connection) -> None:
        """Root's unread answers have a bound of their own: nobody else's let go of root."""
        if is_trusted(connection.peer.uid):
            self._relieve(connection.account, UNSENT_IN_ALL, "too much waits for too many")
        else:
            self._relieve(connection.account, UNSENT_PER_USER, "too much waits for its user")
            self._relieve(self._everybody, UNSENT_IN_ALL, "too much waits for too many")

    def _relieve(self, account: Account, most: int, why: str) -> None:
        while account.unsent > most:
            self._drop(max(account.connections, key=lambda each: each.unsent), why)

    def reply(self, call: IncomingCall, *values: Any) -> None:
        """Answer a call later than it was made, and continue with what its client sent meanwhile."""
        self._later(call, lambda: call.reply(*values))

    def answer(self, call: IncomingCall, answer: Callable[[IncomingCall], None]) -> None:
        """As `reply`, with whatever ``answer`` does."""
        self._later(call, lambda: answer(call))

    def fail(self, call: IncomingCall, name: str, text: str) -> None:
        """As `reply`, with an error."""
        self._later(call, lambda: call.fail(name, text))

    def _later(self, call: IncomingCall, answer: Callable[[], None]) -> None:
        connection = call.connection
        if connection.closed:
            call.give_up()
            self._tidy(connection)
        elif is_trusted(connection.peer.uid):

            def both() -> None:
                answer()
                self._work_off(connection)

            self.guarded(connection, both)
        else:
            self.guarded(connection, answer)
            if connection.buffered:
                self._line_up(connection)
        self._call_next()  # there is space for a call

    def _accept(self) -> None:
        """Let in who waits, many at a time: who knocks and runs would otherwise fill the line for all others."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors, or a client that left at once
                self._stop_accepting(error)
                return
            self._let_in(client)

    def _stop_accepting(self, error: OSError) -> None:
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
        account = self._accounts.get(peer.uid) or self._new_account(peer.uid)
        count = len(account.connections)
        if peer.uid != 0 and count >= CLIENTS_PER_USER:
            _log.warning("user %d has %d clients already; refused", peer.uid, count)
            client.close()
            return
        limit = CLIENTS_LIMIT + (PLACES_FOR_ROOT if peer.uid == 0 else 0)
        if len(self._clients) >= CLIENTS_LIMIT and not self._make_room(count) and len(self._clients) >= limit:
            _log.warning("%d clients already; process %d of user %d refused", CLIENTS_LIMIT, peer.pid, peer.uid)
            client.close()
            return
        connection = Connection(client, peer, account, self._guid, now=self._loop.now())
        self._clients[client.fileno()] = connection
        self._accounts[peer.uid] = account
        account.connections.add(connection)
        if not is_trusted(peer.uid):
            self._everybody.connections.add(connection)
        self._watch(connection)
        if not self._patient:
            self._patient = True
            self._loop.later(PATIENCE_S, self._lose_patience)

    def _new_account(self, uid: int) -> Account:
        return Account(CALLS_LIMIT * CLIENTS_LIMIT) if is_trusted(uid) else Account(CALLS_PER_USER, self._everybody)

    def _make_room(self, count: int) -> bool:
        """Let go of somebody, for a client of a user who has ``count`` already."""
        everybody = self._clients.values()
        dispensable = [each for each in everybody if not each.authenticated] or [
            each for each in everybody if not each.calls and each.peer.uid != 0
        ]
        if not dispensable:
            strangers = (account for uid, account in self._accounts.items() if not is_trusted(uid))
            greedy = max(strangers, key=lambda each: len(each.connections), default=None)
            if greedy and len(greedy.connections) > count + 1:
                dispensable = [*greedy.connections]
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
        """Watch what is of use now: a client with too many calls waits, one with unsent data is written to.

        That it leaves is noticed even so: what it has asked for is not worked out any more.
        """
        if connection.closed:
            return
        reads = not (connection.held or connection.lent or connection.queued or self._is_full(connection))
        state = (reads, connection.writes, not (reads or connection.lent))
        if state == connection.watched:
            return
        connection.watched = state
        read = (lambda: self._read(connection)) if state[0] else None
        write = (lambda: self._write(connection)) if state[1] else None
        gone = (lambda: self._drop(connection, "")) if state[2] else None
        self._loop.watch(connection.socket, read, write=write, gone=gone)

    def _is_full(self, connection: Connection) -> bool:
        return connection.calls >= CALLS_LIMIT or connection.unsent > UNREAD_LIMIT

    def _read(self, connection: Connection) -> None:
        """Root is listened to at once, everybody else in turns."""
        if is_trusted(connection.peer.uid):
            self._listen(connection)
        else:
            self._line_up(connection)

    def _line_up(self, connection: Connection) -> None:
        if connection.closed or connection.queued:
            return
        connection.queued = True
        self._turns.add(_line(connection), connection)
        self._watch(connection)
        self._call_next()

    def _call_next(self) -> None:
        """Have the next one listened to, after whatever root has to say by then."""
        if not self._called:
            self._called = True
            self._loop.soon(self._next)

    def _next(self) -> None:
        self._called = False
        if (pause := self.pause_s()) > 0:
            self._called = True
            self._loop.later(pause, self._next)
            return
        turn = self._turns.take(self._may)
        if turn is None:
            return
        _, connection = turn
        connection.queued = False
        if not connection.closed:
            begun = self._loop.now()
            self._listen(connection)
            self.spend(begun)
        self._call_next()

    def spend(self, begun: float) -> None:
        """The time since then went to ordinary users."""
        self._left_s -= self._loop.now() - begun

    def pause_s(self) -> float:
        """How long ordinary users have to wait until there is something left of their share; below 0 if not at all."""
        now = self._loop.now()
        self._left_s = min(self._left_s + (now - self._counted_at) * SHARE, BURST_S)
        self._counted_at = now
        return -self._left_s / SHARE

    def _may(self, uid: int) -> bool:
        account = self._accounts.get(uid)
        return account is None or not account.full

    def _listen(self, connection: Connection) -> None:
        def both() -> None:
            known = connection.authenticated
            connection.receive()
            if connection.authenticated and not known:
                self._come()
            self._work_off(connection)

        self.guarded(connection, both)

    def _write(self, connection: Connection) -> None:
        trusted = is_trusted(connection.peer.uid)

        def both() -> None:
            connection.flush()
            if trusted:
                self._work_off(connection)

        self.guarded(connection, both)
        if connection.buffered and not (trusted or self._is_full(connection)):
            self._line_up(connection)

    def _work_off(self, connection: Connection) -> None:
        """Take the messages that have been read, as far as their answers are taken, and its turn goes."""
        if connection.working:  # a reply was given at once: its caller continues
            return
        connection.working = True
        trusted, begun = is_trusted(connection.peer.uid), self._loop.now()
        try:
            for message in connection.messages():
                connection.used = self._loop.now()
                self._dispatch(connection, message)
                if connection.closed or self._is_full(connection):
                    return
                if not trusted and (connection.account.full or self._loop.now() - begun >= TURN_S):
                    if connection.buffered:
                        self._line_up(connection)
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
        account = connection.account
        for each in (account, self._everybody):
            each.connections.discard(connection)
        self._turns.discard(_line(connection), connection)
        self._tidy(connection)
        connection.close()
        self._left(connection)

    def _tidy(self, connection: Connection) -> None:
        """An account of which nothing is left is not kept."""
        if not connection.account.connections and not connection.account.calls:
            self._accounts.pop(connection.peer.uid, None)


def _line(connection: Connection) -> int:
    """In which line it waits: to say who one is, nobody has to wait for other calls of the same user."""
    return connection.peer.uid if connection.authenticated else _NEWCOMERS


def _has_left(client: socket.socket) -> bool:
    """Whether it has gone before it was let in, and costs no more; OSError as for any socket."""
    try:
        return not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
