# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm: the daemon stays small, serves others, and lets a running activation alone.

`test_hostile_files.py` has those that send file descriptors, `test_hostile_places.py` those that come in numbers.
"""

import os
import random
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from livefw.daemon.fwupd.values import typed
from livefw.dbus import introspection, wire
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.dispatch import STANDARD
from livefw.dbus.wire import Message, MessageType, Variant
from livefw.machine.config import MachineConfig, load
from livefw.machine.machine import Machine

from .conftest import FWUPD, OWN, Daemon, Serve
from .enemy import PING, call, claim, hanging, inside, lets_go, raw, receive

ROUNDS = int(os.environ.get("LIVEFW_FUZZ_ROUNDS", "400"))
GROWTH_KIB = 24 * 1024
"""What all attacks together may add; one that works adds this much within seconds."""

ENDED = {
    "wrong first byte": b"AUTH EXTERNAL 30\r\n",
    "message instead of authentication": call("GetDevices"),
    "endless line": b"\0AUTH " + b"A" * 100_000,
    "lines without end": b"\0" + b"AUTH\r\n" * 100,
    "in without a word": b"\0BEGIN\r\n" + PING,
    "in after a refusal": b"\0AUTH EXTERNAL " + claim(4_000_000) + b"\r\nBEGIN\r\n" + PING,
}


@pytest.mark.parametrize("name", ENDED)
def test_authentication_is_not_put_off(name: str, lasting: Daemon) -> None:
    already = len(lasting.log.read_text())
    with raw(lasting) as client:
        with suppress(BrokenPipeError):
            client.sendall(ENDED[name])
        assert lets_go(client)
    assert lasting.call("List")[2] == 0
    assert "is let go" in lasting.log.read_text()[already:]


@pytest.mark.parametrize("said", [b"", b"\0", b"\0AUTH EXTERNAL " + claim(4_000_000) + b"\r\n"])
def test_who_does_not_say_who_he_is_is_let_go(said: bytes, planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"dbus.server.PATIENCE_S": 0.2})
    with raw(daemon) as client, inside(daemon) as known:
        client.sendall(said)
        assert lets_go(client)
        known.sendall(PING)
        assert receive(known, 1)
    assert "it has not said who it is" in daemon.log.read_text()


def _header(number: int, kind: str, value: Any) -> bytes:
    """A message with one header field more, or one of another type."""
    good = call("GetDevices")
    length = struct.unpack_from("<I", good, 12)[0]
    fields = bytearray(good[16 : 16 + length])
    fields += bytes(-len(fields) % 8)
    one = wire.encode_body("(yv)", ((number, Variant(kind, value)),))
    fields += one
    return good[:12] + struct.pack("<I", len(fields)) + bytes(fields) + bytes(-len(fields) % 8)


def _deep(depth: int) -> bytes:
    """A call whose argument is a variant in a variant in a variant."""
    body = b"\x01v\0" * depth + b"\x01y\0\0"
    good = bytearray(_header(8, "g", "v"))
    good[4:8] = struct.pack("<I", len(body))
    return bytes(good) + body


MALFORMED = {
    "declared above the limit": struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 1 << 27, 1, 0),
    "header above the limit": struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 0, 1, 1 << 27),
    "one byte above the limit": struct.pack("<BBBBIII", ord("l"), 1, 0, 1, wire.MESSAGE_LIMIT - 15, 1, 0),
    "no byte order": b"x" + call("GetDevices")[1:],
    "version 2": call("GetDevices")[:3] + b"\2" + call("GetDevices")[4:],
    "no such type": b"l\x09" + call("GetDevices")[2:],
    "serial number 0": call("GetDevices")[:8] + bytes(4) + call("GetDevices")[12:],
    "descriptors that are not there": call("Install", "sha{sv}", "*", 0, {}, fds=3),
    "path that is a number": _header(1, "u", 1),
    "interface that is a path": _header(2, "o", "/"),
    "member that is a signature": _header(3, "g", "s"),
    "reply serial that is a text": _header(5, "s", "1"),
    "signature that is a text": _header(8, "s", "s"),
    "descriptors that are a text": _header(9, "s", "1"),
    "variant in variant for ever": _deep(10_000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_end_the_connection(name: str, lasting: Daemon) -> None:
    already = len(lasting.log.read_text())
    with inside(lasting) as client:
        client.sendall(MALFORMED[name])
        assert lets_go(client)
    assert lasting.call("List")[2] == 0
    assert "is let go" in lasting.log.read_text()[already:]


def test_large_texts_and_arrays_are_taken_up_to_the_limit(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    before = daemon.memory_kib()
    most = wire.MESSAGE_LIMIT - 400
    for member, signature, body in (
        ("Show", "as", (["x" * most],)),
        ("Show", "as", ([""] * (most // 8),)),
        ("Show", "as", (["TF-RMM"] * (most // 12),)),
        ("Show", "as", (["6"] * 250,)),
        ("Plan", "asas", ([], ["load"] * (most // 12))),
        ("History", "ss", ("x" * most, "")),
        ("Report", "asss", (["x" * most], "", "")),
        ("ReportAs", "assss", ([], "", "", "x" * most)),
        ("History", "ss", ("", "9" * most)),
        ("Activate", "asa{sv}", (["x" * 1000] * 50, {"reason": Variant("s", "x" * 10_000)})),
    ):
        with suppress(CallFailed):
            daemon.call(member, signature, *body)
    assert daemon.memory_kib() - before < GROWTH_KIB
    assert "defect" not in daemon.log.read_text()


def test_questions_have_a_limit(lasting: Daemon) -> None:
    for member, signature, body in (("Show", "as", (["x"] * 300,)), ("Plan", "asas", ([], ["load"] * 300))):
        with pytest.raises(CallFailed, match="in one question"):
            lasting.call(member, signature, *body)


def test_answers_have_a_limit(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"daemon.interfaces.livefw1.ANSWER_LIMIT": 500})
    for member, signature, body in (("List", "", ()), ("Show", "as", (["6"] * 3000,))):
        with pytest.raises(CallFailed) as caught:
            daemon.call(member, signature, *body)
        assert caught.value.name == "org.freedesktop.DBus.Error.LimitsExceeded"


OBJECTS = {FWUPD: "/", OWN: "/org/livefw", **dict.fromkeys(STANDARD, "/")}
PACKAGES = ("livefw.daemon", "livefw.dbus")
METHODS = [
    (interface, method.name, method.takes)
    for interface in OBJECTS
    for method in introspection.load(
        interface, package="livefw.dbus" if interface in STANDARD else "livefw.daemon"
    ).methods.values()
]
WRONG: list[tuple[str, tuple[Any, ...]]] = [
    ("v", (Variant("v", Variant("s", "deep")),)),
    ("a{sv}", ({"x": Variant("v", Variant("s", "deep"))},)),
    ("sssss", ("x",) * 5),
    ("at", ([1, 2, 3],)),
    ("(a{us}d)", (({1: "x"}, 0.5),)),
]


def test_wrong_types_are_answered_for_every_method(lasting: Daemon) -> None:
    with lasting.client() as client:
        for interface, member, takes in METHODS:
            for signature, body in WRONG:
                if signature == takes:
                    continue
                with pytest.raises(CallFailed, match="takes") as caught:
                    client.call(MethodCall(OBJECTS[interface], interface, member, signature, body))
                assert caught.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


VALUES = [
    Variant("s", "\x1b[2J\n/../../etc/shadow"),
    Variant("s", "x" * 5_000),
    Variant("b", True),
    Variant("u", 2**32 - 1),
    Variant("t", 2**64 - 1),
    Variant("x", -1),
    Variant("d", float("nan")),
    Variant("ay", b"\xff" * 100),
    Variant("as", []),
    Variant("a{sv}", {"filename": Variant("s", "x")}),
    Variant("v", Variant("v", Variant("s", "deep"))),
    Variant("h", 0),
]


def test_wrong_types_in_every_dictionary_are_answered(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted)
    image = os.open(folder, os.O_RDONLY)
    with inside(daemon) as client:
        for value in VALUES:
            for name in ("reason", "filename", "install-flags", "", "x" * 300):
                data = call("Install", "sha{sv}", "*", 3, {name: value}, fds=1)
                socket.send_fds(client, [data], [image])
                (answer,) = receive(client, 1)
                assert answer.error_name == f"{FWUPD}.NotSupported", (name, value, answer)
            for name in ("reason", "ignore", "on-failure", "interactive", "", "x" * 300):
                client.sendall(call("Activate", "asa{sv}", ["none"], {name: value}, interface=OWN, path="/org/livefw"))
                (answer,) = receive(client, 1)
                assert answer.error_name in ("", "org.freedesktop.DBus.Error.InvalidArgs"), (name, value)
        client.sendall(call("SetHints", "a{ss}", {f"{number}": "x" * 50 for number in range(800)}))
        assert receive(client, 1)[0].type is MessageType.RETURN
    os.close(image)
    assert "defect" not in daemon.log.read_text()


def test_what_a_client_says_forges_no_line_of_the_log(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "debug")
    with inside(daemon) as client:
        client.sendall(call("x\nlivefwd: lfa:x: activated\x1b[2J"))
        assert receive(client, 1)[0].error_name
    lines = daemon.log.read_text().splitlines()
    assert any("x\\nlivefwd: lfa:x: activated\\x1b[2J" in line for line in lines)
    assert "livefwd: lfa:x: activated\x1b[2J" not in lines


NAMES = [
    b"\xff\xfe\x80",
    b"\x1b[2J\x1b]0;title\x07\r\nforged: line",
    "\u202eevil\u2066".encode(),
    b"A" * 4000,
    b"a\0b",
    b"%s%n{}",
    b"<b>&amp;</b>",
    b"\xed\xa0\x80",
    b"",
]


def _texts(value: Any) -> list[str]:
    """All texts in an answer."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("name", NAMES)
