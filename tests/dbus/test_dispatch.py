# SPDX-License-Identifier: Apache-2.0
"""From a message to a method and back: what each call is answered (D-Bus Specification, "Standard Interfaces")."""

import os
import socket
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from livefw.dbus import introspection, wire
from livefw.dbus.connection import Account, Connection
from livefw.dbus.dispatch import DBusError, Dispatcher, Face, IncomingCall, Later, full_text
from livefw.dbus.introspection import Interface, Method
from livefw.dbus.peer import identify
from livefw.dbus.wire import NO_REPLY, Message, MessageType, Variant
from livefw.errors import LivefwError, NoSuchComponent, Refused

ERROR = "org.freedesktop.DBus.Error"
PROPERTIES = "org.freedesktop.DBus.Properties"
PEER = "org.freedesktop.DBus.Peer"
METHODS = (
    Method("GetThing", "su", "su"),
    Method("GetNothing", "", ""),
    Method("Fail", "s", ""),
    Method("AnswerLater", "", "s"),
    Method("Take", "h", "s"),
)
XML = '<interface name="a.B"><method name="GetThing"/></interface>'


class Thing(Face):
    """A face with one method of each sort."""

    interface = Interface("a.B", {each.name: each for each in METHODS}, {"Colour": "s", "Size": "u"}, {}, XML)
    waiting: IncomingCall

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"Colour": "red", "Size": 7}

    def properties(self, connection: Connection) -> dict[str, Any]:
        return dict(self.values)

    def error_name(self, kind: str, phase: str) -> str:
        return f"a.B.Error.{kind}.{phase}"

    def get_thing(self, call: IncomingCall, text: str, number: int) -> tuple[str, int]:
        return text.upper(), number + 1

    def get_nothing(self, call: IncomingCall) -> tuple[()]:
        return ()

    def fail(self, call: IncomingCall, how: str) -> None:
        errors: dict[str, Exception] = {
            "dbus": DBusError("a.B.Mine", "its own"),
            "ours": NoSuchComponent("there is none", hint="livefw list"),
            "phase": Refused("no", component="x", mechanism="y", phase="stage"),
            "long": DBusError("a.B.Mine", "x" * 2001),
            "ugly": DBusError("a.B.Mine", "red \x1b[31m"),
        }
        raise errors[how]

    def answer_later(self, call: IncomingCall) -> None:
        self.waiting = call
        return Later

    def take(self, call: IncomingCall, number: int) -> tuple[str]:
        return (f"{call.fds} at {number} by {call.peer.uid}",)


class Client:
    """Both ends of a connection and the dispatcher behind it."""

    def __init__(self) -> None:
        here, self.socket = socket.socketpair()
        self.connection = Connection(here, identify(here), Account(9), "guid", now=0.0)
        self.socket.send(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
        self.connection.receive()
        self.socket.recv(100)
        self.socket.setblocking(False)
        self.face = Thing()
        self.dispatcher = Dispatcher({"/org/thing": [self.face], "/org/other/deep": []}, lambda: "f" * 32)

    def handle(self, message: Message) -> None:
        self.dispatcher.handle(self.connection, message)

    def answers(self) -> list[Message]:
        found = []
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        while data:
            size = wire.message_size(data)
            assert size is not None
            found.append(wire.decode(data[:size]))
            data = data[size:]
        return found

    def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any, flags: int = 0) -> Message:
        self.handle(
            Message(MessageType.CALL, 77, body, signature, path=path, interface=interface, member=member, flags=flags)
        )
        (answer,) = self.answers()
        assert answer.reply_serial == 77
        assert self.connection.calls == 0
        return answer


@pytest.fixture
def client() -> Any:
    made = Client()
    yield made
    made.connection.close()
    made.socket.close()


