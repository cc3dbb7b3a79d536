# SPDX-License-Identifier: Apache-2.0
"""Clients come and go: who is let in, who is let go, and whose turn it is. In one process, by a clock of the test."""

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from livefw.dbus import server as tested
from livefw.dbus import wire
from livefw.dbus.connection import Connection
from livefw.dbus.dispatch import Dispatcher, Face, IncomingCall, Later
from livefw.dbus.introspection import Interface, Method
from livefw.dbus.loop import Loop
from livefw.dbus.peer import Peer
from livefw.dbus.server import Server
from livefw.dbus.wire import Message, MessageType

from .test_loop import Hands, turn

ROOT, ALICE, BOB = 0, 4_000_000_001, 4_000_000_002
METHODS = (Method("Now", "", "s"), Method("AnswerLater", "", "s"), Method("Break", "", ""), Method("Much", "", "s"))


class Thing(Face):
    interface = Interface("a.B", {each.name: each for each in METHODS}, {}, {}, "<interface name='a.B'/>")

    def __init__(self) -> None:
        self.waiting: list[IncomingCall] = []

    def now(self, call: IncomingCall) -> tuple[str]:
        return ("now",)

    def answer_later(self, call: IncomingCall) -> None:
        self.waiting.append(call)
        return Later

    def much(self, call: IncomingCall) -> tuple[str]:
        return ("x" * 1_000_000,)

    def break_(self, call: IncomingCall) -> None:
        raise ZeroDivisionError


setattr(Thing, "break", Thing.break_)


class Client:
    """The far end of a connection."""

    def __init__(self, path: str, uid: int) -> None:
        self.uid = uid
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)

    def says_who_it_is(self) -> None:
        with suppress(BrokenPipeError):  # it may have been refused already
            self.socket.send(b"\0AUTH EXTERNAL " + str(self.uid).encode().hex().encode() + b"\r\nBEGIN\r\n")

    def calls(self, member: str, times: int = 1) -> None:
        data = wire.encode(Message(MessageType.CALL, 1, path="/org/thing", interface="a.B", member=member))
        self.socket.send(data * times)

    def hears(self) -> list[str]:
        """The answers so far; 'end' if the connection is over."""
        try:
            data = self.socket.recv(1 << 22)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            return ["end"]
        if not data:
            return ["end"]
        if data.startswith(b"OK "):
            data = data.partition(b"\r\n")[2]
        found = []
        while data:
            size = wire.message_size(data[:16], limit=1 << 22)
            assert size is not None
            found.append(str(wire.decode(data[:size]).body[0]))
            data = data[size:]
        return found