def test_what_firmware_says_is_shown_and_does_nothing(name: bytes, planted: Path, serve: Serve) -> None:
    component = planted / "sys/firmware/lfa/6c0762a6-12f2-4b56-92cb-ba8f633606d9"
    for attribute in ("name", "current_version", "pending_version"):
        (component / attribute).write_bytes(name + b"\n")
    daemon = serve(planted)
    for member in ("GetDevices", "GetHistory", "GetPlugins"):
        with suppress(CallFailed):
            texts = _texts(daemon.call(member, interface=FWUPD))
            assert [text for text in texts if not text.isprintable()] == []
    daemon.call("Activate", "asa{sv}", ["6c0762a6"], {})
    for member, signature, body in (("List", "", ()), ("Plan", "asas", ([], [])), ("History", "ss", ("", ""))):
        document, text, _ = daemon.call(member, signature, *body)
        assert all(line.isprintable() for line in (document + text).split("\n"))
    assert "defect" not in daemon.log.read_text()
    assert "\x1b" not in daemon.log.read_text()


def test_what_others_say_is_shown_and_does_nothing() -> None:
    """Ids come from management controllers, reasons from archives."""
    evil = "a\x1b[2J\n\u202e\\b"
    told = typed({"Name": evil, "InstanceIds": [evil], "Metadata": {evil: evil}, "Guid": [], "Release": [typed({})]})
    texts = [text for variant in told.values() for text in _texts(variant.value)]
    assert texts == [r"a\x1b[2J\n\u202e\b"] * 4