GIVEN: list[tuple[tuple[Any, ...], str, tuple[Any, ...]]] = [
    (("/org/thing", "a.B", "GetThing", "su", "x", 1), "su", ("X", 2)),
    (("/org/thing", "", "GetThing", "su", "x", 1), "su", ("X", 2)),
    (("/org/thing", "a.B", "GetNothing"), "", ()),
    (("/", "org.freedesktop.DBus", "Hello"), "s", (":1.1",)),
    (("/org/thing", PEER, "Ping"), "", ()),
    (("/made/up", PEER, "Ping"), "", ()),
    (("/org/thing", PEER, "GetMachineId"), "s", ("f" * 32,)),
    (("/org/thing", PROPERTIES, "Get", "ss", "a.B", "Colour"), "v", (Variant("s", "red"),)),
    (("/org/thing", PROPERTIES, "Get", "ss", "a.B", "Size"), "v", (Variant("u", 7),)),
    (
        ("/org/thing", PROPERTIES, "GetAll", "s", "a.B"),
        "a{sv}",
        ({"Colour": Variant("s", "red"), "Size": Variant("u", 7)},),
    ),
    (("/org/thing", PROPERTIES, "GetAll", "s", PEER), "a{sv}", ({},)),
]


@pytest.mark.parametrize(("asked", "signature", "values"), GIVEN)
def test_what_is_given_back(client: Client, asked: tuple[Any, ...], signature: str, values: tuple[Any, ...]) -> None:
    for _ in range(2):  # what is found once is remembered
        answer = client.call(*asked)
        assert (answer.type, answer.signature, answer.body) == (MessageType.RETURN, signature, values)


FAILING: list[tuple[tuple[Any, ...], str, str]] = [
    (("/org/thing", "a.B", "GetThing", "s", "x"), f"{ERROR}.InvalidArgs", "GetThing takes (su) and was given (s)"),
    (("/org/thing", "a.B", "Other"), f"{ERROR}.UnknownMethod", "there is no a.B.Other here"),
    (("/org/thing", "a.C", "GetThing", "su", "x", 1), f"{ERROR}.UnknownMethod", "there is no a.C.GetThing here"),
    (("/made/up", "a.B", "GetThing", "su", "x", 1), f"{ERROR}.UnknownObject", "there is no object /made/up"),
    (("/made/up", PROPERTIES, "GetAll", "s", "a.B"), f"{ERROR}.UnknownObject", "there is no object /made/up"),
    (("/made/up", "", "Ping"), f"{ERROR}.UnknownObject", "there is no object /made/up"),
    (
        ("/made/up", "org.freedesktop.DBus.Introspectable", "Introspect"),
        f"{ERROR}.UnknownObject",
        "there is no object /made/up",
    ),
    (
        ("/org/thing", PROPERTIES, "GetAll", "s", "a.C"),
        f"{ERROR}.UnknownInterface",
        "there is no interface a.C at /org/thing",
    ),
    (
        ("/org/thing", PROPERTIES, "Get", "ss", "a.B", "Weight"),
        f"{ERROR}.UnknownProperty",
        "there is no property Weight",
    ),
    (
        ("/org/thing", PROPERTIES, "Get", "ss", PEER, "Colour"),
        f"{ERROR}.UnknownProperty",
        "there is no property Colour",
    ),
    (
        ("/org/thing", PROPERTIES, "Set", "ssv", "a.B", "Colour", Variant("s", "blue")),
        f"{ERROR}.PropertyReadOnly",
        "no property here can be set",
    ),
    (("/org/thing", "a.B", "Fail", "s", "dbus"), "a.B.Mine", "its own"),
    (("/org/thing", "a.B", "Fail", "s", "ours"), "a.B.Error.no-such-component.", "there is none (livefw list)"),
    (("/org/thing", "a.B", "Fail", "s", "phase"), "a.B.Error.refused.stage", "no"),
    (("/org/thing", "a.B", "Fail", "s", "long"), "a.B.Mine", "x" * 2000),
]


@pytest.mark.parametrize(("asked", "name", "text"), FAILING)
def test_what_cannot_be_given(client: Client, asked: tuple[Any, ...], name: str, text: str) -> None:
    answer = client.call(*asked)
    assert (answer.type, answer.error_name, answer.body) == (MessageType.ERROR, name, (text,))


def test_what_a_terminal_would_obey_is_not_passed_on(client: Client) -> None:
    assert "\x1b" not in client.call("/org/thing", "a.B", "Fail", "s", "ugly").body[0]


def test_properties_that_change_are_told_anew(client: Client) -> None:
    asked = ("/org/thing", PROPERTIES, "GetAll", "s", "a.B")
    assert client.call(*asked).body[0]["Size"] == Variant("u", 7)
    client.face.values["Size"] = 8
    assert client.call(*asked).body[0]["Size"] == Variant("u", 8)