class House:
    """A server whose clients are of any user."""

    def __init__(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.hands, self.face = path, Hands(), Thing()
        self.came, self.left = 0, list[Connection]()
        self.loop = Loop(self.hands.now)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(200)
        self._uids: list[int] = []
        monkeypatch.setattr(tested, "identify", lambda _: Peer(1, self._uids.pop(0), frozenset(), 1))
        monkeypatch.setattr(tested, "is_trusted", lambda uid: uid == ROOT)
        dispatcher = Dispatcher({"/org/thing": [self.face]}, lambda: "")
        self.server = Server(self.listener, self.loop, dispatcher, come=self._come, left=self.left.append)
        self.clients: list[Client] = []

    def _come(self) -> None:
        self.came += 1

    def client(self, uid: int, *, known: bool = True) -> Client:
        made = Client(self.path, uid)
        self._uids.append(uid)
        self.clients.append(made)
        turn(self.loop)
        if known:
            made.says_who_it_is()
            self.turns()
        return made

    def turns(self, count: int = 4) -> None:
        for _ in range(count):
            turn(self.loop)

    def close(self) -> None:
        self.server.close()
        for client in self.clients:
            client.socket.close()
        self.loop.close()
        self.listener.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(str(tmp_path / "s"), monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("uid", [ROOT, ALICE])
def test_who_comes_is_answered_and_who_goes_is_missed(house: House, uid: int) -> None:
    client = house.client(uid)
    assert (house.came, len(house.server.clients), house.left) == (1, 1, [])
    (connection,) = house.server.clients
    client.calls("Now", 3)
    house.turns()
    assert client.hears() == ["now"] * 3
    client.socket.close()
    house.turns()
    assert (house.came, house.server.clients, house.left) == (1, (), [connection])


def test_the_end_of_the_server_is_that_of_all(house: House) -> None:
    clients = [house.client(uid) for uid in (ROOT, ALICE)]
    for client in clients:
        client.hears()
    house.server.close()
    assert [client.hears() for client in clients] == [["end"], ["end"]]
    assert len(house.left) == 2


def test_a_signal_goes_to_one(house: House) -> None:
    one, other = house.client(ALICE), house.client(BOB)
    one.hears()
    connection = next(each for each in house.server.clients if each.peer.uid == ALICE)
    house.server.signal(connection, "org.livefw.Livefw1", "Changed", "s", "x")
    house.server.signal(connection, "org.freedesktop.fwupd", "Changed", "s", "y")
    data = one.socket.recv(1 << 16)
    size = wire.message_size(data)
    assert size is not None
    ours, theirs = wire.decode(data[:size]), wire.decode(data[size:])
    assert (ours.type, ours.path, ours.member, ours.body) == (MessageType.SIGNAL, "/org/livefw", "Changed", ("x",))
    assert (theirs.path, theirs.interface) == ("/", "org.freedesktop.fwupd")
    assert other.hears() == []


def test_who_stays_silent_is_let_go_and_nobody_else(house: House) -> None:
    silent, known = house.client(ALICE, known=False), house.client(ALICE)
    known.hears()
    house.hands.time += tested.PATIENCE_S - 0.001
    house.turns()
    assert silent.hears() == []
    late = house.client(ALICE, known=False)
    house.hands.time += 0.001
    house.turns()
    assert (silent.hears(), late.hears(), known.hears()) == (["end"], [], [])
    for _ in range(5):
        house.hands.time += tested.PATIENCE_S / 4
        house.turns()
    assert (late.hears(), known.hears()) == (["end"], [])
    again = house.client(BOB, known=False)
    house.hands.time += tested.PATIENCE_S
    house.turns()
    assert again.hears() == ["end"]


def test_where_all_have_said_who_they_are_nobody_looks_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle daemon is woken by nothing."""
    asked: list[float] = []
    later = house.loop.later

    def noted(seconds: float, callback: Callable[[], None]) -> None:
        asked.append(seconds)
        later(seconds, callback)

    monkeypatch.setattr(house.loop, "later", noted)
    house.client(ALICE)
    house.client(BOB)
    for _ in range(9):
        house.hands.time += tested.PATIENCE_S
        house.turns()
    assert asked == [tested.PATIENCE_S]


@pytest.mark.parametrize("uid", [ROOT, ALICE])
def test_of_one_client_only_so_many_calls_wait(house: House, uid: int) -> None:
    client = house.client(uid)
    client.calls("AnswerLater", tested.CALLS_LIMIT + 2)
    house.turns()
    assert len(house.face.waiting) == tested.CALLS_LIMIT
    house.server.reply(house.face.waiting[0], "one")
    house.turns()
    assert len(house.face.waiting) == tested.CALLS_LIMIT + 1
    house.server.fail(house.face.waiting[1], "a.B.No", "two")
    house.turns()
    assert len(house.face.waiting) == tested.CALLS_LIMIT + 2
    house.server.answer(house.face.waiting[2], lambda call: call.reply("three"))
    assert client.hears() == ["one", "two", "three"]


def test_of_one_user_only_so_many_calls_wait(house: House) -> None:
    """On however many connections; root and others go on."""
    greedy = [house.client(ALICE) for _ in range(3)]
    for client in greedy:
        client.calls("AnswerLater", tested.CALLS_LIMIT)
    house.turns(12)
    assert len(house.face.waiting) == tested.CALLS_PER_USER
    others = [house.client(uid) for uid in (BOB, ROOT)]
    for client in others:
        client.calls("Now")
    house.turns(8)
    assert [client.hears() for client in others] == [["now"], ["now"]]
    house.server.reply(house.face.waiting[0], "done")
    house.turns()
    assert len(house.face.waiting) == tested.CALLS_PER_USER + 1


def test_what_a_client_left_behind_makes_room_for_its_user(house: House) -> None:
    gone, client = house.client(ALICE), house.client(ALICE)
    for each in (gone, client, house.client(ALICE)):
        each.calls("AnswerLater", tested.CALLS_LIMIT)
    house.turns(12)
    assert len(house.face.waiting) == tested.CALLS_PER_USER
    gone.socket.close()
    house.turns()
    for call in house.face.waiting:
        if call.connection.closed:
            house.server.reply(call, "to nobody")
    house.turns(12)
    assert len(house.face.waiting) == tested.CALLS_PER_USER + tested.CALLS_LIMIT


def test_ordinary_users_have_a_share_of_the_time(house: House) -> None:
    """A second that went to them is paid for by three more in which root alone is heard."""
    alice, root = house.client(ALICE), house.client(ROOT)
    alice.hears(), root.hears()
    assert house.server.pause_s() < 0
    house.server.spend(house.hands.time - 1.0)
    pause = house.server.pause_s()
    assert pause == pytest.approx((1.0 - tested.BURST_S) / tested.SHARE)
    for client in (alice, root):
        client.calls("Now")
    house.turns()
    assert (alice.hears(), root.hears()) == ([], ["now"])
    house.hands.time += pause - 0.01
    house.turns()
    assert alice.hears() == []
    house.hands.time += 0.02
    house.turns()
    assert alice.hears() == ["now"]


def test_a_share_that_is_not_used_does_not_grow(house: House) -> None:
    house.hands.time += 3600
    assert house.server.pause_s() == pytest.approx(-tested.BURST_S / tested.SHARE)


def test_one_account_does_not_take_all_places(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "CLIENTS_PER_USER", 2)
    kept = [house.client(ALICE) for _ in range(2)]
    refused, other = house.client(ALICE), house.client(BOB)
    roots = [house.client(ROOT) for _ in range(3)]
    assert refused.hears() == ["end"]
    for client in (*kept, other, *roots):
        client.hears()
        client.calls("Now")
    house.turns(8)
    assert [client.hears() for client in (*kept, other, *roots)] == [["now"]] * 6


def served(house: House, *clients: Client) -> list[bool]:
    for client in clients:
        client.hears()
        try:
            client.calls("Now")
        except OSError:
            continue
    house.turns(8)
    return [client.hears() == ["now"] for client in clients]


def test_where_all_places_are_taken_somebody_makes_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """First who has not said who it is, then who has asked for nothing the longest; root is never let go."""
    monkeypatch.setattr(tested, "CLIENTS_LIMIT", 3)
    root = house.client(ROOT)
    house.hands.time += 1
    idle = house.client(ALICE)
    house.hands.time += 1
    stranger = house.client(BOB, known=False)
    house.hands.time += 1
    assert served(house, idle) == [True]
    newcomer = house.client(BOB)
    assert (served(house, root, idle, newcomer), stranger.hears()) == ([True] * 3, ["end"])
    house.hands.time += 1
    assert served(house, newcomer) == [True]
    house.hands.time += 1
    last = house.client(BOB)
    assert served(house, root, idle, newcomer, last) == [True, False, True, True]


def test_who_waits_for_answers_is_not_let_go_for_one_who_has_as_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "CLIENTS_LIMIT", 3)
    busy = [house.client(ALICE) for _ in range(3)]
    for client in busy:
        client.hears()
        client.calls("AnswerLater")
    house.turns(8)
    refused = house.client(ALICE)
    assert refused.hears() == ["end"]
    poor = house.client(BOB)  # the one who has the most gives a place
    assert served(house, poor) == [True]
    assert [client.hears() for client in busy].count(["end"]) == 1


def test_root_has_places_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "CLIENTS_LIMIT", 1)
    monkeypatch.setattr(tested, "PLACES_FOR_ROOT", 2)
    roots = [house.client(ROOT) for _ in range(4)]
    assert served(house, *roots) == [True, True, True, False]
    assert house.client(ALICE).hears() == ["end"]


@pytest.mark.parametrize(
    ("limits", "uids", "gone"),
    [
        ({"UNSENT_PER_USER": 1_200_000}, (ALICE, ALICE, BOB), 1),
        ({"UNSENT_IN_ALL": 2_100_000}, (ALICE, BOB, BOB), 1),
        ({"UNSENT_PER_USER": 1_200_000, "UNSENT_IN_ALL": 2_100_000}, (ROOT, ROOT, ALICE), 0),
        ({"UNSENT_IN_ALL": 1_200_000}, (ROOT, ROOT, ALICE), 1),
        ({}, (ALICE, ALICE, BOB), 0),
    ],
)
def test_who_leaves_too_much_unread_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], uids: tuple[int, ...], gone: int
) -> None:
    """Counted for a user and for all; what root leaves unread is no reason to let others go, nor the other way."""
    for name, value in limits.items():
        monkeypatch.setattr(tested, name, value)
    for uid in uids:
        house.client(uid).calls("Much")
        house.turns()
    assert len(house.left) == gone
    assert {each.peer.uid for each in house.left} <= (
        {ROOT} if limits.get("UNSENT_IN_ALL") == 1_200_000 else {ALICE, BOB}
    )


def test_what_waits_is_sent_as_it_is_read_and_nothing_more_is_asked_meanwhile(house: House) -> None:
    client = house.client(ALICE)
    client.hears()
    client.calls("Much")
    house.turns()
    client.calls("AnswerLater")
    house.turns()
    assert house.face.waiting == []
    received = 0
    while received < 1_000_000:
        received += len(client.socket.recv(1 << 22))
        house.turns()
    assert len(house.face.waiting) == 1


def test_a_defect_of_ours_costs_one_client(house: House, caplog: pytest.LogCaptureFixture) -> None:
    one, other = house.client(ALICE), house.client(ALICE)
    one.hears()
    with caplog.at_level(logging.ERROR):
        one.calls("Break")
        house.turns()
    assert one.hears() == ["end"]
    assert [record.message for record in caplog.records] == ["defect in a.B.Break"]
    assert served(house, other) == [True]


def test_who_knocks_and_runs_is_not_counted(house: House) -> None:
    Client(house.path, ALICE).socket.close()
    house.turns()
    assert (house.server.clients, house.came, house.left) == ((), 0, [])


def test_who_cannot_be_known_is_not_let_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: socket.socket) -> Peer:
        raise OSError(errno.ENODATA, "nothing is known")

    monkeypatch.setattr(tested, "identify", unknown)
    client = Client(house.path, ALICE)
    house.turns()
    assert (client.hears(), house.server.clients) == (["end"], ())
    client.socket.close()


def test_without_descriptors_nobody_is_accepted_for_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be tried again at once, for ever."""
    tried = 0

    class Listener:
        def fileno(self) -> int:
            return house.listener.fileno()

        def accept(self) -> Any:
            nonlocal tried
            tried += 1
            if tried == 1:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return house.listener.accept()

    monkeypatch.setattr(house.server, "_listener", Listener())
    client = house.client(ALICE, known=False)
    house.turns()
    assert (tried, house.server.clients) == (1, ())
    assert caplog.messages == ["no client could be accepted: [Errno 24] Too many open files"]
    house.hands.time += 0.499
    house.turns()
    assert tried == 1
    house.hands.time += 0.001
    house.turns()
    client.says_who_it_is()
    assert served(house, client) == [True]


def test_many_are_let_in_at_once_and_the_others_after_those_who_are_in(house: House) -> None:
    turns: list[int] = []
    clients = []
    for _ in range(tested.ACCEPTED_AT_ONCE + 6):
        client = Client(house.path, BOB)
        house._uids.append(BOB)
        clients.append(client)
    house.clients += clients
    for _ in range(2):
        turn(house.loop)
        turns.append(len(house.server.clients))
    assert turns == [tested.ACCEPTED_AT_ONCE, tested.ACCEPTED_AT_ONCE + 6]