def test_who_asks_and_does_not_read_has_to_wait(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    before = daemon.memory_kib()
    question = call("Introspect", interface="org.freedesktop.DBus.Introspectable")
    with inside(daemon) as client:
        client.settimeout(1)
        with suppress(TimeoutError):
            while True:
                client.sendall(question * 100)
        assert daemon.call("List")[2] == 0
        assert daemon.memory_kib() - before < 2 * 1024


MADE_UP: dict[str, tuple[Callable[[str], MethodCall], str]] = {
    "device": (lambda text: MethodCall("/", FWUPD, "GetReleases", "s", (text,)), f"{FWUPD}.NotFound"),
    "object": (lambda text: MethodCall(f"/{text}", "org.freedesktop.DBus.Peer", "Ping"), ""),
    "interface": (lambda text: MethodCall("/", f"x.{text}", "Ping"), "org.freedesktop.DBus.Error.UnknownMethod"),
    "method": (lambda text: MethodCall("/", FWUPD, text), "org.freedesktop.DBus.Error.UnknownMethod"),
}


@pytest.mark.parametrize("what", MADE_UP)
def test_answers_to_made_up_questions_are_not_remembered(what: str, planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    make, error = MADE_UP[what]
    with daemon.client() as client:
        told, before = set(), 0
        for number in range(1_000):
            if number == 500:
                before = daemon.memory_kib()
            try:
                client.call(make(f"{number:x>20000}"))
                told.add("")
            except CallFailed as failed:
                told.add(failed.name)
    assert told == {error}
    assert daemon.memory_kib() - before < 2 * 1024


def test_what_is_remembered_is_told_again_to_each_client(lasting: Daemon) -> None:
    devices = lasting.call("GetDevices", interface=FWUPD)[0]
    asked = [MethodCall("/", FWUPD, "GetReleases", "s", (device["DeviceId"].value,)) for device in devices]
    told = []
    for _ in range(3):
        with lasting.client() as client:
            for call_ in asked:
                try:
                    told.append(str(client.call(call_)))
                except CallFailed as error:
                    told.append(f"{error.name}: {error.text}")
    assert len(told) == 3 * len(asked)
    assert told[: len(asked)] == told[len(asked) : 2 * len(asked)] == told[2 * len(asked) :]
    assert told[0].startswith(f"{FWUPD}.NothingToDo: ")


def test_who_never_reads_is_let_go(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"dbus.connection.UNSENT_LIMIT": 50_000})
    question = call("Introspect", interface="org.freedesktop.DBus.Introspectable")
    with inside(daemon) as client, suppress(BrokenPipeError, ConnectionResetError):
        while True:
            client.sendall(question)
    assert daemon.call("List")[2] == 0
    assert "it does not read" in daemon.log.read_text()


def test_what_is_unread_is_bounded_for_all_together(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"dbus.server.UNSENT_IN_ALL": 300_000})
    question = call("Introspect", interface="org.freedesktop.DBus.Introspectable")
    with ExitStack() as stack:
        gone = 0
        for _ in range(10):
            client = stack.enter_context(inside(daemon))
            client.settimeout(0.2)
            try:
                while True:
                    client.sendall(question * 10)
            except TimeoutError:
                continue
            except OSError:
                gone += 1
        assert daemon.call("List")[2] == 0
    assert "too much waits for too many" in daemon.log.read_text()