def test_an_error_of_ours_below_no_face_has_the_name_of_the_specification(client: Client) -> None:
    def broken() -> str:
        raise LivefwError("nobody knows")

    client.dispatcher = Dispatcher({}, broken)
    answer = client.call("/", PEER, "GetMachineId")
    assert (answer.error_name, answer.body) == (f"{ERROR}.Failed", ("nobody knows",))


@pytest.mark.parametrize(
    ("path", "interfaces", "children"),
    [
        ("/", set(), ["org"]),
        ("/org", set(), ["other", "thing"]),
        ("/org/thing", {"a.B"}, []),
        ("/org/other", set(), ["deep"]),
    ],
)
def test_the_tree_can_be_walked(client: Client, path: str, interfaces: set[str], children: list[str]) -> None:
    (text,) = client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect").body
    assert text.startswith("<!DOCTYPE node PUBLIC")
    node = ElementTree.fromstring(text)
    standard = {"org.freedesktop.DBus", PEER, "org.freedesktop.DBus.Introspectable", PROPERTIES}
    assert {each.get("name") for each in node.iter("interface")} == standard | interfaces
    assert [each.get("name") for each in node.findall("node")] == children


def test_a_call_is_answered_once_and_counted_until_then(client: Client) -> None:
    message = Message(MessageType.CALL, 5, path="/org/thing", interface="a.B", member="AnswerLater")
    client.handle(message)
    call, released = client.face.waiting, list[str]()
    call.keep(lambda: released.append("kept"))
    assert (call.open, client.connection.calls, client.answers(), released) == (True, 1, [], [])
    call.reply("done")
    call.reply("again")
    call.fail("a.B.Late", "again")
    assert [answer.body for answer in client.answers()] == [("done",)]
    assert (call.open, client.connection.calls, released) == (False, 0, ["kept"])


@pytest.mark.parametrize("end", [IncomingCall.give_up, lambda call: call.connection.close()], ids=["given up", "left"])
def test_nobody_is_answered_who_does_not_wait(client: Client, end: Callable[[IncomingCall], None]) -> None:
    client.handle(Message(MessageType.CALL, 5, path="/org/thing", interface="a.B", member="AnswerLater"))
    call = client.face.waiting
    end(call)
    assert not call.open
    call.reply("done")
    assert (client.connection.calls, client.answers() if not client.connection.closed else []) == (0, [])


def test_who_wants_no_answer_gets_none(client: Client) -> None:
    for member in ("GetNothing", "Other"):
        client.handle(Message(MessageType.CALL, 5, path="/org/thing", interface="a.B", member=member, flags=NO_REPLY))
    assert (client.answers(), client.connection.calls) == ([], 0)


@pytest.mark.parametrize("kind", [MessageType.CALL, MessageType.RETURN, MessageType.SIGNAL])
def test_descriptors_are_thrown_away_behind_their_message(client: Client, kind: MessageType) -> None:
    """Whether it is answered or passed over: the next message is read in any case."""
    message = Message(kind, 5, (0,), "h", path="/org/thing", interface="a.B", member="Take", reply_serial=1, fds=1)
    socket.send_fds(client.socket, [wire.encode(message)], [client.socket.fileno()])
    client.connection.receive()
    (taken,) = client.connection.messages()
    client.handle(taken)
    told = [answer.body for answer in client.answers()]
    assert told == ([(f"1 at 0 by {os.getuid()}",)] if kind is MessageType.CALL else [])
    client.socket.send(wire.encode(Message(MessageType.CALL, 6, path="/", interface=PEER, member="Ping")))
    client.connection.receive()
    assert [each.member for each in client.connection.messages()] == ["Ping"]


def test_errors_for_people() -> None:
    assert full_text(LivefwError("what", hint="do this")) == "what (do this)"
    assert full_text(LivefwError("what")) == "what"
    assert full_text(KeyError("x")) == "unexpected KeyError: 'x'"


def test_interfaces_say_what_goes_in_and_what_comes_out() -> None:
    """D-Bus Specification, "Standard Interfaces"."""
    found = introspection.load(PROPERTIES)
    assert found.methods == {
        "Get": Method("Get", "ss", "v"),
        "GetAll": Method("GetAll", "s", "a{sv}"),
        "Set": Method("Set", "ssv", ""),
    }
    assert found.signals == {"PropertiesChanged": "sa{sv}as"}
    assert introspection.load("org.freedesktop.DBus").methods["Hello"] == Method("Hello", "", "s")
