# SPDX-License-Identifier: Apache-2.0
"""One client's socket: what is read and what is sent, within its bounds, and descriptors that stay in the socket."""

import os
import socket
from collections.abc import Iterator

import pytest

from livefw.dbus import wire
from livefw.dbus.connection import UNSENT_LIMIT, Account, Closed, Connection
from livefw.dbus.peer import identify
from livefw.dbus.wire import Message, MessageType


def call(member: str = "M", *, fds: int = 0, body: tuple[str, ...] = ()) -> bytes:
    return wire.encode(Message(MessageType.CALL, 1, body, "s" * len(body), path="/", member=member, fds=fds))


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """The server's end, and the client's socket, which has said who it is."""
    here, there = socket.socketpair()
    connection = Connection(here, identify(here), Account(2), "guid", now=0.0)
    with there:
        there.send(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
        connection.receive()
        assert there.recv(100) == b"OK guid\r\n"
        yield connection, there
    connection.close()


def members(connection: Connection) -> list[str]:
    connection.receive()
    return [message.member for message in connection.messages()]


def test_messages_come_whole_and_in_order(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    assert (connection.authenticated, members(connection), connection.buffered) == (True, [], False)
    data = call("One") + call("Two") + call("Three")
    there.send(data[:-1])
    assert (members(connection), connection.buffered) == (["One", "Two"], True)
    there.send(data[-1:])
    assert (members(connection), connection.buffered) == (["Three"], False)


def test_what_comes_with_the_last_line_of_authentication_is_a_message() -> None:
    here, there = socket.socketpair()
    with there:
        connection = Connection(here, identify(here), Account(1), "guid", now=0.0)
        there.send(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n" + call("One"))
        assert members(connection) == ["One"]
        connection.close()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"x" * 16, "no D-Bus message of version 1"),
        (call(fds=1), "a message without its file descriptors, or the other way round"),
    ],
)
def test_a_client_that_breaks_the_rules_is_let_go(
    ends: tuple[Connection, socket.socket], sent: bytes, why: str
) -> None:
    connection, there = ends
    there.send(sent)
    with pytest.raises(Closed, match=why):
        members(connection)


def test_a_client_that_leaves_gives_no_reason(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    there.close()
    with pytest.raises(Closed) as caught:
        connection.receive()
    assert str(caught.value) == ""


def test_what_the_kernel_says_of_a_connection_is_the_reason(ends: tuple[Connection, socket.socket]) -> None:
    """unix(7): who leaves with something unread resets the connection, and nothing can be sent to him."""
    connection, there = ends
    connection.send(Message(MessageType.SIGNAL, 0, path="/", interface="a.b", member="M"))
    there.close()
    with pytest.raises(Closed, match=r"^Connection reset by peer$"):
        connection.receive()
    with pytest.raises(Closed, match=r"^Broken pipe$"):
        connection.send(Message(MessageType.SIGNAL, 0, path="/", interface="a.b", member="M"))


def test_descriptors_stay_in_the_socket_until_they_are_thrown_away(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    data = call("Install", fds=1)
    socket.send_fds(there, [data], [there.fileno()])
    there.send(call("Next"))
    assert (members(connection), connection.held) == (["Install"], len(data))
    assert members(connection) == []  # nothing more is read meanwhile
    connection.discard()
    assert (connection.held, members(connection)) == (0, ["Next"])


def test_what_is_lent_is_not_read_until_it_is_back(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    data = call("Install", fds=1)
    socket.send_fds(there, [data], [there.fileno()])
    there.send(call("Next"))
    assert members(connection) == ["Install"]
    connection.lend()
    assert (connection.lent, members(connection)) == (True, [])
    received, fds, _, _ = socket.recv_fds(connection.socket, len(data), 1)
    os.close(fds[0])
    assert received == data
    connection.take_back(whole=True)
    assert (connection.lent, members(connection)) == (False, ["Next"])


def test_after_a_loan_that_went_wrong_nothing_is_believed(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    connection.lend()
    connection.take_back(whole=False)
    there.send(call())
    with pytest.raises(Closed, match="not known"):
        connection.receive()


@pytest.mark.parametrize("size", [-1, 1])
def test_descriptors_belong_to_a_whole_message(ends: tuple[Connection, socket.socket], size: int) -> None:
    """Neither to a piece of one nor to two."""
    connection, there = ends
    data = call("Install", fds=1)
    socket.send_fds(there, [data[:-1] if size < 0 else data + call("Next")], [there.fileno()])
    with pytest.raises(Closed, match="without"):
        members(connection)


def test_descriptors_of_a_call_that_has_none_are_refused(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    socket.send_fds(there, [call()], [there.fileno()])
    with pytest.raises(Closed, match="the other way round"):
        members(connection)


def test_answers_are_numbered_and_wait_until_they_are_read(ends: tuple[Connection, socket.socket]) -> None:
    connection, there = ends
    answer = Message(MessageType.RETURN, 0, ("x" * (1 << 20),), "s", reply_serial=1)
    whole = 3 * len(wire.encode(answer))
    for _ in range(3):
        connection.send(answer)
    waiting, data = connection.unsent, b""
    assert whole // 2 < waiting < whole
    while waiting:
        data += there.recv(whole)
        connection.flush()
        assert connection.unsent <= waiting
        waiting = connection.unsent
    assert not connection.writes
    while len(data) < whole:
        data += there.recv(whole)
    serials = []
    while data:
        size = wire.message_size(data[:16], limit=1 << 22)
        assert size is not None
        serials.append(wire.decode(data[:size]).serial)
        data = data[size:]
    assert serials == [1, 2, 3]


def test_a_client_that_never_reads_is_let_go(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    message = Message(MessageType.SIGNAL, 0, ("x" * 60_000,), "s", path="/", interface="a.b", member="M")
    size, waiting = len(wire.encode(message)), [0]

    def send_for_ever() -> None:
        while True:
            connection.send(message)
            waiting.append(connection.unsent)

    with pytest.raises(Closed, match="does not read"):
        send_for_ever()
    assert UNSENT_LIMIT - size < max(waiting) <= UNSENT_LIMIT
    connection.close()
    assert (connection.closed, connection.unsent, connection.writes) == (True, 0, False)
    connection.send(message)  # to nobody
    assert connection.unsent == 0


def test_calls_are_counted_for_the_user_and_for_all() -> None:
    everybody = Account(3)
    users = [Account(2, everybody), Account(2, everybody)]
    users[0].count(1)
    assert not users[0].full
    users[0].count(1)
    assert [each.full for each in (*users, everybody)] == [True, False, False]
    users[1].count(1)
    assert [each.full for each in (*users, everybody)] == [True, True, True]
    users[0].count(-2)
    assert [each.full for each in (*users, everybody)] == [False, False, False]
    assert (users[0].calls, users[1].calls, everybody.calls) == (0, 1, 1)


def test_a_connection_counts_for_its_account(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    connection.account.connections.add(connection)
    connection.count(2)
    connection.count(-1)
    assert (connection.calls, connection.account.calls, connection.account.full) == (1, 1, False)
    connection.send(Message(MessageType.RETURN, 0, ("x" * (1 << 20),), "s", reply_serial=1))
    assert connection.account.unsent == connection.unsent > 0