def test_many_questions_at_once_are_answered_in_turn(lasting: Daemon) -> None:
    with inside(lasting) as greedy:
        greedy.sendall(call("GetDevices") * 500)
        started = time.monotonic()
        assert lasting.call("List")[2] == 0
        assert time.monotonic() - started < 5
        answers = receive(greedy, 500)
    assert {each.type for each in answers} == {MessageType.RETURN}


def test_half_a_message_is_waited_for(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    before = daemon.memory_kib()
    large = call("Show", "as", ["x" * 60_000], interface=OWN, path="/org/livefw")
    with ExitStack() as stack:
        slow = [stack.enter_context(inside(daemon)) for _ in range(100)]
        for client in slow:
            client.sendall(large[:-1])
        assert daemon.call("List")[2] == 0
        assert daemon.memory_kib() - before < GROWTH_KIB
        for client in slow[:50]:
            client.close()
        for client in slow[50:]:
            client.sendall(large[-1:] + PING[:20])
        assert all(receive(client, 1)[0].type is MessageType.RETURN for client in slow[50:])
    assert daemon.call("List")[2] == 0


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGWINCH])
def test_signals_that_mean_nothing_here(number: int, lasting: Daemon) -> None:
    lasting.popen.send_signal(number)
    assert lasting.call("List")[2] == 0


def _noise(chance: random.Random, good: list[bytes]) -> bytes:
    """Bytes near to what a client would send."""
    data = bytearray(chance.choice(good))
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 300))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 8, 16, 127, 128, 255, chance.randrange(256)))
    return bytes(data) if kind == 2 else bytes(data) + bytes(chance.choice(good))


def test_noise(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "error")
    daemon.call("List")
    before = daemon.memory_kib()
    seed = int(os.environ.get("LIVEFW_FUZZ_SEED", "5"))
    chance = random.Random(seed)
    good = [
        call("GetDevices"),
        call("GetReleases", "s", "0" * 40),
        call("SetHints", "a{ss}", {"locale": "C"}),
        call("Activate", "s", "f" * 40),
        call("Install", "sha{sv}", "*", 0, {"reason": Variant("s", "x"), "install-flags": Variant("t", 1)}),
        call("GetAll", "s", FWUPD, interface="org.freedesktop.DBus.Properties"),
        call("Plan", "asas", ["x"], ["load"], interface=OWN, path="/org/livefw"),
        b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n",
    ]
    for turn in range(ROUNDS):
        with inside(daemon) if turn % 4 else raw(daemon) as client, suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(_noise(chance, good))
            if turn % 50 == 0:
                assert daemon.call("List")[2] == 0, f"seed {seed}, round {turn}"
    assert daemon.popen.poll() is None, f"seed {seed}"
    assert daemon.call("List")[2] == 0
    assert daemon.memory_kib() - before < GROWTH_KIB
    assert "defect" not in daemon.log.read_text()


@pytest.mark.fuse
def test_activation_goes_on_among_enemies(
    mounted: Callable[[MachineConfig], tuple[Machine, Path]], serve: Serve, folder: Path
) -> None:
    _, root = mounted(load("vera"))
    daemon = serve(root)
    with daemon.client() as watcher, daemon.client() as dying, ExitStack() as stack:
        watcher.call(MethodCall("/org/livefw", OWN, "Watch", "b", (True,)))
        dying.send(
            Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw", interface=OWN, member="Activate")
        )
        _until(watcher, "begins")
        dying.close()
        for attack in MALFORMED.values():
            stack.enter_context(inside(daemon)).sendall(attack)
        for attack in ENDED.values():
            with suppress(BrokenPipeError):
                stack.enter_context(raw(daemon)).sendall(attack)
        file = stack.enter_context(hanging(folder)).file
        socket.send_fds(stack.enter_context(inside(daemon)), [call("GetDetails", "h", 0, fds=1)], [file])
        devices = daemon.call("GetDevices", interface=FWUPD)[0]
        ident = next(each["DeviceId"].value for each in devices if each["Flags"].value & 1 << 20)
        with pytest.raises(CallFailed) as caught:
            daemon.call("Activate", "s", ident, interface=FWUPD)
        assert caught.value.name == "org.freedesktop.fwupd.Busy"
        _until(watcher, "end")
    history = daemon.call("History", "ss", "", "")[0]
    assert '"activated"' in history
    assert daemon.call("Verify")[2] == 0


def _until(client: Client, event: str) -> None:
    while f'"event": "{event}"' not in str(client.receive().body):
        pass
